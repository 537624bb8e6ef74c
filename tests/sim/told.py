"""Whoever is told of alerts: a program behind a webhook, and a mail server, each with a knob for refusing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from dockd.alerts.channel import News
from dockd.errors import AlertError


@dataclass(slots=True)
class Hook:
    """A webhook that keeps what it was posted, and answers `status`."""

    status: int = 204
    url: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Keep and answer."""
        self.tokens.append(request.headers.get("Authorization", ""))
        self.posted.append(json.loads(await request.read()))
        return web.Response(status=self.status, headers={"Location": self.url} if self.status == 302 else {})


@asynccontextmanager
async def hook_here() -> AsyncIterator[Hook]:
    """A running webhook."""
    hook = Hook()
    application = web.Application()
    application.router.add_post("/hook", hook.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield hook
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class MailHost:
    """A mail server that takes what it is given, unless it is full; enough of SMTP (RFC 5321) for one client."""

    port: int = 0
    full: bool = False
    mails: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""

        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 mail")
        while line := (await reader.readline()).decode().strip():
            match line.split()[0].upper():
                case "EHLO":
                    say("250-mail")
                    say("250 AUTH PLAIN")
                case "AUTH":
                    self.logins.append(line)
                    say("235 yes")
                case "DATA" if self.full:
                    say("452 no room")
                case "DATA":
                    say("354 go on")
                    self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                    say("250 taken")
                case "QUIT":
                    say("221 bye")
                    break
                case _:
                    say("250 yes")
        writer.close()


@asynccontextmanager
async def mail_host_here() -> AsyncIterator[MailHost]:
    """A running mail server, without any encryption."""
    host = MailHost()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host


@dataclass(slots=True)
class Listener:
    """A channel in memory, which is deaf when told so. Implements `alerts.channel.Channel`."""

    name: str = "listener"
    deaf: bool = False
    heard: list[News] = field(default_factory=list)

    async def tell(self, news: News) -> None:
        """Hear it, or do not."""
        if self.deaf:
            msg = "nobody listens"
            raise AlertError(msg)
        self.heard.append(news)
