"""How the gateway proves the service's identity and its own: certificates from files, and when to read them again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


class CertificateUnusable(Exception):
    """A file of the certificates is missing, is none, or does not go with the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFiles:
    """What the connection to the service is secured with. All are PEM files."""

    ca: Path | None = None
    """Who must have signed the service's certificate; None means the roots that gRPC brings along."""
    cert: Path | None = None
    """The gateway's own certificate, followed by those between it and its CA; None shows none."""
    key: Path | None = None
    """Its private key, without a password."""

    def read(self) -> grpc.ChannelCredentials:
        """Read all of them, and see that they go together.

        Raises:
            CertificateUnusable: with the file and what is wrong with it.

        """
        ca = None if self.ca is None else _certificates(self.ca)[0]
        if self.cert is None or self.key is None:
            return grpc.ssl_channel_credentials(ca)
        cert, own = _certificates(self.cert)
        key = _read(self.key)
        try:
            private = load_pem_private_key(key, password=None)
        except (ValueError, TypeError) as error:  # TypeError: it has a password.
            raise CertificateUnusable(f"{self.key} is not a private key in PEM without a password") from error
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
            raise CertificateUnusable(f"the key in {self.key} is not that of the certificate in {self.cert}")
        return grpc.ssl_channel_credentials(ca, key, cert)

    def stamp(self) -> tuple[object, ...]:
        """Return what is another value once a file has been replaced or written."""
        return tuple(_stamp(path) for path in (self.ca, self.cert, self.key) if path is not None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateUnusable(f"{path} can't be read: {error.strerror}") from error


def _certificates(path: Path) -> tuple[bytes, x509.Certificate]:
    """Return a file's text and the first certificate in it."""
    text = _read(path)
    try:
        return text, x509.load_pem_x509_certificates(text)[0]
    except ValueError as error:
        raise CertificateUnusable(f"{path} holds no certificate in PEM") from error


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_mtime_ns, found.st_size)
