"""What a site file says of what the dock serves on its own machine: the page of its screen, and figures for programs."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from dockd.config import rules


class Kiosk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page that officers read on the dock's own screen; nobody but this machine itself can open it."""

    port: Annotated[
        int,
        Meta(
            description="The page is served at http://127.0.0.1:PORT/, to this machine only.", ge=1024, le=65535, examples=[8480]
        ),
    ]
    language: Annotated[Literal["en", "es"], Meta(description="English or Spanish.")] = "en"
    layout: (
        Annotated[
            tuple[Annotated[tuple[Annotated[str, rules.PLACE], ...], Meta(min_length=1)], ...],
            Meta(
                description="The bays as they lie on the dock: a list for each row, with every bay's id once, and - where there "
                "is none. Without it the page arranges them as its screen has room.",
                min_length=1,
                examples=[[["1", "2", "3", "4"], ["5", "6", "-", "-"]]],
            ),
        ]
        | None
    ) = None


class Metrics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Metrics and health for the machine's own monitoring; nobody but this machine itself can read them."""

    port: Annotated[
        int,
        Meta(
            description="Served at http://127.0.0.1:PORT/metrics, /healthz and /readyz, to this machine only.",
            ge=1024,
            le=65535,
            examples=[9481],
        ),
    ]
