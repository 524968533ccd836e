"""The same photo with the same options is answered from the stored result only if the request allows it."""

from __future__ import annotations

from tests.support.api import Api
from tests.support.photos import product_photo
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2

PHOTO = product_photo(96, 72)
SMALL = task_pb2.TaskOptions(engine=task_pb2.ENGINE_LOCAL, size_px=100)


async def made(api: Api) -> task_pb2.Task:
    """Complete a task and return it."""
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


async def test_engines_are_listed_with_what_the_missing_ones_need(api: Api) -> None:
    engines = {each.engine: each for each in (await api.engines()).engines}
    assert next(iter(engines)) == task_pb2.ENGINE_LOCAL, "usable results come first"
    assert engines.keys() == {task_pb2.ENGINE_LOCAL, task_pb2.ENGINE_GEMINI, task_pb2.ENGINE_NEURAL}
    assert engines[task_pb2.ENGINE_LOCAL].available
    neural = engines[task_pb2.ENGINE_NEURAL]
    assert not neural.available
    assert "whitebg models install isnet-general-use" in neural.hint


async def test_presets_are_listed_with_their_rules(api: Api) -> None:
    presets = {preset.name: preset for preset in (await api.presets()).presets}
    assert next(iter(presets)) == "custom"
    assert presets["taobao"].max_bytes == 3_000_000
    assert all(preset.rule and preset.source for preset in presets.values())
