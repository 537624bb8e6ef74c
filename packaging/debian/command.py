#!/usr/lib/dockd/bin/python -I
"""The `dockd` command of the Debian package: isolated (-I), so that nothing of the caller's Python leaks into it."""

from dockd.cli import main

if __name__ == "__main__":
    main()
