"""What became of a recording, step by step, and what of that is proved. Second part of the verifier, which runs alone.

Each step must lead on from the one before it: one that is missing in between is found, also where every entry for itself is good.
"""

from collections.abc import Iterator

from dockd.evidence.reading import Json, WrongError

PROVED, NOT_PROVED, NOTE = "PROVED", "NOT PROVED", "NOTE"
MEASURES = ("size", "blake3", "sha256")
FROM = {
    "recording.copying": {"seen", "copying"},
    "recording.verified": {"copying"},
    "recording.recognised": {"seen", "copying"},
    "recording.uploading": {"verified", "uploading"},
    "recording.archived": {"uploading"},
    "recording.proof-lost": {"archived"},
    "recording.erased": {"archived"},
    "recording.found-gone": {"archived"},
    "recording.refused": {"seen", "copying", "verified", "uploading"},
    "recording.retried": {"refused"},
}
"""From which states each step is legal."""
FOUND = {"recording.seen", "recording.met"}
STATES = {"recognised": "archived", "proof-lost": "seen", "found-gone": "erased"}

Line = tuple[str, str]


def recording_lines(wanted: Json, steps: list[Json]) -> Iterator[Line]:
    """What is proved of one recording of the manifest, by the entries about it in their order.

    Raises:
        WrongError: they do not say what the manifest says, or an entry between them is missing.
    """
    name, place = wanted["recording"], f"recording {wanted['recording']}"
    if not steps or steps[0]["event"] != "recording.seen":
        raise WrongError(place, "the log does not say that it was found on a camera")
    found = steps[0] | {"path": [each["path"] for each in steps if each["event"] in FOUND][-1]}
    if differing := [each for each in ("camera", "docking", "path", "sidecar_of", "modified_ns") if found[each] != wanted[each]]:
        raise WrongError(place, f"its {differing[0]} is not what the log says")
    state, measured, at = _lived(place, steps)
    if [wanted[each] for each in MEASURES] != (measured or [steps[0].get(each) for each in MEASURES]):
        raise WrongError(place, "its digests are not those that were read from the camera and by the archive")
    if state != wanted["state"]:
        raise WrongError(place, f"it is not {wanted['state']}: the log last says {steps[-1]['event'].removeprefix('recording.')}")
    proof = at.get("archived", at.get("recognised"))
    if wanted["object"] != (proof and proof["object"]):
        raise WrongError(place, "its object is not the one that the log names")
    yield NOTE, f"Recording {name}: {wanted['path']} of camera {wanted['camera']}, {wanted['size']} bytes, {wanted['state']}."
    if "verified" in at:
        yield PROVED, f"  {at['verified']['time']} the dock's copy was read back: SHA-256 {at['verified']['sha256']}."
    if proof is not None:
        who = f"the dock found, by {proof['basis']} at the archive," if "basis" in proof else "the archive read back"
        until = f", kept until {proof['retain_until']}" if "retain_until" in proof else ""
        yield PROVED, f"  {proof['time']} {who} the same bytes as object {proof['object']}{until}."
    if "erased" in at:
        how = "the dock found it there again" if "basis" in at["erased"] else "the archive proved again that it holds it"
        yield PROVED, f"  {at['erased']['time']} erased from the camera, after {how}."
    if proof is None:
        lost = "".join(f": since {each['time']} it no longer proves it" for each in [at.get("proof-lost")] if each)
        yield NOT_PROVED, f"that an archive holds recording {name}{lost}."


def _lived(place: str, steps: list[Json]) -> tuple[str, list[str | None] | None, dict[str, Json]]:
    """A recording's state and measures after its steps, each of which was legal; and the last of each kind that still counts."""
    state, at = "seen", dict[str, Json]()
    measured: list[str | None] | None = None
    for step in (each for each in steps[1:] if each["event"] != "recording.met"):
        if state not in FROM.get(step["event"], ()):
            raise WrongError(
                place, f"entry {step['seq']}, {step['event']}, cannot follow while it is {state}: entries are missing"
            )
        event, found = step["event"].removeprefix("recording."), [step.get(each) for each in MEASURES]
        if event == "archived" and found != measured:
            raise WrongError(place, "its digests are not those that were read from the camera and by the archive")
        state = STATES.get(event, event)
        if event in {"verified", "recognised"}:
            measured = found
        elif event == "proof-lost":
            measured = None
            at.clear()
        elif event == "retried":
            state = "verified" if step["spooled"] and measured else "seen"
        at[event] = step
    return state, measured, at
