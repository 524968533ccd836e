"""TLS to the service with certificates of your own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from whitebg.errors import CertificateError
from whitebg.files import StrPath

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """TLS files of a connection; pass it as ``tls`` to a client. All files are PEM.

    They are read when the connection is opened: a client that outlives its certificate must be created again.
    """

    ca: StrPath | None = None
    """Authority that signed the service's certificate; None means gRPC's built-in root certificates."""
    cert: StrPath | None = None
    """Your own certificate, followed by its intermediate certificates, where the service asks for one."""
    key: StrPath | None = None
    """Its private key, without a password."""
    server_name: str | None = None
    """Name that the service's certificate must hold; None is that of the target."""

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files, and check that certificate and key match.

        Raises:
            CertificateError: a file can't be used; the message names the file and the reason.

        """
        if (self.cert is None) != (self.key is None):
            raise CertificateError("a certificate and its key go together; only one of them is named")
        ca = None if self.ca is None else _certificates(self.ca)[0]
        if self.cert is None or self.key is None:
            return grpc.ssl_channel_credentials(ca)
        cert, own = _certificates(self.cert)
        key = _read(self.key)
        # Imported here, as below, because it takes a sixth of a command's start, and few name certificates.
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

        try:
            private = load_pem_private_key(key, password=None)
        except (ValueError, TypeError) as error:  # TypeError: it has a password.
            raise CertificateError(f"{self.key} is not a private key in PEM without a password") from error
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
            raise CertificateError(f"the key in {self.key} is not that of the certificate in {self.cert}")
        return grpc.ssl_channel_credentials(ca, key, cert)


def _read(path: StrPath) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} can't be read: {error.strerror}") from error


def _certificates(path: StrPath) -> tuple[bytes, x509.Certificate]:
    """Return a file's text and the first certificate in it."""
    from cryptography import x509

    text = _read(path)
    try:
        return text, x509.load_pem_x509_certificates(text)[0]
    except ValueError as error:
        raise CertificateError(f"{path} holds no certificate in PEM") from error
