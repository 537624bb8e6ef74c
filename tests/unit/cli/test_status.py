import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from dockd.cli import asking, status
from dockd.cli.asking import DEFAULT_SOCKET
from dockd.core.battery import Quality
from dockd.core.readiness import Lamp
from dockd.errors import ConfigError, ControlError
from dockd.web.view import (
    ArchiveView,
    BatteryView,
    BayView,
    DaemonView,
    Problem,
    QueueView,
    RecordingCounts,
    SpoolView,
    StatusView,
)

DEADLINE_S = 30.0
STATUS = StatusView(
    dock="balt-ero-01",
    time="2026-11-24T20:00:00.000Z",
    archive=ArchiveView(reachable=False, message="No route to host.", since="2026-11-24T19:00:00.000Z"),
    spool=SpoolView(free_bytes=1_500_000_000, used_bytes=20, reserved_bytes=0),
    queue=QueueView(files=2, bytes=5_000_000, rate_bytes_s=1_000, drain_s=5_000),
    bays=(
        BayView("1", camera="X1", officer="A. Smith", battery_percent=87,
                battery=BatteryView(Quality.REPORTED, 87), lamp=Lamp.TAKE, reason="Everything is in the archive."),
        BayView("2", camera="X2", battery=BatteryView(Quality.ESTIMATED, 40), lamp=Lamp.LEAVE, reason="3 files left.",
                files_total=9, files_copied=6, rate_bytes_s=40_000_000,
                remaining_s=75, ready_in_s=725),
        BayView("3", lamp=Lamp.HELP, reason="1 file could not be taken.", next_step="Call your admin; keep the camera.",
                problems=(Problem("DCIM/%FF.MP4", "one sector cannot be read \x1b[2J"),)),
        BayView("4"),
    ),
    recordings=RecordingCounts(verified=2, archived=7),
    daemon=DaemonView(version="0.1.0", pid=42, started="2026-11-24T19:00:00.000Z", rss_bytes=50_000_000),
)  # fmt: skip


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Somebody at `path` who gives everybody the same answer."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    line.recv(65536)
                    line.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE_S)
    path.unlink()


def http(code: str, body: bytes) -> bytes:
    """An HTTP answer."""
    return f"HTTP/1.1 {code}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


GOOD = http("200 OK", msgspec.json.encode(STATUS))


def test_json_is_the_daemons_document(tmp_path: Path) -> None:
    """--json prints what the daemon sent, whatever fields a newer one may add."""
    document = json.loads(msgspec.json.encode(STATUS)) | {"added_later": 1}
    with answering(tmp_path / "s", http("200 OK", json.dumps(document).encode())):
        ran = CliRunner().invoke(status.command, ["--socket", str(tmp_path / "s"), "--json"])
    assert ran.exit_code == 0
    assert json.loads(ran.output) == document


def test_table_shows_each_lamp_as_shape_and_word(tmp_path: Path) -> None:
    """Nobody needs to see a colour: every light is a word and a shape of its own, with its reason and the next step."""
    with answering(tmp_path / "s", GOOD):
        ran = CliRunner().invoke(status.command, ["--socket", str(tmp_path / "s")], env={"COLUMNS": "200"})
    assert ran.exit_code == 0
    for words in (
        "\N{BLACK CIRCLE} TAKE IT",
        "\N{BLACK UP-POINTING TRIANGLE} LEAVE IT",
        "\N{BLACK SQUARE} GET HELP",
        "X1 (A. Smith)",
        "87 %",
        "6/9",
        "40.0 MB/s",
        "3 files left. About 1 min 15 s left.",
        "1 file could not be taken. Call your admin; keep the camera.",
        "Bay 3, DCIM/%FF.MP4: one sector cannot be read",
        "Archive: NOT reachable since 2026-11-24T19:00:00.000Z. No route to host.",
        "Queue: 2 files, 5.0 MB, 1.0 kB/s. About 1 h 23 min left.",
        "Spool: 1.5 GB free, 20 B used, 0 B reserved, NOT encrypted.",
        "Recordings: 2 verified, 7 archived.",
    ):
        assert words in ran.output
    assert "\x1b[2J" not in ran.output


