"""Which images tasks name, so that those can be found which none does."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index the names, which stay where they are."""
    on_postgres = op.get_bind().dialect.name == "postgresql"
    done = sa.text("result IS NOT NULL")
    if on_postgres:
        # Of millions of tasks, this takes longer than a statement of the service may.
        op.execute("SET LOCAL statement_timeout = 0")
    for name, column, field, where in (
        ("ix_tasks_input_blob", "input", "blob", None),
        ("ix_tasks_result_blob", "result", "blob", done),
        ("ix_tasks_thumbnail_blob", "result", "thumbnail_blob", done),
    ):
        value = f"(CAST({column} AS JSON) ->> '{field}')" if on_postgres else f"json_extract({column}, '$.{field}')"
        op.create_index(name, "tasks", [sa.text(value)], sqlite_where=where, postgresql_where=where)
