"""The self-test's half that only the daemon can do: it looks at each part of the dock, and asks the archive."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dockd.archive.probe import Findings
from dockd.clock import parse_rfc3339, rfc3339
from dockd.control.backup import BACKED_UP, KEY_BACKED_UP
from dockd.core import fitness
from dockd.core.custody import Noted
from dockd.core.fitness import Check, Grade
from dockd.core.readiness import Lamp
from dockd.core.recording import State
from dockd.custody.keyring import key_place
from dockd.dock.parts import Dock
from dockd.errors import ArchiveDeniedError, DockError
from dockd.web.lists import CheckView, SelftestView

_TPM = Path("/sys/class/tpm/tpm0")


class Fitness:
    """Looks when it is asked, once at a time.

    Args:
        dock: whose parts they are.
        usb_bays: ids of the bays that are USB ports.
        guarded: asks the helper which it guards.
        archive: asks the archive.
        power: looks at the hubs.
        key: the public half of the one with which the dock signs.
    """

    def __init__(
        self,
        dock: Dock,
        *,
        usb_bays: Sequence[str],
        guarded: Callable[[], Awaitable[Sequence[str]]],
        archive: Callable[[], Awaitable[Findings]],
        power: Callable[[], Awaitable[Check]],
        key: str,
    ) -> None:
        self._dock, self._usb_bays = dock, usb_bays
        self._guarded, self._archive, self._power = guarded, archive, power
        self._turn, self._key = asyncio.Lock(), key

    async def selftest(self) -> SelftestView:
        """Every part, in the order in which a camera meets them; what was found is a custody entry."""
        async with self._turn:
            standing = self._dock.board.configuration
            checks = [
                self._bays(),
                await self._ports(),
                await self._power(),
                await self._disk(),
                fitness.encryption(encrypted=standing.spool_encrypted),
                await self._seal(),
                await self._signing_key(),
                *archive_checks(await self._archive()),
                fitness.refused(self._dock.journal.counts()[State.REFUSED]),
                await self._backup(),
                await self._key_backup(),
                fitness.configuration(standing.pending, standing.error, standing.accept_with),
            ]
        bad, look = ([each.part for each in checks if each.grade is grade] for grade in (Grade.BAD, Grade.LOOK))
        noted = Noted("selftest.run", {"fit": fitness.fit(checks), "bad": bad, "look": look})
        await self._dock.journal.record(noted)
        views = tuple(CheckView(each.part, each.grade, each.reason, each.cure) for each in checks)
        return SelftestView(self._dock.name, rfc3339(self._dock.clock.now()), fitness.fit(checks), views)

    def _bays(self) -> Check:
        board = self._dock.board
        lamps = {bay.bay: bay.lamp(board.needs) for bay in board.bays.values()}
        return fitness.bays(len(lamps), {bay: lamp.reason for bay, lamp in lamps.items() if lamp and lamp.lamp is Lamp.HELP})

    async def _ports(self) -> Check:
        if not self._usb_bays:
            return fitness.ports((), ())
        try:
            return fitness.ports(self._usb_bays, await self._guarded())
        except DockError as exc:
            return fitness.ports(self._usb_bays, (), exc.message)

    async def _disk(self) -> Check:
        ledger, keep = self._dock.ledger, self._dock.live.now.keep
        size_bytes = (await asyncio.to_thread(shutil.disk_usage, ledger.path)).total
        usable_bytes = ledger.free_bytes() + await self._dock.yielding_bytes()
        spare_bytes = ledger.free_bytes() - keep.low_water_bytes if keep.days else None
        return fitness.disk(usable_bytes=usable_bytes, size_bytes=size_bytes, spare_bytes=spare_bytes)

    async def _seal(self) -> Check:
        spool = self._dock.spool
        waiting = 0 if spool.unsealed_why else len(await asyncio.to_thread(lambda: spool.unsealed(spool.recording_ids())))
        return fitness.seal(spool.unsealed_why, waiting)

    async def _signing_key(self) -> Check:
        place = await asyncio.to_thread(key_place, self._dock.spool.directory)
        return fitness.signing_key(sealed=place.sealed, left=place.file, tpm=await asyncio.to_thread(_TPM.exists))

    async def _backup(self) -> Check:
        last = await self._dock.journal.last_note(BACKED_UP)
        return fitness.backup(self._age_s(last))

    async def _key_backup(self) -> Check:
        last = await self._dock.journal.last_note(KEY_BACKED_UP) or {}
        return fitness.key_backup(self._age_s(last), to=str(last.get("to")), same=last.get("key") == self._key)

    def _age_s(self, note: Mapping[str, Any] | None) -> float | None:
        return (self._dock.clock.now() - parse_rfc3339(note["time"])).total_seconds() if note else None


def archive_checks(found: Findings) -> list[Check]:
    """Whether the archive is there, is the pinned one, and honest."""
    if found.stranger is not None and not isinstance(found.stranger, ArchiveDeniedError):
        cure = "See that the network and the archive are up, and check archive.url of the site file. Copying goes on meanwhile."
        return [Check("archive", Grade.BAD, _sentence(found.stranger), cure)]
    if found.stranger is not None or found.identity is None:
        why = "The archive did not say who it is." if found.stranger is None else _sentence(found.stranger)
        cure = "Compare archive.key and archive.id of the site file with what the archive's own admin says, by another way."
        return [Check("archive", Grade.GOOD, "The archive answers."), Check("receipt key", Grade.BAD, why, cure)]
    if found.refusal is not None:
        answers = Check("archive", Grade.BAD, _sentence(found.refusal), found.refusal.hint or "See docs/runbook.md.")
    else:
        answers = Check("archive", Grade.GOOD, f"The archive {found.identity.archive_id} answers and takes uploads.")
    if found.identity.signs:
        key = Check("receipt key", Grade.GOOD, "It signs its receipts with the key that the site file pins.")
    elif found.identity.looked_at:
        words = (
            "It signs nothing: the dock itself looks at what it holds. That counts as archived, and empties a camera only where "
            "the site file says erase.unsigned."
        )
        key = Check("receipt key", Grade.GOOD, words)
    else:
        words = "The archive is a plain tus server: it proves nothing, so no recording ever counts as archived."
        key = Check("receipt key", Grade.BAD, words, "Deliver to a vault, or to an archive that signs receipts.")
    if found.refusal is not None:
        return [answers, key]
    if found.algorithm is None and found.identity.looked_at:
        words = "The archive took a wrong checksum without a word: each recording is fetched back whole and compared."
        return [
            answers,
            key,
            Check("honesty", Grade.LOOK, words, "Have the archive's admin switch checksums on; it spares the link."),
        ]
    if found.algorithm is None:
        words = (
            "The archive took a wrong checksum without a word, or checks none: damage on the way is found by its receipt only."
        )
        return [answers, key, Check("honesty", Grade.LOOK, words, "Have the archive's admin switch checksums on.")]
    words = f"The archive refused what was sent under a wrong {found.algorithm} checksum, as it should."
    return [answers, key, Check("honesty", Grade.GOOD, words)]


def _sentence(error: DockError) -> str:
    return error.message.rstrip(".") + "."
