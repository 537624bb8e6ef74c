"""What a whole run of the tests tells at its end."""

import os
import secrets
import signal

import hypothesis
import pytest

from tests.crash import tally


def pytest_configure() -> None:
    """Name this run, for itself and for the processes that it spreads over."""
    os.environ.setdefault(tally.RUN, secrets.token_hex(8))
    # A shell starts what runs in its background with Ctrl-C ignored, nohup what it runs with a terminal's end ignored, and
    # whatever that starts would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # A loaded machine makes an example slow once and never again: no test here is about time.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the crash tests of this run counted."""
    words = tally.told()
    if words:
        terminalreporter.write_line(words)
