"""How many uploads at once serve a link best, found out by trying (additive increase, multiplicative decrease).

As many as the site file allows are the most. Each failure of the link or the archive halves what is allowed; each time that as
many as are allowed went well in a row, there is one more. So a good uplink and a bad one need no tuning.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Concurrency:
    """What is allowed now.

    Attributes:
        most: never more than that.
        rounds: how many times over as many as are allowed must go well before there is one more.
        allowed: at once, now.
    """

    most: int
    rounds: int = 1
    allowed: int = field(init=False)
    _well: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.most < 1:
            msg = f"{self.most} uploads at once would never send anything"
            raise ValueError(msg)
        self.allowed = self.most

    def went_well(self) -> None:
        """One upload came to its end."""
        self._well += 1
        if self._well >= self.allowed * self.rounds and self.allowed < self.most:
            self.allowed += 1
            self._well = 0

    def failed(self) -> None:
        """One upload broke, or could not be begun."""
        self._well = 0
        self.allowed = max(1, self.allowed // 2)
