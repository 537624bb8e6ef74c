"""Where the dock's private key lies: a credential that systemd unseals for the daemon, else a file beside the journal."""

import os
from dataclasses import dataclass
from pathlib import Path

from dockd.dsse import KeyFormatError, SigningKey
from dockd.errors import JournalError

KEY_NAME = "dock-key"

_CREDENTIALS_OF_THE_DAEMON = "/run/credentials/dockd.service"
"""Where root finds what systemd gave to the daemon alone."""


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the daemon finds its key: `sealed`, systemd gives it as a credential; `file`, a file lies beside the journal."""

    sealed: bool
    file: bool


def key_place(folder: Path) -> KeyPlace:
    """As this process finds it. Blocks."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    return KeyPlace(sealed=given is not None and (Path(given) / KEY_NAME).exists(), file=(folder / f"{KEY_NAME}.pem").exists())


def dock_key(folder: Path, *, new: bool = True) -> SigningKey:
    """The dock's private key: systemd's credential `dock-key` where there is one, else a file in `folder`.

    With `new` it is made where there is none.

    A credential can be sealed with the machine's TPM by systemd-creds(1), so that a stolen disk does not hold it. Blocks.

    Raises:
        JournalError: it cannot be used, or others may read it.
    """
    given = [os.environ.get("CREDENTIALS_DIRECTORY"), *([] if new else [_CREDENTIALS_OF_THE_DAEMON])]
    path = folder / f"{KEY_NAME}.pem"
    try:
        for credential in (Path(each) / KEY_NAME for each in given if each):
            if credential.exists():
                # Who may read it is systemd's to say; its access list, which lets the daemon, looks like a group's permission.
                return SigningKey.load(credential)
        if not new:
            path.stat()
        return SigningKey.load_or_create(path)
    except (KeyFormatError, OSError) as exc:
        msg = f"the dock's signing key cannot be used: {exc}"
        raise JournalError(msg, hint="Put the key back. A new one is refused by the archive until its admin accepts it.") from exc
