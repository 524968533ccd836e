"""Webhook endpoints and the messages that could not be delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables. Older releases deliver nothing."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "webhook_endpoints",
        sa.Column("endpoint_id", sa.String(32), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("user_id", sa.String(255)),
        sa.Column("types", sa.Text, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("claimed_by", sa.String(255)),
        sa.Column("claimed_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("endpoint_id", name="pk_webhook_endpoints"),
        comment="Addresses that events are delivered to, and how far each has come.",
    )
    op.create_table(
        "webhook_dead_letters",
        sa.Column("number", number, nullable=False, autoincrement=True),
        sa.Column("endpoint_id", sa.String(32), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("message_id", sa.String(100), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("failed_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("replayed", sa.SmallInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.endpoint_id"],
            ondelete="CASCADE",
            name="fk_webhook_dead_letters_endpoint_id",
        ),
        sa.PrimaryKeyConstraint("number", name="pk_webhook_dead_letters"),
        comment="Messages that could not be delivered.",
    )
    op.create_index("ix_webhook_dead_letters_endpoint_id", "webhook_dead_letters", ["endpoint_id", "number"])
