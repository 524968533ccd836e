"""TLS of the gRPC port: certificates from files, read again when they change, without a restart."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

logger = logging.getLogger(__name__)


class CertificateUnusable(Exception):
    """A file of the certificates is missing, is none, or does not go with the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFiles:
    """What the port shows its clients, and what it asks of them. All are PEM files."""

    cert: Path
    """The server's certificate, followed by those between it and its CA."""
    key: Path
    """Its private key, without a password."""
    client_ca: Path | None = None
    """Who must have signed a client's certificate; None asks for none."""

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read all of them, and see that they go together.

        Raises:
            CertificateUnusable: with the file and what is wrong with it.

        """
        cert, [own, *_] = _certificates(self.cert)
        key = _read(self.key)
        try:
            private = load_pem_private_key(key, password=None)
        except (ValueError, TypeError) as error:  # TypeError: it has a password.
            raise CertificateUnusable(f"{self.key} is not a private key in PEM without a password") from error
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
            raise CertificateUnusable(f"the key in {self.key} is not that of the certificate in {self.cert}")
        roots = None if self.client_ca is None else _certificates(self.client_ca)[0]
        return grpc.ssl_server_certificate_configuration([(key, cert)], root_certificates=roots)

    def ends(self) -> dict[str, datetime]:
        """Return when each file's certificates end, by the name of its setting.

        Of a chain that is when the first one ends, of those that are trusted when there is none left.

        Raises:
            CertificateUnusable: with the file and what is wrong with it.

        """
        ends = {"grpc_server_cert": _chain_ends(self.cert)}
        if self.client_ca is not None:
            ends["grpc_client_ca"] = _roots_end(self.client_ca)
        return ends

    def stamp(self) -> tuple[object, ...]:
        """Return what is another value once a file has been replaced or written."""
        return tuple(_stamp(path) for path in (self.cert, self.key, self.client_ca) if path is not None)


class Rotation:
    """Asked by gRPC before every handshake: the certificates, if they have changed."""

    def __init__(self, files: ServerFiles) -> None:
        """Read the files for the first time.

        Raises:
            CertificateUnusable: they can't be used.

        """
        self._files = files
        self._stamp = files.stamp()
        self.first = files.read()

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """Return None for "as before": nothing has changed, or what is there now can't be used."""
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            fresh = self._files.read()
        except CertificateUnusable as error:
            # Certificate and key are often replaced one after the other: the next handshake looks again.
            logger.warning("certificates changed but can't be used; those from before stay in force: %s", error)
            return None
        logger.info("certificates read again", extra={"certificate": str(self._files.cert)})
        return fresh


def server_credentials(files: ServerFiles) -> grpc.ServerCredentials:
    """Return credentials for a port that rereads its certificates.

    Raises:
        CertificateUnusable: they can't be used as they are now.

    """
    rotation = Rotation(files)
    return grpc.dynamic_ssl_server_credentials(
        rotation.first,
        rotation,  # type: ignore[arg-type]  # None is allowed, and documented; the stubs forget it
        require_client_authentication=files.client_ca is not None,
    )


class Expiry:
    """When the certificates end; looked at whenever it is asked for, because files are replaced at any time.

    While what is there can't be used, the ends of those from before stand, for these are in force.
    """

    def __init__(self, files: ServerFiles) -> None:
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
