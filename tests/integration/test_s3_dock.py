"""A dock whose archive is an S3 store: what a stranger can check of it, and its admin."""

import asyncio
from pathlib import Path
from typing import Any, cast

from click.testing import CliRunner

from dockd.cli.verify import command as verify
from dockd.core.recording import State
from tests.contract.stands.s3 import client, make_bucket
from tests.sim.cameras import make_camera
from tests.sim.cli_documents import alone, as_described, gaps
from tests.sim.dock_process import DockProcess, Line, Site
from tests.sim.foreign_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, Seaweed


def test_a_dock_at_a_bucket_is_checked_by_a_stranger_and_by_itself(tmp_path: Path) -> None:
    """The bundle says who witnessed nothing, the bucket's checkpoint fits the log, and all is proved again."""
    (tmp_path / "credentials").write_text(f"{ACCESS_KEY}\n{SECRET_KEY}\n")
    (tmp_path / "credentials").chmod(0o600)
    with Seaweed(tmp_path / "store") as store:
        asyncio.run(make_bucket(store.url))
        s3 = {"bucket": BUCKET, "credentials_file": str(tmp_path / "credentials")}
        archive: dict[str, object] = {"kind": "s3", "url": f"{store.url}/", "key": "", "token_file": "", "s3": s3}
        site = Site(erase="never", needs="archived", archive=cast("dict[str, str]", archive))
        with DockProcess(tmp_path / "dock", None, site) as dock:
            make_camera(tmp_path / "camera", "CAM-1", recordings=2, size_bytes=200_000, sidecars=False)
            (tmp_path / "camera").rename(dock.bay(1))
            dock.wait_until(lambda _: len(dock.recordings(State.ARCHIVED)) == 2, why="two recordings archived")
            dock.wait_for("checkpoint deposited", count=2)
            config = ["--config", str(dock.write_site())]
            assert gaps(dock.write_site()) == (0, "the archive proved again that it holds 2 recordings\n")
            assert as_described("report-gaps", gaps(dock.write_site(), "--json")[1]) == {"proved": 2, "missing": []}
            online = alone("config", "check", "--online", "--json", *config)[1]
            assert "archive" in {each["part"] for each in as_described("config-check", online)["world"]}
            last = [each for each in dock.custody() if each["event"] == "log.deposited"][-1]
            (tmp_path / "checkpoint").write_bytes(asyncio.run(_fetched(store, last)))
            code, exported = alone("report", "export", "--whole-log", "--output", tmp_path / "case.zip", *config)
            assert code == 0, exported
            key = alone("report", "key", *config)[1].strip()
        options = ["--dock-key", key, "--against", str(tmp_path / "checkpoint")]
        checked = CliRunner().invoke(verify, [str(tmp_path / "case.zip"), *options])
        assert checked.exit_code == 3, checked.output
        assert "no archive witnessed it, the dock alone signed it" in checked.output
        assert f"{tmp_path / 'checkpoint'} are those with which this log begins" in checked.output


async def _fetched(store: Seaweed, deposited: Line) -> bytes:
    """The checkpoint as the bucket's owner finds it."""
    async with client(store.url) as admin:
        found: Any = await admin.get_object(Bucket=BUCKET, Key=deposited["object"])
        content: bytes = await found["Body"].read()
        return content
