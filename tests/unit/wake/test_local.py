"""Hints within one process: merged, never lost between two waits, safe from any thread."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

from generator_service.domain.task import Progress
from generator_service.wake.contract import Topic
from generator_service.wake.local import LocalWake
from tests.support.clock import NOON

LONG = 30.0


async def test_a_hint_given_before_the_wait_is_not_lost() -> None:
    wake = LocalWake(asyncio.get_running_loop())
    signal = wake.subscribe(Topic.LOG)
    wake.announce(Topic.LOG)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await signal.wait(LONG)


async def test_without_a_hint_the_wait_ends_by_itself() -> None:
    signal = LocalWake(asyncio.get_running_loop()).subscribe(Topic.LOG)
    began = time.monotonic()
    await signal.wait(0.05)
    assert time.monotonic() - began >= 0.045


async def test_a_hint_reaches_those_on_its_topic_only() -> None:
    wake = LocalWake(asyncio.get_running_loop())
    log, work, both = (wake.subscribe(topic) for topic in (Topic.LOG, Topic.WORK, Topic.LOG | Topic.WORK))
    wake.announce(Topic.WORK)
    await asyncio.sleep(0)
    assert [signal._event.is_set() for signal in (log, work, both)] == [False, True, True]


async def test_topics_announced_together_are_all_delivered() -> None:
    wake = LocalWake(asyncio.get_running_loop())
    log, work = wake.subscribe(Topic.LOG), wake.subscribe(Topic.WORK)
    wake.announce(Topic.LOG)
    wake.announce(Topic.WORK)
    async with asyncio.timeout(5):
        await asyncio.gather(log.wait(LONG), work.wait(LONG))


async def test_hints_from_many_threads_are_merged_and_the_last_one_is_seen() -> None:
    """Each thread bumps a count and announces; whoever wakes must in the end have seen every bump."""
    loop = asyncio.get_running_loop()
    deliveries = 0
    wake = LocalWake(loop)
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
            wake.announce(Topic.LOG)

    threads = [threading.Thread(target=bump) for _ in range(4)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(20):
        while total < 4 * bumps:
            await signal.wait(LONG)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert deliveries < 4 * bumps


async def test_a_burst_costs_one_delivery() -> None:
    loop = asyncio.get_running_loop()
    wake = LocalWake(loop)
    signal = wake.subscribe(Topic.LOG)
    for _ in range(1000):
        wake.announce(Topic.LOG)
    await signal.wait(LONG)
    began = time.monotonic()
    await signal.wait(0.02)
    assert time.monotonic() - began >= 0.015, "one hint too many was still on its way"


async def test_a_closed_signal_hears_nothing() -> None:
    wake = LocalWake(asyncio.get_running_loop())
    signal = wake.subscribe(Topic.LOG)
    signal.close()
    signal.close()
    wake.announce(Topic.LOG)
    await asyncio.sleep(0)
    assert not signal._event.is_set()


def test_after_the_loop_has_closed_a_hint_is_no_error() -> None:
    loop = asyncio.new_event_loop()
    wake = LocalWake(loop)
    loop.close()
    wake.announce(Topic.LOG)


async def test_progress_reaches_all_listeners() -> None:
    wake = LocalWake(asyncio.get_running_loop())
    heard: list[Progress] = []
    wake.on_progress(heard.append)
    wake.on_progress(heard.append)
    news = Progress(
        task_id=1, user_id="ann", attempt=1, percent=5, stage="x", updated_at=NOON, remaining=timedelta(seconds=1)
    )
    wake.publish(news)
    assert heard == [news, news]
