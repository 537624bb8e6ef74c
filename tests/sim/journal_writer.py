"""A process that writes to a journal until it is killed, and says how far it got.

`python -m tests.sim.journal_writer write PATH SEED` records random batches and prints, after each, how many custody entries are
durable. `python -m tests.sim.journal_writer rebuild PATH` makes the journal anew from an empty spool.
"""

import asyncio
import random
import sys
from pathlib import Path

from dockd.clock import SystemClock
from dockd.core import life
from dockd.core.custody import CameraDocked, Change, DockingEnded, Noted, RecordingSeen, Stepped
from dockd.core.recording import Refusal
from dockd.journal import Journal
from dockd.journal.rebuild import rebuild
from tests.sim.evidence import Notary, seen, stored, verified

_BATCHES_UNLESS_KILLED = 500


async def _write(path: Path, seed: int, *, new: bool) -> None:
    journal = await (Journal.create if new else Journal.open)(path, SystemClock())
    random_, notary = random.Random(seed), Notary()
    head = len(await journal.custody(limit=1_000_000))
    for batch in range(_BATCHES_UNLESS_KILLED):
        docking = f"{seed}-{batch}"
        changes: list[Change] = [CameraDocked(docking, "C1", "dcf", "1", None)]
        for number in range(random_.randrange(12)):
            changes += _part_of_a_life(f"{docking}-{number}", docking, random_, notary)
        changes.append(DockingEnded(docking, "left"))
        await journal.record(Noted("batch", {"size": len(changes)}), *changes)
        head += len(changes) + 1
        print(head, flush=True)  # noqa: T201 - this is what the test waits for


def _part_of_a_life(name: str, docking: str, random_: random.Random, notary: Notary) -> list[Change]:
    content = name.encode()
    recording = seen(name, docking=docking, path=content)
    at = stored(recording, content)
    steps: list[life.Step] = [
        life.CopyStarted(),
        life.CopyVerified(verified(name, content)),
        life.UploadStarted(),
        life.UploadProved(notary.receipt(at), at),
        life.ProofLost("gone"),
        life.Refused(Refusal("code", "message")),
        life.Retried("admin", spooled=False),
    ]
    return [RecordingSeen(recording), *(Stepped(name, step) for step in steps[: random_.randrange(len(steps) + 1)])]


async def _rebuild(path: Path) -> None:
    await (await rebuild(path, [], SystemClock(), "dock-1")).close()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", where, seed]:
            asyncio.run(_write(Path(where), int(seed), new=not Path(where).exists()))
        case ["rebuild", where]:
            asyncio.run(_rebuild(Path(where)))
        case _:
            sys.exit(__doc__)
