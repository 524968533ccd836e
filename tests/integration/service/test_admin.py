"""`AdminService` on real processes: a service, its worker and, with PostgreSQL, a second worker."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from generator_service.rpc.admin import servicer
from tests.support.api import SECRET, TINY, Api, open_channel, refusal, token
from tests.support.driven_service import DrivenService
from tests.support.patience import PATIENCE
from tests.support.postgres import PostgresServer
from tests.support.processes import ServiceProcess, WorkerProcess, service_process
from whitebg.v1 import admin_service_pb2 as pb
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub

LOCAL = task_pb2.TaskOptions(engine=task_pb2.ENGINE_LOCAL, size_px=100)
TOLERANCE = timedelta(milliseconds=50)
"""By so much times of two processes on one machine may differ."""


class Operator:
    """Calls `AdminService`."""

    def __init__(self, channel: aio.Channel, bearer: str) -> None:
        self._stub = AdminServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {bearer}"),)

    async def __call__(self, method: str, **fields: Any) -> Any:
        of_method = pb.DESCRIPTOR.services_by_name["AdminService"].methods_by_name[method]
        request = getattr(pb, of_method.input_type.name)(**fields)
        return await getattr(self._stub, method)(request, metadata=self._metadata, timeout=PATIENCE)


@dataclass
class Deployment:
    """A running service, and callers of it."""

    process: ServiceProcess
    worker: WorkerProcess | None
    """Beside the service's own; None with SQLite."""
    folder: Path
    channel: aio.Channel
    operator: Operator

    def user(self, name: str) -> Api:
        return Api(self.channel, name, token(name))


@pytest.fixture
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[ServiceProcess, WorkerProcess | None]]:
    """Run a service, with a second worker where the database allows it."""
    settings = {"pool_processes": "1", "worker_slots": "1", "inline_image_kib": "0"}
    with contextlib.ExitStack() as stack:
        if request.param == "postgresql":
            postgres: PostgresServer = request.getfixturevalue("postgres")
            name = postgres.create()
            stack.callback(postgres.drop, name)
            url = postgres.url(name)
            service = stack.enter_context(service_process(tmp_path, SECRET, database_url=url, **settings))
            worker = WorkerProcess(tmp_path, url)
            stack.callback(worker.close)
            yield service, worker
        else:
            yield stack.enter_context(service_process(tmp_path, SECRET, **settings)), None


@pytest.fixture
async def deployment(
    processes: tuple[ServiceProcess, WorkerProcess | None], tmp_path: Path
) -> AsyncIterator[Deployment]:
    service, worker = processes
    async with open_channel(service.target) as channel:
        yield Deployment(service, worker, tmp_path, channel, Operator(channel, token("ops", scope="admin")))


both = pytest.mark.parametrize("processes", ["sqlite", "postgresql"], indirect=True)
sqlite = pytest.mark.parametrize("processes", ["sqlite"], indirect=True)


@both
async def test_pause_holds_for_every_worker_until_it_ends_or_is_resumed(deployment: Deployment) -> None:
    ann, operator = deployment.user("ann"), deployment.operator
    warm = (await ann.submit(options=LOCAL)).task_id
    await ann.finished(warm)
    paused = (await operator("PauseQueue", note="moving the disks")).pause
    assert (paused.engine, paused.note, paused.HasField("ends_at")) == (task_pb2.ENGINE_AUTO, "moving the disks", False)
    waiting = [(await ann.submit(options=LOCAL)).task_id for _ in range(4)]
    shown = await ann.get(waiting[0])
    assert shown.wait_reason == task_pb2.WAIT_REASON_PAUSED
    assert shown.error.message == "moving the disks"
    assert not shown.HasField("run_at")
    assert not shown.HasField("estimated_remaining")
    assert shown.queue_position == 0
    assert [each.note for each in (await operator("GetQueueControl")).pauses] == ["moving the disks"]
    assert (await Api(deployment.channel, "ops", token("ops", scope="admin")).stats()).ready
    # From now on for longer than every worker waits between two looks at the queue.
    ends_at = (await operator("PauseQueue", lasts=timedelta(seconds=4))).pause.ends_at.ToDatetime()
    for task in [(await ann.finished(task_id))[0] for task_id in waiting]:
        assert task.started_at.ToDatetime() >= ends_at - TOLERANCE, "a task was claimed during the pause"
    assert not (await operator("GetQueueControl")).pauses

    await operator("PauseQueue")
    last = (await ann.submit(options=LOCAL)).task_id
    resumed = datetime.now(UTC).replace(tzinfo=None)
    await operator("ResumeQueue")
    (task,) = await ann.finished(last)
    assert task.started_at.ToDatetime() >= resumed - TOLERANCE


