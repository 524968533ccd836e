"""Errors that mean that the database is unavailable, and their reasons. Only this module reads drivers' error codes."""

from __future__ import annotations

import sqlite3
from enum import StrEnum

from sqlalchemy.exc import DBAPIError


class DatabaseUnusable(Exception):
    """The database is none of ours, is damaged, or can't be written."""


class Reason(StrEnum):
    """Why the database can't run an operation; the value is stable and sent to clients in upper case."""

    UNREACHABLE = "unreachable"
    DISK_FULL = "disk_full"
    READ_ONLY = "read_only"
    LOCKED = "locked"
    OVERLOADED = "overloaded"
    TIMED_OUT = "timed_out"
    IO_ERROR = "io_error"
    FORBIDDEN = "forbidden"

    @property
    def message(self) -> str:
        """The problem and the remedy, for a person."""
        return _MESSAGES[self]


LASTING = frozenset({Reason.DISK_FULL, Reason.READ_ONLY, Reason.IO_ERROR, Reason.FORBIDDEN})
"""Reasons that end only by an operator's action."""
PARTIAL = frozenset({Reason.DISK_FULL, Reason.IO_ERROR})
"""Reasons that large writes meet first: on a full disk, small ones may still find room."""
_MESSAGES = {
    Reason.UNREACHABLE: "the database is unreachable; try again shortly",
    Reason.DISK_FULL: "the database's disk is full; free space on it and try again",
    Reason.READ_ONLY: "the database is read-only; make its file or server writable and try again",
    Reason.LOCKED: "the database is locked by another process; try again shortly",
    Reason.OVERLOADED: "the database has no connections, memory or time left; try again shortly",
    Reason.TIMED_OUT: "the database took too long; try again shortly",
    Reason.IO_ERROR: "the database can't read or write its files; check its disk and try again",
    Reason.FORBIDDEN: "the database's user may not use its tables; make it their owner and try again",
}

# https://sqlite.org/rescode.html; an extended code has its primary code in the low byte.
_SQLITE = {
    sqlite3.SQLITE_FULL: Reason.DISK_FULL,
    sqlite3.SQLITE_READONLY: Reason.READ_ONLY,
    sqlite3.SQLITE_PERM: Reason.READ_ONLY,
    sqlite3.SQLITE_BUSY: Reason.LOCKED,
    sqlite3.SQLITE_LOCKED: Reason.LOCKED,
    sqlite3.SQLITE_PROTOCOL: Reason.LOCKED,
    sqlite3.SQLITE_NOMEM: Reason.OVERLOADED,
    sqlite3.SQLITE_CANTOPEN: Reason.UNREACHABLE,
    sqlite3.SQLITE_IOERR: Reason.IO_ERROR,
    sqlite3.SQLITE_CORRUPT: Reason.IO_ERROR,
    sqlite3.SQLITE_NOTADB: Reason.IO_ERROR,
    # The index of the WAL can't grow: its file system has no space left.
    sqlite3.SQLITE_IOERR_SHMSIZE: Reason.DISK_FULL,
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html; whole codes, then classes.
_POSTGRES = {
    "53100": Reason.DISK_FULL,
    "42501": Reason.FORBIDDEN,
    "25006": Reason.READ_ONLY,
    "55P03": Reason.LOCKED,
    "55006": Reason.LOCKED,
    "40P01": Reason.LOCKED,
    "40001": Reason.LOCKED,
    "57014": Reason.TIMED_OUT,
    "25P03": Reason.UNREACHABLE,
    "25P04": Reason.TIMED_OUT,
    "53": Reason.OVERLOADED,
    "08": Reason.UNREACHABLE,
    "57": Reason.UNREACHABLE,
    "58": Reason.IO_ERROR,
    "XX": Reason.IO_ERROR,
}


def first_line(error: BaseException | None) -> str:
    """Return what the driver reported, for operators, in one line without the password; empty if it is no driver's."""
    lines = str(error.orig).strip().splitlines() if isinstance(error, DBAPIError) else []
    return lines[0] if lines else ""


def unavailable(error: DBAPIError) -> Reason | None:
    """Return why the database is unavailable; None if the error belongs to the statement that caused it."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0)
        found = _SQLITE.get(code) or _SQLITE.get(code & 0xFF)
    else:
        state = getattr(cause, "sqlstate", None) or ""
        found = _POSTGRES.get(state) or _POSTGRES.get(state[:2])
    if error.connection_invalidated:
        # The connection is lost, whatever the server's last words were.
        return Reason.UNREACHABLE
    return found
