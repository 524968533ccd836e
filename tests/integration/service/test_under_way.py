"""Events in a running task's life: quota, cancel, timeout, crash. Where a task must wait, the engine is stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from tests.integration.service.conftest import frozen_engine
from tests.support.api import SECRET, Api, Watch, open_channel, refusal, token
from tests.support.processes import ServiceProcess, alive, service_process
from whitebg.v1 import event_pb2, task_pb2

STARTED, RETRYING = event_pb2.EVENT_TYPE_STARTED, event_pb2.EVENT_TYPE_RETRYING
COMPLETED, CANCELLED = event_pb2.EVENT_TYPE_COMPLETED, event_pb2.EVENT_TYPE_CANCELLED
CREATED, TIMED_OUT = event_pb2.EVENT_TYPE_CREATED, event_pb2.EVENT_TYPE_TIMED_OUT
MAX_PENDING = 2


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with one engine process, instead of the shared service."""
    few = {"worker_slots": "1", "pool_processes": "1", "pending_per_user": str(MAX_PENDING), "retry_base": "PT0.05S"}
    with service_process(tmp_path_factory.mktemp("single"), SECRET, **few) as service:
        yield service


@pytest.fixture
def two_slots(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service with two slots and one engine process, for which the second task waits."""
    with service_process(tmp_path, SECRET, worker_slots="2", pool_processes="1", retry_base="PT0.05S") as service:
        yield service


async def test_a_full_queue_says_when_to_come_back(service: ServiceProcess, api: Api) -> None:
    async with api.watch() as watch:
        with frozen_engine(service):
            running = await api.submit()
            await watch.until_event(STARTED, running.task_id)
            waiting = [await api.submit() for _ in range(MAX_PENDING)]

            refused = await refusal(api.submit())

            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
            assert refused.retry.retry_delay.ToTimedelta() > timedelta(0)
            assert refused.info.metadata["limit"] == str(MAX_PENDING)
            assert [violation.subject for violation in refused.quota.violations] == [f"user:{api.user}"]
        await watch.until_ended(running.task_id, *(task.task_id for task in waiting))
        await watch.until_ended((await api.submit()).task_id)


async def test_a_known_key_is_no_new_task_even_with_a_full_queue(service: ServiceProcess, api: Api) -> None:
    async with api.watch() as watch:
        with frozen_engine(service):
            await watch.until_event(STARTED, (await api.submit()).task_id)
            waiting = [await api.submit(idempotency_key=f"key-{number}") for number in range(MAX_PENDING)]

            again = await api.submission(idempotency_key="key-0")

            assert (again.deduplicated, again.task.task_id) == (True, waiting[0].task_id)
        await watch.until_ended(*(task.task_id for task in waiting))


async def test_those_who_wait_know_their_place(service: ServiceProcess, api: Api) -> None:
    async with api.watch() as watch:
        with frozen_engine(service):
            await watch.until_event(STARTED, (await api.submit()).task_id)
            first, second = await api.submit(), await api.submit()

            news = await watch.until(lambda item: item.progress.task_id == second.task_id)

            assert (news.progress.queue_position, news.progress.stage) == (2, "queued")
            assert news.progress.estimated_remaining.ToTimedelta() > timedelta(0)
            assert (await api.get(first.task_id)).queue_position == 1
        await watch.until_ended(first.task_id, second.task_id)


async def test_a_waiting_task_can_be_cancelled_and_never_runs(service: ServiceProcess, api: Api) -> None:
    async with api.watch() as watch:
        with frozen_engine(service):
            running = await api.submit()
            await watch.until_event(STARTED, running.task_id)
            waiting = await api.submit()

            cancelled = await api.cancel(waiting.task_id)

            assert (cancelled.state, cancelled.attempt) == (task_pb2.TASK_STATE_CANCELLED, 0)
            assert cancelled.error.code == "cancelled"
        await watch.until_ended(running.task_id, waiting.task_id)
        # Another task completes after it: the cancelled one had every chance to be claimed.
        await watch.until_event(COMPLETED, (await api.submit()).task_id)
    of_it = [event.type for event in watch.events if event.task.task_id == waiting.task_id]
    assert of_it == [CREATED, CANCELLED]


async def held_and_waiting(api: Api, watch: Watch) -> tuple[int, int]:
    """Submit two tasks to a frozen engine; return the one that holds its process, and the one that waits for it."""
    tasks = {(await api.submit()).task_id for _ in range(2)}
    waiting = await watch.until(lambda item: item.progress.stage == "waiting for an engine process")
    (held,) = tasks - {waiting.progress.task_id}
    return held, waiting.progress.task_id


async def test_a_running_task_is_cancelled_and_its_process_is_gone(two_slots: ServiceProcess) -> None:
    async with open_channel(two_slots.target) as channel:
        api = Api(channel, "ann", token("ann"))
        async with api.watch() as watch:
            with frozen_engine(two_slots) as engine:
                task_id, other = await held_and_waiting(api, watch)

                cancelled = await api.cancel(task_id)

                assert (cancelled.state, cancelled.attempt) == (task_pb2.TASK_STATE_CANCELLED, 1)
                # The other task needs the only engine process, which is a new one.
                await watch.until_event(COMPLETED, other)
                assert not alive(engine)
        of_it = [event.type for event in watch.events if event.task.task_id == task_id]
        assert of_it == [CREATED, STARTED, CANCELLED]
        assert (await api.get(task_id)).state == task_pb2.TASK_STATE_CANCELLED


async def test_cancelling_again_is_the_same_and_cancelling_what_ended_is_refused(
    service: ServiceProcess, api: Api
) -> None:
    (ended,) = await api.finished((await api.submit()).task_id)
    refused = await refusal(api.cancel(ended.task_id))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INVALID_TRANSITION")
    assert refused.info.metadata["state"] == "completed"

    with frozen_engine(service):
        task = await api.submit()
        first = await api.cancel(task.task_id)
        assert await api.cancel(task.task_id) == first
    # If it had begun, its process is being replaced: leave the next test a working engine.
    await api.finished((await api.submit()).task_id)


async def test_a_task_that_takes_too_long_times_out_and_its_process_is_gone(service: ServiceProcess, api: Api) -> None:
    async with api.watch() as watch:
        with frozen_engine(service) as engine:
            task = await api.submit(timeout=Duration(seconds=1))
            event = await watch.until_event(TIMED_OUT, task.task_id)

            assert event.task.state == task_pb2.TASK_STATE_TIMEOUT
            assert event.task.error.code == "timeout"
            ran = event.task.finished_at.ToDatetime() - event.task.started_at.ToDatetime()
            assert ran >= timedelta(seconds=1)
            await watch.until_event(COMPLETED, (await api.submit()).task_id)
            assert not alive(engine)


async def test_the_crash_of_an_engine_process_is_a_retry(two_slots: ServiceProcess) -> None:
    async with open_channel(two_slots.target) as channel:
        api = Api(channel, "ann", token("ann"))
        async with api.watch() as watch:
            with frozen_engine(two_slots) as engine:
                task_id, other = await held_and_waiting(api, watch)
                os.kill(engine, signal.SIGKILL)
                await watch.until_ended(task_id, other)

    events = [event for event in watch.events if event.task.task_id == task_id]
    assert [event.type for event in events] == [CREATED, STARTED, RETRYING, STARTED, COMPLETED]
    assert [event.seq for event in watch.events] == list(range(1, 9))
    assert [event.task.attempt for event in events] == [0, 1, 1, 2, 2]
    retrying = events[2].task
    assert (retrying.state, retrying.error.code) == (task_pb2.TASK_STATE_PENDING, "engine_crashed")
    assert (retrying.failures, retrying.wait_reason) == (1, task_pb2.WAIT_REASON_UNSPECIFIED)
    assert "SIGKILL" in retrying.error.message
    assert not events[-1].task.HasField("error")
