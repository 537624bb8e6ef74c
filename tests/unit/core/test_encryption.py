"""What counts as an encrypted disk."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockd.core.encryption import Layer, bare_disks, encrypted

DISK = Layer("sda1")
LUKS = Layer("dm-0", "CRYPT-LUKS2-0123456789abcdef-spool", (DISK,))


def test_a_disk_is_bare() -> None:
    """Nothing stands between it and what is written."""
    assert not encrypted(DISK)
    assert bare_disks(DISK) == ("sda1",)


@pytest.mark.parametrize("kind", ["LUKS1", "LUKS2", "PLAIN", "TCRYPT", "LOOPAES", "BITLK", "FVAULT2"])
def test_a_dm_crypt_device_is_encrypted(kind: str) -> None:
    """Each kind that cryptsetup opens."""
    device = Layer("dm-0", f"CRYPT-{kind}-spool", (DISK,))
    assert encrypted(device)
    assert bare_disks(device) == ()


@pytest.mark.parametrize(
    "dm_uuid", ["CRYPT-VERITY-1-x", "CRYPT-INTEGRITY-x", "CRYPT-", "CRYPT", "LVM-abc", "mpath-CRYPT-LUKS2", "crypt-LUKS2-x", ""]
)
def test_what_the_device_mapper_does_else_is_no_encryption(dm_uuid: str) -> None:
    """Volumes, verity, integrity, and names that only look like it."""
    assert not encrypted(Layer("dm-0", dm_uuid, (DISK,)))


def test_a_volume_on_an_encrypted_disk_is_encrypted() -> None:
    """As Debian's installer makes it: LVM on LUKS, on a partition."""
    assert encrypted(Layer("dm-1", "LVM-abc", (LUKS,)))


def test_an_encrypted_volume_on_a_bare_raid_is_encrypted() -> None:
    """LUKS on md, on two disks."""
    raid = Layer("md0", below=(Layer("sda1"), Layer("sdb1")))
    assert not encrypted(raid)
    assert bare_disks(raid) == ("sda1", "sdb1")
    assert encrypted(Layer("dm-0", "CRYPT-LUKS2-x", (raid,)))


def test_one_bare_half_is_enough_to_be_bare() -> None:
    """A volume that was grown onto a second disk, which nobody encrypted."""
    grown = Layer("dm-1", "LVM-abc", (LUKS, Layer("sdb"), Layer("sdb")))
    assert not encrypted(grown)
    assert bare_disks(grown) == ("sdb",)


layers = st.recursive(
    st.builds(Layer, st.sampled_from(["sda", "sdb", "nvme0n1p2"])),
    lambda below: st.builds(
        Layer,
        st.sampled_from(["dm-0", "dm-1", "md0"]),
        st.sampled_from(["", "LVM-x", "CRYPT-LUKS2-x", "CRYPT-VERITY-x"]),
        st.lists(below, min_size=1, max_size=3).map(tuple),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(device=layers, dm_uuid=st.sampled_from(["", "LVM-x", "CRYPT-VERITY-x"]))
def test_standing_on_it_changes_nothing_and_encrypting_it_does(device: Layer, dm_uuid: str) -> None:
    """A volume is what it stands on; dm-crypt over whatever it is encrypts; a bare disk beside it never helps."""
    assert encrypted(Layer("dm-9", dm_uuid, (device,))) == encrypted(device)
    assert encrypted(Layer("dm-9", "CRYPT-LUKS2-x", (device,)))
    assert not encrypted(Layer("dm-9", dm_uuid, (device, DISK)))
    assert encrypted(device) == (not bare_disks(device))
