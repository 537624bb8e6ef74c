"""Metrics and health over HTTP on loopback: read-only, for the machine's own monitoring.

    GET /metrics   what Prometheus reads; docs/metrics.md has every metric, packaging/prometheus alerts made of them
    GET /healthz   200 while the daemon answers at all
    GET /readyz    200 while it would take a camera: the journal answers and the spool has room; 503 with the reason while not

No label is a serial, a name or a path: how many cameras an agency has in trouble is for its monitoring, which ones is not. Bays
are called as in the site file.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Protocol, TypeVar

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dockd.clock import Clock, parse_rfc3339
from dockd.core.readiness import Lamp
from dockd.errors import DockError
from dockd.web.lists import Totals
from dockd.web.loopback import HOST, listen, names
from dockd.web.view import BayView, StatusView

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_GRACE_S = 1.0

_Labels = TypeVar("_Labels", bound=tuple[str, ...])

_log = structlog.get_logger(__name__)


class Source(Protocol):
    """What the metrics are made of."""

    async def status(self) -> StatusView:
        """The state of the dock now."""
        ...

    async def totals(self) -> Totals:
        """What only grows."""
        ...


async def serve_metrics(port: int, source: Source, clock: Clock) -> None:
    """Serve until cancelled. A port that somebody else has is tried again: no monitoring ever holds up a dock."""
    listener = await listen(
        port,
        clock,
        lambda exc: _log.error("metrics cannot be served", port=port, why=exc.strerror, hint="Set metrics.port to a free one."),
    )
    runner = web.AppRunner(
        application(source, listener.getsockname()[1]), access_log=None, shutdown_timeout=_GRACE_S, handle_signals=False
    )
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        _log.info("metrics", url=f"http://{HOST}:{listener.getsockname()[1]}/metrics")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        listener.close()


def application(source: Source, port: int) -> web.Application:
    """Everything that can be asked."""
    hosts = names(port)

    @web.middleware
    async def guard(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if request.host not in hosts:  # a name that was rebound to loopback is a stranger's
            return web.Response(status=421, text="This is for the dock's own machine only.\n")
        return await handler(request)

    async def metrics(_: web.Request) -> web.Response:
        body = exposition(await source.status(), await source.totals())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        try:
            status = await source.status()
            await source.totals()
        except DockError as exc:
            return web.Response(status=503, text=f"{exc.message}\n")
        if not status.spool.free_bytes:
            return web.Response(status=503, text="the spool is full: nothing can be copied\n")
        return web.Response(text="ready\n")

    made = web.Application(middlewares=[guard])
    made.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return made


def exposition(status: StatusView, totals: Totals) -> bytes:
    """In Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(status, totals))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Told(Collector):
    """One status as metrics."""

    def __init__(self, status: StatusView, totals: Totals) -> None:
        self._status, self._totals = status, totals

    def collect(self) -> Iterator[Metric]:
        """Every metric, as docs/metrics.md lists them."""
        status, totals = self._status, self._totals
        yield _gauge("dockd_build_info", "1, with the version of dockd.", {(status.daemon.version,): 1}, "version")
        started_s = parse_rfc3339(status.daemon.started).timestamp()
        yield _gauge("dockd_start_timestamp_seconds", "When the daemon started.", started_s)
        yield from _bays(status.bays)
        states = {(state,): count for state, count in msgspec.structs.asdict(status.recordings).items()}
        yield _gauge("dockd_files", "Recordings and sidecars in the journal, by state.", states, "state")
        queue, spool, archive = status.queue, status.spool, status.archive
        yield _gauge("dockd_queue_files", "Files that are verified and not yet proved.", queue.files)
        yield _gauge("dockd_queue_bytes", "Bytes of these that the archive has not been sent.", queue.bytes)
        yield _gauge("dockd_spool_free_bytes", "Room for copies: neither kept free nor promised.", spool.free_bytes)
        yield _gauge("dockd_spool_used_bytes", "What the recordings in the spool occupy.", spool.used_bytes)
        yield _gauge("dockd_spool_reserved_bytes", "Room promised to copies under way.", spool.reserved_bytes)
        yield _gauge("dockd_spool_encrypted", "1 if the spool's disk is encrypted.", spool.encrypted)
        yield _gauge("dockd_archive_up", "1 unless the last attempt to reach the archive failed.", archive.reachable)
        since_s = parse_rfc3339(archive.since).timestamp() if archive.since else 0
        yield _gauge("dockd_archive_changed_timestamp_seconds", "Since when dockd_archive_up says so; 0 before that.", since_s)
        standing = status.configuration
        yield _gauge("dockd_configuration_pending", "Changes that wait for an admin's acceptance.", len(standing.pending))
        yield _gauge("dockd_configuration_bad", "1 if the site file as it lies there cannot be used.", bool(standing.error))
        yield _gauge("dockd_custody_witnessed_entries", "Custody entries that the archive cosigned.", status.custody.witnessed)
        yield _gauge("dockd_custody_refused", "1 if the archive refuses this dock's custody log.", bool(status.custody.alarm))
        yield _counter("dockd_custody_entries", "Entries of the custody log.", totals.entries)
        yield _counter("dockd_copied_bytes", "Read from cameras since the daemon started.", totals.copied_bytes)
        yield _counter("dockd_sent_bytes", "Handed to the archive since the daemon started.", totals.sent_bytes)


def _bays(bays: tuple[BayView, ...]) -> Iterator[Metric]:
    words = {Lamp.TAKE: "take", Lamp.LEAVE: "leave", Lamp.HELP: "help", None: "empty"}
    lamps = {(bay.bay, word): bay.lamp is lamp for bay in bays for lamp, word in words.items()}
    yield _gauge("dockd_bay_lamp", "1 for what the bay's light says: take, leave, help, or empty.", lamps, "bay", "lamp")
    problems = {(bay.bay,): len(bay.problems) for bay in bays}
    yield _gauge("dockd_bay_problems", "Files on the camera in the bay that need a person.", problems, "bay")


def _gauge(name: str, words: str, value: float | Mapping[_Labels, float], *labels: str) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, one in value.items() if isinstance(value, Mapping) else (((), value),):
        family.add_metric(values, float(one))
    return family


def _counter(name: str, words: str, value: float) -> Metric:
    family = CounterMetricFamily(name, words)
    family.add_metric((), float(value))
    return family
