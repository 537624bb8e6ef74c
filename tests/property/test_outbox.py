"""Whatever is put, taken, put back, marked and done, in whatever order: each is taken once for each put, most urgent first."""

import asyncio
from dataclasses import dataclass, field, replace

from hypothesis import example, given
from hypothesis import strategies as st

from dockd.core.profile import CRITICAL
from dockd.core.recording import Recording, State
from dockd.dock.outbox import Outbox
from tests.sim.evidence import seen

URGENCIES = [CRITICAL, 50, 100]
RECORDINGS = [
    replace(seen(f"{camera}{number}", camera=camera, size_bytes=10 * number), sequence=2 * number + (camera == "b"))
    for camera in "ab"
    for number in range(1, 4)
]
_TURNS = 5

doings = st.lists(
    st.tuples(
        st.sampled_from(["put", "hurry", "take", "back", "done"]),
        st.integers(0, len(RECORDINGS) - 1),
        st.sampled_from(URGENCIES),
    ),
    max_size=60,
)


@dataclass
class Queue:
    """What the outbox should be, said in the plainest way, beside the outbox itself.

    Attributes:
        known: by id, how urgent each recording is that is not done, and whether it was begun.
        waiting: ids of those that nobody has taken.
        away: ids of those that a courier has.
    """

    outbox: Outbox = field(default_factory=Outbox)
    known: dict[str, Recording] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    away: list[str] = field(default_factory=list)

    def put(self, which: int, urgency: int) -> None:
        """A copy was verified, or a recording that waits is put once more."""
        fresh = replace(RECORDINGS[which], state=State.VERIFIED, priority=urgency)
        recording = self.known.setdefault(fresh.recording_id, fresh)
        if recording.recording_id not in self.away:
            self.outbox.put(recording)
            self.waiting.add(recording.recording_id)

    def hurry(self, which: int, urgency: int) -> None:
        """A person marked it, never for less than before; the next that reads it in the journal sees that."""
        recording = self.known.get(RECORDINGS[which].recording_id)
        if recording is not None:
            marked = replace(recording, priority=min(recording.priority, urgency))
            self.known[marked.recording_id] = marked
            self.outbox.hurry(marked)

    async def take(self) -> None:
        """The most urgent of those that wait; of one camera's those that were begun, and then the one that was found first."""
        taken = await asyncio.wait_for(self.outbox.take(), 10)
        ours = self.known[taken]
        assert taken in self.waiting
        waiting = [self.known[each] for each in self.waiting]
        assert ours.priority == min(each.priority for each in waiting)
        rivals = [each for each in waiting if each.priority == ours.priority]
        begun = [each.state is State.UPLOADING for each in rivals]
        assert (ours.state is State.UPLOADING) is any(begun)
        same = [each.sequence for each in rivals if each.camera == ours.camera and each.state is ours.state]
        assert ours.sequence == min(same)
        self.waiting.discard(taken)
        self.away.append(taken)

    def back(self, which: int) -> None:
        """It gave way to another: it is put back as begun."""
        if self.away:
            recording_id = self.away.pop(which % len(self.away))
            self.known[recording_id] = replace(self.known[recording_id], state=State.UPLOADING)
            self.outbox.put(self.known[recording_id])
            self.waiting.add(recording_id)

    def done(self, which: int) -> None:
        """The archive proved it."""
        if self.away:
            recording_id = self.away.pop(which % len(self.away))
            self.outbox.done(recording_id)
            del self.known[recording_id]

    async def do(self, doing: str, which: int, urgency: int) -> None:
        """One of these, if it can be."""
        match doing:
            case "put":
                self.put(which, urgency)
            case "hurry":
                self.hurry(which, urgency)
            case "take" if self.waiting:
                await self.take()
            case "back":
                self.back(which)
            case "done":
                self.done(which)
            case _:
                pass

    def compare(self) -> None:
        """The outbox counts what it has as this does."""
        critical = {each for each, recording in self.known.items() if recording.priority <= CRITICAL}
        assert self.outbox.files == len(self.known)
        assert self.outbox.left_bytes == sum(each.size_bytes for each in self.known.values())
        assert set(self.outbox.critical) == critical
        assert self.outbox.critical_untaken == len(critical & self.waiting)

    async def nothing_more(self) -> None:
        """Nobody is given what nobody put."""
        taking = asyncio.create_task(self.outbox.take())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        assert not taking.done()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


@given(doings)
def test_each_recording_is_taken_once_for_each_put_most_urgent_first(several: list[tuple[str, int, int]]) -> None:
    """Nothing is forgotten, nothing comes twice, and a mark counts wherever the recording stands."""

    async def all_of_it() -> None:
        queue = Queue()
        for doing, which, urgency in several:
            await queue.do(doing, which, urgency)
            queue.compare()
        while queue.waiting:
            await queue.take()
        await queue.nothing_more()

    asyncio.run(all_of_it())


async def _order(puts: list[tuple[int, int]], again: list[int]) -> list[str]:
    """In which order these are taken, some of which are marked again with what they were put with."""
    outbox = Outbox()
    recordings = {which: replace(RECORDINGS[which], state=State.VERIFIED, priority=urgency) for which, urgency in puts}
    for each in recordings.values():
        outbox.put(each)
    for which in again:
        if which in recordings:
            outbox.hurry(recordings[which])
    return [await outbox.take() for _ in recordings]


@example([(0, 100), (1, 100), (3, 100)], [0])
@given(
    st.lists(st.tuples(st.integers(0, len(RECORDINGS) - 1), st.sampled_from(URGENCIES)), unique_by=lambda each: each[0]),
    st.lists(st.integers(0, len(RECORDINGS) - 1)),
)
def test_a_mark_that_says_nothing_new_of_urgency_gives_its_camera_no_more_turns(
    puts: list[tuple[int, int]], again: list[int]
) -> None:
    """A category alone puts no recording, and none of its camera's others, before those of another camera."""
    assert asyncio.run(_order(puts, again)) == asyncio.run(_order(puts, []))
