"""How the site's archive is reached, from what the site file says of it."""

import ssl
from functools import partial
from pathlib import Path

from dockd.archive.protocol import Archive
from dockd.archive.s3.archive import S3Archive
from dockd.archive.s3.settings import Credentials, Lock, S3Settings
from dockd.archive.settings import TusSettings
from dockd.archive.throttle import Throttle
from dockd.archive.tus import TusArchive
from dockd.clock import Clock
from dockd.config.handing_over import archive_keys
from dockd.config.model import ArchiveSettings, Site
from dockd.custody.keyring import dock_key
from dockd.errors import ConfigError

_RETAIN_DAYS = 365
"""For which objects are locked in S3 where the site file says nothing."""


def bare_archive(site: Site, clock: Clock, throttle: Throttle | None = None, *, bound: str | None = None) -> Archive:
    """The archive of the site file, which answers or fails. Reads files: call it in a thread; raises as the next two."""
    if site.archive.s3 is not None:
        return S3Archive(s3_settings(site), clock, throttle)
    return TusArchive(tus_settings(site, bound), clock, throttle)


def tus_settings(site: Site, bound: str | None = None) -> TusSettings:
    """How the site's archive is spoken to. Reads files: call it in a thread.

    Args:
        site: that says so.
        bound: the archive that this dock's recordings are in already.

    Raises:
        ConfigError: a file that the site file names cannot be used.
    """
    settings = site.archive
    try:
        return TusSettings(
            url=settings.url,
            dock=site.dock,
            pinned_keys=archive_keys(settings),
            token=_token(settings.token_file),
            archive_id=settings.id,
            bound_id=bound,
            renew=lambda: (_token(settings.token_file), _tls(settings)),
            read_back=settings.proof == "read-back",
            tls=_tls(settings),
        )
    except ValueError as exc:
        raise ConfigError(str(exc), file=str(settings.token_file or settings.url)) from exc


def s3_settings(site: Site) -> S3Settings:
    """How the site's bucket is spoken to. Reads files: call it in a thread.

    Raises:
        ConfigError: a file that the site file names cannot be used.
        JournalError: the dock's key cannot be used.
    """
    settings, s3 = site.archive, site.archive.s3
    if s3 is None:
        msg = "this site's archive is not S3"
        raise RuntimeError(msg)
    try:
        return S3Settings(
            url=settings.url,
            bucket=s3.bucket,
            dock=site.dock,
            credentials=Credentials.read(s3.credentials_file),
            renew=partial(Credentials.read, s3.credentials_file),
            signing=dock_key(site.spool.directory),
            prefix=s3.prefix,
            region=s3.region,
            archive_id=settings.id or "",
            path_style=s3.addressing == "path",
            lock=Lock(s3.lock.upper()),
            retain_days=site.uploads.retain_days or _RETAIN_DAYS,
            encryption="" if s3.encryption == "bucket" else s3.encryption,
            kms_key=s3.kms_key or "",
            ca_file=settings.ca_file,
            client_cert=settings.client_cert,
            client_key=settings.client_key,
        )
    except (OSError, ValueError) as exc:
        msg = f"archive.s3 cannot be used: {exc}"
        raise ConfigError(msg, file=str(s3.credentials_file)) from exc


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeError) as exc:
        msg = f"archive.token_file cannot be read: {exc}"
        raise ConfigError(msg, file=str(path)) from exc


def _tls(settings: ArchiveSettings) -> ssl.SSLContext | None:
    if settings.ca_file is None and settings.client_cert is None:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.client_cert is not None:
            context.load_cert_chain(settings.client_cert, settings.client_key)
    except (OSError, ssl.SSLError) as exc:
        msg = f"the archive's certificates cannot be used: {exc}"
        raise ConfigError(msg, file=str(settings.ca_file or settings.client_cert)) from exc
    return context
