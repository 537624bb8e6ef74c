"""The installed `dockd` command against a running dock: every verb that asks or orders, as an admin and as a program call it."""

import getpass
import hashlib
import http.client
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dockd.cli import schemas
from dockd.clock import SystemClock
from dockd.core.recording import State
from dockd.dsse import SigningKey
from dockd.evidence import verifier
from tests.sim.cameras import make_camera
from tests.sim.cli_documents import alone, as_described, validator
from tests.sim.dock_process import DockProcess, Site
from tests.sim.ports import free_port
from tests.sim.vault_process import VaultProcess

DOCKD = Path(sys.executable).with_name("dockd")
DEADLINE_S = 60
NOON = f"NOON{SystemClock().now().hour - 12:+d}"
"""A time zone (TZ of POSIX) in which it is about noon now: what happened a minute ago happened today."""


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultProcess]:
    """A running vault that takes nothing above 1.2 MB."""
    with VaultProcess(tmp_path_factory.mktemp("vault"), arguments=("--max-size", "1200000")) as running:
        yield running


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory, vault: VaultProcess) -> Iterator[DockProcess]:
    """A dock that has archived camera A whole, and whose camera B holds one recording that the archive refuses."""
    folder = tmp_path_factory.mktemp("dock")
    make_camera(folder / "a", "CAM-A", recordings=2, size_bytes=300_000, sidecars=False)
    make_camera(folder / "b", "CAM-B", recordings=1, size_bytes=1_500_000, sidecars=False)
    with DockProcess(folder / "dock", vault, Site(erase="never", needs="archived", metrics={"port": free_port()})) as running:
        (folder / "a").rename(running.bay(1))
        (folder / "b").rename(running.bay(2))
        running.wait_until(lambda _: len(running.recordings(State.ARCHIVED)) == 2, why="camera A archived")
        running.wait_until(lambda _: len(running.recordings(State.REFUSED)) == 1, why="camera B refused")
        settled(running)
        yield running


def settled(dock: DockProcess) -> None:
    """Wait until camera A may be taken from bay 1 and camera B's bay asks for help, as every test here leaves it."""
    dock.wait_until(
        lambda _: [(bay.camera, bay.lamp) for bay in dock.status().bays] == [("CAM-A", "take it"), ("CAM-B", "get help")],
        why="both cameras settled",
    )