@both
async def test_idle_workers_are_listed_until_they_stop(deployment: Deployment) -> None:
    operator, worker = deployment.operator, deployment.worker

    async def live(count: int) -> list[pb.LiveWorker]:
        async with asyncio.timeout(PATIENCE):
            while len(workers := [*(await operator("GetOverview")).workers]) != count:
                pass
        return workers

    workers = await live(1 if worker is None else 2)
    assert {each.slots for each in workers} == {1}
    assert all(task_pb2.ENGINE_LOCAL in each.engines for each in workers)
    assert not (await operator("GetOverview")).running
    if worker is not None:
        worker.terminate()
        await asyncio.to_thread(worker.wait)
        # The stop removes the row before it could expire.
        assert [each.worker for each in await live(1)] != [worker.owner]


@both
async def test_failed_tasks_are_submitted_again_once(deployment: Deployment) -> None:
    ann, bob, operator = deployment.user("ann"), deployment.user("bob"), deployment.operator
    await operator("PauseQueue")
    tasks = [await ann.submit(options=LOCAL), await ann.submit(options=LOCAL), await bob.submit(options=LOCAL)]
    for user, task in zip((ann, ann, bob), tasks, strict=True):
        await user.cancel(task.task_id)
    wanted = pb.TaskFilter(states=[task_pb2.TASK_STATE_CANCELLED], user_id="ann", error_codes=["cancelled"])
    assert (await operator("RequeueTasks", filter=wanted, dry_run=True)).total_size == 2
    assert len((await ann.list_tasks()).tasks) == 2, "a dry run submitted tasks"
    first = await operator("RequeueTasks", filter=wanted, page_size=1)
    assert first.next_page_token
    rest = await operator("RequeueTasks", filter=wanted, page_size=1, page_token=first.next_page_token)
    new = [*first.tasks, *rest.tasks]
    assert sorted(task.source_task_id for task in new) == sorted(task.task_id for task in tasks[:2])
    assert {(task.user_id, task.options.engine) for task in new} == {("ann", task_pb2.ENGINE_LOCAL)}
    again = await operator("RequeueTasks", filter=wanted)
    assert sorted(task.task_id for task in again.tasks) == sorted(task.task_id for task in new)
    await operator("ResumeQueue")
    for task in new:
        assert (await ann.finished(task.task_id))[0].state == task_pb2.TASK_STATE_COMPLETED


@sqlite
async def test_operators_list_inspect_reorder_and_cancel_tasks_of_all_users(deployment: Deployment) -> None:
    ann, bob, operator = deployment.user("ann"), deployment.user("bob"), deployment.operator
    await operator("PauseQueue", engine=task_pb2.ENGINE_LOCAL)
    first, second = await ann.submit(options=LOCAL), await bob.submit(options=LOCAL)
    found = await operator("FindTasks", page_size=1)
    assert ([task.task_id for task in found.tasks], found.total_size) == ([second.task_id], 2)
    found = await operator("FindTasks", page_token=found.next_page_token)
    assert ([task.task_id for task in found.tasks], found.next_page_token) == ([first.task_id], "")
    raised = (await operator("SetPriority", task_id=second.task_id, priority=7)).task
    assert (raised.priority, raised.state) == (7, task_pb2.TASK_STATE_PENDING)
    history = await operator("InspectTask", task_id=second.task_id)
    kinds = [event_pb2.EVENT_TYPE_CREATED, event_pb2.EVENT_TYPE_UPDATED]
    assert [event.type for event in history.events] == kinds
    planned = await operator("CancelTasks", filter=pb.TaskFilter(user_id="bob"), dry_run=True)
    assert (planned.cancelled, (await bob.get(second.task_id)).state) == (1, task_pb2.TASK_STATE_PENDING)
    done = await operator("CancelTasks", filter=pb.TaskFilter(user_id="bob"))
    assert (done.cancelled, done.remaining) == (1, 0)
    done = await operator("CancelTasks", task_ids=[first.task_id, 10**9])
    assert (done.cancelled, [*done.skipped_task_ids]) == (1, [10**9])
    refused = await refusal(operator("SetPriority", task_id=first.task_id, priority=1))
    assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
    assert (await refusal(operator("SetPriority", task_id=first.task_id, priority=11))).fields == ["priority"]


