"""The tables, as SQLAlchemy Core sees them. `generator_service.migrations` makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from generator_service.domain.task import TaskState
from generator_service.store.blob_names import FieldOf

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcMicros(TypeDecorator[datetime]):
    """A UTC time as microseconds since 1970: exact, and ordered alike on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 (signature is SQLAlchemy's)
        """Turn a time into a number."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn a number into a time."""
        return None if value is None else _EPOCH + value * _MICROSECOND


# SQLite numbers rows by itself only where the type is exactly INTEGER; it is 64 bits wide there anyway.
_BigKey = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

log_head = Table(
    "log_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", String(64), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("compacted_revision", BigInteger, nullable=False),
    comment="One row: where the whole log stands.",
)

users = Table(
    "users",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("compacted_seq", BigInteger, nullable=False),
    Column("pending", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    comment="Where each user's log stands, and how many tasks wait and run.",
)

_WAITING = users.c.pending > 0
Index("ix_users_waiting", users.c.running, sqlite_where=_WAITING, postgresql_where=_WAITING)

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", _BigKey, primary_key=True),
    Column("user_id", String(255), ForeignKey("users.user_id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("options", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("timeout_us", BigInteger, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("created_at", UtcMicros, nullable=False),
    Column("updated_at", UtcMicros, nullable=False),
    Column("run_at", UtcMicros),
    Column("started_at", UtcMicros),
    Column("finished_at", UtcMicros),
    Column("lease_owner", String(255)),
    Column("lease_expires_at", UtcMicros),
    Column("progress", SmallInteger, nullable=False),
    Column("stage", String(64), nullable=False),
    Column("result", Text),
    Column("error", Text),
    Column("idempotency_key", String(200)),
    Column("fingerprint", String(64), nullable=False),
    Column("picture_key", String(64)),
    UniqueConstraint("user_id", "idempotency_key"),
    comment="The present state of every task: the rows are the queue.",
    # Ids are never given out again, even after the newest task has been forgotten.
    sqlite_autoincrement=True,
)

_PENDING = tasks.c.state == TaskState.PENDING.value
_RUNNING = tasks.c.state == TaskState.PROCESSING.value

Index(
    "ix_tasks_queue",
    tasks.c.user_id,
    tasks.c.priority.desc(),
    tasks.c.task_id,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index("ix_tasks_run_at", tasks.c.run_at, sqlite_where=_PENDING, postgresql_where=_PENDING)
Index("ix_tasks_lease", tasks.c.lease_expires_at, sqlite_where=_RUNNING, postgresql_where=_RUNNING)
Index("ix_tasks_user", tasks.c.user_id, tasks.c.task_id)
Index("ix_tasks_picture", tasks.c.user_id, tasks.c.picture_key)
Index("ix_tasks_state", tasks.c.state, tasks.c.finished_at)

INPUT_BLOB = FieldOf(tasks.c.input, "blob")
RESULT_BLOB = FieldOf(tasks.c.result, "blob")
THUMBNAIL_BLOB = FieldOf(tasks.c.result, "thumbnail_blob")
_DONE = tasks.c.result.is_not(None)
Index("ix_tasks_input_blob", INPUT_BLOB)
Index("ix_tasks_result_blob", RESULT_BLOB, sqlite_where=_DONE, postgresql_where=_DONE)
Index("ix_tasks_thumbnail_blob", THUMBNAIL_BLOB, sqlite_where=_DONE, postgresql_where=_DONE)

events = Table(
    "events",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", String(255), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("task_id", BigInteger, nullable=False),
    Column("type", String(16), nullable=False),
    Column("occurred_at", UtcMicros, nullable=False),
    Column("task", Text, nullable=False),
    UniqueConstraint("user_id", "seq"),
    comment="The log: each state change, with the task as it left it.",
)
