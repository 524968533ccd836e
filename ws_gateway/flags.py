"""The rollback switch: how many users are on the WebSocket, changed without a restart."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import tempfile
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

log = logging.getLogger(__name__)

_BUCKETS = 10_000
_MAX_FILE_BYTES = 64 * 1024
_MODE = 0o644


class Transport(StrEnum):
    """How a client learns what happens to its tasks."""

    WEBSOCKET = "websocket"
    POLLING = "polling"


class Flags(BaseModel):
    """The content of the flags file; missing keys have these defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rollout_percent: float = Field(default=100.0, ge=0, le=100, description="Share of the users on the WebSocket")
    polling_interval_ms: int = Field(
        default=10_000, ge=1000, le=600_000, description="How often all others ask; they may 10 times a minute"
    )

    def transport(self, user_id: str) -> Transport:
        """Return the user's transport. Raising the percent moves users to the WebSocket and none away from it."""
        return Transport.WEBSOCKET if bucket(user_id) < self.rollout_percent * _BUCKETS / 100 else Transport.POLLING


def bucket(user_id: str) -> int:
    """Return where among 0 to 9,999 a user stands: the same in every process, today and tomorrow."""
    digest = hashlib.sha256(b"whitebg rollout, version 1\n" + user_id.encode()).digest()
    return int.from_bytes(digest[:8]) % _BUCKETS


class FlagsFileUnset(Exception):
    """There is no file to keep the flags in."""


class FlagsFile:
    """The flags in a file that may be replaced at any time; read again when it has changed.

    Invalid content is logged, and the last valid content stays in force.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._flags = Flags()
        self._seen: tuple[int, ...] | None = None

    async def current(self) -> Flags:
        """Return the flags as they are now."""
        if self._path is not None:
            await asyncio.to_thread(self._refresh, self._path)
        return self._flags

    async def replace(self, flags: Flags) -> None:
        """Put new flags in force, here and wherever else the file is read.

        Raises:
            FlagsFileUnset: there is no file.
            OSError: it can't be written.

        """
        if self._path is None:
            raise FlagsFileUnset("there is no flags file; set WHITEBG_FLAGS_FILE to change flags while running")
        await asyncio.to_thread(_write, self._path, flags)

    def _refresh(self, path: Path) -> None:
        stamp = _stamp(path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            flags = _read(path)
        except FileNotFoundError:
            log.warning("the flags file is gone; its last flags stay in force", extra={"path": str(path)})
        except (OSError, ValueError) as error:
            extra = {"path": str(path), "reason": _reason(error)}
            log.error("the flags file can't be used; the last good flags stay in force", extra=extra)  # noqa: TRY400 (the reason says it all)
        else:
            log.info("flags read", extra=flags.model_dump())
            self._flags = flags


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes whenever the file does; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _read(path: Path) -> Flags:
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise ValueError(f"it has over {_MAX_FILE_BYTES} bytes, more than any flags file")
    return Flags.model_validate_json(content)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return str(error)


def _write(path: Path, flags: Flags) -> None:
    """Replace the file atomically: readers find the old content or the new."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(flags.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_MODE)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
