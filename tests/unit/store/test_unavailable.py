"""Which driver errors mean that the database is unavailable."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from generator_service.store.unavailable import Reason, unavailable


def wrapped(cause: Exception, *, lost: bool = False) -> DBAPIError:
    """Return the error as SQLAlchemy raises it."""
    return DBAPIError("SELECT 1", None, cause, connection_invalidated=lost)


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (sqlite3.SQLITE_FULL, Reason.DISK_FULL),
        (sqlite3.SQLITE_IOERR_SHMSIZE, Reason.DISK_FULL),
        (sqlite3.SQLITE_READONLY, Reason.READ_ONLY),
        (sqlite3.SQLITE_READONLY_DBMOVED, Reason.READ_ONLY),
        (sqlite3.SQLITE_BUSY, Reason.LOCKED),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Reason.LOCKED),
        (sqlite3.SQLITE_IOERR_WRITE, Reason.IO_ERROR),
        (sqlite3.SQLITE_CORRUPT, Reason.IO_ERROR),
        (sqlite3.SQLITE_CANTOPEN, Reason.UNREACHABLE),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, None),
        (sqlite3.SQLITE_ERROR, None),
        (sqlite3.SQLITE_TOOBIG, None),
    ],
)
def test_sqlite_errors_are_classified_by_their_code(code: int, reason: Reason | None) -> None:
    assert unavailable(wrapped(sqlite_error(code))) is reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (psycopg.errors.DiskFull, Reason.DISK_FULL),
        (psycopg.errors.TooManyConnections, Reason.OVERLOADED),
        (psycopg.errors.OutOfMemory, Reason.OVERLOADED),
        (psycopg.errors.ReadOnlySqlTransaction, Reason.READ_ONLY),
        (psycopg.errors.LockNotAvailable, Reason.LOCKED),
        (psycopg.errors.DeadlockDetected, Reason.LOCKED),
        (psycopg.errors.QueryCanceled, Reason.TIMED_OUT),
        (psycopg.errors.AdminShutdown, Reason.UNREACHABLE),
        (psycopg.errors.CannotConnectNow, Reason.UNREACHABLE),
        (psycopg.errors.IoError, Reason.IO_ERROR),
        (psycopg.errors.InsufficientPrivilege, Reason.FORBIDDEN),
        (psycopg.errors.UniqueViolation, None),
        (psycopg.errors.NumericValueOutOfRange, None),
        (psycopg.errors.UndefinedTable, None),
    ],
)
def test_postgresql_errors_are_classified_by_their_sqlstate(error: type[psycopg.Error], reason: Reason | None) -> None:
    assert unavailable(wrapped(error("as the server says"))) is reason


def test_a_lost_connection_is_unreachable_whatever_it_said_last() -> None:
    assert unavailable(wrapped(psycopg.OperationalError("server closed"), lost=True)) is Reason.UNREACHABLE
    assert unavailable(wrapped(psycopg.errors.ReadOnlySqlTransaction("x"), lost=True)) is Reason.UNREACHABLE


def test_each_reason_has_a_message_with_its_remedy() -> None:
    assert all("try again" in reason.message for reason in Reason)
