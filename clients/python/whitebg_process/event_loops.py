"""Calls from a thread to an event loop that may have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

Arguments = TypeVarTuple("Arguments")


def call_in_loop(
    loop: AbstractEventLoop, callback: Callable[[Unpack[Arguments]], object], *arguments: *Arguments
) -> None:
    """Call back in the loop, from any thread; nothing happens if the loop has closed.

    Asking whether it is closed beforehand would not do: it may close between the question and the call.
    """
    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise
