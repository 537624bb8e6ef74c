"""What the helper erases, and what it does not for a daemon that somebody has taken over; with real loop devices and mounts."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dockd.core.erasure import Erasing, Method
from dockd.core.proof import StatementKind
from dockd.errors import (
    CameraGoneError,
    CameraUnknownError,
    ClearanceRefusedError,
    DockError,
    EraseFailedError,
    ProofRefusedError,
    WorkerError,
)
from dockd.helper import client, erasing, told, wire
from dockd.helper.permitted import Permitted
from dockd.helper.session import Session
from dockd.helper.sysfs import Sysfs
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
    permitted,
    quiet,
)
from tests.sim.evidence import NOW, Notary, looked_at
from tests.sim.helper_here import HelperHere
from tests.sim.usb_devices import BULK

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

EVERYTHING = {CLIP, OTHER, FACTS}


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[HelperHere]:
    """A helper that is started by the test."""
    made = HelperHere(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def bench(helper: HelperHere, tmp_path: Path) -> Iterator[EraseBench]:
    """A helper that may delete, and a camera in its bay."""
    notary = Notary()
    helper.start(permitted=lambda: permitted(notary))
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as made:
        yield made


def test_what_is_proved_is_deleted_and_the_rest_stays(bench: EraseBench) -> None:
    """The recording is gone, the others are as they were, the medium was told, and the disk is shut again."""
    erasure = bench.erase(CLIP)
    assert (erasure.method, erasure.files) == (Method.DELETE, 1)
    assert erasure.trimmed_bytes
    assert bench.shut()
    assert bench.there() == {OTHER, FACTS}
    with bench.opened() as session:
        seen = session.examine([OTHER], quiet)
        assert seen.rehashes[OTHER].measured == bench.stored(OTHER).measured


def test_a_journal_that_was_not_closed_is_replayed_and_the_files_read_again(bench: EraseBench) -> None:
    """Mounting to write repairs the file system; what is erased was the same afterwards."""
    subprocess.run(["debugfs", "-w", "-R", "feature needs_recovery", bench.node], check=True, capture_output=True)
    assert bench.erase(CLIP, OTHER).files == 2
    assert bench.there() == {FACTS}


def test_signs_of_life_come_while_it_works(bench: EraseBench) -> None:
    """Whoever waits learns that the camera still answers."""
    heard: list[int] = []
    with bench.opened() as session:
        session.examine([CLIP, OTHER], heard.append)
    assert heard
    assert all(count > 0 for count in heard)


def test_many_wanted_files_with_long_names_fit_into_frames(bench: EraseBench) -> None:
    """Each path may have 4096 bytes; what is not on the camera is not read."""
    paths = [b"DCIM/%d/" % number + b"x" * 4000 for number in range(50)] + [b"DCIM/%d" % number for number in range(3000)]
    with bench.opened() as session:
        assert session.examine([*paths, CLIP], quiet).rehashes.keys() == {CLIP}


Attack = Callable[[EraseBench, client.Session, told.Examined], object]


def demanding(*demands: wire.Demand) -> Attack:
    """Erase these."""
    return lambda bench, session, seen: session.erase("d1", Method.DELETE, demands, quiet)


def with_another_key(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """A forged statement."""
    bench.notary = Notary()
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce)], quiet)


def with_an_older_nonce(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """A statement that was true in an earlier examination."""
    session.examine([CLIP], quiet)
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce)], quiet)


def with_a_receipt(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """What the archive once held is not what it holds."""
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce, kind=StatementKind.RECEIPT)], quiet)


def of_another_camera(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """A true statement, about another camera's recording."""
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce, camera="CAM-2")], quiet)


def of_another_dock(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """A true statement, to another dock."""
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce, dock="dock-2")], quiet)


def about_other_bytes(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """The archive holds something, but not this."""
    bench.content[CLIP] = b"something else"
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce)], quiet)