def run(dock: DockProcess, *arguments: str, code: int | None = 0, columns: int = 200) -> str:
    """What the command prints, having ended with that code; with any, if that is not the question."""
    done = subprocess.run(
        [DOCKD, *arguments, "--socket", str(dock.control)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env=os.environ | {"COLUMNS": str(columns), "TZ": NOON},
    )
    assert code is None or done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if done.returncode in {0, 1} else done.stderr


def document(dock: DockProcess, *arguments: str, name: str = "", code: int | None = 0) -> Any:  # noqa: ANN401 - JSON
    """What --json prints, which is as its schema says."""
    return as_described(name or arguments[0], run(dock, *arguments, "--json", code=code))


def custody(dock: DockProcess, event: str) -> list[dict[str, Any]]:
    """Every entry of that event."""
    return [entry for entry in dock.custody() if entry["event"] == event]


def test_status_and_bays(dock: DockProcess) -> None:
    """The same bays in both, with the lamp in an officer's words."""
    status = document(dock, "status")
    for told in (status, document(dock, "bays")):
        assert [(bay["bay"], bay["camera"], bay["lamp"]) for bay in told["bays"]] == [
            ("1", "CAM-A", "take it"),
            ("2", "CAM-B", "get help"),
        ]
    assert "TAKE IT" in run(dock, "status")
    table = run(dock, "bays")
    assert "get help" in table
    assert "CAM-B" in table


def test_recordings(dock: DockProcess) -> None:
    """All of them, those of a state or a camera, and the newest of many."""
    assert len(document(dock, "recordings", "--camera", "CAM-A")["recordings"]) == 2
    (refused,) = document(dock, "recordings", "--state", "refused")["recordings"]
    assert (refused["camera"], refused["state"]) == ("CAM-B", "refused")
    assert document(dock, "recordings", "--limit", "1")["recordings"] == [document(dock, "recordings")["recordings"][-1]]
    table = run(dock, "recordings", "--camera", "CAM-A", "--limit", "1")
    assert re.search(r"CAM-A .* archived +300\.0 kB", table)
    assert "1 older ones are not shown" in table
    narrow = run(dock, "recordings", "--state", "refused", columns=80)
    assert any(line.startswith(f"{refused['recording']} ") for line in narrow.splitlines()), "an id is copied from here"
    assert f"{refused['recording']}: {refused['reason']} {refused['next_step']}\n" in narrow
    assert run(dock, "recordings", "--state", "copying") == "No such recordings.\n"


def test_cameras(dock: DockProcess) -> None:
    """Both, with how far their recordings are."""
    cameras = {each["camera"]: each for each in document(dock, "cameras")["cameras"]}
    assert (cameras["CAM-A"]["files_archived"], cameras["CAM-B"]["files_refused"]) == (2, 1)
    assert re.search(r"CAM-A .* 1, now", run(dock, "cameras"))


def test_queue(dock: DockProcess) -> None:
    """Empty, once all is delivered or refused."""
    assert document(dock, "queue")["recordings"] == []
    assert run(dock, "queue") == "Nothing waits for the archive.\n"


def test_hold_and_release(dock: DockProcess) -> None:
    """A hold is placed with a reason, listed with who placed it, and lifted once; the custody log has all of it."""
    assert run(dock, "hold") == "Nothing is on hold.\n"
    assert run(dock, "hold", "--camera", "CAM-A", "--reason", "case 7") == "camera CAM-A is on hold\n"
    recording = document(dock, "recordings")["recordings"][0]["recording"]
    assert document(dock, "hold", "--recording", recording, "--reason", "case 8")["subject"] == recording
    holds = document(dock, "hold", name="hold-list")["holds"]
    assert [(each["scope"], each["reason"]) for each in holds] == [("camera", "case 7"), ("recording", "case 8")]
    assert holds[0]["by"].endswith(f"(uid {os.getuid()})")
    assert "case 8" in run(dock, "hold")
    assert run(dock, "release", "--camera", "CAM-A", "--reason", "closed") == "camera CAM-A is not on hold any more\n"
    assert document(dock, "release", "--recording", recording, "--reason", "closed")["act"] == "release"
    assert "is not on hold" in run(dock, "release", "--camera", "CAM-A", "--reason", "closed", code=3)
    assert "no recording" in run(dock, "hold", "--recording", "f" * 32, "--reason", "x", code=3)
    placed, lifted = custody(dock, "hold.placed")[-2], custody(dock, "hold.lifted")[-2]
    assert (placed["by"], placed["subject"], lifted["reason"]) == (holds[0]["by"], "CAM-A", "closed")


def test_what_was_refused_is_taken_out_of_quarantine(dock: DockProcess, tmp_path: Path) -> None:
    """Listed with the archive's words while the daemon runs; the bytes are the camera's, and the bundle about them verifies."""
    (refused,) = dock.recordings(State.REFUSED)
    config, out = ("--config", dock.write_site()), tmp_path / "out"
    code, listed = alone("report", "quarantine", *config)
    assert code == 0, listed
    assert listed.startswith(f"{refused.recording_id} CAM-B DCIM/100MEDIA/CLIP0001.MP4: ")
    told = as_described("report-quarantine", alone("report", "quarantine", "--json", *config)[1])
    (each,) = told["recordings"]
    assert (each["recording"], each["code"], each["kept"]) == (refused.recording_id, "archive-refused", [refused.recording_id])
    assert (each["why"] in listed, each["hint"] != "", told["output"], told["files"]) == (True, True, None, 0)
    taken = alone("report", "quarantine", "--output", out, *config)[1]
    assert taken.endswith(f"{out}: 2 files, and evidence.zip about them\n")
    again = alone("report", "quarantine", "--output", tmp_path / "again", "--json", *config)[1]
    assert as_described("report-quarantine", again) == told | {"output": str(tmp_path / "again"), "files": 2}
    copy = out / refused.recording_id / refused.recording_id
    assert copy.read_bytes() == (dock.bay(2) / "DCIM/100MEDIA/CLIP0001.MP4").read_bytes()
    assert verifier.main([str(out / "evidence.zip"), f"--media={copy}"]) == 3  # nothing is wrong, and no archive holds it


def test_holds_by_officer_time_and_case(dock: DockProcess) -> None:
    """Each by its own option; a case lifts what was placed under its name and nothing else; half an order is none."""
    case = ("--case", "26-cv-1042")
    assert run(dock, "hold", "--officer", "A. Smith", "--reason", "x", *case) == "officer A. Smith is on hold\n"
    night = ("--from", "2021-03-05T18:00Z", "--to", "2021-03-06T02:00Z")
    placed = document(dock, "hold", *night, "--reason", "x", *case)
    assert placed["subject"] == "2021-03-05T18:00:00.000Z/2021-03-06T02:00:00.000Z"
    run(dock, "hold", "--officer", "A. Smith", "--reason", "another matter")
    run(dock, "hold", "--from", "2021-03-05T18:00Z", "--reason", "all since")
    holds = [(each["scope"], each["subject"], each["case"]) for each in document(dock, "hold", name="hold-list")["holds"]]
    assert holds == [
        ("officer", "A. Smith", case[1]),
        ("time", placed["subject"], case[1]),
        ("officer", "A. Smith", ""),
        ("time", "2021-03-05T18:00:00.000Z/..", ""),
    ]
    assert "is not on hold" in run(dock, "release", *night, "--reason", "closed", code=3)
    assert run(dock, "release", *case, "--reason", "closed") == f"case {case[1]} is not on hold any more\n"
    assert "is not on hold" in run(dock, "release", *case, "--reason", "closed", code=3)
    run(dock, "release", "--officer", "A. Smith", "--reason", "closed")
    run(dock, "release", "--from", "2021-03-05T18:00Z", "--reason", "closed")
    assert run(dock, "hold") == "Nothing is on hold.\n"
    assert [each["case"] for each in custody(dock, "hold.lifted")[-4:]] == [case[1], case[1], None, None]
    assert "name one of" in run(dock, "hold", *case, "--reason", "x", code=2)
    assert "name one of" in run(dock, "hold", "--officer", "A", "--camera", "C", "--reason", "x", code=2)
    assert "letter or a digit" in run(dock, "hold", "--officer", "--", "--reason", "x", code=3)
    assert "ends before it begins" in run(dock, "hold", "--from", "2021-03-06", "--to", "2021-03-05", "--reason", "x", code=3)


def test_an_order_about_a_camera_that_was_never_here_says_so(dock: DockProcess) -> None:
    """A serial that was mistyped holds nothing, and whoever typed it hears of that; an empty reason is wrong usage."""
    command = [str(DOCKD), "hold", "--camera", "CAM-A0", "--socket", str(dock.control), "--reason"]
    done = subprocess.run([*command, " "], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, "say why" in done.stderr) == (2, True)
    done = subprocess.run([*command, "typo"], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, "No camera CAM-A0 was docked here yet" in done.stderr) == (0, True)
    run(dock, "release", "--camera", "CAM-A0", "--reason", "typo")
    known = subprocess.run(
        [*command[:3], "CAM-A", *command[4:], "x"], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (known.returncode, known.stderr) == (0, "")
    run(dock, "release", "--camera", "CAM-A", "--reason", "x")


def test_refuse_and_enroll(dock: DockProcess, tmp_path: Path) -> None:
    """A barred camera is not read: its bay says why, and who lifts the bar; enrolled, it is taken."""
    assert run(dock, "refuse", "CAM-C", "--reason", "reported stolen") == "camera CAM-C is barred here\n"
    taken = tmp_path / "taken"
    dock.bay(1).rename(taken)
    make_camera(tmp_path / "c", "CAM-C", recordings=1, size_bytes=1000, sidecars=False)
    (tmp_path / "c").rename(dock.bay(1))
    dock.wait_for("docking failed", code="camera-barred", camera="CAM-C")
    bay = document(dock, "bays")["bays"][0]
    assert (bay["lamp"], bay["files_total"]) == ("get help", 0)
    assert "barred from this dock: reported stolen" in bay["reason"]
    assert document(dock, "enroll", "CAM-C", "--reason", "it was mine")["subject"] == "CAM-C"
    dock.bay(1).rename(tmp_path / "c")
    dock.wait_for("docking ended", camera="CAM-C")
    (tmp_path / "c").rename(dock.bay(1))
    dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 3, why="camera C archived")
    assert "enrolled by" in run(dock, "cameras")
    dock.bay(1).rename(tmp_path / "c")
    dock.wait_for("docking ended", camera="CAM-C", count=2)
    taken.rename(dock.bay(1))
    settled(dock)
    assert [each["reason"] for each in custody(dock, "camera.barred")] == ["reported stolen"]


def test_only_known_cameras_are_taken_where_the_site_says_so(tmp_path: Path, vault: VaultProcess) -> None:
    """One of the roster is; a stranger's bay says so until somebody enrolls it."""
    site = Site(erase="never", needs="archived", unknown_cameras="refuse", cameras=("CAM-K",))
    for serial in ("CAM-K", "CAM-S"):
        make_camera(tmp_path / serial, serial, recordings=1, size_bytes=1000, sidecars=False)
    with DockProcess(tmp_path / "dock", vault, site) as dock:
        (tmp_path / "CAM-K").rename(dock.bay(1))
        (tmp_path / "CAM-S").rename(dock.bay(2))
        dock.wait_for("docking failed", code="camera-unknown", camera="CAM-S")
        dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 1, why="the known camera archived")
        bay = document(dock, "bays")["bays"][1]
        assert (bay["lamp"], bay["files_total"]) == ("get help", 0)
        assert "is not one of this dock's" in bay["reason"]
        run(dock, "enroll", "CAM-S", "--reason", "new, for badge 4711")
        dock.bay(2).rename(tmp_path / "CAM-S")
        dock.wait_for("docking ended", camera="CAM-S")
        (tmp_path / "CAM-S").rename(dock.bay(2))
        dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 2, why="the enrolled camera archived")


