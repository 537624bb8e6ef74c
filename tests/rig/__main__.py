"""`python -m tests.rig [SUITE...] [screen]`: builds what the scenarios start from, the releases beside each other."""

import asyncio
import subprocess
import sys
import time

from tests.rig.image import SCREEN, SUITES, RigError, image
from tests.rig.outside import own_network
from tests.rig.prepared import prepared

_SCREEN = "screen"


def main(words: list[str]) -> int:
    """Prepare these releases, all without any named; the newest of all also with a screen if that is said."""
    suites, more = [each for each in words if each != _SCREEN], [each for each in words if each == _SCREEN]
    if len(suites) != 1:
        each_one = [subprocess.Popen([sys.executable, "-m", "tests.rig", suite, *more]) for suite in suites or sorted(SUITES)]
        return max(process.wait() for process in each_one)
    (suite,) = suites
    began_s = time.monotonic()
    try:
        # Images are the only part that takes the network. Only the newest release gets a screen (tests/rig/scenario_kiosk.py).
        image(suite)
        if more and suite == max(SUITES):
            image(suite, SCREEN)
        own_network()
        made = asyncio.run(prepared(suite))
    except RigError as exc:
        sys.stderr.write(f"rig: {exc}\n")
        return 1
    sys.stdout.write(f"rig: Debian {suite} is ready in {made.folder} after {time.monotonic() - began_s:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
