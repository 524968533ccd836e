"""Conversion of parts that all messages share: times, durations, numbers of enums."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_Member = TypeVar("_Member")
_Number = TypeVar("_Number")


def inverse(table: Mapping[_Member, _Number]) -> dict[_Number, _Member]:
    """Return the members of an enum by their numbers."""
    return {number: member for member, number in table.items()}


def utc(stamp: Timestamp) -> datetime:
    """Convert a time."""
    return stamp.ToDatetime(tzinfo=UTC)


def span(duration: Duration) -> timedelta:
    """Convert a duration, to whole microseconds."""
    return duration.ToTimedelta()
