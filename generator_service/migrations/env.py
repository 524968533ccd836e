"""Alembic's entry: runs on the connection that `generator_service.store.migrate` hands over."""

from alembic import context

from generator_service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