def with_the_others_statement(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """One recording's proof for another's path."""
    session.erase("d1", Method.DELETE, [replace_demand(bench.demand(OTHER, seen.nonce), CLIP)], quiet)


def replace_demand(demand: wire.Demand, path: bytes) -> wire.Demand:
    """The same for another path."""
    return wire.Demand(demand.recording_id, path, demand.stored, demand.envelope)


def a_file_that_was_not_examined(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """It is on the camera, but nobody read it again."""
    bench.content[FACTS] = f"serial: {SERIAL}\n".encode()
    session.erase("d1", Method.DELETE, [bench.demand(FACTS, seen.nonce)], quiet)


def by_a_crooked_path(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """Another spelling of a path that was examined."""
    for spelling in (b"DCIM/../" + CLIP, b"/" + CLIP, b"DCIM//100MEDIA/CLIP0001.MP4", b"../../etc/passwd"):
        with pytest.raises(ClearanceRefusedError, match="not examined"):
            session.erase("d1", Method.DELETE, [replace_demand(bench.demand(CLIP, seen.nonce), spelling)], quiet)
    msg = "each was refused"
    raise ClearanceRefusedError(msg)


def twice(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """One recording, two demands."""
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce)] * 2, quiet)


def without_a_demand(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """Nothing proved, so nothing erased."""
    session.erase("d1", Method.DELETE, [], quiet)


def more_than_the_site_allows(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """The site file says delete."""
    session.erase("d1", Method.CLEAR, [bench.demand(CLIP, seen.nonce), bench.demand(OTHER, seen.nonce)], quiet)


def with_one_lie_among_truths(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """Somebody is lying, so nothing goes, the proved one neither."""
    demand = bench.demand(OTHER, seen.nonce)
    lie = wire.Demand(demand.recording_id, OTHER, demand.stored, b"{}")
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce), lie], quiet)


def after_somebody_placed_a_hold(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """Another client, in the middle."""
    client.place_hold("camera", SERIAL, "uid 0", "a court asks", path=bench.helper.path)
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce)], quiet)


def with_the_camera_swapped(bench: EraseBench, session: client.Session, seen: told.Examined) -> None:
    """Another one is in the bay by now."""
    shutil.rmtree(bench.device)
    (bench.helper.port.root / "bus/usb/devices" / bench.device.name).unlink()
    for link in (bench.helper.port.root / "bus/usb/devices").glob(f"{bench.device.name}:*"):
        link.unlink()
    (bench.helper.port.root / "class/block" / bench.node.name).unlink()
    bench.helper.port.disk(bench.helper.port.plug(BULK, number=6), bench.node)
    session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce)], quiet)


ATTACKS: list[tuple[Attack, type[DockError], str]] = [
    (with_another_key, ProofRefusedError, "signature"),
    (with_an_older_nonce, ProofRefusedError, "nonce"),
    (with_a_receipt, ProofRefusedError, "type"),
    (of_another_camera, ProofRefusedError, "camera"),
    (of_another_dock, ProofRefusedError, "dock"),
    (about_other_bytes, ClearanceRefusedError, "not those that the archive holds"),
    (with_the_others_statement, ClearanceRefusedError, "not those that the archive holds"),
    (a_file_that_was_not_examined, ClearanceRefusedError, "not examined"),
    (by_a_crooked_path, ClearanceRefusedError, "each was refused"),
    (twice, ClearanceRefusedError, "demanded twice"),
    (without_a_demand, ClearanceRefusedError, "nothing on camera"),
    (more_than_the_site_allows, ClearanceRefusedError, "more than this dock's site file"),
    (with_one_lie_among_truths, ProofRefusedError, "not a DSSE envelope"),
    (after_somebody_placed_a_hold, ClearanceRefusedError, "on hold"),
    (with_the_camera_swapped, CameraGoneError, "no longer holds the camera"),
]


@pytest.mark.parametrize(("attack", "error", "words"), ATTACKS, ids=[each[0].__name__ for each in ATTACKS])
def test_a_daemon_that_was_taken_over_erases_nothing(
    bench: EraseBench, attack: Attack, error: type[DockError], words: str
) -> None:
    """Whatever it says, both recordings are still there and the disk was never open for writing when it ends."""
    with bench.opened() as session:
        seen = session.examine([CLIP, OTHER], quiet)
        with pytest.raises(error, match=words):
            attack(bench, session, seen)
    assert bench.shut()
    assert bench.there() == EVERYTHING


def test_one_examination_serves_one_erasing(bench: EraseBench) -> None:
    """What was said once cannot be said again, in this session or in another."""
    with bench.opened() as session:
        seen = session.examine([CLIP, OTHER], quiet)
        session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce)], quiet)
        with pytest.raises(ClearanceRefusedError, match="not examined"):
            session.erase("d1", Method.DELETE, [bench.demand(OTHER, seen.nonce)], quiet)
    with bench.opened() as session, pytest.raises(ClearanceRefusedError, match="not examined"):
        session.erase("d1", Method.DELETE, [bench.demand(OTHER, seen.nonce)], quiet)
    with bench.helper.session() as session, pytest.raises(ClearanceRefusedError, match="no camera is open"):
        session.erase("d1", Method.DELETE, [], quiet)
    assert bench.there() == {OTHER, FACTS}


