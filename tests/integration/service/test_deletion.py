"""Deletion through the real service: tasks, their images, and the events that readers get."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.integration.service.conftest import Connect, frozen_engine
from tests.support.api import QUICK, SECRET, TINY, Api, open_channel, refusal, token
from tests.support.patience import eventually
from tests.support.processes import ServiceProcess, service_process
from tests.support.s3 import S3Server, s3_server
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb

CANCELLED, DELETED = event_pb2.EVENT_TYPE_CANCELLED, event_pb2.EVENT_TYPE_DELETED


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service of the test's own, with one engine process, that stores every image as a file of its own folder."""
    settings = {"worker_slots": "1", "pool_processes": "1", "inline_image_kib": "0"}
    with service_process(tmp_path / "data", SECRET, **settings) as service:
        yield service


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def images(service_dir: Path) -> set[str]:
    """Return the files of images."""
    folders = ("input", "mask", "result", "thumbnail")
    return {path.name for folder in folders for path in (service_dir / "blobs" / folder).rglob("*") if path.is_file()}


async def test_deleted_task_is_gone_for_all_calls_and_all_readers(alone: ServiceProcess, tmp_path: Path) -> None:
    async with open_channel(alone.target) as channel:
        api = Api(channel, "ann", token("ann"))
        service = Api(channel, "gateway", token("gateway", scope="service"))
        (task,) = await api.finished((await api.submit()).task_id)
        assert len(images(tmp_path / "data")) == 4
        async with api.watch() as watch, service.watch(all_users=True) as of_all:
            begun = watch.cursor

            answer = await api.delete(task_ids=[task.task_id])

            assert (list(answer.task_ids), list(answer.missing_task_ids)) == ([task.task_id], [])
            assert not images(tmp_path / "data"), "images are removed when the call returns"
            event = await watch.until_event(DELETED, task.task_id)
            assert (event.seq, event.task.state) == (task.seq + 1, task_pb2.TASK_STATE_CANCELLED)
            assert (event.task.error.code, event.task.HasField("result")) == ("deleted", False)
            assert (await of_all.until_event(DELETED, task.task_id)).cursor == event.cursor
        for call in (
            api.get(task.task_id),
            api.cancel(task.task_id),
            api.download(task.task_id, pb.IMAGE_KIND_INPUT),
            api.submit(image=None, source_task_id=task.task_id),
        ):
            refused = await refusal(call)
            assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND")
        page = await api.list_tasks()
        assert (list(page.tasks), page.total_size) == ([], 0)
        async with api.watch(snapshot=True) as fresh:
            assert not [item for item in fresh.items if item.HasField("snapshot_task")]
        async with api.watch(after=begun, stop_at_head=True, settled=False) as replay:
            await replay.rest()
            assert [each.type for each in replay.events] == [DELETED]
        again = await api.delete(task_ids=[task.task_id])
        assert (list(again.task_ids), list(again.missing_task_ids)) == ([], [task.task_id])


async def test_running_task_is_cancelled_and_leaves_no_image(alone: ServiceProcess, tmp_path: Path) -> None:
    async with open_channel(alone.target) as channel:
        api = Api(channel, "ann", token("ann"))
        async with api.watch() as watch:
            with frozen_engine(alone):
                running = await api.submit()
                await watch.until_event(event_pb2.EVENT_TYPE_STARTED, running.task_id)
                waiting = await api.submit()
                answer = await api.delete(all=True)
                assert sorted(answer.task_ids) == [running.task_id, waiting.task_id]
            for task in (running, waiting):
                await watch.until_event(DELETED, task.task_id)
            # The worker is free again, and what its engine made for the deleted task was discarded.
            (after,) = await api.finished((await api.submit()).task_id)
            assert after.state == task_pb2.TASK_STATE_COMPLETED
        types = [event.type for event in watch.events if event.task.task_id == running.task_id]
        assert types[-2:] == [CANCELLED, DELETED]
        await eventually(lambda: len(images(tmp_path / "data")) == 4)


async def test_a_user_deletes_only_their_own_tasks(connect: Connect) -> None:
    ann, bob, service = connect(), connect(), connect(scope="service")
    of_ann, of_bob = await ann.submit(), await bob.submit()
    answer = await ann.delete(task_ids=[of_bob.task_id])
    assert list(answer.missing_task_ids) == [of_bob.task_id]
    assert list((await ann.delete(all=True)).task_ids) == [of_ann.task_id]
    assert (await bob.get(of_bob.task_id)).task_id == of_bob.task_id
    refused = await refusal(ann.delete(all=True, user_id=bob.user))
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    assert list((await service.delete(all=True, user_id=bob.user)).task_ids) == [of_bob.task_id]


@pytest.mark.parametrize("fields", [{}, {"task_ids": [1], "all": True}, {"task_ids": range(1, 1002)}])
async def test_selection_must_be_clear_and_bounded(api: Api, fields: dict[str, object]) -> None:
    refused = await refusal(api.delete(**fields))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["task_ids"])


async def test_repeated_submission_after_the_deletion_is_a_new_task(api: Api) -> None:
    first = await api.submit(idempotency_key="order-17")
    await api.delete(task_ids=[first.task_id])
    again = await api.submission(idempotency_key="order-17")
    assert (again.deduplicated, again.task.task_id > first.task_id) == (False, True)


async def test_images_are_removed_once_the_image_store_is_back(bucket: S3Server, tmp_path: Path) -> None:
    settings = bucket.settings
    with service_process(tmp_path / "data", SECRET, worker_slots="1", pool_processes="1", **settings) as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            (task,) = await api.finished((await api.submit(TINY, options=QUICK)).task_id)
            await asyncio.to_thread(bucket.kill)
            assert list((await api.delete(task_ids=[task.task_id])).task_ids) == [task.task_id], "the log comes first"
            assert not (await api.list_tasks()).tasks
            await asyncio.to_thread(bucket.start)
            await asyncio.to_thread(service.wait_for, "removed 4 images of deleted tasks")
