"""Webhook and mail, spoken to for real."""

import ssl
from email import message_from_string
from pathlib import Path

import pytest

from dockd.alerts.channel import News
from dockd.alerts.mail import Mail, MailServer
from dockd.alerts.webhook import Webhook
from dockd.errors import AlertError
from tests.sim.told import hook_here, mail_host_here

BEGUN = News(
    dock="balt-ero-01",
    place="ICE ERO, Baltimore",
    number=7,
    phase="begun",
    kind="undocked",
    subject="X1",
    message="camera X1 was not docked",
    begun="2026-11-28T02:00:00.000Z",
    ended=None,
)
ENDED = News(
    "balt-ero-01", "ICE ERO, Baltimore", 7, "ended", "undocked", "X1", BEGUN.message, BEGUN.begun, "2026-11-28T03:00:00.000Z"
)
NOWHERE = 9


async def test_a_webhook_is_posted_the_news_as_json(tmp_path: Path) -> None:
    """With its token, which stands in a file."""
    (tmp_path / "token").write_text("secret\n")
    async with hook_here() as hook:
        await Webhook(hook.url, tmp_path / "token").tell(BEGUN)
        await Webhook(hook.url, None).tell(ENDED)
    assert hook.tokens == ["Bearer secret", ""]
    assert hook.posted[0] == {
        "v": 1,
        "dock": "balt-ero-01",
        "place": "ICE ERO, Baltimore",
        "number": 7,
        "phase": "begun",
        "kind": "undocked",
        "subject": "X1",
        "message": "camera X1 was not docked",
        "begun": "2026-11-28T02:00:00.000Z",
        "ended": None,
    }
    assert hook.posted[1]["ended"] == "2026-11-28T03:00:00.000Z"


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_webhook_that_answers_anything_else_has_not_taken_it(status: int) -> None:
    """Nor is it followed elsewhere, with its token."""
    async with hook_here() as hook:
        hook.status = status
        with pytest.raises(AlertError, match=f"the webhook answered {status}"):
            await Webhook(hook.url, None).tell(BEGUN)
        assert len(hook.posted) == 1


async def test_a_webhook_that_is_not_there_has_not_taken_it(tmp_path: Path) -> None:
    """And without its token nothing is posted."""
    with pytest.raises(AlertError, match="the webhook does not answer"):
        await Webhook(f"http://127.0.0.1:{NOWHERE}/", None).tell(BEGUN)
    with pytest.raises(AlertError, match="token cannot be read"):
        await Webhook(f"http://127.0.0.1:{NOWHERE}/", tmp_path / "token").tell(BEGUN)


async def test_people_are_told_by_mail(tmp_path: Path) -> None:
    """The end answers the beginning, so that both are shown together; the same news twice is one mail."""
    (tmp_path / "password").write_text("secret\n")
    async with mail_host_here() as host:
        server = MailServer("127.0.0.1", host.port, "none", "dock", tmp_path / "password")
        mail = Mail(server, "dock@example.org", ("ops@example.org", "chief@example.org"))
        await mail.tell(BEGUN)
        await mail.tell(ENDED)
    first, second = (message_from_string(each) for each in host.mails)
    assert first["Subject"] == "Alert: balt-ero-01: undocked X1"
    assert first["To"] == "ops@example.org, chief@example.org"
    assert "Camera X1 was not docked." in str(first.get_payload())
    assert second["Subject"] == "Over: balt-ero-01: undocked X1"
    assert second["In-Reply-To"] == first["Message-ID"] == "<7.begun.balt-ero-01@dockd.invalid>"
    assert len(host.logins) == 2


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_mail_goes_nowhere_in_the_clear_unasked(security: str) -> None:
    """A server that cannot do what the site file says is told nothing."""
    async with mail_host_here() as host:
        server = MailServer("127.0.0.1", host.port, security, tls=ssl.create_default_context())
        with pytest.raises(AlertError, match=r"the mail server 127\.0\.0\.1 did not take it"):
            await Mail(server, "dock@example.org", ("ops@example.org",)).tell(BEGUN)
        assert host.mails == []


async def test_a_mail_server_that_is_full_or_away_has_not_taken_it() -> None:
    """It is tried again later."""
    async with mail_host_here() as host:
        host.full = True
        with pytest.raises(AlertError, match="no room"):
            await Mail(MailServer("127.0.0.1", host.port, "none"), "d@x.org", ("o@x.org",)).tell(BEGUN)
    with pytest.raises(AlertError, match="did not take it"):
        await Mail(MailServer("127.0.0.1", NOWHERE, "none"), "d@x.org", ("o@x.org",)).tell(BEGUN)
