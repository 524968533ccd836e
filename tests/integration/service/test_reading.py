"""Lists, pages, images and statistics."""

from __future__ import annotations

import io

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from PIL import Image

from tests.integration.service.conftest import Connect
from tests.support.api import QUICK, TINY, Api, refusal
from tests.support.photos import product_photo
from whitebg.v1 import event_pb2, task_pb2
from whitebg.v1 import generator_service_pb2 as pb

DONE, FAILED = task_pb2.TASK_STATE_COMPLETED, task_pb2.TASK_STATE_FAILED


async def test_pages_of_tasks_are_newest_first_and_without_overlap(api: Api) -> None:
    ids = [(await api.submit()).task_id for _ in range(5)]

    first = await api.list_tasks(page_size=2)
    second = await api.list_tasks(page_size=2, page_token=first.next_page_token)
    newer = await api.submit()
    third = await api.list_tasks(page_size=2, page_token=second.next_page_token)

    pages = [[task.task_id for task in page.tasks] for page in (first, second, third)]
    assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
    assert (first.total_size, third.total_size, third.next_page_token) == (5, 6, "")
    assert (await api.list_tasks(page_size=1)).tasks[0].task_id == newer.task_id


async def test_a_page_may_begin_further_down(api: Api) -> None:
    ids = [(await api.submit()).task_id for _ in range(4)]

    assert [task.task_id for task in (await api.list_tasks(skip=1, page_size=2)).tasks] == [ids[2], ids[1]]
    assert list((await api.list_tasks(skip=4)).tasks) == []


async def test_tasks_are_filtered_by_state(api: Api) -> None:
    whole = product_photo(200, 150, "JPEG")
    good, bad = await api.submit(), await api.submit(whole[: len(whole) // 2])
    await api.finished(good.task_id, bad.task_id)

    assert [task.task_id for task in (await api.list_tasks(states=[FAILED])).tasks] == [bad.task_id]
    assert [task.task_id for task in (await api.list_tasks(states=[DONE])).tasks] == [good.task_id]
    assert (await api.list_tasks(states=[DONE, FAILED])).total_size == 2
    assert (await api.list_tasks(states=[task_pb2.TASK_STATE_TIMEOUT])).total_size == 0


async def test_to_list_and_then_to_watch_misses_nothing(api: Api) -> None:
    await api.finished((await api.submit()).task_id)
    listed = await api.list_tasks()
    task = await api.submit()

    async with api.watch(settled=False, after=listed.cursor) as watch:
        await watch.until_ended(task.task_id)
    assert [event.seq for event in watch.events] == [4, 5, 6]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": 501}, "page_size"),
        ({"page_token": "next"}, "page_token"),
        ({"page_token": "9" * 40}, "page_token"),
        ({"skip": -1}, "skip"),
        ({"skip": 100_001}, "skip"),
        ({"states": [42]}, "states"),
    ],
)
async def test_a_page_that_can_not_be_is_refused(api: Api, fields: dict[str, object], field: str) -> None:
    refused = await refusal(api.list_tasks(**fields))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_events_are_paged_to_their_head(api: Api) -> None:
    await api.finished((await api.submit()).task_id, (await api.submit()).task_id)

    seen, cursor, page = [], "", None
    while page is None or page.cursor != page.head:
        page = await api.events(after=cursor, page_size=4)
        seen += [event.seq for event in page.events]
        cursor = page.cursor

    assert seen == [1, 2, 3, 4, 5, 6]
    assert list((await api.events(after=cursor)).events) == []


async def test_a_user_without_events_has_a_head_all_the_same(api: Api) -> None:
    page = await api.events()
    assert list(page.events) == []
    assert page.cursor == page.head != ""


async def test_an_image_comes_whole_and_in_parts(api: Api) -> None:
    photo = product_photo(800, 600, "BMP")
    (task,) = await api.finished((await api.submit(photo, filename="mug.bmp", options=QUICK)).task_id)

    info, whole = await api.download(task.task_id, pb.IMAGE_KIND_INPUT)
    assert whole == photo
    assert (info.content_type, info.size_bytes, info.filename) == ("image/bmp", len(photo), "mug.bmp")
    size = len(photo)
    for offset, length in ((0, 10), (100_000, 70_000), (size - 5, 0), (size - 5, 100), (size, 0), (7, size)):
        part_info, part = await api.download(task.task_id, pb.IMAGE_KIND_INPUT, offset=offset, length=length)
        assert part == photo[offset : offset + length if length else None]
        assert part_info == info


