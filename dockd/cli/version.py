"""`dockd version`: which dockd this is, and what it stands on."""

import platform
import sqlite3

import click
import msgspec
from cryptography.hazmat.backends.openssl import backend

import dockd


class VersionDocument(msgspec.Struct, frozen=True):
    """What `dockd version --json` prints.

    Attributes:
        dockd: its version.
        python: the interpreter's.
        sqlite: the database library's.
        openssl: the cryptographic library's.
    """

    dockd: str
    python: str
    sqlite: str
    openssl: str


@click.command(epilog="Examples:  dockd version  |  dockd version --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the versions of Python, SQLite and OpenSSL.")
def command(*, as_json: bool) -> None:
    """Print the version of dockd."""
    if not as_json:
        click.echo(f"dockd {dockd.__version__}")
        return
    openssl = backend.openssl_version_text().removeprefix("OpenSSL ").split()[0]
    document = VersionDocument(dockd.__version__, platform.python_version(), sqlite3.sqlite_version, openssl)
    click.echo(msgspec.json.encode(document))
