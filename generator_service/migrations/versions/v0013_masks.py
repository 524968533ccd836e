"""Masks of photos and results: which tasks name them, and from which task a photo was taken."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index the names of masks, which older rows don't have, and add the column."""
    on_postgres = op.get_bind().dialect.name == "postgresql"
    if on_postgres:
        # Of millions of tasks, this takes longer than a statement of the service may.
        op.execute("SET LOCAL statement_timeout = 0")
    op.add_column("tasks", sa.Column("source_task_id", sa.BigInteger))
    if on_postgres:
        supplied, made = "(CAST(input AS JSON) -> 'mask' ->> 'blob')", "(CAST(result AS JSON) ->> 'mask_blob')"
    else:
        supplied, made = "json_extract(input, '$.mask.blob')", "json_extract(result, '$.mask_blob')"
    for name, value, where in (
        ("ix_tasks_input_mask_blob", supplied, sa.text(f"{supplied} IS NOT NULL")),
        ("ix_tasks_result_mask_blob", made, sa.text("result IS NOT NULL")),
    ):
        op.create_index(name, "tasks", [sa.text(value)], sqlite_where=where, postgresql_where=where)
