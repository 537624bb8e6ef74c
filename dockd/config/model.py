"""The site file's model: every key, what it means, its default.

`dockd.config.site.load_site` makes it from YAML; so does the JSON Schema of editors: the words below are what admins read there.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from dockd.config import rules
from dockd.config.office import Alerts, Bandwidth, Camera, Category
from dockd.config.readying import Charging, CheckingOut, Ready
from dockd.config.served import Kiosk, Metrics
from dockd.core.lamp import Wiring
from dockd.core.readiness import Lamp

GIB = 1 << 30


class BayLamp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bay's lamp: one LED for all three states, or one for each, by their names in /sys/class/leds."""

    led: (
        Annotated[str, Meta(description="Shows every state, in one colour or in several.", examples=["dock:bay1"]), rules.LED]
        | None
    ) = None
    take_it: (
        Annotated[str, Meta(description="Lit while the camera may be taken.", examples=["dock:bay1:green"]), rules.LED] | None
    ) = None
    leave_it: (
        Annotated[str, Meta(description="Swells while the dock is not done.", examples=["dock:bay1:blue"]), rules.LED] | None
    ) = None
    get_help: (
        Annotated[str, Meta(description="Blinks when a person is needed.", examples=["dock:bay1:red"]), rules.LED] | None
    ) = None

    def wiring(self) -> Wiring:
        """As the part that lights it wants it."""
        if self.led is not None:
            return Wiring(self.led)
        named = {Lamp.TAKE: self.take_it, Lamp.LEAVE: self.leave_it, Lamp.HELP: self.get_help}
        return Wiring(by_lamp={lamp: name for lamp, name in named.items() if name is not None})


class Bay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera slot: a USB port, or a folder."""

    id: Annotated[str, Meta(description="What the screens and the log call this bay.", examples=["1"]), rules.BAY_ID]
    directory: (
        Annotated[
            Path,
            Meta(description="A camera is docked while this folder holds a camera's tree.", examples=["/srv/dockd/bays/1"]),
            rules.ABSOLUTE_PATH,
        ]
        | None
    ) = None
    usb_port: (
        Annotated[
            str,
            Meta(
                description="A camera is docked while it is plugged in here: the ID_PATH that `udevadm info` shows for a device "
                "in this bay. Nothing but cameras is let in.",
                examples=["pci-0000:00:14.0-usb-0:1.2"],
            ),
            rules.USB_PORT,
        ]
        | None
    ) = None
    lamp: Annotated[BayLamp, Meta(description="The bay's lamp, if it has one that the kernel drives.")] | None = None


class Spool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where recordings live until the archive has proved that it holds them."""

    directory: Annotated[
        Path,
        Meta(description="The spool and the journal lie here, on one file system.", examples=["/var/lib/dockd/spool"]),
        rules.ABSOLUTE_PATH,
    ]
    keep_free_bytes: Annotated[
        int,
        Meta(description="No copy starts that would leave less than this free on the spool's disk.", examples=["1 GiB"]),
        rules.SIZE,
        rules.LIVE,
    ] = field(name="keep_free", default=GIB)
    keep_days: Annotated[
        int,
        Meta(description="Days for which a copy stays here after the archive has proved that it holds it.", ge=0, le=3650),
        rules.LIVE,
    ] = 0
    low_water_bytes: Annotated[
        int,
        Meta(description="While less is free, copies that the archive has proved go early, oldest first.", examples=["64 GiB"]),
        rules.SIZE,
        rules.LIVE,
    ] = field(name="low_water", default=64 * GIB)


