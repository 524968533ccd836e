"""Releases side by side: this code on the schema of a later one, as during an upgrade or after a rollback."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, create_engine, select, text

from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task import InputInfo
from generator_service.domain.task_options import Engine as TaskEngine
from generator_service.domain.task_options import TaskOptions
from generator_service.store.limits import Limits
from generator_service.store.migrate import migrate, revisions
from generator_service.store.postgres import database_url
from generator_service.store.sqlite import BEGIN_TO_WRITE, open_sqlite
from generator_service.store.tables import log_head, metadata
from tests.contract.store.conftest import OpenStore
from tests.support.backends import BACKENDS, Backend
from tests.support.clock import SettableClock
from tests.support.postgres import PostgresServer, programs
from tests.support.store import PHOTO, RESULT, Commits, StoreHarness, audit, failure

LATER_RELEASE = [
    "ALTER TABLE tasks ADD COLUMN region VARCHAR(32)",
    "ALTER TABLE events ADD COLUMN size INTEGER DEFAULT 0 NOT NULL",
    "CREATE TABLE webhooks (id INTEGER PRIMARY KEY, url TEXT NOT NULL)",
    "CREATE INDEX ix_tasks_region ON tasks (region)",
    "UPDATE alembic_version SET version_num = '9999'",
]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A backend whose databases no other test uses."""
    return BACKENDS[request.param](request, tmp_path)


def upgrade_to(engine: Engine, revision: str) -> None:
    """Migrate a database to an earlier schema."""
    config = Config()
    config.set_main_option("script_location", "generator_service:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_the_names_of_the_migrations_are_their_revisions_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", "generator_service:migrations")
    newest_first = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert newest_first == [*reversed(revisions())]


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Engine]]:
    """Create an empty database at each call."""
    engines: list[Engine] = []

    def create() -> Engine:
        if request.param == "sqlite":
            url = f"sqlite+pysqlite:///{tmp_path / f'{len(engines)}.db'}"
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            url = str(database_url(server.url(server.create())))
        engines.append(create_engine(url))
        return engines[-1]

    yield create
    for engine in engines:
        engine.dispose()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
def test_an_empty_database_gets_the_schema_that_all_migrations_together_make(
    new_database: Callable[[], Engine],
) -> None:
    migrated, created = new_database(), new_database()
    upgrade_to(migrated, "head")
    migrate(created)
    assert _schema(created) == _schema(migrated)
    for engine in (migrated, created):
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
            assert context.get_current_revision() == revisions()[-1]


def test_an_empty_database_begins_as_after_all_migrations(new_database: Callable[[], Engine]) -> None:
    heads = []
    for fill in (migrate, partial(upgrade_to, revision="head")):
        engine = new_database()
        fill(engine)
        with engine.connect() as connection:
            heads.append(connection.execute(select(log_head)).mappings().one())
            others = [table for table in metadata.sorted_tables if table is not log_head]
            assert [table.name for table in others if connection.execute(select(table)).first()] == []
    created, migrated = heads
    assert created["epoch"] != migrated["epoch"]
    assert dict(created) | {"epoch": ""} == dict(migrated) | {"epoch": ""}


