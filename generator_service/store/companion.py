"""Claims that ride along: a task is given to an idle worker in the very transaction that made it runnable."""

from __future__ import annotations

from collections.abc import Sequence

from generator_service.domain.task import Task
from generator_service.store import operations
from generator_service.store.contract import Claimant, Limits
from generator_service.store.unit_of_work import UnitOfWork


class ClaimCompanion:
    """Claims for one worker of this process whenever others write; see `GroupCommitWriter`."""

    def __init__(self, claimant: Claimant, limits: Limits) -> None:
        self._claimant = claimant
        self._limits = limits
        self._reserved = 0
        self._claimed: Sequence[Task] = ()

    def join(self, uow: UnitOfWork) -> None:
        """Fill the worker's free slots, if it has any."""
        self._reserved = self._reserved or self._claimant.reserve()
        if self._reserved:
            claimant = self._claimant
            self._claimed = operations.claim(uow, claimant.owner, self._reserved, claimant.lease_for, self._limits)

    def settle(self, *, committed: bool) -> None:
        """Hand over what was claimed, or nothing if the transaction came to nothing."""
        reserved, claimed = self._reserved, self._claimed
        self._reserved, self._claimed = 0, ()
        if reserved:
            self._claimant.deliver(claimed if committed else (), reserved)
