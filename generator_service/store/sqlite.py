"""SQLite: one file, one writer, durable at every commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from generator_service.domain.clock import Clock
from generator_service.domain.retry import RetryPolicy
from generator_service.store.contract import Limits
from generator_service.store.migrate import migrate
from generator_service.store.restored import Renewed, renew_log
from generator_service.store.sql import READERS, SqlTaskStore
from generator_service.store.unit_of_work import Backend
from generator_service.store.writer import CommitListener

BUSY_TIMEOUT_MS = 10_000
BEGIN_TO_WRITE = text("BEGIN IMMEDIATE")
"""Run by hand: a listener of the engine would be asked at every statement whether it cares."""
LAST_ID = text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'tasks'")


def open_sqlite(
    path: Path, *, clock: Clock, limits: Limits, retry: RetryPolicy, on_commit: CommitListener
) -> SqlTaskStore:
    """Open, and where necessary make or migrate, the database at ``path``. Blocks while it does."""
    writing = _engine(path, pool_size=1)
    migrate(writing, alone=BEGIN_TO_WRITE)
    reading = _engine(path, pool_size=READERS)
    event.listen(reading, "begin", _begin_to_read)
    return SqlTaskStore(
        writing,
        reading,
        backend=Backend(begin=_begin_to_write, new_ids=_new_ids),
        patience=timedelta(0),
        clock=clock,
        limits=limits,
        retry=retry,
        on_commit=on_commit,
    )


def renew_sqlite(path: Path) -> Renewed:
    """Give a restored file's log a new epoch. Blocks while it does. Whoever calls holds the data folder.

    Raises:
        FileNotFoundError: there is no file.

    """
    if not path.exists():
        raise FileNotFoundError(path)

    def skip_ids(connection: Connection, last: int) -> None:
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'tasks' AND seq < :last"), {"last": last})
        connection.execute(
            text(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'tasks', :last"
                " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'tasks')"
            ),
            {"last": last},
        )

    engine = _engine(path, pool_size=1)
    try:
        with engine.begin() as connection:
            connection.execute(BEGIN_TO_WRITE)
            return renew_log(connection, skip_ids)
    finally:
        engine.dispose()


def _begin_to_write(connection: Connection) -> None:
    """Whoever has begun to write is alone with the whole database."""
    connection.execute(BEGIN_TO_WRITE)


def _new_ids(connection: Connection, count: int) -> Sequence[int]:
    # The highest that was ever stored; the database itself notes it there.
    last = connection.execute(LAST_ID).scalar_one()
    return range(last + 1, last + 1 + count)


def _begin_to_read(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _engine(path: Path, *, pool_size: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # The driver must not open transactions by itself: it would do so too late, and with the wrong BEGIN.
        driver: Any = connection
        driver.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_size_limit=67108864",
        ):
            driver.execute(f"PRAGMA {pragma}").close()

    return engine
