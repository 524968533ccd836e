"""`backup` and `restore` as commands, with a running service, on both databases."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.api import SECRET, TINY, Api, open_channel, token
from tests.support.postgres import PostgresServer
from tests.support.processes import Program, ServiceProcess, program, service_process
from tests.support.s3 import S3Server
from whitebg.v1 import generator_service_pb2 as pb

SERVICE = [sys.executable, "-P", "-m", "generator_service"]
SIGNING_SECRET = "a signing secret of `whitebg up` "


@dataclass
class Installation:
    """A data folder, a database, and the folder of its nightly backup."""

    data: Path
    backup: Path
    path: str
    """The PATH for commands, including PostgreSQL's programs."""
    settings: dict[str, str] = field(default_factory=dict)

    def service(self) -> contextlib.AbstractContextManager[ServiceProcess]:
        return service_process(self.data, SECRET, **self.settings)

    def run(self, *arguments: str) -> Program:
        """Run a command to its end, with no secret but the database's."""
        command = ["env", f"PATH={self.path}", *SERVICE, *arguments]
        with program(command, data_dir=str(self.data), **self.settings) as process:
            process.wait()
        return process

    def lose(self) -> None:
        """Delete the data folder."""
        shutil.rmtree(self.data)


@pytest.fixture
def sqlite(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "data", tmp_path / "backup", os.environ["PATH"])


@pytest.fixture
def postgresql(postgres: PostgresServer, tmp_path: Path) -> Iterator[Installation]:
    name = postgres.create()
    folder = Path(postgres.tool("pg_dump")).parent
    yield Installation(
        tmp_path / "data",
        tmp_path / "backup",
        f"{folder}:{os.environ['PATH']}",
        {"database_url": postgres.url(name)},
    )
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest) -> Installation:
    found: Installation = request.getfixturevalue(request.param)
    return found


def status(process: Program) -> int:
    return process.wait()


