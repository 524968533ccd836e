"""PostgreSQL: any number of processes on one log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from generator_service.domain.clock import Clock
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.routing import WaitPolicy
from generator_service.store import image_records
from generator_service.store.backend import Backend
from generator_service.store.image_contract import ImageBinding
from generator_service.store.limits import Limits
from generator_service.store.migrate import migrate
from generator_service.store.queue_clock import DatabaseClock, QueueClock
from generator_service.store.reconnect import DatabaseUnavailable, Reconnecting
from generator_service.store.restored import Renewed, StoreInUse, renew_log
from generator_service.store.sql import READERS, SqlTaskStore
from generator_service.store.tables import metadata
from generator_service.store.unavailable import DatabaseUnusable, first_line
from generator_service.store.writer import CommitListener

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = timedelta(seconds=10)
"""How long a write or a read waits for an unavailable server, as during a restart or a failover."""

READ_TIMEOUT = timedelta(seconds=30)
WRITE_TIMEOUT = timedelta(seconds=10)
"""Of one statement of a write, all its waits for locks together: renewals of leases wait for it to end."""
LOCK_TIMEOUT = timedelta(seconds=3)
"""Of one lock. With a heartbeat every 5 s and a lease of 15 s, two such waits still leave time to renew the lease."""
UTF8 = "UTF8"
"""Encoding that a database must have: file names and texts are in all scripts."""
NEVER = timedelta(0)
"""A timeout that is off."""
IDLE_IN_TRANSACTION_TIMEOUT = timedelta(seconds=5)
"""A process that freezes during a transaction loses it after this time, so that its locks don't block others."""

ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(20260108)")
"""Lock of a migration, so that processes that start together don't run it twice."""
ALONE_ALREADY = text("SELECT pg_try_advisory_xact_lock(20260108)")
"""The same without a wait."""

OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'whitebg' AND pid <> pg_backend_pid()"
)
SKIP_IDS = text(
    "SELECT setval(sequence, greatest(:last, nextval(sequence)))"
    " FROM (SELECT CAST(pg_get_serial_sequence('tasks', 'task_id') AS regclass) AS sequence) AS ids"
)

TABLES = text(
    "SELECT name, has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')"
    " AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE')"
    " FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NOT NULL ORDER BY name"
)
"""Existing tables of these names, and whether the user may read and write each."""
NEW_IDS = text("SELECT nextval(pg_get_serial_sequence('tasks', 'task_id')) FROM generate_series(1, :count)")


def open_postgres(
    url: str,
    *,
    clock: Clock,
    limits: Limits,
    retry: RetryPolicy,
    on_commit: CommitListener,
    patience: timedelta = PATIENCE,
    queue_clock: QueueClock | None = None,
    waits: WaitPolicy | None = None,
) -> SqlTaskStore:
    """Open the database at ``url``, making or migrating its tables where necessary. Blocks while it does.

    Tasks become due and leases expire by the database's own clock, unless another ``queue_clock`` is given.

    Raises:
        ValueError: the URL is none of a PostgreSQL database.
        DatabaseUnavailable: the server can't be reached.
        DatabaseUnusable: the tables can't be made or migrated in this database.

    """
    address = database_url(url)
    # The migration of a large table takes long, and other processes wait for it as long.
    migrating = _engine(address, pool_size=1, isolation_level="READ COMMITTED", timeout=NEVER, lock_timeout=NEVER)
    try:
        migrate(migrating, patience=patience, alone=_prepare)
    except DBAPIError as error:
        raise DatabaseUnusable(
            f"WHITEBG_DATABASE_URL: the tables of database {address.database} can't be made or migrated: "
            f"{first_line(error)}; name an empty database, or one that whitebg made"
        ) from error
    finally:
        migrating.dispose()
    writing = _engine(address, pool_size=1, isolation_level="READ COMMITTED", timeout=WRITE_TIMEOUT)
    reading = _engine(address, pool_size=READERS, isolation_level="REPEATABLE READ").execution_options(
        postgresql_readonly=True
    )
    try:
        # Where the server has too few connections, the start reports it, not each write.
        Reconnecting(writing, patience).run(lambda _: None)
        if queue_clock is None:
            queue_clock = Reconnecting(reading, patience).run(partial(DatabaseClock, clock))
    except BaseException:
        writing.dispose()
        reading.dispose()
        raise
    return SqlTaskStore(
        writing,
        reading,
        backend=Backend(begin=_begin, new_ids=_new_ids, skip_ids=_skip_ids, queue_clock=queue_clock),
        patience=patience,
        clock=clock,
        limits=limits,
        retry=retry,
        on_commit=on_commit,
        waits=waits or WaitPolicy(),
    )


