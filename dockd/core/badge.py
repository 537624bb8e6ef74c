"""What a badge reader types: it is a keyboard that types a badge's number and presses Enter.

Source: Linux, include/uapi/linux/input-event-codes.h, and Documentation/input/event-codes.rst.
"""

_EV_KEY = 1
_PRESSED = 1
_ENTER = frozenset({28, 96})
_KEYS = (
    dict(zip(range(2, 12), "1234567890", strict=True))
    | dict(zip((*range(16, 26), *range(30, 39), *range(44, 51)), "QWERTYUIOPASDFGHJKLZXCVBNM", strict=True))
    | dict(zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789", strict=True))
    | {12: "-", 74: "-"}
)
_LONGEST = 64


class Badges:
    """Puts together what is typed."""

    def __init__(self) -> None:
        self._typed = ""

    def feed(self, kind: int, code: int, value: int) -> str | None:
        """One event of the kernel; the badge's number when it is complete. Longer than any badge, it is nonsense and dropped."""
        if kind != _EV_KEY or value != _PRESSED:
            return None
        if code in _ENTER:
            typed, self._typed = self._typed, ""
            return typed if 0 < len(typed) <= _LONGEST else None
        self._typed = (self._typed + _KEYS.get(code, ""))[: _LONGEST + 1]
        return None
