"""Bring a database to the present schema, at every start."""

from __future__ import annotations

import logging
from datetime import timedelta

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Executable

from generator_service.store.reconnect import Reconnecting

logger = logging.getLogger(__name__)


def migrate(database: Engine, *, patience: timedelta = timedelta(0), alone: Executable | None = None) -> None:
    """Run the migrations that the database has not seen, all in one transaction.

    A schema that is newer than this code is left unchanged: migrations only add parts that older code can ignore, so
    that processes of two releases can work side by side, and a release can be rolled back.

    ``alone`` is a statement that returns when no other process is migrating.

    Raises:
        DatabaseUnavailable: the database could not be reached within ``patience``.

    """
    config = Config()
    config.set_main_option("script_location", "generator_service:migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}

    def upgrade(connection: Connection) -> None:
        if alone is not None:
            connection.execute(alone)
        present = set(MigrationContext.configure(connection).get_current_heads())
        if present - known:
            logger.warning("the database is of a newer release (schema %s)", ", ".join(sorted(present - known)))
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    Reconnecting(database, patience).run(upgrade)
