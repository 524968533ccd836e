"""Add the number of each user's latest start, by which users take turns."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count from 0: nobody has been served yet. Older code leaves both columns at their defaults."""
    op.add_column("users", sa.Column("served", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("log_head", sa.Column("started", sa.BigInteger, nullable=False, server_default="0"))
