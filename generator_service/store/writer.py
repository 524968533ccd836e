"""Group commit: one thread that commits together whatever waits together."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from generator_service.domain.clock import Clock
from generator_service.domain.errors import WhitebgError
from generator_service.domain.event import TaskEvent
from generator_service.store import queries
from generator_service.store.reconnect import Reconnecting, StoreAway
from generator_service.store.unit_of_work import Backend, Touched, UnitOfWork

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BATCH = 256
MAX_WAITING = 10_000


class StoreBusy(Exception):
    """More writes wait than the store may hold back; try again shortly."""


class StoreClosed(Exception):
    """The store has been closed."""


class CommitListener(Protocol):
    """Told of what was committed, from the writer's thread, before any caller learns that its write is done."""

    def __call__(self, events: Sequence[TaskEvent]) -> None:
        """Take note of the events of one commit, oldest first."""
        ...


class Companion(Protocol):
    """Joins every transaction that changes a state, after the operations of the callers; on the writer's thread."""

    def join(self, uow: UnitOfWork) -> None:
        """Add changes of its own; once more if the transaction has to be run again."""
        ...

    def settle(self, *, committed: bool) -> None:
        """Learn what became of the transaction it joined."""
        ...


@dataclass(slots=True)
class _Job(Generic[T]):
    operation: Callable[[UnitOfWork], T]
    touched: Touched
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
        """Tell the caller."""
        if outcome.refusal is not None:
            self.future.set_exception(outcome.refusal)
        else:
            self.future.set_result(outcome.result)


@dataclass(slots=True)
class _Outcome:
    result: Any = None
    refusal: WhitebgError | None = None


class _Attempt:
    """A batch in a transaction; called again if the database went away, perhaps in the moment of the commit."""

    def __init__(
        self, batch: Sequence[_Job[Any]], companions: Sequence[Companion], clock: Clock, backend: Backend
    ) -> None:
        self._batch = batch
        self._companions = companions
        self._clock = clock
        self._backend = backend
        self.outcomes: list[_Outcome] = []
        self.events: list[TaskEvent] = []

    def __call__(self, connection: Connection) -> None:
        self._backend.begin(connection)
        uow = UnitOfWork(connection, self._clock, self._backend)
        uow.hold([job.touched for job in self._batch])
        # Those who hold the locks by now know what became of an earlier commit: it is in the log, or came to nothing.
        if self.events and queries.is_logged(connection, self.events[-1]):
            return
        self.events = []
        self.outcomes = [job.decide(uow) for job in self._batch]
        if uow.has_events:
            for companion in self._companions:
                uow.begin_operation()
                companion.join(uow)
        self.events = uow.flush()


class GroupCommitWriter:
    """Runs operations on one thread, all that wait in one transaction: one fsync pays for many.

    An operation that fails in the database takes its batch down with it; the batch is then run again one by one,
    so that each caller gets its own outcome. Companions join no such second run: whatever ails them costs nobody else.
    """

    def __init__(self, database: Reconnecting, clock: Clock, backend: Backend, on_commit: CommitListener) -> None:
        self._database = database
        self._clock = clock
        self._backend = backend
        self._on_commit = on_commit
        self._jobs: queue.Queue[_Job[Any] | None] = queue.Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._closed = False
        self._companions: list[Companion] = []
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[UnitOfWork], T], touched: Touched) -> Future[T]:
        """Queue an operation; the future is done when it is committed, or refused.

        Raises:
            StoreBusy: too many operations wait.
            StoreClosed: the writer has been closed.

        """
        job = _Job(operation, touched, Future[T]())
        with self._lock:
            if self._closed:
                raise StoreClosed("the store is closed")
            try:
                self._jobs.put_nowait(job)
            except queue.Full:
                raise StoreBusy(f"{MAX_WAITING} writes are waiting; try again shortly") from None
        return job.future

    def accompany(self, companion: Companion) -> None:
        """Let a companion join all transactions from now on."""
        self._companions.append(companion)

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        running = True
        while running:
            batch: list[_Job[Any]] = []
            job = self._jobs.get()
            while job is not None:
                # A caller who has gone before its write began wants nothing written.
                if job.future.set_running_or_notify_cancel():
                    batch.append(job)
                if len(batch) >= MAX_BATCH:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            running = job is not None
            if batch:
                self._commit(batch, list(self._companions))

    def _commit(self, batch: list[_Job[Any]], companions: Sequence[Companion]) -> None:
        attempt = _Attempt(batch, companions, self._clock, self._backend)
        try:
            self._database.run(attempt)
        except StoreAway as error:
            for companion in companions:
                companion.settle(committed=False)
            for job in batch:
                job.future.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001 (whatever it is belongs to the caller; the thread lives on)
            for companion in companions:
                companion.settle(committed=False)
            if len(batch) == 1 and not companions:
                batch[0].future.set_exception(error)
                return
            for job in batch:
                self._commit([job], ())
            return
        if attempt.events:
            self._tell(attempt.events)
        for job, outcome in zip(batch, attempt.outcomes, strict=True):
            job.settle(outcome)
        for companion in companions:
            companion.settle(committed=True)

    def _tell(self, events: Sequence[TaskEvent]) -> None:
        try:
            self._on_commit(events)
        except Exception:
            # The events are in the log, where all who missed this will find them.
            logger.exception("the listener of commits failed")
