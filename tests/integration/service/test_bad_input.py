"""Each kind of bad input gets its own clear error, and nothing else is affected."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from PIL import Image

from tests.support.api import QUICK, SECRET, TINY, Api, open_channel, read_refusal, refusal, token
from tests.support.floods import FLOODS
from tests.support.photos import product_photo
from tests.support.processes import ServiceProcess, peak_memory, service_process
from whitebg.v1 import event_pb2, task_pb2

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
MIB = 1024 * 1024


def png_header(width: int, height: int) -> bytes:
    """Return the start of a PNG with this size in its header. Without pixels, only the header can reject it."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = struct.pack(">I", 1000) + b"IDAT"
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + idat


def options(**fields: Any) -> task_pb2.TaskOptions:
    return task_pb2.TaskOptions(**fields)


def seconds(number: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=number))
    return duration


@pytest.mark.parametrize(
    ("image", "reason", "said"),
    [
        pytest.param(b"%PDF-1.7 this is a letter", "IMAGE_NOT_RECOGNISED", "JPEG, PNG", id="not an image"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"noise" * 9, "IMAGE_NOT_RECOGNISED", "JPEG, PNG", id="not even a header"),
        pytest.param(b"", "IMAGE_EMPTY", "empty", id="empty"),
        pytest.param(product_photo(64, 48) + bytes(25 * MIB), "IMAGE_TOO_LARGE", "at most 25 MiB", id="over 25 MiB"),
        pytest.param(png_header(8001, 8000), "IMAGE_TOO_MANY_PIXELS", "8001 × 8000 = 64 megapixels", id="over 64 MP"),
        pytest.param(png_header(65_000, 65_000), "IMAGE_TOO_MANY_PIXELS", "4225 megapixels", id="a bomb"),
        pytest.param(product_photo(15, 40), "IMAGE_TOO_SMALL", "at least 16", id="too small"),
    ],
)
async def test_a_file_that_is_no_usable_photo_is_refused(api: Api, image: bytes, reason: str, said: str) -> None:
    refused = await refusal(api.submit(image))

    assert (refused.code, refused.reason, refused.fields) == (INVALID, reason, ["image"])
    assert said in refused.message
    assert (await api.list_tasks()).total_size == 0


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_file_of_tiny_parts_is_rejected_and_takes_no_memory(
    service: ServiceProcess, api: Api, flood: str
) -> None:
    with suppress(aio.AioRpcError):  # the buffers of a message of this size exist
        await api.submit(bytes(24 * MIB))
    before = peak_memory(service.pid)

    refused = await refusal(api.submit(FLOODS[flood](24 * MIB)))

    assert (refused.code, refused.reason, refused.fields) == (INVALID, "IMAGE_TOO_COMPLEX", ["image"])
    assert peak_memory(service.pid) - before < 150 * MIB


