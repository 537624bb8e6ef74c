"""A USB bay, with the port and the helper in the test's hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from dockd.bays.protocol import Bay, BayEvent, Claims, Inserted, Removed, Stalled, Unrecognised
from dockd.bays.udev import Port
from dockd.bays.usb import Helper, Patience, UsbBay
from dockd.clock import SystemClock
from dockd.core.profile import Profile, UsbId
from dockd.core.usb import Plugged, UsbSource, Volume
from dockd.errors import CameraGoneError, CameraUnknownError, WorkerError

PROFILE = Profile("cam", "DCIM", ("DCIM",), ("*.MP4",), usb=(UsbId("2c9b"),), filesystem="exfat")
QUICK = Patience(settle_s=0.02, disks_s=0.1, stalled_s=0.1, helper_s=0.01)
ALONE = Plugged((1, 5), "S1", "Camera", ())
CARD = Plugged((1, 5), "S1", "Camera", (Volume(7, 0),))
TWO = Plugged((1, 5), "S1", "Camera", (Volume(7, 0), Volume(8, 1)))


class Scene:
    """A bay and what it says."""

    def __init__(self) -> None:
        self.port = Port("p")
        self.asked = 0
        self.judge: Callable[[], Awaitable[str]] = self._let_in
        self.guarded: list[Sequence[str] | WorkerError] = [["3"]]
        self.helper = Helper("/run/h", self._bays, self._authorise)
        self.bay = UsbBay("3", self.port, [PROFILE], self.helper, clock=SystemClock(), patience=QUICK)
        self.told: asyncio.Queue[BayEvent] = asyncio.Queue()

    async def _let_in(self) -> str:
        return "cam"

    async def _authorise(self, bay: str) -> str:
        self.asked += 1
        return await self.judge()

    async def _bays(self) -> Sequence[str]:
        answer = self.guarded.pop(0) if len(self.guarded) > 1 else self.guarded[0]
        if isinstance(answer, WorkerError):
            raise answer
        return answer

    def see(self, now: Plugged | None, *, first: bool = False) -> None:
        """Udev has looked."""
        self.port.saw(now, first=first)

    async def event(self) -> BayEvent:
        """What the bay says next."""
        async with asyncio.timeout(10):
            return await self.told.get()

    async def listen(self) -> None:
        """Take down what the bay says."""
        async with aclosing(self.bay.events()) as events:
            async for event in events:
                self.told.put_nowait(event)


@asynccontextmanager
async def played(scene: Scene) -> AsyncIterator[Scene]:
    """The scene, with somebody listening."""
    task = asyncio.create_task(scene.listen())
    try:
        yield scene
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert scene.told.empty()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """An empty bay that has said so."""
    async with played(Scene()) as made:
        made.see(None, first=True)
        assert await made.event() == Removed("3")
        yield made


def source(plugged: Plugged) -> Inserted:
    """What is said of a camera."""
    return Inserted("3", UsbSource("3", plugged.serial, plugged.volumes, "/run/h"), PROFILE)


def test_a_usb_bay_is_a_bay() -> None:
    """It has the contract's interface."""
    bay: Bay = Scene().bay
    assert bay.bay_id == "3"


async def test_a_camera_is_told_of_once_its_disks_are_there(scene: Scene) -> None:
    """The helper is asked first; disks that come one by one are told of together."""
    scene.see(ALONE)
    scene.see(CARD)
    await asyncio.sleep(0)
    scene.see(TWO)
    assert await scene.event() == source(TWO)
    assert scene.asked == 1


async def test_a_pulled_camera_is_removed(scene: Scene) -> None:
    """And may come again."""
    for _ in range(2):
        scene.see(CARD)
        assert await scene.event() == source(CARD)
        scene.see(None)
        assert await scene.event() == Removed("3")


async def test_a_camera_that_re_enumerates_is_another(scene: Scene) -> None:
    """Another device number means that everything begins anew, with the helper's judgement."""
    scene.see(CARD)
    assert await scene.event() == source(CARD)
    again = Plugged((1, 6), "S1", "Camera", (Volume(9, 0),))
    scene.see(again)
    assert await scene.event() == Removed("3")
    assert await scene.event() == source(again)
    assert scene.asked == 2


