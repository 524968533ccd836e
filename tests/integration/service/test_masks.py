"""Masks, hints and new versions of a result, through the API of a real service."""

from __future__ import annotations

import io

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.integration.service.conftest import Connect
from tests.support.api import QUICK, Api, refusal
from tests.support.photos import product_photo
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2

PHOTO = product_photo(160, 120)
SIZE = (160, 120)


def mask_file(box: tuple[int, int, int, int], size: tuple[int, int] = SIZE, kind: str = "PNG") -> bytes:
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).rectangle(box, fill=255)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


LEFT = mask_file((0, 0, 79, 119))
"""The left half of the photo, whatever its content."""


def hint(kind: task_pb2.HintKind.ValueType, left: float, top: float, right: float, bottom: float) -> task_pb2.Hint:
    return task_pb2.Hint(kind=kind, region=task_pb2.Region(left=left, top=top, right=right, bottom=bottom))


async def mask_of(api: Api, task_id: int) -> NDArray[np.uint8]:
    info, data = await api.download(task_id, pb.IMAGE_KIND_MASK)
    assert (info.content_type, info.size_bytes) == ("image/png", len(data))
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image, np.uint8)


async def completed(api: Api, image: bytes | None = PHOTO, **fields: object) -> task_pb2.Task:
    (task,) = await api.finished((await api.submit(image, **fields)).task_id)
    assert task.state == task_pb2.TASK_STATE_COMPLETED, task.error
    return task


async def test_the_result_is_what_the_mask_says(api: Api) -> None:
    task = await completed(api, mask=LEFT)

    assert task.input.has_mask
    assert not task.result.HasField("confidence"), "the mask is the user's decision"
    assert task.result.report.checks
    assert "no_confidence" not in task.result.verdict_reasons
    alpha = await mask_of(api, task.task_id)
    assert alpha.shape == (120, 160)
    assert (alpha[:, :76] == 255).all()
    assert not alpha[:, 84:].any()
    assert task.result.mask_size_bytes > 0


async def test_without_a_mask_the_result_has_one_to_begin_with(api: Api) -> None:
    task = await completed(api)
    assert not task.input.has_mask
    assert task.result.HasField("confidence")
    alpha = await mask_of(api, task.task_id)
    assert alpha[60, 80] == 255
    assert alpha[2, 2] == 0

    corrected = alpha.copy()
    corrected[:, :80] = 0
    file = io.BytesIO()
    Image.fromarray(corrected).save(file, "PNG")
    version = await completed(api, None, source_task_id=task.task_id, mask=file.getvalue())

    assert version.source_task_id == task.task_id
    assert version.input.has_mask
    assert not (await mask_of(api, version.task_id))[:, :72].any()
    # The earlier version still exists.
    assert (await mask_of(api, task.task_id) == alpha).all()
    info, data = await api.download(task.task_id, pb.IMAGE_KIND_RESULT)
    assert info.size_bytes == len(data)


async def test_a_version_keeps_photo_and_mask_and_takes_other_options(api: Api) -> None:
    task = await completed(api, mask=LEFT, filename="cup.png")
    options = task_pb2.TaskOptions(engine=task_pb2.ENGINE_LOCAL, size_px=120, format=task_pb2.OUTPUT_FORMAT_JPEG)
    version = await completed(api, None, source_task_id=task.task_id, options=options)

    assert (version.input.filename, version.input.has_mask) == ("cup.png", True)
    assert (version.result.width, version.result.content_type) == (120, "image/jpeg")
    assert not (await mask_of(api, version.task_id))[:, 84:].any()
    assert (await api.download(version.task_id, pb.IMAGE_KIND_INPUT))[1] == PHOTO

    own = await completed(api, None, source_task_id=task.task_id, drop_source_mask=True)
    assert not own.input.has_mask
    assert (await mask_of(api, own.task_id))[60, 90] == 255
    assert (await api.get(task.task_id)).source_task_id == 0


async def test_a_version_of_another_users_task_does_not_exist(api: Api, connect: Connect) -> None:
    task = await api.submit(PHOTO, mask=LEFT)
    refused = await refusal(connect().submit(None, source_task_id=task.task_id))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND")


