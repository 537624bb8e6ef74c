"""Waiting for several things at once, and finishing one thing whoever stops waiting for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def first_of(*waits: Coroutine[Any, Any, object]) -> set[asyncio.Task[object]]:
    """Wait for the first of these, and return which were done; the others are cancelled and have ended."""
    tasks = [asyncio.create_task(each) for each in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return done


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Have this done to its end: who is cancelled meanwhile, as by a camera that is pulled, is so only when it was done.

    For what is written down and then acted upon: were it left between the two, the journal would know of something that nobody
    attends to. It is to be short; what may take long is begun anew instead.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is not None:
        raise cancelled
    task.result()