@sqlite
async def test_limits_of_users_and_engines(deployment: Deployment) -> None:
    ann, operator = deployment.user("ann"), deployment.operator
    await operator("PauseQueue")
    await operator("SetUserLimits", user_id="ann", limits=pb.UserLimits(max_pending=1))
    await ann.submit()
    assert (await refusal(ann.submit())).reason == "QUOTA_EXCEEDED"
    (user,) = (await operator("ListUsers")).users
    assert (user.user_id, user.pending, user.limits.max_pending) == ("ann", 1, 1)
    await operator("SetUserLimits", user_id="ann")
    await ann.submit()
    limit = pb.EngineLimit(engine=task_pb2.ENGINE_LOCAL, max_running=1, starts_per_minute=600)
    await operator("SetEngineLimit", limit=limit)
    assert [*(await operator("GetQueueControl")).limits] == [limit]
    refused = await refusal(operator("SetEngineLimit", limit=pb.EngineLimit(engine=task_pb2.ENGINE_AUTO)))
    assert refused.fields == ["limit.engine"]


async def test_scheduled_start_is_kept_over_the_api(api: Api) -> None:
    soon = Timestamp()
    soon.FromDatetime(datetime.now(UTC) + timedelta(seconds=2))
    task = await api.submit(options=LOCAL, run_at=soon)
    assert abs(task.run_at.ToDatetime() - soon.ToDatetime()) < timedelta(seconds=1)
    (done,) = await api.finished(task.task_id)
    assert done.started_at.ToDatetime() >= soon.ToDatetime() - timedelta(milliseconds=50)
    soon.FromDatetime(datetime.now(UTC) + timedelta(days=31))
    assert (await refusal(api.submit(run_at=soon))).fields == ["run_at"]


async def test_only_administrators_may_call_it(channel: aio.Channel) -> None:
    for scope in ("tasks", "service"):
        stranger = Operator(channel, token("eve", scope=scope))
        for method in pb.DESCRIPTOR.services_by_name["AdminService"].methods_by_name:
            if (scope, method) == ("service", "ExchangeApiKey"):
                continue
            refused = await refusal(stranger(method))
            assert refused.code is grpc.StatusCode.PERMISSION_DENIED, method


