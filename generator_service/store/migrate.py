"""Bring a database to the present schema, at every start."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine


def migrate(database: Engine) -> None:
    """Run the migrations that the database has not seen, each in a transaction."""
    config = Config()
    config.set_main_option("script_location", "generator_service:migrations")
    with database.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
