"""Between messages about usage and domain values."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from google.protobuf.duration_pb2 import Duration

from generator_service.domain.errors import InvalidRequest
from generator_service.domain.task_options import Engine
from generator_service.domain.usage import DayUsage, day_of
from generator_service.rpc.convert import picture_options
from whitebg.v1 import usage_pb2

MAX_DAYS = 1000
"""Longest period of one user's own usage, which is returned in one response."""
_MICROS = 1_000_000
_ENGINES = tuple(engine for engine in Engine if engine is not Engine.AUTO)


def period(first_day: str, last_day: str, *, now: datetime) -> tuple[date, date]:
    """Read the first and the last day; by default this month up to today.

    Raises:
        InvalidRequest: a text is no day, or the last is before the first.

    """
    last = day_of(now) if not last_day else _day("last_day", last_day)
    first = last.replace(day=1) if not first_day else _day("first_day", first_day)
    if last < first:
        raise InvalidRequest("last_day", f"{last} is before the first day, {first}")
    return first, last


def short_period(first_day: str, last_day: str, *, now: datetime) -> tuple[date, date]:
    """Read a period as `period` does.

    Raises:
        InvalidRequest: as there, or it has more than `MAX_DAYS` days.

    """
    first, last = period(first_day, last_day, now=now)
    if last - first >= timedelta(days=MAX_DAYS):
        raise InvalidRequest("first_day", f"is more than {MAX_DAYS} days before the last; ask for a shorter period")
    return first, last


def day_usage(value: DayUsage) -> usage_pb2.DayUsage:
    """Convert the usage of a day to a message."""
    used = value.usage
    return usage_pb2.DayUsage(
        day=value.day.isoformat(),
        user_id=value.user_id,
        photos=used.photos,
        results=used.results,
        bytes_in=used.bytes_in,
        bytes_out=used.bytes_out,
        engine_times=[
            usage_pb2.EngineTime(engine=picture_options.ENGINES[engine], time=_duration(micros))
            for engine in _ENGINES
            if (micros := used.engine_us(engine))
        ],
        gemini_calls=used.gemini_calls,
        gemini_input_tokens=used.gemini_input_tokens,
        gemini_output_tokens=used.gemini_output_tokens,
    )


def page_token(entry: DayUsage) -> str:
    """Return the token of the page after an entry."""
    return f"{entry.day.isoformat()}/{entry.user_id}"


def entry_of(token: str) -> tuple[date, str] | None:
    """Return day and user of the last entry before a page; None for the first page.

    Raises:
        InvalidRequest: the text is no token.

    """
    if not token:
        return None
    day, _, user_id = token.partition("/")
    if "\0" in user_id:
        raise InvalidRequest("page_token", "is not a page token of this service")
    return _day("page_token", day), user_id


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(field, f"{text[:40]!r} is not a day; write YYYY-MM-DD") from None


def _duration(micros: int) -> Duration:
    seconds, rest = divmod(micros, _MICROS)
    return Duration(seconds=seconds, nanos=rest * 1000)
