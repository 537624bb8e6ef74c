"""Clearing a camera whole: overwritten, read back, made anew; broken off and finished; and never but with everything proved."""

import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from dockd.core.erasure import Erasing, Method, Overwritten, ReadBack
from dockd.errors import CameraGoneError, CameraUnknownError, ClearanceRefusedError, EraseFailedError, WorkerError
from dockd.helper import client, told, wire
from dockd.helper.begun import BegunBook, Device
from dockd.helper.permitted import Permitted
from tests.sim.bay_sysfs import BAY, loop_device
from tests.sim.erase_bench import (
    CLIP,
    CONTENT,
    FACTS,
    OTHER,
    PROFILE,
    SERIAL,
    EraseBench,
    erase_bench,
    ext4_image,
    obey_orders,
    permitted,
    quiet,
)
from tests.sim.evidence import Notary
from tests.sim.helper_here import HelperHere

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

SIZE_BYTES = 16 << 20
OTHER_ID = OTHER.decode().rpartition("/")[2]


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HelperHere]:
    """A helper that is started by the test, and forked from it: files in its folder are orders to die, or to lie."""
    obey_orders(monkeypatch, tmp_path)
    made = HelperHere(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def bench(helper: HelperHere, tmp_path: Path) -> Iterator[EraseBench]:
    """A helper that may clear, and a camera in its bay."""
    notary = Notary()
    helper.start(permitted=lambda: permitted(notary, erase=Method.CLEAR))
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as made:
        yield made


def footage_in(image: Path) -> list[bytes]:
    """Which of the recordings' bytes are still anywhere on the disk."""
    disk = image.read_bytes()
    return [path for path, content in CONTENT.items() if content[:20] in disk]


def features(image: Path) -> dict[str, str]:
    """What an ext4 file system says of itself."""
    said = subprocess.run(["dumpe2fs", "-h", image], check=True, capture_output=True, text=True).stdout
    lines = [line.partition(":") for line in said.splitlines()]
    wanted = ("Filesystem volume name", "Filesystem UUID", "Filesystem features", "Block size", "Inode count", "Inode size")
    return {name: value.strip() for name, _, value in lines if name in wanted}


def test_every_block_is_overwritten_and_the_same_file_system_is_there_again(bench: EraseBench) -> None:
    """No byte of the footage is left; label, identity and features are the camera's, and its folders are there."""
    before = features(bench.image)
    erasure = bench.erase(CLIP, OTHER, method=Method.CLEAR)
    assert (erasure.method, erasure.files, erasure.restored) == (Method.CLEAR, 2, (FACTS,))
    done = erasure.overwritten
    assert done is not None
    assert (done.disk_bytes, done.passes, done.written_bytes, done.read_back) == (SIZE_BYTES, 1, SIZE_BYTES, ReadBack.SAMPLE)
    assert SIZE_BYTES // 10 <= done.read_back_bytes < SIZE_BYTES
    assert bench.shut()
    assert footage_in(bench.image) == []
    assert features(bench.image) == before
    subprocess.run(["e2fsck", "-f", "-n", bench.image], check=True, capture_output=True)
    with bench.opened() as session:
        seen = session.examine([], quiet)
        assert (seen.scan.serial, [each.path for each in seen.scan.files]) == (SERIAL, [FACTS])
    with bench.helper.session() as session:
        root = session.open(BAY, bench.volume)
        os.stat("DCIM/100MEDIA", dir_fd=root)
        os.close(root)


def test_two_passes_and_the_whole_read_back_where_the_profile_asks(helper: HelperHere, tmp_path: Path) -> None:
    """Each is measured, not promised."""
    notary = Notary()
    profile = replace(PROFILE, erase=Erasing(Method.CLEAR, ReadBack.WHOLE, passes=2))
    helper.start(permitted=lambda: permitted(notary, erase=Method.CLEAR, profile=profile))
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as bench:
        done = bench.erase(CLIP, OTHER, method=Method.CLEAR).overwritten
        assert done is not None
        assert isinstance(done, Overwritten)
        assert (done.passes, done.written_bytes) == (2, 2 * SIZE_BYTES)
        assert done.read_back_bytes >= SIZE_BYTES


def test_a_partitioned_disk_keeps_its_table_and_nothing_else(helper: HelperHere, tmp_path: Path) -> None:
    """What was hidden in the code of the boot record or between table and partition is gone; the table is the same."""
    notary = Notary()
    helper.start(permitted=lambda: permitted(notary, erase=Method.CLEAR))
    image = tmp_path / "card"
    part = ext4_image(tmp_path / "part").read_bytes()
    entry = struct.pack("<B3xB3xII", 0x80, 0x83, 2048, len(part) // 512)
    table = b"hidden code".ljust(440, b"!") + b"SIGN" + bytes(2) + entry + bytes(48) + b"\x55\xaa"
    image.write_bytes(table + b"hidden between" * 1000 + bytes((1 << 20) - 512 - 14000) + part)
    with erase_bench(helper, image, notary, begin_bytes=1 << 20) as bench:
        before = bench.image.read_bytes()[440:512]
        assert bench.erase(CLIP, OTHER, method=Method.CLEAR).method is Method.CLEAR
        after = bench.image.read_bytes()
        assert after[440:512] == before
        assert not any(after[:440])
        assert not any(after[512 : 1 << 20])
        assert footage_in(bench.image) == []
        assert bench.there() == {FACTS}


def unproved(bench: EraseBench, session: client.Session) -> None:
    """One recording without its proof."""
    seen = session.examine([CLIP, OTHER], quiet)
    session.erase("d1", Method.CLEAR, [bench.demand(CLIP, seen.nonce)], quiet)


def unread(bench: EraseBench, session: client.Session) -> None:
    """One recording that nobody read again."""
    seen = session.examine([CLIP], quiet)
    session.erase("d1", Method.CLEAR, [bench.demand(CLIP, seen.nonce)], quiet)


def held(bench: EraseBench, session: client.Session) -> None:
    """One recording on hold."""
    client.place_hold("recording", "CLIP0002.MP4", "uid 0", "a court asks", path=bench.helper.path)
    everything(bench, session)


def everything(bench: EraseBench, session: client.Session) -> None:
    """All that an honest daemon has."""
    seen = session.examine([CLIP, OTHER], quiet)
    demands = [bench.demand(path, seen.nonce) for path in (CLIP, OTHER)]
    session.erase("d1", Method.CLEAR, demands, quiet)


@pytest.mark.parametrize("attempt", [unproved, unread, held])
def test_without_everything_proved_not_a_bit_changes(
    bench: EraseBench, attempt: Callable[[EraseBench, client.Session], None]
) -> None:
    """The disk is as it was, and nothing was begun."""
    before = bench.image.read_bytes()
    with bench.opened() as session, pytest.raises(ClearanceRefusedError):
        attempt(bench, session)
    assert bench.image.read_bytes() == before
    assert not list((bench.helper.folder / "state").glob("clearing/*"))


def spoil_with(command: str) -> Callable[[EraseBench], None]:
    """Have debugfs do something to the file system."""

    def spoil(bench: EraseBench) -> None:
        subprocess.run(["debugfs", "-w", "-R", command, bench.node], check=True, capture_output=True)

    return spoil


def unknown_file(bench: EraseBench) -> None:
    """Something that no profile knows."""
    (bench.helper.folder / "x").write_bytes(b"what is this")
    spoil_with(f"write {bench.helper.folder / 'x'} NOTE.TXT")(bench)


def empty_recording(bench: EraseBench) -> None:
    """A recording without content."""
    spoil_with("set_inode_field DCIM/100MEDIA/CLIP0002.MP4 size 0")(bench)
    bench.content[OTHER] = b""


def nameless_file(bench: EraseBench) -> None:
    """A file that no folder names any more, and nobody has removed."""
    (bench.helper.folder / "x").write_bytes(b"footage of the lost")
    spoil_with(f"write {bench.helper.folder / 'x'} DCIM/100MEDIA/CLIP0003.MP4")(bench)
    spoil_with("unlink DCIM/100MEDIA/CLIP0003.MP4")(bench)


def folder_that_looks_empty(bench: EraseBench) -> None:
    """Its one block holds nothing that could be a name; the kernel shows nothing, and says nothing."""
    (bench.helper.folder / "x").write_bytes(b"footage of the lost")
    spoil_with("mkdir DCIM/200DARK")(bench)
    spoil_with(f"write {bench.helper.folder / 'x'} DCIM/200DARK/CLIP0003.MP4")(bench)
    subprocess.run(["tune2fs", "-O", "^metadata_csum", bench.node], check=True, capture_output=True)
    said = subprocess.run(["debugfs", "-R", "blocks DCIM/200DARK", bench.node], check=True, capture_output=True, text=True)
    with bench.node.open("r+b") as disk:
        block_bytes = 1024 << struct.unpack_from("<I", os.pread(disk.fileno(), 1024, 1024), 24)[0]
        disk.seek(int(said.stdout) * block_bytes)
        disk.write(b"\xee" * block_bytes)


SPOILED: dict[str, tuple[Callable[[EraseBench], None], str]] = {
    "dirty": (spoil_with("feature needs_recovery"), "not closed properly"),
    "damaged": (spoil_with("set_super_value state 3"), "damaged"),
    "unknown feature": (spoil_with("feature encrypt"), "a feature"),
    "unknown file": (unknown_file, "NOTE.TXT"),
    "empty recording": (empty_recording, "no content"),
}


@pytest.mark.parametrize("how", sorted(SPOILED))
def test_a_camera_that_is_not_sound_is_not_cleared_as_a_whole(bench: EraseBench, how: str) -> None:
    """The words say what stands against it; the proved recordings can still be deleted."""
    spoil, words = SPOILED[how]
    spoil(bench)
    with bench.opened() as session:
        seen = session.examine([CLIP, OTHER], quiet)
        demands = [bench.demand(path, seen.nonce) for path in (CLIP, OTHER)]
        with pytest.raises(ClearanceRefusedError, match=words):
            session.erase("d1", Method.CLEAR, demands, quiet)
    assert footage_in(bench.image)
    if how != "unknown feature":
        assert bench.erase(CLIP).method is Method.DELETE


@pytest.mark.parametrize("spoil", [nameless_file, folder_that_looks_empty])
def test_nothing_is_written_to_a_file_system_that_does_not_add_up(bench: EraseBench, spoil: Callable[[EraseBench], None]) -> None:
    """Neither cleared nor deleted: what nobody saw may share blocks with what is proved, and a journal may undo half of it."""
    spoil(bench)
    before = bench.node.read_bytes()
    for method in (Method.CLEAR, Method.DELETE):
        with pytest.raises(ClearanceRefusedError, match="nothing is written to camera CAM-1: 1 inodes are in use"):
            bench.erase(CLIP, OTHER, method=method)
    assert bench.node.read_bytes() == before


def test_a_camera_that_reserves_room_is_deleted_and_never_cleared(helper: HelperHere, tmp_path: Path) -> None:
    """Its profile says that more is in use than its files show; nobody knows what lies there, so it is not overwritten."""
    notary = Notary()
    profile = replace(PROFILE, reserves_room=True)
    helper.start(permitted=lambda: permitted(notary, erase=Method.CLEAR, profile=profile))
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as bench:
        nameless_file(bench)
        with pytest.raises(ClearanceRefusedError, match="belong to no file"):
            bench.erase(CLIP, OTHER, method=Method.CLEAR)
        assert bench.erase(CLIP, OTHER).method is Method.DELETE


def test_a_second_disk_that_nobody_looked_at_forbids_it(bench: EraseBench, tmp_path: Path) -> None:
    """A card beside the camera's own memory may hold anything."""
    with loop_device(ext4_image(tmp_path / "second")) as second:
        bench.helper.port.disk(bench.device / "other", second)
        with bench.opened() as session:
            seen = session.examine([CLIP, OTHER], quiet)
            assert any(second.name in each for each in seen.obstacles)
        with pytest.raises(ClearanceRefusedError, match="was not looked through"):
            bench.erase(CLIP, OTHER, method=Method.CLEAR)


def test_a_hold_that_cannot_be_written_down_is_said(bench: EraseBench) -> None:
    """And so is a clear that cannot: then nothing is touched."""
    (bench.helper.folder / "state").mkdir(exist_ok=True)
    (bench.helper.folder / "state/clearing").write_text("in the way")
    before = bench.image.read_bytes()
    with bench.helper.session() as session, pytest.raises(CameraUnknownError, match="cannot read what it has begun"):
        session.open(BAY, bench.volume)
    assert bench.image.read_bytes() == before


def broken_off(bench: EraseBench, *, after_bytes: int = 3 << 20) -> None:
    """A power cut for the helper: the process that overwrites is killed when so much was written."""
    (bench.helper.folder / "cut").write_text(str(after_bytes))
    with bench.opened() as session:
        seen = session.examine([CLIP, OTHER], quiet)
        demands = [bench.demand(path, seen.nonce) for path in (CLIP, OTHER)]
        with pytest.raises(WorkerError, match="cannot be asked"):
            session.erase("d1", Method.CLEAR, demands, quiet)


def unfinished(bench: EraseBench) -> told.UnfinishedClearError:
    """What the next session is told."""
    with bench.helper.session() as session, pytest.raises(told.UnfinishedClearError) as caught:
        session.open(BAY, bench.volume)
    return caught.value


@pytest.mark.parametrize("after_bytes", [0, 1, 3 << 20, SIZE_BYTES])
def test_a_clear_that_was_broken_off_is_finished_at_the_next_docking(bench: EraseBench, after_bytes: int) -> None:
    """After the token, in the middle, before the last block: it is done again from its beginning, and claims what it did."""
    broken_off(bench, after_bytes=after_bytes)
    begun = unfinished(bench)
    assert (begun.camera, begun.docking) == (SERIAL, "d1")
    assert b"docking station" in bench.image.read_bytes()[:512]
    with bench.helper.session() as session:
        erasure = session.resume(begun, quiet).erasure
    assert (erasure.method, erasure.files) == (Method.CLEAR, 2)
    assert bench.shut()
    assert footage_in(bench.image) == []
    assert bench.there() == {FACTS}
    assert not list((bench.helper.folder / "state/clearing").iterdir())
    with bench.helper.session() as session, pytest.raises(ClearanceRefusedError, match="nothing was left unfinished"):
        session.resume(begun, quiet)


def test_a_hold_or_another_policy_stops_what_was_broken_off(helper: HelperHere, tmp_path: Path) -> None:
    """What is ordered in between counts."""
    notary = Notary()
    policy = tmp_path / "policy"
    policy.write_text("clear")
    helper.start(permitted=lambda: permitted(notary, erase=Method(policy.read_text())))
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as bench:
        broken_off(bench)
        begun = unfinished(bench)
        policy.write_text("delete")
        with helper.session() as session, pytest.raises(ClearanceRefusedError, match="no longer allows it"):
            session.resume(begun, quiet)
        policy.write_text("clear")
        client.place_hold("camera", SERIAL, "uid 0", "a court asks", path=helper.path)
        with helper.session() as session, pytest.raises(ClearanceRefusedError, match="by now camera"):
            session.resume(begun, quiet)
        client.lift_hold("camera", SERIAL, "uid 0", "released", path=helper.path)
        with helper.session() as session:
            assert session.resume(begun, quiet).erasure.method is Method.CLEAR


@pytest.mark.parametrize(
    ("scope", "subject", "another", "words"),
    [
        ("recording", OTHER_ID, "f" * 32, "one of its recordings is on hold"),
        ("time", "2020-01-01T00:00:00Z/..", "2001-01-01T00:00:00Z/2001-01-02T00:00:00Z", "it may have been made in a span"),
        ("officer", "a. smith", "C. Miller", "on hold as A. Smith's"),
        ("officer", "B. Jones", "C. Miller", "on hold as B. Jones's"),
    ],
)
def test_every_kind_of_hold_stops_what_was_broken_off(
    helper: HelperHere, tmp_path: Path, scope: wire.Scope, subject: str, another: str, words: str
) -> None:
    """Though nothing on it can be read any more: what it held was written down before its first block went."""
    notary, roster = Notary(), tmp_path / "officer"
    roster.write_text("A. Smith")

    def permits() -> Permitted:
        return replace(permitted(notary, erase=Method.CLEAR), officers={SERIAL: roster.read_text()})

    helper.start(permitted=permits)
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as bench:
        broken_off(bench)
        roster.write_text("B. Jones")  # the roster changed hands since
        begun = unfinished(bench)
        client.place_hold(scope, another, "uid 0", "of no concern here", path=helper.path)
        client.place_hold(scope, subject, "uid 0", "a court asks", case="17", path=helper.path)
        with helper.session() as session, pytest.raises(ClearanceRefusedError, match=words):
            session.resume(begun, quiet)
        client.lift_hold(scope, subject, "uid 0", "released", case="17", path=helper.path)
        with helper.session() as session:
            assert session.resume(begun, quiet).erasure.method is Method.CLEAR


def test_a_state_file_of_the_version_before_is_kept_by_any_hold_that_may_be_of_it(bench: EraseBench) -> None:
    """It does not say what was on the camera: an order about some recording may mean one of these."""
    broken_off(bench)
    (state,) = (bench.helper.folder / "state/clearing").iterdir()
    written = msgspec.msgpack.decode(state.read_bytes())
    del written["officers"], written["were"]
    state.write_bytes(msgspec.msgpack.encode(written))
    begun = unfinished(bench)
    client.place_hold("recording", "f" * 32, "uid 0", "a court asks", path=bench.helper.path)
    with bench.helper.session() as session, pytest.raises(ClearanceRefusedError, match="may be on hold"):
        session.resume(begun, quiet)
    client.lift_hold("recording", "f" * 32, "uid 0", "released", path=bench.helper.path)
    with bench.helper.session() as session:
        assert session.resume(begun, quiet).erasure.method is Method.CLEAR


@pytest.mark.parametrize("what", ["token", "state"])
def test_a_token_that_nothing_fits_is_for_a_person(bench: EraseBench, what: str) -> None:
    """Of another dock, or on another device: it is no file system any more, and nobody here may say that it is proved."""
    broken_off(bench)
    (state,) = (bench.helper.folder / "state/clearing").iterdir()
    if what == "state":
        state.unlink()
    else:
        (bench.device / "serial").write_text("ANOTHER\n")
    before = bench.image.read_bytes()
    with bench.helper.session() as session, pytest.raises(CameraUnknownError, match="nothing that fits"):
        session.open(BAY, bench.volume)
    assert bench.image.read_bytes() == before


def test_a_camera_that_was_formatted_meanwhile_is_a_new_camera(bench: EraseBench, tmp_path: Path) -> None:
    """Without the token nothing is resumed, whatever was written down: what is on it now is nobody's to destroy."""
    (bench.device / "serial").write_text("USB-1\n")
    broken_off(bench)
    begun = unfinished(bench)
    subprocess.run(["blockdev", "--setrw", bench.node], check=True)
    bench.node.write_bytes(ext4_image(tmp_path / "anew").read_bytes())
    with bench.helper.session() as session, pytest.raises(ClearanceRefusedError, match="nothing was left unfinished"):
        session.resume(begun, quiet)
    assert bench.there() == {CLIP, OTHER, FACTS}
    assert not list((bench.helper.folder / "state/clearing").iterdir())


def test_a_disk_whose_first_block_cannot_be_read_is_not_forgotten(bench: EraseBench) -> None:
    """Pulled just when its clear goes on, or broken: it is finished when it can be read again."""
    (bench.device / "serial").write_text("USB-1\n")
    broken_off(bench)
    begun, mute = unfinished(bench), bench.helper.folder / "mute"
    mute.touch()
    with bench.helper.session() as session, pytest.raises(CameraUnknownError, match="first block cannot be read"):
        session.resume(begun, quiet)
    disk = bench.device / "host2/block" / bench.node.name
    mute.write_text(str(disk))
    with bench.helper.session() as session, pytest.raises(CameraGoneError, match="left before"):
        session.resume(begun, quiet)
    mute.unlink()
    disk.with_name(f"{disk.name}.left").rename(disk)
    with bench.helper.session() as session:
        assert session.resume(begun, quiet).erasure.method is Method.CLEAR


@pytest.mark.parametrize("disk", ["/dev/null", "/proc/self/mem"])
def test_a_disk_that_ends_or_fails_at_its_first_byte_is_not_one_without_a_token(tmp_path: Path, disk: str) -> None:
    """The end of the file is what the kernel gives for a disk that has left; nothing at all may follow from it."""
    descriptor = os.open(disk, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="Input/output error"):
            BegunBook(tmp_path).found(descriptor, Device(1, 2, "USB-1", SIZE_BYTES))
    finally:
        os.close(descriptor)


def test_a_disk_that_somebody_else_holds_is_not_overwritten(bench: EraseBench) -> None:
    """Another program that mounted it meanwhile would write over what is written."""
    with bench.opened() as session:
        seen = session.examine([CLIP, OTHER], quiet)
        demands = [bench.demand(path, seen.nonce) for path in (CLIP, OTHER)]
        other = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", f"mount -o ro,noload {bench.node} /mnt && echo mounted && read x"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"mounted\n"
            with pytest.raises(CameraUnknownError, match="another program"):
                session.erase("d1", Method.CLEAR, demands, quiet)
        finally:
            other.communicate(b"\n")
    assert bench.shut()
    assert set(footage_in(bench.image)) == {CLIP, OTHER}


def test_nothing_is_claimed_of_a_disk_that_does_not_keep_what_is_written(bench: EraseBench) -> None:
    """A medium that gives back something else is not cleared: it is told, and the token stays, for it is not done."""
    order = bench.helper.folder / "spoil"
    order.write_text(str(bench.image))
    with pytest.raises(EraseFailedError, match="does not hold what was written"):
        bench.erase(CLIP, OTHER, method=Method.CLEAR)
    assert bench.shut()
    assert unfinished(bench).camera == SERIAL


def test_the_partition_of_a_camera_that_came_with_a_token_is_looked_for_last(helper: HelperHere, tmp_path: Path) -> None:
    """The kernel knew none while the token stood in place of the table; it looks when the session ends, and not before.

    That it then finds one is the rig's to show: the kernel here may know no partition table.
    """
    notary = Notary()
    helper.start(permitted=lambda: permitted(notary, erase=Method.CLEAR))
    with erase_bench(helper, with_table(tmp_path, entry()), notary, begin_bytes=1 << 20) as bench:
        broken_off(bench)
        # As after a pull: nobody knows of a partition.
        part = f"{bench.node.name}p1"
        subprocess.run(["partx", "--delete", bench.node], check=True)
        shutil.rmtree(bench.device / "host2/block" / bench.node.name / part)
        (helper.port.root / "class/block" / part).unlink()
        bench.partition = 0
        begun = unfinished(bench)
        with helper.session() as session:
            done = session.resume(begun, quiet)
            assert done.repartitioned
            assert done.erasure.method is Method.CLEAR
            assert not Path("/sys/class/block", part).exists()
            assert not list((helper.folder / "state/clearing").iterdir())
        assert footage_in(bench.image) == []


def with_table(folder: Path, *entries: bytes) -> Path:
    """A card with a partition table of these entries."""
    image = folder / "card"
    part = ext4_image(folder / "part").read_bytes()
    table = bytes(446) + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"
    image.write_bytes(table + bytes((1 << 20) - 512) + part)
    return image


def entry(kind: int = 0x83, begin: int = 2048, size: int = SIZE_BYTES // 512) -> bytes:
    """One entry of it."""
    return struct.pack("<B3xB3xII", 0, kind, begin, size)


TABLES = {
    "two": ([entry(), entry(0x0C, 40000, 100)], "2 entries"),
    "none": ([], "0 entries"),
    "extended": ([entry(0x0F)], "of a kind that is not made anew"),
    "guid": ([entry(0xEE)], "of a kind that is not made anew"),
    "elsewhere": ([entry(begin=4096)], "not the one that the kernel goes by"),
}


@pytest.mark.parametrize("what", sorted(TABLES))
def test_another_kind_of_partition_table_is_not_made_anew(helper: HelperHere, tmp_path: Path, what: str) -> None:
    """Nor one that says something else than the kernel; the camera is as it was, and can be deleted from."""
    entries, words = TABLES[what]
    notary = Notary()
    helper.start(permitted=lambda: permitted(notary, erase=Method.CLEAR))
    with erase_bench(helper, with_table(tmp_path, *entries), notary, begin_bytes=1 << 20) as bench:
        before = bench.image.read_bytes()
        with pytest.raises(ClearanceRefusedError, match=words):
            bench.erase(CLIP, OTHER, method=Method.CLEAR)
        assert bench.image.read_bytes() == before
        assert bench.erase(CLIP).method is Method.DELETE


def test_a_file_of_facts_that_is_too_long_is_not_put_back(bench: EraseBench) -> None:
    """It is none then, so the camera is not cleared as a whole."""
    long = bench.helper.folder / "long"
    long.write_bytes(f"serial: {SERIAL}\n".encode() + b"x" * 70_000)
    spoil_with("rm MISC/CAMERA.TXT")(bench)
    spoil_with(f"write {long} MISC/CAMERA.TXT")(bench)
    with pytest.raises(ClearanceRefusedError, match="longer than a file in which"):
        bench.erase(CLIP, OTHER, method=Method.CLEAR)


def test_a_state_file_that_is_damaged_stops_it(bench: EraseBench) -> None:
    """What cannot be read is not guessed at, and nothing else is done to the camera."""
    broken_off(bench)
    (state,) = (bench.helper.folder / "state/clearing").iterdir()
    state.write_bytes(state.read_bytes()[:100])
    with bench.helper.session() as session, pytest.raises(CameraUnknownError, match="cannot read what it has begun"):
        session.open(BAY, bench.volume)