def test_a_promise_that_has_ended_erases_nothing(bench: EraseBench) -> None:
    """An archive that may have let it go by now is no ground, however fresh its word."""
    with bench.opened() as session:
        seen = session.examine([CLIP], quiet)
        stored = bench.stored(CLIP)
        statement = bench.notary.statement(stored, kind=StatementKind.HOLDING, nonce=seen.nonce, camera=SERIAL)
        ended = replace(statement, time=NOW - timedelta(days=800), retain_until=NOW - timedelta(days=400))
        demand = wire.Demand(stored.recording_id, CLIP, stored, bench.notary.key.envelope(ended))
        with pytest.raises(ProofRefusedError, match="no longer bound"):
            session.erase("d1", Method.DELETE, [demand], quiet)
    assert bench.there() == EVERYTHING


@pytest.mark.parametrize("method", [Method.NEVER, Method.CLEAR])
def test_no_other_method_passes_for_deleting(bench: EraseBench, method: Method) -> None:
    """`never` is no method, and the policy is an upper bound."""
    with pytest.raises(ClearanceRefusedError):
        bench.erase(CLIP, method=method)
    assert bench.there() == EVERYTHING


SAYING: dict[str, Callable[[Permitted], Permitted]] = {
    "site": lambda known: replace(known, erase=Method.NEVER),
    "profile": lambda known: replace(known, profiles=(replace(PROFILE, erase=Erasing(Method.NEVER)),)),
    "archive": lambda known: replace(known, keys=()),
}


@pytest.mark.parametrize("saying", sorted(SAYING))
def test_where_root_said_never_a_camera_is_not_even_examined(helper: HelperHere, tmp_path: Path, saying: str) -> None:
    """The site file decides, and the profile; and where the archive signs nothing, nothing proves anything."""
    notary = Notary()
    helper.start(permitted=lambda: SAYING[saying](permitted(notary)))
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as bench:
        with bench.opened() as session, pytest.raises(ClearanceRefusedError, match=r"nothing be erased|signs nothing"):
            session.examine([CLIP], quiet)
        assert bench.shut()


@pytest.mark.parametrize("method", [Method.DELETE, Method.CLEAR])
def test_the_daemons_word_is_enough_where_the_site_file_says_so(helper: HelperHere, tmp_path: Path, method: Method) -> None:
    """An archive that signs nothing may promise to keep nothing; a promise that it made and that ended is none, all the same."""
    notary = Notary()
    helper.start(permitted=lambda: replace(permitted(notary, erase=Method.CLEAR), keys=(), unsigned=True))
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as bench:

        def demand(path: bytes, nonce: str, until: datetime | None = None) -> wire.Demand:
            stored = bench.stored(path)
            return wire.Demand(stored.recording_id, path, stored, looked_at(stored, nonce, camera=SERIAL, retain_until=until))

        with bench.opened() as session:
            seen = session.examine([CLIP], quiet)
            with pytest.raises(ProofRefusedError, match="no longer bound"):
                session.erase("d1", Method.DELETE, [demand(CLIP, seen.nonce, NOW + timedelta(seconds=1))], quiet)
            seen = session.examine([CLIP], quiet)
            with pytest.raises(ProofRefusedError, match="nonce"):
                session.erase("d1", Method.DELETE, [demand(CLIP, "ab" * 16)], quiet)
        assert bench.there() == EVERYTHING
        with bench.opened() as session:
            seen = session.examine([CLIP, OTHER], quiet)
            done = session.erase("d1", method, [demand(path, seen.nonce) for path in (CLIP, OTHER)], quiet)
            assert (done.erasure.method, done.erasure.files) == (method, 2)
        assert bench.there() == {FACTS}


def test_a_pinned_key_is_never_passed_by(helper: HelperHere, tmp_path: Path) -> None:
    """Where an archive can sign, what it did not sign is nothing, whatever else the site file says."""
    notary = Notary()
    helper.start(permitted=lambda: replace(permitted(notary), unsigned=True))
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as bench, bench.opened() as session:
        seen, stored = session.examine([CLIP], quiet), bench.stored(CLIP)
        word = wire.Demand(stored.recording_id, CLIP, stored, looked_at(stored, seen.nonce, camera=SERIAL))
        with pytest.raises(ProofRefusedError, match="proves nothing"):
            session.erase("d1", Method.DELETE, [word], quiet)


