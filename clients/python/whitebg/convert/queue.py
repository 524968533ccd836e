"""Conversion of the service's condition."""

from __future__ import annotations

from whitebg import models
from whitebg.convert.common import inverse, span, utc
from whitebg.convert.tasks import STATES, wait_reason_from_proto
from whitebg.v1 import generator_service_pb2
from whitebg_process.proto_enums import numbers

_BREAKER_STATES = inverse(numbers(models.BreakerState, generator_service_pb2.BreakerState))


def stats_from_proto(stats: generator_service_pb2.GetQueueStatsResponse) -> models.QueueStats:
    """Convert the queue's state."""
    return models.QueueStats(
        states={STATES.get(count.state, models.TaskState.UNKNOWN): count.count for count in stats.states},
        oldest_pending_age=span(stats.oldest_pending_age),
        epoch=stats.epoch,
        head_revision=stats.head_revision,
        tail_revision=stats.tail_revision,
        watchers=stats.watchers,
        ring_events=stats.ring_events,
        database_replays=stats.database_replays,
        process_started_at=utc(stats.process_started_at),
        ready=stats.ready,
        not_ready_reasons=tuple(
            models.NotReadyReason(code=reason.code, message=reason.message) for reason in stats.not_ready_reasons
        ),
        queue_stalled=span(stats.queue_stalled),
        breakers=tuple(_breaker(breaker) for breaker in stats.breakers),
    )


def _breaker(breaker: generator_service_pb2.CircuitBreaker) -> models.CircuitBreaker:
    return models.CircuitBreaker(
        name=breaker.name,
        state=_BREAKER_STATES.get(breaker.state, models.BreakerState.UNKNOWN),
        reason=wait_reason_from_proto(breaker.reason),
        message=breaker.message,
        failing_since=utc(breaker.failing_since) if breaker.HasField("failing_since") else None,
        open_until=utc(breaker.open_until) if breaker.HasField("open_until") else None,
    )
