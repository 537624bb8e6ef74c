"""Erases a camera, trusting nobody: not the daemon, which only says what it would like, nor the camera.

The helper mounts afresh, walks, and reads every file again from the device itself; makes the nonce; checks the archive's
statements under the keys, the dock's name, the profile, the policy and the holds that root-owned files say; and mints its own
permit. Only what that covers is erased, and from the very disk that was examined.
"""

import os
from collections.abc import Callable, Iterable
from datetime import datetime

from dockd.camera.identify import identify
from dockd.camera.tree import MOST_ENTRIES, MOST_NAME_BYTES, unreadable, walk
from dockd.clearance import eraser
from dockd.core.clearance import CameraScan, ClearancePermit
from dockd.core.erasure import Erasure, Method, weaker
from dockd.core.holds import Holds
from dockd.core.names import shown
from dockd.core.profile import classify
from dockd.core.proof import Basis
from dockd.dsse import PinnedKeys
from dockd.errors import CameraError, CameraGoneError, ClearanceRefusedError, EraseFailedError, ProofRefusedError
from dockd.helper import wire
from dockd.helper.begun import BegunBook, Fresh
from dockd.helper.clearing import clear, prepared
from dockd.helper.docked import Docked
from dockd.helper.formats import needs_repair, unclean
from dockd.helper.occupied import in_use
from dockd.helper.permitted import Permitted
from dockd.helper.sectors import NotRebuiltError
from dockd.helper.sysfs import serial
from dockd.helper.trimming import trim

Alive = Callable[[int], None]

_MOST_STATEMENT_BYTES = 256 << 20
"""Three hundred thousand of the vault's; whoever demands more wants the helper's memory."""


