"""TLS of the gRPC port: certificates from files, reloaded without a restart when they change."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc

from whitebg_process.certificates import CertificateError, chain_ends, file_stamp, read_pair, read_roots, roots_end

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFiles:
    """The port's own certificate and key, and the CA of client certificates. All are PEM files."""

    cert: Path
    """The server's certificate, followed by intermediate certificates."""
    key: Path
    """The certificate's private key, without a password."""
    client_ca: Path | None = None
    """CA that must have signed client certificates; None: clients need no certificate."""

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read all files and check that they match.

        Raises:
            CertificateError: a file can't be used; the message names the file and the reason.

        """
        cert, key = read_pair(self.cert, self.key)
        roots = None if self.client_ca is None else read_roots(self.client_ca)
        return grpc.ssl_server_certificate_configuration([(key, cert)], root_certificates=roots)

    def expiry_times(self) -> dict[str, datetime]:
        """Return when each file's certificates expire, by the name of its setting.

        A chain expires when one of its certificates does, a set of trusted ones when all of them have.

        Raises:
            CertificateError: a file can't be used; the message names the file and the reason.

        """
        ends = {"grpc_server_cert": chain_ends(self.cert)}
        if self.client_ca is not None:
            ends["grpc_client_ca"] = roots_end(self.client_ca)
        return ends

    def stamp(self) -> tuple[object, ...]:
        """Return a value that changes when a file is replaced or written."""
        return tuple(file_stamp(path) for path in (self.cert, self.key, self.client_ca) if path is not None)


class Rotation:
    """Supplies changed certificates to gRPC, which calls it before every handshake."""

    def __init__(self, files: ServerFiles) -> None:
        """Read the files for the first time.

        Raises:
            CertificateError: they can't be used.

        """
        self._files = files
        self._stamp = files.stamp()
        self.first = files.read()

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the changed certificates; None if nothing has changed or the new files can't be used."""
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            fresh = self._files.read()
        except CertificateError as error:
            # Certificate and key are often replaced one after the other: the next handshake reloads them.
            logger.warning("certificates changed but can't be used; those from before stay in force: %s", error)
            return None
        logger.info("certificates read again", extra={"certificate": str(self._files.cert)})
        return fresh


def server_credentials(files: ServerFiles) -> grpc.ServerCredentials:
    """Return credentials for a port that rereads its certificates.

    Raises:
        CertificateError: the files can't be used in their current state.

    """
    rotation = Rotation(files)
    return grpc.dynamic_ssl_server_credentials(
        rotation.first,
        rotation,  # type: ignore[arg-type]  # None is allowed, and documented; the stubs forget it
        require_client_authentication=files.client_ca is not None,
    )
