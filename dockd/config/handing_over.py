"""The archive's public keys as a site file has them: the one that it signs with, and those that handed over to it."""

import base64

from dockd.config.model import ArchiveSettings
from dockd.core.handover import HANDOVER_TYPE, Handover, HandoverError, chain, parse_handover
from dockd.dsse import KeyFormatError, PinnedKeys


def read_handover(text: str) -> Handover:
    """The statement in what `dockd vault rotate` prints: base64 of a DSSE envelope, which the old key signed.

    Raises:
        HandoverError: it is none, or the key that it names as the old one did not sign it.
    """
    try:
        payload, vouched = PinnedKeys.payload_of(HANDOVER_TYPE, base64.b64decode(text, validate=True))
        handover = parse_handover(payload)
        if not vouched(PinnedKeys(handover.old)):
            msg = "the old key did not sign it"
            raise HandoverError(msg)
        PinnedKeys(handover.new)
    except KeyFormatError as exc:
        raise HandoverError(str(exc)) from exc
    except HandoverError:
        raise
    except ValueError as exc:
        msg = f"it is not base64 of a signed handover: {exc}"
        raise HandoverError(msg) from exc
    return handover


def archive_keys(archive: ArchiveSettings) -> tuple[str, ...]:
    """Every key whose statements count, oldest first; none for an archive that signs nothing.

    Raises:
        HandoverError: the handovers do not lead to the key, or are another archive's.
    """
    handovers = [read_handover(each) for each in archive.handovers]
    for each in handovers:
        if archive.id not in {None, each.archive}:
            msg = f"archive {each.archive!r} hands over, but the site file names {archive.id!r}"
            raise HandoverError(msg)
    return chain(handovers, archive.key) if archive.key else ()
