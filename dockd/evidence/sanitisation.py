"""The record of what was done to a camera that was emptied, and how much may be claimed of it, from the custody entries alone.

The words are those of NIST SP 800-88: *Clear* is claimed only for a camera whose whole addressable space was overwritten and
read back; removing files is neither Clear nor Purge, and is called delete. Nothing here is ever called Purge: no camera offers it
over USB mass storage.
"""

from collections.abc import Iterable, Iterator

from dockd.core.canonical import Json
from dockd.evidence.wording import Entry

_CLAIMS = {
    "delete": "Delete: the files named here were removed. Their content may still be found on the medium. "
    "This is neither Clear nor Purge of NIST SP 800-88.",
    "clear": "Clear (NIST SP 800-88): all user-addressable space was overwritten, a new file system made, and what was written "
    "read back. Space that a flash medium keeps to itself is not reached; this is not Purge.",
}


def records(entries: Iterable[Entry]) -> Iterator[dict[str, Json]]:
    """A record for each erasing that ran to its end, be it in a later docking than the one in which it was begun."""
    begun: dict[Json, Entry] = {}
    broken_off: dict[tuple[Json, Json], Entry] = {}
    version, erased = "", dict[Json, list[Entry]]()
    for entry in entries:
        match entry["event"]:
            case "daemon.started":
                version = str(entry.get("version", ""))
            case "camera.clearing":
                begun[entry["nonce"]] = entry
                broken_off[entry["camera"], entry["docking"]] = entry
            case "recording.erased":
                erased.setdefault(entry["nonce"], []).append(entry)
            case "camera.cleared":
                gone = erased.get(entry["nonce"], [])
                yield _record(entry, begun.get(entry["nonce"], {}), gone, version)
            case "camera.clear-finished":
                yield _finished(entry, broken_off.get((entry["camera"], entry["begun"]), {}), version)
            case _:
                pass


def _record(entry: Entry, begun: Entry, erased: list[Entry], version: str) -> dict[str, Json]:
    method = str(entry["method"])
    done = {name: entry.get(name) for name in ("files", "trimmed_bytes", "overwritten", "restored", "instead")}
    return {
        "type": "dockd/sanitisation/v1",
        "camera": entry["camera"],
        "docking": entry["docking"],
        "method": method,
        "claim": _CLAIMS.get(method, f"Nothing more than the word {method}."),
        "asked": begun.get("method"),
        "done": done,
        "tool": "dockd",
        "tool_version": version,
        "operator": "the site's policy; no person erased by hand",
        "begun": begun.get("time"),
        "ended": entry["time"],
        "begun_entry": begun.get("seq"),
        "ended_entry": entry["seq"],
        "erased": [
            {"recording": each["recording"], "entry": each["seq"], "statement": each["statement"], "time": each["time"]}
            for each in erased
        ],
        "covered": len(_listed(entry, "covered")),
        "left": entry["left"],
        "ground": _ground(erased),
        "verification": _verification(entry),
    }


def _finished(entry: Entry, begun: Entry, version: str) -> dict[str, Json]:
    """Of an erasing that was interrupted: what it covers, and on which ground, was settled when it was begun."""
    covered = _listed(begun, "covered")
    settled: Entry = {"docking": entry["begun"], "covered": covered, "left": _listed(begun, "left"), **entry}
    named = f"entry {begun['seq']}" if begun else "an entry that is not shown here"
    return _record(settled, begun, [], version) | {
        "erased": [{"recording": each} for each in covered],
        "ground": f"It was begun under the permit of {named}, broken off, and ended when the camera was docked again.",
    }


def _ground(erased: Iterable[Entry]) -> str:
    """On whose word it was done."""
    looks = sorted({str(each["basis"]) for each in erased if "basis" in each})
    if not looks:
        return "The archive signed, for this docking, that it holds each of the files."
    return (
        f"The archive signs nothing: the dock itself found there what it holds ({', '.join(looks)}), and the site file, as an "
        "admin accepted it, takes the dock's word for that (erase.unsigned)."
    )


def _verification(entry: Entry) -> str:
    done = entry.get("overwritten")
    if isinstance(done, dict):
        return (
            f"{done['passes']} pass(es) over {done['disk_bytes']} bytes; {done['read_back_bytes']} bytes were read back "
            f"from the medium ({done['read_back']}) and were as they were written."
        )
    return "Each file was read again from the medium before, and looked for after: it was gone. Its content was not overwritten."


def _listed(entry: Entry, member: str) -> list[Json]:
    value = entry.get(member)
    return list(value) if isinstance(value, list | tuple) else []