def test_retry(dock: DockProcess) -> None:
    """A refused recording goes on, by its id or with all others, and is refused again for the same reason."""
    (refused,) = dock.recordings(State.REFUSED)
    mark = dock.mark()
    assert "goes on: verified" in run(dock, "retry", refused.recording_id)
    dock.wait_for("recording refused", after=mark, recording=refused.recording_id)
    mark = dock.mark()
    assert document(dock, "retry", "--all")["recordings"][0]["state"] == "verified"
    dock.wait_for("recording refused", after=mark)
    assert "not refused" in run(dock, "retry", dock.recordings(State.ARCHIVED)[0].recording_id, code=3)
    assert "is not the id" in run(dock, "retry", "../hold", code=2)


def test_log(dock: DockProcess) -> None:
    """The newest entries, all of them, or what is about one thing; in the very bytes that are hashed."""
    before = len(dock.custody_entries())
    newest = run(dock, "log", "--lines", "2").splitlines()
    lines = run(dock, "log", "--all").splitlines()
    told = [json.loads(line) for line in run(dock, "log", "--all", "--json").splitlines()]
    written = dock.custody_entries()  # the dock writes on while it is read: each reading holds all of the one before it
    assert before <= len(lines) <= len(told) <= len(written)
    assert re.match(r"1 \S+Z daemon\.started boot=\S+ dock=dock-1 version=", lines[0])
    assert newest == lines[(end := int(newest[-1].split()[0])) - 2 : end]
    assert before <= end <= len(lines)
    for each, entry in zip(told, written, strict=False):
        validator("log").validate(each)
        assert (each["leaf"], each["entry"]) == (entry.leaf.hex(), json.loads(entry.entry))
    archived = run(dock, "log", "--event", "recording.archived", "--all").splitlines()
    assert {line.split()[2] for line in archived} == {"recording.archived"}
    of_camera = run(dock, "log", "--camera", "CAM-B", "--all").splitlines()
    assert {"camera.docked", "recording.seen", "recording.refused"} <= {line.split()[2] for line in of_camera}
    assert "CAM-A" not in "".join(of_camera)
    (refused,) = dock.recordings(State.REFUSED)
    of_recording = run(dock, "log", "--recording", refused.recording_id, "--all").splitlines()
    assert all(refused.recording_id in line for line in of_recording)
    assert run(dock, "log", "--since", "2999-01-01") == ""


