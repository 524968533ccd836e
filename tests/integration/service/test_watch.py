"""WatchTasks: replay, resume, snapshot, gaps, scopes."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from grpc import aio

from tests.integration.service.conftest import Connect
from tests.support.api import SECRET, Api, Watch, open_channel, read_refusal, token
from tests.support.processes import service_process
from whitebg.v1 import event_pb2
from whitebg.v1 import generator_service_pb2 as pb

COMPLETED = event_pb2.EVENT_TYPE_COMPLETED
FAIL = pb.ON_GAP_FAIL
ALL_EVENTS = [event_pb2.EVENT_TYPE_CREATED, event_pb2.EVENT_TYPE_STARTED, COMPLETED]


def kinds(watch: Watch) -> list[str | None]:
    return [item.WhichOneof("item") for item in watch.items]


def moved(cursor: str, position: int) -> str:
    """Return the cursor of another position in the same log. Clients never do this: to them it is opaque."""
    return f"{cursor.partition(':')[0]}:{position}"


async def test_without_a_cursor_a_watch_begins_now(api: Api) -> None:
    await api.finished((await api.submit()).task_id)

    async with api.watch() as watch:
        assert kinds(watch) == ["bookmark"]
        task = await api.submit()
        await watch.until_event(COMPLETED, task.task_id)

    assert [event.seq for event in watch.events] == [4, 5, 6]


async def test_a_cursor_resumes_behind_it(api: Api) -> None:
    await api.finished((await api.submit()).task_id)
    history = (await api.events()).events

    for event in history:
        async with api.watch(after=event.cursor) as watch:
            assert [later.seq for later in watch.events] == list(range(event.seq + 1, 4))
            assert watch.items[-1].bookmark.caught_up
            assert watch.cursor == history[-1].cursor


async def test_replay_goes_over_into_live_without_gap_or_repeat(api: Api) -> None:
    first = await api.submit()
    begin = moved((await api.events()).head, 0)
    tasks = [first.task_id] + [(await api.submit()).task_id for _ in range(5)]

    async with api.watch(settled=False, after=begin) as watch:
        tasks += [(await api.submit()).task_id for _ in range(5)]
        await watch.until_ended(*tasks)

    assert [event.seq for event in watch.events] == list(range(1, 3 * len(tasks) + 1))


async def test_broken_off_anywhere_and_resumed_a_watcher_sees_each_event_once(api: Api) -> None:
    cursor = (await api.events()).head
    tasks = [(await api.submit()).task_id for _ in range(6)]
    seen: list[int] = []
    while len(seen) < 3 * len(tasks):
        async with api.watch(settled=False, after=cursor) as watch:
            await watch.until(lambda item: item.HasField("event"))
            seen += [event.seq for event in watch.events]
            cursor = watch.cursor

    assert seen == list(range(1, 3 * len(tasks) + 1))


async def test_a_snapshot_shows_the_tasks_as_they_stand_and_goes_on_live(api: Api) -> None:
    tasks = await api.finished((await api.submit()).task_id, (await api.submit()).task_id)

    async with api.watch(snapshot=True) as watch:
        assert kinds(watch) == ["snapshot_begin", "snapshot_task", "snapshot_task", "snapshot_end", "bookmark"]
        assert watch.items[0].snapshot_begin.reason == pb.SNAPSHOT_REASON_REQUESTED
        shown = [item.snapshot_task for item in watch.items if item.HasField("snapshot_task")]
        assert sorted(shown, key=lambda task: task.task_id) == tasks
        assert watch.items[3].snapshot_end.task_count == 2
        await watch.until_event(COMPLETED, (await api.submit()).task_id)
    assert [event.seq for event in watch.events] == [7, 8, 9]


async def test_a_watch_of_nothing_is_empty_and_good_to_resume_from(api: Api) -> None:
    async with api.watch(snapshot=True, stop_at_head=True) as watch:
        await watch.rest()
    assert kinds(watch) == ["snapshot_begin", "snapshot_end", "bookmark"]

    await api.finished((await api.submit()).task_id)
    async with api.watch(after=watch.cursor, stop_at_head=True) as resumed:
        await resumed.rest()
    assert [event.type for event in resumed.events] == ALL_EVENTS


async def test_stop_at_head_ends_the_stream_well(api: Api) -> None:
    await api.finished((await api.submit()).task_id)
    begin = moved((await api.events()).head, 0)

    async with api.watch(after=begin, stop_at_head=True) as watch:
        await watch.rest()
        assert await watch.call.code() is grpc.StatusCode.OK
    assert [event.type for event in watch.events] == ALL_EVENTS


async def test_only_the_tasks_asked_for_are_shown_and_the_cursor_moves_over_the_others(api: Api) -> None:
    begin = (await api.events()).head
    other, wanted = await api.submit(), await api.submit()
    await api.finished(other.task_id, wanted.task_id)

    async with api.watch(after=begin, task_ids=[wanted.task_id], stop_at_head=True) as watch:
        await watch.rest()

    assert {event.task.task_id for event in watch.events} == {wanted.task_id}
    assert [event.type for event in watch.events] == ALL_EVENTS
    assert watch.cursor == (await api.events()).head


async def test_a_user_sees_nobody_elses_tasks(api: Api, connect: Connect) -> None:
    async with api.watch() as watch:
        await connect().submit()
        mine = await api.submit()
        await watch.until_event(COMPLETED, mine.task_id)
    assert {event.task.user_id for event in watch.events} == {api.user}


async def test_a_service_sees_everybody_in_the_order_of_the_whole_log(api: Api, connect: Connect) -> None:
    gateway, other = connect("gateway", scope="service"), connect()
    async with gateway.watch(all_users=True) as watch:
        tasks = [await api.submit(), await other.submit()]
        await watch.until_ended(*(task.task_id for task in tasks))

    revisions = [event.revision for event in watch.events]
    assert revisions == list(range(revisions[0], revisions[0] + len(revisions)))
    assert {api.user, other.user} <= {event.task.user_id for event in watch.events}

    async with gateway.watch(all_users=True, after=watch.cursor, stop_at_head=True) as resumed:
        await resumed.rest()
    assert not resumed.events or resumed.events[0].revision == revisions[-1] + 1


@pytest.mark.parametrize(
    ("cursor", "reason", "shown"),
    [
        ("0123abcd:0", "epoch_changed", pb.SNAPSHOT_REASON_EPOCH_CHANGED),
        ("{epoch}:999", "cursor_in_future", pb.SNAPSHOT_REASON_CURSOR_IN_FUTURE),
    ],
)
async def test_a_cursor_that_can_not_be_resumed_is_a_snapshot_or_an_error_that_says_why(
    api: Api, cursor: str, reason: str, shown: int
) -> None:
    await api.finished((await api.submit()).task_id)
    head = (await api.events()).head
    epoch = head.partition(":")[0]
    cursor = cursor.format(epoch=epoch)

    async with api.watch(after=cursor) as watch:
        assert kinds(watch) == ["snapshot_begin", "snapshot_task", "snapshot_end", "bookmark"]
        assert watch.items[0].snapshot_begin.reason == shown
        assert watch.cursor == head

    for call in (api.watch(after=cursor, on_gap=FAIL), api.watch(after=cursor, on_gap=FAIL, stop_at_head=True)):
        with pytest.raises(aio.AioRpcError) as caught:
            async with call:
                pytest.fail("a watch was opened behind a gap")
        refused = read_refusal(caught.value)
        assert (refused.code, refused.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_GAP")
        assert dict(refused.info.metadata) == {
            "reason": reason,
            "oldest": f"{epoch}:0",
            "head": head,
            "epoch": epoch,
        }


async def test_a_cursor_from_before_what_is_kept_is_too_old(data_dir: Path) -> None:
    """Compaction runs at start: after a restart this service keeps two events of each user, and none in memory."""
    with service_process(data_dir, SECRET) as service:
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            await api.finished((await api.submit()).task_id, (await api.submit()).task_id)
            head = (await api.events()).head
        service.terminate()
        assert service.wait() == 0

    with service_process(data_dir, SECRET, events_for="PT0S", events_per_user="2", ring_events="0") as service:
        service.wait_for("compacted 4 events")
        async with open_channel(service.target) as channel:
            api = Api(channel, "ann", token("ann"))
            for position, lost in ((0, True), (3, True), (4, False), (5, False)):
                cursor = moved(head, position)
                async with api.watch(after=cursor) as watch:
                    begin = watch.items[0].snapshot_begin
                    assert begin.reason == (pb.SNAPSHOT_REASON_CURSOR_TOO_OLD if lost else 0)
                    assert [event.seq for event in watch.events] == ([] if lost else list(range(position + 1, 7)))
                    assert watch.cursor == head
            with pytest.raises(aio.AioRpcError) as caught:
                await api.events(after=moved(head, 3))
            refused = read_refusal(caught.value)
            assert refused.code is grpc.StatusCode.OUT_OF_RANGE
            assert refused.info.metadata["reason"] == "cursor_too_old"
            assert refused.info.metadata["oldest"] == moved(head, 4)
            assert [event.seq for event in (await api.events()).events] == [5, 6]
