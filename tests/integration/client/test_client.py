"""The async client against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.integration.client.conftest import PHOTO, QUICK, SECRET, names, running, token
from tests.support import api
from tests.support.driven_service import PICTURE, DrivenService
from tests.support.patience import PATIENCE
from whitebg import errors, models
from whitebg.client import AsyncClient
from whitebg.files import MAX_IMAGE_BYTES
from whitebg.v1 import generator_service_pb2 as pb
from whitebg_process.token_lifetime import CLOCK_SKEW

Context = grpc.aio.ServicerContext[Any, Any]
DOWNLOAD = "/whitebg.v1.GeneratorService/DownloadImage"


async def test_a_photo_is_put_through(client: AsyncClient, tmp_path: Path) -> None:
    photo = tmp_path / "cup.png"
    photo.write_bytes(PHOTO)
    submitted = await client.submit(photo, models.TaskOptions(preset="amazon", size_px=1200))
    assert submitted.input.filename == "cup.png"
    assert (submitted.options.preset, submitted.options.size_px) == ("amazon", 1200)

    done = (await client.wait(submitted.task_id, timeout=PATIENCE)).raise_for_state()

    assert done.state is models.TaskState.COMPLETED
    saved = await client.download(done.task_id, tmp_path / "out.png")
    assert saved.read_bytes() == PICTURE
    assert (await client.read_image(done.task_id, models.ImageKind.INPUT)).data == PHOTO
    assert [each.task_id async for each in client.list_tasks(states=[models.TaskState.COMPLETED])] == [done.task_id]


async def test_a_list_goes_on_over_all_of_its_pages(client: AsyncClient) -> None:
    submitted = [(await client.submit(PHOTO, filename=f"{number}.png")).task_id for number in range(5)]
    assert [each.task_id async for each in client.list_tasks(page_size=2)] == submitted[::-1]


async def test_an_image_saved_into_a_folder_takes_the_services_name(client: AsyncClient, tmp_path: Path) -> None:
    task = await client.submit(PHOTO, filename="杯 cup.png")
    await client.wait(task.task_id, timeout=PATIENCE)
    folder = tmp_path / "out"
    folder.mkdir()
    assert await client.download(task.task_id, folder) == folder / "杯 cup-white.png"
    assert names(folder) == ["杯 cup-white.png"]


async def test_a_failed_task_says_why(client: AsyncClient) -> None:
    task = await client.wait((await client.submit(PHOTO, filename="bad.png")).task_id, timeout=PATIENCE)
    with pytest.raises(errors.TaskFailed, match="the photo was refused") as caught:
        task.raise_for_state()
    assert caught.value.code == "blocked"


async def test_a_watch_goes_on_with_a_new_token(idle: DrivenService) -> None:
    lifetimes = iter([timedelta(seconds=4) - CLOCK_SKEW])
    retries: list[errors.WhitebgError] = []

    def mint() -> str:
        return api.token("ann", secret=SECRET, exp=datetime.now(UTC) + next(lifetimes, timedelta(hours=1)))

    async with AsyncClient(idle.target, mint, backoff=QUICK, timeout=PATIENCE) as client:
        watch = client.watch(on_retry=lambda error, _: retries.append(error))
        async with aclosing(watch) as updates:
            seen: list[int] = []
            async for update in updates:
                if isinstance(update, models.Bookmark):
                    await idle.submit("ann")
                elif isinstance(update, models.TaskEvent):
                    seen.append(update.seq)
                    if len(seen) == 2:
                        break
    assert seen == [1, 2], "nothing is lost or repeated"
    assert [type(error) for error in retries] == [errors.Unauthenticated]


async def test_waiting_has_an_end(client: AsyncClient) -> None:
    task = await client.submit(PHOTO, filename="slow.png")
    timeout, reason = 0.1, ""
    # A busy machine may answer later than that; the error then says that the service has not answered.
    while "it continues" not in reason:
        assert timeout < PATIENCE, reason
        with pytest.raises(errors.DeadlineExceeded) as caught:
            await client.wait(task.task_id, timeout=timeout)
        timeout, reason = timeout * 2, str(caught.value)
    with pytest.raises(errors.NotFound):
        await client.wait(99, timeout=PATIENCE)


async def test_the_same_key_is_the_same_task(client: AsyncClient) -> None:
    first = await client.submit(PHOTO, idempotency_key="k")
    assert (await client.submit(PHOTO, idempotency_key="k")).task_id == first.task_id
    assert (await client.submit(PHOTO)).task_id != first.task_id
    with pytest.raises(errors.IdempotencyConflict) as caught:
        await client.submit(PHOTO + b"other", idempotency_key="k")
    assert caught.value.reason == "IDEMPOTENCY_CONFLICT"


async def test_refusals_are_errors_with_their_facts(client: AsyncClient) -> None:
    with pytest.raises(errors.InvalidRequest) as invalid:
        await client.submit(PHOTO, models.TaskOptions(preset="moon"))
    assert [violation.field for violation in invalid.value.violations] == ["options.preset"]
    with pytest.raises(errors.NotFound):
        await client.get(99)
    with pytest.raises(errors.PermissionDenied):
        await client.get(1, user_id="bob")
    task = await client.submit(PHOTO)
    await client.wait(task.task_id, timeout=PATIENCE)
    with pytest.raises(errors.WrongState):
        await client.cancel(task.task_id)


async def test_a_full_queue_says_when_there_may_be_room(idle: DrivenService) -> None:
    await idle.stop()
    await idle.start(pending_per_user=1)
    async with AsyncClient(idle.target, token(), backoff=QUICK) as client:
        await client.submit(PHOTO)
        with pytest.raises(errors.QuotaExceeded) as quota:
            await client.submit(PHOTO)
    assert quota.value.retry_after is not None
    assert quota.value.retry_after > 0


async def test_a_submit_to_a_full_disk_is_not_repeated_before_the_service_asks(tmp_path: Path) -> None:
    async with (
        running(DrivenService(tmp_path / "full", SECRET, min_free_mib=10**9)) as full,
        AsyncClient(full.target, token(), backoff=QUICK, timeout=59) as client,
    ):
        with pytest.raises(errors.ServiceUnavailable, match="must stay free") as refused:
            # It asks for a minute, for which this call has no time.
            async with asyncio.timeout(40):
                await client.submit(PHOTO)
    assert refused.value.retry_after == 60


async def test_an_earlier_task_is_no_photo(client: AsyncClient, server: DrivenService) -> None:
    with pytest.raises(TypeError, match="use resubmit"):
        await client.submit(1)  # type: ignore[arg-type]
    assert not await server.tasks("ann")


async def test_a_photo_too_large_is_not_even_sent(client: AsyncClient, server: DrivenService, tmp_path: Path) -> None:
    film = tmp_path / "film.png"
    with film.open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    with pytest.raises(errors.InvalidRequest, match="at most 25 MiB"):
        await client.submit(film)
    assert not await server.tasks("ann")


async def test_a_bad_token_is_said_at_once_and_never_shown(server: DrivenService) -> None:
    async with AsyncClient(server.target, "not-a-token") as client:
        with pytest.raises(errors.Unauthenticated) as caught:
            await client.get(1)
        with pytest.raises(errors.Unauthenticated):
            await anext(client.watch())
    assert "not-a-token" not in str(caught.value)


async def test_a_call_outlives_a_restart(server: DrivenService, client: AsyncClient) -> None:
    await server.stop()
    call = asyncio.create_task(client.submit(PHOTO))
    await asyncio.wait([call], timeout=0.1)
    assert not call.done()
    await server.start()
    assert (await call).task_id == 1


async def test_a_service_that_is_away_is_named(server: DrivenService) -> None:
    await server.stop()
    async with AsyncClient(server.target, token(), timeout=2, backoff=QUICK) as client:
        with pytest.raises(errors.ServiceUnavailable, match=server.target):
            await client.get(1)
        with pytest.raises(errors.ServiceUnavailable, match=server.target):
            await client.ready(0.1)


@pytest.mark.parametrize("all_users", [False, True])
async def test_a_watch_outlives_restarts_and_sees_each_event_once(idle: DrivenService, all_users: bool) -> None:
    retries: list[errors.WhitebgError] = []
    seen: list[models.TaskEvent] = []
    async with AsyncClient(idle.target, token("ann", "tasks", "service"), backoff=QUICK) as client:
        updates = client.watch(all_users=all_users, on_retry=lambda error, _: retries.append(error))
        async with aclosing(updates):
            assert isinstance(await anext(updates), models.Bookmark)
            for life in range(3):
                await idle.submit("ann")
                await idle.submit("ann")
                while len(seen) < 2 * (2 * life + 1):
                    await _collect(updates, seen)
                await idle.stop()
                async with idle.unserved():  # While the service does not listen.
                    await idle.submit("ann")
                    await idle.submit("ann")
                await idle.start()
                while len(seen) < 2 * (2 * life + 2):
                    await _collect(updates, seen)
    assert [event.seq for event in seen] == list(range(1, 13))
    assert len(retries) >= 3


async def _collect(updates: AsyncGenerator[models.WatchUpdate], seen: list[models.TaskEvent]) -> None:
    update = await anext(updates)
    if isinstance(update, models.TaskEvent):
        seen.append(update)


async def test_a_cursor_resumes_in_another_client(idle: DrivenService, idle_client: AsyncClient) -> None:
    cursor = await idle_client.head()
    for _ in range(3):
        await idle.submit("ann")
    first = await anext(idle_client.watch(cursor))
    assert isinstance(first, models.TaskEvent)
    assert first.seq == 1
    async with AsyncClient(idle.target, token()) as other:
        rest = [update async for update in other.watch(first.cursor, stop_at_head=True)]
    assert [update.seq for update in rest if isinstance(update, models.TaskEvent)] == [2, 3]


async def test_a_gap_is_a_snapshot_or_an_error(idle: DrivenService, idle_client: AsyncClient) -> None:
    await idle.submit("ann")
    cursor = await idle_client.head()
    await idle.stop()
    idle.restore("e1")
    await idle.start()
    with pytest.raises(errors.CursorGap):
        await anext(idle_client.watch(cursor, on_gap=models.OnGap.FAIL))
    updates = [update async for update in idle_client.watch(cursor, stop_at_head=True)]
    assert isinstance(updates[0], models.SnapshotBegin)
    assert updates[0].reason is models.SnapshotReason.EPOCH_CHANGED
    assert [type(update) for update in updates[1:3]] == [models.SnapshotTask, models.SnapshotEnd]


async def test_leaving_a_watch_ends_its_stream(client: AsyncClient, server: DrivenService) -> None:
    async with aclosing(client.watch()) as updates:
        await anext(updates)
        assert server.watchers == 1
    async with asyncio.timeout(PATIENCE):
        while server.watchers:
            await client.head()  # A round trip to the server, in which it is notified of the end.


async def test_stats_name_the_states(server: DrivenService) -> None:
    async with AsyncClient(server.target, token("ann", "tasks", "service"), backoff=QUICK) as client:
        await client.wait((await client.submit(PHOTO)).task_id, timeout=PATIENCE)
        assert (await client.stats()).states == {models.TaskState.COMPLETED: 1}


class BreakingProxy:
    """Forwards downloads to the service, and interrupts the first ones after one chunk each."""

    def __init__(self, channel: grpc.aio.Channel, breaks: int) -> None:
        self.offsets: list[int] = []
        self._breaks = breaks
        self._download: Any = channel.unary_stream(
            DOWNLOAD,
            request_serializer=pb.DownloadImageRequest.SerializeToString,
            response_deserializer=pb.DownloadImageResponse.FromString,
        )

    def serve(self, server: grpc.aio.Server) -> None:
        handler = grpc.unary_stream_rpc_method_handler(
            self.download,
            request_deserializer=pb.DownloadImageRequest.FromString,
            response_serializer=pb.DownloadImageResponse.SerializeToString,
        )
        _, service, method = DOWNLOAD.split("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))

    async def download(
        self, request: pb.DownloadImageRequest, context: Context
    ) -> AsyncIterator[pb.DownloadImageResponse]:
        self.offsets.append(request.offset)
        metadata = [(name, value) for name, value in context.invocation_metadata() or () if name == "authorization"]
        async for response in self._download(request, metadata=metadata):
            yield response
            if response.chunk and len(self.offsets) <= self._breaks:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broke")


async def test_a_download_goes_on_where_it_broke(idle: DrivenService, tmp_path: Path) -> None:
    picture = bytes(range(256)) * 1024
    await idle.submit("ann")
    await idle.work(1)
    await idle.complete(1, picture)
    async with grpc.aio.insecure_channel(idle.target) as channel:
        proxy = BreakingProxy(channel, breaks=3)
        server = grpc.aio.server()
        proxy.serve(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with AsyncClient(f"127.0.0.1:{port}", token(), backoff=QUICK) as client:
                path = await client.download(1, tmp_path / "out.png")
        finally:
            await server.stop(None)
    assert path.read_bytes() == picture
    assert proxy.offsets == [0, 65536, 131072, 196608]


async def test_a_watch_outlives_its_connections(tmp_path: Path) -> None:
    """The service closes each connection at its maximum age: the watch resumes without losing or repeating events."""
    short = timedelta(milliseconds=300)
    service = DrivenService(tmp_path / "aged", SECRET, grpc_connection_age=short, grpc_connection_grace=short)
    seen: list[int] = []
    breaks: list[errors.WhitebgError] = []
    async with (
        running(service),
        AsyncClient(service.target, token(), backoff=QUICK, timeout=PATIENCE) as client,
        aclosing(client.watch(on_retry=lambda error, _: breaks.append(error))) as watch,
    ):
        assert isinstance(await anext(watch), models.Bookmark)
        submitted = [(await service.submit("ann")).task_id]
        async for update in watch:
            if not isinstance(update, models.TaskEvent):
                continue
            seen.append(update.task.task_id)
            if len(breaks) >= 3 and len(seen) == len(submitted):
                break
            submitted.append((await service.submit("ann")).task_id)
            await asyncio.sleep(0.05)

    assert seen == submitted
