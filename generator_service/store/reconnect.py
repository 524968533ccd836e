"""Transactions that outlive a restart of the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

T = TypeVar("T")

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5


class StoreAway(Exception):
    """The database can't be reached; try again shortly. Whether the last write was committed is not known."""


class Reconnecting:
    """Runs transactions on an engine; one that lost the database is run again for up to ``patience``.

    What is run may have been committed the time before, if the database went away in that very moment: it must be
    harmless twice, or look first. Blocks while it waits.
    """

    def __init__(self, engine: Engine, patience: timedelta) -> None:
        self._engine = engine
        self._patience = patience.total_seconds()

    def run(self, what: Callable[[Connection], T]) -> T:
        """Run it in a transaction of its own, and commit.

        Raises:
            StoreAway: the database did not come back in time.

        """
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                with self._connect() as connection, connection.begin():
                    return what(connection)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                loss: Exception = error
            except StoreAway as error:
                loss = error
            if time.monotonic() + pause > deadline:
                raise StoreAway("the database can't be reached; try again shortly") from loss
            # Nobody tells when a server is back; asking is all there is.
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _connect(self) -> Connection:
        try:
            return self._engine.connect()
        except OperationalError as error:
            raise StoreAway("no connection") from error
