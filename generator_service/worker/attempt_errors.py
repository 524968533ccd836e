"""Classifies the exceptions of attempts, here only: the task has to wait, or the attempt failed.

Waiting: a dependency is unavailable and will recover without a change of the task. Failing: the photo, the request or
the setup is the cause, or the cause is unknown.
"""

from __future__ import annotations

from generator_service.blobs.contract import BlobStoreUnavailable
from generator_service.domain.breaker import BLOBS, Outage, engine_breaker
from generator_service.domain.errors import EngineError, EngineUnavailable, WhitebgError
from generator_service.domain.task import WaitReason
from generator_service.domain.task_options import Engine
from generator_service.store.reconnect import DatabaseUnavailable
from generator_service.store.writer import StoreBusy, StoreClosed

SHUTTING_DOWN = "shutting_down"
"""Error code of calls that are interrupted when engines are closed."""


class MustWait(WhitebgError):
    """An open breaker blocks the task."""

    def __init__(self, outage: Outage) -> None:
        super().__init__(outage.message)
        self.outage = outage


def classify(error: Exception, engine: Engine | None) -> Outage | EngineError:
    """Return the outage that the task waits for, or the failure of its attempt.

    ``engine`` is the engine in use when the error was raised, if any.
    """
    match error:
        case MustWait():
            return error.outage
        case EngineUnavailable() if engine is not None:
            return engine_outage(error, engine)
        case EngineError(code=code) if code == SHUTTING_DOWN:
            return Outage(reason=WaitReason.WORKER_STOPPED, code="worker_stopped", message=error.message)
        case EngineError():
            return error
        case BlobStoreUnavailable():
            return Outage(
                reason=WaitReason.STORE_UNAVAILABLE,
                code="images_unavailable",
                message=str(error),
                dependency=BLOBS,
            )
        case DatabaseUnavailable() | StoreBusy() | StoreClosed():
            return Outage(reason=WaitReason.STORE_UNAVAILABLE, code="database_unavailable", message=str(error))
        case _:
            return EngineError("internal", "internal error; the log of the worker has the details", retryable=True)


def engine_outage(error: EngineUnavailable, engine: Engine) -> Outage:
    """Return the outage of an engine."""
    return Outage(
        reason=error.reason,
        code=error.code,
        message=error.message,
        dependency=engine_breaker(engine),
        retry_after=error.retry_after,
        lasting=error.lasting,
    )
