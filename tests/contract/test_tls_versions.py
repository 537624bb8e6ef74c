"""Nothing older than TLS 1.2 is spoken to an archive, whichever kind the site file names."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dockd.clock import SystemClock
from dockd.config import load_site
from dockd.delivery.reaching import bare_archive
from dockd.errors import ArchiveError, ArchiveUnreachableError
from tests.sim.certificates import Authority
from tests.sim.consignments import Watched, consign

SITE = """\
agency: ICE
division: ERO
site: Baltimore
dock: balt-ero-01
time_zone: America/New_York
bays:
  - {{id: "1", directory: {folder}/bay}}
spool: {{directory: {folder}/spool}}
archive: {{ca_file: {folder}/ca/ca.pem, {kind}}}
"""

KINDS = {
    "tus": "kind: tus, url: 'https://127.0.0.1:{port}/files/', id: plain, proof: read-back",
    "s3": "kind: s3, url: 'https://127.0.0.1:{port}/', s3: {{bucket: evidence, credentials_file: {folder}/s3, lock: compliance}}",
}


def speaking(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Of all versions that one alone, with whatever ciphers that takes today."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
        context.minimum_version = version
    return context


class Server:
    """Counts whoever agreed with it on how to speak, and says no more."""

    port = 0
    agreed = 0

    def met(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """It is called once TLS stands."""
        self.agreed += 1
        writer.close()


@asynccontextmanager
async def serving(authority: Authority, version: ssl.TLSVersion) -> AsyncIterator[Server]:
    """One on loopback that speaks that version alone."""
    server = Server()
    context = speaking(authority.serving(authority.issue("127.0.0.1")), version)
    listening = await asyncio.start_server(server.met, "127.0.0.1", ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_older_than_tls_1_2_is_spoken(kind: str, tmp_path: Path) -> None:
    """A server that could be spoken to in 1.1 is not; the same one in 1.2 is, and so it is the version that was refused."""
    authority = Authority(tmp_path / "ca")
    (tmp_path / "spool").mkdir()
    (tmp_path / "s3").write_text("access\nsecret\n")

    async def brought(port: int) -> ArchiveError:
        text = SITE.format(folder=tmp_path, kind=KINDS[kind].format(folder=tmp_path, port=port))
        (tmp_path / "site.yaml").write_text(text)
        archive = bare_archive(load_site(tmp_path / "site.yaml"), SystemClock())
        try:
            with pytest.raises(ArchiveError) as caught:
                await archive.store(consign(tmp_path, b"evidence", dock="balt-ero-01"), None, Watched())
        finally:
            await archive.close()
        return caught.value

    async with serving(authority, ssl.TLSVersion.TLSv1_1) as old:
        assert isinstance(await brought(old.port), ArchiveUnreachableError)
        assert old.agreed == 0
        anything = speaking(authority.trusting(), ssl.TLSVersion.TLSv1_1)
        _, writer = await asyncio.open_connection("127.0.0.1", old.port, ssl=anything)
        writer.close()
        assert old.agreed == 1
    async with serving(authority, ssl.TLSVersion.TLSv1_2) as new:
        assert isinstance(await brought(new.port), ArchiveUnreachableError)
        assert new.agreed > 0
