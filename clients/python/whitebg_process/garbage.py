"""The cyclic garbage collector of a process that serves for long."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG, _MIDDLE, _OLD = 10_000, 20, 20
"""New containers until the young are collected, and collections of one generation until the next one is."""


@contextmanager
def importing() -> Iterator[None]:
    """Import the process's modules within the block without collections, and exempt what they made from later ones.

    Nearly all of it stays to the end, and looking at it again and again takes a tenth of a start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def settle_garbage() -> None:
    """Exempt all objects from collection that are there now, and collect later ones less often.

    Call it once a process serves. What the start has made, modules and routes above all, stays to the end, and a full
    collection would look at all of it while every connection waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
