import pytest

from dockd.core.usb import Volume
from dockd.core.volumes import NamedVolume, VolumesError, named

INTERNAL = NamedVolume("internal", 0, None, optional=False, filesystem="ext4")
CARD = NamedVolume("card", 1, None, optional=True, filesystem="exfat")
SYSTEM, FOOTAGE = (
    NamedVolume(name, 0, number, optional=False, filesystem="vfat") for number, name in ((1, "system"), (2, "video"))
)


def test_memory_and_card_have_their_names() -> None:
    """By the disk, in whatever order they came, with or without partitions."""
    memory, card = Volume(9, 0, 0), Volume(7, 1, 1)
    assert named([memory, card], [INTERNAL, CARD]) == {"internal": memory, "card": card}
    assert named([memory], [INTERNAL, CARD]) == {"internal": memory}


def test_partitions_of_one_disk_have_their_names() -> None:
    """By their numbers."""
    first, second = Volume(7, 1, 0), Volume(7, 2, 0)
    assert named([second, first], [SYSTEM, FOOTAGE]) == {"system": first, "video": second}


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        ([Volume(9, 0, 0), Volume(8, 0, 2)], r"it shows a volume that its profile does not name \(disk 2\)"),
        ([Volume(9, 0, 0), Volume(8, 3, 2), Volume(8, 4, 2)], r"shows volumes .* \(disk 2 partition 3, disk 2 partition 4\)"),
        ([Volume(7, 1, 1)], "it does not show its volume internal"),
        ([Volume(9, 1, 0), Volume(9, 2, 0)], "its disk 0 shows 2 volumes, and internal is to be the only one there"),
    ],
)
def test_a_volume_too_many_or_too_few_is_for_a_person(volumes: list[Volume], words: str) -> None:
    """Footage may be on the one, and was on the other."""
    with pytest.raises(VolumesError, match=words):
        named(volumes, [INTERNAL, CARD])


def test_a_camera_of_empty_slots_shows_nothing() -> None:
    """Which is not the same as being empty."""
    with pytest.raises(VolumesError, match="it shows none of its volumes"):
        named([], [CARD])
