"""Counting the parts of encoded messages."""

from __future__ import annotations

from contextlib import suppress

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain.errors import InvalidRequest
from generator_service.rpc.message_parts import MAX_PARTS, MAX_PARTS_OF, bounded, require_few_parts
from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2

PHOTO = bytes(2 * MAX_PARTS)
SUBMIT = pb.SubmitTaskRequest.DESCRIPTOR
REGION = task_pb2.Region(left=0.1, top=0.2, right=0.3, bottom=0.4)
OPTIONS = task_pb2.TaskOptions(
    size_px=1600, prompt="杯子" * 500, hints=[task_pb2.Hint(region=REGION, kind=task_pb2.HINT_KIND_KEEP)] * 64
)
LARGEST = pb.SubmitTaskRequest(image=PHOTO, mask=PHOTO, options=OPTIONS, more_options=[OPTIONS] * 19)


def test_a_photo_with_all_pictures_and_hints_is_below_the_limit() -> None:
    require_few_parts(LARGEST.SerializeToString(), SUBMIT)
    parts = 20 * (3 + 64 * 7)  # the options with two fields, and each hint, its kind, its region and four numbers
    assert parts < MAX_PARTS


@pytest.mark.parametrize(
    ("message", "flood"),
    [
        pytest.param(SUBMIT, b"\x6a\x00", id="empty options"),
        pytest.param(pb.SubmitTasksRequest.DESCRIPTOR, b"\x0a\x00", id="empty submissions"),
        pytest.param(pb.DeleteTasksRequest.DESCRIPTOR, b"\x10\x01", id="numbers one by one"),
        pytest.param(SUBMIT, b"\x2a\x08" + b"\x82\x01\x00" * 2 + b"\x08\x01", id="within a message"),
    ],
)
def test_a_flood_of_parts_is_rejected(message: Descriptor, flood: bytes) -> None:
    most = MAX_PARTS_OF.get(message.full_name, MAX_PARTS)
    with pytest.raises(InvalidRequest, match=f"more than {most:,} parts"):
        require_few_parts(flood * (most + 1), message)


def test_packed_numbers_are_counted() -> None:
    raw = pb.DeleteTasksRequest(task_ids=range(MAX_PARTS + 1)).SerializeToString()
    with pytest.raises(InvalidRequest, match="more than 10,000 parts"):
        require_few_parts(raw, pb.DeleteTasksRequest.DESCRIPTOR)


def test_fields_that_this_version_does_not_know_are_no_flood_however_long() -> None:
    require_few_parts(b"\xfa\x3f" + b"\x80\x80\x08" + bytes(128 * 1024), SUBMIT)


def test_a_size_beyond_the_end_is_malformed_and_no_flood() -> None:
    packed = SUBMIT.fields_by_name["priority"].number << 3 | 2
    cut_off = pb.SubmitTaskRequest(image=PHOTO).SerializeToString() + bytes([packed]) + b"\xff\xff\x7f"
    with pytest.raises(DecodeError):
        bounded("/whitebg.v1.GeneratorService/SubmitTask", pb.SubmitTaskRequest.FromString)(cut_off)


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_counted_or_rejected_by_either_parser(raw: bytes, with_photo: bool) -> None:
    raw = pb.SubmitTaskRequest(image=PHOTO if with_photo else b"").SerializeToString() + raw
    parse = bounded("/whitebg.v1.GeneratorService/SubmitTask", pb.SubmitTaskRequest.FromString)
    try:
        expected = pb.SubmitTaskRequest.FromString(raw)
    except DecodeError:
        with pytest.raises(DecodeError):
            parse(raw)
    else:
        # Groups, which proto3 does not have, are an error to one of them.
        with suppress(DecodeError):
            assert parse(raw) == expected
