"""Transactions that lose the database: which are run again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from generator_service.store.reconnect import DatabaseUnavailable, Reconnecting
from generator_service.store.unavailable import Reason

PATIENCE = timedelta(seconds=30)


class Read:
    """A read of three parts that loses the connection before one of them, once."""

    def __init__(self, lost_before: int, reason: Reason = Reason.UNREACHABLE) -> None:
        self.attempts = 0
        self._lost_before, self._reason = lost_before, reason

    def __call__(self, _connection: Connection) -> Iterator[int]:
        self.attempts += 1
        for part in range(3):
            if part == self._lost_before and self.attempts == 1:
                raise DatabaseUnavailable(reason=self._reason)
            yield part


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Return a database in memory."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    yield engine
    engine.dispose()


def test_a_stream_lost_before_its_first_part_is_read_again(engine: Engine) -> None:
    read = Read(lost_before=0)
    assert list(Reconnecting(engine, PATIENCE).stream(read)) == [0, 1, 2]
    assert read.attempts == 2


def test_a_stream_lost_between_two_parts_is_not_read_again(engine: Engine) -> None:
    read = Read(lost_before=1)
    parts = Reconnecting(engine, PATIENCE).stream(read)
    assert next(parts) == 0
    with pytest.raises(DatabaseUnavailable):
        next(parts)
    assert read.attempts == 1


def test_a_stream_is_not_read_again_for_reasons_that_last(engine: Engine) -> None:
    read = Read(lost_before=0, reason=Reason.IO_ERROR)
    with pytest.raises(DatabaseUnavailable):
        list(Reconnecting(engine, PATIENCE).stream(read))
    assert read.attempts == 1


def test_a_closed_stream_ends_its_transaction(engine: Engine) -> None:
    ended: list[str] = []
    event.listen(engine, "rollback", lambda _: ended.append("rollback"))
    event.listen(engine, "commit", lambda _: ended.append("commit"))
    with closing(Reconnecting(engine, PATIENCE).stream(Read(lost_before=9))) as parts:
        assert next(parts) == 0
        assert ended == []
    assert ended == ["rollback"]
    assert list(Reconnecting(engine, PATIENCE).stream(Read(lost_before=9))) == [0, 1, 2]
    assert ended == ["rollback", "commit"]
