"""Waiting is not failing: what tasks wait for, and the circuit breakers that decide it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, which older code can do without, and fill in the engine that each task asked for."""
    on_postgres = op.get_bind().dialect.name == "postgresql"
    if on_postgres:
        # Of millions of tasks, this takes longer than a statement of the service may.
        op.execute("SET LOCAL statement_timeout = 0")
    # Null where an older process added the task: any engine.
    op.add_column("tasks", sa.Column("engine", sa.String(16)))
    op.add_column("tasks", sa.Column("deadline", sa.BigInteger))
    op.add_column("tasks", sa.Column("wait_reason", sa.String(32)))
    op.add_column("tasks", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("lost_leases", sa.Integer, nullable=False, server_default="0"))
    asked = "CAST(options AS JSON) ->> 'engine'" if on_postgres else "json_extract(options, '$.engine')"
    op.execute(f"UPDATE tasks SET engine = {asked}")  # noqa: S608 (one of the two above)
    # Until now every attempt but the present one was a failed one.
    op.execute("UPDATE tasks SET failures = attempt WHERE state = 'pending'")
    op.execute("UPDATE tasks SET failures = attempt - 1 WHERE state = 'processing'")
    pending = sa.text("state = 'pending'")
    op.create_index("ix_tasks_deadline", "tasks", ["deadline"], sqlite_where=pending, postgresql_where=pending)
    op.create_table(
        "breakers",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("opened_at", sa.BigInteger),
        sa.Column("open_until", sa.BigInteger),
        sa.Column("trips", sa.Integer, nullable=False),
        sa.Column("lasting", sa.Boolean, nullable=False),
        sa.Column("probe_task", sa.BigInteger),
        sa.Column("probe_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("name", name="pk_breakers"),
        comment="Circuit breakers of engines and of the image store; no row is a closed one.",
    )