def test_a_file_that_the_camera_does_not_give_up_is_told_and_the_disk_shut(bench: EraseBench) -> None:
    """An error in the middle leaves the camera readable and write-blocked, and says what happened."""
    subprocess.run(
        ["debugfs", "-w", "-R", f"set_inode_field {OTHER.decode()} flags 0x80010", bench.node], check=True, capture_output=True
    )
    with pytest.raises(EraseFailedError, match="does not delete"):
        bench.erase(CLIP, OTHER)
    assert bench.shut()
    assert bench.there() >= {OTHER, FACTS}


def test_another_disk_is_never_written_to(bench: EraseBench, tmp_path: Path) -> None:
    """Neither the system's, nor what stands under the same name: only what was opened and examined."""
    before = ext4_image(tmp_path / "system").read_bytes()
    with loop_device(tmp_path / "system") as system, bench.helper.session() as session:
        with pytest.raises(CameraGoneError, match="is not in this bay"):
            session.open(BAY, replace(bench.volume, diskseq=int(Path("/sys/class/block", system.name, "diskseq").read_text())))
        with pytest.raises(ClearanceRefusedError, match="no camera is open"):
            session.examine([CLIP], quiet)
    assert (tmp_path / "system").read_bytes() == before


def test_a_camera_that_somebody_looks_into_is_not_examined(bench: EraseBench) -> None:
    """A descriptor of the old mount would show what was remembered."""
    with bench.helper.session() as session:
        root = session.open(BAY, bench.volume)
        with pytest.raises(CameraUnknownError, match="still in use"):
            session.examine([CLIP], quiet)
        os.close(root)
        assert session.examine([CLIP], quiet).rehashes


def test_holds_are_placed_listed_and_lifted(bench: EraseBench) -> None:
    """Each with who and why; a recording's hold keeps that recording alone."""
    path = bench.helper.path
    client.place_hold("recording", "CLIP0001.MP4", "uid 0", "a court asks", path=path)
    (hold,) = client.list_holds(path=path)
    assert (hold.scope, hold.subject, hold.by, hold.reason) == ("recording", "CLIP0001.MP4", "uid 0", "a court asks")
    with pytest.raises(ClearanceRefusedError, match="must stay: on hold"):
        bench.erase(CLIP, OTHER)  # all that is asked for or nothing: the daemon would take both for erased
    assert bench.erase(OTHER).files == 1
    assert bench.there() == {CLIP, FACTS}
    client.lift_hold("recording", "CLIP0001.MP4", "uid 0", "released", path=path)
    assert client.list_holds(path=path) == ()
    with pytest.raises(DockError, match="is not on hold"):
        client.lift_hold("recording", "CLIP0001.MP4", "uid 0", "released", path=path)
    assert bench.erase(CLIP).files == 1


@pytest.mark.parametrize(
    ("scope", "subject", "kept"),
    [
        ("officer", "a smith", True),
        ("time", "2020-01-01T00:00:00Z/..", True),
        ("time", "../2020-01-01T00:00:00Z", False),
        ("time", "2099-01-01T00:00:00Z/..", False),
    ],
)
def test_the_helper_itself_judges_officer_and_time(
    helper: HelperHere, tmp_path: Path, scope: wire.Scope, subject: str, *, kept: bool
) -> None:
    """By the roster in its own file and the times on the camera; a span that was over long before, or is to come, keeps none."""
    notary = Notary()
    helper.start(permitted=lambda: replace(permitted(notary), officers={SERIAL: "A. Smith"}))
    image = ext4_image(tmp_path / "card")
    with erase_bench(helper, image, notary) as bench:
        client.place_hold(scope, subject, "uid 0", "complaint", case="2026-119", path=helper.path)
        if not kept:
            assert bench.erase(CLIP).files == 1
            return
        with pytest.raises(ClearanceRefusedError, match="on hold"):
            bench.erase(CLIP)
        assert CLIP in bench.there()
        with pytest.raises(DockError, match="not on hold"):
            client.lift_hold(scope, subject, "uid 0", "closed", path=helper.path)
        client.lift_hold(scope, subject, "uid 0", "closed", case="2026-119", path=helper.path)
        assert bench.erase(CLIP).files == 1


def test_a_hold_that_means_nothing_is_not_taken(bench: EraseBench) -> None:
    """The helper says so at once, for one that it could not understand later would keep every camera."""
    with pytest.raises(DockError, match="keeps nothing"):
        client.place_hold("time", "yesterday", "uid 0", "why", path=bench.helper.path)
    assert client.list_holds(path=bench.helper.path) == ()


