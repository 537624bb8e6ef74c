"""Collects everything that is wrong with a file, so that an admin mends it in one go."""

from dataclasses import dataclass

from dockd.config.source import Place
from dockd.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what was expected."""

    file: str
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.place.line}:{self.place.column}: {self.message}"


class Problems:
    """What was found wrong with one file so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[Problem] = []

    def add(self, place: Place, message: str) -> None:
        """Note one."""
        self._found.append(Problem(self.file, place, message))

    def __bool__(self) -> bool:
        return bool(self._found)

    def error(self) -> ConfigError:
        """All of them in reading order, one to a line; the first gives the error its place."""
        found = sorted(self._found, key=lambda problem: (problem.place.line, problem.place.column))
        first = found[0]
        message = "\n".join([first.message, *map(str, found[1:])])
        return ConfigError(message, file=self.file, line=first.place.line, column=first.place.column)
