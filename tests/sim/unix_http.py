"""HTTP over a Unix socket for programs that speak it through `requests`."""

import socket
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

ORIGIN = "http://dock"


class _Connection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("dock")
        self._path = path

    def connect(self) -> None:
        """To the socket, whatever the address says."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


class _Pool(HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("dock")
        self._path = path

    def _new_conn(self) -> _Connection:
        return _Connection(self._path)


class _Adapter(HTTPAdapter):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._pool = _Pool(str(path))

    def get_connection_with_tls_context(self, *_arguments: object, **_options: object) -> HTTPConnectionPool:
        """The same for every address."""
        return self._pool


def session(path: Path) -> requests.Session:
    """A session whose requests to ORIGIN go to the socket at `path`."""
    made = requests.Session()
    made.trust_env = False
    made.mount(ORIGIN, _Adapter(path))
    return made
