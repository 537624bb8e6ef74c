"""A request that is not fulfilled, and the one sentence that says what its sender can do."""

from collections.abc import Mapping


class RefusedError(Exception):
    """Answered with `status` and the message as text/plain.

    Attributes:
        status: HTTP status; 460 is tus' checksum mismatch.
        headers: what goes with it, for example Retry-After.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


class TakenOverError(Exception):
    """A newer request for the same upload, or the end of this process, ended this one; the bytes that came are kept.

    Attributes:
        answer: what the ended request is answered, if anyone still listens.
    """

    def __init__(self, answer: RefusedError) -> None:
        super().__init__(answer.message)
        self.answer = answer


class BrokenBodyError(Exception):
    """The connection broke, or its framing did, before the body's end."""
