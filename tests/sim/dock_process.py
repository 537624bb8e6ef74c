"""A real dock in a process group of its own: `dockd run` with a site file made for it, to be killed and started again.

Whoever waits, waits for a line of its log, never for time. The journal can be read while it runs and after it died.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import yaml

from dockd.cli.status import fetch
from dockd.config.acceptance import accept
from dockd.config.site import load_site
from dockd.core.recording import Recording, State
from dockd.dsse import SigningKey
from dockd.journal.rows import CustodyEntry, Docking, to_docking, to_recording
from dockd.web.view import BayView, StatusView
from tests.sim.vault_process import VaultProcess

DEADLINE_S = 150.0
"""For what does come, also on a machine that is slow and has others' tests beside it; a test has twice as long."""
_LOOK_AGAIN_S = 0.1
_PROGRAM = "from dockd.cli import main; main()"

Line = dict[str, Any]


class DockDiedError(Exception):
    """The daemon ended while something was still expected of it."""


@dataclass(slots=True)
class Site:
    """What a test decides about its dock; the rest of the site file is the same for all."""

    bays: int = 2
    dock: str = "dock-1"
    erase: str = "delete"
    unsigned: bool = False
    keep_free: str = "0 B"
    stall_after_s: int = 30
    parallel: int = 2
    needs: str = "erased"
    time_zone: str = "America/New_York"
    archive: dict[str, Any] = field(default_factory=dict)
    kiosk: dict[str, object] = field(default_factory=dict)
    metrics: dict[str, int] = field(default_factory=dict)
    uploads: dict[str, int] = field(default_factory=dict)
    bandwidth: tuple[dict[str, object], ...] = ()
    categories: tuple[dict[str, object], ...] = ()
    unknown_cameras: str = "take"
    cameras: tuple[str, ...] = ()
    accepted: bool = True  # an admin accepts each site file that is written


