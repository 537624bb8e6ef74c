"""Tells a program, by posting JSON to it."""

import asyncio
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

import aiohttp

from dockd.alerts.channel import News, secret
from dockd.errors import AlertError

_ANSWER_S = 15.0


class Webhook:
    """Implements `channel.Channel`.

    The body is one JSON object with the members of `News`, and `v`, which is 1. Any 2xx answer means that it was taken.
    """

    name = "webhook"

    def __init__(self, url: str, token_file: Path | None) -> None:
        self._url, self._token_file = url, token_file

    async def tell(self, news: News) -> None:
        """As the protocol says."""
        token = await asyncio.to_thread(secret, self._token_file)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_ANSWER_S)) as session,
                session.post(self._url, json={"v": 1, **asdict(news)}, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            msg = f"the webhook does not answer: {str(exc) or type(exc).__name__}"
            raise AlertError(msg) from exc
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            msg = f"the webhook answered {status}"
            raise AlertError(msg)
