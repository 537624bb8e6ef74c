"""What the self-test finds out about archives, good, strange, dishonest and gone."""

from dataclasses import replace

import pytest

from dockd.archive.probe import probe
from dockd.archive.settings import TusSettings
from dockd.control.fitness import archive_checks
from dockd.core.fitness import Grade
from dockd.dsse import SigningKey
from tests.sim.consignments import HurriedClock
from tests.sim.tus_server import Canned, Checksums, TusServer

GOOD, LOOK, BAD = Grade.GOOD, Grade.LOOK, Grade.BAD


async def _grades(settings: TusSettings) -> dict[str, tuple[Grade, str]]:
    checks = archive_checks(await probe(settings, HurriedClock()))
    assert all(bool(each.cure) == (each.grade is not GOOD) for each in checks)
    return {each.part: (each.grade, each.reason) for each in checks}


async def test_a_good_archive_is_good_in_every_way_and_keeps_nothing(settings: TusSettings, server: TusServer) -> None:
    """It is there, signs with the pinned key, refuses a wrong checksum, and the canary is withdrawn."""
    found = await _grades(settings)
    assert {part: grade for part, (grade, _) in found.items()} == {"archive": GOOD, "receipt key": GOOD, "honesty": GOOD}
    assert "wrong blake3 checksum" in found["honesty"][1]
    assert server.uploads == {}


@pytest.mark.parametrize("checksums", [Checksums.IGNORED, Checksums.ABSENT])
async def test_an_archive_that_checks_nothing_wants_a_look(
    settings: TusSettings, server: TusServer, checksums: Checksums
) -> None:
    """Its receipts still prove; but whoever runs it should know."""
    server.wrong.checksums = checksums
    assert (await _grades(settings))["honesty"][0] is LOOK


async def test_an_archive_with_another_key_is_there_and_not_fit(settings: TusSettings) -> None:
    """Nothing that it signs would ever be a proof."""
    found = await _grades(replace(settings, pinned_keys=(SigningKey.generate().public_text,)))
    assert (found["archive"][0], found["receipt key"][0]) == (GOOD, BAD)
    assert "does not pin" in found["receipt key"][1]
    assert "honesty" not in found


async def test_an_archive_that_refuses_the_token_is_not_fit(settings: TusSettings, server: TusServer) -> None:
    """In its own words."""
    server.wrong.canned = [Canned("POST", 403, text="no dock of ours")]
    found = await _grades(settings)
    assert (found["archive"][0], found["receipt key"][0]) == (BAD, GOOD)
    assert "no dock of ours" in found["archive"][1]


async def test_an_archive_that_is_away_is_not_fit(settings: TusSettings, server: TusServer) -> None:
    """Nothing else can be said of it then; a hotel's login page is no archive either."""
    server.wrong.captive = True
    assert {part: grade for part, (grade, _) in (await _grades(settings)).items()} == {"archive": BAD}
    await server.stop()
    assert {part: grade for part, (grade, _) in (await _grades(settings)).items()} == {"archive": BAD}


async def test_a_plain_tus_server_proves_nothing() -> None:
    """It takes uploads, and no recording would ever count as archived."""
    async with TusServer() as plain:
        settings = TusSettings(plain.url, "dock-1", (SigningKey.generate().public_text,), archive_id="plain")
        found = await _grades(settings)
    assert (found["archive"][0], found["receipt key"][0]) == (GOOD, BAD)
