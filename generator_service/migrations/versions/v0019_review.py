"""The owner's decision on a result."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; null is not decided. Older code leaves it as it is."""
    op.add_column("tasks", sa.Column("review", sa.String(16)))
