"""The bench can be run, and says everything that it promises; what the figures are is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.camera_fs import fuse_missing

_PROMISED = {
    "offload": (
        "cp+sync+b3sum, caches dropped",
        "cp+sync+b3sum, caches as cp left",
        "rsync",
        "rclone",
        "processor time",
        "memory",
    ),
    "small-files": ("cp+sync+b3sum", "rsync", "rclone", "recordings a second"),
    "upload": ("curl -T", "receipt", "tuspy", "aiotus", "tus-js-client", "processor time of dockd", "sent again", "memory"),
    "s3": ("rclone", "boto3", "sent again after each break", "memory"),
    "bays": ("line rate", "processor", "PSS", "event loop"),
    "daemon": ("insertion to first byte", "idle", "start to ready", "peak with a file", "files, against"),
    "custody": ("of the offload's time", "checking all entries", "without any package"),
    "charging": ("ready at shift start", "until the last is ready"),
    "kiosk": ("processor for one reader", "fact to drawn tile", "first paint", "size of the page"),
}


@pytest.mark.skipif(bool(fuse_missing()), reason="FUSE is not to be had here")
@pytest.mark.timeout(600)  # all parts one after the other, beside whatever else runs
def test_every_promised_figure_is_measured_and_marked_as_quick(tmp_path: Path) -> None:
    """A quick run writes one JSON file for each part, with every figure, the machine's facts and the mark that it was quick."""
    command = [sys.executable, "-m", "tests.bench", "--quick", "--work", str(tmp_path / "bench"), "--out", str(tmp_path / "out")]
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for part, promised in _PROMISED.items():
        result = json.loads((tmp_path / "out" / f"{part}.json").read_text())
        assert result["quick"] is True
        assert result["machine"]["cores"] > 0
        names = [figure["name"] for figure in result["figures"]]
        assert [words for words in promised if not any(words in name for name in names)] == []
        assert all(isinstance(figure["value"], int | float) for figure in result["figures"])
        assert all((figure["met"] is None) == (figure["target"] == "") for figure in result["figures"])
