"""What the crash tests of one run counted together, whichever processes they ran in."""

import fcntl
import json
import os
from pathlib import Path

RUN = "DOCKD_TEST_RUN"
REPORT = Path(__file__).parents[2] / "build" / "crash" / "report.json"


def add(**counts: int) -> None:
    """Add to the counts of this run, in build/crash/report.json."""
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    with REPORT.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        report = json.loads(text) if text else {}
        if report.get("run") != os.environ[RUN]:
            report = {"run": os.environ[RUN]}
        for name, number in counts.items():
            report[name] = report.get(name, 0) + number
        file.truncate(0)
        file.write(json.dumps(report, indent=2) + "\n")


def told() -> str:
    """The counts of this run as one line; empty if it had no crash tests."""
    try:
        report = json.loads(REPORT.read_text())
    except (OSError, ValueError):
        return ""
    if report.get("run") != os.environ[RUN]:
        return ""
    return (
        f"crash: {report['kills']} kills ({report['vault_kills']} of the vault), {report['journeys']} journeys, "
        f"{report['recordings']} recordings, {report['lost']} lost, {report['duplicated']} duplicated, "
        f"{report['erased_unproved']} erased unproved"
    )