class CameraEraser:
    """The erasing of the camera that one session has open.

    Args:
        camera: its volume, mounted read-only; no client has a descriptor of it.
        book: where it is written down that a clear begins.
        alive: told bytes or entries as the work goes on.
    """

    def __init__(self, camera: Docked, book: BegunBook, alive: Alive) -> None:
        self._camera, self._book, self._alive = camera, book, alive
        self._wanted: dict[bytes, None] = {}
        self._wanted_bytes = self._demanded_bytes = 0
        self._examination: eraser.Examination | None = None
        self._obstacles: tuple[str, ...] = ()
        self._fresh: Fresh | None = None
        self._demands: dict[bytes, eraser.Demand] = {}

    def want(self, paths: Iterable[bytes]) -> None:
        """These are to be read again.

        Raises:
            ClearanceRefusedError: more than any camera has.
        """
        for path in paths:
            self._wanted[path] = None
            self._wanted_bytes += len(path)
        if self._wanted_bytes > MOST_NAME_BYTES or len(self._wanted) > MOST_ENTRIES:
            self._wanted.clear()
            msg = "more files are wanted than any camera has"
            raise ClearanceRefusedError(msg)

    def examine(self, permitted: Permitted) -> tuple[eraser.Examination, Method, tuple[str, ...]]:
        """Mount afresh, walk, and read again what is wanted; with the most that may be done, and what stands against a clear.

        Raises:
            DockError: the camera cannot be examined, or is none that may be erased.
        """
        wanted = list(self._wanted)
        self.forget()
        method = self._method(permitted)
        self._camera.unmount()
        self._camera.mount()
        root = self._camera.root()
        try:
            scan = self._scan(root, permitted)
            self._adds_up(scan)
            examination = eraser.examine(root, scan, wanted, lambda _, count: self._alive(count))
            if method is Method.CLEAR:
                self._obstacles = tuple(self._standing(root))
        except OSError as exc:
            raise unreadable(root, b"", exc) from exc
        finally:
            os.close(root)
        self._examination = examination
        return examination, method, self._obstacles

    def forget(self) -> None:
        """Nothing that was examined or demanded counts any more."""
        self._wanted.clear()
        self._wanted_bytes = self._demanded_bytes = 0
        self._examination = None
        self._obstacles, self._fresh = (), None
        self._demands.clear()

    def demand(self, demand: wire.Demand) -> None:
        """Take note of what is to be erased, unchecked; no more than was read again, and each once.

        Raises:
            ClearanceRefusedError: it was not examined, or is demanded twice.
        """
        if self._examination is None or demand.path not in self._examination.rehashes or demand.path in self._demands:
            msg = f"{shown(demand.path)} was not examined, or is demanded twice"
            raise ClearanceRefusedError(msg)
        self._demanded_bytes += len(demand.envelope)
        if self._demanded_bytes > _MOST_STATEMENT_BYTES:
            msg = "more is said about the recordings than anybody needs to say"
            raise ClearanceRefusedError(msg)
        self._demands[demand.path] = eraser.Demand(demand.recording_id, demand.path, demand.stored, demand.envelope)

    def erase(self, docking: str, method: Method, permitted: Permitted, holds: Holds, now: datetime) -> Erasure:
        """Check everything, mint the permit, and erase what it covers.

        Args:
            docking: the daemon's word for this docking.
            method: how; no more than site and profile allow.
            permitted: by root-owned files, now.
            holds: the helper's own.
            now: the dock's clock.

        Raises:
            ProofRefusedError: a statement proves nothing.
            ClearanceRefusedError: nothing may be erased.
            EraseFailedError: the camera did not do it.
            CameraError: it cannot be read, or left.
        """
        examination, demands = self._examination, list(self._demands.values())
        obstacles, fresh = self._obstacles, self._fresh
        self.forget()
        if examination is None:
            msg = "the camera was not examined"
            raise ClearanceRefusedError(msg)
        allowed = self._method(permitted)
        if weaker(method, allowed) is not method or method is Method.NEVER:
            msg = f"{method} is more than this dock's site file and the camera's profile allow ({allowed})"
            raise ClearanceRefusedError(msg)
        self._camera.is_still_there(permitted)
        keys = PinnedKeys(*permitted.keys) if permitted.keys else None
        if method is Method.CLEAR and fresh is not None:
            whole = eraser.permit_whole(
                examination, demands, keys, dock=permitted.dock, docking=docking, holds=holds, obstacles=obstacles
            )
            _promised(whole.clearance, now)
            return clear(self._camera, whole, fresh, self._book, self._alive, officers=examination.scan.officers)
        if method is Method.CLEAR:
            msg = f"the camera cannot be cleared as a whole: {'; '.join(obstacles)}"
            raise ClearanceRefusedError(msg)
        permit = eraser.permit(examination, demands, keys, dock=permitted.dock, docking=docking, holds=holds)
        _promised(permit, now)
        _all_of(permit, demands)
        return self._delete(permit, permitted)

    def _method(self, permitted: Permitted) -> Method:
        """The most that may be done to this camera.

        Raises:
            ClearanceRefusedError: nothing.
        """
        method = weaker(permitted.erase, self._camera.profile.erase.method)
        if method is Method.NEVER:
            msg = "the site file or the camera's profile lets nothing be erased"
            raise ClearanceRefusedError(msg)
        if not permitted.keys and not permitted.unsigned:
            msg = "this archive signs nothing, and the daemon's word is not enough"
            raise ClearanceRefusedError(msg, hint="Admins: erase.unsigned in the site file says that it is.")
        return method

    def _scan(self, root: int, permitted: Permitted) -> CameraScan:
        facts = identify(root, self._camera.profile, serial(self._camera.device))
        taken = in_use(self._camera.volume, self._camera.profile.filesystem, root)
        files = classify(self._camera.profile, walk(root, self._alive, taken))
        officers = tuple(each for each in (facts.officer, permitted.officers.get(facts.serial)) if each)
        return CameraScan(facts.serial, files, officers)

    def _adds_up(self, scan: CameraScan) -> None:
        """Nothing at all is written to a file system that may hold what nobody saw: freeing a file may free another's blocks.

        Raises:
            ClearanceRefusedError: it does not add up, and its profile does not say that it need not.
        """
        words = next((file.problem for file in scan.files if not file.path), "")
        if words and not self._camera.profile.reserves_room:
            msg = f"nothing is written to camera {scan.serial}: {words}"
            raise ClearanceRefusedError(msg, hint="Have its card imaged before anybody repairs it.")

    def _standing(self, root: int) -> Iterable[str]:
        """What stands against overwriting all of it."""
        yield from self._camera.unseen()
        words = unclean(self._camera.volume, self._camera.profile.filesystem)
        if words:
            yield words
        try:
            self._fresh = prepared(self._camera, root)
        except NotRebuiltError as exc:
            yield str(exc)

    def _delete(self, permit: ClearancePermit, permitted: Permitted) -> Erasure:
        repaired = needs_repair(self._camera.volume, self._camera.profile.filesystem)
        with self._camera.writable() as root:
            if repaired:
                self._read_again(root, permit, permitted)
            gone = eraser.erase(root, permit, self._alive, remounted=True)
            trimmed = trim(root, self._alive)
        self._camera.mount()
        self._see_that_it_is_gone(permit)
        return Erasure(Method.DELETE, len(gone), trimmed)

    def _read_again(self, root: int, permit: ClearancePermit, permitted: Permitted) -> None:
        """Mounting for writing has replayed a journal: the files are what they were, or nothing is erased.

        Raises:
            ClearanceRefusedError: one is not.
        """
        paths = [each.path for each in permit.covered]
        again = eraser.examine(root, self._scan(root, permitted), paths, lambda _, count: self._alive(count)).rehashes
        for each in permit.covered:
            found = again.get(each.path)
            if found is None or found.measured != each.holding.statement.measured:
                msg = f"{shown(each.path)} is another file since the camera's file system was repaired"
                raise ClearanceRefusedError(msg)

    def _see_that_it_is_gone(self, permit: ClearancePermit) -> None:
        """Look at the disk with nothing remembered.

        Raises:
            EraseFailedError: something is still there.
        """
        root = self._camera.root()
        try:
            still = {each.path for each in walk(root, self._alive)} & {each.path for each in permit.covered}
        except CameraGoneError:
            raise
        except CameraError as exc:  # pragma: no cover - a walk has no other error today
            raise EraseFailedError(exc.message) from exc
        finally:
            os.close(root)
        if still:
            msg = f"the camera still shows {len(still)} deleted files, {shown(min(still))} among them"
            raise EraseFailedError(msg)


def _all_of(permit: ClearancePermit, demands: Iterable[eraser.Demand]) -> None:
    """All that is demanded, or nothing: whoever asked would take the rest for erased.

    Raises:
        ClearanceRefusedError: something demanded must stay.
    """
    demanded = {each.path for each in demands}
    for each in permit.left:
        if each.path in demanded:
            msg = f"{shown(each.path)} must stay: {each.reason}"
            raise ClearanceRefusedError(msg)


def _promised(permit: ClearancePermit, now: datetime) -> None:
    """The archive must still be bound to keep what it holds; one that signs nothing may be bound to nothing.

    Raises:
        ProofRefusedError: it may have let it go by now.
    """
    for each in permit.covered:
        said = each.holding.statement
        until, promised = said.retain_until, each.holding.basis is Basis.SIGNED or said.retain_until > said.time
        if promised and until <= now:
            msg = f"the archive is no longer bound to keep {shown(each.path)}: its promise ended {until}"
            raise ProofRefusedError(msg)