def test_site_file_names_the_socket(tmp_path: Path) -> None:
    """--config asks the daemon of that site file; a wrong site file is its own error."""
    example = (Path(__file__).parents[3] / "config" / "site.example.yaml").read_text(encoding="utf-8")
    assert example.count(str(DEFAULT_SOCKET)) == 1
    (tmp_path / "site.yaml").write_text(example.replace(str(DEFAULT_SOCKET), f"{tmp_path}/s"), encoding="utf-8")
    with answering(tmp_path / "s", GOOD):
        ran = CliRunner().invoke(status.command, ["--config", str(tmp_path / "site.yaml"), "--json"])
    assert (ran.exit_code, json.loads(ran.output)["dock"]) == (0, "balt-ero-01")
    (tmp_path / "site.yaml").write_text("nonsense: 1\n", encoding="utf-8")
    assert isinstance(CliRunner().invoke(status.command, ["--config", str(tmp_path / "site.yaml")]).exception, ConfigError)


def test_table_of_a_newer_daemon(tmp_path: Path) -> None:
    """A field that a newer daemon adds does not keep an older command from showing the rest."""
    document = json.loads(msgspec.json.encode(STATUS)) | {"added_later": 1}
    with answering(tmp_path / "s", http("200 OK", json.dumps(document).encode())):
        ran = CliRunner().invoke(status.command, ["--socket", str(tmp_path / "s")])
    assert (ran.exit_code, "TAKE IT" in ran.output) == (0, True)


def test_terminal_colours_are_ones_that_the_colour_blind_tell_apart() -> None:
    """On a terminal, the three lights have three colours of Okabe and Ito's palette."""
    console = Console(force_terminal=True, color_system="truecolor", width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    try:
        console.print(status.screen(STATUS))
        shown = console.export_text(styles=True)
    finally:
        console.file.close()
    for red, green, blue in ((0, 0x9E, 0x73), (0xE6, 0x9F, 0), (0xD5, 0x5E, 0)):
        assert f"38;2;{red};{green};{blue}" in shown


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            http("503 Service Unavailable", b'{"code": "journal", "detail": "the journal is busy", "hint": "wait"}'),
            "the journal is busy",
        ),
        (http("404 Not Found", b"<html>"), "is not dockd"),
        (http("200 OK", b'{"dock": 1}'), "cannot read"),
        (b"SSH-2.0-OpenSSH\r\n", "no daemon answers"),
        (b"", "no daemon answers"),
    ],
)
def test_what_is_no_status_is_an_error_in_words(tmp_path: Path, answer: bytes, words: str) -> None:
    """Whatever answers, the command ends with a sentence and never with a trace."""
    with answering(tmp_path / "s", answer):
        ran = CliRunner().invoke(status.command, ["--socket", str(tmp_path / "s")])
    assert isinstance(ran.exception, ControlError)
    assert words in ran.exception.message


def test_no_daemon_is_exit_code_3_with_a_hint(tmp_path: Path) -> None:
    """A daemon that is not there is exit code 3, one sentence and what to do."""
    ran = subprocess.run(
        [sys.executable, "-c", "from dockd.cli import main; main()", "status", "--socket", str(tmp_path / "none")],
        check=False, capture_output=True, text=True, timeout=DEADLINE_S,
    )  # fmt: skip
    assert ran.returncode == 3
    assert ran.stderr.startswith("dockd: no daemon answers at")
    assert "dockd run --config" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_daemon_that_stands_still_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that accepts and never answers is given up after a while."""
    monkeypatch.setattr(asking, "ANSWER_S", 0.1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(tmp_path / "s"))
        listener.listen()
        with pytest.raises(ControlError, match="does not answer within"):
            status.fetch(tmp_path / "s")


def test_options_that_exclude_each_other() -> None:
    """Contradictory options are wrong usage."""
    for options in (["--json", "--watch"], ["--config", "x", "--socket", "y"]):
        ran = CliRunner().invoke(status.command, options)
        assert ran.exit_code == 2
        assert "exclude each other" in ran.output


def test_starts_without_the_daemons_libraries() -> None:
    """The command loads neither the web server nor the event loop: it must answer at once."""
    script = (
        "import sys, dockd.cli.status; print([name for name in ('aiohttp', 'asyncio', 'rich', 'yaml') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=DEADLINE_S)
    assert ran.stdout.strip() == "[]"
