"""The blocking client: the async one on a private event loop's thread, each method carried over by its type."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from whitebg.client import AsyncClient
from whitebg.errors import ClientStateError
from whitebg.files import StrPath
from whitebg.models import ImageKind
from whitebg.wire import Tls, Token
from whitebg_process.backoff import Backoff

_EXIT_SECONDS = 5.0
_P = ParamSpec("_P")
_T = TypeVar("_T")


class LoopThread:
    """An event loop on its own daemon thread, stopped at the latest when the interpreter exits."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._process = os.getpid()
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, name="whitebg-client", daemon=True)
        self._thread.start()
        _open.add(self)

    @property
    def usable(self) -> bool:
        """Whether `run` can be called: the loop runs, in this process."""
        return not self._closed and self._process == os.getpid()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` to its end and return its result; an interrupt cancels it and waits for that.

        Raises:
            ClientStateError: the loop is closed or belongs to another process, or this is its own thread.

        """
        try:
            self._check()
        except ClientStateError:
            work.close()
            raise
        return self._run(work)

    def _check(self) -> None:
        if self._closed:
            raise ClientStateError("the client is closed; create a new one")
        if self._process != os.getpid():
            raise ClientStateError(
                f"the client belongs to process {self._process}, from which this one was forked; "
                "create clients after the fork, or start processes with multiprocessing's method 'spawn'"
            )
        if threading.current_thread() is self._thread:
            raise ClientStateError(
                "a callback of the blocking client called the client; the call would wait for itself: "
                "hand the work to another thread"
            )

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            if self._closed:
                raise ClientStateError("the client was closed during the call; create a new one") from None
            raise
        except BaseException:
            if not future.done():  # Not the work's own error: Ctrl-C, or the interpreter shutting down.
                future.cancel()
                concurrent.futures.wait([future])
            raise

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel the work, run ``last``, stop the loop and join its thread. Does nothing the second time.

        In a forked process it does nothing: neither the loop nor its thread exists there.

        Raises:
            ClientStateError: this is the loop's own thread, which can't wait for itself.

        """
        if not self.usable:
            return
        self._check()
        with self._closing:
            if self._closed:
                return
            self._closed = True
        try:
            self._run(self._wind_up(last))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def stop_at_exit(self) -> None:
        """Cancel the work and stop the loop within seconds, even if a callback blocks the loop."""
        if not self.usable:
            return
        self._closed = True
        wound_up = asyncio.run_coroutine_threadsafe(self._wind_up(_nothing), self._loop)
        concurrent.futures.wait([wound_up], _EXIT_SECONDS)
        if wound_up.done():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_EXIT_SECONDS)

    async def _wind_up(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        work = asyncio.all_tasks() - {asyncio.current_task()}
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await last()
        await self._loop.shutdown_asyncgens()


_open: weakref.WeakSet[LoopThread] = weakref.WeakSet()


async def _nothing() -> None:
    pass


def _close_all() -> None:
    """Stop all loops while their threads still run: a stream closed later in the exit would wait for one for ever."""
    for thread in list(_open):
        thread.stop_at_exit()


atexit.register(_close_all)


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
    method: Callable[Concatenate[AsyncClient, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[Client, _P], _T]:
    """Return the blocking form of an async method, with the same arguments, result and docstring."""

    @wraps(method)
    def call(self: Client, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self.loop_thread.run(method(self.async_client, *args, **kwargs))

    return cast("Callable[Concatenate[Client, _P], _T]", call)


def blocking_iter(
    method: Callable[Concatenate[AsyncClient, _P], AsyncGenerator[_T]],
) -> Callable[Concatenate[Client, _P], Generator[_T]]:
    """Return the blocking form of an async generator method; leaving the loop, or an interrupt, ends the stream."""

    @wraps(method)
    def iterate(self: Client, /, *args: _P.args, **kwargs: _P.kwargs) -> Generator[_T]:
        stepper = _Stepper(method(self.async_client, *args, **kwargs))
        try:
            while True:
                try:
                    item = self.loop_thread.run(stepper.step())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if self.loop_thread.usable:  # Else closing the client has ended the stream already.
                self.loop_thread.run(stepper.close())

    return cast("Callable[Concatenate[Client, _P], Generator[_T]]", iterate)


class Client:
    """`AsyncClient` for code without asyncio. May be used from several threads.

    Don't fork while a client is open: its calls raise `ClientStateError` there, and gRPC may crash the process.

    ::

        with Client("127.0.0.1:50051", token) as client:
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
        """Make a client and start its thread. Arguments are those of `AsyncClient`."""
        self.async_client = AsyncClient(target, token, tls=tls, timeout=timeout, backoff=backoff)
        self.loop_thread = LoopThread()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and join the thread; calls under way in other threads raise `ClientStateError`.

        May be called twice. Any later call raises `ClientStateError`.
        """
        self.loop_thread.close(self.async_client.close)

    ready = blocking(AsyncClient.ready)
    submit = blocking(AsyncClient.submit)
    submit_many = blocking_iter(AsyncClient.submit_many)
    submit_outputs = blocking(AsyncClient.submit_outputs)
    resubmit = blocking(AsyncClient.resubmit)
    get = blocking(AsyncClient.get)
    list_tasks = blocking_iter(AsyncClient.list_tasks)
    head = blocking(AsyncClient.head)
    cancel = blocking(AsyncClient.cancel)
    delete = blocking(AsyncClient.delete)
    delete_all = blocking(AsyncClient.delete_all)
    delete_batch = blocking(AsyncClient.delete_batch)
    review = blocking(AsyncClient.review)
    get_batch = blocking(AsyncClient.get_batch)
    close_batch = blocking(AsyncClient.close_batch)
    cancel_batch = blocking(AsyncClient.cancel_batch)
    watch = blocking_iter(AsyncClient.watch)
    wait = blocking(AsyncClient.wait)
    read_image = blocking(AsyncClient.read_image)
    image_info = blocking(AsyncClient.image_info)
    image_url = blocking(AsyncClient.image_url)
    presets = blocking(AsyncClient.presets)
    engines = blocking(AsyncClient.engines)
    stats = blocking(AsyncClient.stats)

    @overload
    def download(
        self, task_id: int, to: StrPath, kind: ImageKind = ImageKind.RESULT, *, user_id: str | None = None
    ) -> Path: ...
    @overload
    def download(
        self, task_id: int, to: BinaryIO, kind: ImageKind = ImageKind.RESULT, *, user_id: str | None = None
    ) -> None: ...
    @wraps(AsyncClient.download)
    def download(  # noqa: D102  `wraps` copies the docstring
        self, task_id: int, to: StrPath | BinaryIO, kind: ImageKind = ImageKind.RESULT, *, user_id: str | None = None
    ) -> Path | None:
        # Written out because `blocking` can't carry over the overloads.
        return self.loop_thread.run(self.async_client.download(task_id, to, kind, user_id=user_id))


SyncGeneratorClient = Client
"""Deprecated name of `Client`."""
