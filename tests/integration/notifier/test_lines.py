"""Hints and progress between processes, over real servers that are killed and restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

import pytest

from generator_service.domain.task import Progress
from generator_service.notifier.contract import Topic
from generator_service.notifier.local import LocalNotifier, LocalSignal
from generator_service.notifier.postgres import PostgresTransport
from generator_service.notifier.redis import RedisTransport
from generator_service.notifier.relayed import RelayNotifier, Transport
from tests.support.clock import NOON
from tests.support.patience import PATIENCE
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

NEWS = Progress(task_id=7, user_id="ann", attempt=1, percent=40, stage="matting", updated_at=NOON)


class Server(Protocol):
    """A server that carries the line."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


def _postgres() -> tuple[Server, Callable[[], Transport], Callable[[], None]]:
    server = PostgresServer()
    server.start()
    return server, lambda: PostgresTransport(server.url()), server.close


def _redis() -> tuple[Server, Callable[[], Transport], Callable[[], None]]:
    server = RedisServer()
    server.start()
    return server, lambda: RedisTransport(server.url), server.kill


class Net:
    """A server, and the notifiers connected through it, each as if in another process."""

    def __init__(self, server: Server, line: Callable[[], Transport]) -> None:
        self.server = server
        self._line = line
        self._stack = AsyncExitStack()

    async def wake(self) -> RelayNotifier:
        """Join; return once the line is open in both directions."""
        wake = RelayNotifier(LocalNotifier(asyncio.get_running_loop()), self._line())
        opened = wake.subscribe(Topic.TASKS_READY)
        await self._stack.enter_async_context(wake.connected())
        await hinted(opened)
        opened.close()
        return wake

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture(params=[_postgres, _redis], ids=["postgres", "redis"])
def carrier(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Callable[[], Transport]]]:
    server, line, close = request.param()
    yield server, line
    close()


@pytest.fixture
async def net(carrier: tuple[Server, Callable[[], Transport]]) -> AsyncIterator[Net]:
    net = Net(*carrier)
    yield net
    await net.close()


class Heard:
    """All progress that reaches a notifier."""

    def __init__(self, wake: RelayNotifier) -> None:
        self.news: list[Progress] = []
        self._more = asyncio.Event()
        wake.on_progress(self._hear)

    def _hear(self, news: Progress) -> None:
        self.news.append(news)
        self._more.set()

    async def until(self, enough: Callable[[list[Progress]], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not enough(self.news):
                await self._more.wait()
                self._more.clear()


async def hinted(signal: LocalSignal) -> None:
    """Return when a hint arrives; without one, the wait lasts longer than a test."""
    async with asyncio.timeout(PATIENCE):
        await signal.wait(10 * PATIENCE)


async def passed(one: RelayNotifier, *, to: RelayNotifier, task_id: int) -> None:
    """Return once everything that one has sent so far has reached the other: messages keep their order."""
    heard, last = Heard(to), replace(NEWS, task_id=task_id)
    one.publish(last)
    await heard.until(lambda news: last in news)


async def test_a_hint_reaches_the_others_as_news_of_the_log_and_of_work(net: Net) -> None:
    here, there = await net.wake(), await net.wake()
    await passed(here, to=there, task_id=1)
    signals = [there.subscribe(topic) for topic in (Topic.LOG, Topic.REMOTE_LOG, Topic.TASKS_READY)]
    here.notify(Topic.LOG)
    await asyncio.gather(*map(hinted, signals))


async def test_a_hint_given_here_is_none_of_what_happens_elsewhere(net: Net) -> None:
    here, there = await net.wake(), await net.wake()
    # The hints of connecting have arrived in both directions.
    await passed(here, to=there, task_id=1)
    await passed(there, to=here, task_id=2)
    log, elsewhere = here.subscribe(Topic.LOG), here.subscribe(Topic.REMOTE_LOG)
    here.notify(Topic.LOG)
    await hinted(log)
    # Its own message has come back once the other one's later answer has arrived.
    await passed(here, to=there, task_id=3)
    await passed(there, to=here, task_id=4)
    assert not elsewhere._event.is_set()


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
    await passed(there, to=here, task_id=1)
    net.server.kill()
    at_home = here.subscribe(Topic.LOG)
    here.notify(Topic.LOG)
    await hinted(at_home)

    # A reconnection is itself a hint, so that missed ones do not matter.
    missed = there.subscribe(Topic.LOG | Topic.TASKS_READY)
    net.server.start()
    await hinted(missed)
    heard = Heard(there)
    async with asyncio.timeout(PATIENCE):
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