def test_log_follows(dock: DockProcess) -> None:
    """What is recorded appears by itself, and Ctrl-C is a clean end."""
    command = [str(DOCKD), "log", "--follow", "--lines", "1", "--socket", str(dock.control)]
    before = len(dock.custody_entries())
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None
            assert following.stderr is not None
            first = int(following.stdout.readline().split()[0])
            assert before <= first <= len(dock.custody_entries())
            run(dock, "hold", "--camera", "CAM-F", "--reason", "case 9")
            run(dock, "release", "--camera", "CAM-F", "--reason", "done")
            expected = dock.custody_entries()[first:]
            heard = [following.stdout.readline() for _ in expected]
            assert [int(line.split()[0]) for line in heard] == [each.seq for each in expected]
            placed, lifted = (line for line in heard if " hold." in line)
            assert re.search(r" hold\.placed by=\".*\" reason=\"case 9\" scope=camera subject=CAM-F", placed)
            assert " hold.lifted " in lifted
            following.send_signal(signal.SIGINT)
            assert following.wait(DEADLINE_S) == 0
            assert following.stderr.read() == ""
        finally:
            following.kill()


@contextmanager
def on_a_terminal(*command: str | Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A command whose standard output is a terminal, and the other end of that."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdout=theirs, stderr=subprocess.PIPE, env=os.environ | {"COLUMNS": "120", "TERM": "xterm"}
    ) as running:
        os.close(theirs)
        try:
            yield running, ours
        finally:
            running.kill()
            os.close(ours)


@pytest.mark.parametrize("verb", [("watch",), ("status", "--watch")])
def test_watch_shows_what_changes_as_it_changes(dock: DockProcess, tmp_path: Path, verb: tuple[str, ...]) -> None:
    """A camera that leaves is seen to leave, without anybody asking again; Ctrl-C is a clean end."""
    with on_a_terminal(DOCKD, *verb, "--socket", dock.control) as (running, screen):
        _read_until(screen, b"TAKE IT")
        dock.bay(1).rename(tmp_path / "taken")
        _read_until(screen, b"empty")
        (tmp_path / "taken").rename(dock.bay(1))
        _read_until(screen, b"TAKE IT")
        running.send_signal(signal.SIGINT)
        assert running.wait(DEADLINE_S) == 0


def test_a_program_watches_what_changes(dock: DockProcess, tmp_path: Path) -> None:
    """One status in each line, as it is and then as it changes; Ctrl-C is a clean end."""
    command = [str(DOCKD), "watch", "--json", "--socket", str(dock.control)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert running.stderr is not None
            assert as_described("watch", running.stdout.readline())["bays"][0]["camera"] == "CAM-A"
            dock.bay(1).rename(tmp_path / "taken")
            while as_described("watch", running.stdout.readline())["bays"][0]["camera"] is not None:
                pass
            (tmp_path / "taken").rename(dock.bay(1))
            while as_described("watch", running.stdout.readline())["bays"][0]["lamp"] != "take it":
                pass
            running.send_signal(signal.SIGINT)
            assert running.wait(DEADLINE_S) == 0
            assert running.stderr.read() == ""
        finally:
            running.kill()


def _read_until(screen: int, words: bytes) -> None:
    shown = b""
    while words not in shown:
        shown = shown[-1000:] + os.read(screen, 4096)


def test_report(dock: DockProcess) -> None:
    """What happened today, by camera, with what was refused and what people did."""
    told = document(dock, "report")
    cameras = {each["camera"]: each for each in told["cameras"]}
    assert (cameras["CAM-A"]["archived"], cameras["CAM-A"]["archived_bytes"]) == (2, 600_000)
    assert cameras["CAM-B"]["refused"] >= 1
    assert (told["first"], told["dock"]) == (1, "dock-1")
    page = run(dock, "report", "--since", "2026-01-01")
    assert "CAM-A" in page
    assert re.search(r"refused \S+ CAM-B DCIM/", page)
    assert "nothing was recorded" in run(dock, "report", "--since", "2001-01-01", "--until", "2001-01-02")
    assert "is not a date" in run(dock, "report", "--since", "yesterday", code=2)
    assert "before it begins" in run(dock, "report", "--since", "2026-02-02", "--until", "2026-02-01", code=2)


def test_selftest(dock: DockProcess) -> None:
    """One line for each part, with a cure where one is needed; the exit code says whether the dock is fit."""
    done = subprocess.run(
        [DOCKD, "selftest", "--json", "--socket", str(dock.control)], capture_output=True, timeout=DEADLINE_S, check=False
    )
    told = json.loads(done.stdout)
    validator("selftest").validate(told)
    found = {each["part"]: each for each in told["checks"]}
    assert {part: found[part]["grade"] for part in ("archive", "receipt key", "honesty", "ports")} == dict.fromkeys(
        ("archive", "receipt key", "honesty", "ports"), "good"
    )
    assert (found["bays"]["grade"], found["recordings"]["grade"]) == ("look", "look")
    assert {"clock", "memory", "temperature", "disk", "encryption", "configuration"} <= found.keys()
    assert done.returncode == (0 if told["fit"] else 1)
    page = run(dock, "selftest", code=done.returncode)
    assert "-> Do what docs/runbook.md says." in page
    assert f"Dock dock-1 is {'fit' if told['fit'] else 'NOT fit'} for tonight" in page


def test_journal_backup(dock: DockProcess, tmp_path: Path) -> None:
    """A copy that is a whole journal, taken while the dock runs; the custody log and the self-test know of it."""
    file = tmp_path / "journal.sqlite"
    told = json.loads(run(dock, "journal", "backup", str(file), "--json"))
    validator("journal-backup").validate(told)
    assert told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as copied:
        assert copied.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        entries = [row[0] for row in copied.execute("SELECT entry FROM custody ORDER BY seq")]
    assert entries == [each.entry for each in dock.custody_entries()][: len(entries)]
    (recorded,) = custody(dock, "journal.backed-up")
    assert (recorded["sha256"], recorded["by"]) == (told["sha256"], f"{getpass.getuser()} (uid {os.getuid()})")
    assert recorded["to"].endswith(str(file))
    assert {each["part"]: each["grade"] for each in document(dock, "selftest", code=None)["checks"]}["backup"] == "good"
    assert "File exists" in run(dock, "journal", "backup", str(file), code=5)
    assert "No such file" in run(dock, "journal", "backup", str(tmp_path / "nowhere" / "x"), code=5)
    assert [path.name for path in dock.spool.glob(".journal-copy-*")] == []


def test_the_docks_key_is_backed_up(dock: DockProcess, tmp_path: Path) -> None:
    """For a safe: the copy signs as the dock does; custody log and self-test know of it, and nothing is written over."""
    config, file = str(dock.root / "site.yaml"), tmp_path / "key.pem"

    def report_key(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(DOCKD), "report", "key", "--config", config, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    public = report_key().stdout.strip()
    done = report_key("--backup", str(file))
    assert (done.returncode, done.stdout.strip()) == (0, public), done.stderr
    assert SigningKey.load(file).public_text == public
    assert file.stat().st_mode & 0o777 == 0o600
    recorded = custody(dock, "key.backed-up")[-1]
    assert (recorded["key"], recorded["to"].endswith(str(file))) == (public, True)
    found = {each["part"]: each for each in document(dock, "selftest", code=None)["checks"]}["key backup"]
    assert (found["grade"], str(file) in found["reason"]) == ("good", True)
    for place, words in (
        (file, "File exists"),
        (tmp_path / "nowhere" / "x", "No such file"),
        (dock.spool / "copy.pem", "which the copy is to outlive"),
    ):
        refused = report_key("--backup", str(place))
        assert (refused.returncode, words in refused.stderr) == (5, True), refused.stderr
    assert not (dock.spool / "copy.pem").exists()


def test_metrics(dock: DockProcess) -> None:
    """The running dock's, as its monitoring reads them."""
    port = int(dock.wait_for("metrics")[0]["url"].split(":")[2].split("/")[0])
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    line.request("GET", "/metrics")
    text = line.getresponse().read().decode()
    assert 'dockd_bay_lamp{bay="2",lamp="help"} 1.0' in text
    assert 'dockd_files{state="refused"} 1.0' in text
    assert "CAM-" not in text
    line.request("GET", "/readyz")
    assert line.getresponse().status == 200
    line.close()


def test_every_document_has_its_schema_and_the_schemas_ship() -> None:
    """dockd/cli/schemas holds what the structs say; print it anew after a change: python -m dockd.cli.schemas."""
    assert {path.name for path in schemas.FOLDER.iterdir()} == {f"{name}.schema.json" for name in schemas.DOCUMENTS}
    for name in schemas.DOCUMENTS:
        assert (schemas.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8") == schemas.printed(name), name
        Draft202012Validator.check_schema(schemas.schema(name))