class Late(SystemClock):
    """Something happens so many turns of the event loop after each sleep."""

    def __init__(self, turns: int, happens: Callable[[], None]) -> None:
        self._turns, self._happens = turns, happens

    async def sleep(self, seconds: float) -> None:
        """As long as it takes, and what follows is on its way."""
        await super().sleep(seconds)
        self._turn(self._turns)

    def _turn(self, left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(self._turn, left - 1)
        else:
            self._happens()


@pytest.mark.parametrize("turns", range(10))
async def test_a_disk_that_changes_while_it_is_being_told_of(turns: int) -> None:
    """The kernel may number a disk anew at any moment: whatever was told last is what is there."""
    scene = Scene()
    scene.bay = UsbBay("3", scene.port, [PROFILE], scene.helper, clock=Late(turns, lambda: scene.see(TWO)), patience=QUICK)
    async with played(scene):
        scene.see(CARD, first=True)
        while await scene.event() != source(TWO):
            pass


async def test_an_exchanged_card_is_another_camera(scene: Scene) -> None:
    """The device stays and its disks do not: nothing that was opened may be read on."""
    scene.see(CARD)
    assert await scene.event() == source(CARD)
    scene.see(TWO)
    assert await scene.event() == Removed("3")
    assert await scene.event() == source(TWO)


async def test_a_device_that_is_refused_is_shown_until_it_leaves(scene: Scene) -> None:
    """With the helper's words, and the helper is asked once."""

    async def keyboard() -> str:
        msg = "a keyboard is in bay 3; it was not let in"
        raise CameraUnknownError(msg, hint="Take it out.")

    scene.judge = keyboard
    scene.see(CARD)
    refused = Claims("Camera", "S1", "inserted")
    assert await scene.event() == Unrecognised("3", "a keyboard is in bay 3; it was not let in", "Take it out.", refused)
    scene.see(ALONE)  # its disk is taken out of use
    scene.see(None)
    assert await scene.event() == Removed("3")
    assert scene.asked == 1


async def test_what_was_there_at_the_start_is_judged_too() -> None:
    """Having been there first is no reason to be believed."""
    async with played(Scene()) as scene:
        scene.see(CARD, first=True)
        assert await scene.event() == source(CARD)
        assert scene.asked == 1


async def test_what_was_there_at_the_start_and_is_refused_is_told_as_such() -> None:
    """Nobody can say who plugged it in, or what it did before; the next one is an ordinary one."""

    async def unknown() -> str:
        msg = "no"
        raise CameraUnknownError(msg)

    async with played(Scene()) as scene:
        scene.judge = unknown
        for policy in ("present at start", "inserted"):
            scene.see(CARD, first=policy == "present at start")
            event = await scene.event()
            assert isinstance(event, Unrecognised)
            assert event.refused == Claims("Camera", "S1", policy)
            scene.see(None)
            assert await scene.event() == Removed("3")


async def test_a_camera_without_disks_is_shown(scene: Scene) -> None:
    """After a while; a card slot without a card, for example."""
    scene.see(ALONE)
    assert await scene.event() == Unrecognised("3", "the camera in bay 3 shows no disk")


async def test_a_device_that_is_never_judged_is_stalled(scene: Scene) -> None:
    """The bay says so and goes on as soon as the device leaves."""
    scene.judge = asyncio.Event().wait  # type: ignore[assignment]  # it never answers
    scene.see(CARD)
    assert await scene.event() == Stalled("3", "Bay 3 has not answered for 0 s.")
    scene.see(None)
    assert await scene.event() == Removed("3")


async def test_a_camera_that_is_pulled_while_it_is_judged_is_not_told_of(scene: Scene) -> None:
    """Nobody waits for the judgement then."""
    asked = asyncio.Event()

    async def never() -> str:
        asked.set()
        await asyncio.Event().wait()
        return ""

    scene.judge = never
    scene.see(CARD)
    await asked.wait()
    scene.see(None)
    assert await scene.event() == Removed("3")


async def test_a_camera_that_the_kernel_misses_first_is_waited_for(scene: Scene) -> None:
    """The helper says gone before udev does: the removal follows. If none does, a person is shown the bay."""

    async def gone() -> str:
        msg = "bay 3 is empty"
        raise CameraGoneError(msg)

    scene.judge = gone
    scene.see(CARD)
    await asyncio.sleep(0)
    scene.see(None)
    assert await scene.event() == Removed("3")
    scene.see(TWO)
    assert await scene.event() == Unrecognised("3", "the device in bay 3 cannot be used")


async def test_a_helper_that_fails_is_named(scene: Scene) -> None:
    """And so is one that knows other profiles."""

    async def down() -> str:
        msg = "no helper"
        raise WorkerError(msg)

    async def foreign() -> str:
        return "other"

    scene.judge = down
    scene.see(CARD)
    assert await scene.event() == Unrecognised("3", "Bay 3: no helper.", "")
    scene.see(None)
    assert await scene.event() == Removed("3")
    scene.judge = foreign
    scene.see(CARD)
    event = await scene.event()
    assert isinstance(event, Unrecognised)
    assert "a profile 'other' that the daemon does not" in event.message


async def test_an_unguarded_bay_is_shown_until_the_helper_guards_it() -> None:
    """Nothing that is plugged in is asked for before; each reason is said once."""
    scene = Scene()
    scene.guarded = [WorkerError("down"), WorkerError("down"), ["4"], ["3"]]
    scene.see(CARD, first=True)
    async with played(scene):
        assert await scene.event() == Unrecognised("3", "Bay 3 is not guarded: down.")
        event = await scene.event()
        assert isinstance(event, Unrecognised)
        assert "another site file" in event.message
        assert await scene.event() == source(CARD)
