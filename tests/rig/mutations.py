"""`python -m tests.rig.mutations [WORD...]`: breaks what each scenario guards, in the machine, and sees the scenario fail.

A mutation that cannot be made, because the code has changed, is an error and no failure of the scenario. What was seen is kept in
docs/RIG.md. Each costs as much as its scenario, and up to a minute and a half more where the scenario waits for what never comes.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

from tests.rig.image import ROOT, SUITES

NOT_MADE = "rig: this mutation cannot be made"
_NO_SYNC = ("__init__.py", "", "\nimport os\nos.fsync = os.fdatasync = lambda _: None\n")
_GONE = (
    "docking/attendant.py",
    "                    case Removed():\n                        await self._end(PULLED)",
    "                    case Removed():\n                        continue",
)
# In the machine: each file once, exactly at one place, and none of the byte code that Python would take instead.
_SCRIPT = """/usr/lib/dockd/bin/python -I - <<'MUTATION'
import pathlib, shutil, sys
package = next(pathlib.Path("/usr/lib/dockd/lib").glob("python3*")) / "site-packages/dockd"
for name, old, new in {edits!r}:
    path = package / name
    text = path.read_text()
    if old and text.count(old) != 1:
        sys.exit(f"{not_made}: {{path}} has {{text.count(old)}} times {{old!r}}")
    path.write_text(text.replace(old, new) if old else text + new)
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
MUTATION
systemctl daemon-reload
systemctl try-restart dockd-helper.service"""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Something that a scenario guards, broken.

    Attributes:
        scenario: words of its name, as pytest's -k takes them.
        what: is broken.
        edits: files, below the installed `dockd` or with their whole path, what is in them at one place, and what is put there.
            What is to be replaced is empty where something is added at the end.
    """

    scenario: str
    what: str
    edits: tuple[tuple[str, str, str], ...]


