"""What every part of the bench is told by the one who runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Occasion:
    """One run of the bench.

    Attributes:
        work: an empty folder for this part, on the disk that is measured.
        rounds: how often every contender runs, in turn.
        quick: sizes are small: it shows that all can be measured, not how fast anything is.
        caches: in words, whether the page cache is emptied before each run.
        say: shows what is going on.
    """

    work: Path
    rounds: int
    quick: bool
    caches: str
    say: Callable[[str], None]