async def test_message_that_no_photo_and_mask_can_fill_is_rejected_unread(api: Api) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await api.submit(bytes(35 * MIB))

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in (caught.value.details() or "")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
async def test_a_photo_that_breaks_off_fails_and_says_so(api: Api, file_format: str) -> None:
    whole = product_photo(300, 200, file_format)
    task = await api.submit(whole[: len(whole) // 2], filename="half.jpg")

    (ended,) = await api.finished(task.task_id)

    assert ended.state == task_pb2.TASK_STATE_FAILED
    assert (ended.error.code, ended.error.retryable, ended.attempt) == ("image_truncated", False, 1)
    assert "upload it again" in ended.error.message


async def test_a_webp_that_breaks_off_is_refused_at_once(api: Api) -> None:
    """The format declares its length up front."""
    whole = product_photo(300, 200, "WEBP")
    refused = await refusal(api.submit(whole[: len(whole) // 2]))

    assert (refused.code, refused.reason, refused.fields) == (INVALID, "IMAGE_NOT_RECOGNISED", ["image"])


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        pytest.param({"options": options(preset="bazaar")}, "options.preset", "known are custom, amazon", id="preset"),
        pytest.param(
            {"options": options(engine=99)},
            "options.engine",
            "99 is not one of AUTO, LOCAL, GEMINI, NEURAL",
            id="engine",
        ),
        pytest.param(
            {"options": options(engine=task_pb2.ENGINE_GEMINI)},
            "options.engine",
            "gemini needs WHITEBG_GEMINI_API_KEY",
            id="engine that is not set up",
        ),
        pytest.param(
            {"options": options(format=77)}, "options.format", "77 is not one of PNG, JPEG, WEBP", id="format"
        ),
        pytest.param({"options": options(size_px=99)}, "options.size_px", "99 is not within 100 to 10000", id="size"),
        pytest.param({"options": options(size_px=-5)}, "options.size_px", "-5", id="negative size"),
        pytest.param({"options": options(fill=1.01)}, "options.fill", "1.01 is not within 0.3 to 1", id="fill"),
        pytest.param({"options": options(fill=float("nan"))}, "options.fill", "nan", id="fill that is no number"),
        pytest.param({"options": options(background="white")}, "options.background", "#FFFFFF", id="colour"),
        pytest.param({"options": options(prompt="x" * 2001)}, "options.prompt", "2001", id="prompt"),
        pytest.param({"priority": -11}, "priority", "-11 is not within -10 to 10", id="priority"),
        pytest.param({"timeout": seconds(0.5)}, "timeout", "0.5 s is not within 1 s to 900 s", id="timeout"),
        pytest.param({"timeout": seconds(901)}, "timeout", "901 s", id="long timeout"),
        pytest.param({"idempotency_key": "k" * 201}, "idempotency_key", "201", id="key"),
        pytest.param({"idempotency_key": "k\0"}, "idempotency_key", "NUL", id="key with a NUL"),
    ],
)
async def test_an_option_that_can_not_be_used_is_named(api: Api, fields: dict[str, Any], field: str, said: str) -> None:
    refused = await refusal(api.submit(**fields))

    assert (refused.code, refused.reason, refused.fields) == (INVALID, "INVALID_REQUEST", [field])
    assert said in refused.message


async def test_neither_photo_nor_earlier_task_is_refused(api: Api) -> None:
    refused = await refusal(api.submission(image=None))

    assert (refused.code, refused.fields) == (INVALID, ["image"])


async def test_a_task_that_does_not_exist_is_not_found(api: Api) -> None:
    for call in (api.get(10**12), api.cancel(10**12), api.submit(image=None, source_task_id=10**12)):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (NOT_FOUND, "TASK_NOT_FOUND")
        assert refused.info.metadata["task_id"] == str(10**12)


async def test_the_largest_ids_there_are_are_not_found_either(api: Api) -> None:
    for task_id in (0, -1, 2**63 - 1, -(2**63)):
        assert (await refusal(api.get(task_id))).code is NOT_FOUND


async def test_an_idempotency_key_means_one_task_for_ever(api: Api) -> None:
    first = await api.submission(idempotency_key="order-17")
    second = await api.submission(idempotency_key="order-17")

    assert (first.deduplicated, second.deduplicated) == (False, True)
    assert first.task.task_id == second.task.task_id
    assert (await api.list_tasks()).total_size == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"image": product_photo(65, 48)}, id="another photo"),
        pytest.param({"options": options(engine=task_pb2.ENGINE_LOCAL, size_px=101)}, id="other options"),
        pytest.param({"timeout": seconds(7)}, id="another timeout"),
        pytest.param({"batch_id": "spring"}, id="another batch"),
        pytest.param({"run_at": Timestamp(seconds=1_600_000_000)}, id="another start"),
    ],
)
async def test_an_idempotency_key_with_another_request_is_refused(api: Api, other: dict[str, Any]) -> None:
    task = await api.submit(idempotency_key="order-17")

    refused = await refusal(api.submit(**{"idempotency_key": "order-17"} | other))

    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_CONFLICT")
    assert refused.info.metadata["task_id"] == str(task.task_id)
    assert "order-17" in refused.message


