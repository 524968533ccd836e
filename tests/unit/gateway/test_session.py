"""The session, step by step: base protocol, acks, coalescing, limits, closes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ws_gateway.protocol.close_codes import Close, CloseCode
from ws_gateway.protocol.cursor import Since, Start, UserCursor
from ws_gateway.protocol.messages import Page, Phase, ProgressMessage, SyncMode, TaskMessage, dumps
from ws_gateway.protocol.session import Protocol, Session, SessionLimits


def event(
    seq: int, *, task_id: int = 1, phase: Phase = Phase.RUNNING, attempt: int = 1, epoch: str = "e"
) -> TaskMessage:
    cursor = UserCursor(epoch.replace("e", "e0"), seq)
    return TaskMessage(f"event {seq}", task_id, attempt, phase, cursor)


def progress(percent: int, *, task_id: int = 1, attempt: int = 1, phase: Phase = Phase.RUNNING) -> ProgressMessage:
    return ProgressMessage(f"progress {task_id}.{attempt}: {percent}", task_id, attempt, percent, phase)


def session(since: Since = Start.NOW, protocol: Protocol = Protocol.BASE, **options: Any) -> Session:
    return Session(user_id="ann", protocol=protocol, since=since, now=0.0, **options)


def live(protocol: Protocol = Protocol.BASE, **options: Any) -> Session:
    """Make a session at seq 0 that receives live events."""
    result = session(UserCursor("e0", 0), protocol, **options)
    answer(result, Page(SyncMode.REPLAY, (), UserCursor("e0", 0)))
    result.take(0.0)
    return result


def answer(target: Session, page: Page) -> None:
    assert target.wanted is not None
    target.page(target.wanted.number, page)


def types(frames: list[str]) -> list[str]:
    return [orjson.loads(frame)["type"] for frame in frames]


def test_live_events_go_out_in_order() -> None:
    target = live()
    target.event(event(1))
    target.event(event(2))
    assert target.take(0.0) == ["event 1", "event 2"]
    assert target.position == UserCursor("e0", 2)


def test_a_repeated_event_goes_out_once() -> None:
    target = live()
    for seq in (1, 2, 1, 2, 3):
        target.event(event(seq))
    assert target.take(0.0) == ["event 1", "event 2", "event 3"]


def test_a_gap_is_read_never_passed_on() -> None:
    target = live()
    target.event(event(1))
    target.event(event(3))
    assert target.take(0.0) == ["event 1"]
    assert target.take(0.0) == []
    assert target.wanted is not None
    assert target.wanted.since == UserCursor("e0", 1)
    target.event(event(4))
    answer(target, Page(SyncMode.REPLAY, (event(2), event(3)), UserCursor("e0", 3)))
    assert target.take(0.0) == ["event 2", "event 3", "event 4"]


def test_history_and_live_events_are_merged_without_gap_or_repeat() -> None:
    target = session(UserCursor("e0", 5))
    for seq in (6, 7, 8):
        target.event(event(seq))
    assert target.take(0.0) == []
    answer(target, Page(SyncMode.REPLAY, (event(6), event(7)), UserCursor("e0", 7)))
    assert target.take(0.0) == ["event 6", "event 7", "event 8"]


def test_history_comes_page_by_page_as_the_client_takes_it() -> None:
    target = session(UserCursor("e0", 0))
    answer(target, Page(SyncMode.REPLAY, (event(1),), UserCursor("e0", 1), more=True))
    assert target.wanted is None, "the next page waits until this one is sent"
    assert target.take(0.0) == ["event 1"]
    assert target.take(0.0) == []
    assert target.wanted is not None
    assert target.wanted.since == UserCursor("e0", 1)


def test_from_now_delivers_everything_since_the_client_was_registered() -> None:
    """The head is read after the registration, so it may be past events that the hub delivers later."""
    target = session(Start.NOW)
    answer(target, Page(SyncMode.REPLAY, (), UserCursor("e0", 7)))
    for seq in (6, 7, 8):
        target.event(event(seq))
    assert target.take(0.0) == ["event 6", "event 7", "event 8"]


def test_from_now_keeps_its_beginning_when_the_hub_loses_track() -> None:
    target = session(Start.NOW)
    target.event(event(6))
    target.resync()
    assert target.wanted is not None
    assert target.wanted.since == UserCursor("e0", 5)


def test_the_answer_to_a_replaced_request_is_ignored() -> None:
    target = session(UserCursor("e0", 0))
    assert target.wanted is not None
    old = target.wanted.number
    target.receive('{"type":"sync","since":"e0:4"}')
    target.page(old, Page(SyncMode.REPLAY, (event(1),), UserCursor("e0", 1)))
    assert target.take(0.0) == []
    answer(target, Page(SyncMode.REPLAY, (event(5),), UserCursor("e0", 5)))
    assert target.take(0.0) == ["event 5"]


def test_the_base_protocol_has_no_marks() -> None:
    target = session(UserCursor("dead", 1))
    task = TaskMessage("task 1", 1, 1, Phase.RUNNING, None)
    answer(target, Page(SyncMode.SNAPSHOT, (task,), UserCursor("e0", 9), reason="epoch_changed"))
    assert target.take(0.0) == ["task 1"]
    target.event(event(10))
    assert target.take(60.0) == ["event 10"]


def test_v2_marks_a_snapshot_with_its_reason_and_head() -> None:
    target = session(UserCursor("dead", 1), Protocol.V2)
    assert types(target.take(0.0)) == ["hello"]
    body = dumps({"type": "task_update"})
    answer(
        target,
        Page(SyncMode.SNAPSHOT, (TaskMessage(body, 1, 1, Phase.RUNNING, None),), UserCursor("e0", 9), "epoch_changed"),
    )
    begin, task, end = map(orjson.loads, target.take(0.0))
    assert begin == {"type": "sync_begin", "mode": "snapshot", "reason": "epoch_changed"}
    assert task == {"type": "task_update"}
    assert end == {"type": "sync_end", "mode": "snapshot", "reason": "epoch_changed", "head": "e0:9"}


def test_v2_gets_bookmarks_while_it_is_quiet() -> None:
    target = live(Protocol.V2)
    assert target.wakes_at() == 25.0
    assert [orjson.loads(frame) for frame in target.take(25.0)] == [{"type": "bookmark", "id": "e0:0"}]
    assert target.wakes_at() == 50.0


def test_session_reports_each_change_of_the_service_once_and_only_in_v2() -> None:
    target, base = live(Protocol.V2), live()
    for available in (True, False, False, True, True):
        target.service(available=available)
        base.service(available=available)
    assert [orjson.loads(frame) for frame in target.take(0.0)] == [
        {"type": "service", "available": False},
        {"type": "service", "available": True},
    ]
    assert base.take(0.0) == []


def test_v2_from_now_begins_with_a_bookmark() -> None:
    target = session(Start.NOW, Protocol.V2)
    answer(target, Page(SyncMode.REPLAY, (), UserCursor("e0", 7)))
    assert [orjson.loads(frame) for frame in target.take(0.0)][1:] == [{"type": "bookmark", "id": "e0:7"}]


class TestProgress:
    """Progress of one task: merged, and never stale."""

    def test_the_first_goes_at_once_and_later_ones_once_per_interval(self) -> None:
        target = live()
        target.progress(progress(1))
        assert target.take(1.0) == ["progress 1.1: 1"]
        target.progress(progress(2))
        target.progress(progress(3))
        assert target.take(1.05) == []
        assert target.wakes_at() == pytest.approx(1.1)
        assert target.take(1.1) == ["progress 1.1: 3"]
        assert target.wakes_at() is None

    def test_tasks_do_not_wait_for_each_other(self) -> None:
        target = live()
        target.progress(progress(1))
        target.take(1.0)
        target.progress(progress(5, task_id=2))
        assert target.take(1.0) == ["progress 2.1: 5"]

    def test_the_end_of_the_task_drops_what_waits_and_what_comes_late(self) -> None:
        target = live()
        target.progress(progress(1))
        target.take(1.0)
        target.progress(progress(2))
        target.event(event(1, phase=Phase.ENDED))
        target.progress(progress(99))
        assert target.take(5.0) == ["event 1"]

    def test_an_earlier_attempt_says_nothing_more(self) -> None:
        target = live()
        target.event(event(1, attempt=2))
        target.progress(progress(80, attempt=1))
        assert target.take(1.0) == ["event 1"]

    def test_late_percent_of_a_failed_attempt_is_dropped_but_its_place_in_the_queue_is_not(self) -> None:
        target = live()
        target.event(event(1, phase=Phase.WAITING, attempt=1))
        target.progress(progress(80, attempt=1))
        assert target.take(1.0) == ["event 1"]
        target.progress(progress(0, attempt=1, phase=Phase.WAITING))
        assert target.take(1.0) == ["progress 1.1: 0"]

    def test_it_never_falls_within_an_attempt(self) -> None:
        target = live()
        target.progress(progress(50))
        target.progress(progress(40))
        assert target.take(1.0) == ["progress 1.1: 50"]

    def test_it_waits_while_history_is_read(self) -> None:
        target = session(UserCursor("e0", 0))
        target.progress(progress(50, attempt=2))
        assert target.take(1.0) == []
        answer(target, Page(SyncMode.REPLAY, (event(1, phase=Phase.ENDED, attempt=2),), UserCursor("e0", 1)))
        assert target.take(1.0) == ["event 1"]


def test_a_client_that_does_not_read_costs_a_bounded_queue_and_misses_nothing() -> None:
    target = live(limits=SessionLimits(queue_messages=10))
    for seq in range(1, 1001):
        target.event(event(seq))
    assert len(target.take(0.0)) == 10
    assert target.take(0.0) == []
    assert target.wanted is not None
    assert target.wanted.since == UserCursor("e0", 10)


def test_pings_are_answered_once_however_many_wait() -> None:
    target = live()
    for _ in range(1000):
        target.receive('{"type":"ping"}')
    assert target.take(0.0) == ['{"type":"pong"}']


def test_acks_are_cumulative() -> None:
    target = live()
    assert target.acked is None
    target.receive('{"type":"ack","message_id":"e0:5"}')
    target.receive('{"type":"ack","message_id":"e0:3"}')
    assert target.acked == UserCursor("e0", 5)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("ping", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"type":"shout"}', "unknown type 'shout'"),
        ("{}", "the type is missing"),
        ('{"type":' + "[" * 1000 + "]" * 1000 + "}", "no text"),
        (b"\x00", "binary"),
        ('{"type":"sync","since":"yesterday"}', "neither a cursor"),
        ('{"type":"sync","since":"2026-01-08T10:00:00"}', "neither a cursor"),
        ('{"type":"sync","since":17}', "neither a cursor"),
        ('{"type":"ack"}', "not the id of a message"),
        ('{"type":"ack","message_id":"x"}', "is not a cursor"),
        ('{"type":"ping","pad":"' + "x" * 65536 + '"}', "frame over 65536 bytes"),
        ('{"type":"ping","pad":"' + "白" * 22000 + '"}', "frame over 65536 bytes"),
    ],
)
def test_what_is_not_of_the_protocol_ends_the_session(frame: str | bytes, says: str) -> None:
    target = live(Protocol.V2)
    target.receive(frame)
    assert target.closing is not None
    assert target.closing.code is CloseCode.PROTOCOL_ERROR
    assert says in target.closing.reason
    assert types(target.take(0.0)) == ["error"]


def test_a_frame_of_exactly_64_kib_is_taken() -> None:
    target = live()
    head, tail = '{"type":"ping","pad":"', '"}'
    target.receive(head + "x" * (65536 - len(head) - len(tail)) + tail)
    assert target.closing is None


def test_the_session_ends_a_minute_after_its_token() -> None:
    target = live(expires_at=10.0)
    assert target.wakes_at() == 70.0
    target.take(69.9)
    assert target.closing is None
    target.take(70.0)
    assert target.closing is not None
    assert target.closing.code is CloseCode.TOKEN_EXPIRED


def test_going_away_sends_what_waits_first() -> None:
    target = live(Protocol.V2)
    target.event(TaskMessage(dumps({"type": "task_complete"}), 1, 1, Phase.ENDED, UserCursor("e0", 1)))
    target.go_away(1234)
    assert types(target.take(0.0)) == ["going_away", "task_complete"]
    assert target.closing is not None
    assert target.closing.code is CloseCode.GOING_AWAY


def test_the_first_reason_to_close_stands() -> None:
    target = live()
    target.receive("nonsense")
    target.close(Close(CloseCode.GOING_AWAY, "later"))
    assert target.closing is not None
    assert target.closing.code is CloseCode.PROTOCOL_ERROR


def test_a_cursor_that_the_service_refuses_ends_the_session() -> None:
    target = session(UserCursor("e0", 3))
    assert target.wanted is not None
    target.refuse(target.wanted.number, "not a cursor of this log")
    assert target.closing == Close(CloseCode.PROTOCOL_ERROR, "not a cursor of this log")


class TestHeartbeat:
    """A client that sends heartbeats must keep sending them."""

    @pytest.mark.parametrize("beat", ['{"type":"ping"}', '{"type":"pong"}'])
    def test_a_client_that_stops_its_heartbeat_is_gone(self, beat: str) -> None:
        target = live()
        target.receive(beat)
        target.take(10.0)
        assert target.wakes_at() == 85.0
        target.take(84.9)
        assert target.closing is None
        target.take(85.0)
        assert target.closing is not None
        assert target.closing.code is CloseCode.SILENT

    def test_any_frame_is_a_sign_of_life(self) -> None:
        target = live()
        target.receive('{"type":"ping"}')
        target.take(0.0)
        target.receive('{"type":"ack","message_id":"e0:1"}')
        target.take(70.0)
        target.take(140.0)
        assert target.closing is None

    def test_a_quiet_client_that_never_began_one_stays(self) -> None:
        target = live()
        target.receive('{"type":"ack","message_id":"e0:1"}')
        target.take(0.0)
        target.take(100_000.0)
        assert target.closing is None
        assert target.wakes_at() is None


class TestExpiry:
    """A token that is about to expire can be replaced in time."""

    def test_v2_is_warned_once_and_the_base_protocol_is_not(self) -> None:
        target, base = live(Protocol.V2, expires_at=1000.0), live(expires_at=1000.0)
        target.take(930.0)
        assert base.wakes_at() == 1060.0
        assert target.wakes_at() == 940.0
        assert orjson.loads(target.take(940.0)[0]) == {"type": "token_expiring", "expires_in_seconds": 60}
        assert "token_expiring" not in types(target.take(950.0))
        assert base.take(950.0) == []

    def test_a_new_token_of_the_same_user_moves_the_end(self) -> None:
        target = live(expires_at=10.0)
        target.receive('{"type":"auth","token":"secret"}')
        assert target.offered == "secret"
        target.authenticated(1.0, "ann", 500.0)
        assert target.offered is None
        target.take(70.0)
        assert target.closing is None
        assert target.wakes_at() in (440.0, 560.0)

    def test_a_short_lived_token_is_not_asked_for_at_once(self) -> None:
        target = live(Protocol.V2, expires_at=20.0)
        assert "token_expiring" not in types(target.take(4.9))
        assert "token_expiring" in types(target.take(5.0))
        target.authenticated(6.0, "ann", 26.0)
        assert target.take(10.9) == []
        assert types(target.take(11.0)) == ["token_expiring"]

    def test_a_client_with_no_other_token_is_asked_only_once(self) -> None:
        target = live(Protocol.V2, expires_at=1000.0)
        assert "token_expiring" in types(target.take(940.0))
        target.authenticated(940.1, "ann", 1000.001)
        assert "token_expiring" not in types(target.take(1059.0))
        target.take(1060.1)
        assert target.closing is not None
        assert target.closing.code is CloseCode.TOKEN_EXPIRED

    def test_another_user_s_token_ends_the_session(self) -> None:
        target = live(expires_at=10.0)
        target.receive('{"type":"auth","token":"secret"}')
        target.authenticated(1.0, "bob", 500.0)
        assert target.closing is not None
        assert target.closing.code is CloseCode.UNAUTHENTICATED


def test_without_acks_no_more_than_a_full_window_goes_out() -> None:
    target = live(acks=True, limits=SessionLimits(queue_messages=3))
    for seq in range(1, 10):
        target.event(event(seq))
        target.take(0.0)
    assert target.position == UserCursor("e0", 3)
    assert target.wanted is None, "unacked messages limit the reads"
    target.receive('{"type":"ack","message_id":"e0:3"}')
    target.take(1.0)
    assert target.wanted is not None
    assert target.wanted.since == UserCursor("e0", 3)


def test_a_client_that_never_acks_is_let_go_after_three_more_times() -> None:
    target = live(acks=True)
    target.event(event(1))
    sent = [frame for now in range(60) for frame in target.take(float(now))]
    assert sent == ["event 1"] * 4
    assert target.closing is not None
    assert target.closing.code is CloseCode.TOO_SLOW
