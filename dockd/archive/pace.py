"""How much one PATCH carries, from how fast the archive was seen to take bytes.

A server that checks a PATCH's checksum keeps all of its body or nothing, so a break costs what was sent since the PATCH began: a
body should take seconds, not hours, on any link. Where bodies break, the next is half as large: on a link that never holds for
as long as a body takes, nothing would ever arrive. A server that checks nothing keeps what arrived, so nothing is gained by
small bodies.

A recording that goes in one PATCH from its first byte needs no second hash: its checksum is the verified digest itself. One that
goes in several has each piece hashed ahead, in a thread, while the piece before it is on its way.
"""

from dataclasses import dataclass

AT_RISK_S = 10.0
"""How much sending a break may cost."""

VERIFIED = ("blake3", "sha256")
"""The digests of a whole recording that are known before it is sent."""

_NO_LIMIT_BYTES = 1 << 62

LEAST_BYTES = 64 * 1024
"""Smaller bodies would be mostly round trips; at 64 kbit/s this is eight seconds."""


@dataclass(slots=True)
class Pace:
    """What is known about the way to one archive; all its uploads share and correct it.

    Attributes:
        algorithm: of tus's checksums that the archive was seen to check; None where it checks none.
        bytes_s: how fast it last took a body.
        piece_limit_bytes, whole_limit_bytes: as in the settings.
        most_bytes: of one body, since one broke.
    """

    algorithm: str | None
    bytes_s: float
    piece_limit_bytes: int
    whole_limit_bytes: int
    most_bytes: int = _NO_LIMIT_BYTES

    def next_patch_bytes(self, offset_bytes: int, size_bytes: int) -> int:
        """How much the PATCH at `offset_bytes` should carry."""
        rest_bytes = size_bytes - offset_bytes
        if self.algorithm is None:
            return min(rest_bytes, max(self.piece_limit_bytes, self.whole_limit_bytes))
        affordable_bytes = max(min(int(self.bytes_s * AT_RISK_S), self.most_bytes), LEAST_BYTES)
        if offset_bytes == 0 and self.algorithm in VERIFIED and size_bytes <= min(affordable_bytes, self.whole_limit_bytes):
            return size_bytes
        return min(rest_bytes, affordable_bytes, self.piece_limit_bytes)

    def learn(self, count_bytes: int, seconds: float) -> None:
        """A body took that long; a clock that stood still makes the rate large, not an error."""
        self.bytes_s = count_bytes / max(seconds, 1e-3)
        self.most_bytes = min(self.most_bytes * 2, _NO_LIMIT_BYTES)

    def broke(self, body_bytes: int, handed_bytes: int, seconds: float) -> None:
        """A body of `body_bytes` broke when so many of them were handed over, which took that long."""
        self.bytes_s = handed_bytes / max(seconds, 1e-3)
        if handed_bytes:
            self.most_bytes = max(min(body_bytes // 2, handed_bytes), LEAST_BYTES)
