"""Times and durations of requests: Protobuf's range is larger than Python's."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain.errors import InvalidRequest
from generator_service.rpc.convert.times import duration_from, time_from

seconds = st.integers(-(2**63), 2**63 - 1) | st.sampled_from((2**62, 2**31, 10**12, -1))
nanos = st.integers(-(2**31), 2**31 - 1)


def test_times_and_durations_are_read() -> None:
    assert time_from(Timestamp(seconds=1, nanos=5000), "at") == datetime(1970, 1, 1, 0, 0, 1, 5, UTC)
    assert duration_from(Duration(seconds=90), "lasts") == timedelta(seconds=90)


@pytest.mark.parametrize("length", [2**62, -(2**63)])
def test_what_python_cannot_hold_is_rejected_with_the_field(length: int) -> None:
    with pytest.raises(InvalidRequest, match="lasts"):
        duration_from(Duration(seconds=length), "lasts")
    with pytest.raises(InvalidRequest, match="at"):
        time_from(Timestamp(seconds=length), "at")


@given(seconds, nanos)
def test_any_message_is_read_or_rejected(whole: int, part: int) -> None:
    with suppress(InvalidRequest):
        assert abs(duration_from(Duration(seconds=whole, nanos=part), "lasts").days) <= timedelta.max.days
    with suppress(InvalidRequest):
        assert time_from(Timestamp(seconds=whole, nanos=part), "at").tzinfo is UTC
