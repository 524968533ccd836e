"""Where the logs of users begin who come after, or come back after, others were deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark; older releases neither read nor move it."""
    op.add_column("log_head", sa.Column("forgotten_seq", sa.BigInteger, nullable=False, server_default="0"))
