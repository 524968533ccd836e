"""Sessions that were ended before their tokens expire."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. Processes of the release before know nothing of it, and reject no session."""
    op.create_table(
        "revocations",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("session_id", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("revoked_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        comment="Sessions that were ended, numbered in the order of the commits; the latest row stays for its number.",
    )
    op.create_index("ix_revocations_session", "revocations", ["session_id"])
