"""`whitebg up`: everything on one machine, as run by a user at the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect

from tests.support.http import http_client
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.postgres import PostgresServer
from tests.support.processes import Program, children, program

WHITEBG = [sys.executable, "-m", "whitebg"]
TERMINAL = {"task_complete", "task_failed"}


@dataclass(frozen=True)
class Up:
    """A running `whitebg up`."""

    process: Program
    data_dir: Path
    http_url: str
    grpc_target: str

    @property
    def service_pid(self) -> int:
        """The child that runs the generator service."""
        (pid,) = self.pids(b"generator_service")
        return pid

    def pids(self, package: bytes) -> list[int]:
        """Return the children that run a package, in the order of their starts."""
        return sorted(pid for pid in children(self.process.pid) if package in _command_line(pid))


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@contextmanager
def running(data_dir: Path, *options: str, **settings: str) -> Iterator[Up]:
    arguments = ["up", "--data-dir", str(data_dir), "--http-port", "0", "--grpc-port", "0", *options]
    with program([*WHITEBG, *arguments], lease="PT3S", heartbeat="PT1S", **settings) as process:
        process.wait_for("whitebg is running")
        found = json.loads((data_dir / "endpoints.json").read_text())
        yield Up(process, data_dir, found["http_url"], found["grpc_target"])
        process.terminate()
        assert process.wait() == 0, process.output
        assert not (data_dir / "endpoints.json").exists()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("up")) as found:
        yield found


def test_what_is_printed_at_the_start_is_a_table(up: Up) -> None:
    up.process.wait_for("Ctrl-C")
    rows = [line for line in up.process.output.splitlines() if line.startswith("  ")]
    assert [row[2:10].strip() for row in rows] == ["page", "sign in", "gRPC", "data", "try it", "stop"]
    assert {row[9] for row in rows} == {" "}


@dataclass
class Guest:
    """A guest who visits the page."""

    http: httpx.AsyncClient
    socket: ClientConnection

    async def upload(self, photo: bytes, **options: str) -> int:
        answer = await self.http.post("/api/v2/tasks", files={"file": ("mug.png", photo, "image/png")}, data=options)
        assert answer.status_code == 202, answer.text
        task_id: int = answer.json()["task_id"]
        return task_id

    async def frames_to_the_end_of(self, task_id: int) -> list[dict[str, Any]]:
        """Return a task's frames up to its terminal one."""
        frames = []
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = json.loads(await self.socket.recv())
                if frame["task_id"] == task_id:
                    frames.append(frame)
                    if frame["type"] in TERMINAL:
                        return frames

    async def ends_of(self, tasks: set[int]) -> dict[int, str]:
        """Return the types of the terminal frames of tasks, in whatever order these end."""
        ends: dict[int, str] = {}
        async with asyncio.timeout(PATIENCE):
            while ends.keys() != tasks:
                frame = json.loads(await self.socket.recv())
                if frame["type"] in TERMINAL and frame["task_id"] in tasks:
                    ends[frame["task_id"]] = frame["type"]
        return ends


@asynccontextmanager
async def guest(up: Up) -> AsyncIterator[Guest]:
    async with http_client(up.http_url) as http:
        login = (await http.post("/api/v2/guest-token")).json()
        http.headers["Authorization"] = f"Bearer {login['token']}"
        url = f"{up.http_url.replace('http', 'ws', 1)}/ws/notifications?token={login['token']}"
        async with connect(url, compression=None, open_timeout=PATIENCE) as socket:
            await socket.send(json.dumps({"type": "ping"}))
            assert json.loads(await socket.recv())["type"] == "pong"
            yield Guest(http, socket)


