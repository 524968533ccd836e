"""Real processes that run but can't work report that with the reason, and become ready once they can."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg import sql

from generator_service.domain.readiness import NotReady
from generator_service.image_store import MARKER_KEY, Marker
from generator_service.ops import disk_space, readiness
from generator_service.ops.disk_space import DiskSpace
from generator_service.server import Running, running_service
from generator_service.settings import Settings
from generator_service.store.contract import Refusal
from tests.support.api import SECRET, Api, open_channel, refusal, token
from tests.support.http import http_client
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.postgres import postgres_server
from tests.support.processes import WorkerProcess, engine_pids, free_port, service_process
from whitebg.v1 import event_pb2
from ws_gateway.server import make_server
from ws_gateway.settings import Settings as GatewaySettings

PHOTO = product_photo(64, 48)
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Probe:
    """Requests the readiness of one process."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def get(self, path: str) -> httpx.Response:
        async with http_client(f"http://127.0.0.1:{self.port}") as http:
            return await http.get(path)

    async def until(self, status: int, *codes: str) -> dict[str, Any]:
        """Return the body once the process answers with this status and these reasons."""
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await self.get("/readyz")
                body: dict[str, Any] = answer.json()
                found = {reason["code"] for reason in body.get("reasons", ())}
                if answer.status_code == status and found.issuperset(codes):
                    return body
                await asyncio.sleep(0.1)

    async def metric(self, name: str) -> float:
        for line in (await self.get("/metrics")).text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"there is no metric {name}")


