"""Findings of `doctor`: in new, used and damaged folders, and with working, failing and missing engines."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from generator_service.bootstrap import engine_settings
from generator_service.command_line import adopt_images, run_doctor
from generator_service.data_dir import data_dir_lock
from generator_service.doctor import Finding, examine
from generator_service.domain.clock import SystemClock
from generator_service.domain.retry import RetryPolicy
from generator_service.domain.task_options import Engine
from generator_service.engines.gemini_settings import GeminiSettings
from generator_service.engines.neural.settings import NeuralSettings
from generator_service.engines.pool.pool import PoolSettings
from generator_service.engines.registry import EngineSettings
from generator_service.image_store import MARKER_KEY, Marker
from generator_service.ops import disk_space
from generator_service.server import running_service
from generator_service.settings import Settings
from generator_service.store.limits import Limits
from generator_service.store.sqlite import open_sqlite
from tests.integration.service.test_readiness import fill
from tests.support import fake_gemini as wire
from tests.support.fake_gemini import FakeGemini
from tests.support.patience import PATIENCE
from tests.support.postgres import PostgresServer
from tests.support.processes import program
from tests.support.s3 import S3Server
from tests.support.store import new_task
from tools.certificates import make_certificates

KEY = "AIza-secret-of-the-test"
LOCAL = EngineSettings(order=(Engine.LOCAL,), pool=PoolSettings(processes=1))


def settings(folder: Path, **fields: Any) -> Settings:
    return Settings(data_dir=folder, grpc_port=0, jwt_secret="s" * 48, worker_slots=0, pool_processes=1, **fields)  # type: ignore[arg-type]  # a SecretStr


async def found(how: Settings, engines: EngineSettings = LOCAL) -> dict[str, Finding]:
    return {finding.subject: finding async for finding in examine(how, engines)}


async def test_a_new_folder_is_fine_and_is_left_as_it_was(tmp_path: Path) -> None:
    findings = await found(settings(tmp_path / "new"))
    assert [subject for subject, finding in findings.items() if not finding.ok] == []
    assert list(findings) == ["data folder", "free space", "database", "images", "engines", "local", "neural", "gemini"]
    assert "not set up" in findings["gemini"].message
    assert [path for path in (tmp_path / "new").rglob("*") if path.is_file() and path.name != "service.lock"] == []


async def test_a_service_that_runs_is_not_disturbed(tmp_path: Path) -> None:
    async with running_service(settings(tmp_path)):
        findings = await found(settings(tmp_path))
    assert all(finding.ok for finding in findings.values())
    assert "in use by a service that runs" in findings["data folder"].message
    assert findings["database"].message == "0 tasks"


async def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    findings = await found(settings(tmp_path / "file" / "folder"))
    assert not findings["data folder"].ok
    assert "WHITEBG_DATA_DIR" in findings["data folder"].message
    assert "database" not in findings


@pytest.mark.parametrize(
    ("statement", "said"),
    [(None, "can't be read"), ("UPDATE alembic_version SET version_num = '9999'", "a newer version")],
)
async def test_a_database_that_can_not_be_used(tmp_path: Path, statement: str | None, said: str) -> None:
    async with running_service(settings(tmp_path)):
        pass
    if statement is None:
        settings(tmp_path).database.write_bytes(b"no database " * 1000)
    else:
        with sqlite3.connect(settings(tmp_path).database) as connection:
            connection.execute(statement)
        connection.close()
    database = (await found(settings(tmp_path)))["database"]
    assert not database.ok
    assert said in database.message


async def test_an_empty_file_is_a_database_to_be_made(tmp_path: Path) -> None:
    """SQLite takes it so: a start that a full disk ended leaves one."""
    settings(tmp_path).database.touch()
    assert (await found(settings(tmp_path)))["database"].ok
    async with running_service(settings(tmp_path)):
        pass


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _link_to_nothing(path: Path) -> None:
    path.symlink_to("/nowhere/whitebg.db")


def _of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE tasks (id)")
    database.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_pipe, "is no file; move it away"),
        (_folder, "is no file; move it away"),
        (_link_to_nothing, "is no file; move it away"),
        (_of_another_program, "belongs to another program; choose another WHITEBG_DATA_DIR"),
    ],
)
async def test_what_is_no_database_of_ours_is_named(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    make(settings(tmp_path).database)
    async with asyncio.timeout(PATIENCE):
        database = (await found(settings(tmp_path)))["database"]
    assert not database.ok
    assert said in database.message


async def test_a_full_disk_is_no_reason_to_restore_a_backup(small_disk: Path) -> None:
    how = settings(small_disk / "data", min_free_mib=0)
    async with running_service(how):
        pass
    fill(small_disk / "ballast")
    database = (await found(how))["database"]
    assert "restore" not in database.message, "a sound database would be replaced"


async def test_a_full_disk_of_the_images_alone_is_reported(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "blobs").symlink_to(small_disk)
    space = (await found(settings(tmp_path, min_free_mib=25)))["free space"]
    assert not space.ok
    assert space.message.startswith(f"{tmp_path / 'blobs'} has 2")
    assert "less than the minimum of 25 MiB" in space.message
    space = (await found(settings(tmp_path, min_free_mib=1)))["free space"]
    assert space.ok
    assert re.fullmatch(rf"{tmp_path}: \d+ GiB, {tmp_path}/blobs: 0 GiB", space.message)


async def test_the_space_of_a_service_that_runs_is_looked_at(tmp_path: Path) -> None:
    async with running_service(settings(tmp_path)):
        findings = await found(settings(tmp_path, min_free_mib=10**9))
    assert findings["data folder"].ok
    assert not findings["free space"].ok


async def test_a_file_system_that_does_not_answer_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(disk_space, "READ_WITHIN", 0.2)
    monkeypatch.setattr(disk_space, "disk_space", lambda _: answers.wait())
    try:
        space = (await found(settings(tmp_path)))["free space"]
    finally:
        answers.set()
    assert not space.ok
    assert f"the file system of {tmp_path}, {tmp_path / 'blobs'} can't be read" in space.message


async def test_images_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")
    assert not (await found(settings(tmp_path)))["images"].ok


async def test_an_unmounted_folder_of_images_is_reported_and_not_made(tmp_path: Path) -> None:
    how = settings(tmp_path)
    store = open_sqlite(
        how.database, clock=SystemClock(), limits=Limits(), retry=RetryPolicy(), on_commit=lambda _: None
    )
    await store.enqueue(new_task())
    await store.close()
    finding = (await found(how))["images"]
    assert not finding.ok
    assert "mount or restore it" in finding.message
    assert not how.blobs_folder.exists()


@pytest.mark.parametrize(
    ("good_for", "ok", "said"),
    [
        (timedelta(days=30), True, "first to end, on"),
        (timedelta(days=10, hours=1), True, "in 10 days; replace them"),
        (timedelta(seconds=-1), False, "ended on"),
    ],
)
async def test_certificates_that_will_end(tmp_path: Path, good_for: timedelta, ok: bool, said: str) -> None:
    make_certificates(tmp_path, ["127.0.0.1"], good_for=good_for)
    files = {f"grpc_server_{kind}": tmp_path / f"server.{ending}" for kind, ending in (("cert", "pem"), ("key", "key"))}
    finding = (await found(settings(tmp_path / "data", **files, grpc_client_ca=tmp_path / "ca.pem")))["certificates"]
    assert finding.ok is ok
    assert said in finding.message
    assert "WHITEBG_GRPC_SERVER_CERT" in finding.message


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_a_certificate_that_is_no_file_is_reported_without_a_wait(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "cert.pem")
    files = {"grpc_server_cert": tmp_path / "cert.pem", "grpc_server_key": tmp_path / "cert.pem"}
    finding = (await found(settings(tmp_path / "data", **files)))["certificates"]
    assert not finding.ok
    assert "cert.pem can't be read" in finding.message


@pytest.mark.parametrize("name", ["data_dir", "neural_weights"])
def test_a_name_that_is_too_long_is_a_finding(tmp_path: Path, name: str) -> None:
    chosen = {"data_dir": str(tmp_path / "data"), "jwt_secret": "s" * 48, name: str(tmp_path / ("x" * 256))}
    chosen |= {"neural_model": "isnet-general-use"} if name == "neural_weights" else {}
    with program([sys.executable, "-m", "generator_service", "doctor"], **chosen) as process:
        assert process.wait() == 1
        assert "WRONG" in process.output
        assert "Traceback" not in process.output


async def test_certificates_that_can_not_be_used(tmp_path: Path) -> None:
    gone = {"grpc_server_cert": tmp_path / "gone.pem", "grpc_server_key": tmp_path / "gone.key"}
    finding = (await found(settings(tmp_path / "data", **gone)))["certificates"]
    assert not finding.ok
    assert "gone.pem can't be read" in finding.message


async def test_a_bucket_is_looked_at_in_place_of_the_folder(tmp_path: Path, s3: S3Server) -> None:
    findings = await found(settings(tmp_path, **s3.settings))
    bucket = f"bucket images at {s3.endpoint}"
    assert (findings["images"].ok, findings["images"].message) == (True, f"{bucket} can be written, read and listed")
    assert not (tmp_path / "blobs").exists()
    wrong = s3.settings | {"s3_secret_access_key": "not the secret"}
    images = (await found(settings(tmp_path, **wrong)))["images"]
    assert (images.ok, images.message) == (False, f"{bucket} can't be used: SignatureDoesNotMatch")
    reader = s3.readers_keys
    keys = {"s3_access_key_id": reader.access_key_id, "s3_secret_access_key": reader.secret_access_key}
    assert not (await found(settings(tmp_path, **s3.settings | keys)))["images"].ok


async def test_postgresql_is_looked_at_in_place_of_the_file(
    tmp_path: Path, s3: S3Server, postgres: PostgresServer
) -> None:
    url = postgres.url(name := postgres.create())
    how = settings(tmp_path / "none", database_url=url, **s3.settings)
    findings = await found(how)
    assert list(findings) == ["database", "images", "engines", "local", "neural", "gemini"], (
        "there is no folder to look at"
    )
    database = findings["database"]
    assert database.ok
    assert database.message == f"PostgreSQL database {name} on 127.0.0.1 is empty; the first start makes the tables"
    async with running_service(how):
        assert (await found(how))["database"].message == "0 tasks"
    assert not (tmp_path / "none").exists()
    postgres.execute(sql.SQL("UPDATE alembic_version SET version_num = '9999'"), name)
    assert "a newer version" in (await found(how))["database"].message
    postgres.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name)))
    assert "synchronous_commit to on" in (await found(how))["database"].message


async def test_a_postgresql_that_can_not_be_used(tmp_path: Path, postgres: PostgresServer) -> None:
    nobody = f"postgresql://whitebg:very-secret@127.0.0.1:{postgres.port}/nowhere"
    for url, said in (
        (nobody, 'role "whitebg" does not exist'),
        ("postgresql://whitebg:very-secret@127.0.0.1:9/whitebg", "refused"),
        (postgres.url("nowhere"), 'database "nowhere" does not exist'),
    ):
        database = (await found(settings(tmp_path, database_url=url)))["database"]
        assert not database.ok
        assert said in database.message
        assert "WHITEBG_DATABASE_URL" in database.message
        assert "very-secret" not in database.message


async def test_a_user_who_may_make_no_tables(tmp_path: Path, postgres: PostgresServer) -> None:
    name = postgres.create()
    postgres.execute(sql.SQL("CREATE ROLE visitor LOGIN"))
    url = f"postgresql://visitor@127.0.0.1:{postgres.port}/{name}"
    database = (await found(settings(tmp_path, database_url=url)))["database"]
    assert not database.ok
    assert "user visitor may make no tables" in database.message


async def test_a_postgresql_that_a_service_could_not_work_with(tmp_path: Path, postgres: PostgresServer) -> None:
    async def problem(name: str, user: str = "postgres") -> str:
        how = settings(tmp_path, database_url=f"postgresql://{user}@127.0.0.1:{postgres.port}/{name}")
        database = (await found(how))["database"]
        assert not database.ok
        return database.message

    foreign = postgres.create()
    postgres.execute(sql.SQL("CREATE TABLE tasks (id int)"), foreign)
    assert "has tables tasks, but no version of them" in await problem(foreign)

    name = postgres.create()
    async with running_service(settings(tmp_path, database_url=postgres.url(name))):
        pass
    postgres.execute(sql.SQL("CREATE ROLE onlooker LOGIN"))
    assert "permission denied" in await problem(name, "onlooker")
    postgres.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker"), name)
    assert "tables that user onlooker may not read and write: api_keys" in await problem(name, "onlooker")
    read_only = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on")
    postgres.execute(read_only.format(sql.Identifier(name)))
    assert "is read-only; name the primary server" in await problem(name)

    latin = sql.SQL("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    postgres.execute(latin)
    assert "is encoded in LATIN1" in await problem("latin")


async def with_gemini(tmp_path: Path, server: FakeGemini, said: wire.Answer) -> Finding:
    server.answers.append(said)
    engines = replace(LOCAL, gemini=GeminiSettings(api_key=KEY, base_url=server.url, timeout=10))
    return (await found(settings(tmp_path), engines))["gemini"]


async def test_geminis_key_and_model_are_looked_at_without_paying(tmp_path: Path) -> None:
    model = {"name": "models/gemini-2.5-flash-image", "supportedGenerationMethods": ["generateContent"]}
    async with FakeGemini() as server:
        good = await with_gemini(tmp_path, server, wire.answer(model))
        assert (good.ok, good.message) == (True, "the key is good, and the model gemini-2.5-flash-image is there")
        assert [request.method for request in server.requests] == ["GET"]
        assert server.requests[0].path.endswith("/models/gemini-2.5-flash-image")
        bad_key = await with_gemini(tmp_path, server, wire.error(400, "INVALID_ARGUMENT", f"API key {KEY} not valid"))
        assert not bad_key.ok
        assert "WHITEBG_GEMINI_API_KEY" in bad_key.message
        assert KEY not in bad_key.message
        gone = await with_gemini(tmp_path, server, wire.error(404, "NOT_FOUND", "no such model"))
        assert "WHITEBG_GEMINI_MODEL" in gone.message
        text_only = await with_gemini(tmp_path, server, wire.answer(model | {"supportedGenerationMethods": ["embed"]}))
        assert not text_only.ok
        assert "can't make pictures" in text_only.message


async def test_a_network_that_may_not_be_used_is_reported(tmp_path: Path) -> None:
    neural = NeuralSettings(model="bria-rmbg", weights=tmp_path / "any.onnx")
    findings = await found(settings(tmp_path), replace(LOCAL, neural=neural))
    assert not findings["neural"].ok
    assert "does not allow commercial use" in findings["neural"].message


async def test_without_a_network_doctor_reports_what_installing_one_adds(tmp_path: Path) -> None:
    finding = (await found(settings(tmp_path)))["neural"]
    assert finding.ok
    assert "whitebg models install isnet-general-use (Apache-2.0, 179 MB)" in finding.message


async def test_the_command_ends_with_1_if_anything_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = settings(tmp_path, engine_order="local")
    assert await run_doctor(good, as_json=True) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["subject"]: line["ok"] for line in lines}["local"] is True
    shutil.rmtree(tmp_path / "blobs")
    (tmp_path / "blobs").write_text("in the way")
    assert await run_doctor(good, as_json=False) == 1
    assert "WRONG images: " in capsys.readouterr().out


async def test_the_engines_are_those_that_the_service_would_have(tmp_path: Path) -> None:
    how = engine_settings(settings(tmp_path, neural_model="u2net", gemini_api_key=KEY, engine_order="neural,local"))
    assert how.order == (Engine.NEURAL, Engine.LOCAL)
    assert how.neural == NeuralSettings(model="u2net", weights=tmp_path / "models" / "u2net.onnx")
    assert how.gemini is not None


async def test_the_lock_is_let_go_of_again(tmp_path: Path) -> None:
    await found(settings(tmp_path))
    async with data_dir_lock(tmp_path, settings(tmp_path).heartbeat * 0):
        pass


async def test_adopting_images_reports_a_damaged_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings(tmp_path).database.write_bytes(b"no database " * 1000)
    assert await adopt_images(settings(tmp_path)) == 1
    assert "restore a backup" in capsys.readouterr().err


async def test_doctor_reports_the_image_store_of_another_database_until_it_is_adopted(tmp_path: Path) -> None:
    async with running_service(settings(tmp_path)):
        pass
    marker = settings(tmp_path).blobs_folder / MARKER_KEY
    marker.parent.mkdir(exist_ok=True)
    marker.write_bytes(Marker("another", 7).encode())
    finding = (await found(settings(tmp_path)))["images"]
    assert not finding.ok
    assert "belongs to another database" in finding.message
    command = [sys.executable, "-P", "-m", "generator_service", "adopt-images"]
    assert command[-1] in finding.message
    with program(command, data_dir=str(tmp_path), jwt_secret="s" * 48) as adopted:
        assert adopted.wait() == 0, adopted.output
        assert "now belongs to this database" in adopted.output
    assert (await found(settings(tmp_path)))["images"].ok
    async with running_service(settings(tmp_path)):
        with program(command, data_dir=str(tmp_path), jwt_secret="s" * 48) as refused:
            assert refused.wait() == 1, "the database belongs to the service while it runs"
