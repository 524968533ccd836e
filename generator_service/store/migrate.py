"""Bring a database to the present schema, at every start."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from importlib import resources

from sqlalchemy import Connection, Engine, Executable, inspect, text

from generator_service.store.reconnect import Reconnecting

logger = logging.getLogger(__name__)

_VERSION_TABLE = "alembic_version"


def revisions() -> Sequence[str]:
    """Return the revisions of the schema, oldest first, by the names of their files: ``v0014b_batches.py``."""
    files = resources.files("generator_service.migrations.versions").iterdir()
    return sorted(
        file.name.removeprefix("v").partition("_")[0] for file in files if file.name.startswith("v") and file.is_file()
    )


def migrate(database: Engine, *, patience: timedelta = timedelta(0), alone: Executable | None = None) -> None:
    """Run the migrations that the database has not seen, all in one transaction.

    A schema that is newer than this code is left unchanged: migrations only add parts that older code can ignore, so
    that processes of two releases can work side by side, and a release can be rolled back.

    ``alone`` is a statement that returns when no other process is migrating.

    Raises:
        DatabaseUnavailable: the database could not be reached within ``patience``.

    """
    known = revisions()

    def upgrade(connection: Connection) -> None:
        if alone is not None:
            connection.execute(alone)
        present = _present(connection)
        if newer := present.difference(known):
            logger.warning("the database is of a newer release (schema %s)", ", ".join(sorted(newer)))
        elif present != {known[-1]}:
            _run_migrations(connection)

    Reconnecting(database, patience).run(upgrade)


def _present(connection: Connection) -> set[str]:
    if not inspect(connection).has_table(_VERSION_TABLE):
        return set()
    return {*connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalars()}  # noqa: S608  a constant


def _run_migrations(connection: Connection) -> None:
    # Imported here because it takes a tenth of the service's start, and few starts meet an older schema.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "generator_service:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
