"""What a site file says of when a camera is ready to go, and of how its battery is charged until then."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field

from dockd.config import rules
from dockd.core.battery import Appetite, Curve
from dockd.core.readiness import Needs


class Ready(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the light says: take it."""

    needs: Annotated[
        Needs,
        Meta(
            description="How far everything on a camera must have come: verified (the spool holds it), archived (the archive "
            "proved that it holds it) or erased (and it is gone from the camera)."
        ),
    ] = Needs.ARCHIVED
    min_battery: (
        Annotated[
            int,
            Meta(
                description="Charge in per cent that a camera must have. One whose charge nobody can tell is not kept for it.",
                ge=1,
                le=100,
                examples=[80],
            ),
        ]
        | None
    ) = None
    min_free_bytes: (
        Annotated[
            int,
            Meta(
                description="Room that a camera must have for its next recordings; one of several volumes, where its "
                "profile says onto which it records (`volumes[].fills`).",
                examples=["16 GB"],
            ),
            rules.SIZE,
        ]
        | None
    ) = field(name="min_free", default=None)
    assigned: Annotated[
        bool,
        Meta(description="It must be somebody's: named by the camera or the roster, or checked out.", examples=[True]),
    ] = False


class Hub(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One hub, and what it can give to all of its ports together."""

    name: Annotated[str, Meta(description="What the self-test and the log call it.", examples=["left"]), rules.NAME]
    bays: Annotated[
        tuple[Annotated[str, rules.BAY_ID], ...],
        Meta(description="The bays at its ports.", min_length=1, examples=[["1", "2"]]),
    ]
    budget_ma: Annotated[
        int,
        Meta(description="What its power supply gives to these ports together.", examples=["3600 mA"]),
        rules.CURRENT,
    ] = field(name="budget")


class Charging(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hubs that cannot charge every camera at once. Bays that stand under none always have power."""

    hubs: Annotated[tuple[Hub, ...], Meta(description="Hubs whose power is shared out by plan.", min_length=1)]
    slice_minutes: Annotated[
        int, Meta(description="A camera that was given power keeps it for so long.", ge=1, le=240, examples=[15])
    ] = 15
    rest_minutes: Annotated[
        int, Meta(description="One whose power was cut gets it back no sooner.", ge=1, le=240, examples=[5])
    ] = 5
    patience_minutes: Annotated[
        int, Meta(description="One that has waited for so long goes first, whoever else is there.", ge=1, le=1440, examples=[120])
    ] = 120
    enough: Annotated[
        int, Meta(description="Charge in per cent above which the others go first.", ge=1, le=100, examples=[90])
    ] = 90
    hottest: Annotated[
        int, Meta(description="Degrees Celsius of a battery above which it is not charged.", ge=20, le=80, examples=[45])
    ] = 45


class Badge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose a badge is."""

    badge: Annotated[str, Meta(description="The number that the reader types.", examples=["0004711"]), rules.BADGE]
    officer: Annotated[str, Meta(description="As the cameras name people.", examples=["A. Smith"]), rules.NAME]


class CheckingOut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cameras of the pool, which somebody takes for a shift."""

    hours: Annotated[int, Meta(description="How long, if nobody says.", ge=1, le=168, examples=[12])] = 12
    reader: (
        Annotated[
            Path,
            Meta(
                description="The badge reader's evdev device: each badge gets the readiest camera.",
                examples=["/dev/input/by-id/usb-ACME_Reader-event-kbd"],
            ),
            rules.ABSOLUTE_PATH,
        ]
        | None
    ) = None
    badges: Annotated[
        tuple[Badge, ...], Meta(description="Whose each badge is. One that is not listed stands for itself, as: badge 0004711.")
    ] = ()

    def officers(self) -> dict[str, str]:
        """By badge."""
        return {each.badge: each.officer for each in self.badges}


class Drawing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A charge and when it is reached."""

    percent: Annotated[int, Meta(description="Charge in per cent.", ge=0, le=100, examples=[80])]
    minutes: Annotated[int, Meta(description="Minutes from empty, at the full draw.", ge=0, le=2880, examples=[96])]


class Charge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a kind of camera draws, and how its battery fills."""

    draw_ma: Annotated[int, Meta(description="What it draws while it charges.", examples=["900 mA"]), rules.CURRENT] = field(
        name="draw"
    )
    full_ma: Annotated[int, Meta(description="What it draws when it is full.", examples=["50 mA"]), rules.CURRENT] = field(
        name="full"
    )
    curve: Annotated[
        tuple[Drawing, ...],
        Meta(
            description="How it fills, from 0 per cent after 0 minutes to 100; straight in between. Where a camera reports "
            "nothing while it charges, its charge is estimated from this, and shown as an estimate."
        ),
    ] = ()


def appetite(charge: Charge | None) -> Appetite:
    """As the planner wants it.

    Raises:
        ValueError: the curve is none.
    """
    if charge is None:
        return Appetite()
    points = tuple((each.percent, float(each.minutes)) for each in charge.curve)
    return Appetite(charge.draw_ma, charge.full_ma, Curve(points) if points else None)
