"""What the dock's monitoring reads: every metric documented, every alert and every panel made of metrics that there are."""

import asyncio
import json
import re
import socket
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from dockd.errors import JournalError
from dockd.web.lists import Totals
from dockd.web.metrics import application, exposition, serve_metrics
from dockd.web.view import ConfigurationView, SpoolView, StatusView
from tests.sim.consignments import HurriedClock
from tests.sim.control_backend import STATUS

ROOT = Path(__file__).parents[3]
RULES = ROOT / "packaging" / "prometheus" / "dockd.rules.yaml"
TOTALS = Totals(copied_bytes=7, sent_bytes=5, entries=42)


class Source:
    """A dock that says what the test says."""

    def __init__(self) -> None:
        self.told = STATUS
        self.error: JournalError | None = None

    async def status(self) -> StatusView:
        """As told."""
        return self.told

    async def totals(self) -> Totals:
        """Fixed, or the journal fails."""
        if self.error is not None:
            raise self.error
        return TOTALS


@pytest.fixture
def source() -> Source:
    """A good dock."""
    return Source()


@pytest.fixture
async def client(source: Source) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of its metrics."""
    made = web.Application()
    runner = web.AppRunner(made)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    await runner.cleanup()
    runner = web.AppRunner(application(source, port))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session
    await runner.cleanup()


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Name and label values of each sample, in the order of the labels' names, and its value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_status_becomes_numbers() -> None:
    """Each with its unit in its name, and nothing that names a camera or a person."""
    text = exposition(STATUS, TOTALS).decode()
    told = samples(text)
    assert told["dockd_bay_lamp", "1", "leave"] == 1
    assert told["dockd_bay_lamp", "2", "empty"] == 1
    assert sum(value for (name, *_), value in told.items() if name == "dockd_bay_lamp") == 2
    assert (told["dockd_files", "seen"], told["dockd_queue_bytes",], told["dockd_archive_up",]) == (1, 5, 1)
    names = ("dockd_custody_entries_total", "dockd_copied_bytes_total", "dockd_sent_bytes_total")
    assert [told[name,] for name in names] == [42, 7, 5]
    assert told["dockd_archive_changed_timestamp_seconds",] == datetime(2026, 11, 24, 19, tzinfo=UTC).timestamp()
    assert told["process_resident_memory_bytes",] > 1_000_000
    assert "X1" not in text


def test_every_metric_is_documented_with_its_kind_labels_and_words() -> None:
    """docs/metrics.md has a row for each, and none that does not exist."""
    text = (ROOT / "docs/metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(dockd_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", text, re.MULTILINE)
    documented = {name: (kind, labels, words) for name, kind, labels, words in rows}
    found = {}
    for family in text_string_to_metric_families(exposition(STATUS, TOTALS).decode()):
        if family.name.startswith("dockd_"):
            labels = ", ".join(f"`{label}`" for label in family.samples[0].labels)
            found[family.samples[0].name] = (family.type, labels, family.documentation)
    assert documented == found


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in a PromQL expression."""
    return set(re.findall(r"\b((?:dockd|process)_[a-z_]+|up)\b", re.sub(r"\{[^}]*\}", "", expression)))


def known() -> set[str]:
    """Every name that a sample can have."""
    return {name for name, *_ in samples(exposition(STATUS, TOTALS).decode())} | {"up"}


def test_alerts_are_made_of_metrics_that_there_are() -> None:
    """And each has its test."""
    alerts = [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]
    assert not {name for rule in alerts for name in metrics_in(rule["expr"])} - known()
    played = RULES.with_name("dockd.rules.test.yaml").read_text("utf-8")
    for rule in alerts:
        assert f"- name: {rule['alert']}\n" in played
        assert rule["annotations"]["runbook"] == f"docs/runbook.md, {rule['alert']}"


def test_alerts_fire_when_they_should_and_not_where_all_is_well() -> None:
    """As Prometheus' own tool plays them through."""
    for what, file in (("check", RULES), ("test", RULES.with_name("dockd.rules.test.yaml"))):
        done = subprocess.run(["promtool", what, "rules", str(file)], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_panel_of_the_dashboard_shows_metrics_that_there_are() -> None:
    """And no panel is empty."""
    dashboard = json.loads((ROOT / "packaging/grafana/dockd.json").read_text("utf-8"))
    for panel in dashboard["panels"]:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert metrics_in(target["expr"]), target["expr"]
            assert not metrics_in(target["expr"]) - known(), panel["title"]
    for variable in dashboard["templating"]["list"]:
        assert not metrics_in(str(variable.get("query"))) - known()


async def test_metrics_and_health_are_served(client: aiohttp.ClientSession) -> None:
    """In Prometheus' own format, for programs that know nothing of dockd."""
    async with client.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert samples(await answer.text())["dockd_build_info", "0.1.0"] == 1
    async with client.get("/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")
    async with client.get("/readyz") as answer:
        assert (answer.status, await answer.text()) == (200, "ready\n")


async def test_a_dock_that_takes_no_camera_is_not_ready(client: aiohttp.ClientSession, source: Source) -> None:
    """With the reason, while it is as alive as ever."""
    source.told = msgspec.structs.replace(STATUS, spool=SpoolView(0, 1, 1), configuration=ConfigurationView(error="no"))
    async with client.get("/readyz") as answer:
        assert (answer.status, await answer.text()) == (503, "the spool is full: nothing can be copied\n")
    source.error = JournalError("the journal is away")
    async with client.get("/readyz") as answer:
        assert (answer.status, await answer.text()) == (503, "the journal is away\n")
    async with client.get("/healthz") as answer:
        assert answer.status == 200


async def test_strangers_names_are_refused(client: aiohttp.ClientSession) -> None:
    """A web page somewhere whose name was rebound to loopback reads nothing here."""
    async with client.get("/metrics", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 421
    async with client.post("/metrics") as answer:
        assert answer.status == 405


async def test_a_port_that_somebody_else_has_is_waited_for(source: Source) -> None:
    """No monitoring holds up a dock: it is served as soon as the port is free, and given back at the end."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]

    class Freed(HurriedClock):
        """Whoever waits finds the port free."""

        async def sleep(self, seconds: float) -> None:
            """Once it was tried in vain."""
            taken.close()
            await super().sleep(seconds)

    clock = Freed()
    serving = asyncio.create_task(serve_metrics(port, source, clock))
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                    assert answer.status == 200
                    break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0)
    assert clock.slept_s
    serving.cancel()
    await asyncio.wait([serving])
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
