"""Reads times and durations of requests. Protobuf's range is larger than Python's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from generator_service.domain.errors import InvalidRequest


def time_from(stamp: Timestamp, field: str) -> datetime:
    """Read the time of a field.

    Raises:
        InvalidRequest: the time is out of range.

    """
    try:
        found: datetime = stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(field, "is not a time between the years 1 and 9999") from error
    return found


def duration_from(duration: Duration, field: str) -> timedelta:
    """Read the duration of a field.

    Raises:
        InvalidRequest: the duration is out of range.

    """
    try:
        found: timedelta = duration.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(field, "is longer than any duration that can be used") from error
    return found