async def health_until(channel: grpc.aio.Channel, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
    """Wait until gRPC's health service reports this status."""
    call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    async with asyncio.timeout(PATIENCE):
        async for answer in call:
            if answer.status == status:
                call.cancel()
                return
    raise AssertionError("the watch of the health ended")


@asynccontextmanager
async def gateway(target: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a gateway connected to the service."""
    values: dict[str, Any] = {"jwt_secret": SECRET, "grpc_target": target, "http_port": 0}
    server = make_server(GatewaySettings(**values))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        await server.listening.wait()
    try:
        async with http_client(f"http://127.0.0.1:{server.port}") as http:
            yield http
    finally:
        server.should_exit = True
        await serving


async def gateway_until(http: httpx.AsyncClient, status: int) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while (answer := await http.get("/readyz")).status_code != status:  # noqa: ASYNC110 (HTTP has no event to wait for)
            await asyncio.sleep(0.1)
    body: dict[str, Any] = answer.json()
    return body


def fill(ballast: Path) -> None:
    """Write until the disk is full."""
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        with pytest.raises(OSError, match="No space left"):
            _write_for_ever(file)
    finally:
        os.close(file)


def _write_for_ever(file: int) -> None:
    while os.write(file, b"\0" * 4096):
        continue


async def test_a_full_disk_makes_service_and_gateway_not_ready_until_there_is_space(small_disk: Path) -> None:
    probe = Probe(free_port())
    options = {"worker_slots": "0", "metrics_port": str(probe.port), "min_free_mib": "2"}
    with service_process(small_disk / "data", SECRET, **options) as service:
        async with open_channel(service.target) as channel, gateway(service.target) as http:
            await probe.until(200)
            await gateway_until(http, 200)
            await health_until(channel, SERVING)
            api = Api(channel, "ann", token("ann"))
            await api.submit(PHOTO)
            ballast = small_disk / "ballast"
            fill(ballast)
            body = await probe.until(503, "disk_full", "images_unavailable")
            assert body["status"] == "not_ready"
            assert "0 MiB free" in str(body)
            assert await probe.metric("whitebg_ready") == 0
            assert await probe.metric('whitebg_writes_rejected{target="images"}') == 1
            await health_until(channel, NOT_SERVING)
            refused = await gateway_until(http, 503)
            assert refused["error"]["code"] == "service_not_ready"
            assert (await http.get("/readyz", params={"exclude": "service_not_ready"})).status_code == 200
            assert "disk_full" in {detail["field"] for detail in refused["error"]["details"]}
            assert (await refusal(api.submission(PHOTO))).code is grpc.StatusCode.UNAVAILABLE
            assert (await probe.get("/healthz")).status_code == 200
            ballast.unlink()
            await probe.until(200)
            await gateway_until(http, 200)
            await health_until(channel, SERVING)
            await api.submit(PHOTO)


async def test_a_full_disk_of_the_images_alone_makes_it_not_ready(small_disk: Path, tmp_path: Path) -> None:
    data, probe = tmp_path / "data", Probe(free_port())
    data.mkdir(mode=0o700)
    (data / "blobs").symlink_to(small_disk)
    # More than the images' disk has, and less than that of the database.
    with service_process(data, SECRET, worker_slots="0", metrics_port=str(probe.port), min_free_mib="25"):
        body = await probe.until(503, "disk_full")
        assert str(data / "blobs") in str(body)
        assert await probe.metric(f'whitebg_data_free_bytes{{folder="{data / "blobs"}"}}') < 25 * 2**20
        assert await probe.metric(f'whitebg_data_free_bytes{{folder="{data}"}}') > 25 * 2**20


async def test_too_little_free_space_makes_service_and_gateway_not_ready(tmp_path: Path) -> None:
    probe = Probe(free_port())
    options = {"worker_slots": "0", "metrics_port": str(probe.port), "min_free_mib": "1000000000"}
    with service_process(tmp_path / "data", SECRET, **options) as service:
        async with open_channel(service.target) as channel, gateway(service.target) as http:
            body = await probe.until(503, "disk_full")
            assert "less than the minimum of 1000000000 MiB" in str(body)
            assert await probe.metric("whitebg_ready") == 0
            await health_until(channel, NOT_SERVING)
            refused = await gateway_until(http, 503)
            assert refused["error"]["code"] == "service_not_ready"
            assert "disk_full" in {detail["field"] for detail in refused["error"]["details"]}
            rejected = await refusal(Api(channel, "ann", token("ann")).submission(PHOTO))
            assert (rejected.code, rejected.reason) == (grpc.StatusCode.UNAVAILABLE, "DISK_FULL")
            assert (await probe.get("/healthz")).status_code == 200


async def test_an_image_folder_that_can_not_be_written_makes_it_not_ready(tmp_path: Path) -> None:
    data, probe = tmp_path / "data", Probe(free_port())
    data.mkdir()
    (data / "blobs").write_text("not a folder")
    with service_process(data, SECRET, worker_slots="0", metrics_port=str(probe.port)):
        body = await probe.until(503, "images_unavailable")
        assert str(data / "blobs") in str(body)
        assert (await probe.get("/readyz?exclude=queue_stalled")).status_code == 503
        assert (await probe.get("/readyz?exclude=queue_stalled&exclude=images_unavailable")).status_code == 200
        (data / "blobs").unlink()
        await probe.until(200)
        assert await probe.metric('whitebg_writes_rejected{target="images"}') == 0


async def test_a_read_only_database_makes_service_worker_and_gateway_not_ready(tmp_path: Path) -> None:
    def read_only(state: str) -> None:
        server.execute(sql.SQL(f"ALTER SYSTEM SET default_transaction_read_only = {state}"))
        server.execute(sql.SQL("SELECT pg_reload_conf()"))

    data, probe, at_worker = tmp_path / "data", Probe(free_port()), Probe(free_port())
    with postgres_server() as server:
        options = {"worker_slots": "0", "metrics_port": str(probe.port), "database_url": server.url()}
        with service_process(data, SECRET, **options) as service:
            worker = WorkerProcess(data, server.url(), metrics_port=str(at_worker.port))
            try:
                async with open_channel(service.target) as channel, gateway(service.target) as http:
                    await asyncio.gather(probe.until(200), at_worker.until(200), gateway_until(http, 200))
                    read_only("on")
                    for process in (probe, at_worker):
                        assert "read-only" in str(await process.until(503, "database_unavailable"))
                        assert await process.metric('whitebg_writes_rejected{target="database"}') == 1
                    assert "read-only" in str(await gateway_until(http, 503))
                    await health_until(channel, NOT_SERVING)
                    read_only("off")
                    await asyncio.gather(probe.until(200), at_worker.until(200), gateway_until(http, 200))
                    await health_until(channel, SERVING)
            finally:
                worker.close()


@asynccontextmanager
async def serving(folder: Path, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> AsyncIterator[Running]:
    """Run a service in this process that checks itself often."""
    monkeypatch.setattr(readiness, "INTERVAL_SECONDS", 0.1)
    values: dict[str, Any] = {
        "data_dir": folder,
        "grpc_port": 0,
        "jwt_secret": SECRET,
        "metrics_port": 0,
        "min_free_mib": 0,
        "stalled_after": 1.0,
    }
    async with running_service(Settings(**values | fields)) as running:
        yield running


async def test_the_image_store_of_another_database_makes_the_service_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator_service.server.CHECK_IMAGE_STORE_EVERY", timedelta(milliseconds=100))
    marker = tmp_path / "blobs" / MARKER_KEY
    async with serving(tmp_path, monkeypatch, worker_slots=0):
        own = marker.read_bytes()
    marker.write_bytes(Marker("another", 5).encode())
    async with (
        serving(tmp_path, monkeypatch, worker_slots=0) as running,
        open_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        assert running.metrics_port is not None
        probe = Probe(running.metrics_port)
        body = await probe.until(503, "images_refused")
        assert "belongs to another database" in str(body)
        assert "adopt-images" in str(body)
        assert await probe.metric("whitebg_ready") == 0
        await health_until(channel, NOT_SERVING)
        marker.write_bytes(own)
        await probe.until(200)
        await health_until(channel, SERVING)


async def test_a_worker_that_lost_its_slots_makes_the_service_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(tmp_path, monkeypatch, worker_slots=2, pool_processes=1) as running,
        open_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        assert running.metrics_port is not None
        assert running.parts.worker is not None
        probe, api = Probe(running.metrics_port), Api(channel, "ann", token("ann"))
        await probe.until(200)
        await health_until(channel, SERVING)
        # The worker believes that all its slots are taken, although no task runs.
        leaked = 0
        while leaked < 2:
            leaked += running.parts.worker._slots.take_all()
            await asyncio.sleep(0)
        task = await api.submit(PHOTO)
        body = await probe.until(503, "queue_stalled")
        assert "no attempt has started" in str(body)
        assert await probe.metric("whitebg_queue_stalled_seconds") >= 1
        await health_until(channel, NOT_SERVING)
        stats = await Api(channel, "root", token("root", scope="admin")).stats()
        assert not stats.ready
        assert [reason.code for reason in stats.not_ready_reasons] == ["queue_stalled"]
        assert stats.queue_stalled.ToTimedelta().total_seconds() >= 1
        running.parts.worker._slots.release(leaked)
        await api.finished(task.task_id)
        await probe.until(200)
        await health_until(channel, SERVING)
        assert await probe.metric("whitebg_queue_stalled_seconds") == 0


async def test_nobody_who_works_makes_the_service_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        serving(tmp_path, monkeypatch, worker_slots=0) as running,
        open_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        assert running.metrics_port is not None
        probe, api = Probe(running.metrics_port), Api(channel, "ann", token("ann"))
        task = await api.submit(PHOTO)
        await probe.until(503, "queue_stalled")
        await api.cancel(task.task_id)
        await probe.until(200)


async def test_long_attempts_in_all_slots_are_no_stalled_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that never answers keeps its slot busy; the tasks behind it wait legitimately."""
    async with (
        serving(tmp_path, monkeypatch, worker_slots=1, pool_processes=1) as running,
        open_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        assert running.metrics_port is not None
        monitor, probe, api = running.parts.readiness, Probe(running.metrics_port), Api(channel, "ann", token("ann"))
        (engine,) = engine_pids(os.getpid())
        async with api.watch() as watch:
            os.kill(engine, signal.SIGSTOP)
            first, second = await api.submit(PHOTO), await api.submit(PHOTO)
            await watch.until_event(event_pb2.EVENT_TYPE_STARTED, first.task_id)
            now = time.monotonic()
            monkeypatch.setattr(monitor, "_monotonic", lambda: now)
            for _ in range(30):
                now += 1.0
                await monitor.observe()
                assert (monitor.reasons, monitor.stalled) == ((), timedelta(0))
            assert (await probe.get("/readyz")).status_code == 200
            os.kill(engine, signal.SIGCONT)
            await watch.until_ended(first.task_id, second.task_id)


async def test_a_file_system_that_does_not_answer_delays_the_checks_only_for_their_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    async with serving(tmp_path, monkeypatch, worker_slots=0) as running:

        def read_late(_: Path) -> DiskSpace:
            answers.wait()
            return DiskSpace(free=0, total=0)

        monkeypatch.setattr(disk_space, "READ_WITHIN", 0.2)
        monkeypatch.setattr(disk_space, "disk_space", read_late)
        try:
            async with asyncio.timeout(PATIENCE):
                await running.parts.readiness.observe()
        finally:
            answers.set()
        assert "disk_full" not in {reason.code for reason in running.parts.readiness.reasons}


async def test_a_refused_write_outweighs_a_probe_that_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    async with serving(tmp_path, monkeypatch, worker_slots=0) as running:
        monitor, store = running.parts.readiness, running.parts.store
        monkeypatch.setattr(monitor, "_monotonic", lambda: now)
        refused = Refusal(now, "the database's disk is full", partial=True)
        store.last_refusal = refused  # type: ignore[misc]  # as a write sets it
        await monitor.observe()
        assert monitor.reasons == (NotReady("database_unavailable", "the database's disk is full"),)
        now += readiness.REFUSAL_COUNTS_SECONDS
        await monitor.observe()
        assert not monitor.reasons
