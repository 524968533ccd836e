"""Bind the database to its image store, and mark images for deletion before they are deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the binding and the marks; an existing database is bound at its next start."""
    op.create_table(
        "image_store",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("binding", sa.String(64), nullable=False),
        sa.Column("confirmed", sa.SmallInteger, nullable=False),
        comment="At most one row: the image store that belongs to this database.",
    )
    op.create_table(
        "orphan_marks",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("marked_at", sa.BigInteger, nullable=False),
        comment="Images that no task names, and since when that is known.",
    )
