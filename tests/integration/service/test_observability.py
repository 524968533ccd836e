"""Metrics, logs and probes of the service after a real task in a real worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import jwt
import pytest

from generator_service.blobs.contract import new_key
from generator_service.ops.metrics_server import PortInUse
from generator_service.server import Running, running_service
from generator_service.settings import Settings
from tests.integration.service.conftest import frozen_engine
from tests.support.api import Api, open_channel, token
from tests.support.http import http_client
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.processes import free_port, service_process
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceStub

if TYPE_CHECKING:
    # Exists in the stubs only: at run time one class serves both kinds of channel.
    from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceAsyncStub

SECRET = "a secret that only the tests share with anyone"


@dataclass
class Service:
    """A separate service, and a way to call it."""

    running: Running
    stub: GeneratorServiceAsyncStub
    http: httpx.AsyncClient

    def metadata(self, user: str = "ann", **claims: Any) -> tuple[tuple[str, str], ...]:
        expires = datetime.now(UTC) + timedelta(minutes=10)
        claims = {"sub": user, "aud": "whitebg", "exp": expires, "scope": "tasks"} | claims
        return (
            ("authorization", f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"),
            ("x-request-id", "r-42"),
        )

    async def metrics(self) -> dict[str, float]:
        """Return every sample by name and labels."""
        text = (await self.http.get("/metrics")).text
        samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    async def show(self, expected: dict[str, float]) -> dict[str, float]:
        """Return the metrics once they have these values: the end of a task updates several of them, one by one."""

        def shown(metrics: dict[str, float]) -> dict[str, float | None]:
            return {name: metrics.get(name) for name in expected}

        with suppress(TimeoutError):
            return await self.until(lambda metrics: shown(metrics) == expected)
        raise AssertionError(f"not as expected: {shown(await self.metrics())}")

    async def until(self, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        async with asyncio.timeout(PATIENCE):
            while not condition(metrics := await self.metrics()):  # noqa: ASYNC110 (a figure has no event to wait for)
                await asyncio.sleep(0.05)
        return metrics


def settings(folder: Path, **fields: Any) -> Settings:
    return Settings(data_dir=folder, grpc_port=0, jwt_secret=SECRET, **fields)  # type: ignore[arg-type]  # a SecretStr


@asynccontextmanager
async def serving(folder: Path, **fields: Any) -> AsyncIterator[Service]:
    how = settings(folder, metrics_port=0, **fields)
    async with (
        running_service(how) as running,
        grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel,
        http_client(f"http://127.0.0.1:{running.metrics_port}") as http,
    ):
        yield Service(running, GeneratorServiceStub(channel), http)


def submission() -> pb.SubmitTaskRequest:
    options = task_pb2.TaskOptions(engine=task_pb2.ENGINE_LOCAL, size_px=100)
    return pb.SubmitTaskRequest(image=product_photo(64, 48), filename="mug.png", options=options)


async def test_a_task_is_counted_and_logged_on_its_whole_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(tmp_path, worker_slots=1, pool_processes=1) as service:
        submitted = await service.stub.SubmitTask(submission(), metadata=service.metadata())
        with pytest.raises(grpc.aio.AioRpcError):
            await service.stub.GetTask(pb.GetTaskRequest(task_id=999), metadata=service.metadata())
        metrics = await service.show(
            {
                'whitebg_worker_runs_total{engine="local",outcome="completed"}': 1,
                'whitebg_tasks{state="completed"}': 1,
                'whitebg_tasks{state="pending"}': 0,
                "whitebg_queue_oldest_seconds": 0,
                'whitebg_task_events_total{type="created"}': 1,
                'whitebg_task_events_total{type="started"}': 1,
                'whitebg_task_events_total{type="completed"}': 1,
                "whitebg_commit_events_sum": 3,
                "whitebg_tail_lag_seconds_count": 3,
                "whitebg_tail_revision": 3,
                "whitebg_worker_running": 0,
                'whitebg_engine_seconds_count{engine="local"}': 1,
                'whitebg_grpc_calls_total{code="OK",method="SubmitTask"}': 1,
                'whitebg_grpc_calls_total{code="NOT_FOUND",method="GetTask"}': 1,
                'whitebg_grpc_call_seconds_count{method="SubmitTask"}': 1,
            }
        )
    assert 1 <= metrics["whitebg_commit_events_count"] <= 3

    changes = [vars(record) for record in caplog.records if record.msg == "task_status_change"]
    assert [(each["old"], each["new"]) for each in changes] == [
        (None, "pending"),
        ("pending", "processing"),
        ("processing", "completed"),
    ]
    assert changes[0]["elapsed_ms"] is None
    assert changes[2]["elapsed_ms"] > 0
    assert {each["task_id"] for each in changes} == {submitted.task.task_id}
    [tied] = [vars(record) for record in caplog.records if record.msg == "task_submitted"]
    assert (tied["task_id"], tied["request_id"]) == (submitted.task.task_id, "r-42")


async def test_watchers_and_replays_are_counted(tmp_path: Path) -> None:
    async with serving(tmp_path, worker_slots=0) as service:
        submitted = await service.stub.SubmitTask(submission(), metadata=service.metadata())
        await service.until(lambda m: m["whitebg_ring_events"] == 1)
        epoch = (await service.stub.ListTasks(pb.ListTasksRequest(), metadata=service.metadata())).cursor.split(":")[0]
        watching = service.stub.WatchTasks(pb.WatchTasksRequest(after=f"{epoch}:0"), metadata=service.metadata())
        first = await watching.read()
        assert isinstance(first, pb.WatchTasksResponse)
        assert first.items[0].event.task.task_id == submitted.task.task_id
        of_one: dict[str, float] = {
            "whitebg_watchers": 1,
            'whitebg_replays_total{source="memory"}': 1,
            'whitebg_tasks{state="pending"}': 1,
        }
        metrics = await service.show(of_one)
        assert metrics["whitebg_queue_oldest_seconds"] > 0
        watching.cancel()
        cancelled = 'whitebg_grpc_calls_total{code="CANCELLED",method="WatchTasks"}'
        metrics = await service.show({cancelled: 1, "whitebg_watchers": 0})
        assert 'whitebg_grpc_call_seconds_count{method="WatchTasks"}' not in metrics


async def test_what_happened_before_the_start_is_neither_counted_nor_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(tmp_path, worker_slots=0) as service:
        submitted = await service.stub.SubmitTask(submission(), metadata=service.metadata())
    caplog.clear()
    async with serving(tmp_path, worker_slots=0) as service:
        metrics = await service.metrics()
        assert metrics["whitebg_ring_events"] == 1
        assert 'whitebg_task_events_total{type="created"}' not in metrics
        assert not [record for record in caplog.records if record.msg == "task_status_change"]
        request = pb.CancelTaskRequest(task_id=submitted.task.task_id)
        await service.stub.CancelTask(request, metadata=service.metadata())
        await service.until(lambda m: m.get('whitebg_task_events_total{type="cancelled"}') == 1)
    [change] = [vars(record) for record in caplog.records if record.msg == "task_status_change"]
    assert (change["old"], change["new"]) == ("pending", "cancelled")
    assert change["elapsed_ms"] > 0


async def test_deleted_orphans_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in ("server.SWEEP_EVERY", "worker.orphans.ORPHAN_AGE", "worker.orphans.GRACE"):
        monkeypatch.setattr(f"generator_service.{setting}", timedelta(milliseconds=50))
    async with serving(tmp_path, worker_slots=0) as service:
        assert (await service.metrics())["whitebg_orphans_deleted_total"] == 0
        orphans = [new_key("result") for _ in range(3)]
        for key in orphans:
            await service.running.parts.blobs.put(key, b"x", content_type="image/png")
        await service.show({"whitebg_orphans_deleted_total": 3})
        assert not any((tmp_path / "blobs" / key).exists() for key in orphans)


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path / "one", worker_slots=0) as service:
        taken = settings(tmp_path / "two", worker_slots=0, metrics_port=service.running.metrics_port)
        with pytest.raises(PortInUse, match=f"can't serve metrics on 127.0.0.1:{service.running.metrics_port}"):
            async with running_service(taken):
                raise AssertionError("it took a port that was taken")


async def test_no_port_is_opened_unasked(tmp_path: Path) -> None:
    async with running_service(settings(tmp_path, worker_slots=0)) as running:
        assert running.metrics_port is None


async def test_probes_tell_a_process_that_lives_from_one_that_is_ready(tmp_path: Path) -> None:
    """While it drains, it is live but not ready."""
    port = free_port()
    with service_process(tmp_path, SECRET, worker_slots="1", pool_processes="1", metrics_port=str(port)) as service:
        async with (
            http_client(f"http://127.0.0.1:{port}") as http,
            open_channel(service.target) as channel,
        ):
            assert [(await http.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
            api = Api(channel, "ann", token("ann", secret=SECRET))
            with frozen_engine(service):
                async with api.watch() as watch:
                    task = await api.submit()
                    await watch.until_event(event_pb2.EVENT_TYPE_STARTED, task.task_id)
                service.terminate()
                await asyncio.to_thread(service.wait_for, "draining")
                ready = await http.get("/readyz")
                assert ready.status_code == 503
                assert ready.json() == {
                    "status": "not_ready",
                    "reasons": [{"code": "not_started", "message": "the process is starting, or draining"}],
                }
                assert (await http.get("/healthz")).json() == {"status": "alive"}


async def test_who_does_not_answer_is_not_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator_service.ops.metrics_server.ALIVE_SECONDS", 0.2)
    async with serving(tmp_path, worker_slots=0) as service:
        url = f"http://127.0.0.1:{service.running.metrics_port}/healthz"
        with ThreadPoolExecutor(1) as asking:
            answer = asking.submit(httpx.get, url, timeout=PATIENCE).result()  # The event loop is blocked meanwhile.
        assert answer.status_code == 503
        assert "stuck" in answer.text
