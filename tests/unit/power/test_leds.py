"""What is written to the kernel's LED class, to a folder that has its shape."""

from pathlib import Path

import pytest

from dockd.core.lamp import COLOURS, RHYTHMS, Rhythm, Wiring
from dockd.core.readiness import Lamp
from dockd.errors import LampError
from dockd.power.leds import Leds
from tests.sim.led_class import LedClass


@pytest.fixture
def leds(tmp_path: Path) -> LedClass:
    """No LED yet."""
    return LedClass(tmp_path)


def test_states_are_told_apart_without_colour(leds: LedClass) -> None:
    """Steady, swelling and blinking, and dark when there is nothing to say."""
    assert len(set(RHYTHMS.values()) | {Rhythm.OFF}) == 4
    leds.add("bay-1", most=200)
    one = Wiring("bay-1")
    Leds(leds.folder).show(one, Lamp.TAKE)
    assert (leds["bay-1"]["trigger"], leds["bay-1"]["brightness"]) == ("none", "200")
    leds.offer("bay-1")
    Leds(leds.folder).show(one, Lamp.LEAVE)
    assert (leds["bay-1"]["trigger"], leds["bay-1"]["pattern"], leds["bay-1"]["repeat"]) == ("pattern", "20 900 200 900", "-1")
    leds.offer("bay-1")
    Leds(leds.folder).show(one, Lamp.HELP)
    assert (leds["bay-1"]["trigger"], leds["bay-1"]["delay_on"], leds["bay-1"]["delay_off"]) == ("timer", "150", "150")
    Leds(leds.folder).show(one, None)
    assert (leds["bay-1"]["trigger"], leds["bay-1"]["brightness"]) == ("none", "0")


def test_lamp_of_several_colours_shows_them_in_its_own_order(leds: LedClass) -> None:
    """Also one that has a colour which nobody named."""
    leds.add("bay-1", colours="green blue red white")
    Leds(leds.folder).show(Wiring("bay-1"), Lamp.HELP)
    red, green, blue = COLOURS[Lamp.HELP]
    assert leds["bay-1"]["multi_intensity"] == f"{green} {blue} {red} 0"


def test_one_of_three_leds_is_lit(leds: LedClass) -> None:
    """The others are dark, whatever they showed before."""
    names = {lamp: f"bay-1-{lamp.name}" for lamp in Lamp}
    for name in names.values():
        leds.add(name)
    Leds(leds.folder).show(Wiring(by_lamp=names), Lamp.TAKE)
    assert {lamp: leds[name]["brightness"] for lamp, name in names.items()} == {Lamp.TAKE: "255", Lamp.LEAVE: "0", Lamp.HELP: "0"}


def test_one_trigger_of_the_two_is_enough(leds: LedClass) -> None:
    """Both rhythms can be made of either."""
    leds.add("timer", "[none] timer")
    leds.add("pattern", "[none] pattern")
    Leds(leds.folder).check(Wiring("timer"))
    Leds(leds.folder).check(Wiring("pattern"))
    Leds(leds.folder).show(Wiring("timer"), Lamp.LEAVE)
    assert (leds["timer"]["trigger"], leds["timer"]["delay_on"]) == ("timer", "900")
    Leds(leds.folder).show(Wiring("pattern"), Lamp.HELP)
    assert (leds["pattern"]["trigger"], leds["pattern"]["pattern"]) == ("pattern", "255 150 255 0 0 150 0 0")


def test_lamp_that_cannot_blink_is_not_passed_off_as_one(leds: LedClass) -> None:
    """It is lit, and an admin is told."""
    leds.add("dumb", "[none] default-on")
    with pytest.raises(LampError, match="cannot blink by itself") as caught:
        Leds(leds.folder).check(Wiring("dumb"))
    assert "modprobe" in caught.value.hint
    with pytest.raises(LampError, match="cannot blink by itself"):
        Leds(leds.folder).show(Wiring("dumb"), Lamp.HELP)
    assert leds["dumb"]["brightness"] == "255"


def test_lamp_that_is_not_there_is_named(leds: LedClass) -> None:
    """Nothing is made in its place."""
    with pytest.raises(LampError, match="there is no lamp gone"):
        Leds(leds.folder).show(Wiring("gone"), Lamp.TAKE)
    with pytest.raises(LampError, match="there is no lamp gone"):
        Leds(leds.folder).check(Wiring(by_lamp={Lamp.TAKE: "gone"}))
    assert not list(leds.folder.iterdir())


def test_lamp_that_breaks_is_named(leds: LedClass) -> None:
    """With the kernel's words."""
    leds.add("odd")
    (leds.folder / "odd" / "max_brightness").write_text("many")
    with pytest.raises(LampError, match="the lamp odd cannot be set: invalid literal"):
        Leds(leds.folder).show(Wiring("odd"), Lamp.TAKE)
    (leds.folder / "odd" / "max_brightness").write_text("255")
    (leds.folder / "odd" / "brightness").unlink()
    with pytest.raises(LampError, match=r"the lamp odd cannot be set: .*No such file"):
        Leds(leds.folder).show(Wiring("odd"), Lamp.TAKE)
    assert not (leds.folder / "odd" / "brightness").exists()
