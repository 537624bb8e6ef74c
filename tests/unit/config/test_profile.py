"""From profile files to core profiles, and what the shipped one makes of a camera."""

import re
from pathlib import Path

import pytest

from dockd.config import load_profile, load_profiles
from dockd.core.battery import Appetite, Curve
from dockd.core.clearance import FileKind, Identity
from dockd.core.profile import CRITICAL, ROUTINE, Found, Profile, UsbId, classify
from dockd.core.volumes import NamedVolume
from dockd.errors import ConfigError

BAD = Path(__file__).parent / "bad_profiles"
DOCS = Path(__file__).parents[3] / "docs" / "profiles.md"
IDENTITY = Identity(device=1, inode=1, size_bytes=1, modified_ns=1, changed_ns=1)
GOOD = """\
name: acme
present: VIDEO
folders: [VIDEO]
recordings: ["*.MP4"]
"""


def kinds(profile: Profile, *paths: str) -> dict[str, FileKind]:
    """What `profile` says of files at `paths`."""
    files = classify(profile, [Found(path.encode(), IDENTITY) for path in paths])
    return {file.path.decode(): file.kind for file in files}


def dcf() -> Profile:
    """The only profile that ships."""
    (profile,) = load_profiles()
    return profile


def write(folder: Path, name: str, text: str) -> Path:
    """A profile file in `folder`."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_defect_of_a_profile_is_named_at_its_place(path: Path) -> None:
    """The words and places beside each bad profile are what an admin sees."""
    expected = path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    with pytest.raises(ConfigError) as caught:
        load_profile(path)
    assert caught.value.message.splitlines() == [f"{path}:{line}" for line in expected]


def test_the_shipped_profile_sorts_a_camera() -> None:
    """Evidence, sidecars, leavings of computers, the file of facts and what nobody knows."""
    assert kinds(
        dcf(),
        "DCIM/100BWC/CLIP0001.MP4",
        "DCIM/100BWC/CLIP0001.THM",
        "DCIM/100BWC/clip0002.mov",
        "DCIM/100BWC/clip0002.json",
        "DCIM/100BWC/ORPHAN.GPX",
        "DCIM/IMG_0001.JPG",
        "dcim/100bwc/NOTE0001.WAV",
        "DCIM/100BWC/FIRMWARE.BIN",
        "DCIM/.DS_Store",
        "System Volume Information/WPSettings.dat",
        "MISC/CAMERA.TXT",
        "MISC/OTHER.TXT",
        "CLIP0003.MP4",
    ) == {
        "DCIM/100BWC/CLIP0001.MP4": FileKind.RECORDING,
        "DCIM/100BWC/CLIP0001.THM": FileKind.SIDECAR,
        "DCIM/100BWC/clip0002.mov": FileKind.RECORDING,
        "DCIM/100BWC/clip0002.json": FileKind.SIDECAR,
        "DCIM/100BWC/ORPHAN.GPX": FileKind.RECORDING,
        "DCIM/IMG_0001.JPG": FileKind.RECORDING,
        "dcim/100bwc/NOTE0001.WAV": FileKind.RECORDING,
        "DCIM/100BWC/FIRMWARE.BIN": FileKind.UNKNOWN,
        "DCIM/.DS_Store": FileKind.IGNORABLE,
        "System Volume Information/WPSettings.dat": FileKind.IGNORABLE,
        "MISC/CAMERA.TXT": FileKind.IGNORABLE,
        "MISC/OTHER.TXT": FileKind.UNKNOWN,
        "CLIP0003.MP4": FileKind.UNKNOWN,
    }


def test_marked_recordings_of_the_shipped_profile_go_first() -> None:
    """An event or an emergency is critical, and so is its sidecar."""
    names = ["EVT_0001.MP4", "EVT_0001.THM", "CLIP_0002_EM.MOV", "CLIP_0003.MP4"]
    files = classify(dcf(), [Found(f"DCIM/{name}".encode(), IDENTITY) for name in names])
    assert {file.path.decode().removeprefix("DCIM/"): file.priority for file in files} == {
        "EVT_0001.MP4": CRITICAL,
        "EVT_0001.THM": CRITICAL,
        "CLIP_0002_EM.MOV": CRITICAL,
        "CLIP_0003.MP4": ROUTINE,
    }


@pytest.mark.parametrize(
    ("fact", "line", "value"),
    [
        ("serial", "serial: BWC-004217", "BWC-004217"),
        ("serial", "  Serial = BWC-004217\r", "BWC-004217"),
        ("battery", "battery: 87", "87"),
        ("battery", "battery: 87 %", "87"),
        ("officer", "officer: B. Jones", "B. Jones"),
    ],
)
def test_the_shipped_profile_reads_the_facts(fact: str, line: str, value: str) -> None:
    """Serial, battery and officer, as cameras and people write them."""
    source = getattr(dcf(), fact)
    assert source.file == "MISC/CAMERA.TXT"
    found = source.expression.search(line)
    assert found is not None
    assert found.group(1) == value
    assert source.expression.search(f"# no {line}") is None


def test_the_worked_example_of_the_documentation_does_what_it_says(tmp_path: Path) -> None:
    """The profile in docs/profiles.md, the camera's own file and the table below them agree."""
    text = DOCS.read_text(encoding="utf-8")
    example, _ = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (facts,) = re.findall(r"```ini\n(.*?)```", text, flags=re.DOTALL)
    profile = load_profile(write(tmp_path, "acme-mk2.yaml", example))
    rows = re.findall(r"^\| `([^`]+)` \| (recording|sidecar|ignorable|unknown)", text, flags=re.MULTILINE)
    assert len(rows) == 7
    assert kinds(profile, *[path for path, _ in rows]) == {path: FileKind(kind) for path, kind in rows}
    sources = {"serial": profile.serial, "battery": profile.battery, "officer": profile.officer}
    read = {
        name: found.group(1)
        for name, source in sources.items()
        for line in facts.splitlines()
        if source is not None and (found := source.expression.search(line))
    }
    assert read == {"serial": "AX-0042", "battery": "87", "officer": "B. Jones"}


