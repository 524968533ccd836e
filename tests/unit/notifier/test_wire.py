"""Messages between processes are complete, within the limit, and lose nothing that fits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain.task import Progress
from generator_service.notifier.wire import NotOurs, decode, encode
from tests.support.clock import NOON

PROGRESS = st.builds(
    Progress,
    task_id=st.integers(1, 2**63 - 1),
    user_id=st.text(min_size=1, max_size=60),
    attempt=st.integers(0, 100),
    percent=st.integers(0, 100),
    stage=st.text(max_size=64),
    updated_at=st.just(NOON),
    queue_position=st.integers(0, 10**6),
    remaining=st.none() | st.integers(0, 10**6).map(lambda ms: timedelta(milliseconds=ms)),
)


@given(progress=st.lists(PROGRESS, max_size=20), hint=st.booleans(), limit=st.integers(1200, 8000))
def test_what_is_sent_is_what_arrives(progress: list[Progress], hint: bool, limit: int) -> None:
    texts = list(encode("me", hint=hint, progress=progress, limit=limit))
    assert all(len(text.encode()) <= limit for text in texts)
    messages = [decode(text) for text in texts]
    assert [news for message in messages for news in message.progress] == progress
    assert [message.hint for message in messages] == [hint] + [False] * (len(messages) - 1) if messages else not hint
    assert {message.sender for message in messages} <= {"me"}


def test_what_can_not_fit_is_dropped_and_stops_nothing() -> None:
    fits = Progress(task_id=1, user_id="ann", attempt=1, percent=5, stage="x", updated_at=NOON)
    too_long = Progress(task_id=2, user_id="u" * 500, attempt=1, percent=5, stage="x", updated_at=NOON)
    texts = list(encode("me", hint=True, progress=[fits, too_long, fits], limit=400))
    assert [news for text in texts for news in decode(text).progress] == [fits, fits]


@pytest.mark.parametrize("text", ["", "null", "[]", '{"hint": true}', '{"sender": "x", "progress": [{}]}', "\x00"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(NotOurs):
        decode(text)
