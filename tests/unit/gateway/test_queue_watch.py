"""An operator's watch of the queue, within a session."""

from __future__ import annotations

import orjson
import pytest

from tests.unit.gateway.test_session import live
from ws_gateway.protocol.close_codes import CloseCode
from ws_gateway.protocol.messages import QUEUE_CHANGED
from ws_gateway.protocol.session import Protocol, Session

WATCH = '{"type": "watch_queue"}'


@pytest.fixture
def operator() -> Session:
    session = live(Protocol.V2, operator=True)
    session.receive(WATCH)
    return session


def test_watching_begins_with_a_hint(operator: Session) -> None:
    assert operator.take(0.0) == [QUEUE_CHANGED]
    assert operator.take(0.0) == []


def test_changes_are_merged_to_one_hint_a_second(operator: Session) -> None:
    operator.take(0.0)
    for _ in range(1000):
        operator.queue_changed()
    assert operator.take(0.999) == []
    assert operator.wakes_at() == 1.0
    assert operator.take(1.0) == [QUEUE_CHANGED]
    assert operator.take(2.0) == []


def test_change_after_a_quiet_time_is_reported_at_once(operator: Session) -> None:
    operator.take(0.0)
    operator.take(5.0)
    operator.queue_changed()
    assert operator.take(5.1) == [QUEUE_CHANGED]


def test_sessions_that_do_not_watch_get_no_hint() -> None:
    session = live(Protocol.V2, operator=True)
    session.queue_changed()
    assert session.take(10.0) == []
    assert not session.watches_queue


def test_watching_needs_the_scope() -> None:
    session = live(Protocol.V2)
    session.receive(WATCH)
    (frame,) = session.take(0.0)
    assert orjson.loads(frame)["code"] == "scope_missing"
    assert session.closing is not None
    assert session.closing.code is CloseCode.UNAUTHENTICATED


def test_watching_needs_the_second_protocol() -> None:
    session = live(operator=True)
    session.receive(WATCH)
    assert session.closing is not None
    assert session.closing.code is CloseCode.PROTOCOL_ERROR


def test_watching_ends_with_a_token_that_lacks_the_scope(operator: Session) -> None:
    operator.take(0.0)
    operator.authenticated(1.0, "ann", 3600.0)
    operator.queue_changed()
    assert operator.take(5.0) == []
    operator.authenticated(6.0, "ann", 3600.0, operator=True)
    operator.queue_changed()
    assert operator.take(7.0) == [], "the client has to ask again"
