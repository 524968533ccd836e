"""Idempotency keys of requests that were answered with the stored result of an earlier task."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; keys that made a task of their own stay with that task."""
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=False),
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "idempotency_key", name="pk_idempotency_keys"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.task_id"], name="fk_idempotency_keys_task_id", ondelete="CASCADE"),
        comment="Keys of requests that were answered with the stored result of an earlier task.",
    )
    op.create_index("ix_idempotency_keys_task_id", "idempotency_keys", ["task_id"])
