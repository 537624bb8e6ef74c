import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockd.core import usb
from dockd.core.usb import Plugged, SeenDevice, SeenDisk, Volume
from tests.sim.usb_devices import BULK, HUB, KEYBOARD, MOUSE, NETWORK, UAS, configuration, descriptors

PORT = "pci-0000:00:04.0-usb-0:1.2"
CAMERA = SeenDevice("/sys/devices/u/1-1.2", PORT, (1, 5), "S1", "Camera")
DISK = "/sys/devices/u/1-1.2/1-1.2:1.0/host2/block/sdb"


@pytest.mark.parametrize("kinds", [[BULK], [UAS], [BULK, UAS], [BULK, BULK]])
def test_mass_storage_may_be_used(kinds: list[tuple[int, int, int]]) -> None:
    """A device with nothing but SCSI disks over bulk or UAS is not refused."""
    assert not usb.refusal(descriptors(*kinds))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (descriptors(KEYBOARD), "a keyboard"),
        (descriptors(MOUSE), "a mouse"),
        (descriptors((3, 0, 0)), "an input device"),
        (descriptors(NETWORK), "a modem or network card"),
        (descriptors((0x77, 0, 0)), "a device of class 77"),
        (descriptors((8, 4, 0)), "a disk of a kind that is not used"),
        (descriptors(HUB, device_class=9), "a hub"),
        (descriptors(BULK, device_class=9), "a disk that is also a hub"),
        (descriptors(BULK, KEYBOARD), "a disk that is also a keyboard"),
        (descriptors(BULK, KEYBOARD, MOUSE), "a disk that is also a keyboard and a mouse"),
    ],
)
def test_everything_else_is_refused_by_name(raw: bytes, words: str) -> None:
    """The screen says what is in the bay, in words."""
    assert usb.refusal(raw) == words


def test_a_keyboard_in_another_configuration_is_found() -> None:
    """A device that would become a keyboard after a change of configuration is refused before it can."""
    assert usb.refusal(descriptors(BULK, more=[configuration(2, [KEYBOARD])])) == "a disk that is also a keyboard"


def test_a_keyboard_in_an_alternate_setting_is_found() -> None:
    """Alternate settings are interfaces too."""
    raw = descriptors(more=[configuration(1, [BULK], alternates=[KEYBOARD])])
    assert usb.refusal(raw) == "a disk that is also a keyboard"


def test_what_a_device_says_of_itself_is_read() -> None:
    """Vendor, product and each interface come out as they went in; endpoints between them are passed over."""
    device = usb.described(descriptors(BULK, vendor=0x2C9B, product=0x11))
    assert (device.vendor, device.product, device.device_class) == (0x2C9B, 0x11, 0)
    assert device.interfaces == (usb.Interface(1, 0, 0, BULK),)


GOOD = descriptors(BULK)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        GOOD[:17],
        b"\x11" + GOOD[1:],
        GOOD[:1] + b"\x02" + GOOD[2:],
        GOOD[:17] + b"\x00" + GOOD[18:],  # no configuration
        GOOD[:17] + b"\x00",
        GOOD[:17] + b"\x02" + GOOD[18:],  # one missing
        GOOD[:-1],
        GOOD + b"\x00",
        GOOD[:18] + b"\x08" + GOOD[19:],  # a short configuration
        GOOD[:19] + b"\x04" + GOOD[20:],  # of another type
        GOOD[:20] + b"\x05\x00" + GOOD[22:],  # ends within itself
        GOOD[:22] + b"\x00" + GOOD[23:],  # no interfaces
        GOOD[:22] + b"\x02" + GOOD[23:],  # fewer than promised
        GOOD[:27] + b"\x01" + GOOD[28:],  # a descriptor of one byte
        GOOD[:27] + b"\x08" + GOOD[28:],  # an interface too short
        GOOD[:27] + b"\xff" + GOOD[28:],  # beyond the end
        GOOD + bytes(usb.MOST_DESCRIPTOR_BYTES),
    ],
)
def test_descriptors_that_do_not_add_up_are_refused(raw: bytes) -> None:
    """A device that cannot describe itself is not used."""
    with pytest.raises(usb.DescriptorError):
        usb.described(raw)
    assert usb.refusal(raw).startswith("a device whose description of itself is broken")


@given(st.binary(max_size=512))
def test_any_bytes_are_judged(raw: bytes) -> None:
    """No bytes crash the judgement, and random ones are refused."""
    assert usb.refusal(raw)


@given(st.data())
def test_no_damage_lets_a_foreign_interface_in(data: st.DataObject) -> None:
    """Whatever is done to good bytes, what is not refused has mass storage and nothing else."""
    raw = bytearray(descriptors(BULK, KEYBOARD, NETWORK, more=[configuration(2, [UAS])]))
    for _ in range(data.draw(st.integers(0, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    if not usb.refusal(bytes(raw)):
        seen = usb.described(bytes(raw))
        assert seen.interfaces
        assert {each.kind for each in seen.interfaces} <= usb.STORAGE


@pytest.mark.parametrize(
    ("chain", "path"),
    [
        ([("usb", "1-1.2"), ("usb", "1-1"), ("usb", "usb1"), ("pci", "0000:00:04.0"), ("", "pci0000:00")], PORT),
        ([("usb", "2-3"), ("usb", "usb2"), ("pci", "0000:05:00.0"), ("pci", "0000:00:1c.0")], "pci-0000:05:00.0-usb-0:3"),
        (
            [("usb", "1-1"), ("usb", "usb1"), ("pci", "0000:01:00.0"), ("pci", "0000:00:00.0"), ("platform", "fd500000.pcie")],
            "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1",
        ),
        ([("usb", "usb1"), ("pci", "0000:00:04.0")], ""),
        ([("usb", "1-1.2:1.0"), ("pci", "0000:00:04.0")], ""),
        ([("usb", "1-1")], ""),
        ([("usb", "1-*"), ("pci", "0000:00:04.0")], ""),
        ([], ""),
    ],
)
def test_ports_are_named_as_udev_names_them(chain: list[tuple[str, str]], path: str) -> None:
    """Site files hold the ID_PATH that `udevadm info` shows; whatever is no plain port has no name."""
    assert usb.port_path(chain) == path


def test_an_empty_port_holds_nothing() -> None:
    """What is at another port, or below it, is not at this one."""
    other = SeenDevice("/sys/devices/u/1-1.21", PORT + "1", (1, 9), "", "")
    assert usb.plugged(PORT, [other], [SeenDisk(other.path + "/block/sdc", 4, 0, 80)]) is None


def test_an_unpartitioned_camera_is_its_disk() -> None:
    """Without partitions the disk itself is the volume."""
    assert usb.plugged(PORT, [CAMERA], [SeenDisk(DISK, 7, 0, 100)]) == Plugged((1, 5), "S1", "Camera", (Volume(7, 0),))


def test_a_partitioned_camera_is_its_partitions() -> None:
    """A disk with partitions is never mounted as a whole."""
    disks = [
        SeenDisk(DISK + "/sdb2", 7, 2, 40),
        SeenDisk(DISK, 7, 0, 100),
        SeenDisk(DISK + "/sdb1", 7, 1, 50),
        SeenDisk(DISK + "/sdb4", 7, 4, 2),
    ]
    seen = usb.plugged(PORT, [CAMERA], disks)
    assert seen is not None
    assert seen.volumes == (Volume(7, 1), Volume(7, 2))


def test_each_unit_with_a_medium_counts() -> None:
    """Internal memory and a card are both there; a slot without a card, and the disks of others, are not."""
    disks = [
        SeenDisk(DISK.replace("sdb", "sdc"), 8, 0, 60),
        SeenDisk(DISK, 7, 0, 100),
        SeenDisk(DISK.replace("sdb", "sdd"), 9, 0, 0),
        SeenDisk("/sys/devices/u/1-1.21/block/sde", 3, 0, 100),
        SeenDisk("/sys/devices/pci/vda", 1, 0, 100),
    ]
    seen = usb.plugged(PORT, [CAMERA], disks)
    assert seen is not None
    assert seen.volumes == (Volume(7, 0), Volume(8, 0))


def test_the_newest_device_at_a_port_is_meant() -> None:
    """A camera that re-enumerates is another device, though the old one may be listed for a moment."""
    again = SeenDevice("/sys/devices/u/1-1.2", PORT, (1, 6), "S1", "Camera")
    seen = usb.plugged(PORT, [again, CAMERA], [])
    assert seen == Plugged((1, 6), "S1", "Camera", ())


def test_a_disk_is_the_unit_that_the_camera_calls_it() -> None:
    """By its number on the camera, however the kernel came to number disks."""
    below = CAMERA.path + "/1-1.2:1.0/host3/target3:0:0/3:0:0:{}/block/sd{}"
    seen = usb.plugged(PORT, [CAMERA], [SeenDisk(below.format(1, "b"), 7, 0, 100), SeenDisk(below.format(0, "c"), 8, 0, 100)])
    assert seen is not None
    assert seen.volumes == (Volume(8, 0, 0), Volume(7, 0, 1))
