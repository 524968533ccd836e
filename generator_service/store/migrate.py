"""Bring a database to the present schema, at every start."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from importlib import resources

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)

from generator_service.store.reconnect import Reconnecting
from generator_service.store.tables import log_head, metadata

logger = logging.getLogger(__name__)

_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table, as Alembic would create it."""


def revisions() -> Sequence[str]:
    """Return the revisions of the schema, oldest first, by the names of their files: ``v0014b_batches.py``."""
    files = resources.files("generator_service.migrations.versions").iterdir()
    return sorted(
        file.name.removeprefix("v").partition("_")[0] for file in files if file.name.startswith("v") and file.is_file()
    )


def migrate(
    database: Engine,
    *,
    patience: timedelta = timedelta(0),
    alone: Callable[[Connection], object] | None = None,
) -> None:
    """Create the tables of an empty database, or run the migrations that it has not seen; all in one transaction.

    A schema that is newer than this code is left unchanged: migrations only add parts that older code can ignore, so
    that processes of two releases can work side by side, and a release can be rolled back.

    ``alone`` checks the database, and returns when no other process is migrating.

    Raises:
        DatabaseUnavailable: the database could not be reached within ``patience``.
        Exception: all errors of ``alone``.

    """
    known = revisions()

    def upgrade(connection: Connection) -> None:
        if alone is not None:
            alone(connection)
        present = _present(connection)
        if present is None:
            _create(connection, known[-1])
        elif newer := present.difference(known):
            logger.warning("the database is of a newer release (schema %s)", ", ".join(sorted(newer)))
        elif present != {known[-1]}:
            _run_migrations(connection)

    Reconnecting(database, patience).run(upgrade)


def _present(connection: Connection) -> set[str] | None:
    """Return the revisions that the schema is at; None for a database that was never used."""
    if not inspect(connection).has_table(_version.name):
        return None
    return {*connection.execute(select(_version.c.version_num)).scalars()}


def _create(connection: Connection, revision: str) -> None:
    """Create the present schema at once: a start would spend a third of its time on running all migrations."""
    # Tables with these names that are not ours make it fail, as they would the first migration.
    for tables in (metadata, _version.metadata):
        tables.create_all(connection, checkfirst=False)
    connection.execute(insert(log_head).values(id=1, epoch=secrets.token_hex(8), revision=0, compacted_revision=0))
    connection.execute(insert(_version).values(version_num=revision))


def _run_migrations(connection: Connection) -> None:
    # Imported here because it takes a tenth of the service's start, and few starts meet an older schema.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "generator_service:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
