"""From a submitted photo to a picture on white, watched live."""

from __future__ import annotations

import io

from PIL import Image

from tests.support.api import TINY, Api
from tests.support.photos import product_photo
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb


async def test_a_watcher_sees_every_step_in_order_as_it_happens(api: Api) -> None:
    async with api.watch() as watch:
        task = await api.submit(filename="mug.png")
        await watch.until_event(event_pb2.EVENT_TYPE_COMPLETED, task.task_id)

    created, started, completed = watch.events
    assert [event.seq for event in watch.events] == [1, 2, 3]
    assert [event.type for event in watch.events] == [
        event_pb2.EVENT_TYPE_CREATED,
        event_pb2.EVENT_TYPE_STARTED,
        event_pb2.EVENT_TYPE_COMPLETED,
    ]
    assert created.revision < started.revision < completed.revision
    assert [event.task.state for event in watch.events] == [
        task_pb2.TASK_STATE_PENDING,
        task_pb2.TASK_STATE_PROCESSING,
        task_pb2.TASK_STATE_COMPLETED,
    ]
    assert [event.task.attempt for event in watch.events] == [0, 1, 1]
    times = [event.occurred_at.ToNanoseconds() for event in watch.events]
    assert times == sorted(times)
    assert watch.cursor == completed.cursor


async def test_the_task_that_is_returned_is_the_task_that_was_created(api: Api) -> None:
    task = await api.submit(filename="shop/pictures/mug.png")

    assert task.user_id == api.user
    assert task.state == task_pb2.TASK_STATE_PENDING
    assert (task.seq, task.attempt, task.progress) == (1, 0, 0)
    assert (task.input.format, task.input.width, task.input.height) == ("PNG", 64, 48)
    assert (task.input.filename, task.input.size_bytes) == ("mug.png", len(TINY))
    assert task.timeout.ToTimedelta().total_seconds() == 180


async def test_progress_comes_between_started_and_completed_and_never_falls(api: Api) -> None:
    async with api.watch() as watch:
        # A tiny cut-out may be finished before its progress is sent; none is sent after the end.
        task = await api.submit(product_photo(1600, 1200))
        await watch.until_event(event_pb2.EVENT_TYPE_COMPLETED, task.task_id)

    running = [item.progress for item in watch.items if item.HasField("progress") and item.progress.attempt == 1]
    assert running, "an engine that reports nothing leaves people in the dark"
    percents = [progress.progress for progress in running]
    assert percents == sorted(percents)
    assert {progress.task_id for progress in running} == {task.task_id}
    assert all(progress.stage for progress in running)


async def test_the_result_is_a_picture_on_pure_white(api: Api) -> None:
    (task,) = await api.finished((await api.submit(filename="mug.png")).task_id)

    info, data = await api.download(task.task_id, pb.IMAGE_KIND_RESULT)
    picture = Image.open(io.BytesIO(data))
    assert (picture.format, picture.size) == ("PNG", (100, 100))
    assert (info.content_type, info.size_bytes, info.filename) == ("image/png", len(data), "mug-white.png")
    edge = {picture.getpixel((x, y)) for x in range(100) for y in (0, 99)}
    edge |= {picture.getpixel((x, y)) for y in range(100) for x in (0, 99)}
    assert edge == {(255, 255, 255)}
    assert task.state == task_pb2.TASK_STATE_COMPLETED
    assert (task.progress, task.stage) == (100, "")
    assert task.result.engine == task_pb2.ENGINE_LOCAL
    assert 0.835 <= task.result.fill <= 0.865
    assert (task.result.width, task.result.height, task.result.size_bytes) == (100, 100, len(data))


async def test_an_earlier_photo_can_be_taken_again(api: Api) -> None:
    first = await api.submit(filename="mug.png")
    again = await api.submit(
        image=None,
        source_task_id=first.task_id,
        options=task_pb2.TaskOptions(size_px=120, format=task_pb2.OUTPUT_FORMAT_JPEG),
    )

    _, task = await api.finished(first.task_id, again.task_id)
    _, photo = await api.download(task.task_id, pb.IMAGE_KIND_INPUT)
    assert photo == TINY
    assert task.input.filename == "mug.png"
    assert (task.result.content_type, task.result.width) == ("image/jpeg", 120)