def _prepare(connection: Connection) -> None:
    """Check the database, then wait until no other process migrates it."""
    problem = encoding_problem(connection.scalar(text("SHOW server_encoding")))
    if problem is not None:
        raise DatabaseUnusable(f"WHITEBG_DATABASE_URL: the database {problem}")
    if not connection.scalar(ALONE_ALREADY):
        logger.warning("waiting for another process that makes or migrates the tables")
        connection.execute(ONE_AT_A_TIME)


def encoding_problem(encoding: str) -> str | None:
    """Return the problem of a database's encoding and its remedy; None if it can store every text."""
    if encoding == UTF8:
        return None
    return (
        f"is encoded in {encoding}, which can't store every text: move the data to one that was created with "
        "ENCODING 'UTF8' TEMPLATE template0"
    )


def renew_postgres(url: str) -> Renewed:
    """Give a restored database's log a new epoch. Blocks while it does.

    Raises:
        ValueError: the URL is none of a PostgreSQL database.
        StoreInUse: services or workers are connected.
        DatabaseUnavailable: the server can't be reached.

    """

    def renew(connection: Connection) -> Renewed:
        _require_unused(connection)
        return renew_log(connection, _skip_ids)

    return _run_once(url, renew)


def require_unused(url: str) -> None:
    """Check that no process uses a database. Blocks while it does.

    Raises:
        ValueError: the URL is none of a PostgreSQL database.
        StoreInUse: services or workers are connected.
        DatabaseUnavailable: the server can't be reached.

    """
    _run_once(url, _require_unused)


def _require_unused(connection: Connection) -> None:
    connection.execute(ONE_AT_A_TIME)
    if others := connection.scalar(OTHERS):
        raise StoreInUse(f"{others} connections of services and workers are open; stop them all first")


def _run_once(url: str, operation: Callable[[Connection], T]) -> T:
    engine = _engine(database_url(url), pool_size=1, isolation_level="READ COMMITTED")
    try:
        return Reconnecting(engine, timedelta(0)).run(operation)
    finally:
        engine.dispose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A database's state, as found by a read-only check."""

    schema: str | None
    """Version of its tables; None if there are none yet."""
    tasks: int
    may_create: bool
    """Whether the user may make tables."""
    synchronous_commit: str
    image_binding: ImageBinding | None
    revision: int
    """Head of the log; 0 without tables."""
    encoding: str
    read_only: bool
    """Whether the server is a replica, or transactions are read-only by default."""
    named_alike: Sequence[str]
    """Existing tables with the names of ours."""
    forbidden: Sequence[str]
    """Of these, those that the user may not read and write."""


def look_at_postgres(url: str) -> Seen:
    """Look at a database without changing anything. Blocks while it does.

    Raises:
        ValueError: the URL is none of a PostgreSQL database.
        DatabaseUnavailable: the database is unreachable; the message has the driver's reason without the password.

    """
    engine = _engine(database_url(url), pool_size=1, isolation_level="READ COMMITTED")
    try:
        with engine.connect() as connection:
            made = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
            tables = connection.execute(TABLES, {"names": [*metadata.tables]}).all()
            bound, revision = image_records.look(connection)
            return Seen(
                image_binding=bound,
                revision=revision,
                schema=connection.scalar(text("SELECT version_num FROM alembic_version")) if made else None,
                tasks=connection.scalar(text("SELECT count(*) FROM tasks")) if made else 0,
                may_create=connection.scalar(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")) or False,
                synchronous_commit=connection.scalar(text("SHOW synchronous_commit")) or "",
                encoding=connection.scalar(text("SHOW server_encoding")) or "",
                read_only=connection.scalar(text("SHOW transaction_read_only")) == "on",
                named_alike=[name for name, _ in tables],
                forbidden=[name for name, usable in tables if not usable],
            )
    except DBAPIError as error:
        raise DatabaseUnavailable(first_line(error)) from error
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


def _skip_ids(connection: Connection, last: int) -> None:
    connection.execute(SKIP_IDS, {"last": last})


def _engine(
    address: URL,
    *,
    pool_size: int,
    isolation_level: str,
    timeout: timedelta = READ_TIMEOUT,
    lock_timeout: timedelta = LOCK_TIMEOUT,
) -> Engine:
    timeouts = {
        "statement_timeout": timeout,
        "lock_timeout": lock_timeout,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT,
    }
    session = {name: str(span // timedelta(milliseconds=1)) for name, span in timeouts.items()}
    # An operator's defaults must not change how times and texts are read.
    session |= {"DateStyle": "ISO", "client_encoding": UTF8}
    # The address may have further options, such as a search path; of those that are given twice, the later one counts.
    named = address.query.get("options", "")
    options = [named if isinstance(named, str) else " ".join(named)]
    options += [f"-c {name}={value}" for name, value in session.items()]
    return create_engine(
        address,
        pool_size=pool_size,
        max_overflow=0,
        isolation_level=isolation_level,
        connect_args={
            "application_name": "whitebg",
            "options": " ".join(options),
            "connect_timeout": 5,
            # A lost host closes no connections.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
    )
