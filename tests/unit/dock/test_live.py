"""The wish to have the site file read again."""

import asyncio

from dockd.dock.live import Live, Orders


async def test_who_asks_while_it_is_being_read_is_answered_after_the_next_reading() -> None:
    """What he has just written may not be in what is being read: he is not told that it is in force."""
    live = Live(Orders())
    first = asyncio.create_task(live.reread())
    await live.wanted()
    second = asyncio.create_task(live.reread())
    await asyncio.sleep(0)
    live.has_reread()
    await first
    await asyncio.sleep(0)
    assert not second.done()
    await live.wanted()
    live.has_reread()
    await second
