"""Loads profiles: what each kind of camera keeps where, from YAML to `core.profile.Profile`."""

import fnmatch
import re
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from dockd.config import rules
from dockd.config.fill import fill, place_of
from dockd.config.model import Site
from dockd.config.problems import Problems
from dockd.config.readying import Charge, appetite
from dockd.config.source import Node, read
from dockd.core.erasure import Erasing, Method, ReadBack
from dockd.core.profile import MarkLines, Profile, Source, UsbId
from dockd.core.volumes import NamedVolume
from dockd.errors import ConfigError


class Fact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one fact about the camera is written on it."""

    file: Annotated[str, Meta(description="Path below the camera's root.", examples=["MISC/CAMERA.TXT"]), rules.RELATIVE_PATH]
    line: Annotated[
        re.Pattern[str],
        Meta(
            description="Python regular expression, searched in each line; its only group is the fact.",
            examples=["serial: *(.+)"],
        ),
        rules.EXPRESSION,
    ]


class UsbDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of USB device."""

    vendor: Annotated[str, Meta(description="idVendor, four hexadecimal digits as lsusb shows.", examples=["0951"]), rules.USB_ID]
    product: (
        Annotated[str, Meta(description="idProduct; without it every device of the vendor.", examples=["1666"]), rules.USB_ID]
        | None
    ) = None


