"""Asks an archive, beside all work, whether it is there, is who it should be, and checks what it is sent: for the self-test."""

from dataclasses import dataclass, replace

from dockd.archive.introduction import Identity, identify, sound_out
from dockd.archive.settings import TusSettings
from dockd.archive.wire import Wire
from dockd.clock import Clock
from dockd.errors import ArchiveError

_CONNECT_S = 5.0
_ANSWER_S = 20.0


@dataclass(frozen=True, slots=True)
class Findings:
    """What one archive showed.

    Attributes:
        identity: who it says it is, None where it did not say, or is another one than the site file names.
        stranger: why its introduction is not accepted, None where it is.
        refusal: why it could not be tried with a wrong checksum, None where it was.
        algorithm: of the checksums that it was seen to check, None where it checks none.
    """

    identity: Identity | None
    stranger: ArchiveError | None
    refusal: ArchiveError | None
    algorithm: str | None


async def probe(settings: TusSettings, clock: Clock) -> Findings:
    """Ask for its introduction, then send one megabyte under a wrong checksum, which it must refuse; nothing is kept there."""
    settings = replace(settings, connect_s=_CONNECT_S, answer_s=_ANSWER_S)
    wire = Wire(settings)
    try:
        identity = await identify(wire, settings, clock)
    except ArchiveError as exc:
        await wire.close()
        return Findings(None, exc, None, None)
    try:
        pace = await sound_out(wire, settings, clock)
    except ArchiveError as exc:
        return Findings(identity, None, exc, None)
    else:
        return Findings(identity, None, None, pace.algorithm)
    finally:
        await wire.close()
