"""One log line for each unit of work: for people on a terminal, JSON for everything else."""

import logging
import sys

if "rich" in sys.modules:
    import structlog
else:
    # structlog loads rich where it is installed, to draw exceptions that dockd never has drawn; 7 MB in each daemon. None in this
    # place makes the import fail (docs.python.org, "sys.modules"), and structlog does without.
    sys.modules["rich"] = None  # type: ignore[assignment]  # typeshed knows no such None
    import structlog

    del sys.modules["rich"]

logger = structlog.get_logger
"""A module's log. Imported from here before any other structlog is, so that the above holds."""


def speak(least: int = logging.INFO) -> None:
    """Set up this process's log on standard error; systemd's journal takes it from there.

    Args:
        least: what is of less weight is not said. A verb that does for itself what the daemon does says warnings alone.
    """
    to_person = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if to_person else structlog.processors.JSONRenderer(sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