def test_a_migration_that_fails_leaves_the_earlier_schema(
    new_database: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = new_database()

    def alone(connection: Connection) -> None:
        if engine.dialect.name == "sqlite":
            connection.execute(BEGIN_TO_WRITE)

    upgrade_to(engine, "0013")
    earlier = _schema(engine)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", fail)
        with pytest.raises(RuntimeError, match="the power went"):
            migrate(engine, alone=alone)
    assert _schema(engine) == earlier
    migrate(engine, alone=alone)
    assert _schema(engine) != earlier


def _schema(engine: Engine) -> object:
    """Return all of a database's schema in a form that does not depend on the statements that made it."""
    if engine.dialect.name == "postgresql":
        url = engine.url.set(drivername="postgresql").render_as_string()
        dump = subprocess.run(
            [programs() / "pg_dump", "--schema-only", url], check=True, capture_output=True, text=True
        ).stdout
        # Newer releases frame a dump with a random word.
        return [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    with engine.connect() as connection:

        def rows(query: str, name: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in connection.execute(text(query), {"name": name})]

        made = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        return {
            name: (
                sorted(re.sub(r'[\s"()]', "", statement).split(",")),
                rows("SELECT * FROM pragma_table_xinfo(:name)", name),
                sorted(rows('SELECT "table", "from", "to", on_delete FROM pragma_foreign_key_list(:name)', name)),
                rows("SELECT * FROM pragma_index_xinfo(:name)", name),
            )
            for name, statement in connection.execute(text(made))
        }


INSERT_TASK = """
INSERT INTO tasks (user_id, state, seq, options, input, priority, timeout_us, max_attempts, attempt, created_at,
                   updated_at, run_at, progress, stage, fingerprint)
VALUES ('ann', :state, :seq, :options, :input, 0, 1000000, 4, 2, 1, 1, 1, 0, 'queued', 'f')
"""


def test_waiting_tasks_of_the_release_before_keep_their_engine_and_their_failures(
    new_database: Callable[[], Engine],
) -> None:
    engine = new_database()
    upgrade_to(engine, "0003")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO users VALUES ('ann', 2, 0, 1, 1)"))
        for seq, (state, name) in enumerate([("pending", "gemini"), ("processing", "auto")], start=1):
            options = TypeAdapter(TaskOptions).dump_json(TaskOptions(engine=TaskEngine(name))).decode()
            photo = TypeAdapter(InputInfo).dump_json(PHOTO).decode()
            connection.execute(text(INSERT_TASK), {"state": state, "seq": seq, "options": options, "input": photo})
    migrate(engine)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT engine, failures, lost_leases, deadline FROM tasks ORDER BY seq")).all()
    assert [tuple(row) for row in rows] == [("gemini", 2, 0, None), ("auto", 1, 0, None)]


async def test_tasks_that_an_older_release_queued_for_a_later_time_run_at_once(tmp_path: Path) -> None:
    path, clock, commits = tmp_path / "old.db", SettableClock(), Commits()
    engine = create_engine(f"sqlite+pysqlite:///{path}")
    upgrade_to(engine, "0003")
    ahead = int((clock.now() + timedelta(hours=1)).timestamp() * 1e6)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO users VALUES ('ann', 1, 0, 1, 0)"))
        options = TypeAdapter(TaskOptions).dump_json(TaskOptions()).decode()
        photo = TypeAdapter(InputInfo).dump_json(PHOTO).decode()
        connection.execute(text(INSERT_TASK), {"state": "pending", "seq": 1, "options": options, "input": photo})
    upgrade_to(engine, "0005")
    with engine.begin() as connection:
        connection.execute(text("UPDATE tasks SET attempt = 0, failures = 0, run_at = :ahead"), {"ahead": ahead})
    engine.dispose()
    store = open_sqlite(path, clock=clock, limits=Limits(), retry=RetryPolicy(), on_commit=commits)
    assert [task.run_at for task in await StoreHarness(store, clock, commits).claim()] == [None]
    await store.close()


async def test_this_code_works_on_the_schema_of_a_later_release(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    with backend.database() as database:
        opener = OpenStore(database)
        working = opener()
        held = await working.running("ann")

        def upgrade(connection: Connection) -> None:
            for statement in LATER_RELEASE:
                connection.execute(text(statement))

        with working.store._writing.begin() as connection:
            upgrade(connection)
        # The running process of this release continues, and a new one can start.
        await working.store.complete(held.lease, RESULT)
        started = opener()
        assert "newer release" in caplog.text
        task = await started.running("bob")
        await started.store.fail(task.lease, failure(retryable=False))
        await working.add("ann")
        assert len(await audit(started.store)) == 7
        await opener.close()