async def test_hints_keep_and_drop(api: Api) -> None:
    whole = await completed(api)
    dropped = await completed(api, options=options_with(hint(task_pb2.HINT_KIND_DROP, 0.0, 0.0, 1.0, 0.5)))
    assert dropped.options.hints[0].region.bottom == 0.5
    before, after = await mask_of(api, whole.task_id), await mask_of(api, dropped.task_id)
    assert before[:60].any()
    assert not after[:60].any()
    assert after[60:].any()


def options_with(
    *hints: task_pb2.Hint, engine: task_pb2.Engine.ValueType = task_pb2.ENGINE_AUTO
) -> task_pb2.TaskOptions:
    return task_pb2.TaskOptions(engine=engine, size_px=100, hints=hints)


async def test_mask_and_hints_are_part_of_what_makes_two_requests_the_same(api: Api) -> None:
    first = await completed(api, mask=LEFT, idempotency_key="one")
    again = await api.submission(PHOTO, mask=LEFT, idempotency_key="one")
    assert (again.deduplicated, again.task.task_id) == (True, first.task_id)
    for fields in ({}, {"mask": mask_file((0, 0, 70, 119))}, {"mask": LEFT, "options": options_with()}):
        refused = await refusal(api.submit(PHOTO, idempotency_key="one", **fields))
        assert refused.reason == "IDEMPOTENCY_CONFLICT"

    assert (await api.submission(PHOTO, mask=LEFT, reuse=True)).reused
    assert not (await api.submission(PHOTO, reuse=True)).reused
    version = await api.submission(None, source_task_id=first.task_id, reuse=True)
    assert (version.reused, version.task.task_id) == (True, first.task_id)


@pytest.mark.parametrize(
    ("reason", "mask"),
    [
        ("MASK_NOT_RECOGNISED", b"no picture"),
        ("MASK_UNSUPPORTED", mask_file((0, 0, 9, 9), kind="BMP")),
        ("MASK_MISMATCH", mask_file((0, 0, 9, 9), size=(100, 100))),
        ("MASK_TOO_LARGE", bytes(8 * 2**20 + 1)),
    ],
)
async def test_an_unusable_mask_is_rejected_and_nothing_is_stored(api: Api, reason: str, mask: bytes) -> None:
    refused = await refusal(api.submit(PHOTO, mask=mask))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert refused.fields == ["mask"]
    assert not (await api.list_tasks()).tasks


async def test_what_only_the_pixels_show_fails_the_task_with_a_reason(api: Api) -> None:
    for mask, code in ((PHOTO, "mask_not_grey"), (mask_file((200, 0, 201, 0)), "mask_without_product")):
        (task,) = await api.finished((await api.submit(PHOTO, mask=mask)).task_id)
        assert (task.state, task.error.code) == (task_pb2.TASK_STATE_FAILED, code)
        assert not task.error.retryable


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("options.hints[0].kind", options_with(task_pb2.Hint(region=task_pb2.Region(right=1, bottom=1)))),
        ("options.hints[0].region", options_with(task_pb2.Hint(kind=task_pb2.HINT_KIND_KEEP))),
        ("options.hints[0].region", options_with(hint(task_pb2.HINT_KIND_KEEP, 0.5, 0.0, 0.4, 1.0))),
        ("options.hints", options_with(*[hint(task_pb2.HINT_KIND_DROP, 0.0, 0.0, 1.0, 1.0)] * 65)),
        (
            "options.engine",
            options_with(hint(task_pb2.HINT_KIND_DROP, 0.0, 0.0, 1.0, 1.0), engine=task_pb2.ENGINE_GEMINI),
        ),
    ],
)
async def test_hints_that_can_not_be_followed_are_rejected(api: Api, field: str, options: task_pb2.TaskOptions) -> None:
    refused = await refusal(api.submit(PHOTO, options=options))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == [field]


async def test_a_mask_for_an_engine_that_makes_a_new_picture_is_rejected(api: Api) -> None:
    refused = await refusal(api.submit(PHOTO, mask=LEFT, options=options_with(engine=task_pb2.ENGINE_GEMINI)))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == ["options.engine"]


async def test_the_largest_photo_and_mask_go_together(api: Api) -> None:
    """25 and 8 MiB in one message: bytes after the end of a PNG do not change the picture."""
    photo, mask = (file + bytes(mib * 2**20 - len(file)) for file, mib in ((PHOTO, 25), (LEFT, 8)))
    task = await api.submit(photo, mask=mask, options=QUICK)
    assert task.input.size_bytes == 25 * 2**20
