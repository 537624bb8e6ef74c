"""The dock's signing key, sealed with the machine's TPM as docs/INSTALL.md says: kept over a power cut, lost without it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.rig.docks import Dock, break_it
from tests.rig.image import ROOT
from tests.rig.machine import Machine
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared
from tests.rig.scenario_usb import usb_dock
from tests.rig.tpm import tpm

KEY = "/var/lib/dockd/spool/dock-key.pem"
SEALED = "/etc/credstore.encrypted/dock-key"
RUNS = "test -S /run/dockd/control.sock && systemctl is-active dockd.service"
_BOOTS_S = 600.0


def documented() -> str:
    """The commands with which docs/INSTALL.md has an admin seal the key."""
    _, _, section = (ROOT / "docs/INSTALL.md").read_text("utf-8").partition("### The dock's signing key")
    return section.split("```")[1].removeprefix("sh\n")


def cosigned(outside: Outside) -> tuple[str, int]:
    """The key under which the vault knows the dock's one log, and how long that was when it was last cosigned."""
    with closing(sqlite3.connect(f"{(outside.vault.root / 'vault.sqlite').as_uri()}?mode=ro", uri=True, timeout=30)) as ledger:
        ((key, size),) = ledger.execute("SELECT key, size FROM logs").fetchall()
        assert ledger.execute("SELECT words FROM log_alarms").fetchall() == []
        return key, size


async def signing_key_of(dock: Dock) -> str:
    """What the self-test says of it."""
    checks = (await dock.ask("GET", "selftest"))["checks"]
    reason: str = next(each["reason"] for each in checks if each["part"] == "signing key")
    return reason


async def test_key_is_sealed_by_the_tpm_and_lost_without_it(prepared_machine: Prepared, place: Path, outside: Outside) -> None:
    """Sealed, the key signs on, also after a power cut; with its disks in another machine nothing starts or signs."""
    parts = prepared_machine.again(prepared_machine.docking(place))
    with tpm(place / "tpm") as line:
        async with Machine(replace(parts, tpm=line), place / "console") as machine:
            guest, dock = machine.guest, usb_dock(machine, outside)
            await guest.until(RUNS, deadline_s=_BOOTS_S)
            await break_it(guest)
            await dock.heard("checkpoint cosigned")
            public = (await guest.sh("dockd report key")).strip()
            assert "has a TPM that could seal it" in await signing_key_of(dock)
            secret = (await guest.sh(f"sed -n 2p {KEY}")).strip()
            await guest.sh(documented(), timeout_s=_BOOTS_S)
            assert (await guest.sh("dockd report key")).strip() == public
            assert (await signing_key_of(dock)).startswith("systemd unseals")
            await dock.heard("checkpoint cosigned", count=2)
            # Nowhere on its disks is the key, and nobody but root and the daemon gets what was unsealed.
            await guest.sh(f"! test -e {KEY} && ! grep -rqF {secret} /etc /var /root /home /srv")
            await guest.sh("runuser -u nobody -- true; ! runuser -u nobody -- cat /run/credentials/dockd.service/dock-key")
            await guest.sh(f"! runuser -u nobody -- cat {SEALED}")
            before = cosigned(outside)
            assert before[0] == public
            await guest.sh("sync")
            await machine.quit()
    with tpm(place / "tpm") as line:
        async with Machine(replace(parts, tpm=line), place / "console") as machine:
            await machine.guest.until(RUNS, deadline_s=_BOOTS_S)
            await usb_dock(machine, outside).heard("checkpoint cosigned")
            assert (await machine.guest.sh("dockd report key")).strip() == public
            after = cosigned(outside)
            assert (after[0], after[1] > before[1]) == (public, True)
            await machine.quit()
    with tpm(place / "other") as line:
        async with Machine(replace(parts, tpm=line), place / "console") as machine:
            await machine.guest.until("systemctl show -P Result dockd.service | grep -v success", deadline_s=_BOOTS_S)
            assert "CREDENTIALS" in await machine.guest.sh("journalctl -b -u dockd.service -o cat")
            await machine.guest.sh(f"! test -e {KEY} && ! test -e /run/dockd/control.sock && ! dockd report key")
            await machine.guest.sh(f"! systemd-creds decrypt --name=dock-key {SEALED} -")
    assert cosigned(outside) == after