class Emptying(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a kind of camera may be emptied."""

    method: Annotated[
        Method,
        Meta(
            description="delete: recordings are removed. clear: the whole disk is overwritten and its file system made anew, in "
            "USB bays, if everything on the camera is proved. never: it is left as it is."
        ),
    ] = Method.DELETE
    read_back: Annotated[
        ReadBack, Meta(description="How much of a cleared disk is read again: sample (a tenth, drawn at random) or whole.")
    ] = ReadBack.SAMPLE
    passes: Annotated[int, Meta(description="How often a clear overwrites every block.", ge=1, le=3, examples=[2])] = 1
    folders: Annotated[
        tuple[Annotated[str, rules.RELATIVE_PATH], ...],
        Meta(description="Folders that the camera expects to find after a clear.", examples=[["DCIM/100MEDIA"]]),
    ] = ()


class VolumeFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One volume of a camera that shows several."""

    name: Annotated[str, Meta(description="The folder that it is.", examples=["card"]), rules.VOLUME_NAME]
    lun: Annotated[
        int, Meta(description="Which of the camera's disks, as it numbers them from 0 (lsscsi shows it last).", ge=0, le=255)
    ]
    partition: (
        Annotated[int, Meta(description="Which partition of it; without it, there is only one volume.", ge=1, le=255)] | None
    ) = None
    optional: Annotated[bool, Meta(description="It may be missing: a slot for a card.")] = False
    filesystem: (
        Annotated[Literal["vfat", "exfat", "ext4"], Meta(description="If it is another one than that of the profile.")] | None
    ) = None
    fills: Annotated[bool, Meta(description="New recordings go onto it, so its room counts for `ready.min_free`.")] = False


class MarksInSidecars(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sidecars say what a recording is: Python regular expressions, searched in each of their lines."""

    category: (
        Annotated[
            re.Pattern[str],
            Meta(
                description="Its only group is the category, or a word for it (the site file's `words`).",
                examples=['"category": *"([^"]+)"'],
            ),
            rules.EXPRESSION,
        ]
        | None
    ) = None
    first_amendment: (
        Annotated[
            re.Pattern[str],
            Meta(
                description="Found where a recording was marked as recorded solely of First Amendment activity.",
                examples=["(FIRST_AMENDMENT)"],
            ),
            rules.EXPRESSION,
        ]
        | None
    ) = None
    critical: (
        Annotated[
            re.Pattern[str],
            Meta(description="Found where a recording is of a critical incident; it goes first.", examples=["(CRITICAL)"]),
            rules.EXPRESSION,
        ]
        | None
    ) = None


class ProfileFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of camera."""

    name: Annotated[
        str, Meta(description="What screens and logs call this kind of camera.", examples=["dcf"]), rules.PROFILE_NAME
    ]
    present: Annotated[
        str, Meta(description="A path that every such camera has and nothing else.", examples=["DCIM"]), rules.RELATIVE_PATH
    ]
    folders: Annotated[
        tuple[Annotated[str, rules.FOLDER], ...],
        Meta(description="Recordings lie in or below these folders; . is the camera's root.", min_length=1, examples=[["DCIM"]]),
    ]
    recordings: Annotated[
        tuple[Annotated[str, rules.NAME_PATTERN], ...],
        Meta(description="Patterns for the names of recordings, without regard to case.", min_length=1, examples=[["*.MP4"]]),
    ]
    critical: Annotated[
        tuple[Annotated[str, rules.NAME_PATTERN], ...],
        Meta(description="Patterns for the names of recordings that go first.", examples=[["EVT_*"]]),
    ] = ()
    sidecars: Annotated[
        tuple[Annotated[str, rules.NAME_PATTERN], ...],
        Meta(
            description="Patterns for files that belong to the recording beside them with the same name but for the extension.",
            examples=[["*.THM"]],
        ),
    ] = ()
    ignore: Annotated[
        tuple[Annotated[str, rules.PATH_PATTERN], ...],
        Meta(
            description="Patterns for whole paths of files that are no evidence; they are neither copied nor waited for.",
            examples=[["System Volume Information/*"]],
        ),
    ] = ()
    numbering: (
        Annotated[
            re.Pattern[str],
            Meta(
                description="Its only group is the number in a recording's name; a gap in the numbers is an alert.",
                examples=["^CLIP([0-9]{4})"],
            ),
            rules.EXPRESSION,
        ]
        | None
    ) = None
    marks: Annotated[MarksInSidecars, Meta(description="How sidecars say what a recording is.")] | None = None
    serial: Annotated[Fact, Meta(description="Its serial. Without it, the folder's name serves.")] | None = None
    battery: Annotated[Fact, Meta(description="Its battery's charge in per cent.")] | None = None
    officer: Annotated[Fact, Meta(description="Whose it is.")] | None = None
    erase: Annotated[
        Emptying, Meta(description="How this kind of camera may be emptied, where the site's erase.policy says so too.")
    ] = field(default_factory=Emptying)
    usb: Annotated[
        tuple[UsbDevice, ...],
        Meta(description="USB devices that are such cameras. In a USB bay every other device is refused."),
    ] = ()
    filesystem: (
        Annotated[
            Literal["vfat", "exfat", "ext4"],
            Meta(description="What their disks are mounted as in a USB bay; nothing is guessed from the disk."),
        ]
        | None
    ) = None
    owner: (
        Annotated[
            int,
            Meta(
                description="User number under which these cameras write, on ext4; 0, their root, if not given.",
                ge=0,
                le=65_535,
                examples=[1000],
            ),
        ]
        | None
    ) = None
    reserves_room: Annotated[
        bool,
        Meta(description="Whether such cameras reserve room behind their files: more may be in use then than the files show."),
    ] = False
    charge: Annotated[Charge, Meta(description="What such a camera draws, and how its battery fills.")] | None = None

    volumes: Annotated[
        tuple[VolumeFile, ...],
        Meta(
            description="The volumes of a camera that shows more than one, such as a memory and a card. Each is a folder of the "
            "camera's root then, under its name, and all paths of the profile begin with one.",
        ),
    ] = ()


def load_profiles(where: Site | Path | None = None) -> tuple[Profile, ...]:
    """The profiles in the order in which they are tried: the site's own by file name, then those that ship.

    A site's profile replaces one that ships under the same name.

    Args:
        where: the site, or its folder of profiles; None for those that ship alone.

    Raises:
        ConfigError: a profile is wrong, two of the site's have one name, or the folder cannot be read.
    """
    directory = where.profiles.directory if isinstance(where, Site) else where
    own: dict[str, tuple[Path, Profile]] = {}
    for path in _files_of(directory) if directory is not None else ():
        profile, node = _read_profile(path)
        if profile.name in own:
            place = place_of(node, "name")
            msg = f"name: {profile.name!r} is also the name of the profile in {own[profile.name][0]}, expected one of its own"
            raise ConfigError(msg, file=str(path), line=place.line, column=place.column)
        own[profile.name] = path, profile
    shipped = [profile for profile in _shipped() if profile.name not in own]
    return tuple([profile for _, profile in own.values()] + shipped)


def load_profile(path: Path) -> Profile:
    """The profile in one file.

    Raises:
        ConfigError: with every problem that was found, each on a line of its own.
    """
    return _read_profile(path)[0]


def _read_profile(path: Path) -> tuple[Profile, Node]:
    node = read(path)
    problems = Problems(str(path))
    content = fill(ProfileFile, node, problems)
    if content is not None:
        _check_sidecars(content, node, problems)
        _check_ignore(content, node, problems)
        _check_facts(content, node, problems)
        if content.marks is not None and not content.sidecars:
            problems.add(place_of(node, "marks"), "marks: have no effect without sidecars, expected patterns there, or no marks")
        _check_usb(content, node, problems)
        _check_charge(content, node, problems)
        _check_volumes(content, node, problems)
    if problems or content is None:
        raise problems.error()
    return _profile(content), node


def _profile(content: ProfileFile) -> Profile:
    facts = {name: fact for name in ("serial", "battery", "officer") if (fact := getattr(content, name)) is not None}
    own_files = tuple(dict.fromkeys(_literal(fact.file) for fact in facts.values()))
    return Profile(
        name=content.name,
        present=content.present,
        folders=content.folders,
        recordings=content.recordings,
        critical=content.critical,
        sidecars=content.sidecars,
        ignore=content.ignore + own_files,
        erase=Erasing(content.erase.method, content.erase.read_back, content.erase.passes, content.erase.folders),
        usb=tuple(UsbId(each.vendor, each.product or "") for each in content.usb),
        filesystem=content.filesystem or "",
        owner=content.owner or 0,
        reserves_room=content.reserves_room,
        volumes=tuple(_volume(each, content.filesystem or "") for each in content.volumes),
        numbering=content.numbering,
        appetite=appetite(content.charge),
        marks=None
        if content.marks is None
        else MarkLines(content.marks.category, content.marks.first_amendment, content.marks.critical),
        **{name: Source(fact.file, fact.line) for name, fact in facts.items()},
    )


def _volume(content: VolumeFile, filesystem: str) -> NamedVolume:
    mounted_as = content.filesystem or filesystem
    return NamedVolume(content.name, content.lun, content.partition, content.optional, mounted_as, content.fills)


def _check_volumes(content: ProfileFile, node: Node, problems: Problems) -> None:
    """Each volume is one thing with one name, and every path of the profile lies on one."""
    if not content.volumes:
        return
    if not content.usb:
        problems.add(place_of(node, "volumes"), "volumes: has no effect without usb, expected the devices there, or neither")
    if content.erase.method is not Method.NEVER:
        msg = "volumes: a camera of several volumes is not erased by this version, expected erase: {method: never}"
        problems.add(place_of(node, "volumes"), msg)
    names: set[str] = set()
    for index, each in enumerate(content.volumes):
        if each.name in names:
            msg = f"volumes[{index}].name: {each.name!r} is also the name of one before, expected one of its own"
            problems.add(place_of(node, "volumes", index, "name"), msg)
        names.add(each.name)
        same = [other for other in content.volumes[:index] if other.lun == each.lun]
        if any(None in {other.partition, each.partition} or other.partition == each.partition for other in same):
            msg = f"volumes[{index}]: there is another volume on lun {each.lun}, expected a partition of its own for each"
            problems.add(place_of(node, "volumes", index), msg)
    facts = {name: fact.file for name in ("serial", "battery", "officer") if (fact := getattr(content, name)) is not None}
    paths = [("present", content.present), *(("folders", each) for each in content.folders), *facts.items()]
    for key, path in paths:
        if path.partition("/")[0] not in names:
            msg = f"{key}: {path or '.'} is on no volume, expected a path that begins with {' or '.join(sorted(names))}"
            problems.add(place_of(node, key), msg)


def _check_charge(content: ProfileFile, node: Node, problems: Problems) -> None:
    try:
        appetite(content.charge)
    except ValueError:
        msg = "charge.curve: does not rise, expected percent and minutes that rise from 0 and 0 to percent 100"
        problems.add(place_of(node, "charge", "curve"), msg)


def _check_sidecars(content: ProfileFile, node: Node, problems: Problems) -> None:
    recordings = {pattern.lower() for pattern in content.recordings}
    for index, pattern in enumerate(content.sidecars):
        if pattern.lower() in recordings:
            msg = f"sidecars[{index}]: {pattern!r} stands under recordings too, expected it in one of them"
            problems.add(place_of(node, "sidecars", index), msg)


def _check_ignore(content: ProfileFile, node: Node, problems: Problems) -> None:
    """What is ignored is never copied, so no pattern may cover a whole kind of recording."""
    for index, pattern in enumerate(content.ignore):
        lost = next((path for path in _usual_recordings(content) if _matches(pattern, path)), None)
        if lost is not None:
            msg = f"ignore[{index}]: {pattern!r} would leave recordings such as {lost} uncopied, expected one that spares them"
            problems.add(place_of(node, "ignore", index), msg)


def _check_facts(content: ProfileFile, node: Node, problems: Problems) -> None:
    """A file of facts is let be, so it must not be one that the profile calls evidence."""
    for name in ("serial", "battery", "officer"):
        fact: Fact | None = getattr(content, name)
        if fact is None:
            continue
        folder, _, last = fact.file.rpartition("/")
        inside = any(not wanted or f"{folder}/".lower().startswith(f"{wanted}/".lower()) for wanted in content.folders)
        if inside and any(_matches(pattern, last) for pattern in content.recordings + content.sidecars):
            msg = f"{name}.file: {fact.file} is evidence by this profile's own patterns, expected a file that is none"
            problems.add(place_of(node, name, "file"), msg)


def _check_usb(content: ProfileFile, node: Node, problems: Problems) -> None:
    """A device is only let in if it is known how to read it."""
    if content.usb and content.filesystem is None:
        problems.add(place_of(node, "usb"), "usb: stands without filesystem, expected filesystem: vfat, exfat or ext4 beside it")
    if content.filesystem is not None and not content.usb:
        problems.add(
            place_of(node, "filesystem"), "filesystem: has no effect without usb, expected the devices there, or neither"
        )
    if content.owner is not None and "ext4" not in {content.filesystem, *(each.filesystem for each in content.volumes)}:
        problems.add(place_of(node, "owner"), "owner: has no effect without filesystem: ext4, expected that, or no owner")


def _usual_recordings(content: ProfileFile) -> Iterator[str]:
    """One path for each recording folder, depth and pattern, made of letters that no pattern for system files has."""
    for folder in content.folders:
        for below in ("", "100QXQXQ/"):
            for pattern in content.recordings:
                name = re.sub(r"\[!?(.)[^]]*\]", r"\1", pattern).replace("*", "QXQX0001").replace("?", "Q")
                yield f"{folder}/{below}{name}".lstrip("/")


def _matches(pattern: str, text: str) -> bool:
    """As `core.profile` matches, for the plain names that are tried here."""
    return fnmatch.fnmatchcase(text.lower(), pattern.lower())


def _literal(path: str) -> str:
    """A pattern that matches `path` alone."""
    return re.sub(r"([*?[])", r"[\1]", path)


def _files_of(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix in {".yaml", ".yml"})
    except OSError as exc:
        msg = f"cannot be read ({exc.strerror}), expected a folder of profiles"
        raise ConfigError(msg, file=str(directory)) from exc


def _shipped() -> list[Profile]:
    with as_file(files("dockd.config") / "profiles") as directory:
        return [load_profile(path) for path in _files_of(directory)]
