"""Transactions that outlive a restart of the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from generator_service.store.unavailable import Reason, first_line, unavailable

T = TypeVar("T")

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5


REOPEN = frozenset({Reason.READ_ONLY, Reason.IO_ERROR})
"""After these, an open connection keeps failing although the database may have recovered: the server was demoted, or
the file was opened while it was read-only."""


class DatabaseUnavailable(Exception):
    """The database is unavailable, for a reason that is no single write's fault.

    Whether the last write was committed is not known.
    """

    def __init__(self, message: str = "", reason: Reason = Reason.UNREACHABLE) -> None:
        super().__init__(message or reason.message)
        self.reason = reason

    @property
    def cause(self) -> str:
        """What the driver reported, for operators, in one line without the password; empty if unknown."""
        return first_line(self.__cause__)


class Reconnecting:
    """Runs transactions on an engine; one that lost the connection is run again for up to ``patience``.

    A database that answers, but can't run the operation (its disk is full, it is read-only or locked), is not
    retried: callers are better served by the reason.

    The operation may have been committed before, if the connection was lost during the commit: it must be
    idempotent, or check first. Blocks while it waits.
    """

    def __init__(self, engine: Engine, patience: timedelta) -> None:
        self._engine = engine
        self._patience = patience.total_seconds()

    def run(self, what: Callable[[Connection], T]) -> T:
        """Run it in a transaction of its own, and commit.

        Raises:
            DatabaseUnavailable: the database did not come back in time, or is unavailable for another reason.

        """
        retry = _Retry(self._patience)
        while True:
            try:
                with self._transaction() as connection:
                    return what(connection)
            except DatabaseUnavailable as away:
                retry.after(away)

    def stream(self, read: Callable[[Connection], Iterator[T]]) -> Generator[T]:
        """Yield the parts of a read, all of one transaction, which ends with the last part or when it is closed.

        A read that loses the connection is run again only if none of its parts was yielded: another transaction
        would see another moment of the database.

        Raises:
            DatabaseUnavailable: as `run`, and after the first part at once.

        """
        retry, begun = _Retry(self._patience), False
        while True:
            try:
                with self._transaction() as connection:
                    for part in read(connection):
                        begun = True
                        yield part
            except DatabaseUnavailable as away:
                if begun:
                    raise
                retry.after(away)
            else:
                return

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            if (reason := unavailable(error)) is None:
                raise
            self._reopen_after(reason)
            raise DatabaseUnavailable(reason=reason) from error

    def _connect(self) -> Connection:
        try:
            return self._engine.connect()
        except DBAPIError as error:
            reason = unavailable(error) or Reason.UNREACHABLE
            self._reopen_after(reason)
            raise DatabaseUnavailable(reason=reason) from error

    def _reopen_after(self, reason: Reason) -> None:
        if reason in REOPEN:
            self._engine.dispose()


class _Retry:
    """The pauses between the attempts of one operation."""

    def __init__(self, patience: float) -> None:
        self._deadline = time.monotonic() + patience
        self._pause = FIRST_PAUSE

    def after(self, away: DatabaseUnavailable) -> None:
        """Wait before the next attempt; raise the error of the latest one if there is none."""
        if away.reason is not Reason.UNREACHABLE or time.monotonic() + self._pause > self._deadline:
            raise away
        # Nothing announces that a server is back; asking is all there is.
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
