"""One key of an archive hands over to the next: a statement that the old key signs, and the chain that several of them make.

Whoever trusts the old key may so learn the new one without a person who compares them. It helps nobody whose old key was stolen:
the thief could hand over as well, and such a key must be replaced by hand.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from dockd.core.canonical import canonical

HANDOVER_TYPE = "application/vnd.dockd.handover+json"
_KIND = "dockd/handover/v1"


class HandoverError(ValueError):
    """These statements hand over nothing, and the message says why."""


@dataclass(frozen=True, slots=True)
class Handover:
    """What an archive says when it changes its key; unproved until the old key's signature was verified.

    Attributes:
        archive: the archive's id.
        old, new: public keys, `ed25519:<base64>`.
        time: the archive's clock, RFC 3339 with zone.
    """

    archive: str
    old: str
    new: str
    time: str

    def payload(self) -> bytes:
        """The canonical JSON that is signed."""
        return canonical({"archive": self.archive, "new": self.new, "old": self.old, "time": self.time, "type": _KIND})


def parse_handover(payload: bytes) -> Handover:
    """The statement in a payload.

    Raises:
        HandoverError: it is another one, or not spelled as the archive spells it.
    """
    try:
        match json.loads(payload):
            case {"archive": str(archive), "old": str(old), "new": str(new), "time": str(time)}:
                handover = Handover(archive, old, new, time)
            case _:
                msg = "no archive, old and new key, and time in it"
                raise ValueError(msg)
    except (ValueError, RecursionError) as exc:
        msg = f"it is not an archive's handover: {exc}"
        raise HandoverError(msg) from exc
    if handover.payload() != payload:
        msg = "it is not an archive's handover in canonical form"
        raise HandoverError(msg)
    return handover


def chain(handovers: Sequence[Handover], key: str) -> tuple[str, ...]:
    """All keys from the oldest to `key`.

    Raises:
        HandoverError: they do not lead there, each from where the last one ended.
    """
    keys = [handovers[0].old if handovers else key]
    for each in handovers:
        if each.old != keys[-1]:
            msg = f"{each.old} hands over to {each.new}, but the one before ended at {keys[-1]}"
            raise HandoverError(msg)
        if each.new in keys:
            msg = f"{each.new} had handed over before"
            raise HandoverError(msg)
        keys.append(each.new)
    if keys[-1] != key:
        msg = f"they end at {keys[-1]}"
        raise HandoverError(msg)
    return tuple(keys)


def continues(wanted: Sequence[str], trusted: Sequence[str]) -> bool:
    """Whether a chain of keys goes on from the newest of those that are trusted already, and brings in no other before it.

    So a second statement of a key that has handed over, or an old chain put back, is no handover from what is trusted now.
    """
    newest = trusted[-1]
    return newest in wanted and set(wanted[: wanted.index(newest)]) <= set(trusted)
