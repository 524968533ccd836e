"""Certificates in PEM files: reading, matching with their keys, and expiry."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from whitebg_process.regular_files import read_file

logger = logging.getLogger(__name__)


class CertificateError(Exception):
    """A certificate file is missing, invalid, or does not match the others."""


class CertificateFiles(Protocol):
    """The certificate files of one side of a connection."""

    def read(self) -> object:
        """Read all files and check that they match.

        Raises:
            CertificateError: a file can't be used; the message names the file and the reason.

        """
        ...

    def expiry_times(self) -> dict[str, datetime]:
        """Return when each file's certificates expire, by the name of its setting.

        A chain expires when one of its certificates does, a set of trusted ones when all of them have.

        Raises:
            CertificateError: a file can't be used; the message names the file and the reason.

        """
        ...

    def stamp(self) -> tuple[object, ...]:
        """Return a value that changes when a file is replaced or written."""
        ...


class Expiry:
    """Expiry times of the certificates, updated at every query if the files have changed. Expired ones are logged.

    While the files can't be used, the times of the previous certificates apply, as these are still in force.
    """

    def __init__(self, files: CertificateFiles) -> None:
        """Read the files for the first time.

        Raises:
            CertificateError: they can't be used.

        """
        self._files = files
        self._stamp = files.stamp()
        self._ends = files.expiry_times()
        self._log_expired()

    def __iter__(self) -> Iterator[str]:
        """Yield the files by the names of their settings."""
        return iter(self._ends)

    def of(self, name: str) -> float:
        """Return when a file's certificates expire, in seconds since 1970."""
        if (stamp := self._files.stamp()) != self._stamp:
            self._stamp = stamp
            with suppress(CertificateError):  # Logged where the files are used.
                self._files.read()
                self._ends = self._files.expiry_times()
                self._log_expired()
        return self._ends[name].timestamp()

    def _log_expired(self) -> None:
        for name, ends in self._ends.items():
            if ends <= datetime.now(UTC):
                logger.warning("a certificate has expired, so connections fail: WHITEBG_%s, %s", name.upper(), ends)


def read_pair(cert: Path, key: Path) -> tuple[bytes, bytes]:
    """Return the texts of a certificate (chain) and its private key.

    Raises:
        CertificateError: a file can't be used, or the key is not that of the certificate.

    """
    chain, [own, *_] = _certificates(cert)
    text = _read(key)
    try:
        private = load_pem_private_key(text, password=None)
    except (ValueError, TypeError) as error:  # TypeError: the key has a password.
        raise CertificateError(f"{key} is not a private key in PEM without a password") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
        raise CertificateError(f"the key in {key} is not that of the certificate in {cert}")
    return chain, text


def read_roots(path: Path) -> bytes:
    """Return the text of a file of trusted certificates, at least one.

    Raises:
        CertificateError: the file can't be used.

    """
    return _certificates(path)[0]


def chain_ends(path: Path) -> datetime:
    """Return when a chain expires: when its first certificate does.

    Raises:
        CertificateError: the file can't be used.

    """
    return min(each.not_valid_after_utc for each in _certificates(path)[1])


def roots_end(path: Path) -> datetime:
    """Return when a set of trusted certificates expires: when its last one does.

    Raises:
        CertificateError: the file can't be used.

    """
    return max(each.not_valid_after_utc for each in _certificates(path)[1])


def file_stamp(path: Path) -> tuple[int, ...]:
    """Return a value that changes when a file is replaced or written; empty while it is missing."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise CertificateError(f"{path} can't be read: {error.strerror}") from error


def _certificates(path: Path) -> tuple[bytes, list[x509.Certificate]]:
    """Return a file's text and its certificates, at least one."""
    text = _read(path)
    try:
        return text, x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise CertificateError(f"{path} holds no certificate in PEM") from error
