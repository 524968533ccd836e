"""How many bytes of images each user has stored."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the counter, and count what is there. Older code leaves it as it is."""
    on_postgres = op.get_bind().dialect.name == "postgresql"
    if on_postgres:
        # Of millions of tasks, this takes longer than a statement of the service may.
        op.execute("SET LOCAL statement_timeout = 0")
    op.add_column("users", sa.Column("stored_bytes", sa.BigInteger, nullable=False, server_default="0"))

    def size(column: str, field: str) -> str:
        if on_postgres:
            return f"COALESCE(CAST(CAST({column} AS JSON) ->> '{field}' AS BIGINT), 0)"
        return f"COALESCE(json_extract({column}, '$.{field}'), 0)"

    sizes = [size("input", "size_bytes"), size("result", "size_bytes"), size("result", "thumbnail_bytes")]
    op.execute(
        f"UPDATE users SET stored_bytes = (SELECT COALESCE(SUM({' + '.join(sizes)}), 0)"  # noqa: S608  no text of others
        " FROM tasks WHERE tasks.user_id = users.user_id)"
    )
