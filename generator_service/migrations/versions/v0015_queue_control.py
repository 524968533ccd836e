"""Control of the queue: pauses, limits of engines and of single users."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and a table. Older workers ignore pauses and limits."""
    op.add_column("tasks", sa.Column("assigned_engine", sa.String(16)))
    op.add_column("breakers", sa.Column("max_running", sa.Integer))
    op.add_column("breakers", sa.Column("per_minute", sa.Integer))
    op.create_table(
        "user_limits",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("max_pending", sa.Integer),
        sa.Column("max_running", sa.Integer),
        sa.Column("max_stored_bytes", sa.BigInteger),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_limits"),
        comment="Limits of single users in place of the defaults; null is the default.",
    )
    if op.get_bind().dialect.name == "postgresql":
        # SQLite keeps no comments.
        op.create_table_comment(
            "breakers",
            "What holds claims back: circuit breakers, pauses and limits of engines; no row is a closed breaker.",
            existing_comment="Circuit breakers of engines and of the image store; no row is a closed one.",
        )
