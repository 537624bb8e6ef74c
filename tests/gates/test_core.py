"""The core decides and does nothing else."""

import sys

from tests.gates.source import imported, modules

_EFFECTS = {
    *("asyncio", "concurrent", "multiprocessing", "queue", "select", "signal", "subprocess", "threading"),
    *("glob", "io", "os", "pathlib", "shutil", "sqlite3", "tempfile", "fcntl", "mmap"),
    *("http", "socket", "ssl", "urllib.request"),
    *("logging", "random", "secrets", "time", "uuid"),
}
"""What touches the world, waits, or gives another answer each time."""


def test_the_core_imports_only_the_standard_library_the_core_and_the_errors() -> None:
    """No decision depends on a package that somebody else may change."""
    for name, tree in modules().items():
        if name.startswith("dockd/core/"):
            foreign = {
                each
                for each in imported(tree)
                if each.partition(".")[0] not in sys.stdlib_module_names and not each.startswith(("dockd.core", "dockd.errors"))
            }
            assert not foreign, name


def test_the_core_touches_nothing() -> None:
    """No module of the core reads, writes, waits, or draws a random number."""
    for name, tree in modules().items():
        if name.startswith("dockd/core/"):
            assert not {each for each in imported(tree) if each in _EFFECTS or each.partition(".")[0] in _EFFECTS}, name