async def test_a_thumbnail_is_a_small_jpeg(api: Api) -> None:
    (task,) = await api.finished(
        (await api.submit(product_photo(400, 300), options=task_pb2.TaskOptions(size_px=700))).task_id
    )

    info, data = await api.download(task.task_id, pb.IMAGE_KIND_THUMBNAIL)
    thumbnail = Image.open(io.BytesIO(data))
    assert (thumbnail.format, thumbnail.size, info.content_type) == ("JPEG", (320, 320), "image/jpeg")
    result_info, _ = await api.download(task.task_id, pb.IMAGE_KIND_RESULT)
    assert info.etag != result_info.etag


async def test_an_image_that_is_not_there_says_why(api: Api) -> None:
    whole = product_photo(200, 150, "JPEG")
    (failed,) = await api.finished((await api.submit(whole[: len(whole) // 2])).task_id)

    for kind in (pb.IMAGE_KIND_RESULT, pb.IMAGE_KIND_THUMBNAIL):
        refused = await refusal(api.download(failed.task_id, kind))
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "IMAGE_NOT_FOUND")
        assert "it is failed" in refused.message


async def test_parts_and_kinds_that_can_not_be_are_refused(api: Api) -> None:
    task = await api.submit()

    past = await refusal(api.download(task.task_id, pb.IMAGE_KIND_INPUT, offset=len(TINY) + 1))
    assert (past.code, past.reason) == (grpc.StatusCode.OUT_OF_RANGE, "OFFSET_OUT_OF_RANGE")
    negative = await refusal(api.download(task.task_id, pb.IMAGE_KIND_INPUT, offset=-1))
    assert (negative.code, negative.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["offset"])
    unnamed = await refusal(api.download(task.task_id, pb.IMAGE_KIND_UNSPECIFIED))
    assert (unnamed.code, unnamed.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["kind"])


async def test_there_is_no_address_of_an_image_in_a_folder_and_its_bytes_come(api: Api) -> None:
    task = await api.submit()
    info, data = await api.download(task.task_id, pb.IMAGE_KIND_INPUT, url_lifetime=Duration(seconds=60))
    assert (info.url, data) == ("", TINY)


async def test_an_image_s_metadata_comes_without_its_bytes(api: Api) -> None:
    task = await api.submit(filename="cup.png")
    info, _ = await api.download(task.task_id, pb.IMAGE_KIND_INPUT)
    assert await api.image(task.task_id, pb.IMAGE_KIND_INPUT) == info
    assert (info.content_type, info.size_bytes, info.filename) == ("image/png", len(TINY), "cup.png")
    missing = await refusal(api.image(task.task_id + 1_000_000, pb.IMAGE_KIND_INPUT))
    assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND")
    unnamed = await refusal(api.image(task.task_id, pb.IMAGE_KIND_UNSPECIFIED))
    assert (unnamed.code, unnamed.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["kind"])


async def test_an_image_in_a_folder_has_metadata_but_no_url(api: Api) -> None:
    task = await api.submit()
    created = await api.image_url(task.task_id, pb.IMAGE_KIND_INPUT)
    assert (created.url, created.image) == ("", await api.image(task.task_id, pb.IMAGE_KIND_INPUT))


async def test_images_of_another_user_do_not_exist(api: Api, connect: Connect) -> None:
    task = await api.submit()
    stranger = connect("stranger")
    for call in (stranger.image, stranger.image_url):
        refused = await refusal(call(task.task_id, pb.IMAGE_KIND_INPUT))
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND")


@pytest.mark.parametrize("lifetime", [Duration(), Duration(seconds=-1), Duration(nanos=1), Duration(seconds=3601)])
async def test_lifetimes_that_can_not_be_are_refused(api: Api, lifetime: Duration) -> None:
    task = await api.submit()
    refused = await refusal(api.download(task.task_id, pb.IMAGE_KIND_INPUT, url_lifetime=lifetime))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["url_lifetime"])
    refused = await refusal(api.image_url(task.task_id, pb.IMAGE_KIND_INPUT, lifetime=lifetime))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["lifetime"])
    assert "is not within 1 s to 3600 s" in refused.message


async def test_figures_of_the_queue_follow_what_happens(api: Api, connect: Connect) -> None:
    admin = connect(scope="admin")
    before = await admin.stats()
    async with api.watch() as watch:
        await watch.until_event(event_pb2.EVENT_TYPE_COMPLETED, (await api.submit()).task_id)
        after = await admin.stats()

    assert after.epoch == before.epoch
    assert after.head_revision >= before.head_revision + 3
    assert after.tail_revision >= before.head_revision + 3
    assert after.watchers >= before.watchers + 1
    assert after.ring_events >= 3
    completed = {count.state: count.count for count in after.states}[DONE]
    assert completed >= 1 + {count.state: count.count for count in before.states}.get(DONE, 0)
    assert after.process_started_at == before.process_started_at