def test_the_documentations_camera_of_several_volumes_is_one(tmp_path: Path) -> None:
    """Volumes have the profile's file system where they name none, and their names begin every path."""
    _, example = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    profile = load_profile(write(tmp_path, "acme-mk3.yaml", example))
    assert profile.volumes == (
        NamedVolume("internal", 0, None, optional=False, filesystem="ext4"),
        NamedVolume("card", 1, None, optional=True, filesystem="exfat", fills=True),
    )
    assert kinds(profile, "card/VIDEO/0001.MP4", "VIDEO/0001.MP4") == {
        "card/VIDEO/0001.MP4": FileKind.RECORDING,
        "VIDEO/0001.MP4": FileKind.UNKNOWN,
    }


def test_a_profile_needs_only_what_it_cannot_do_without(tmp_path: Path) -> None:
    """Name, mark, folders and recordings; the rest is empty."""
    assert load_profile(write(tmp_path, "acme.yaml", GOOD)) == Profile(
        name="acme", present="VIDEO", folders=("VIDEO",), recordings=("*.MP4",)
    )


def test_a_dot_is_the_root_of_the_camera(tmp_path: Path) -> None:
    """Cameras without folders exist."""
    profile = load_profile(write(tmp_path, "acme.yaml", GOOD.replace("[VIDEO]", "[.]")))
    assert kinds(profile, "A.MP4", "X/B.MP4") == {"A.MP4": FileKind.RECORDING, "X/B.MP4": FileKind.RECORDING}


def test_a_file_of_facts_is_let_be_even_with_odd_letters_in_its_name(tmp_path: Path) -> None:
    """Its name is taken literally: nothing else becomes ignorable."""
    fact = "serial: {file: 'ID[1]*.TXT', line: '(.+)'}\n"
    profile = load_profile(write(tmp_path, "acme.yaml", GOOD + fact))
    assert kinds(profile, "ID[1]*.TXT", "ID1x.TXT") == {"ID[1]*.TXT": FileKind.IGNORABLE, "ID1x.TXT": FileKind.UNKNOWN}


def test_the_sites_profiles_are_tried_before_those_that_ship(tmp_path: Path) -> None:
    """In the order of their file names; other files in the folder are none of ours."""
    write(tmp_path, "20-b.yaml", GOOD.replace("acme", "b"))
    write(tmp_path, "10-c.yml", GOOD.replace("acme", "c"))
    write(tmp_path, "README", "not a profile")
    assert [profile.name for profile in load_profiles(tmp_path)] == ["c", "b", "dcf"]


def test_a_profile_of_the_site_replaces_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    """An agency may know better what is critical."""
    write(tmp_path, "dcf.yaml", GOOD.replace("acme", "dcf"))
    (profile,) = load_profiles(tmp_path)
    assert (profile.name, profile.present) == ("dcf", "VIDEO")


def test_two_profiles_of_the_site_with_one_name_are_refused(tmp_path: Path) -> None:
    """Which one was meant is nobody's guess."""
    first, second = (
        write(tmp_path, "1.yaml", GOOD),
        write(tmp_path, "2.yaml", "present: X\n" + GOOD.replace("present: VIDEO\n", "")),
    )
    with pytest.raises(ConfigError) as caught:
        load_profiles(tmp_path)
    assert caught.value.message == (
        f"{second}:2:7: name: 'acme' is also the name of the profile in {first}, expected one of its own"
    )


def test_a_folder_of_profiles_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A dock must not run without the profiles that its site file names."""
    with pytest.raises(
        ConfigError, match=r"nowhere: cannot be read \(No such file or directory\), expected a folder of profiles"
    ):
        load_profiles(tmp_path / "nowhere")


def test_a_profile_names_its_devices(tmp_path: Path) -> None:
    """By vendor and product, or by vendor alone; in whatever case they were written."""
    usb = 'usb: [{vendor: "2C9B", product: "0011"}, {vendor: "0951"}]\nfilesystem: exfat\n'
    profile = load_profile(write(tmp_path, "acme.yaml", GOOD + usb))
    assert (profile.filesystem, profile.usb) == ("exfat", (UsbId("2c9b", "0011"), UsbId("0951")))
    assert profile.is_device(0x2C9B, 0x11)
    assert not profile.is_device(0x2C9B, 0x12)
    assert profile.is_device(0x0951, 0xFFFF)


def test_the_shipped_profile_is_no_usb_device() -> None:
    """Which devices are cameras is for each agency to say."""
    assert (dcf().usb, dcf().filesystem) == ((), "")


def test_a_profile_says_what_its_cameras_draw_and_how_they_fill(tmp_path: Path) -> None:
    """As the documentation's example does; one that says nothing is reckoned with as the hungriest that a fast port feeds."""
    example, _ = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    profile = load_profile(write(tmp_path, "acme-mk2.yaml", example))
    assert profile.appetite == Appetite(900, 50, Curve(((0, 0.0), (80, 96.0), (100, 180.0))))
    plain = "charge: {draw: 0.5 A, full: 20 mA}\n"
    assert load_profile(write(tmp_path, "acme.yaml", GOOD + plain)).appetite == Appetite(500, 20)
    assert dcf().appetite == Appetite(900, 50, None)
