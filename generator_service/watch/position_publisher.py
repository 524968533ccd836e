"""Publishes queue positions to waiting clients: at a bounded rate, fairly, and only where they changed visibly.

Positions are a courtesy beside the state changes, and must never delay them: they are computed in slices, at most once
a second, and leave in small bursts between which everything else has its turn.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from generator_service.notifier.contract import Notifier, Topic
from generator_service.watch.queue_positions import SLICE, QueueView
from generator_service.watch.watchers import Watchers

INTERVAL_SECONDS = 1.0
POLL_SECONDS = 5.0
"""Tasks become due without an event."""
EXACT = 10
"""Positions up to this one are published at every change."""
PER_USER = 10
"""Updates in an interval of one user's tasks further back, where all have had one."""
FIRST_PER_USER = 50
"""The same where tasks of the user have yet to get their first: of a hundred photos, all have one after two seconds."""
PER_INTERVAL = 200
"""Updates in an interval, of all users together."""
BURST = 20
"""Updates that leave together."""


def visible(position: int) -> int:
    """Round a position up to what counts as a change: exact up to `EXACT`, then in steps of 10 to 25 %."""
    decade = 1
    while True:
        for step in (decade, 2 * decade, 5 * decade):
            if position <= EXACT * step:
                return -(-position // step) * step
        decade *= 10


@dataclass(frozen=True, slots=True)
class _Update:
    """The latest update of a task's position."""

    seen: object = None
    """The latest value that clients have: a visible position, or the wait of a task that a circuit breaker blocks."""
    interval: int = 0


class PositionUpdates:
    """Chooses whose positions to publish, an interval at a time."""

    def __init__(self) -> None:
        self._interval = 0
        self._updates: dict[int, _Update] = {}
        self._visible = [0]
        """The published value of each position, cached because it is slow to compute."""
        self._served: dict[str, int] = {}
        """By user with changes: the interval of the latest update."""

    async def choose(
        self,
        positions: Mapping[int, int],
        owner: Callable[[int], str | None],
        wait: Callable[[int], object] = lambda _: 0,
    ) -> tuple[list[int], bool]:
        """Return the tasks whose positions are to be published now, and whether others have to wait.

        Those near the head come first. Of the others, users who have waited longest for an update come first, and of
        one user's tasks again those that have. Position 0 is a task that a circuit breaker blocks; ``wait`` returns
        the reason and end that are shown of it. ``owner`` returns None for a task without watchers.
        """
        self._interval += 1
        self._forget(positions)
        chosen: list[int] = []
        seen: dict[int, object] = {}
        changed: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for number, (task_id, position) in enumerate(positions.items()):
            if number % SLICE == 0:
                await asyncio.sleep(0)
            if position == len(self._visible):
                self._visible.append(visible(position))
            last = self._updates.get(task_id, _NEVER)
            seen[task_id] = self._visible[position] if position else wait(task_id)
            if last.seen == seen[task_id] or (user := owner(task_id)) is None:
                continue
            if 0 < position <= EXACT:
                chosen.append(task_id)
            else:
                changed[user].append((last.interval, position, task_id))
        self._served = {user: self._served.get(user, 0) for user in changed}
        users = sorted(changed, key=self._served.__getitem__)
        for user in users:
            changed[user].sort()
            if share := changed[user][: min(PER_USER, PER_INTERVAL - len(chosen))]:
                self._served[user] = self._interval
                chosen += [task_id for *_, task_id in share]
        # Updates that are left over go to tasks that have yet to get their first.
        for user in users:
            more = min(FIRST_PER_USER, PER_INTERVAL - len(chosen) + PER_USER)
            chosen += [task_id for interval, _, task_id in changed[user][PER_USER:more] if interval == 0]
        waiting = sum(map(len, changed.values())) > sum(not 0 < positions[task_id] <= EXACT for task_id in chosen)
        for task_id in chosen:
            self._updates[task_id] = _Update(seen[task_id], self._interval)
        return chosen, waiting

    def _forget(self, positions: Mapping[int, int]) -> None:
        """Drop tasks that have no position any more, once they are the most."""
        if len(self._updates) > 2 * len(positions):
            self._updates = {each: update for each, update in self._updates.items() if each in positions}


_NEVER = _Update()


async def publish_queue_positions(wake: Notifier, view: QueueView, watchers: Watchers) -> None:
    """After events, send waiting tasks their position and remaining time, until cancelled."""
    signal = wake.subscribe(Topic.LOG)
    updates = PositionUpdates()

    def owner(task_id: int) -> str | None:
        task = view.known(task_id)
        return None if task is None or not watchers.watched(task.user_id) else task.user_id

    more = False
    try:
        while True:
            if not more:
                await signal.wait(POLL_SECONDS)
            # Not waiting for anything to happen: this is the pace at which positions are published.
            await asyncio.sleep(INTERVAL_SECONDS)
            await view.rank()
            positions = view.positions
            outdated = view.outdated
            chosen, more = await updates.choose(positions, owner, view.wait_of)
            more = more or outdated
            for start in range(0, len(chosen), BURST):
                for task_id in chosen[start : start + BURST]:
                    if (update := view.position_update(task_id, positions[task_id])) is not None:
                        watchers.push_progress(update)
                # The updates of one burst are encoded together; other pending work runs first.
                await asyncio.sleep(INTERVAL_SECONDS * BURST / PER_INTERVAL / 2)
    finally:
        signal.close()
