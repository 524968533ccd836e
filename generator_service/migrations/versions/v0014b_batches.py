"""Batches: tasks that were submitted together, and the events of their ends."""

import sqlalchemy as sa
from alembic import op

revision = "0014b"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add table and columns. Tasks and events of older releases have no batch."""
    if op.get_bind().dialect.name == "postgresql":
        # Of millions of tasks, this takes longer than a statement of the service may.
        op.execute("SET LOCAL statement_timeout = 0")
    op.create_table(
        "batches",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("batch_id", sa.String(100), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("user_id", "batch_id", name="pk_batches"),
        comment="Batches that have tasks.",
    )
    op.add_column("tasks", sa.Column("batch_id", sa.String(100)))
    op.add_column("events", sa.Column("batch", sa.Text))
    present = sa.text("batch_id IS NOT NULL")
    op.create_index(
        "ix_tasks_batch", "tasks", ["user_id", "batch_id", "state"], sqlite_where=present, postgresql_where=present
    )
