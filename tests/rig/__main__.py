"""`python -m tests.rig [SUITE...]`: builds what the scenarios start from, and says how long it took."""

import asyncio
import sys
import time

from tests.rig.image import SUITES, RigError
from tests.rig.prepared import prepared


def main(suites: list[str]) -> int:
    """Prepare these releases, all without any named."""
    for suite in suites or sorted(SUITES):
        began_s = time.monotonic()
        try:
            made = asyncio.run(prepared(suite))
        except RigError as exc:
            sys.stderr.write(f"rig: {exc}\n")
            return 1
        sys.stdout.write(f"rig: Debian {suite} is ready in {made.folder} after {time.monotonic() - began_s:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