@sqlite
async def test_command_line_controls_the_queue(deployment: Deployment, tmp_path: Path) -> None:
    def admin(*words: str) -> subprocess.CompletedProcess[str]:
        options = ["--target", deployment.process.target, "--token", token("ops", scope="admin")]
        command = [sys.executable, "-P", "-m", "whitebg", "admin", *options, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    async def run(*words: str) -> str:
        done = await asyncio.to_thread(admin, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    ann = deployment.user("ann")
    assert "all claims paused" in await run("pause", "--note", "moving", "--for", "1h")
    assert "moving" in await run("status")
    task = await ann.submit(TINY, options=LOCAL)
    assert f"{task.task_id}" in await run("tasks", "--state", "pending")
    await run("priority", str(task.task_id), "3")
    assert "1 tasks cancelled" in await run("cancel", "--of", "ann", "--yes")
    assert "1 tasks submitted" in await run("requeue", "--state", "cancelled", "--code", "cancelled", "--yes")
    await run("user-limits", "ann", "--running", "2")
    assert "max_running 2" in (await run("users")).replace("maxRunning", "max_running")
    await run("limit", "local", "--running", "3")
    assert "local: at most 3 tasks at once" in await run("status")
    assert '"events"' not in await run("inspect", str(task.task_id))
    await run("pause", "--engine", "gemini", "--note", "quota")
    assert (await run("resume", "--engine", "local")).startswith("was not paused\nall claims paused")
    assert await run("resume") == "resumed\ngemini paused: quota\n"
    assert await run("resume", "--engine", "gemini") == "resumed\n"
    assert await run("resume") == "was not paused\n"
    began = time.monotonic()
    (waiting,) = [each for each in (await ann.list_tasks()).tasks if each.source_task_id == task.task_id]
    await ann.finished(waiting.task_id)
    assert time.monotonic() - began < PATIENCE
    wrong = await asyncio.to_thread(admin, "pause", "--engine", "nothing")
    assert (wrong.returncode, "is not an engine" in wrong.stderr) == (1, True)


@both
async def test_api_key_works_until_it_is_revoked_and_its_watches_end(deployment: Deployment) -> None:
    operator = deployment.operator
    made = await operator("CreateApiKey", name="shop", user_id="ann", scopes=["tasks"])
    assert made.key.startswith(f"wbk_{made.api_key.key_id}_")
    shop = Api(deployment.channel, "ann", made.key)
    task = await shop.submit(options=LOCAL)
    assert task.user_id == "ann"
    assert (await refusal(shop.stats())).code is grpc.StatusCode.PERMISSION_DENIED
    exchanged = await Operator(deployment.channel, token("gateway", scope="service"))("ExchangeApiKey", key=made.key)
    assert (exchanged.user_id, [*exchanged.scopes], exchanged.problem) == ("ann", ["tasks"], "")
    async with shop.watch() as watch:
        await operator("RevokeApiKey", key_id=made.api_key.key_id)
        with pytest.raises(aio.AioRpcError) as ended:
            await watch.rest()
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert (await refusal(shop.list_tasks())).code is grpc.StatusCode.UNAUTHENTICATED
    (listed,) = (await operator("ListApiKeys")).api_keys
    assert (listed.name, listed.created_by, listed.HasField("revoked_at")) == ("shop", "ops", True)
    assert (await refusal(operator("RevokeApiKey", key_id="nothing"))).code is grpc.StatusCode.NOT_FOUND
    assert (await refusal(operator("CreateApiKey", name="shop", user_id="ann"))).fields == ["scopes"]
    assert made.key not in deployment.process.output, "a key was logged"


async def test_the_command_line_reports_a_user_who_was_not_deleted_completely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicer, "DELETE_ROUNDS", 0)  # as if tasks had arrived in every round
    service = DrivenService(tmp_path, SECRET)
    await service.start()
    options = ["--target", service.target, "--token", token("ops", scope="admin")]
    command = [sys.executable, "-P", "-m", "whitebg", "admin", *options, "delete-user", "ann", "--yes"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    await service.stop()
    assert done.returncode == 1
    assert "was not deleted completely" in done.stderr
    assert "was deleted" not in done.stdout


async def test_a_watch_ends_when_its_api_key_expires(tmp_path: Path) -> None:
    with service_process(tmp_path, SECRET, worker_slots="0", pool_processes="1") as service:
        async with open_channel(service.target) as channel:
            operator = Operator(channel, token("ops", scope="admin"))
            expiring, lasting = [
                await operator("CreateApiKey", name=name, user_id="ann", scopes=["tasks"]) for name in ("short", "long")
            ]
            other = Api(channel, "ann", lasting.key)
            # The shortest life of a key is a minute.
            with contextlib.closing(sqlite3.connect(tmp_path / "whitebg.db", isolation_level=None)) as database:
                database.execute(
                    "UPDATE api_keys SET expires_at = created_at + 10000000 WHERE key_id = ?", [expiring.api_key.key_id]
                )
            async with asyncio.timeout(PATIENCE):
                gateway = Operator(channel, token("gateway", scope="service"))
                while not (await gateway("ExchangeApiKey", key=expiring.key)).HasField("expires_at"):  # noqa: ASYNC110 (nothing signals it)
                    await asyncio.sleep(0.05)
            async with Api(channel, "ann", expiring.key).watch() as watch, other.watch() as kept:
                refused = await refusal(watch.rest())
                assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
                options = ["--target", service.target, "--token", token("ops", scope="admin")]
                command = [sys.executable, "-P", "-m", "whitebg", "admin", *options, "keys", "list"]
                listed = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
                assert listed.stdout.count("expired") == 1
                task = await other.submit(options=LOCAL)
                await kept.until(lambda item: item.event.task.task_id == task.task_id)


@both
async def test_a_deleted_user_leaves_nothing_behind(deployment: Deployment) -> None:
    ann, bob, operator = deployment.user("ann"), deployment.user("bob"), deployment.operator
    await bob.submit(options=LOCAL)
    done = (await ann.submit(options=LOCAL, filename="anns-cup.png")).task_id
    await ann.finished(done)
    await operator("PauseQueue")
    await ann.submit(options=LOCAL)
    await operator("SetUserLimits", user_id="ann", limits=pb.UserLimits(max_running=3))
    made = await operator("CreateApiKey", name="shop", user_id="ann", scopes=["tasks"])
    await operator("CreateWebhook", url="https://a.example/hook", user_id="ann")
    images = [path for path in (deployment.folder / "blobs").rglob("*") if path.is_file()]

    deleted = await operator("DeleteUser", user_id="ann")
    assert (deleted.deleted_tasks, deleted.complete) == (2, True)
    for api in (ann, Api(deployment.channel, "ann", made.key)):
        assert (await refusal(api.list_tasks())).code is grpc.StatusCode.UNAUTHENTICATED
    assert [user.user_id for user in (await operator("ListUsers")).users] == ["bob"]
    assert (await operator("FindTasks")).total_size == 1
    assert not (await operator("ListApiKeys")).api_keys
    assert not (await operator("ListWebhooks")).webhooks
    service = Api(deployment.channel, "gateway", token("gateway", scope="service"))
    assert not (await service.events(user_id="ann")).events
    left = [path for path in images if path.exists()]
    assert len(images) - len(left) == 5, "two photos, a result, its thumbnail and its mask"
    assert (await bob.list_tasks()).total_size == 1
    again = await operator("DeleteUser", user_id="ann")
    assert (again.deleted_tasks, again.complete) == (0, True)
