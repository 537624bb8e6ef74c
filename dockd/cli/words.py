"""Sizes, times and foreign text as words for a terminal."""


def plain(text: str) -> str:
    """What a camera or the archive says must not move the cursor."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def size(size_bytes: int) -> str:
    """Decimal units, as disks and links are sold."""
    value, unit = float(size_bytes), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":  # noqa: PLR2004 - a thousand
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def left(seconds: int | None) -> str:
    """How long something still takes, in a sentence; empty where nobody knows."""
    return "" if seconds is None else f"About {_duration(seconds)} left."


def done_in(seconds: int | None) -> str:
    """When everything is done that somebody waits for, in a sentence; empty where nobody knows."""
    return "" if seconds is None else f"Done in about {_duration(seconds)}."


def _duration(seconds: int) -> str:
    minutes, rest_s = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"