MUTATIONS = (
    Mutation(
        "eight_cameras",
        "udev looks for file systems on cameras",
        (("helper/udev_rules.py", 'ENV{UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG}="1"', 'ENV{DOCKD_NOTHING}="1"'),),
    ),
    Mutation(
        "also_a_keyboard",
        "what has a disk is taken for a camera, whatever else it has",
        (("core/usb.py", "foreign = sorted(kinds - STORAGE)", "foreign = [] if kinds & STORAGE else sorted(kinds - STORAGE)"),),
    ),
    Mutation("pull_in_the_middle", "a bay does not hear that its camera left", (_GONE,)),
    Mutation("hub_that_drops", "a bay does not hear that its camera left", (_GONE,)),
    Mutation("drops_and_comes_back", "a bay does not hear that its camera left", (_GONE,)),
    Mutation(
        "keyboard_in_a_bay",
        # With the first alone nothing gets in: that was tried.
        "root hubs let in whatever comes, and each of its interfaces",
        (
            ("helper/udev_rules.py", 'ATTR{authorized_default}="0"', 'ATTR{authorized_default}="1"'),
            ("helper/udev_rules.py", 'ATTR{interface_authorized_default}="0"', 'ATTR{interface_authorized_default}="1"'),
        ),
    ),
    Mutation(
        "stalls_without_an_error",
        "a worker that is silent is waited for",
        (("offload/workers.py", "asyncio.timeout(self._stall_after_s)", "asyncio.timeout(None)"),),
    ),
    Mutation(
        "bad_sectors",
        "a file that cannot be read ends the docking",
        (("offload/copying.py", "self._emit(Skipped(job.path, exc.code, exc.message, exc.hint, exc.transient))", "raise"),),
    ),
    Mutation(
        "learned_by_plugging",
        "every bay is learned as the first one's port",
        (("bays/learning.py", "found[bay] = device", "found[bay] = device = next(iter(found.values()), device)"),),
    ),
    Mutation(
        "before_the_machine_started",
        "the helper leaves in what was there before it",
        (("helper/guard.py", "if _shut(sysfs.at(permitted.ports[bay])):", "if False:"),),
    ),
    Mutation(
        "memory_and_a_card",
        "of several volumes the first is read",
        (("helper/attaching.py", "if len(source.volumes) != 1:", "if not source.volumes:"),),
    ),
    Mutation(
        "two_cameras_with_one_serial",
        "nobody looks for the serial elsewhere",
        (
            (
                "docking/journey.py",
                "is not self._bay)\n        return next((",
                "is not self._bay)\n        return None and next((",
            ),
        ),
    ),
    Mutation(
        "port_power_goes",
        "the power goes while the camera is in use",
        (("helper/port_power.py", "                in_no_other_use(disk)", "                pass"),),
    ),
    Mutation(
        "hub_that_ignores_what",
        "the probe does not ask the hub",
        (("bays/probing.py", "return Verdict.SWITCHES if obeyed else Verdict.IGNORES", "return Verdict.SWITCHES"),),
    ),
    Mutation(
        "only_what_was_flushed",
        "the token is not made durable",
        (("helper/overwriting.py", "[: len(block)], 0)\n        os.fsync(self._descriptor)", "[: len(block)], 0)"),),
    ),
    Mutation(
        "a_pull_break_off",
        "a token on a camera is not seen",
        (("helper/begun.py", "if first.startswith(_MAGIC) else None", "if not first else None"),),
    ),
    Mutation(
        "hold_that_the_helper_knows",
        "the helper forgets its holds",
        (("helper/holds.py", "[(each.scope, each.subject) for each in self.all()]", "[]"),),
    ),
    Mutation(
        "taken_over",
        "no signature is checked",
        (("dsse.py", "return key is not None and _made(key, signature, message)", "return True"),),
    ),
    Mutation(
        "nothing_is_written",
        "cameras are mounted for writing, with their writes let through",
        (
            ("helper/mounting.py", '"noload,errors=continue"', '"errors=continue"'),
            ("helper/mounting.py", 'fcntl.ioctl(descriptor, _BLKROSET, struct.pack("=i", blocked))', "pass"),
            ("helper/mounting.py", "if bool(read_only) != blocked:", "if False:"),
            ("helper/mounting.py", "_FLAGS if writable else _FLAGS | _MS_RDONLY", "_FLAGS"),
        ),
    ),
    Mutation(
        "deleted_and_cleared",
        "a clear overwrites the first piece, and says that it did all",
        (
            ("helper/overwriting.py", "reversed(range(0, self._size, PIECE_BYTES))", "[0]"),
            ("helper/overwriting.py", "self._written += size", "self._written += self._size"),
            ("helper/overwriting.py", "if filled != size or found != expected:", "if False:"),
        ),
    ),
    Mutation(
        "clean_system",
        "a unit says something that systemd does not know",
        (("/usr/lib/systemd/system/dockd.service", "", "\n[Service]\nNonsense=1\n"),),
    ),
    Mutation(
        "directory_bay",
        "a spool that is not encrypted is taken",
        (("config/spool_disk.py", "if not disk.encrypted and", "if False and"),),
    ),
    Mutation(
        "upgrade_in_the_middle",
        "the service is not started anew",
        (("/usr/sbin/policy-rc.d", "", "#!/bin/sh\nexit 101\n"),),
    ),
    Mutation(
        "removed_over_footage",
        "the ports are not handed back",
        (("/var/lib/dpkg/info/dockd.postrm", "remove)\n    hand_back_the_ports", "remove)"),),
    ),
    Mutation(
        "loses_nothing and quit",
        "what waits for the archive is not found again after a start",
        (("delivery/recovery.py", "dock.outbox.put(recording)", "pass"),),
    ),
    Mutation(
        "loses_nothing and flush",
        "neither the spool nor the journal is synced",
        (_NO_SYNC, ("journal/ledger.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF")),
    ),
    Mutation(
        "after_take_it",
        "neither the spool nor the journal is synced",
        (_NO_SYNC, ("journal/ledger.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF")),
    ),
    Mutation(
        "vaults_own_machine",
        "the vault syncs nothing",
        (_NO_SYNC, ("vault/ledger.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF")),
    ),
    Mutation(
        "ten_rounds",
        "a recording is given up after the third attempt",
        (
            ("archive/retrying.py", "stop=stop_never", "stop=stop_after_attempt(3)"),
            ("archive/retrying.py", "retry_if_exception, stop_never", "retry_if_exception, stop_after_attempt"),
        ),
    ),
    Mutation(
        "something_else_filled",
        "nobody is told that it is the room that lacks",
        (("journal/file.py", "if code == sqlite3.SQLITE_FULL:", "if False:"),),
    ),
    Mutation(
        "lets_a_port_rest",
        "a camera without power may be taken",
        (("core/readiness.py", 'Readiness(Lamp.LEAVE, f"Resting', 'Readiness(Lamp.TAKE, f"Resting'),),
    ),
    Mutation(
        "crash_while_a_port_is_off",
        "nobody switches on what a helper that died had switched off",
        (
            ("helper/port_power.py", "        if port.name in noted:", "        if False:"),
            ("/usr/lib/systemd/system/dockd-helper.service", "ExecStopPost=/usr/lib/dockd/bin/ports-have-power", "# nobody: "),
        ),
    ),
    Mutation(
        "leaves_a_hub_alone",
        "nobody asks whether the hub did what it was told",
        (("helper/port_power.py", "return answers == [_ON if on else _OFF] * len(ports)", "return True"),),
    ),
    Mutation(
        "lamps_ask_for_help",
        "nobody sees to the lamps of a daemon that died",
        (
            (
                "/usr/lib/systemd/system/dockd.service",
                "ExecStopPost=/usr/lib/dockd/bin/lamp-command-asks-for-help",
                "ExecStopPost=/bin/true",
            ),
        ),
    ),
    Mutation(
        "badge_reader_is_read",
        "the reader's keys reach others as well",
        (("charging/badges.py", "        fcntl.ioctl(reader, _EVIOCGRAB, 1)", "        pass"),),
    ),
    Mutation(
        "bundle_of_the_docks",
        "the hashes that prove its entries to be in the log are others",
        (("evidence/bundle.py", "base64.b64encode(each)", "base64.b64encode(each[::-1])"),),
    ),
    Mutation(
        "put_back_is_named",
        "the daemon is told the same boot each time",
        (("/usr/lib/systemd/system/dockd.service", "DOCKD_BOOT=%b", "DOCKD_BOOT=1"),),
    ),
    Mutation(
        "switched_on_shows",
        "the browser may go anywhere",
        (("/usr/lib/systemd/system/dockd-kiosk.service", "IPAddressDeny=any", "IPAddressDeny="),),
    ),
    Mutation(
        "sealed_recordings",
        "what counts as sealed was never sealed",
        (("verity.py", "        ioctl(descriptor, _ENABLE, _ARGUMENT)", "        return"),),
    ),
    Mutation(
        "sealed_by_the_tpm",
        "the daemon is not given the key that was sealed",
        (("/usr/lib/systemd/system/dockd.service", "LoadCredentialEncrypted=dock-key", "# not loaded"),),
    ),
)


