"""The tables, as SQLAlchemy Core sees them.

`store.migrate` creates them in an empty database, and `generator_service.migrations` adds to those of older releases;
both give the same schema, so a new column comes last in its table.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from generator_service.domain.task import TaskState
from generator_service.domain.usage import AMOUNTS
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
    Column("started", BigInteger, nullable=False, server_default="0"),
    Column("queue_time", UtcMicros, nullable=False, server_default="0"),
    # The highest seq of any user whose row was deleted. Logs of new users begin after it, so that no cursor of a user
    # who comes back fits another event than the one it was made for.
    Column("forgotten_seq", BigInteger, nullable=False, server_default="0"),
    comment="One row: where the whole log stands.",
)

image_store = Table(
    "image_store",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("binding", String(64), nullable=False),
    Column("confirmed", SmallInteger, nullable=False),
    comment="At most one row: the image store that belongs to this database.",
)

orphan_marks = Table(
    "orphan_marks",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("marked_at", UtcMicros, nullable=False),
    comment="Images that no task names, and since when that is known.",
)

image_deletions = Table(
    "image_deletions",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("requested_at", UtcMicros, nullable=False),
    comment="Images of deleted tasks that are still to be removed from the image store.",
)
Index("ix_image_deletions_requested_at", image_deletions.c.requested_at)

users = Table(
    "users",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("compacted_seq", BigInteger, nullable=False),
    Column("pending", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("served", BigInteger, nullable=False, server_default="0"),
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),
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
    Column("engine", String(16)),
    Column("deadline", UtcMicros),
    Column("wait_reason", String(32)),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("lost_leases", Integer, nullable=False, server_default="0"),
    # No foreign key: the earlier task may be deleted, and stays named.
    Column("source_task_id", BigInteger),
    Column("batch_id", String(100)),
    Column("assigned_engine", String(16)),
    # Null is not decided, also in rows of older releases.
    Column("review", String(16)),
    # What the running attempt has used so far, by its latest heartbeat.
    Column("attempt_usage", Text),
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
Index("ix_tasks_deadline", tasks.c.deadline, sqlite_where=_PENDING, postgresql_where=_PENDING)
Index("ix_tasks_lease", tasks.c.lease_expires_at, sqlite_where=_RUNNING, postgresql_where=_RUNNING)
Index("ix_tasks_user", tasks.c.user_id, tasks.c.task_id)
Index("ix_tasks_picture", tasks.c.user_id, tasks.c.picture_key)
_BATCHED = tasks.c.batch_id.is_not(None)
Index(
    "ix_tasks_batch",
    tasks.c.user_id,
    tasks.c.batch_id,
    tasks.c.state,
    sqlite_where=_BATCHED,
    postgresql_where=_BATCHED,
)
Index("ix_tasks_state", tasks.c.state, tasks.c.finished_at)

batches = Table(
    "batches",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("batch_id", String(100), primary_key=True),
    Column("created_at", UtcMicros, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("finished_at", UtcMicros),
    comment="Batches that have tasks.",
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("idempotency_key", String(200), primary_key=True),
    Column("task_id", _BigKey, ForeignKey("tasks.task_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("fingerprint", String(64), nullable=False),
    comment="Keys of requests that were answered with the stored result of an earlier task.",
)

inline_images = Table(
    "inline_images",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("task_id", _BigKey, ForeignKey("tasks.task_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("data", LargeBinary, nullable=False),
    comment="Images that are too small to be files; their keys begin with inline/.",
)

INPUT_BLOB = FieldOf(tasks.c.input, "blob")
INPUT_MASK_BLOB = FieldOf(tasks.c.input, "mask", "blob")
RESULT_BLOB = FieldOf(tasks.c.result, "blob")
THUMBNAIL_BLOB = FieldOf(tasks.c.result, "thumbnail_blob")
RESULT_MASK_BLOB = FieldOf(tasks.c.result, "mask_blob")
_DONE = tasks.c.result.is_not(None)
Index("ix_tasks_input_blob", INPUT_BLOB)
Index("ix_tasks_result_blob", RESULT_BLOB, sqlite_where=_DONE, postgresql_where=_DONE)
Index("ix_tasks_thumbnail_blob", THUMBNAIL_BLOB, sqlite_where=_DONE, postgresql_where=_DONE)
_WITH_MASK = INPUT_MASK_BLOB.is_not(None)
Index("ix_tasks_input_mask_blob", INPUT_MASK_BLOB, sqlite_where=_WITH_MASK, postgresql_where=_WITH_MASK)
Index("ix_tasks_result_mask_blob", RESULT_MASK_BLOB, sqlite_where=_DONE, postgresql_where=_DONE)

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
    Column("batch", Text),
    UniqueConstraint("user_id", "seq"),
    comment="The log: each state change, with the task as it left it.",
)

revocations = Table(
    "revocations",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("session_id", String(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("revoked_at", UtcMicros, nullable=False),
    Column("expires_at", UtcMicros, nullable=False),
    comment="Sessions that were ended, numbered in the order of the commits; the latest row stays for its number.",
)
Index("ix_revocations_session", revocations.c.session_id)

breakers = Table(
    "breakers",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("reason", String(32)),
    Column("code", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("failing_since", UtcMicros),
    Column("opened_at", UtcMicros),
    Column("open_until", UtcMicros),
    Column("trips", Integer, nullable=False),
    Column("lasting", Boolean, nullable=False),
    Column("probe_task", BigInteger),
    Column("probe_until", UtcMicros),
    Column("max_running", Integer),
    Column("per_minute", Integer),
    comment="What holds claims back: circuit breakers, pauses and limits of engines; no row is a closed breaker.",
)

user_limits = Table(
    "user_limits",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("max_pending", Integer),
    Column("max_running", Integer),
    Column("max_stored_bytes", BigInteger),
    comment="Limits of single users in place of the defaults; null is the default.",
)

workers = Table(
    "workers",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("version", String(64), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("engines", String(255), nullable=False),
    Column("expires_at", UtcMicros, nullable=False),
    comment="Live workers, in queue time; a row that is not renewed expires.",
)

usage = Table(
    "usage",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("day", Date, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in AMOUNTS),
    comment="What each user used on each day, in UTC.",
)
Index("ix_usage_day", usage.c.day, usage.c.user_id)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("scopes", String(64), nullable=False),
    Column("created_at", UtcMicros, nullable=False),
    Column("created_by", String(255), nullable=False),
    Column("expires_at", UtcMicros),
    Column("last_used_at", UtcMicros),
    Column("revoked_at", UtcMicros),
    comment="API keys of services, by the hash of their secret.",
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("endpoint_id", String(32), primary_key=True),
    Column("url", Text, nullable=False),
    Column("user_id", String(255)),
    Column("types", Text, nullable=False),
    Column("secrets", Text, nullable=False),
    Column("created_at", UtcMicros, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_attempt_at", UtcMicros),
    Column("last_error", Text, nullable=False),
    Column("claimed_by", String(255)),
    Column("claimed_until", UtcMicros),
    comment="Addresses that events are delivered to, and how far each has come.",
)

webhook_dead_letters = Table(
    "webhook_dead_letters",
    metadata,
    Column("number", _BigKey, primary_key=True, autoincrement=True),
    Column("endpoint_id", String(32), ForeignKey("webhook_endpoints.endpoint_id", ondelete="CASCADE"), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("message_id", String(100), nullable=False),
    Column("type", String(32), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("failed_at", UtcMicros, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("replayed", SmallInteger, nullable=False),
    comment="Messages that could not be delivered.",
)
Index("ix_webhook_dead_letters_endpoint_id", webhook_dead_letters.c.endpoint_id, webhook_dead_letters.c.number)
