"""A folder that has the shape of the kernel's LED class."""

from pathlib import Path

ALL = "none mmc0 [default-on] timer heartbeat pattern"


class LedClass:
    """LEDs in a folder; what is written to their files stays there to be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, triggers: str = ALL, *, most: int = 255, colours: str = "") -> None:
        """One LED; the files of its triggers are there already."""
        led = self.folder / name
        led.mkdir(parents=True)
        for file, content in {"max_brightness": str(most), "brightness": "7"}.items():
            (led / file).write_text(content)
        for file in ("delay_on", "delay_off", "pattern", "repeat"):
            (led / file).write_text("")
        if colours:
            (led / "multi_index").write_text(colours + "\n")
            (led / "multi_intensity").write_text("0 0 0")
        self.offer(name, triggers)

    def offer(self, name: str, triggers: str = ALL) -> None:
        """What its trigger file lists; the kernel's does again after each write."""
        (self.folder / name / "trigger").write_text(triggers)

    def __getitem__(self, name: str) -> dict[str, str]:
        """What its files say."""
        return {file.name: file.read_text() for file in (self.folder / name).iterdir()}
