"""The lamps as people see them who tell colours apart otherwise: Chromium's own simulation of each kind, on real pixels."""

import base64
import os
import shutil
from collections.abc import Iterable
from itertools import combinations
from math import dist
from pathlib import Path

import pytest

from tests.kiosk.conftest import SCREENS, Kiosk, MakeDock, OpenKiosk
from tests.sim.cameras import make_camera
from tests.sim.dock_process import Site

LAMPS = ("take", "help", "leave")
SEEING = ("none", "protanopia", "deuteranopia", "tritanopia", "achromatopsia")
_LEAST_APART = 12.0
"""CIE 1976 distance; 2.3 is just noticed by those who look for it, side by side."""
_LEAST_CONTRAST = 3.0  # WCAG 2.2, 1.4.11, and 1.4.3 for large letters

# The share of each colour in a picture, most of it first, and the picture's luminance as bits: darker than the middle or not.
_READ = """async (data) => {
  const image = new Image();
  image.src = `data:image/png;base64,${data}`;
  await image.decode();
  const canvas = new OffscreenCanvas(48, 48), pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0, 48, 48);
  const whole = new OffscreenCanvas(image.width, image.height), all = whole.getContext("2d");
  all.drawImage(image, 0, 0);
  const count = new Map(), pixels = all.getImageData(0, 0, image.width, image.height).data;
  for (let at = 0; at < pixels.length; at += 4) {
    const name = `${pixels[at]},${pixels[at + 1]},${pixels[at + 2]}`;
    count.set(name, (count.get(name) ?? 0) + 1);
  }
  const small = pen.getImageData(0, 0, 48, 48).data, light = [];
  for (let at = 0; at < small.length; at += 4) light.push(0.2126 * small[at] + 0.7152 * small[at + 1] + 0.0722 * small[at + 2]);
  const middle = (Math.max(...light) + Math.min(...light)) / 2;
  const sorted = [...count].sort((a, b) => b[1] - a[1]).map(([name]) => name.split(",").map(Number));
  return [sorted, light.map((each) => each < middle)];
}"""
Colour = tuple[float, float, float]


def linear(colour: Iterable[float]) -> Colour:
    """Without the gamma of sRGB, from 0 to 1."""
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (each / 255 for each in colour))
    return red, green, blue


def lab(colour: Colour) -> Colour:
    """In CIELAB (D65), where distance is how different colours look."""
    r, g, b = linear(colour)
    scaled = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in scaled)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def contrast(one: Colour, other: Colour) -> float:
    """Of WCAG: 1 is none, 21 that of black and white."""
    light = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(other)))
    return (light[1] + 0.05) / (light[0] + 0.05)


def pictured(kiosk: Kiosk, reader: Kiosk, bay: int, part: str) -> tuple[list[Colour], list[bool]]:
    """What is really seen of a tile's part: its colours, most of it first, and where it is dark."""
    shot = kiosk.page.locator(f'.tile[data-bay="{bay}"] {part}').screenshot()
    colours, dark = reader.page.evaluate(_READ, base64.b64encode(shot).decode())
    return [tuple(each) for each in colours], dark


@pytest.mark.parametrize("light", ["day", "night"])
def test_whoever_sees_colours_otherwise_tells_the_lamps_apart(
    tmp_path: Path, make_dock: MakeDock, open_kiosk: OpenKiosk, light: str
) -> None:
    """Red-blind, green-blind and blue-blind by colour; those who see none by shape; everybody by the word, which stands out."""
    dock = make_dock(Site(bays=3, keep_free=f"{shutil.disk_usage(tmp_path).total // 10} B"))
    kiosk, reader = open_kiosk(dock, width=900, height=480), open_kiosk(dock, bypass_csp=True)
    for bay, lamp in enumerate(LAMPS, 1):
        camera = tmp_path / f"camera-{bay}"
        make_camera(camera, f"X1-{bay:05d}", recordings=1, size_bytes=1000, officer="badge 4711")
        if lamp == "help":
            (camera / "DCIM/100MEDIA/LINK.MP4").symlink_to("/etc/passwd")
        if lamp == "leave":
            os.truncate(camera / "DCIM/100MEDIA/CLIP0001.MP4", shutil.disk_usage(tmp_path).total * 95 // 100)
        camera.rename(dock.bay(bay))
        kiosk.wait_lamp(bay, lamp)
    kiosk.light(light)
    eyes = kiosk.page.context.new_cdp_session(kiosk.page)
    shapes: list[list[bool]] = []
    wrong: list[str] = []
    for seeing in SEEING:
        eyes.send("Emulation.setEmulatedVisionDeficiency", {"type": seeing})
        kiosk.shoot(f"colours-{seeing}-{light}")
        assert (SCREENS / f"colours-{seeing}-{light}.png").stat().st_size > 0
        colours: dict[str, Colour] = {}
        for bay, lamp in enumerate(LAMPS, 1):
            ground, ink, *_ = pictured(kiosk, reader, bay, ".lamp")[0]
            # By day the lamp is a field with a dark shape on it, by night a glowing shape on a dark field.
            colours[lamp] = ground if light == "day" else ink
            if contrast(ground, ink) < _LEAST_CONTRAST:
                wrong.append(f"{seeing}: {lamp} has {contrast(ground, ink):.1f}")
            if seeing == "achromatopsia":
                shapes.append(pictured(kiosk, reader, bay, ".shapes")[1])
        for one, other in combinations(LAMPS, 2):
            apart = dist(lab(colours[one]), lab(colours[other]))
            print(f"{light} {seeing}: {one} and {other} are {apart:.1f} apart")  # noqa: T201 - the figures are what is of interest
            if seeing != "achromatopsia" and apart < _LEAST_APART:
                wrong.append(f"{seeing}: {one} and {other} are {apart:.1f} apart")
    assert wrong == []
    for one_shape, other_shape in combinations(shapes, 2):
        differing = sum(a != b for a, b in zip(one_shape, other_shape, strict=True)) / len(one_shape)
        assert differing > 0.1, "the shapes alone say which is which"
    words = [kiosk.page.locator(f'.tile[data-bay="{bay}"] .word').inner_text() for bay in (1, 2, 3)]
    assert words == ["Take it", "Get help", "Leave it"]
