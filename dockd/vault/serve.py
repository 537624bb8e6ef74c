"""Runs one vault as a process: opens, listens, says that it is ready, and stops within 5 s when told."""

import asyncio
import ipaddress
import os
import signal
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from dockd.clock import Clock
from dockd.errors import VaultError
from dockd.ready import heartbeat, notify
from dockd.vault.http import Door
from dockd.vault.service import Vault, VaultSettings

_READ_BUFFER_BYTES = 1024 * 1024
_HEADER_LIMIT_BYTES = 64 * 1024  # a path of 4096 bytes, percent-encoded and then base64
_GRACE_S = 2.0
_STUCK_S = 4.0

_log = structlog.get_logger("dockd.vault")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and as whom.

    Attributes:
        certificate, private_key: PEM files; without them only loopback is served.
        client_ca: PEM file; with it every dock must show a certificate of this authority.
    """

    host: str
    port: int
    certificate: Path | None = None
    private_key: Path | None = None
    client_ca: Path | None = None


def is_loopback(host: str) -> bool:
    """Whether `host` cannot be reached from another machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_context(listening: Listening) -> ssl.SSLContext | None:
    """TLS as asked for. Blocks.

    Raises:
        VaultError: plain HTTP on a network, or files that are no certificate and key.
    """
    if listening.certificate is None or listening.private_key is None:
        if not is_loopback(listening.host):
            msg = f"plain HTTP is refused on {listening.host}: it is not loopback"
            raise VaultError(msg, hint="Give --tls-cert and --tls-key, or listen on 127.0.0.1 behind a TLS proxy.")
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(listening.certificate, listening.private_key)
        if listening.client_ca is not None:
            context.load_verify_locations(listening.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as exc:
        msg = f"the TLS files cannot be used: {exc}"
        raise VaultError(msg) from exc
    return context


async def serve(settings: VaultSettings, listening: Listening, clock: Clock) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        VaultError: the store, the key, the address or the TLS files cannot be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tls = await asyncio.to_thread(tls_context, listening)
    vault = await asyncio.to_thread(Vault.open, settings, clock)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(vault.run()), tasks.create_task(heartbeat(clock))]
            await _answer(vault, listening, tls, stop)
            for each in running:
                each.cancel()
    finally:
        await _close(vault)
    _log.info("vault stopped")


def server(vault: Vault) -> web.AppRunner:
    """Aiohttp's server over `vault`, with the limits that belong to it."""
    return web.AppRunner(
        Door(vault).application(),
        access_log=None,
        auto_decompress=False,
        read_bufsize=_READ_BUFFER_BYTES,
        max_line_size=_HEADER_LIMIT_BYTES,
        max_field_size=_HEADER_LIMIT_BYTES,
        shutdown_timeout=_GRACE_S,
    )


async def _answer(vault: Vault, listening: Listening, tls: ssl.SSLContext | None, stop: asyncio.Event) -> None:
    runner = server(vault)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, listening.host, listening.port, ssl_context=tls).start()
        except OSError as exc:
            msg = f"cannot listen on {listening.host}:{listening.port}: {exc}"
            raise VaultError(msg) from exc
        host, port = runner.addresses[0][:2]
        url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        key = vault.signer.key
        _log.info("vault ready", url=url, archive=vault.signer.archive, key=key.public_text, key_id=key.key_id)
        notify(f"READY=1\nSTATUS=Serving {url}")
        await stop.wait()
        notify("STOPPING=1")
        vault.stop()
    finally:
        vault.stop()
        await runner.cleanup()


async def _close(vault: Vault) -> None:
    """Close the vault; a disk that never answers does not keep the process: what is durable does not depend on it."""
    try:
        async with asyncio.timeout(_STUCK_S - _GRACE_S):
            await asyncio.to_thread(vault.close)
    except TimeoutError:
        _log.error("the disk does not answer; leaving without it")
        os._exit(5)