async def test_backup_is_repeatable_and_restores_tasks_images_and_secret(installation: Installation) -> None:
    with installation.service() as service:
        (installation.data / "jwt-secret").write_text(SIGNING_SECRET)
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            first = (await api.submit()).task_id
            await api.finished(first)
            assert status(night := installation.run("backup", str(installation.backup))) == 0, night.output
            second = (await api.submit()).task_id
            await api.finished(second)
            result = (await api.download(second, pb.IMAGE_KIND_RESULT))[1]
            assert status(night := installation.run("backup", str(installation.backup))) == 0, night.output
            assert "signing secret" in night.output
        busy = installation.run("restore", str(installation.backup), "--replace")
        assert status(busy) == 1, "a database in use was replaced"

    for path in (installation.backup, *installation.backup.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, f"others can read {path}"
    assert not list(installation.backup.rglob("*.new"))

    if installation.settings:
        kept = installation.run("restore", str(installation.backup))
        assert (status(kept), "--replace" in kept.output) == (1, True)
    installation.lose()
    restored = installation.run("restore", str(installation.backup), *(["--replace"] if installation.settings else []))
    assert status(restored) == 0, restored.output
    assert "new epoch" in restored.output
    assert (installation.data / "jwt-secret").read_text() == SIGNING_SECRET

    with installation.service() as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            assert (await api.download(first, pb.IMAGE_KIND_INPUT))[1] == TINY
            assert (await api.download(second, pb.IMAGE_KIND_RESULT))[1] == result
            third = (await api.submit()).task_id
            await api.finished(third)
            assert third not in {first, second}
            stats = await Api(channel, "ops", token("ops", scope="admin")).stats()
            assert stats.ready, "the restored images were not bound to the restored database"


async def test_images_are_restored_into_a_bucket_that_is_made_with_its_first_object(
    sqlite: Installation, s3: S3Server
) -> None:
    sqlite.settings["inline_image_kib"] = "0"
    with sqlite.service() as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            task = (await api.submit()).task_id
            await api.finished(task)
            result = (await api.download(task, pb.IMAGE_KIND_RESULT))[1]
    assert status(night := sqlite.run("backup", str(sqlite.backup))) == 0, night.output
    sqlite.lose()

    keys = {"s3_access_key_id": s3.admin.access_key_id, "s3_secret_access_key": s3.admin.secret_access_key}
    sqlite.settings |= s3.settings | keys | {"s3_bucket": "restored", "s3_secret_access_key": "not the secret"}
    refused = sqlite.run("restore", str(sqlite.backup))
    assert (status(refused), "SignatureDoesNotMatch" in refused.output) == (1, True), refused.output
    assert not (sqlite.data / "whitebg.db").exists(), "the database was restored without its images"

    sqlite.settings |= keys
    assert status(restored := sqlite.run("restore", str(sqlite.backup))) == 0, restored.output
    with sqlite.service() as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            assert (await api.download(task, pb.IMAGE_KIND_RESULT))[1] == result


async def test_deleted_images_leave_the_backup_with_the_next_run(sqlite: Installation) -> None:
    sqlite.settings["inline_image_kib"] = "0"
    with sqlite.service() as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            await api.finished((await api.submit()).task_id)
    assert status(sqlite.run("backup", str(sqlite.backup))) == 0
    photo = next((sqlite.data / "blobs" / "input").rglob("*/*"))
    saved = sqlite.backup / photo.relative_to(sqlite.data)
    assert saved.exists()
    photo.unlink()
    assert status(sqlite.run("backup", str(sqlite.backup))) == 0
    assert not saved.exists()


def test_interrupted_backup_leaves_the_earlier_one_and_can_be_repeated(sqlite: Installation) -> None:
    with sqlite.service():
        pass
    assert status(sqlite.run("backup", str(sqlite.backup))) == 0
    before = (sqlite.backup / "whitebg.db").read_bytes()
    (sqlite.backup / "whitebg.db.new").write_bytes(b"half a database")
    shutil.rmtree(sqlite.data / "blobs")
    (sqlite.data / "blobs").write_text("in the way")
    failed = sqlite.run("backup", str(sqlite.backup))
    assert status(failed) == 1
    assert "blobs" in failed.output
    assert (sqlite.backup / "whitebg.db").read_bytes() == before
    assert status(sqlite.run("backup", str(sqlite.backup), "--only", "database")) == 0


def test_restore_needs_a_complete_backup_and_leaves_a_database_alone(sqlite: Installation) -> None:
    empty = sqlite.run("restore", str(sqlite.backup))
    assert (status(empty), "no complete backup" in empty.output) == (1, True)
    with sqlite.service():
        pass
    assert status(sqlite.run("backup", str(sqlite.backup))) == 0
    before = (sqlite.data / "whitebg.db").read_bytes()
    refused = sqlite.run("restore", str(sqlite.backup))
    assert (status(refused), "--replace" in refused.output) == (1, True)
    assert (sqlite.data / "whitebg.db").read_bytes() == before


@pytest.mark.parametrize("command", ["rotate-epoch", "restored"])
@pytest.mark.parametrize(
    "unusable", [{"jwt_secret": "short"}, {"jwt_secret_file": "/nowhere", "gemini_api_key_file": "/"}]
)
def test_rotate_epoch_needs_no_secret(sqlite: Installation, command: str, unusable: dict[str, str]) -> None:
    with sqlite.service():
        pass
    with program([*SERVICE, command], data_dir=str(sqlite.data), **unusable) as process:
        assert process.wait() == 0, process.output
        assert "is now" in process.output


def test_doctor_reports_an_unusable_signing_secret_and_goes_on(tmp_path: Path) -> None:
    settings = {"data_dir": str(tmp_path / "data"), "pool_processes": "1", "engine_order": "local"}
    with program([*SERVICE, "doctor"], **settings, jwt_secret_file="/nowhere") as process:
        assert process.wait() == 1
        assert "WRONG settings: WHITEBG_JWT_SECRET_FILE" in process.output
        assert "ok    local" in process.output
    with program([*SERVICE, "doctor"], **settings) as process:
        assert process.wait() == 0, process.output
