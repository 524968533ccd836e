from __future__ import annotations

import asyncio
import os
import threading

import pytest

from whitebg_process.event_loops import call_in_loop
from whitebg_process.standard_input import on_end_of_input


async def test_the_callback_runs_in_the_loop() -> None:
    called_with: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(call_in_loop, loop, called_with.put_nowait, (1, threading.get_ident()))
    assert (await called_with.get())[0] == 1


def test_a_closed_loop_is_not_an_error() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    call_in_loop(loop, pytest.fail, "called")


async def test_an_error_of_a_running_loop_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    def fail(*_: object) -> None:
        raise RuntimeError("no memory for the handle")

    with monkeypatch.context() as patched:
        patched.setattr(loop, "call_soon_threadsafe", fail)
        with pytest.raises(RuntimeError, match="no memory"):
            call_in_loop(loop, pytest.fail, "called")


def test_input_that_ends_after_the_loop_has_closed_is_no_error() -> None:
    """A start that fails at once, beside an input that has ended already; pytest fails on a thread's exception."""
    loop = asyncio.new_event_loop()
    reading, writing = os.pipe()
    try:
        thread = on_end_of_input(lambda: call_in_loop(loop, pytest.fail, "called"), reading)
        loop.close()
        os.close(writing)
        thread.join(5)
        assert not thread.is_alive()
    finally:
        os.close(reading)
