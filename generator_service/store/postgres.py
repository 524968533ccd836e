"""PostgreSQL: any number of processes on one log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from generator_service.domain.clock import Clock
from generator_service.domain.retry import RetryPolicy
from generator_service.store.contract import Limits
from generator_service.store.migrate import migrate
from generator_service.store.reconnect import Reconnecting, StoreAway
from generator_service.store.restored import Renewed, StoreInUse, renew_log
from generator_service.store.sql import READERS, SqlTaskStore
from generator_service.store.unit_of_work import Backend
from generator_service.store.writer import CommitListener

PATIENCE = timedelta(seconds=10)
"""How long a write or a read waits for a server that has gone away: a restart, or a failover."""

STATEMENT_TIMEOUT = timedelta(seconds=30)
LOCK_TIMEOUT = timedelta(seconds=10)
IDLE_IN_TRANSACTION_TIMEOUT = timedelta(seconds=5)
"""A process that freezes in the middle of a transaction loses it then, or its locks would stop everybody."""

ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(20260108)")
"""Held by whoever migrates, so that processes that start together do not."""

OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'whitebg' AND pid <> pg_backend_pid()"
)
SKIP_IDS = text(
    "SELECT setval(sequence, greatest(:last, nextval(sequence)))"
    " FROM (SELECT CAST(pg_get_serial_sequence('tasks', 'task_id') AS regclass) AS sequence) AS ids"
)

NEW_IDS = text("SELECT nextval(pg_get_serial_sequence('tasks', 'task_id')) FROM generate_series(1, :count)")


def open_postgres(
    url: str,
    *,
    clock: Clock,
    limits: Limits,
    retry: RetryPolicy,
    on_commit: CommitListener,
    patience: timedelta = PATIENCE,
) -> SqlTaskStore:
    """Open the database at ``url``, making or migrating its tables where necessary. Blocks while it does.

    Raises:
        ValueError: the URL is none of a PostgreSQL database.
        StoreAway: the server can't be reached.

    """
    address = database_url(url)
    writing = _engine(address, pool_size=1, isolation_level="READ COMMITTED")
    migrate(writing, patience=patience, alone=ONE_AT_A_TIME)
    reading = _engine(address, pool_size=READERS, isolation_level="REPEATABLE READ").execution_options(
        postgresql_readonly=True
    )
    return SqlTaskStore(
        writing,
        reading,
        backend=Backend(begin=_begin, new_ids=_new_ids),
        patience=patience,
        clock=clock,
        limits=limits,
        retry=retry,
        on_commit=on_commit,
    )


def renew_postgres(url: str) -> Renewed:
    """Give a restored database's log a new epoch. Blocks while it does.

    Raises:
        ValueError: the URL is none of a PostgreSQL database.
        StoreInUse: services or workers are connected.
        StoreAway: the server can't be reached.

    """

    def renew(connection: Connection) -> Renewed:
        connection.execute(ONE_AT_A_TIME)
        if others := connection.scalar(OTHERS):
            raise StoreInUse(f"{others} connections of services and workers are open; stop them all first")
        return renew_log(connection, lambda connection, last: connection.execute(SKIP_IDS, {"last": last}))

    engine = _engine(database_url(url), pool_size=1, isolation_level="READ COMMITTED")
    try:
        return Reconnecting(engine, timedelta(0)).run(renew)
    finally:
        engine.dispose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A database as somebody found it who changed nothing."""

    schema: str | None
    """Version of its tables; None if there are none yet."""
    tasks: int
    may_create: bool
    """Whether the user may make tables."""
    synchronous_commit: str


def look_at_postgres(url: str) -> Seen:
    """Look at a database without changing anything. Blocks while it does.

    Raises:
        ValueError: the URL is none of a PostgreSQL database.
        StoreAway: it can't be reached; the reason is the server's or the driver's own, and without the password.

    """
    engine = _engine(database_url(url), pool_size=1, isolation_level="READ COMMITTED")
    try:
        with engine.connect() as connection:
            made = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
            return Seen(
                schema=connection.scalar(text("SELECT version_num FROM alembic_version")) if made else None,
                tasks=connection.scalar(text("SELECT count(*) FROM tasks")) if made else 0,
                may_create=connection.scalar(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")) or False,
                synchronous_commit=connection.scalar(text("SHOW synchronous_commit")) or "",
            )
    except DBAPIError as error:
        raise StoreAway(str(error.orig).strip().splitlines()[0]) from error
    finally:
        engine.dispose()


def database_url(url: str) -> URL:
    """Read a URL such as ``postgresql://user:password@host:5432/whitebg``.

    Raises:
        ValueError: it is none of a PostgreSQL database. The message does not repeat it: there may be a password in it.

    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("not a URL; use postgresql://user:password@host:5432/database") from None
    if address.get_backend_name() not in {"postgresql", "postgres"}:
        raise ValueError(f"{address.get_backend_name()} is no database for many processes; use postgresql://…")
    return address.set(drivername="postgresql+psycopg")


def driver_url(url: str) -> str:
    """Return the same address as the driver by itself reads it."""
    return database_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _begin(_connection: Connection) -> None:
    """Do nothing: the driver begins by itself."""


def _new_ids(connection: Connection, count: int) -> Sequence[int]:
    return connection.execute(NEW_IDS, {"count": count}).scalars().all()


def _engine(address: URL, *, pool_size: int, isolation_level: str) -> Engine:
    timeouts = {
        "statement_timeout": STATEMENT_TIMEOUT,
        "lock_timeout": LOCK_TIMEOUT,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT,
    }
    return create_engine(
        address,
        pool_size=pool_size,
        max_overflow=0,
        isolation_level=isolation_level,
        connect_args={
            "application_name": "whitebg",
            "options": " ".join(f"-c {name}={span // timedelta(milliseconds=1)}" for name, span in timeouts.items()),
            "connect_timeout": 5,
            # A host that vanished says no goodbye.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
    )
