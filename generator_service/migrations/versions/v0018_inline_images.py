"""Small images, stored beside the tasks that name them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; images that are stored already stay where they are."""
    big_key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "inline_images",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("task_id", big_key, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_inline_images"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.task_id"], name="fk_inline_images_task_id", ondelete="CASCADE"),
        comment="Images that are too small to be files; their keys begin with inline/.",
    )
    op.create_index("ix_inline_images_task_id", "inline_images", ["task_id"])
