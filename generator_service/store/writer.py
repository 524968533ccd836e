"""Group commit: one thread that commits together whatever waits together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from traceback import format_exception
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from generator_service.domain.clock import Clock
from generator_service.domain.errors import WhitebgError
from generator_service.domain.event import TaskEvent
from generator_service.store import queries
from generator_service.store.backend import Backend
from generator_service.store.claiming import CommitClaims
from generator_service.store.lanes import LaneFull, Lanes, LanesClosed
from generator_service.store.lock_set import LockSet
from generator_service.store.reconnect import DatabaseUnavailable, Reconnecting
from generator_service.store.unavailable import Reason
from generator_service.store.unit_of_work import UnitOfWork

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BATCH = 256
MAX_WAITING = 10_000
RERUN_SECONDS = 5.0
"""How long a failed batch may be run again one by one; others wait meanwhile, leases among them."""


class StoreBusy(Exception):
    """More writes wait than the store may hold back; try again shortly."""


class StoreClosed(Exception):
    """The store has been closed."""


class CommitListener(Protocol):
    """Receives commits, on the writer's thread, before any caller learns that its write is done."""

    def __call__(self, events: Sequence[TaskEvent]) -> None:
        """Take note of the events of one commit, oldest first."""
        ...


@dataclass(slots=True)
class _Job(Generic[T]):
    operation: Callable[[UnitOfWork], T]
    locks: LockSet
    future: Future[T]

    def decide(self, uow: UnitOfWork) -> _Outcome:
        """Run the operation; a refusal that changed nothing is an outcome like any other."""
        uow.begin_operation()
        changes = uow.changes
        try:
            return _Outcome(result=self.operation(uow))
        except WhitebgError as refusal:
            if uow.changes != changes:
                raise
            return _Outcome(refusal=refusal)

    def settle(self, outcome: _Outcome) -> None:
        """Give the caller the outcome."""
        if outcome.refusal is not None:
            self.fail(outcome.refusal)
        else:
            self.future.set_result(outcome.result)

    def fail(self, error: Exception) -> None:
        """Give the caller an error, without the traceback of this thread; of an unexpected one it becomes a note."""
        if not isinstance(error, WhitebgError | DatabaseUnavailable):
            error.add_note("".join(format_exception(error)))
        _drop_tracebacks(error)
        self.future.set_exception(error)


@dataclass(slots=True)
class _Outcome:
    result: Any = None
    refusal: WhitebgError | None = None


def _drop_tracebacks(error: BaseException | None) -> None:
    """Drop the tracebacks of an error and of its causes.

    Their frames, and the frames that called them, hold the jobs and so the futures that hold the error. With such a
    cycle, the caller's own frames (and the photo in them) would stay in memory until a full garbage collection.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


class _Attempt:
    """A batch in a transaction; called again if the connection was lost, possibly during the commit."""

    def __init__(self, batch: Sequence[_Job[Any]], claims: CommitClaims | None, clock: Clock, backend: Backend) -> None:
        self._batch = batch
        self._claims = claims
        self._clock = clock
        self._backend = backend
        self.outcomes: list[_Outcome] = []
        self.events: list[TaskEvent] = []

    def __call__(self, connection: Connection) -> None:
        self._backend.begin(connection)
        uow = UnitOfWork(connection, self._clock, self._backend)
        uow.lock([job.locks for job in self._batch])
        # Those who hold the locks by now know what became of an earlier commit: it is in the log, or came to nothing.
        if self.events and queries.is_logged(connection, self.events[-1]):
            return
        self.events = []
        self.outcomes = [job.decide(uow) for job in self._batch]
        if uow.has_events and self._claims is not None:
            uow.begin_operation()
            self._claims.make(uow)
        self.events = uow.flush()


class GroupCommitWriter:
    """Runs operations on one thread, all that wait in one transaction: one fsync pays for many.

    An operation that fails in the database takes its batch down with it; the batch is then run again one by one,
    so that each caller gets its own outcome, and without claims: an error of theirs affects no caller.
    A batch that fails because the database is unavailable (`DatabaseUnavailable`) fails as a whole: each of its
    operations would fail for the same reason, after a lock timeout of its own.

    Urgent operations overtake the others, in transactions of their own: a lease must be renewed in time, whatever
    else waits or fails.
    """

    def __init__(self, database: Reconnecting, clock: Clock, backend: Backend, on_commit: CommitListener) -> None:
        self._database = database
        self._clock = clock
        self._backend = backend
        self._on_commit = on_commit
        self._jobs: Lanes[_Job[Any]] = Lanes(MAX_WAITING)
        self.claims: CommitClaims | None = None
        """Made within every transaction that changes a state, after the operations of the callers."""
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[UnitOfWork], T], locks: LockSet, *, urgent: bool = False) -> Future[T]:
        """Queue an operation; the future is done when it is committed, or refused.

        Raises:
            StoreBusy: too many operations wait.
            StoreClosed: the writer has been closed.

        """
        job = _Job(operation, locks, Future[T]())
        try:
            self._jobs.put(job, urgent=urgent)
        except LanesClosed:
            raise StoreClosed("the store is closed") from None
        except LaneFull:
            raise StoreBusy(f"{MAX_WAITING} writes are waiting; try again shortly") from None
        return job.future

    def close(self) -> None:
        """Finish queued operations and end the thread."""
        self._jobs.close()
        self._thread.join()

    def _run(self) -> None:
        while taken := self._jobs.take(MAX_BATCH):
            # A caller that was cancelled before its write began expects no write.
            batch = [job for job in taken if job.future.set_running_or_notify_cancel()]
            # A finished job must not live until the next one comes.
            del taken
            if batch:
                self._commit(batch, self.claims)
            del batch

    def _commit(self, batch: list[_Job[Any]], claims: CommitClaims | None) -> DatabaseUnavailable | None:
        """Run a batch and settle its jobs; return why the database is unavailable, if it is."""
        attempt = _Attempt(batch, claims, self._clock, self._backend)
        failure: Exception | None = None
        try:
            self._database.run(attempt)
        except Exception as error:  # noqa: BLE001 (whatever it is belongs to the caller; the thread lives on)
            failure = error
        if failure is None and attempt.events:
            self._tell(attempt.events)
        if claims is not None:
            claims.deliver(committed=failure is None)
        if failure is None:
            for job, outcome in zip(batch, attempt.outcomes, strict=True):
                job.settle(outcome)
        elif isinstance(failure, DatabaseUnavailable):
            _fail(batch, failure)
            return failure
        elif len(batch) == 1 and claims is None:
            _fail(batch, failure)
        else:
            _drop_tracebacks(failure)
            self._rerun(batch)
        return None

    def _rerun(self, batch: list[_Job[Any]]) -> None:
        """Run the jobs of a failed batch one by one, until the database is unavailable or the time is up."""
        deadline = time.monotonic() + RERUN_SECONDS
        for number, job in enumerate(batch):
            if time.monotonic() > deadline:
                _fail(batch[number:], DatabaseUnavailable(reason=Reason.OVERLOADED))
                return
            if (away := self._commit([job], None)) is not None:
                _fail(batch[number + 1 :], away)
                return

    def _tell(self, events: Sequence[TaskEvent]) -> None:
        try:
            self._on_commit(events)
        except Exception:
            # The events are in the log, where all who missed this will find them.
            logger.exception("the listener of commits failed")


def _fail(batch: Sequence[_Job[Any]], error: Exception) -> None:
    for job in batch:
        job.fail(error)
