"""The cyclic garbage collector of a process that serves for long."""

from __future__ import annotations

import gc

_YOUNG, _MIDDLE, _OLD = 10_000, 20, 20
"""New containers until the young are collected, and collections of one generation until the next one is."""


def settle_garbage() -> None:
    """Exempt all objects from collection that are there now, and collect later ones less often.

    Call it once a process serves. What the start has made, modules and routes above all, stays to the end, and a full
    collection would look at all of it while every connection waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
