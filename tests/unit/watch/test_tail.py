"""The tail publishes every event once and in order, whatever happens to hints and the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from generator_service.notifier.contract import Topic
from generator_service.watch import tail as tail_module
from generator_service.watch.watchers import Scope
from tests.support.patience import PATIENCE
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
    """Wait until the watcher of all users has received this many events."""
    with process.watchers.open(Scope(None)) as watcher:
        while len(process.told) < count:
            await watcher.take(10, 100)


async def test_a_hint_makes_it_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "POLL_SECONDS", 1000.0)
    log = LogDouble()
    process = await Process(log).start()
    async with following(process), asyncio.timeout(PATIENCE):
        for count in range(1, 4):
            log.create("ann")
            process.wake.notify(Topic.LOG)
            await told(process, count)
    assert process.told == log.history


async def test_a_lost_hint_costs_no_more_than_a_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "POLL_SECONDS", 0.02)
    log = LogDouble()
    process = await Process(log).start()
    async with following(process), asyncio.timeout(PATIENCE):
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
    async with following(process), asyncio.timeout(PATIENCE):
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
    log.compact("bob", keep=0)  # the last event of all: the rest looks complete, but is not

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


@pytest.mark.parametrize("regrown", [0, 1, 3, 7], ids=lambda count: f"{count} events since")
@pytest.mark.parametrize("lost", [1, 3])
async def test_a_log_that_lost_events_is_noticed_however_long_it_is_again(lost: int, regrown: int) -> None:
    log = LogDouble()
    process = await Process(log).start()
    for _ in range(5):
        log.create("ann")
    await process.tail.catch_up()
    log.rewind(5 - lost)
    for _ in range(regrown):
        log.create("bob")
    with process.watchers.open(Scope(None)) as watcher:
        await process.tail.catch_up()
        assert (await watcher.take(10, 10)).resync
    assert process.gaps == 1
    assert (log.epoch, process.tail.epoch) == ("e10", "e10"), "cursors of the lost log must not fit this one"
    assert process.tail.revision == len(log.history)
    assert process.ring.after_revision(0) is None
    new = log.create("cho")
    await process.tail.catch_up()
    assert process.told[-1].task == new
    assert process.gaps == 1


async def test_of_many_processes_the_first_to_notice_renews_the_epoch_for_all() -> None:
    log = LogDouble()
    processes = [await Process(log).start() for _ in range(3)]
    for _ in range(5):
        log.create("ann")
    for process in processes:
        await process.tail.catch_up()
    log.rewind(2)
    await asyncio.gather(*(process.tail.catch_up() for process in processes))
    assert log.epoch == "e10"
    assert [(process.gaps, process.tail.epoch) for process in processes] == [(1, "e10")] * 3


async def test_an_idle_tail_notices_a_lost_log_without_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "POLL_SECONDS", 0.02)
    log = LogDouble()
    process = await Process(log).start()
    log.create("ann")
    await process.tail.catch_up()
    async with following(process), asyncio.timeout(PATIENCE):
        with process.watchers.open(Scope("ann")) as watcher:
            log.rewind(0)
            assert (await watcher.take(10, 10)).resync


async def test_a_compacted_last_event_is_no_lost_log() -> None:
    log = LogDouble()
    process = await Process(log).start()
    log.create("ann")
    await process.tail.catch_up()
    log.compact("ann", keep=0)
    await process.tail.catch_up()
    log.create("bob")
    await process.tail.catch_up()
    assert (process.gaps, log.epoch, process.told) == (0, "e1", log.history)


async def test_starting_over_is_tried_again_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogDouble()
    process = await Process(log).start()
    log.create("ann")
    await process.tail.catch_up()
    log.epoch = "e2"

    async def fail() -> None:
        raise OSError("the database is unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(process.tail, "_on_gap", fail)
        with pytest.raises(OSError, match="unavailable"):
            await process.tail.catch_up()
    await process.tail.catch_up()
    assert (process.gaps, process.tail.epoch) == (1, "e2")


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
        assert (await watcher.take(10, 10)).resync
    assert process.gaps == 1
    assert process.tail.revision == 5
    assert process.told == [log.history[0], log.history[4]]
    assert process.ring.after_revision(0) is None
    assert process.ring.after_revision(4) == [log.history[4]]
