"""Acks: which messages need one, when they are sent again, and when the client is disconnected."""

from __future__ import annotations

from ws_gateway.protocol.acks import Acks
from ws_gateway.protocol.cursor import UserCursor


def at(seq: int, epoch: str = "e0") -> UserCursor:
    return UserCursor(epoch, seq)


def owing(*seqs: int) -> Acks:
    acks = Acks(owed=True, timeout=10.0, resends=3)
    for seq in seqs:
        acks.sent(at(seq), f"event {seq}")
    acks.written(0.0)
    return acks


def test_a_client_that_never_acked_owes_nothing() -> None:
    acks = Acks(owed=False, timeout=10.0, resends=3)
    acks.sent(at(1), "event 1")
    acks.written(0.0)
    assert len(acks) == 0
    assert acks.next_due is None
    acks.confirm(at(1))
    acks.sent(at(2), "event 2")
    assert len(acks) == 1


def test_acks_are_cumulative_and_older_ones_say_nothing() -> None:
    acks = owing(1, 2, 3)
    acks.confirm(at(2))
    acks.confirm(at(1))
    assert acks.acked == at(2)
    assert acks.take(10.0) == ["event 3"]


def test_what_is_unacked_for_ten_seconds_comes_again_in_order_three_times() -> None:
    acks = owing(1, 2)
    assert acks.next_due == 10.0
    assert acks.take(9.9) == []
    for round_ in (1, 2, 3):
        now = round_ * 10.0
        assert not acks.exhausted(now)
        assert acks.take(now) == ["event 1", "event 2"]
        acks.written(now)
    assert not acks.exhausted(39.9)
    assert acks.exhausted(40.0)


def test_the_time_begins_when_the_message_is_written() -> None:
    acks = Acks(owed=True, timeout=10.0, resends=3)
    acks.sent(at(1), "event 1")
    assert acks.next_due is None
    acks.written(7.0)
    acks.sent(at(2), "event 2")
    acks.written(8.0)
    assert acks.next_due == 17.0


def test_each_new_oldest_message_has_three_rounds_of_its_own() -> None:
    acks = owing(1, 2)
    for now in (10.0, 20.0, 30.0):
        acks.take(now)
        acks.written(now)
    acks.confirm(at(1))
    assert not acks.exhausted(40.0)
    assert acks.take(40.0) == ["event 2"]


def test_an_ack_of_another_log_confirms_nothing() -> None:
    acks = owing(1)
    acks.confirm(at(9, "dead"))
    assert acks.take(10.0) == ["event 1"]


def test_what_was_confirmed_is_not_owed_again() -> None:
    acks = owing(1, 2)
    acks.confirm(at(2))
    acks.sent(at(1), "event 1")
    assert len(acks) == 0
