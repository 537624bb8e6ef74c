"""The vault's next key: made and vouched for while the old one signs, and put in its place once every dock knows it.

    key.pem         signs
    next-key.pem    signs from the switch on; its handover was signed by the other

A crash anywhere leaves one of the two states, and what was asked for can be asked for again.
"""

import base64
import os

from dockd.clock import Clock, rfc3339
from dockd.core.handover import HANDOVER_TYPE, Handover
from dockd.crashpoint import passing
from dockd.dsse import KeyFormatError, SigningKey
from dockd.errors import VaultError
from dockd.vault.ledger import Ledger
from dockd.vault.service import load_key
from dockd.vault.store import Store


def prepare(place: Store, ledger: Ledger, clock: Clock) -> tuple[str, str]:
    """The next key, made where there is none yet, and the statement with which the present one hands over to it. Blocks.

    Raises:
        VaultError: a key cannot be read or written.
    """
    key = load_key(place)
    try:
        following = SigningKey.load_or_create(place.next_key_path)
    except (KeyFormatError, OSError) as exc:
        msg = f"the vault's next key cannot be used: {exc}"
        raise VaultError(msg) from exc
    archive = ledger.meta("archive", f"vault-{key.key_id}")
    handover = Handover(archive, key.public_text, following.public_text, rfc3339(clock.now()))
    return following.public_text, base64.b64encode(key.sealed(handover.payload(), HANDOVER_TYPE)).decode()


def switch(place: Store) -> str:
    """Put the next key in the place of the present one, which is gone then; its public text. The store must be owned. Blocks.

    Raises:
        VaultError: there is no next key, or the folder cannot be written.
    """
    try:
        following = SigningKey.load(place.next_key_path)
        passing("vault.key-replacing")
        os.replace(place.next_key_path, place.key_path)  # noqa: PTH105 - both names at once
        passing("vault.key-replaced")
        place.sync()
    except FileNotFoundError as exc:
        msg = "no next key waits here"
        raise VaultError(msg, hint="Make it, and tell the docks: dockd vault rotate --root DIR") from exc
    except (KeyFormatError, OSError) as exc:
        msg = f"the vault's next key cannot be used: {exc}"
        raise VaultError(msg) from exc
    return following.public_text
