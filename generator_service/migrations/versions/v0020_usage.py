"""Usage per user and day, and that of running attempts so far."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

AMOUNTS = (
    "photos",
    "results",
    "bytes_in",
    "bytes_out",
    "local_us",
    "neural_us",
    "gemini_us",
    "gemini_calls",
    "gemini_input_tokens",
    "gemini_output_tokens",
)


def upgrade() -> None:
    """Add the table and the column. What older releases do is not counted."""
    op.create_table(
        "usage",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in AMOUNTS),
        sa.PrimaryKeyConstraint("user_id", "day", name="pk_usage"),
        comment="What each user used on each day, in UTC.",
    )
    op.create_index("ix_usage_day", "usage", ["day", "user_id"])
    op.add_column("tasks", sa.Column("attempt_usage", sa.Text))
