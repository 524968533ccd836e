"""Certificates by which the gateway verifies the service and identifies itself, and when to read their files again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc

from whitebg_process.certificates import chain_ends, file_stamp, read_pair, read_roots, roots_end


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificateFiles:
    """What the connection to the service is secured with. All are PEM files."""

    ca: Path | None = None
    """Authority that signed the service's certificate; None means gRPC's built-in root certificates."""
    cert: Path | None = None
    """The gateway's own certificate, followed by its intermediate certificates; None: it presents none."""
    key: Path | None = None
    """Its private key, without a password."""

    def read(self) -> grpc.ChannelCredentials:
        """Read all of them, and check that certificate and key match.

        Raises:
            CertificateError: a file can't be used; the message names the file and the reason.

        """
        ca = None if self.ca is None else read_roots(self.ca)
        if self.cert is None or self.key is None:
            return grpc.ssl_channel_credentials(ca)
        cert, key = read_pair(self.cert, self.key)
        return grpc.ssl_channel_credentials(ca, key, cert)

    def expiry_times(self) -> dict[str, datetime]:
        """Return when each file's certificates expire, by the name of its setting.

        For a chain that is when its first certificate expires; for trusted roots, when the last one does.

        Raises:
            CertificateError: a file can't be used; the message names the file and the reason.

        """
        ends = {}
        if self.ca is not None:
            ends["grpc_server_ca"] = roots_end(self.ca)
        if self.cert is not None:
            ends["grpc_client_cert"] = chain_ends(self.cert)
        return ends

    def stamp(self) -> tuple[object, ...]:
        """Return a value that changes when a file is replaced or written."""
        return tuple(file_stamp(path) for path in (self.ca, self.cert, self.key) if path is not None)