def check_picture(path: Path) -> None:
    """The border is exactly white after encoding, and the product fills the specified share."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (border == 255).all()
    rows, columns = np.nonzero((pixels < 250).any(axis=2))
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    assert 0.835 <= longest / pixels.shape[0] <= 0.865


async def test_a_guest_uploads_watches_and_fetches_the_picture(up: Up, tmp_path: Path) -> None:
    async with guest(up) as page:
        task_id = await page.upload(product_photo())
        frames = await page.frames_to_the_end_of(task_id)

        assert [frame["data"]["status"] for frame in frames if "id" in frame] == ["pending", "processing", "completed"]
        assert [frame["data"]["seq"] for frame in frames if "id" in frame] == [1, 2, 3]
        assert any("id" not in frame and frame["data"]["progress"] > 0 for frame in frames), "no live progress"
        # A browser's <img> sends no header: the link itself is the permission.
        del page.http.headers["Authorization"]
        answer = await page.http.get(frames[-1]["data"]["result_image_url"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    picture = tmp_path / "picture.png"
    picture.write_bytes(answer.content)
    check_picture(picture)


async def test_the_service_is_killed_and_the_open_socket_still_hears_the_end_once(up: Up) -> None:
    async with guest(up) as page:
        killed = up.service_pid
        task_id = await page.upload(product_photo(1200, 900))
        while json.loads(await page.socket.recv())["data"]["status"] != "processing":
            continue
        os.kill(killed, signal.SIGKILL)

        frames = await page.frames_to_the_end_of(task_id)

        assert up.service_pid != killed
        assert frames[-1]["type"] == "task_complete"
        assert frames[-1]["data"]["attempt"] == 2
        # Another task is processed on the same socket, which receives nothing more about the first.
        other = await page.upload(product_photo(64, 48), size_px="100")
        later: list[dict[str, Any]] = []
        while not later or (later[-1]["task_id"], later[-1]["type"]) != (other, "task_complete"):
            async with asyncio.timeout(PATIENCE):
                later.append(json.loads(await page.socket.recv()))
        assert {frame["task_id"] for frame in later} == {other}
        durable = [frame["data"]["seq"] for frame in frames + later if "id" in frame]
        assert durable == list(range(durable[0], durable[0] + len(durable)))
    up.process.wait_for("service died")


async def test_several_services_and_gateways_serve_one_page(tmp_path: Path, postgres: PostgresServer) -> None:
    database = postgres.create()
    workers = ["--service-workers", "2", "--gateway-workers", "2"]
    with running(tmp_path / "data", *workers, database_url=postgres.url(database), worker_slots="1") as up:
        services, gateways = up.pids(b"generator_service"), up.pids(b"ws_gateway")
        assert (len(services), len(gateways)) == (2, 2)
        async with guest(up) as first, guest(up) as second:
            for page in (first, second):
                tasks = {await page.upload(product_photo()) for _ in range(2)}
                # Both services work, so the second task may end before the first.
                assert await page.ends_of(tasks) == dict.fromkeys(tasks, "task_complete")
        # With one of each gone, the others serve alone, until those are back.
        os.kill(services[1], signal.SIGKILL)
        os.kill(gateways[1], signal.SIGKILL)
        # Until a killed process has ended, connections may still reach it.
        await asyncio.to_thread(up.process.wait_for, "service-2 died")
        await asyncio.to_thread(up.process.wait_for, "gateway-2 died")
        async with guest(up) as page:
            task_id = await page.upload(product_photo())
            assert (await page.frames_to_the_end_of(task_id))[-1]["type"] == "task_complete"
        assert services[0] in up.pids(b"generator_service")
        assert gateways[0] in up.pids(b"ws_gateway")
    postgres.drop(database)


def test_several_services_need_a_database_that_they_share(tmp_path: Path) -> None:
    arguments = ["up", "--data-dir", str(tmp_path), "--service-workers", "2"]
    with program([*WHITEBG, *arguments]) as process:
        assert process.wait() == 1
        assert "2 services can't share SQLite" in process.output
        assert "WHITEBG_DATABASE_URL" in process.output


async def test_the_command_line_finds_the_service_and_saves_the_picture(up: Up, tmp_path: Path) -> None:
    photo, out = tmp_path / "mug.jpg", tmp_path / "out"
    photo.write_bytes(product_photo(file_format="JPEG", quality=95))
    arguments = ["submit", str(photo), "--out", str(out), "--data-dir", str(up.data_dir)]
    with program([*WHITEBG, *arguments]) as submit:
        assert await asyncio.to_thread(submit.wait) == 0, submit.output
    check_picture(out / "mug-white.png")


def test_the_secret_is_for_the_owner_alone_and_in_no_log(up: Up) -> None:
    secret = up.data_dir / "jwt-secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(secret.read_text()) >= 64
    for log in (up.data_dir / "logs").iterdir():
        assert secret.read_text() not in log.read_text()
        assert "token=" not in log.read_text()
    assert secret.read_text() not in up.process.output


def test_a_second_one_on_the_same_folder_says_where_the_first_is(up: Up) -> None:
    with program([*WHITEBG, "up", "--data-dir", str(up.data_dir), "--http-port", "0", "--grpc-port", "0"]) as second:
        assert second.wait() == 1
        assert up.http_url in second.output.replace("\n", "")


@pytest.mark.parametrize(
    ("settings", "reported"),
    [
        ({"task_timeout": "soon"}, "WHITEBG_TASK_TIMEOUT: 'soon' is not a duration"),
        ({"log_level": "loud"}, "WHITEBG_LOG_LEVEL: 'LOUD' can't be used"),
        ({"image_url_ttl": "later"}, "WHITEBG_IMAGE_URL_TTL: 'later' is not a duration"),
    ],
)
def test_a_wrong_setting_stops_it_at_once_and_is_reported_once(
    tmp_path: Path, settings: dict[str, str], reported: str
) -> None:
    arguments = ["up", "--data-dir", str(tmp_path), "--http-port", "0", "--grpc-port", "0"]
    with program([*WHITEBG, *arguments], **settings) as process:
        assert process.wait() == 1
        assert process.output.count(reported) == 1, process.output
        assert "starting it again" not in process.output
        assert "Traceback" not in process.output


@pytest.mark.parametrize("settings", [{"grpc_tls": "true"}, {"grpc_server_cert": "s.pem", "grpc_server_key": "s.key"}])
def test_tls_of_one_side_alone_is_reported(tmp_path: Path, settings: dict[str, str]) -> None:
    arguments = ["up", "--data-dir", str(tmp_path), "--http-port", "0", "--grpc-port", "0"]
    with program([*WHITEBG, *arguments], **settings) as process:
        assert process.wait() == 1
        assert "one of service and gateway would use TLS" in process.output


def test_a_service_that_dies_is_reported_with_its_reason(tmp_path: Path) -> None:
    arguments = ["up", "--data-dir", str(tmp_path), "--http-port", "0", "--grpc-port", "0"]
    nowhere = "postgresql://postgres@127.0.0.1:1/whitebg"
    with program([*WHITEBG, *arguments], database_url=nowhere) as process:
        line = process.wait_for("service died with exit code 1 (")
        assert "WHITEBG_DATABASE_URL: the database is unreachable" in line
        assert "Connection refused" in line
        process.terminate()
        process.wait()


def test_a_damaged_database_is_reported_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "whitebg.db").write_bytes(b"no pages of a database " * 400)
    arguments = ["up", "--data-dir", str(tmp_path), "--http-port", "0", "--grpc-port", "0"]
    with program([*WHITEBG, *arguments]) as process:
        assert process.wait() == 1
        assert process.output.count(f"the database {tmp_path / 'whitebg.db'} can't be used") == 1, process.output
        assert "restore a backup" in process.output
    with program([*WHITEBG, "doctor", "--data-dir", str(tmp_path)]) as process:
        assert process.wait() == 1
        assert "WRONG database" in process.output


@pytest.mark.parametrize("name", ["HTTP", "GRPC"])
def test_a_port_in_use_names_the_variable_for_make(tmp_path: Path, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"http_port": "0", "grpc_port": "0", f"{name.lower()}_port": str(taken.getsockname()[1])}
        with program([*WHITEBG, "up", "--data-dir", str(tmp_path)], **ports) as process:
            assert process.wait() == 1
            assert f"WHITEBG_{name}_PORT=N for `make run`" in process.output


def test_a_misspelt_setting_is_reported_on_the_terminal(tmp_path: Path) -> None:
    with program([*WHITEBG, "list", "--data-dir", str(tmp_path)], task_timout="300", jwks_url="") as process:
        assert process.wait() == 1
        assert process.output.count("did you mean WHITEBG_TASK_TIMEOUT?") == 1
        assert "JWKS" not in process.output


HOSTILE = ("grpc", "json", "numpy", "cv2", "pydantic", "generator_service", "ws_gateway", "whitebg_process", "PIL")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of files named like modules, each of which leaves a marker file when it runs."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in HOSTILE:
        (folder / f"{name}.py").write_text(
            f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\nraise SystemExit(9)\n"
        )
    return folder


def test_python_files_in_the_current_folder_never_run(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile)
    whitebg = str(Path(sys.executable).with_name("whitebg"))
    photo, out = tmp_path / "mug.jpg", tmp_path / "out"
    photo.write_bytes(product_photo(file_format="JPEG", quality=95))
    ports = ["--http-port", "0", "--grpc-port", "0"]
    arguments = ["up", "--data-dir", str(tmp_path / "data"), *ports, "--try", str(photo), "--out", str(out)]
    with program([whitebg, *arguments], worker_slots="1", pool_processes="1") as process:
        process.wait_for("still serving")
        process.terminate()
        assert process.wait() == 0, process.output
    check_picture(out / "mug-white.png")
    with program([whitebg, "doctor", "--data-dir", str(tmp_path / "data")], pool_processes="1") as process:
        assert process.wait() == 0, process.output
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()


def test_it_runs_on_ipv6_addresses(tmp_path: Path) -> None:
    photo, out = tmp_path / "mug.jpg", tmp_path / "out"
    photo.write_bytes(product_photo(file_format="JPEG", quality=95))
    hosts = ["--http-host", "::1", "--http-port", "0", "--grpc-host", "::1", "--grpc-port", "0"]
    arguments = ["up", "--data-dir", str(tmp_path / "data"), *hosts, "--try", str(photo), "--out", str(out)]
    with program([*WHITEBG, *arguments], worker_slots="1", pool_processes="1") as process:
        process.wait_for("still serving")
        endpoints = json.loads((tmp_path / "data" / "endpoints.json").read_text())
        process.terminate()
        assert process.wait() == 0, process.output
    assert endpoints["grpc_target"].startswith("[::1]:")
    assert endpoints["http_url"].startswith("http://[::1]:")
    check_picture(out / "mug-white.png")


def test_no_file_of_the_data_folder_is_open_to_others(tmp_path: Path) -> None:
    """Neither new files, for any umask, nor files from an existing folder."""
    data_dir = tmp_path / "data"
    for folder in (data_dir, data_dir / "blobs", data_dir / "logs"):
        folder.mkdir()
        folder.chmod(0o755)
    for name in ("whitebg.db", "logs/service.log", "logs/service.log.1"):
        (data_dir / name).touch()
        (data_dir / name).chmod(0o644)
    photo = tmp_path / "mug.jpg"
    photo.write_bytes(product_photo(file_format="JPEG", quality=95))
    arguments = ["up", "--data-dir", str(data_dir), "--http-port", "0", "--grpc-port", "0"]
    arguments += ["--try", str(photo), "--out", str(tmp_path / "out")]
    umask = os.umask(0)
    try:
        with program([*WHITEBG, *arguments], worker_slots="1", pool_processes="1") as process:
            process.wait_for("still serving")
            found = {path.relative_to(data_dir): path.stat().st_mode & 0o777 for path in data_dir.rglob("*")}
            process.terminate()
            assert process.wait() == 0, process.output
    finally:
        os.umask(umask)
    assert {
        Path("whitebg.db"),
        Path("whitebg.db-wal"),
        Path("whitebg.db-shm"),
        Path("logs/gateway.log"),
    } <= found.keys()
    assert any(path.parts[0] == "blobs" and len(path.parts) > 1 for path in found)
    assert {str(path): oct(mode) for path, mode in found.items() if mode & 0o077} == {}


async def test_sign_in_link_opens_the_photos_of_the_command_line(up: Up) -> None:
    command = [*WHITEBG, "token", "--link", "--data-dir", str(up.data_dir)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    page, _, secret = output.decode().strip().partition("#token=")
    assert page == f"{up.http_url}/"
    async with httpx.AsyncClient(timeout=PATIENCE, headers={"Authorization": f"Bearer {secret}"}) as http:
        assert (await http.get(page)).status_code == 200
        assert (await http.get(f"{up.http_url}/api/v2/tasks")).status_code == 200
    # The output of this one is no terminal but a log, in which a token would be found by others.
    assert "#token=" not in up.process.output
