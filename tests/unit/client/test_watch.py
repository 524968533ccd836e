"""The watch over streams that break at any point."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitebg import errors, models
from whitebg.v1 import event_pb2
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.watch import WatchRequest, follow
from whitebg_process.backoff import Backoff

NO_WAIT = Backoff(base=0.0, cap=0.0)


class Script:
    """Streams that are opened one after the other; each is a list of batches and the error that ends it."""

    def __init__(self, *streams: tuple[list[pb.WatchTasksResponse], errors.WhitebgError | None]) -> None:
        self.requests: list[pb.WatchTasksRequest] = []
        self._streams = list(streams)

    async def open(self, request: pb.WatchTasksRequest) -> AsyncGenerator[pb.WatchTasksResponse]:
        self.requests.append(request)
        batches, end = self._streams.pop(0)
        for batch in batches:
            yield batch
        if end is not None:
            raise end


def _event(seq: int) -> pb.WatchItem:
    return pb.WatchItem(event=event_pb2.TaskEvent(revision=seq, seq=seq, cursor=f"e:{seq}"))


def _batch(cursor: str, *items: pb.WatchItem) -> pb.WatchTasksResponse:
    return pb.WatchTasksResponse(items=items, cursor=cursor)


BOOKMARK = pb.WatchItem(bookmark=pb.Bookmark())
AWAY = errors.ServiceUnavailable("away")
ONCE = WatchRequest(stop_at_head=True)


async def _all(
    script: Script, request: WatchRequest = ONCE, *, renewable_token: bool = False
) -> list[models.WatchUpdate]:
    updates = follow(script.open, request, backoff=NO_WAIT, renewable_token=renewable_token)
    return [update async for update in updates]


async def test_every_update_says_where_to_resume() -> None:
    batch = _batch("e:9", _event(1), pb.WatchItem(progress=event_pb2.TaskProgress(task_id=1)), _event(2), BOOKMARK)
    assert [update.cursor for update in await _all(Script(([batch], None)))] == ["e:1", "e:1", "e:2", "e:9"]


async def test_in_the_whole_log_only_a_batch_has_a_cursor() -> None:
    script = Script(([_batch("e:r5", BOOKMARK), _batch("e:r7", _event(1), _event(2))], None))
    updates = await _all(script, WatchRequest(all_users=True, stop_at_head=True))
    assert [update.cursor for update in updates] == ["e:r5", "e:r5", "e:r7"]


async def test_a_broken_stream_is_opened_again_behind_what_was_yielded() -> None:
    script = Script(
        ([], AWAY),
        ([_batch("e:1", _event(1))], errors.Overloaded("too slow")),
        ([_batch("e:2", _event(2))], errors.QuotaExceeded("full", 0.0)),
        ([_batch("e:3", _event(3))], None),
    )
    updates = await _all(script)
    assert [update.seq for update in updates if isinstance(update, models.TaskEvent)] == [1, 2, 3]
    assert [request.after for request in script.requests] == ["", "", "e:1", "e:2"]


async def test_a_snapshot_that_was_cut_off_begins_again() -> None:
    begin = pb.WatchItem(snapshot_begin=pb.SnapshotBegin())
    script = Script(
        ([_batch("", begin)], AWAY),
        ([_batch("", begin), _batch("e:4", pb.WatchItem(snapshot_end=pb.SnapshotEnd()))], None),
    )
    await _all(script, WatchRequest(snapshot=True, stop_at_head=True))
    assert [(request.after, request.snapshot) for request in script.requests] == [("", True), ("", True)]


async def test_kinds_from_the_future_are_left_out_but_move_the_cursor() -> None:
    script = Script(([_batch("e:1", pb.WatchItem())], AWAY), ([_batch("e:2", _event(2))], None))
    assert len(await _all(script)) == 1
    assert [request.after for request in script.requests] == ["", "e:1"]


async def test_what_trying_again_does_not_mend_is_raised() -> None:
    with pytest.raises(errors.CursorGap):
        await _all(Script(([], errors.CursorGap("gap"))))


async def test_an_expired_token_is_renewed_once_the_stream_had_worked() -> None:
    expired = errors.Unauthenticated("expired")
    script = Script(([_batch("e:1", _event(1))], expired), ([_batch("e:2", _event(2))], None))
    assert len(await _all(script, renewable_token=True)) == 2
    with pytest.raises(errors.Unauthenticated):
        await _all(Script(([], expired)), renewable_token=True)
    with pytest.raises(errors.Unauthenticated):
        await _all(Script(([_batch("e:1", _event(1))], expired)))


@given(st.lists(st.integers(min_value=0, max_value=4), min_size=1, max_size=8))
async def test_nothing_is_lost_or_doubled_wherever_it_breaks(lives: list[int]) -> None:
    """A server that replays from the cursor and breaks after the given number of events each time."""
    budget = iter(lives)

    async def serve(request: pb.WatchTasksRequest) -> AsyncGenerator[pb.WatchTasksResponse]:
        at, left = int(request.after.removeprefix("e:") or 0), next(budget, 99)
        while at < 12:
            if left <= 0:
                raise AWAY
            step = min(2, left, 12 - at)
            yield _batch(f"e:{at + step}", *(_event(seq) for seq in range(at + 1, at + step + 1)))
            at, left = at + step, left - step

    seen = [update async for update in follow(serve, ONCE, backoff=NO_WAIT)]
    assert [update.seq for update in seen if isinstance(update, models.TaskEvent)] == list(range(1, 13))
