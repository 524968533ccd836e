"""What picture a task stands for, so that a stored one can be found again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the key, which older tasks don't have, and its index."""
    op.add_column("tasks", sa.Column("picture_key", sa.String(64)))
    op.create_index("ix_tasks_picture", "tasks", ["user_id", "picture_key"])
