"""Images of deleted tasks that are still to be removed from the image store."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; older releases remove the images of the tasks that they delete themselves."""
    op.create_table(
        "image_deletions",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("requested_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_image_deletions"),
        comment="Images of deleted tasks that are still to be removed from the image store.",
    )
    op.create_index("ix_image_deletions_requested_at", "image_deletions", ["requested_at"])
