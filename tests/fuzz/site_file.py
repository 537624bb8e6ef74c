"""Guided by coverage: whatever bytes a site file holds, only ConfigError comes out, and it names the file.

    pip install atheris
    python -m tests.fuzz.site_file -max_total_time=600 -max_len=8192 build/fuzz

The folder keeps what reached new code; begin it with config/*.yaml and tests/unit/config/bad/*.yaml. atheris brings a libFuzzer
of its own and runs for as long as it is let, so it is in no lock and in no `make test`; hypothesis has its place there.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dockd.config", "yaml"]):
    from dockd.config import load_site
    from dockd.errors import ConfigError

_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def once(content: bytes) -> None:
    """Load a site file of these bytes; any error but ConfigError ends the run."""
    path = _FOLDER / "site.yaml"
    path.write_bytes(content)
    try:
        load_site(path)
    except ConfigError as exc:
        if exc.file != str(path):
            raise AssertionError(exc.file) from exc


def main() -> None:
    """Until libFuzzer's own options say that it is enough."""
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
