"""`dockd version`: which dockd this is, and what it stands on."""

import json
import platform
import sqlite3

import click
from cryptography.hazmat.backends.openssl import backend

import dockd


@click.command(epilog="Examples:  dockd version  |  dockd version --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the versions of Python, SQLite and OpenSSL.")
def command(*, as_json: bool) -> None:
    """Print the version of dockd."""
    if not as_json:
        click.echo(f"dockd {dockd.__version__}")
        return
    versions = {
        "dockd": dockd.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "openssl": backend.openssl_version_text().removeprefix("OpenSSL ").split()[0],
    }
    click.echo(json.dumps(versions))
