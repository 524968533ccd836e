"""The same photo with the same options again, answered from the stored result: only where the request allows it."""

from __future__ import annotations

from protos.whitebg.v1 import generator_service_pb2 as pb
from protos.whitebg.v1 import task_pb2
from tests.support.api import Api
from tests.support.photos import product_photo

PHOTO = product_photo(96, 72)
SMALL = task_pb2.TaskOptions(engine=task_pb2.ENGINE_LOCAL, size_px=100)


async def made(api: Api) -> task_pb2.Task:
    """Have the picture made, and return its task."""
    (task,) = await api.finished((await api.submit(PHOTO, options=SMALL)).task_id)
    return task


async def test_the_stored_result_answers_and_nothing_is_queued(api: Api) -> None:
    task = await made(api)
    answer = await api.submission(PHOTO, options=SMALL, filename="other name.png", priority=-1, reuse=True)
    assert answer.reused
    assert not answer.deduplicated
    assert answer.task.task_id == task.task_id
    assert answer.task.state == task_pb2.TASK_STATE_COMPLETED
    info, data = await api.download(answer.task.task_id, pb.IMAGE_KIND_RESULT)
    assert len(data) == info.size_bytes
    assert [each.task_id for each in (await api.list_tasks()).tasks] == [task.task_id]


async def test_other_options_or_another_photo_or_no_leave_make_a_new_task(api: Api) -> None:
    task = await made(api)
    larger = task_pb2.TaskOptions(engine=task_pb2.ENGINE_LOCAL, size_px=101)
    answers = [
        await api.submission(PHOTO, options=larger, reuse=True),
        await api.submission(product_photo(97, 72), options=SMALL, reuse=True),
        await api.submission(PHOTO, options=SMALL),
    ]
    assert [answer.reused for answer in answers] == [False] * 3
    assert task.task_id not in {answer.task.task_id for answer in answers}


async def test_every_result_carries_its_report(api: Api) -> None:
    report = (await made(api)).result.report
    assert report.preset == "custom"
    assert report.passed
    names = [check.name for check in report.checks]
    assert names[:2] == ["border", "near_white"]
    assert {"fill", "centring", "size", "format", "bytes", "halo", "components", "whole"} <= set(names)


async def test_presets_are_listed_with_their_rules(api: Api) -> None:
    presets = {preset.name: preset for preset in (await api.presets()).presets}
    assert next(iter(presets)) == "custom"
    assert presets["taobao"].max_bytes == 3_000_000
    assert all(preset.rule and preset.source for preset in presets.values())
