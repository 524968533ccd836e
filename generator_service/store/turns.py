"""The turns that users take in the queue during one transaction."""

from __future__ import annotations

from generator_service.domain.claim_order import Starts


class Turns:
    """Users who were served or joined the queue, in the order of their events.

    Starts are numbered on from those that were known when the first users were read. The number is final only when the
    log's head is locked, since other processes may start tasks in the meantime: see `renumbered`.
    """

    def __init__(self) -> None:
        self._starts = Starts()
        self._taken: list[tuple[str, bool]] = []
        """Users who were served (True) or joined the queue (False)."""
        self._served_before: dict[str, int] = {}

    def begin_after(self, started: int) -> None:
        """Count starts from the number of the latest one."""
        self._starts = Starts(started)

    def take(self, user_id: str, served: int, *, started: bool) -> int:
        """Move a user to the end of the round, or let the user join it; return the new ``served``."""
        self._served_before.setdefault(user_id, served)
        self._taken.append((user_id, started))
        return self._starts.start() if started else self._starts.join(served)

    @property
    def started(self) -> int:
        """How many tasks were started."""
        return sum(started for _, started in self._taken)

    def renumbered(self, started: int) -> dict[str, int]:
        """Return each user's ``served`` if the starts are numbered after this one; empty if that changes none."""
        if self._starts.count == started + self.started:
            return {}
        served = dict(self._served_before)
        starts = Starts(started)
        for user_id, turn in self._taken:
            served[user_id] = starts.start() if turn else starts.join(served[user_id])
        return served
