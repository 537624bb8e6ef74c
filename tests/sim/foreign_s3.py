"""S3 stores that others wrote: SeaweedFS, which checks checksums and keeps Object Lock and versions, and moto, which does not."""

import json
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.sim.foreign_server import PEERS, ForeignServer
from tests.sim.ports import free_port

ACCESS_KEY, SECRET_KEY = "dock", "only-for-tests"
BUCKET = "evidence"


class Seaweed(ForeignServer):
    """SeaweedFS, all of it in one process: `weed server -s3`. It also serves tus, without checksums, below `tus_url`.

    Args:
        folder: for its data.
        https: certificate and key with which S3 is served on `https_port`.
        client_ca: whose certificates S3 wants to see there.
        domain: below which a bucket may be a host's name.
    """

    def __init__(
        self, folder: Path, *, https: tuple[Path, Path] | None = None, client_ca: Path | None = None, domain: str = ""
    ) -> None:
        super().__init__(folder)
        self._https, self._client_ca, self._domain = https, client_ca, domain
        self.https_port = free_port()
        self._ports = {name: free_port() for name in ("master", "volume", "filer")}
        self._grpc = {name: free_port() for name in ("master", "volume", "filer", "s3")}

    @property
    def url(self) -> str:
        """Of S3."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tus_url(self) -> str:
        """Of tus."""
        return f"http://127.0.0.1:{self._ports['filer']}/tus/files/"

    def command(self) -> Sequence[str]:
        """As the base says."""
        identity = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
        identities = {"identities": [{"name": "dock", "credentials": [identity], "actions": ["Admin"]}]}
        (self.folder / "s3.json").write_text(json.dumps(identities))
        (self.folder / "data").mkdir(exist_ok=True)
        command = [str(PEERS / "bin" / "weed"), "-logtostderr=true", "server", f"-dir={self.folder / 'data'}"]
        command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.volumeSizeLimitMB=256", "-volume.max=60"]
        command += ["-master.telemetry=false", "-filer.tusBasePath=/tus/"]
        for name, port in self._ports.items():
            command += [f"-{name}.port={port}", f"-{name}.port.grpc={self._grpc[name]}"]
        command += ["-s3", f"-s3.port={self.port}", f"-s3.port.grpc={self._grpc['s3']}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        command += [f"-s3.config={self.folder / 's3.json'}"]
        if self._domain:
            command.append(f"-s3.domainName={self._domain}")
        if self._https is not None:
            certificate, key = self._https
            command += [f"-s3.port.https={self.https_port}", f"-s3.cert.file={certificate}", f"-s3.key.file={key}"]
        if self._client_ca is not None:
            command += [f"-s3.cacert.file={self._client_ca}", "-s3.tlsVerifyClientCert=true"]
        return command

    def serves(self) -> bool:
        """Once a file can be written, and S3 answers: it starts in parts, and each waits for another."""
        return self._answers("POST", self._ports["filer"], "/probe/") and self._answers("GET", self.port, "/")

    @staticmethod
    def _answers(method: str, port: int, path: str) -> bool:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            body = (
                b"--x\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\nprobe\r\n--x--\r\n"
                if method == "POST"
                else b""
            )
            connection.request(method, path, body, {"Content-Type": "multipart/form-data; boundary=x"})
            return connection.getresponse().status < 500
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class Moto(ForeignServer):
    """moto's server: S3 in memory that takes any checksum and forgets the lock of what comes in parts."""

    @property
    def url(self) -> str:
        """Of S3."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        """As the base says."""
        return [str(PEERS / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", str(self.port)]
