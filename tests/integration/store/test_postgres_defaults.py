"""Databases as operators leave them: defaults of their own, other tables, missing rights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from generator_service.domain.retry import RetryPolicy
from generator_service.store.limits import Limits
from generator_service.store.migrate import revisions
from generator_service.store.postgres import PATIENCE, open_postgres
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.sql import SqlTaskStore
from generator_service.store.unavailable import DatabaseUnusable, Reason
from tests.support.clock import SettableClock
from tests.support.postgres import PostgresServer
from tests.support.processes import program
from tests.support.store import StoreHarness


@pytest.fixture
def name(postgres: PostgresServer) -> Iterator[str]:
    made = postgres.create()
    yield made
    postgres.drop(made)


def opened(url: str, *, patience: timedelta = PATIENCE) -> SqlTaskStore:
    return open_postgres(
        url,
        clock=SettableClock(),
        limits=Limits(),
        retry=RetryPolicy(),
        on_commit=lambda _: None,
        patience=patience,
    )


def set_default(postgres: PostgresServer, name: str, setting: str, value: str) -> None:
    alter = sql.SQL("ALTER DATABASE {} SET {} = {}")
    postgres.execute(alter.format(sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)))


async def test_a_databases_own_defaults_change_nothing(postgres: PostgresServer, name: str) -> None:
    for setting, value in (
        ("datestyle", "German"),
        ("client_encoding", "LATIN1"),
        ("timezone", "Asia/Tokyo"),
        ("statement_timeout", "1ms"),
        ("idle_in_transaction_session_timeout", "1ms"),
        ("default_transaction_isolation", "serializable"),
    ):
        set_default(postgres, name, setting, value)
    store = opened(postgres.url(name))
    desk = StoreHarness(store, SettableClock())
    task = await desk.running("安")
    assert (await store.get(task.task_id, "安")).user_id == "安"
    await store.close()


async def test_options_of_the_address_count(postgres: PostgresServer, name: str) -> None:
    postgres.execute(sql.SQL("CREATE SCHEMA photos"), name)
    store = opened(f"{postgres.url(name)}?options=-csearch_path%3Dphotos%20-cDateStyle%3DGerman")
    await StoreHarness(store, SettableClock()).running()
    await store.close()
    with psycopg.connect(postgres.url(name)) as connection:
        found = connection.execute("SELECT table_schema FROM information_schema.tables WHERE table_name = 'tasks'")
        assert found.fetchall() == [("photos",)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("existing", [False, True])
def test_an_encoding_that_lacks_scripts_is_refused(postgres: PostgresServer, encoding: str, *, existing: bool) -> None:
    name = f"db_{encoding.lower()}"
    make = sql.SQL("CREATE DATABASE {} ENCODING {} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    postgres.execute(make.format(sql.Identifier(name), sql.Literal(encoding)))
    if existing:
        postgres.execute(sql.SQL("CREATE TABLE alembic_version (version_num varchar(32))"), name)
        newest = sql.SQL("INSERT INTO alembic_version VALUES ({})").format(sql.Literal(revisions()[-1]))
        postgres.execute(newest, name)
    with pytest.raises(DatabaseUnusable, match=f"is encoded in {encoding}, .*ENCODING 'UTF8'"):
        opened(postgres.url(name))
    postgres.drop(name)


def test_tables_of_another_program_are_named(postgres: PostgresServer, name: str) -> None:
    postgres.execute(sql.SQL("CREATE TABLE tasks (id int)"), name)
    with pytest.raises(DatabaseUnusable, match=r'WHITEBG_DATABASE_URL: .*relation "tasks" already exists'):
        opened(postgres.url(name))


def test_a_search_path_that_names_no_schema_is_reported(postgres: PostgresServer, name: str) -> None:
    set_default(postgres, name, "search_path", "missing")
    with pytest.raises(DatabaseUnusable, match="no schema has been selected to create in"):
        opened(postgres.url(name))


async def test_a_user_without_rights_is_reported_as_such(postgres: PostgresServer, name: str) -> None:
    await opened(postgres.url(name)).close()
    role = f"reader_{name}"
    postgres.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    as_reader = postgres.url(name).replace("postgres@", f"{role}@")
    with pytest.raises(DatabaseUnavailable) as refused:
        opened(as_reader)
    assert refused.value.reason is Reason.FORBIDDEN
    assert refused.value.cause == "permission denied for table alembic_version"
    grant = sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(sql.Identifier(role))
    postgres.execute(grant, name)
    store = opened(as_reader)
    with pytest.raises(DatabaseUnavailable) as refused:
        await StoreHarness(store, SettableClock()).add()
    assert refused.value.reason is Reason.FORBIDDEN
    await store.close()


def test_too_few_connections_end_the_start(postgres: PostgresServer, name: str) -> None:
    role = f"lone_{name}"
    postgres.execute(sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT 1").format(sql.Identifier(role)))
    postgres.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), sql.Identifier(role)))
    with pytest.raises(DatabaseUnavailable) as refused:
        opened(postgres.url(name).replace("postgres@", f"{role}@"), patience=timedelta(seconds=0.1))
    assert "too many connections" in refused.value.cause


def test_a_start_that_waits_for_a_migration_is_logged(postgres: PostgresServer, name: str, tmp_path: Path) -> None:
    serve = [sys.executable, "-P", "-m", "generator_service", "serve"]
    settings = {"data_dir": str(tmp_path), "jwt_secret": "s" * 48, "grpc_port": "0", "worker_slots": "0"}
    with psycopg.connect(postgres.url(name)) as migrating:
        migrating.execute("SELECT pg_advisory_xact_lock(20260108)")
        with program(serve, database_url=postgres.url(name), **settings) as process:
            process.wait_for("waiting for another process that makes or migrates the tables")
            migrating.rollback()
            process.wait_for('"message": "serving"')


def test_a_start_that_can_not_connect_prints_the_reason(postgres: PostgresServer, tmp_path: Path) -> None:
    serve = [sys.executable, "-P", "-m", "generator_service", "serve"]
    url = f"postgresql://postgres:very-secret@127.0.0.1:{postgres.port}/nowhere"
    with program(serve, data_dir=str(tmp_path), jwt_secret="s" * 48, grpc_port="0", database_url=url) as process:
        assert process.wait() == 1
        last = process.lines[-1]
        assert last.startswith("WHITEBG_DATABASE_URL: the database is unreachable; try again shortly (")
        assert 'database "nowhere" does not exist' in last
        assert "very-secret" not in process.output