def seen_failing(mutation: Mutation, suite: str) -> tuple[bool, str]:
    """Run the scenario over the mutation; whether it failed for that, and what it said."""
    script = _SCRIPT.format(edits=mutation.edits, not_made=NOT_MADE)
    options = ["-p", "no:randomly", "-n", "0", "-q", "--timeout", "900", "-o", "python_files=scenario_*.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/rig", "-k", mutation.scenario],
        cwd=ROOT,
        env=os.environ | {"RIG_BREAK": script, "SUITES": suite},
        capture_output=True,
        text=True,
        check=False,
    )
    words = re.findall(r"^E +(.*(?:Error|assert|Timeout|does not|status).*)$", done.stdout, re.MULTILINE)
    said = " / ".join(dict.fromkeys(each.strip()[:600] for each in words)) or done.stdout[-300:]
    return done.returncode == 1 and NOT_MADE not in done.stdout, said


def main(words: list[str]) -> int:
    """Show each mutation whose scenario has one of these words in its name, all without any; 1 if a scenario passed."""
    suite = os.environ.get("SUITES", max(SUITES))
    passed = []
    for mutation in MUTATIONS:
        if not words or any(word in mutation.scenario for word in words):
            failed, said = seen_failing(mutation, suite)
            if not failed:
                passed.append(mutation.scenario)
            verdict = "failed, as it should" if failed else "NOT SEEN TO FAIL"
            sys.stdout.write(f"{mutation.scenario} ({mutation.what}): {verdict}: {said}\n")
            sys.stdout.flush()
    return int(bool(passed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
