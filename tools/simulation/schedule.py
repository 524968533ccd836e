"""Schedules of steps, made from a seed, and the shortest one that still fails."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Step = tuple[str, int]
"""The name of a step, and a number from which it derives its choices: so each step stands for itself."""


class Broken(AssertionError):
    """A guarantee is broken."""


class World(Protocol):
    """Something to simulate."""

    steps: Mapping[str, int]
    """The steps by name, with their weights."""

    def run(self, schedule: Sequence[Step]) -> None:
        """Run a schedule in a new world.

        Raises:
            AssertionError: a guarantee is broken.

        """
        ...


def make_schedule(world: World, seed: int, length: int) -> list[Step]:
    """Return the schedule of a seed."""
    rng = random.Random(f"simulation {seed}")
    names = rng.choices(list(world.steps), list(world.steps.values()), k=rng.randint(1, length))
    return [(name, rng.randrange(1 << 16)) for name in names]


def failure(world: World, schedule: Sequence[Step]) -> Exception | None:
    """Run a schedule; return the broken guarantee, or any other error of the simulated parts, or None."""
    try:
        world.run(schedule)
    except Exception as error:  # noqa: BLE001 (a crash is a failure like any other)
        return error
    return None


def shrink(world: World, schedule: Sequence[Step]) -> list[Step]:
    """Return a failing schedule from which no step can be left out."""
    left, size = list(schedule), max(1, len(schedule) // 2)
    while True:
        start = 0
        while start < len(left):
            shorter = left[:start] + left[start + size :]
            if failure(world, shorter) is not None:
                left = shorter
            else:
                start += size
        if size == 1:
            return left
        size //= 2


@dataclass(frozen=True, slots=True)
class Found:
    """A seed that breaks a guarantee."""

    seed: int
    error: Exception
    schedule: Sequence[Step]
    """Shrunk, if that was asked for."""

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.error!r}\n  world.run({list(self.schedule)!r})"


def search(world: World, *, first: int, schedules: int, shrinking: bool = True, length: int = 40) -> Found | None:
    """Return the first seed that breaks a guarantee, with its schedule shrunk."""
    for seed in range(first, first + schedules):
        schedule = make_schedule(world, seed, length)
        if (error := failure(world, schedule)) is not None:
            if not shrinking:
                return Found(seed, error, schedule)
            shortest = shrink(world, schedule)
            return Found(seed, failure(world, shortest) or error, shortest)
    return None