class S3(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bucket of an archive that speaks S3."""

    bucket: Annotated[str, Meta(description="It receives everything.", examples=["evidence"]), rules.NAME]
    credentials_file: Annotated[
        Path,
        Meta(description="File of mode 0600 with two lines: the dock's access key and its secret.", examples=["/etc/dockd/s3"]),
        rules.SECRET_FILE,
    ]
    prefix: Annotated[
        str, Meta(description="In front of every key; ends with a slash.", examples=["docks/"], pattern="^([A-Za-z0-9_.-]+/)*$")
    ] = ""
    region: Annotated[str, Meta(description="As the store calls itself.", examples=["us-gov-west-1"]), rules.NAME] = "us-east-1"
    addressing: Annotated[
        Literal["path", "host"], Meta(description="Whether the bucket stands in the path, or before the host's name.")
    ] = "path"
    lock: Annotated[
        Literal["compliance", "governance", "none"],
        Meta(
            description="Object Lock: nobody can delete before its time (compliance), few can (governance). With none, and in "
            "stores that check no checksums, everything is proved by fetching it back."
        ),
    ] = "governance"
    encryption: Annotated[
        Literal["bucket", "AES256", "aws:kms"],
        Meta(description="By the store; bucket leaves it to the bucket's own rule."),
    ] = "bucket"
    kms_key: Annotated[str, Meta(description="The key's id for aws:kms.", examples=["alias/evidence"]), rules.NAME] | None = None


class ArchiveSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The central archive, and how the dock and it know each other."""

    kind: Annotated[Literal["tus", "s3"], Meta(description="The protocol it speaks: tus is the vault's.", examples=["tus"])]
    url: Annotated[
        str,
        Meta(
            description="Its tus endpoint, or that of S3 without the bucket, ending with a slash. Plain http is accepted only to "
            "this machine itself.",
            examples=["https://vault.example.org:8443/files/"],
        ),
        rules.ARCHIVE_URL,
    ]
    key: Annotated[
        str,
        Meta(
            description="The public key with which it signs receipts: needed for tus, unless it proves by read-back. Nothing is "
            "erased that this key did not vouch for.",
            examples=["ed25519:4ER87XYQ41M8xOKoyDKsL5ft3QDVdboZgquKMXe0ea8="],
        ),
        rules.PUBLIC_KEY,
    ] = ""
    handovers: Annotated[
        tuple[Annotated[str, rules.HANDOVER], ...],
        Meta(
            description="Statements of `dockd vault rotate`, oldest first, by which earlier keys handed over to that one. With "
            "them a new key needs nobody's acceptance, and the earlier ones count until they are taken out."
        ),
    ] = ()
    proof: Annotated[
        Literal["receipt", "read-back"],
        Meta(
            description="How a tus archive proves what it holds: by receipts that it signs, as the vault does, or by the dock "
            "fetching each recording back and comparing it, which any tus server allows. Read-back empties no camera."
        ),
    ] = "receipt"
    s3: Annotated[S3, Meta(description="Its bucket: needed for s3.")] | None = None
    id: (
        Annotated[
            str,
            Meta(description="The archive's id; if given, receipts of another id are refused.", examples=["vault-01"]),
            rules.NAME,
        ]
        | None
    ) = None
    token_file: (
        Annotated[
            Path,
            Meta(description="File of mode 0600 that holds the dock's bearer token.", examples=["/etc/dockd/token"]),
            rules.SECRET_FILE,
        ]
        | None
    ) = None
    ca_file: (
        Annotated[
            Path,
            Meta(description="PEM file of the only authority that may vouch for the archive.", examples=["/etc/dockd/ca.pem"]),
            rules.ABSOLUTE_PATH,
        ]
        | None
    ) = None
    client_cert: (
        Annotated[
            Path,
            Meta(description="PEM file of the dock's own certificate.", examples=["/etc/dockd/dock.pem"]),
            rules.SECRET_FILE,
        ]
        | None
    ) = None
    client_key: (
        Annotated[
            Path,
            Meta(description="PEM file of mode 0600 with that certificate's key.", examples=["/etc/dockd/dock.key"]),
            rules.SECRET_FILE,
        ]
        | None
    ) = None


class Erase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether cameras are emptied once the archive has proved that it holds everything."""

    policy: Annotated[
        Literal["delete", "clear", "never"],
        Meta(
            description="delete: remove what the archive has proved to hold. clear: overwrite the whole disk of a camera in a "
            "USB bay where its profile says so and all of it is proved; delete elsewhere. never: leave cameras as they are."
        ),
    ] = "never"
    directory_erase: Annotated[
        bool, Meta(description="Directory bays are erased too. Without it only real cameras are.", examples=[True])
    ] = False
    unsigned: Annotated[
        bool,
        Meta(
            description="Cameras are emptied although the archive signs nothing: what the dock itself found there is enough. "
            "Whoever takes over the dock could claim to have found it, so an admin has to accept this.",
            examples=[True],
        ),
    ] = False


class Offload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Copying from cameras."""

    stall_after_s: Annotated[
        int,
        Meta(
            description="Seconds without a byte and without an error until a bay shows: get help.", ge=1, le=3600, examples=[30]
        ),
    ] = 30


class Uploads(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sending to the archive."""

    parallel: Annotated[int, Meta(description="Recordings sent at the same time.", ge=1, le=16, examples=[2])] = 2
    retain_days: (
        Annotated[
            int,
            Meta(
                description="Days that the archive is asked to keep every recording; it uses the longer of this and its own.",
                ge=1,
                le=36500,
                examples=[365],
            ),
            rules.LIVE,
        ]
        | None
    ) = None
    within_hours: (
        Annotated[
            int,
            Meta(
                description="Hours from when the dock first saw a recording until the archive should have it; later, an alert.",
                ge=1,
                le=8760,
                examples=[24],
            ),
            rules.LIVE,
        ]
        | None
    ) = None
    critical_within_hours: (
        Annotated[
            int,
            Meta(description="The same for a critical incident, where it is less.", ge=1, le=8760, examples=[4]),
            rules.LIVE,
        ]
        | None
    ) = None


class Control(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How commands such as `dockd status` reach the daemon, and whose commands it obeys."""

    socket: Annotated[
        Path, Meta(description="The daemon's Unix socket.", examples=["/run/dockd/control.sock"]), rules.SOCKET_PATH
    ] = field(default_factory=lambda: Path("/run/dockd/control.sock"))
    group: Annotated[
        str, Meta(description="Whoever is in this group may look: status, recordings, the log.", examples=["dockd"]), rules.GROUP
    ] = "dockd"
    admin_group: Annotated[
        str,
        Meta(
            description="Whoever is in this group may act: hold, release, retry, refuse, enroll. So may root, and nobody else.",
            examples=["dockd-admin"],
        ),
        rules.GROUP,
    ] = "dockd-admin"


class Lamps(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lamps that some other program drives."""

    command: Annotated[
        tuple[str, ...],
        Meta(
            description="Called as COMMAND... BAY STATE whenever a lamp changes, by its absolute path; STATE is one of: "
            "take it, leave it, get help, off.",
            min_length=1,
            examples=[["/usr/local/bin/dock-lamp"]],
        ),
    ]


class Profiles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Kinds of camera beyond those that ship with dockd."""

    directory: (
        Annotated[
            Path,
            Meta(
                description="Folder of *.yaml profiles. They are tried before those that ship, and replace one of the same name.",
                examples=["/etc/dockd/profiles"],
            ),
            rules.ABSOLUTE_PATH,
        ]
        | None
    ) = None


class Site(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that makes one dock this dock."""

    agency: Annotated[str, Meta(description="The agency, as it stands in records.", examples=["ICE"]), rules.NAME]
    division: Annotated[str, Meta(description="The division, as it stands in records.", examples=["ERO"]), rules.NAME]
    site: Annotated[str, Meta(description="The office where the dock stands.", examples=["Baltimore"]), rules.NAME]
    dock: Annotated[
        str,
        Meta(description="This dock's id, the same as in the archive's list of docks.", examples=["balt-ero-01"]),
        rules.DOCK_ID,
    ]
    time_zone: Annotated[
        str, Meta(description="IANA time zone of the office, for screens.", examples=["America/New_York"]), rules.TIME_ZONE
    ]
    bays: Annotated[tuple[Bay, ...], Meta(description="The dock's camera slots.", min_length=1)]
    spool: Annotated[Spool, Meta(description="Where recordings live until the archive has proved that it holds them.")]
    archive: Annotated[ArchiveSettings, Meta(description="The central archive, and how the dock and it know each other.")]
    erase: Annotated[
        Erase, Meta(description="Whether cameras are emptied once the archive has proved that it holds everything."), rules.LIVE
    ] = field(default_factory=Erase)
    ready: Annotated[Ready, Meta(description="When the light says: take it.")] = field(default_factory=Ready)
    charging: (
        Annotated[Charging, Meta(description="Hubs that cannot charge every camera at once; without it every bay has power.")]
        | None
    ) = None
    offload: Annotated[Offload, Meta(description="Copying from cameras.")] = field(default_factory=Offload)
    uploads: Annotated[Uploads, Meta(description="Sending to the archive.")] = field(default_factory=Uploads)
    bandwidth: Annotated[
        tuple[Bandwidth, ...],
        Meta(
            description="Hours in which the dock sends no faster than a limit; the first entry that holds counts, and without "
            "one it goes as fast as it can."
        ),
        rules.LIVE,
    ] = ()
    categories: Annotated[
        tuple[Category, ...], Meta(description="The kinds of encounter that the agency's policy names."), rules.LIVE
    ] = ()
    cameras: Annotated[tuple[Camera, ...], Meta(description="The office's cameras, and whose they are."), rules.LIVE] = ()
    roster: (
        Annotated[
            str,
            Meta(description="CSV file beside this one with more cameras: serial, officer, shift_ends.", examples=["roster.csv"]),
            rules.FILE_NAME,
            rules.LIVE,
        ]
        | None
    ) = None
    unknown_cameras: Annotated[
        Literal["take", "refuse"],
        Meta(
            description="Cameras that are neither listed here nor in the roster, nor enrolled at the dock: take them like all "
            "others, or have their bay say get help, and take nothing of them."
        ),
        rules.LIVE,
    ] = "take"
    alerts: Annotated[Alerts, Meta(description="What a person is told the same day."), rules.LIVE] = field(default_factory=Alerts)
    checkout: Annotated[CheckingOut, Meta(description="Cameras of the pool, which somebody takes for a shift.")] = field(
        default_factory=CheckingOut
    )
    control: Annotated[Control, Meta(description="How commands reach the daemon.")] = field(default_factory=Control)
    lamps: Annotated[Lamps, Meta(description="Lamps that some other program drives.")] | None = None
    profiles: Annotated[Profiles, Meta(description="Kinds of camera beyond those that ship with dockd.")] = field(
        default_factory=Profiles
    )
    kiosk: Annotated[Kiosk, Meta(description="The page on the dock's own screen; without it there is none.")] | None = None
    metrics: Annotated[Metrics, Meta(description="Metrics for Prometheus, and health; without it there are none.")] | None = None