def test_a_hold_that_a_newer_version_wrote_keeps_everything(bench: EraseBench) -> None:
    """What is not understood is still a hold."""
    client.place_hold("camera", "C9", "uid 0", "why", path=bench.helper.path)
    (file,) = (bench.helper.folder / "state/holds").iterdir()
    file.write_bytes(file.read_bytes().replace(b'"camera"', b'"planet"'))
    with pytest.raises(ClearanceRefusedError, match="does not understand one of its own holds"):
        bench.erase(CLIP)


def asked_as(uid: int, state: Path, request: wire.AnyRequest) -> wire.AnyReply:
    """What a client of that user is answered; the kernel says who it is, so the session is told."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs:
            Session(theirs, uid, lambda: permitted(Notary()), Sysfs(), state, state=state).serve()

    thread = threading.Thread(target=serve)
    thread.start()
    with ours:
        ours.sendall(wire.frame(request))
        reply, _ = wire.next_reply(ours)
    thread.join()
    return reply


def test_the_daemons_user_places_a_hold_and_cannot_lift_it(tmp_path: Path) -> None:
    """Whoever may act may hold; only an admin lifts."""
    assert isinstance(asked_as(990, tmp_path / "a", wire.PlaceHold("camera", SERIAL, "x", "y")), wire.Noted)
    refused = asked_as(990, tmp_path / "a", wire.LiftHold("camera", SERIAL, "x", "y"))
    assert isinstance(refused, wire.Refused)
    assert "only root" in refused.message
    assert isinstance(asked_as(0, tmp_path / "a", wire.LiftHold("camera", SERIAL, "x", "y")), wire.Noted)


def test_a_hold_that_nobody_can_read_is_still_a_hold(bench: EraseBench) -> None:
    """What is damaged in the helper's own folder keeps every camera."""
    client.place_hold("camera", "CAM-9", "uid 0", "y", path=bench.helper.path)
    (kept,) = (bench.helper.folder / "state/holds").iterdir()
    kept.write_bytes(b"{")
    with pytest.raises(ClearanceRefusedError, match="cannot read its own holds"):
        bench.erase(CLIP)
    assert bench.there() == EVERYTHING


def test_more_names_than_any_camera_has_are_not_kept_in_mind(bench: EraseBench) -> None:
    """A client that wants them wants the helper's memory."""
    with bench.opened() as session:
        batches = (tuple(b"%d/%d/" % (number, index) + b"y" * 4000 for index in range(7)) for number in range(3000))
        with pytest.raises(ClearanceRefusedError, match="more files are wanted"):
            wanting(session, batches)
    assert bench.there() == EVERYTHING


def wanting(session: client.Session, batches: Iterable[tuple[bytes, ...]]) -> None:
    """Want all of these, and examine nothing."""
    for batch in batches:
        assert list(session.answers(wire.Want(batch))) == []


def test_statements_have_a_limit_together(helper: HelperHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As each has one for itself."""
    monkeypatch.setattr(erasing, "_MOST_STATEMENT_BYTES", 1000)
    notary = Notary()
    helper.start(permitted=lambda: permitted(notary))
    with erase_bench(helper, ext4_image(tmp_path / "card"), notary) as bench:
        with pytest.raises(ClearanceRefusedError, match="more is said"):
            bench.erase(CLIP, OTHER)
        assert bench.there() == EVERYTHING


def test_a_file_that_a_repair_changes_is_not_deleted(bench: EraseBench) -> None:
    """What a replayed journal brings to light was never archived."""
    subprocess.run(["debugfs", "-w", "-R", "feature needs_recovery", bench.node], check=True, capture_output=True)
    with bench.opened() as session:
        seen = session.examine([CLIP], quiet)
        # What the journal would do: the same file, other bytes.
        place = bench.image.read_bytes().index(CONTENT[CLIP][:20])
        with bench.image.open("r+b") as disk:
            disk.seek(place)
            disk.write(b"X")
        with pytest.raises(ClearanceRefusedError, match="another file since"):
            session.erase("d1", Method.DELETE, [bench.demand(CLIP, seen.nonce)], quiet)
    assert bench.shut()
    assert bench.there() == EVERYTHING


def test_holds_that_cannot_be_written_are_told(bench: EraseBench) -> None:
    """Whoever places a hold learns that it does not stand."""
    state = bench.helper.folder / "state"
    state.mkdir(exist_ok=True)
    (state / "holds").write_text("in the way")
    with pytest.raises(WorkerError, match="could not be written down"):
        client.place_hold("camera", SERIAL, "uid 0", "y", path=bench.helper.path)
    with pytest.raises(ClearanceRefusedError, match="cannot read its own holds"):
        client.list_holds(path=bench.helper.path)
