"""What every page for this machine alone shares: its address, its listener, and the names under which it may be asked for."""

import socket
from collections.abc import Callable

from dockd.clock import Clock

HOST = "127.0.0.1"
_TRY_AGAIN_S = 10.0


def names(port: int) -> frozenset[str]:
    """What a request may say in `Host`: any other name was rebound to loopback by a stranger."""
    return frozenset({f"{HOST}:{port}", f"localhost:{port}"})


async def listen(port: int, clock: Clock, cannot: Callable[[OSError], object]) -> socket.socket:
    """A listener on that port, waiting for it while somebody else has it; `cannot` hears of that once."""
    said = False
    while True:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
            listener.listen()
        except OSError as exc:
            listener.close()
            if not said:
                cannot(exc)
            said = True
            await clock.sleep(_TRY_AGAIN_S)
        except BaseException:
            listener.close()
            raise
        else:
            return listener
