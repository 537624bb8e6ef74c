"""What a site file says of the office: what its policy names, its cameras and whose they are, and who is told of trouble."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from dockd.config import rules
from dockd.core.bandwidth import DAYS


class Category(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of encounter that the agency's policy names."""

    name: Annotated[
        str, Meta(description="In records and in the archive: a-z, 0-9 and -.", examples=["at-large-arrest"]), rules.CATEGORY
    ]
    retain_days: Annotated[
        int,
        Meta(
            description="Days that the archive is asked to keep such recordings. One that nobody named is kept as long as the "
            "longest of all.",
            ge=1,
            le=36500,
            examples=[1095],
        ),
    ]
    words: Annotated[
        tuple[Annotated[str, rules.NAME], ...],
        Meta(description="What cameras call it besides; case, spaces and hyphens make no difference.", examples=[["ARREST"]]),
    ] = ()
    urgent: Annotated[bool, Meta(description="Such recordings are copied and sent before routine ones.", examples=[True])] = False


class Camera(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera of the office, and whose it is."""

    serial: Annotated[str, Meta(description="As the camera names itself.", examples=["X60A01234"]), rules.SERIAL]
    officer: (
        Annotated[str, Meta(description="To whom it is assigned, as the cameras name people.", examples=["A. Smith"]), rules.NAME]
        | None
    ) = None
    shift_ends: (
        Annotated[
            str,
            Meta(description="When that person's shift ends, in the office's time zone.", examples=["18:00"]),
            rules.TIME_OF_DAY,
        ]
        | None
    ) = None
    shift_starts: (
        Annotated[
            str,
            Meta(
                description="When it begins, in the same time zone: who goes soonest is charged first.",
                examples=["06:00"],
            ),
            rules.TIME_OF_DAY,
        ]
        | None
    ) = None


class Bandwidth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours in which the dock leaves room on the link for others."""

    days: Annotated[
        tuple[Annotated[str, rules.WEEKDAY], ...],
        Meta(description="Days of the week on which they begin.", min_length=1, examples=[["mon", "tue", "wed", "thu", "fri"]]),
    ] = DAYS
    begins: Annotated[str, Meta(description="From when, by the office's clock.", examples=["08:00"]), rules.TIME_OF_DAY] = field(
        name="from", default="00:00"
    )
    ends: Annotated[
        str,
        Meta(description="Until when; a time that is not later goes on into the next day.", examples=["18:00"]),
        rules.TIME_OF_DAY,
    ] = field(name="to", default="00:00")
    limit_bytes_s: Annotated[
        int, Meta(description="What all uploads together may send in a second.", examples=["2 MB/s"]), rules.RATE
    ] = field(name="limit")


class Webhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program that is told of alerts, as JSON."""

    url: Annotated[
        str,
        Meta(
            description="Each alert is posted here; http only to this machine itself.", examples=["https://ops.example.org/dockd"]
        ),
        rules.WEBHOOK_URL,
    ]
    token_file: (
        Annotated[
            Path,
            Meta(description="File of mode 0600 that holds the bearer token.", examples=["/etc/dockd/webhook-token"]),
            rules.SECRET_FILE,
        ]
        | None
    ) = None


class Email(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People who are told of alerts, through a mail server."""

    server: Annotated[str, Meta(description="The mail server's name.", examples=["mail.example.org"]), rules.HOST]
    port: Annotated[int, Meta(description="The mail server's port.", ge=1, le=65535, examples=[587])] = 587
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(description="How the way to it is protected; none only to this machine itself."),
    ] = "starttls"
    sender: Annotated[str, Meta(description="From whom.", examples=["dock@example.org"]), rules.ADDRESS]
    to: Annotated[
        tuple[Annotated[str, rules.ADDRESS], ...], Meta(description="To whom.", min_length=1, examples=[["ops@example.org"]])
    ]
    user: Annotated[str, Meta(description="The account on the mail server.", examples=["dock"]), rules.NAME] | None = None
    password_file: (
        Annotated[
            Path,
            Meta(description="File of mode 0600 that holds that account's password.", examples=["/etc/dockd/mail-password"]),
            rules.SECRET_FILE,
        ]
        | None
    ) = None


class Alerts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person is told the same day, once, and again when it is over. The system's journal always is."""

    undocked_hours: (
        Annotated[
            int,
            Meta(
                description="Hours after its shift's end when a camera that was not docked since is missed; needs shift_ends.",
                ge=1,
                le=72,
                examples=[4],
            ),
        ]
        | None
    ) = None
    webhook: Annotated[Webhook, Meta(description="A program that is told.")] | None = None
    email: Annotated[Email, Meta(description="People who are told.")] | None = None