class DockProcess:
    """`dockd run` over a folder that holds its site file, token, spool, bays and log. Leaving the block kills it.

    Args:
        root: everything of this dock lies below; made if missing.
        vault: where it delivers to, None for an archive that nobody answers for.
        site: what differs from the usual.
    """

    def __init__(self, root: Path, vault: VaultProcess | None, site: Site | None = None) -> None:
        self.root, self.site = root, site or Site()
        self.spool = root / "spool"
        self.lines: list[Line] = []
        self._vault = vault
        self._heard = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: threading.Thread | None = None
        # Socket paths are limited to 107 bytes, and pytest's own folders are not.
        self._short = Path(tempfile.mkdtemp(prefix="dock-"))
        (root / "bays").mkdir(parents=True, exist_ok=True)
        token = vault.token(self.site.dock) if vault is not None else "nobody"
        (root / "token").write_text(token)
        (root / "token").chmod(0o600)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kill it, if it runs, and remove what lies outside its root."""
        self.kill()
        with contextlib.suppress(OSError):
            self.control.unlink(missing_ok=True)
            self._short.rmdir()

    @property
    def control(self) -> Path:
        """The daemon's socket."""
        return self._short / "control"

    def bay(self, number: int) -> Path:
        """The folder of a bay, counted from 1; a camera is docked by renaming its folder to this name."""
        return self.root / "bays" / str(number)

    def write_site(self) -> Path:
        """Write the site file as `site` is now."""
        site = self.site
        archive: dict[str, Any] = {
            "kind": "tus",
            "url": self._vault.files_url if self._vault is not None else "http://127.0.0.1:9/files/",
            "key": self._vault.public_key if self._vault is not None else SigningKey.generate().public_text,
            "token_file": str(self.root / "token"),
        }
        text = yaml.safe_dump(
            {
                "agency": "ICE",
                "division": "ERO",
                "site": "Baltimore",
                "dock": site.dock,
                "time_zone": site.time_zone,
                "bays": [{"id": str(number), "directory": str(self.bay(number))} for number in range(1, site.bays + 1)],
                "spool": {"directory": str(self.spool), "keep_free": site.keep_free},
                "archive": {key: value for key, value in (archive | site.archive).items() if value},
                "erase": {"policy": site.erase, "directory_erase": site.erase == "delete", "unsigned": site.unsigned},
                "ready": {"needs": site.needs},
                "offload": {"stall_after_s": site.stall_after_s},
                "uploads": {"parallel": site.parallel} | site.uploads,
                "control": {"socket": str(self.control)},
            }
            | ({"kiosk": site.kiosk} if site.kiosk else {})
            | ({"cameras": [{"serial": each} for each in site.cameras]} if site.cameras else {})
            | ({"unknown_cameras": site.unknown_cameras} if site.unknown_cameras != "take" else {})
            | ({"bandwidth": list(site.bandwidth)} if site.bandwidth else {})
            | ({"categories": list(site.categories)} if site.categories else {})
            | ({"metrics": site.metrics} if site.metrics else {})
        )
        path = self.root / "site.yaml"
        path.write_text(text)
        if site.accepted:
            accept(path, load_site(path), by="the test", at="2026-11-28T00:00:00.000Z", unencrypted_spool=True)
        return path

    def start(self, *, crash_at: str = "", wait: bool = True) -> None:
        """Start it, and wait until it is ready.

        Args:
            crash_at: a crash point, as `DOCKD_CRASH_AT`; it may be met before the daemon is ready.
            wait: for the line that it is ready.

        Raises:
            DockDiedError: it ended instead.
        """
        if self.alive():
            msg = "this dock runs already"
            raise RuntimeError(msg)
        command = [sys.executable, "-c", _PROGRAM, "run", "--config", str(self.write_site())]
        environment = os.environ | {"DOCKD_CRASH_AT": crash_at}
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        self.lines.append({"event": "-- started by the test", "crash_at": crash_at})
        mark = len(self.lines)
        self._listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._listener.start()
        if wait:
            self.wait_for("ready", after=mark)

    def rebuild_journal(self, *, crash_at: str = "") -> int:
        """Run `dockd journal rebuild` on this dock, which must not run; the exit status."""
        command = [sys.executable, "-c", _PROGRAM, "journal", "rebuild", "--config", str(self.write_site())]
        environment = os.environ | {"DOCKD_CRASH_AT": crash_at}
        done = subprocess.run(
            command, env=environment, capture_output=True, start_new_session=True, timeout=DEADLINE_S, check=False
        )
        self.lines.append(
            {"event": "-- journal rebuilt", "status": done.returncode, "words": done.stderr.decode(errors="replace")}
        )
        return done.returncode

    def kill(self) -> None:
        """SIGKILL, to its whole process group; nothing happens if it is dead already."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._end()

    def stop(self) -> tuple[int, float]:
        """SIGTERM; wait for the end; the exit status and how many seconds it took."""
        process = self._running()
        began_s = time.monotonic()
        process.terminate()
        process.wait(DEADLINE_S)
        took_s = time.monotonic() - began_s
        return self._end(), took_s

    def wait(self) -> int:
        """Wait for its end, which something else brings about, and return the exit status."""
        self._running().wait(DEADLINE_S)
        return self._end()

    def ended_within(self, seconds: float) -> bool:
        """Wait for its end, at most so long; whether it came."""
        try:
            self._running().wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The running daemon, which leads its process group."""
        return self._running().pid

    def mark(self) -> int:
        """A place in the log: what is said from now on comes after it."""
        with self._heard:
            return len(self.lines)

    def wait_for(self, event: str, *, count: int = 1, after: int = 0, **members: object) -> list[Line]:
        """Return the first `count` lines after `after` that say `event` with these members.

        Raises:
            DockDiedError: the daemon ended first, or they did not come in time; with the end of the log.
        """
        found = self.wait_until(
            lambda lines: len(_matching(lines, event, members)) >= count, after=after, why=f"{event} {members}"
        )
        return _matching(found, event, members)[:count]

    def wait_until(
        self, come: Callable[[Sequence[Line]], bool], *, after: int = 0, why: str = "", deadline_s: float = DEADLINE_S
    ) -> list[Line]:
        """Return the log after `after` as soon as `come` is true of it or of files that it looks at; raises as `wait_for`."""
        process = self._running()
        given_up_s = time.monotonic() + deadline_s
        with self._heard:
            while not come(self.lines[after:]) and process.poll() is None and time.monotonic() < given_up_s:
                self._heard.wait(_LOOK_AGAIN_S)  # a new line wakes it; a file that changed does not
        if process.poll() is not None and self._listener is not None:
            self._listener.join(DEADLINE_S)
        with self._heard:
            if come(self.lines[after:]):
                return self.lines[after:]
            tail = "\n".join(json.dumps(line) for line in self.lines[-40:])
        msg = f"waited for {why}; the daemon {'runs' if process.poll() is None else 'ended'}, and last said:\n{tail}"
        raise DockDiedError(msg)

    def said(self, event: str, **members: object) -> list[Line]:
        """Every line so far that says `event` with these members."""
        with self._heard:
            return _matching(self.lines, event, members)

    def status(self) -> StatusView:
        """What the running daemon says of itself, over its socket."""
        return msgspec.json.decode(fetch(self.control), type=StatusView)

    def lamp(self, bay: int) -> BayView:
        """What one bay shows."""
        return next(each for each in self.status().bays if each.bay == str(bay))

    def order(self, path: str, **members: str) -> None:
        """Give an order over the daemon's socket, as a person does.

        Raises:
            RuntimeError: the daemon refuses it, in its words.
        """
        line = http.client.HTTPConnection("dockd", timeout=DEADLINE_S)
        line.sock = socket.socket(socket.AF_UNIX)
        line.sock.connect(str(self.control))
        with closing(line):
            headers = {"Content-Type": "application/json"} if members else {}
            line.request("POST", f"/api/v1/{path}", json.dumps(members) if members else None, headers)
            answer = line.getresponse()
            words = answer.read().decode()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RuntimeError(words)

    def recordings(self, *states: State) -> list[Recording]:
        """What the journal holds, by sequence; in these states, if any are named."""
        with closing(self._journal()) as connection:
            rows = connection.execute("SELECT * FROM recording ORDER BY sequence").fetchall()
        listed = [to_recording(row, self.spool) for row in rows]
        return [each for each in listed if not states or each.state in states]

    def dockings(self) -> list[Docking]:
        """Every docking in the journal, in order."""
        with closing(self._journal()) as connection:
            return [to_docking(row) for row in connection.execute("SELECT * FROM docking ORDER BY number")]

    def proofs(self, recording: Recording) -> list[bytes]:
        """Every envelope that was accepted for a recording, in order."""
        query = "SELECT envelope FROM proof WHERE sequence = ? ORDER BY number"
        with closing(self._journal()) as connection:
            return [row[0] for row in connection.execute(query, (recording.sequence,))]

    def custody_entries(self) -> list[CustodyEntry]:
        """Every custody entry as it was stored."""
        with closing(self._journal()) as connection:
            return [CustodyEntry(*row) for row in connection.execute("SELECT seq, entry, leaf FROM custody ORDER BY seq")]

    def custody(self) -> list[Line]:
        """Every custody entry, parsed."""
        return [json.loads(each.entry) for each in self.custody_entries()]

    def spooled(self) -> set[str]:
        """Names of all files in the spool's folder of recordings, finished or not."""
        return {name for _, _, names in os.walk(self.spool / "recordings") for name in names}

    def _journal(self) -> sqlite3.Connection:
        connection = sqlite3.connect(f"{(self.spool / 'journal.sqlite').as_uri()}?mode=ro", uri=True, timeout=DEADLINE_S)
        connection.row_factory = sqlite3.Row
        return connection

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        stream = process.stderr
        if stream is None:
            msg = "its log is not piped"
            raise RuntimeError(msg)
        with stream:
            for text in stream:
                try:
                    line = json.loads(text)
                except ValueError:
                    line = {"event": "-- not JSON", "text": text.decode(errors="replace")}
                with self._heard:
                    self.lines.append(line)
                    self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()

    def _end(self) -> int:
        """Everything of the process is gone, and its log was read to the end."""
        process = self._running()
        status = process.wait(DEADLINE_S)
        self._process = None
        if self._listener is not None:
            # A worker that hangs in the kernel keeps the pipe open; nothing more comes from it.
            self._listener.join(2.0)
        return status

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            msg = "this dock does not run"
            raise RuntimeError(msg)
        return self._process


def _matching(lines: Sequence[Line], event: str, members: dict[str, object]) -> list[Line]:
    return [
        line for line in lines if line.get("event") == event and all(line.get(name) == value for name, value in members.items())
    ]
