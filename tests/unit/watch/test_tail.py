"""The tail tells everything once and in order, whatever becomes of hints and of the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from generator_service.domain.errors import SlowConsumer
from generator_service.wake.contract import Topic
from generator_service.watch import tail as tail_module
from generator_service.watch.watchers import Scope
from tests.unit.watch.log_double import LogDouble, Process


@asynccontextmanager
async def following(process: Process) -> AsyncIterator[None]:
    """Let the tail run."""
    running = asyncio.create_task(process.tail.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def told(process: Process, count: int) -> None:
    """Wait until so many events have been told, as a watcher of all users learns it."""
    with process.watchers.open(Scope(None)) as watcher:
        while len(process.told) < count:
            await watcher.take(10, 100)


async def test_a_hint_makes_it_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "POLL_SECONDS", 1000.0)
    log = LogDouble()
    process = await Process(log).start()
    async with following(process), asyncio.timeout(10):
        for count in range(1, 4):
            log.create("ann")
            process.wake.announce(Topic.LOG)
            await told(process, count)
    assert process.told == log.history


async def test_a_lost_hint_costs_no_more_than_a_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "POLL_SECONDS", 0.02)
    log = LogDouble()
    process = await Process(log).start()
    async with following(process), asyncio.timeout(10):
        log.create("ann")
        await told(process, 1)
    assert process.told == log.history


async def test_while_the_database_is_away_it_waits_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tail_module, "POLL_SECONDS", 0.02)
    log = LogDouble()
    process = await Process(log).start()
    log.create("ann")
    log.failure = OSError("the database is away")
    async with following(process), asyncio.timeout(10):
        for _ in range(3):
            log.refused.clear()
            await log.refused.wait()
        assert process.told == []
        log.create("ann")
        log.failure = None
        await told(process, 2)
    assert process.told == log.history
    assert "reading the log failed; trying again" in caplog.text


async def test_it_begins_at_the_head_and_prefills_the_memory() -> None:
    log = LogDouble()
    for _ in range(5):
        log.create("ann")
    process = await Process(log, ring=3).start()
    assert (process.tail.revision, process.tail.epoch) == (5, "e1")
    assert process.told == log.history[2:]
    await process.tail.catch_up()
    assert process.told == log.history[2:]


async def test_what_has_holes_is_not_remembered() -> None:
    log = LogDouble()
    log.create("ann")
    log.create("bob")
    log.compact("bob", keep=0)  # the last event of all: what is left looks whole, and is not

    process = await Process(log).start()

    assert process.tail.revision == 2
    assert process.ring.after_revision(0) is None
    log.create("ann")
    await process.tail.catch_up()
    assert process.ring.after_revision(2) == log.history[2:]


async def test_it_begins_at_the_head_though_nothing_is_kept() -> None:
    log = LogDouble()
    log.create("ann")
    log.compact("ann", keep=0)
    process = await Process(log).start()
    assert (process.tail.revision, process.told, process.gaps) == (1, [], 0)


async def test_many_events_are_read_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "PAGE", 3)
    log = LogDouble()
    process = await Process(log).start()
    for _ in range(9):
        log.create("ann")
    await process.tail.catch_up()
    assert process.told == log.history


async def test_when_the_log_was_compacted_past_it_all_watchers_start_over() -> None:
    log = LogDouble()
    process = await Process(log).start()
    log.create("ann")
    await process.tail.catch_up()
    for _ in range(4):
        log.create("ann")
    log.compact("ann", keep=1)
    with process.watchers.open(Scope("ann")) as watcher:
        await process.tail.catch_up()
        with pytest.raises(SlowConsumer):
            await watcher.take(10, 10)
    assert process.gaps == 1
    assert process.tail.revision == 5
    assert process.told == [log.history[0], log.history[4]]
    assert process.ring.after_revision(0) is None
    assert process.ring.after_revision(4) == [log.history[4]]
