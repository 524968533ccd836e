"""The blocking client: the async one on a private event loop's thread, each method carried over by its type."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast

from whitebg.client import GeneratorClient
from whitebg.retry import Backoff
from whitebg.wire import Tls, Token

_P = ParamSpec("_P")
_T = TypeVar("_T")


class LoopThread:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="whitebg-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` to its end and return what it returned; an interrupt cancels it and waits for that."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            if not future.done():  # Not the work's own error: Ctrl-C, or the interpreter shutting down.
                future.cancel()
                concurrent.futures.wait([future])
            raise

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``last``, stop the loop and join its thread. Does nothing the second time."""
        if self._loop.is_closed():
            return
        self.run(last())
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Stepper(Generic[_T]):
    """An async generator that another thread steps through.

    An interrupt can hit that thread when the loop already has the step and the thread not yet its future: so
    `close` ends a step under way by itself.
    """

    def __init__(self, items: AsyncGenerator[_T]) -> None:
        self._items = items
        self._under_way: asyncio.Task[Any] | None = None

    async def step(self) -> _T:
        """Return the next item; StopAsyncIteration at the end."""
        self._under_way = asyncio.current_task()
        return await anext(self._items)

    async def close(self) -> None:
        """End the step under way, if any, and the generator."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait({self._under_way})
        await self._items.aclose()


def blocking(
    method: Callable[Concatenate[GeneratorClient, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[SyncGeneratorClient, _P], _T]:
    """Give an async method its blocking face: the same arguments, the same result, the same words."""

    @wraps(method)
    def call(self: SyncGeneratorClient, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self.loop_thread.run(method(self.async_client, *args, **kwargs))

    return cast("Callable[Concatenate[SyncGeneratorClient, _P], _T]", call)


def blocking_iter(
    method: Callable[Concatenate[GeneratorClient, _P], AsyncGenerator[_T]],
) -> Callable[Concatenate[SyncGeneratorClient, _P], Generator[_T]]:
    """Give an async generator method its blocking face; leaving the loop, or an interrupt, ends the stream."""

    @wraps(method)
    def iterate(self: SyncGeneratorClient, /, *args: _P.args, **kwargs: _P.kwargs) -> Generator[_T]:
        stepper = _Stepper(method(self.async_client, *args, **kwargs))
        try:
            while True:
                try:
                    item = self.loop_thread.run(stepper.step())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            self.loop_thread.run(stepper.close())

    return cast("Callable[Concatenate[SyncGeneratorClient, _P], Generator[_T]]", iterate)


class SyncGeneratorClient:
    """`GeneratorClient` for code without asyncio. May be used from several threads.

    ::

        with SyncGeneratorClient("127.0.0.1:50051", token) as client:
            task = client.wait(client.submit(Path("shoe.jpg")).task_id)
            client.download(task.raise_for_state().task_id, Path("shoe-white.png"))
    """

    def __init__(
        self,
        target: str,
        token: Token,
        *,
        tls: Tls = False,
        timeout: float = 30.0,
        backoff: Backoff | None = None,
    ) -> None:
        """Make a client and start its thread. Arguments are those of `GeneratorClient`."""
        self.async_client = GeneratorClient(target, token, tls=tls, timeout=timeout, backoff=backoff)
        self.loop_thread = LoopThread()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and join the thread. May be called twice; the client is of no use afterwards."""
        self.loop_thread.close(self.async_client.close)

    ready = blocking(GeneratorClient.ready)
    submit = blocking(GeneratorClient.submit)
    resubmit = blocking(GeneratorClient.resubmit)
    get = blocking(GeneratorClient.get)
    list_tasks = blocking_iter(GeneratorClient.list_tasks)
    head = blocking(GeneratorClient.head)
    cancel = blocking(GeneratorClient.cancel)
    watch = blocking_iter(GeneratorClient.watch)
    wait = blocking(GeneratorClient.wait)
    download = blocking(GeneratorClient.download)
    read_image = blocking(GeneratorClient.read_image)
    presets = blocking(GeneratorClient.presets)
    stats = blocking(GeneratorClient.stats)
