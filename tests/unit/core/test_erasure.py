"""How a camera may be emptied, and that no more is claimed than was done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core.erasure import Erasure, Method, Overwritten, ReadBack, weaker


def overwritten(
    *, disk: int = 100, passes: int = 1, written: int = 100, read_back: ReadBack = ReadBack.SAMPLE, read: int = 10
) -> Overwritten:
    """A clear as it should be, but for what is said."""
    return Overwritten(disk, passes, written, read_back, read)


@given(st.lists(st.sampled_from(Method), min_size=1))
def test_whoever_keeps_more_decides(methods: list[Method]) -> None:
    """Never beats delete, and delete beats clear, in whatever order they are named."""
    strength = [Method.NEVER, Method.DELETE, Method.CLEAR]
    assert strength.index(weaker(*methods)) == min(strength.index(each) for each in methods)


@pytest.mark.parametrize(
    "done",
    [
        overwritten(),
        overwritten(passes=2, written=200),
        overwritten(written=101),
        overwritten(read=1),
        overwritten(read_back=ReadBack.WHOLE, read=100),
    ],
)
def test_what_was_overwritten_whole_and_read_back_is_cleared(done: Overwritten) -> None:
    """Every block in every pass, and as much of it seen again as was asked for."""
    assert Erasure(Method.CLEAR, 3, overwritten=done).overwritten is done


@pytest.mark.parametrize(
    "done",
    [
        None,
        overwritten(written=99),
        overwritten(passes=2, written=199),
        overwritten(passes=0),
        overwritten(disk=0, written=0),
        overwritten(read=0),
        overwritten(read_back=ReadBack.WHOLE, read=99),
    ],
)
def test_less_than_that_is_never_called_clear(done: Overwritten | None) -> None:
    """A block too few, a pass too few, nothing read back: the claim cannot be made."""
    with pytest.raises(ValueError, match="not what was done"):
        Erasure(Method.CLEAR, 3, overwritten=done)


def test_a_delete_is_a_delete() -> None:
    """Whatever was trimmed; and nothing is claimed for no erasing at all."""
    assert Erasure(Method.DELETE, 1, trimmed_bytes=5).method is Method.DELETE
    with pytest.raises(ValueError, match="not what was done"):
        Erasure(Method.DELETE, 1, overwritten=overwritten())
    with pytest.raises(ValueError, match="not what was done"):
        Erasure(Method.NEVER, 0)
