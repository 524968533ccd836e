"""Transactions that outlive a restart of the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from generator_service.store.unavailable import Reason, unavailable

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
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                return self._once(what)
            except DatabaseUnavailable as away:
                if away.reason in REOPEN:
                    self._engine.dispose()
                if away.reason is not Reason.UNREACHABLE or time.monotonic() + pause > deadline:
                    raise
            # Nothing announces that a server is back; asking is all there is.
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _once(self, what: Callable[[Connection], T]) -> T:
        try:
            with self._connect() as connection, connection.begin():
                return what(connection)
        except DBAPIError as error:
            if (reason := unavailable(error)) is None:
                raise
            raise DatabaseUnavailable(reason=reason) from error

    def _connect(self) -> Connection:
        try:
            return self._engine.connect()
        except DBAPIError as error:
            raise DatabaseUnavailable(reason=unavailable(error) or Reason.UNREACHABLE) from error
