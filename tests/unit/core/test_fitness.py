"""What makes a dock fit for tonight."""

import pytest

from dockd.core import fitness
from dockd.core.fitness import Check, Grade

GOOD, LOOK, BAD = Grade.GOOD, Grade.LOOK, Grade.BAD
GB = 10**9
DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("check", "grade", "words"),
    [
        (fitness.bays(1, {}), GOOD, "1 bay can take a camera"),
        (fitness.bays(8, {"3": "it stalls"}), LOOK, "1 of 8 bays needs help: bay 3: it stalls"),
        (fitness.bays(2, {"1": "it stalls", "2": "too"}), BAD, "bay 2: too"),
        (fitness.ports((), ()), GOOD, "No bay is a USB port"),
        (fitness.ports(("1", "2"), ("2", "1")), GOOD, "guards 2 USB bays"),
        (fitness.ports(("1", "2"), ("2",)), BAD, "does not guard bay 1"),
        (fitness.ports(("1",), (), "no such file"), BAD, "cannot be asked: no such file"),
        (fitness.disk(usable_bytes=0, size_bytes=500 * GB), BAD, "Nothing can be copied"),
        (fitness.disk(usable_bytes=63 * GB, size_bytes=500 * GB), LOOK, "A full camera would not fit"),
        (fitness.disk(usable_bytes=64 * GB, size_bytes=500 * GB), GOOD, "There is room for 64.0 GB on a disk of 500.0 GB"),
        (fitness.disk(usable_bytes=64 * GB, size_bytes=500 * GB, spare_bytes=64 * GB), GOOD, "There is room for 64.0 GB"),
        (fitness.disk(usable_bytes=80 * GB, size_bytes=500 * GB, spare_bytes=63 * GB), LOOK, "before spool.keep_days are over"),
        (fitness.disk(usable_bytes=63 * GB, size_bytes=500 * GB, spare_bytes=0), LOOK, "A full camera would not fit"),
        (fitness.encryption(encrypted=True), GOOD, "dm-crypt"),
        (fitness.encryption(encrypted=False), LOOK, "not encrypted"),
        (fitness.seal("", 0), GOOD, "are sealed (fs-verity): nobody can write to them."),
        (fitness.seal("", 3), GOOD, "nobody can write to them; 3 will be."),
        (fitness.seal("its file system has no fs-verity", 0), GOOD, "but not sealed: its file system has no fs-verity."),
        (fitness.signing_key(sealed=True, left=False, tpm=True), GOOD, "systemd unseals"),
        (fitness.signing_key(sealed=True, left=True, tpm=True), LOOK, "in the clear still lies"),
        (fitness.signing_key(sealed=False, left=True, tpm=True), LOOK, "has a TPM that could seal it"),
        (fitness.signing_key(sealed=False, left=True, tpm=False), GOOD, "has no TPM"),
        (fitness.configuration((), "", ""), GOOD, "in force"),
        (fitness.configuration(("archive.key: changed",), "", "dockd config accept"), LOOK, "archive.key: changed"),
        (fitness.configuration((), "site.yaml:1:1: no", ""), LOOK, "site.yaml:1:1: no"),
        (fitness.refused(0), GOOD, "No recording"),
        (fitness.refused(2), LOOK, "2 recordings"),
        (fitness.backup(None), LOOK, "never backed up"),
        (fitness.backup(3600 * 5.0), GOOD, "5 hours ago"),
        (fitness.backup(7 * DAY_S), GOOD, "7 days ago"),
        (fitness.backup(8 * DAY_S), LOOK, "8 days ago"),
        (fitness.key_backup(None), LOOK, "never backed up"),
        (fitness.key_backup(400 * DAY_S, to="balt:/media/stick/key.pem"), GOOD, "400 days ago, to balt:/media/stick/key.pem."),
        (fitness.key_backup(3600.0, to="x", same=False), LOOK, "not the one with which the dock signs now"),
        (fitness.clock(synchronised=None), LOOK, "could not be found out"),
        (fitness.clock(synchronised=False), BAD, "not synchronised"),
        (fitness.clock(synchronised=True, offset_s=-3.0), LOOK, "3.0 s off"),
        (fitness.clock(synchronised=True, offset_s=0.1), GOOD, "is synchronised"),
        (fitness.memory(100 * 10**6, 4 * GB), BAD, "0.1 GB of 4.0 GB"),
        (fitness.memory(1 * GB, 4 * GB), GOOD, "1.0 GB of 4.0 GB"),
        (fitness.temperature({}), GOOD, "no sensor"),
        (fitness.temperature({"cpu": 40.0, "disk": 50.0}), GOOD, "disk, says 50"),
        (fitness.temperature({"cpu": 75.0}), LOOK, "75"),
        (fitness.temperature({"cpu": 90.0}), BAD, "90"),
    ],
)
def test_each_part_is_judged(check: Check, grade: Grade, words: str) -> None:
    """With the reason in words, and a cure exactly where there is something to cure."""
    assert (check.grade, bool(check.cure)) == (grade, grade is not GOOD)
    assert words in check.reason
    assert check.reason.endswith(".") or check.grade is not GOOD


def test_what_only_needs_a_look_does_not_make_a_dock_unfit() -> None:
    """One bad part does."""
    look, bad = fitness.refused(1), fitness.clock(synchronised=False)
    assert fitness.fit([look, fitness.refused(0)])
    assert not fitness.fit([look, bad])
