"""The async client against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import grpc
import pytest
from whitebg import errors, models
from whitebg.client import MAX_IMAGE_BYTES, GeneratorClient

from protos.whitebg.v1 import generator_service_pb2 as pb
from protos.whitebg.v1.generator_service_pb2_grpc import add_GeneratorServiceServicer_to_server
from tests.integration.client.conftest import PHOTO, QUICK, SECRET, names, token
from tests.support.fake_service import Context, FakeLog, FakeServer, FakeService


async def test_a_photo_is_put_through(client: GeneratorClient, tmp_path: Path) -> None:
    photo = tmp_path / "cup.png"
    photo.write_bytes(PHOTO)
    submitted = await client.submit(photo, models.TaskOptions(preset="amazon", size_px=1200))
    assert submitted.input.filename == "cup.png"
    assert (submitted.options.preset, submitted.options.size_px) == ("amazon", 1200)

    done = (await client.wait(submitted.task_id, timeout=10)).raise_for_state()

    assert done.state is models.TaskState.COMPLETED
    saved = await client.download(done.task_id, tmp_path / "out.png")
    assert saved.read_bytes() == b"\x89PNG\r\n\x1a\nresult"
    assert (await client.read_image(done.task_id, models.ImageKind.INPUT)).data == PHOTO
    assert [each.task_id async for each in client.list_tasks(states=[models.TaskState.COMPLETED])] == [done.task_id]


async def test_an_image_saved_into_a_folder_takes_the_services_name(client: GeneratorClient, tmp_path: Path) -> None:
    task = await client.submit(PHOTO)
    await client.wait(task.task_id, timeout=10)
    assert await client.download(task.task_id, tmp_path) == tmp_path / "杯 cup.png"
    assert names(tmp_path) == ["杯 cup.png"]


async def test_a_failed_task_says_why(client: GeneratorClient) -> None:
    task = await client.wait((await client.submit(PHOTO, filename="bad.png")).task_id, timeout=10)
    with pytest.raises(errors.TaskFailed, match="the photo was refused") as caught:
        task.raise_for_state()
    assert caught.value.code == "blocked"


async def test_waiting_has_an_end(client: GeneratorClient) -> None:
    task = await client.submit(PHOTO, filename="slow.png")
    with pytest.raises(errors.DeadlineExceeded, match="goes on"):
        await client.wait(task.task_id, timeout=0.1)
    with pytest.raises(errors.NotFound):
        await client.wait(99, timeout=10)


async def test_the_same_key_is_the_same_task(client: GeneratorClient) -> None:
    first = await client.submit(PHOTO, idempotency_key="k")
    assert (await client.submit(PHOTO, idempotency_key="k")).task_id == first.task_id
    assert (await client.submit(PHOTO)).task_id != first.task_id
    with pytest.raises(errors.IdempotencyConflict) as caught:
        await client.submit(PHOTO + b"other", idempotency_key="k")
    assert caught.value.reason == "IDEMPOTENCY_CONFLICT"


async def test_refusals_are_errors_with_their_facts(client: GeneratorClient, log: FakeLog) -> None:
    with pytest.raises(errors.InvalidRequest) as invalid:
        await client.submit(PHOTO, models.TaskOptions(preset="moon"))
    assert [violation.field for violation in invalid.value.violations] == ["options.preset"]
    with pytest.raises(errors.NotFound):
        await client.get(99)
    with pytest.raises(errors.PermissionDenied):
        await client.get(1, user_id="bob")
    task = await client.submit(PHOTO)
    await client.wait(task.task_id, timeout=10)
    with pytest.raises(errors.WrongState):
        await client.cancel(task.task_id)
    log.max_pending = 0
    with pytest.raises(errors.QuotaExceeded) as quota:
        await client.submit(PHOTO)
    assert quota.value.retry_after == 7


async def test_a_photo_too_large_is_not_even_sent(client: GeneratorClient, log: FakeLog, tmp_path: Path) -> None:
    film = tmp_path / "film.png"
    with film.open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    with pytest.raises(errors.InvalidRequest, match="at most 25 MiB"):
        await client.submit(film)
    assert not log.tasks


async def test_a_bad_token_is_said_at_once_and_never_shown(server: FakeServer) -> None:
    async with GeneratorClient(server.target, "not-a-token") as client:
        with pytest.raises(errors.Unauthenticated) as caught:
            await client.get(1)
        with pytest.raises(errors.Unauthenticated):
            await anext(client.watch())
    assert "not-a-token" not in str(caught.value)


async def test_a_call_outlives_a_restart(server: FakeServer, client: GeneratorClient) -> None:
    await server.stop()
    call = asyncio.create_task(client.submit(PHOTO))
    await asyncio.wait([call], timeout=0.1)
    assert not call.done()
    await server.start()
    assert (await call).task_id == 1


async def test_a_service_that_is_away_is_named(server: FakeServer) -> None:
    await server.stop()
    async with GeneratorClient(server.target, token(), timeout=0.2, backoff=QUICK) as client:
        with pytest.raises(errors.ServiceUnavailable, match=server.target):
            await client.get(1)
        with pytest.raises(errors.ServiceUnavailable, match=server.target):
            await client.ready(0.1)


@pytest.mark.parametrize("all_users", [False, True])
async def test_a_watch_outlives_restarts_and_sees_each_event_once(
    server: FakeServer, log: FakeLog, all_users: bool
) -> None:
    retries: list[errors.WhitebgError] = []
    seen: list[models.TaskEvent] = []
    async with GeneratorClient(server.target, token("ann", "tasks", "service"), backoff=QUICK) as client:
        updates = client.watch(all_users=all_users, on_retry=lambda error, _: retries.append(error))
        async with aclosing(updates):
            assert isinstance(await anext(updates), models.Bookmark)
            for life in range(3):
                FakeLog.submit(log, "ann")
                FakeLog.submit(log, "ann")
                while len(seen) < 2 * (2 * life + 1):
                    await _collect(updates, seen)
                await server.stop()
                FakeLog.submit(log, "ann")  # While nobody listens.
                FakeLog.submit(log, "ann")
                await server.start()
                while len(seen) < 2 * (2 * life + 2):
                    await _collect(updates, seen)
    assert [event.seq for event in seen] == list(range(1, 13))
    assert len(retries) >= 3


async def _collect(updates: AsyncGenerator[models.WatchUpdate], seen: list[models.TaskEvent]) -> None:
    update = await anext(updates)
    if isinstance(update, models.TaskEvent):
        seen.append(update)


async def test_a_cursor_resumes_in_another_client(server: FakeServer, client: GeneratorClient, log: FakeLog) -> None:
    cursor = await client.head()
    for _ in range(3):
        FakeLog.submit(log, "ann")
    first = await anext(client.watch(cursor))
    assert isinstance(first, models.TaskEvent)
    assert first.seq == 1
    async with GeneratorClient(server.target, token()) as other:
        rest = [update async for update in other.watch(first.cursor, stop_at_head=True)]
    assert [update.seq for update in rest if isinstance(update, models.TaskEvent)] == [2, 3]


async def test_a_gap_is_a_snapshot_or_an_error(client: GeneratorClient, log: FakeLog) -> None:
    FakeLog.submit(log, "ann")
    cursor = await client.head()
    log.restore("e1")
    with pytest.raises(errors.CursorGap):
        await anext(client.watch(cursor, on_gap=models.OnGap.FAIL))
    updates = [update async for update in client.watch(cursor, stop_at_head=True)]
    assert isinstance(updates[0], models.SnapshotBegin)
    assert updates[0].reason is models.SnapshotReason.EPOCH_CHANGED
    assert [type(update) for update in updates[1:3]] == [models.SnapshotTask, models.SnapshotEnd]


async def test_leaving_a_watch_ends_its_stream(client: GeneratorClient, log: FakeLog) -> None:
    async with aclosing(client.watch()) as updates:
        await anext(updates)
        assert len(log.watchers) == 1
    async with asyncio.timeout(10):
        while log.watchers:
            await client.head()  # A round trip to the server, in which it hears of the end.


async def test_stats_name_the_states(server: FakeServer, client: GeneratorClient) -> None:
    await client.wait((await client.submit(PHOTO)).task_id, timeout=10)
    assert (await client.stats()).states == {models.TaskState.COMPLETED: 1}


class BreakingService(FakeService):
    """Breaks its first downloads after one chunk each."""

    def __init__(self, log: FakeLog, breaks: int) -> None:
        super().__init__(log, SECRET)
        self.offsets: list[int] = []
        self._breaks = breaks

    async def DownloadImage(  # noqa: N802
        self, request: pb.DownloadImageRequest, context: Context
    ) -> AsyncIterator[pb.DownloadImageResponse]:
        self.offsets.append(request.offset)
        async for response in super().DownloadImage(request, context):
            yield response
            if response.chunk and len(self.offsets) <= self._breaks:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broke")


async def test_a_download_goes_on_where_it_broke(log: FakeLog, tmp_path: Path) -> None:
    service = BreakingService(log, breaks=3)
    server = grpc.aio.server()
    add_GeneratorServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    picture = bytes(range(256)) * 1024
    FakeLog.submit(log, "ann")
    log.start(1)
    log.complete(1, picture)
    try:
        async with GeneratorClient(f"127.0.0.1:{port}", token(), backoff=QUICK) as client:
            path = await client.download(1, tmp_path / "out.png")
    finally:
        await server.stop(None)
    assert path.read_bytes() == picture
    assert service.offsets == [0, 65536, 131072, 196608]
