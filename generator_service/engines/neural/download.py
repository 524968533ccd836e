"""Installs a model's weights from the web or a file: resumable, verified, and renamed once complete."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx2

from generator_service.engines.neural.files import ModelFolder, sha256_of, verify
from generator_service.engines.neural.models import Model, ModelUnusable
from whitebg_process.private_files import open_private

Progress = Callable[[int, int | None], None]
"""Called with the bytes received and their total, None if it is unknown."""

LARGEST_BYTES = 2 * 1024**3
"""Size limit of weights whose size is unknown."""
_CHUNK_BYTES = 256 * 1024
_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_TRIES = 5
"""Consecutive requests that receive no byte."""
_FIRST_DELAY, _MAX_DELAY = 0.5, 10.0  # seconds
_RETRY_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class DownloadFailed(Exception):
    """The weights could not be fetched. The received part is kept, and the next try resumes there."""


class InstallBusy(Exception):
    """Another process is installing the same model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source of weights."""

    url: str | None = None
    file: Path | None = None
    """A local file, instead of ``url``."""

    @classmethod
    def of(cls, model: Model, where: str | None, mirror: str | None) -> Source:
        """Return the source that a user named, or else the mirror's or the model's own.

        Raises:
            ModelUnusable: ``where`` is neither a file nor a valid address.

        """
        if where is None:
            return cls(url=f"{mirror.rstrip('/')}/{model.file}" if mirror else model.url)
        if where.lower().startswith(("http://", "https://")):
            try:
                httpx2.URL(where)
            except httpx2.InvalidURL as error:
                raise ModelUnusable(f"{where!r} is no address: {error}") from error
            return cls(url=where)
        file = Path(where).expanduser()
        if not file.is_file():
            raise ModelUnusable(f"there is no file {file}; name an ONNX file, or an address that begins with https://")
        return cls(file=file)

    def __str__(self) -> str:
        return str(self.url or self.file)


def install(
    model: Model,
    folder: ModelFolder,
    source: Source,
    progress: Progress,
    *,
    allow_unverified: bool = False,
    delay: Callable[[float], None] = time.sleep,
) -> bool:
    """Install weights; return whether they are the ones that the model is known by.

    An interrupted download resumes. ``delay`` waits between tries, in seconds.

    Raises:
        DownloadFailed: the source is unreachable, rejects the request, or has no such file.
        InstallBusy: another process is installing this model.
        ModelUnusable: the weights are not the model's; they are deleted.
        OSError: the folder can't be written, or its disk is full.

    """
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = folder.path / f"{model.name}.onnx.part"
    with _locked(part.with_name(f"{part.name}.lock"), model):
        resumed = part.exists() and part.stat().st_size > 0
        _fetch(model, source, part, progress, delay, known_size=not allow_unverified)
        what = f"the file from {source}"
        remedy = "get it from another source, or allow it with --allow-unverified"
        try:
            sha256 = sha256_of(part)
            if resumed and sha256 != model.sha256:
                # The resumed part may belong to another file: fetch everything again, once.
                part.unlink()
                _fetch(model, source, part, progress, delay, known_size=not allow_unverified)
                sha256 = sha256_of(part)
            verified = verify(model, sha256, what, allow_unverified=allow_unverified, remedy=remedy)
        except ModelUnusable:
            part.unlink(missing_ok=True)
            raise
        _sync(part)
        part.replace(folder.file(model))
        _sync(folder.path)
    return verified


def _fetch(
    model: Model, source: Source, part: Path, progress: Progress, delay: Callable[[float], None], *, known_size: bool
) -> None:
    size = model.size_bytes if known_size else None
    if source.file is not None:
        part.unlink(missing_ok=True)
        _check_space(part.parent, source.file.stat().st_size)
        with source.file.open("rb") as read, open(part, "wb", opener=open_private) as write:
            shutil.copyfileobj(read, write, _CHUNK_BYTES)
        progress(part.stat().st_size, part.stat().st_size)
        return
    assert source.url is not None  # noqa: S101  one of the two is set
    _Download(source.url, part, size, progress).run(delay)


class _Download:
    """One download, over as many requests as needed."""

    def __init__(self, url: str, part: Path, size: int | None, progress: Progress) -> None:
        self._url = url
        self._part = part
        self._size = size
        self._progress = progress

    def run(self, delay: Callable[[float], None]) -> None:
        """Fetch until the file is complete.

        Raises:
            DownloadFailed: the server rejects a request, or several consecutive requests received nothing.

        """
        failures, wait = 0, _FIRST_DELAY
        with httpx2.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
            while True:
                before = self._there()
                try:
                    if self._request(client):
                        return
                    problem = "the connection was closed before the file was complete"
                except (httpx2.TransportError, _TryAgain) as error:
                    problem = str(error) or type(error).__name__
                except httpx2.HTTPError as error:
                    raise DownloadFailed(f"{self._url} can't be fetched: {error}") from error
                failures = 0 if self._there() > before else failures + 1
                if failures >= _TRIES:
                    raise DownloadFailed(
                        f"{self._url} can't be fetched: {problem}; try again later, or name another source with --from"
                    )
                wait = _FIRST_DELAY if failures == 0 else min(2 * wait, _MAX_DELAY)
                delay(wait)

    def _there(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _request(self, client: httpx2.Client) -> bool:
        """Make one request; return whether the file is complete."""
        start = self._there()
        if self._size is not None and start > self._size:
            start = 0  # The part belongs to another file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with client.stream("GET", self._url, headers=headers) as response:
            status = response.status_code
            if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                # Complete, or part of another file: if the checksum differs, everything is fetched again.
                return True
            if status in _RETRY_STATUS:
                raise _TryAgain(f"the server answered {status}")
            if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                raise DownloadFailed(
                    f"{self._url} can't be fetched: the server answered {status}; name another source with --from"
                )
            if status == HTTPStatus.OK:
                start = 0  # The server does not support ranges.
            total = self._total(response, start)
            _check_space(self._part.parent, total - start if total is not None else 0)
            return self._receive(response, start, total)

    def _total(self, response: httpx2.Response, start: int) -> int | None:
        """Return the length of the whole file, as reported by the server.

        Raises:
            DownloadFailed: the length is not the model's, or exceeds the limit.

        """
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            unit, _, rest = response.headers.get("content-range", "").partition(" ")
            span, _, length = rest.partition("/")
            if unit != "bytes" or span.partition("-")[0] != str(start):
                raise DownloadFailed(f"{self._url} answers with another range than was asked for; use another source")
            total = int(length) if length.isdecimal() else None
        else:
            length = response.headers.get("content-length", "")
            total = int(length) if length.isdecimal() else None
        if total is not None and self._size is not None and total != self._size:
            raise DownloadFailed(
                f"{self._url} is {total} bytes long, but the model is {self._size}; use another source with --from"
            )
        if total is not None and total > LARGEST_BYTES:
            raise DownloadFailed(f"{self._url} is {total} bytes long, more than the {LARGEST_BYTES} allowed")
        return total if total is not None else self._size

    def _receive(self, response: httpx2.Response, start: int, total: int | None) -> bool:
        there, limit = start, total if total is not None else LARGEST_BYTES
        with open(self._part, "ab" if start else "wb", opener=open_private) as file:
            self._progress(there, total)
            for chunk in response.iter_bytes():
                there += len(chunk)
                if there > limit:
                    raise DownloadFailed(f"{self._url} sends more than the {limit} bytes expected; use another source")
                file.write(chunk)
                self._progress(there, total)
        return total is None or there == total


class _TryAgain(Exception):
    """The server is temporarily unavailable."""


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"{folder} has {free / 2**20:,.0f} MiB free, and {needed / 2**20:,.0f} MiB are needed; make room")


@contextmanager
def _locked(path: Path, model: Model) -> Iterator[None]:
    """Hold a lock file. The system releases the lock when the process ends, for any reason."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InstallBusy(f"another process installs {model.name}; wait for it to end") from None
        yield
    finally:
        os.close(lock)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
