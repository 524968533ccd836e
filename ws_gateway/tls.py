"""How the gateway proves the service's identity and its own: certificates from files, and when to read them again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
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
        cert, [own, *_] = _certificates(self.cert)
        key = _read(self.key)
        try:
            private = load_pem_private_key(key, password=None)
        except (ValueError, TypeError) as error:  # TypeError: it has a password.
            raise CertificateUnusable(f"{self.key} is not a private key in PEM without a password") from error
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
            raise CertificateUnusable(f"the key in {self.key} is not that of the certificate in {self.cert}")
        return grpc.ssl_channel_credentials(ca, key, cert)

    def ends(self) -> dict[str, datetime]:
        """Return when each file's certificates end, by the name of its setting.

        Of a chain that is when the first one ends, of those that are trusted when there is none left.

        Raises:
            CertificateUnusable: with the file and what is wrong with it.

        """
        ends = {}
        if self.ca is not None:
            ends["grpc_server_ca"] = _roots_end(self.ca)
        if self.cert is not None:
            ends["grpc_client_cert"] = _chain_ends(self.cert)
        return ends

    def stamp(self) -> tuple[object, ...]:
        """Return what is another value once a file has been replaced or written."""
        return tuple(_stamp(path) for path in (self.ca, self.cert, self.key) if path is not None)


class Expiry:
    """When the certificates end; looked at whenever it is asked for, because files are replaced at any time.

    While what is there can't be used, the ends of those from before stand, for these are in force.
    """

    def __init__(self, files: ClientFiles) -> None:
        """Read the files for the first time.

        Raises:
            CertificateUnusable: they can't be used.

        """
        self._files = files
        self._stamp = files.stamp()
        self._ends = files.ends()

    def __iter__(self) -> Iterator[str]:
        """Yield the files by the names of their settings."""
        return iter(self._ends)

    def of(self, name: str) -> float:
        """Return when a file's certificates end, in seconds since 1970."""
        if (stamp := self._files.stamp()) != self._stamp:
            self._stamp = stamp
            with suppress(CertificateUnusable):  # Told in the log by who would use them.
                self._files.read()
                self._ends = self._files.ends()
        return self._ends[name].timestamp()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateUnusable(f"{path} can't be read: {error.strerror}") from error


def _certificates(path: Path) -> tuple[bytes, list[x509.Certificate]]:
    """Return a file's text and the certificates in it, one at least."""
    text = _read(path)
    try:
        return text, x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise CertificateUnusable(f"{path} holds no certificate in PEM") from error


def _chain_ends(path: Path) -> datetime:
    return min(each.not_valid_after_utc for each in _certificates(path)[1])


def _roots_end(path: Path) -> datetime:
    return max(each.not_valid_after_utc for each in _certificates(path)[1])


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_mtime_ns, found.st_size)
