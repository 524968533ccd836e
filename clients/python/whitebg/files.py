"""Photos and pictures as callers pass them: bytes, paths, file objects."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from io import TextIOBase
from pathlib import Path
from typing import IO, BinaryIO

from whitebg import errors

MAX_IMAGE_BYTES = 25 * 1024 * 1024
"""The largest photo that the service takes."""
MAX_MASK_BYTES = 8 * 1024 * 1024
"""The largest mask that it takes."""

StrPath = str | os.PathLike[str]
"""A path: text or a `Path`."""

Photo = bytes | bytearray | memoryview | StrPath | BinaryIO
"""A photo: its bytes, its path, or a binary file that is read from its position to its end."""


def printable_name(name: str) -> str:
    """Return a file name as valid Unicode: bytes that are not UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of file that is sent."""

    field: str
    title: str
    max_bytes: int


_PHOTO = _Kind("image", "the image", MAX_IMAGE_BYTES)
_MASK = _Kind("mask", "the mask", MAX_MASK_BYTES)


def read_photo(photo: Photo, filename: str | None = None) -> tuple[bytes, str]:
    """Return a photo's bytes and the file name to show, empty if there is none.

    Raises:
        InvalidRequest: the photo is larger than 25 MiB.
        OSError: it can't be read.
        TypeError: it is neither bytes nor a path nor a binary file.

    """
    return _read_file(_PHOTO, photo, filename)


def read_mask(mask: Photo | None) -> bytes:
    """Return a mask's bytes, none for None.

    Raises:
        InvalidRequest: the mask is larger than 8 MiB, or empty.
        OSError: it can't be read.
        TypeError: it is neither bytes nor a path nor a binary file.

    """
    if mask is None:
        return b""
    data, name = _read_file(_MASK, mask, None)
    if not data:
        # The service would take it for none.
        message = f"{name or _MASK.title} is empty; send a PNG, WebP or JPEG file"
        raise errors.InvalidRequest(message, (errors.FieldViolation("mask", message),), reason="MASK_EMPTY")
    return data


def _read_file(kind: _Kind, file: Photo, filename: str | None) -> tuple[bytes, str]:
    data: bytes
    if isinstance(file, bytes | bytearray | memoryview):
        name = filename or ""
        _check_size(kind, name, memoryview(file).nbytes)
        return bytes(file), printable_name(name)
    if isinstance(file, str | os.PathLike):
        path = Path(file)
        name = path.name if filename is None else filename
        _check_size(kind, name, path.stat().st_size)  # Before reading, so that a large file never fills the memory.
        with path.open("rb") as opened:
            data = _read(kind, opened, name)
    else:
        _check_binary(kind, file)
        name = _name_of(file) if filename is None else filename
        data = _read(kind, file, name)
    return data, printable_name(name)


def _read(kind: _Kind, file: IO[bytes], name: str) -> bytes:
    parts, size = [], 0
    while part := file.read(1024 * 1024):  # A pipe may return less than it was asked for.
        parts.append(part)
        size += len(part)
        if size > kind.max_bytes:
            _check_size(kind, name, size, more=True)
    return b"".join(parts)


def _check_binary(kind: _Kind, file: object) -> None:
    if isinstance(file, TextIOBase) or not hasattr(file, "read"):
        what = "photo" if kind is _PHOTO else "mask"
        raise TypeError(f"a {what} is bytes, a path, or a file opened in binary mode ('rb'), not {type(file).__name__}")


def _name_of(file: object) -> str:
    name = getattr(file, "name", "")
    return os.path.basename(name) if isinstance(name, str) else ""  # noqa: PTH119  open() names pipes by a number


def _check_size(kind: _Kind, name: str, size: int, *, more: bool = False) -> None:
    if size > kind.max_bytes:
        limit = f"{kind.max_bytes // 2**20} MiB"
        has = f"more than {limit}" if more else f"{size / 2**20:.1f} MiB"
        message = (
            f"{printable_name(name) or kind.title} has {has}; at most {limit} are accepted: "
            "send a smaller or more compressed file"
        )
        reason = f"{kind.field.upper()}_TOO_LARGE"
        raise errors.InvalidRequest(message, (errors.FieldViolation(kind.field, message),), reason=reason)


def copy_to(source: BinaryIO, target: BinaryIO) -> None:
    """Write all of ``source`` to ``target`` and flush it; neither is closed.

    Raises:
        TypeError: ``target`` is not a binary file.
        OSError: it can't be written.

    """
    source.seek(0)
    shutil.copyfileobj(source, target)
    target.flush()
