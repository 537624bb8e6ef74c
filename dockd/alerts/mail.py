"""Tells people, by e-mail."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from dockd.alerts.channel import News, secret
from dockd.errors import AlertError

_ANSWER_S = 15.0
_WORDS = {"begun": "Alert", "ended": "Over"}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and as whom.

    Attributes:
        security: `starttls`, `tls` or `none`.
        tls: None for the system's authorities.
    """

    host: str
    port: int
    security: str
    user: str | None = None
    password_file: Path | None = None
    tls: ssl.SSLContext | None = None


class Mail:
    """Implements `channel.Channel`."""

    name = "email"

    def __init__(self, server: MailServer, sender: str, to: tuple[str, ...]) -> None:
        self._server, self._sender, self._to = server, sender, to

    async def tell(self, news: News) -> None:
        """As the protocol says."""
        try:
            await asyncio.to_thread(self._send, _written(news, self._sender, self._to))
        except (smtplib.SMTPException, OSError, ValueError) as exc:
            msg = f"the mail server {self._server.host} did not take it: {exc}"
            raise AlertError(msg) from exc

    def _send(self, message: EmailMessage) -> None:
        server = self._server
        context = server.tls or ssl.create_default_context()
        password = secret(server.password_file)
        with (
            smtplib.SMTP_SSL(server.host, server.port, timeout=_ANSWER_S, context=context)
            if server.security == "tls"
            else smtplib.SMTP(server.host, server.port, timeout=_ANSWER_S) as line
        ):
            if server.security == "starttls":
                line.starttls(context=context)
            if server.user is not None and password is not None:
                line.login(server.user, password)
            line.send_message(message)


def _written(news: News, sender: str, to: tuple[str, ...]) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"{_WORDS[news.phase]}: {news.dock}: {news.kind} {news.subject}"
    message["From"], message["To"] = sender, ", ".join(to)
    message["Message-ID"] = f"<{news.number}.{news.phase}.{news.dock}@dockd.invalid>"  # sent twice, it is shown once
    if news.phase == "ended":
        message["In-Reply-To"] = f"<{news.number}.begun.{news.dock}@dockd.invalid>"
    since = f"since {news.begun}" + (f", over since {news.ended}" if news.ended else "")
    message.set_content(f"{news.message[:1].upper()}{news.message[1:]}.\n\nDock {news.dock}, {news.place}; {since}.\n")
    return message
