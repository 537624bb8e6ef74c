"""Asks the witness from the event loop: one checkpoint, one cosignature or one refusal, and a loud word where it is an alarm."""

from functools import partial

import structlog

from dockd.clock import Clock
from dockd.vault import witness
from dockd.vault.desk import Desk
from dockd.vault.examine import Signer

_log = structlog.get_logger("dockd.vault")


class Cosigner:
    """Cosigns the checkpoints of the docks' custody logs."""

    def __init__(self, desk: Desk, signer: Signer, clock: Clock) -> None:
        self._desk, self._signer, self._clock = desk, signer, clock

    async def add_checkpoint(self, body: bytes, *, dock: str, key: str | None) -> str:
        """The cosignature line for the checkpoint that `dock` sent; `key` introduces a log that is new here.

        Raises:
            RefusedError: 400, 403, 404, 409, 422, as docs/protocol.md says; whatever is tampering by its own signature is kept.
        """
        sent = witness.parse(body)
        judge = partial(
            witness.add_checkpoint,
            sent=sent,
            dock=dock,
            key=key,
            archive=self._signer.archive,
            signing=self._signer.key,
            now=self._clock.now(),
        )
        judged = await self._desk.ask(self._desk.ledger.change, judge)
        log = sent.checkpoint.origin
        if judged.refusal is not None:
            if judged.alarm:
                _log.error("custody alarm", dock=dock, log=log, kind=judged.alarm, words=judged.refusal.message)
            raise judged.refusal
        _log.info("checkpoint cosigned", dock=dock, log=log, size=sent.checkpoint.size)
        return judged.cosignature
