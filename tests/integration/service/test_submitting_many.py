"""Many submissions in one call, each independent of the others."""

from __future__ import annotations

import grpc

from tests.integration.service.conftest import Connect
from tests.support.api import TINY, Api, refusal, submit_request, token
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.processes import ServiceProcess
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2

CODE = {code: code.value[0] for code in grpc.StatusCode}


async def test_each_is_a_durable_task_and_runs(api: Api) -> None:
    async with api.watch() as watch:
        results = await api.submit_many(*(submit_request(product_photo(32, 24 + number)) for number in range(3)))
        tasks = [each.submitted.task for each in results]
        assert [task.input.height for task in tasks] == [24, 25, 26], "in the order of the requests"
        await watch.until_ended(*(task.task_id for task in tasks))
    assert (await api.list_tasks()).total_size == 3


async def test_one_that_is_rejected_has_the_error_of_a_call_of_its_own(connect: Connect, api: Api) -> None:
    known = await api.submission(idempotency_key="known")
    stranger = await connect().submit()
    wrong = [
        submit_request(b"%PDF-1.7"),
        submit_request(options=task_pb2.TaskOptions(size_px=5)),
        submit_request(options=task_pb2.TaskOptions(engine=task_pb2.ENGINE_NEURAL)),
        submit_request(product_photo(33, 33), idempotency_key="known"),
        submit_request(None, source_task_id=stranger.task_id),
        submit_request(user_id="another"),
        submit_request(priority=5),
        submit_request(batch_id="not a name"),
        submit_request(filename="a\0b.png"),
        submit_request(more_options=[task_pb2.TaskOptions()] * 20),
        submit_request(options=task_pb2.TaskOptions(hints=[task_pb2.Hint()] * 65)),
    ]
    alone = [await refusal(api.stub.SubmitTask(each, metadata=api.metadata)) for each in wrong]

    *rejected, again, new = await api.submit_many(*wrong, submit_request(idempotency_key="known"), submit_request())

    for result, expected in zip(rejected, alone, strict=True):
        error = result.error
        assert (error.code, error.reason, error.message) == (CODE[expected.code], expected.reason, expected.message)
        assert [error.field] == (expected.fields or [""])
        assert error.metadata == expected.info.metadata
        assert not error.HasField("retry_after")
    assert (again.submitted.task.task_id, again.submitted.deduplicated) == (known.task.task_id, True)
    assert new.submitted.task.task_id
    assert (await api.list_tasks()).total_size == 2


async def test_the_same_key_twice_is_one_task(api: Api) -> None:
    first, second = await api.submit_many(*[submit_request(idempotency_key="k")] * 2)
    assert first.submitted.task.task_id == second.submitted.task.task_id
    assert {first.submitted.deduplicated, second.submitted.deduplicated} == {False, True}


async def test_a_caller_for_many_users_submits_for_each(connect: Connect) -> None:
    caller, ann, bob = connect(scope="tasks service"), connect(), connect()
    results = await caller.submit_many(submit_request(user_id=ann.user), submit_request(user_id=bob.user, priority=9))
    assert [each.submitted.task.user_id for each in results] == [ann.user, bob.user]
    assert (await bob.get(results[1].submitted.task.task_id)).priority == 9


async def test_no_picture_and_more_than_the_limit_are_rejected_as_a_whole(api: Api) -> None:
    for requests, pictures in (
        ([], 0),
        ([submit_request()] * 257, 257),
        ([submit_request(more_options=[task_pb2.TaskOptions()] * 19)] * 13, 260),
    ):
        refused = await refusal(api.submit_many(*requests))
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["requests"])
        assert f"ask for {pictures} pictures; 1 to 256 are taken at once" in refused.message
    assert (await api.list_tasks()).total_size == 0


async def test_the_longest_response_can_be_received_by_any_client(service: ServiceProcess, api: Api) -> None:
    """gRPC's own limit of a message is 4 MiB."""
    options = task_pb2.TaskOptions(prompt="𠮷" * 2000, engine=task_pb2.ENGINE_LOCAL, size_px=100)
    longest = submit_request(TINY, options=options, filename="𠮷" * 255, batch_id="b" * 100)
    request = pb.SubmitTasksRequest(requests=[longest] * 256)
    async with grpc.aio.insecure_channel(service.target) as channel:
        caller = Api(channel, api.user, token(api.user))
        answer = await caller.stub.SubmitTasks(request, metadata=caller.metadata, timeout=PATIENCE)
    assert all(each.HasField("submitted") for each in answer.results)
    await api.delete(all=True)
