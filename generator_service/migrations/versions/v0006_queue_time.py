"""Record the queue time, and let tasks that were never tried run at once, whatever the clocks say."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give waiting first attempts the time 0, which older code too finds in the past."""
    op.add_column("log_head", sa.Column("queue_time", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE tasks SET run_at = 0 WHERE state = 'pending' AND attempt = 0")
