"""Hints and progress between processes, over real servers that die and come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

import pytest

from generator_service.domain.task import Progress
from generator_service.wake.contract import Topic
from generator_service.wake.local import LocalWake
from generator_service.wake.postgres import PostgresLine
from generator_service.wake.redis import RedisLine
from generator_service.wake.relayed import Line, RelayedWake
from tests.support.clock import NOON
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

LONG = 20.0
NEWS = Progress(task_id=7, user_id="ann", attempt=1, percent=40, stage="matting", updated_at=NOON)


class Server(Protocol):
    """What carries the line."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


def _postgres() -> tuple[Server, Callable[[], Line], Callable[[], None]]:
    server = PostgresServer()
    server.start()
    return server, lambda: PostgresLine(server.url()), server.close


def _redis() -> tuple[Server, Callable[[], Line], Callable[[], None]]:
    server = RedisServer()
    server.start()
    return server, lambda: RedisLine(server.url), server.kill


class Net:
    """A server, and the wakes that talk over it: each is another process's."""

    def __init__(self, server: Server, line: Callable[[], Line]) -> None:
        self.server = server
        self._line = line
        self._stack = AsyncExitStack()

    async def wake(self) -> RelayedWake:
        """Join; return when the line is open in both directions."""
        wake = RelayedWake(LocalWake(asyncio.get_running_loop()), self._line())
        opened = wake.subscribe(Topic.WORK)
        await self._stack.enter_async_context(wake.connected())
        await opened.wait(LONG)
        opened.close()
        return wake

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture(params=[_postgres, _redis], ids=["postgres", "redis"])
def carrier(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Callable[[], Line]]]:
    server, line, close = request.param()
    yield server, line
    close()


@pytest.fixture
async def net(carrier: tuple[Server, Callable[[], Line]]) -> AsyncIterator[Net]:
    net = Net(*carrier)
    yield net
    await net.close()


class Heard:
    """All progress that reaches a wake."""

    def __init__(self, wake: RelayedWake) -> None:
        self.news: list[Progress] = []
        self._more = asyncio.Event()
        wake.on_progress(self._hear)

    def _hear(self, news: Progress) -> None:
        self.news.append(news)
        self._more.set()

    async def until(self, enough: Callable[[list[Progress]], bool]) -> None:
        async with asyncio.timeout(LONG):
            while not enough(self.news):
                await self._more.wait()
                self._more.clear()


async def quiet(wake: RelayedWake) -> None:
    """Return when the hints of connecting have passed."""
    signal = wake.subscribe(Topic.LOG)
    while True:
        began = time.monotonic()
        await signal.wait(0.2)
        if time.monotonic() - began >= 0.19:
            break
    signal.close()


async def test_a_hint_reaches_the_others_as_news_of_the_log_and_of_work(net: Net) -> None:
    here, there = await net.wake(), await net.wake()
    await quiet(there)
    signals = [there.subscribe(topic) for topic in (Topic.LOG, Topic.ELSEWHERE, Topic.WORK)]
    here.announce(Topic.LOG)
    began = time.monotonic()
    await asyncio.gather(*(signal.wait(LONG) for signal in signals))
    assert time.monotonic() - began < 1


async def test_a_hint_given_here_is_none_of_what_happens_elsewhere(net: Net) -> None:
    here = await net.wake()
    await quiet(here)
    log, elsewhere = here.subscribe(Topic.LOG), here.subscribe(Topic.ELSEWHERE)
    here.announce(Topic.LOG)
    await log.wait(LONG)
    began = time.monotonic()
    await elsewhere.wait(0.2)  # its own message has come back by then
    assert time.monotonic() - began >= 0.19


async def test_progress_reaches_listeners_everywhere_and_each_once(net: Net) -> None:
    here, there = await net.wake(), await net.wake()
    heard_here, heard_there = Heard(here), Heard(there)
    here.publish(NEWS)
    last = replace(NEWS, task_id=8)
    await heard_there.until(lambda news: NEWS in news)
    here.publish(last)
    await heard_there.until(lambda news: last in news)
    assert heard_there.news == heard_here.news == [NEWS, last]


async def test_a_burst_is_merged_and_its_latest_word_arrives(net: Net) -> None:
    here, there = await net.wake(), await net.wake()
    heard = Heard(there)
    for percent in range(101):
        for task in range(50):
            here.publish(replace(NEWS, task_id=task, percent=percent, stage="a stage with a long name" * 10))
    await heard.until(lambda news: {one.task_id for one in news if one.percent == 100} == set(range(50)))
    assert len(heard.news) < 500


async def test_when_the_server_dies_hints_at_home_go_on_and_the_line_comes_back(net: Net) -> None:
    here, there = await net.wake(), await net.wake()
    await quiet(here)
    net.server.kill()
    at_home = here.subscribe(Topic.LOG)
    here.announce(Topic.LOG)
    began = time.monotonic()
    await at_home.wait(LONG)
    assert time.monotonic() - began < 1

    # Being connected again is itself a hint: nobody sleeps over what was missed.
    missed = there.subscribe(Topic.LOG | Topic.WORK)
    net.server.start()
    began = time.monotonic()
    await missed.wait(LONG)
    assert time.monotonic() - began < LONG
    heard = Heard(there)
    async with asyncio.timeout(LONG):
        while not heard.news:
            here.publish(NEWS)
            await asyncio.sleep(0.05)
    assert set(heard.news) == {NEWS}


async def test_what_is_none_of_ours_is_dropped(net: Net, caplog: pytest.LogCaptureFixture) -> None:
    wake, heard = await net.wake(), None
    heard = Heard(wake)
    async with net._line().sending() as send:
        for nonsense in ("", "{}", '{"sender": 1', '{"sender": "x", "progress": [{"task_id": "y"}]}'):
            await send(nonsense or "null")
        other = await net.wake()
        other.publish(NEWS)
        await heard.until(bool)
    assert heard.news == [NEWS]
    assert caplog.text.count("none of ours") == 4
