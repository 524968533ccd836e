"""Tasks, users and the log."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, and the log's identity."""
    log_head = op.create_table(
        "log_head",
        sa.Column("id", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(64), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("compacted_revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_head"),
        comment="One row: where the whole log stands.",
    )
    op.bulk_insert(log_head, [{"id": 1, "epoch": secrets.token_hex(8), "revision": 0, "compacted_revision": 0}])
    op.create_table(
        "users",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("compacted_seq", sa.BigInteger, nullable=False),
        sa.Column("pending", sa.Integer, nullable=False),
        sa.Column("running", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_users"),
        comment="Where each user's log stands, and how many tasks wait and run.",
    )
    waiting = sa.text("pending > 0")
    op.create_index("ix_users_waiting", "users", ["running"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_table(
        "tasks",
        sa.Column("task_id", BIG_KEY, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("timeout_us", sa.BigInteger, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("run_at", sa.BigInteger),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("lease_owner", sa.String(255)),
        sa.Column("lease_expires_at", sa.BigInteger),
        sa.Column("progress", sa.SmallInteger, nullable=False),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("idempotency_key", sa.String(200)),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name="pk_tasks"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_tasks_user_id"),
        sa.UniqueConstraint("user_id", "idempotency_key", name="uq_tasks_user_id_idempotency_key"),
        comment="The present state of every task: the rows are the queue.",
        sqlite_autoincrement=True,
    )
    pending, processing = sa.text("state = 'pending'"), sa.text("state = 'processing'")
    op.create_index(
        "ix_tasks_queue",
        "tasks",
        ["user_id", sa.text("priority DESC"), "task_id"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index("ix_tasks_run_at", "tasks", ["run_at"], sqlite_where=pending, postgresql_where=pending)
    op.create_index(
        "ix_tasks_lease", "tasks", ["lease_expires_at"], sqlite_where=processing, postgresql_where=processing
    )
    op.create_index("ix_tasks_user", "tasks", ["user_id", "task_id"])
    op.create_index("ix_tasks_state", "tasks", ["state", "finished_at"])
    op.create_table(
        "events",
        sa.Column("revision", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_events"),
        sa.UniqueConstraint("user_id", "seq", name="uq_events_user_id_seq"),
        comment="The log: each state change, with the task as it left it.",
    )
