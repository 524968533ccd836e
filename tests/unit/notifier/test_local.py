"""Hints within one process are merged, never lost between two waits, and safe from any thread."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from generator_service.domain.task import Progress
from generator_service.notifier.contract import Topic
from generator_service.notifier.local import LocalNotifier
from tests.support.clock import NOON
from tests.support.patience import PATIENCE
from tests.support.virtual_time import run_in_virtual_time


async def test_a_hint_given_before_the_wait_is_not_lost() -> None:
    wake = LocalNotifier(asyncio.get_running_loop())
    signal = wake.subscribe(Topic.LOG)
    wake.notify(Topic.LOG)
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await signal.wait(10 * PATIENCE)


def test_without_a_hint_the_wait_ends_by_itself() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        await LocalNotifier(loop).subscribe(Topic.LOG).wait(50.0)
        return loop.time()

    assert run_in_virtual_time(wait()) == pytest.approx(50.0)


async def test_a_hint_reaches_those_on_its_topic_only() -> None:
    wake = LocalNotifier(asyncio.get_running_loop())
    log, work, both = (wake.subscribe(topic) for topic in (Topic.LOG, Topic.TASKS_READY, Topic.LOG | Topic.TASKS_READY))
    wake.notify(Topic.TASKS_READY)
    await asyncio.sleep(0)
    assert [signal._event.is_set() for signal in (log, work, both)] == [False, True, True]


async def test_topics_announced_together_are_all_delivered() -> None:
    wake = LocalNotifier(asyncio.get_running_loop())
    log, work = wake.subscribe(Topic.LOG), wake.subscribe(Topic.TASKS_READY)
    wake.notify(Topic.LOG)
    wake.notify(Topic.TASKS_READY)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(log.wait(10 * PATIENCE), work.wait(10 * PATIENCE))


async def test_hints_from_many_threads_are_merged_and_the_last_one_is_seen() -> None:
    """Each thread increments a count and notifies; a woken reader must finally have seen every increment."""
    loop = asyncio.get_running_loop()
    deliveries = 0
    wake = LocalNotifier(loop)
    deliver = wake._deliver

    def counted() -> None:
        nonlocal deliveries
        deliveries += 1
        deliver()

    wake._deliver = counted  # type: ignore[method-assign]  # to count the turns of the loop that hints cost
    signal = wake.subscribe(Topic.LOG)
    total, lock, bumps = 0, threading.Lock(), 5000

    def bump() -> None:
        nonlocal total
        for _ in range(bumps):
            with lock:
                total += 1
            wake.notify(Topic.LOG)

    threads = [threading.Thread(target=bump) for _ in range(4)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(PATIENCE):
        while total < 4 * bumps:
            await signal.wait(10 * PATIENCE)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert deliveries < 4 * bumps


def test_a_burst_costs_one_delivery() -> None:
    async def waits() -> list[float]:
        loop = asyncio.get_running_loop()
        wake = LocalNotifier(loop)
        signal = wake.subscribe(Topic.LOG)
        for _ in range(1000):
            wake.notify(Topic.LOG)
        await signal.wait(10.0)
        ends = [loop.time()]
        await signal.wait(10.0)
        return [*ends, loop.time()]

    assert run_in_virtual_time(waits()) == pytest.approx([0.0, 10.0]), "one hint too many was still on its way"


async def test_a_closed_signal_hears_nothing() -> None:
    wake = LocalNotifier(asyncio.get_running_loop())
    signal = wake.subscribe(Topic.LOG)
    signal.close()
    signal.close()
    wake.notify(Topic.LOG)
    await asyncio.sleep(0)
    assert not signal._event.is_set()


def test_after_the_loop_has_closed_a_hint_is_no_error() -> None:
    loop = asyncio.new_event_loop()
    wake = LocalNotifier(loop)
    loop.close()
    wake.notify(Topic.LOG)


async def test_progress_reaches_all_listeners() -> None:
    wake = LocalNotifier(asyncio.get_running_loop())
    heard: list[Progress] = []
    wake.on_progress(heard.append)
    wake.on_progress(heard.append)
    news = Progress(
        task_id=1, user_id="ann", attempt=1, percent=5, stage="x", updated_at=NOON, remaining=timedelta(seconds=1)
    )
    wake.publish(news)
    assert heard == [news, news]