async def test_batch_start_and_source_belong_to_the_request_of_a_key(api: Api) -> None:
    sources = [await api.submit(), await api.submit()]
    whole: dict[str, Any] = {"image": None, "batch_id": "spring", "run_at": Timestamp(seconds=1_700_000_000)}
    whole |= {"source_task_id": sources[0].task_id, "idempotency_key": "order-18"}
    first = await api.submission(**whole)

    assert (await api.submission(**whole)).task.task_id == first.task.task_id
    for other in ({"batch_id": "autumn"}, {"run_at": None}, {"source_task_id": sources[1].task_id}):
        assert (await refusal(api.submit(**whole | other))).reason == "IDEMPOTENCY_CONFLICT"


async def test_two_users_may_have_the_same_key(api: Api, connect: Any) -> None:
    mine = await api.submit(idempotency_key="order-17")
    theirs = await connect().submit(product_photo(66, 48), idempotency_key="order-17")

    assert mine.task_id != theirs.task_id


async def test_text_that_no_cursor_is_is_refused(api: Api) -> None:
    for text in ("yesterday", "abc:-1", "abc:r5", "abc:" + "9" * 30):
        refused = await refusal(api.events(after=text))
        assert (refused.code, refused.reason, refused.fields) == (INVALID, "INVALID_REQUEST", ["after"])
        with pytest.raises(aio.AioRpcError) as caught:
            async with api.watch(after=text):
                pytest.fail("a watch was opened after something that is no cursor")
        assert read_refusal(caught.value).fields == ["after"]


async def test_bad_input_costs_nobody_anything(api: Api) -> None:
    """Between two good photos, one of each bad kind: both results are complete, and the log has no gap."""
    async with api.watch() as watch:
        before = await api.submit()
        whole = product_photo(300, 200, "JPEG")
        truncated = await api.submit(whole[: len(whole) // 2])
        for bad in (b"", b"no photo", png_header(9000, 9000)):
            await refusal(api.submit(bad))
        await refusal(api.submit(options=options(preset="bazaar")))
        after = await api.submit()
        await watch.until_ended(before.task_id, truncated.task_id, after.task_id)

    ends = {event.task.task_id: event.type for event in watch.events if event.task.HasField("finished_at")}
    assert ends == {
        before.task_id: event_pb2.EVENT_TYPE_COMPLETED,
        truncated.task_id: event_pb2.EVENT_TYPE_FAILED,
        after.task_id: event_pb2.EVENT_TYPE_COMPLETED,
    }
    assert [event.seq for event in watch.events] == list(range(1, 10))


async def test_a_file_name_is_cut_down_to_a_name(api: Api) -> None:
    names = {
        "../../etc/passwd": "passwd",
        "C:\\photos\\mug.png": "mug.png",
        "mug\n\x1b[31m.png": "mug[31m.png",
        "": "",
        "x" * 300 + ".png": "x" * 196 + ".png",
        "杯" * 83 + ".png": "杯" * 65 + ".png",  # 253 bytes: results add a suffix.
    }
    for given, kept in names.items():
        assert (await api.submit(TINY, filename=given, options=QUICK)).input.filename == kept


async def test_a_photo_is_judged_by_its_bytes_not_by_its_name(api: Api) -> None:
    jpeg = io.BytesIO()
    Image.open(io.BytesIO(TINY)).convert("RGB").save(jpeg, "JPEG")

    assert (await api.submit(jpeg.getvalue(), filename="mug.png")).input.format == "JPEG"


@pytest.mark.parametrize(
    ("settings", "code", "reason", "said"),
    [
        ({"min_free_mib": "1000000000"}, grpc.StatusCode.UNAVAILABLE, "DISK_FULL", "must stay free"),
        ({"stored_mib_per_user": "1"}, grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_QUOTA_EXCEEDED", "older tasks"),
    ],
)
async def test_a_photo_without_room_is_rejected_before_it_is_stored(
    tmp_path: Path, settings: dict[str, str], code: grpc.StatusCode, reason: str, said: str
) -> None:
    photo = product_photo(64, 48) + bytes(2 * MIB)
    with service_process(tmp_path / "data", SECRET, worker_slots="0", **settings) as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            for submission in (api.submission(photo), api.submission(photo, reuse=True)):
                refused = await refusal(submission)
                assert (refused.code, refused.reason) == (code, reason)
                assert said in refused.message
        # Not even for a moment: a stored file leaves its folder behind.
        assert not [*(tmp_path / "data" / "blobs" / "input").rglob("*")]
