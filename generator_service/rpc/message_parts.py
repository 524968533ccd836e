"""Counts the parts of a message before it is parsed.

A part of two bytes on the wire takes some 160 in memory, and time: an upload of 16 MiB of empty `more_options` took
1.3 GiB and blocked the process for seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import DecodeError

from generator_service.domain.errors import InvalidRequest

MAX_PARTS = 10_000
"""Fields in one request, elements of repeated ones counted each. 20 pictures of 64 hints each have 9,000."""
MAX_PARTS_OF = {"whitebg.v1.SubmitTasksRequest": 50_000}
"""The same, for requests that may have more."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_TEXT = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}


def bounded(method: str, parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return the parser of a method's requests, such as of ``/whitebg.v1.GeneratorService/GetTask``, with the check."""
    message = Default().FindMethodByName(method[1:].replace("/", ".")).input_type

    def check_and_parse(raw: bytes) -> Any:
        require_few_parts(raw, message)
        return parse(raw)

    return check_and_parse


def require_few_parts(raw: bytes, message: Descriptor) -> None:
    """Check an encoded message of this type, in time that grows with the limit, not with the message.

    Raises:
        InvalidRequest: it has more parts than such a message may have.
        DecodeError: it is not an encoded message.

    """
    most = MAX_PARTS_OF.get(message.full_name, MAX_PARTS)
    if len(raw) <= most:
        return  # A part takes a byte at least.
    parts = 0
    waiting = [(0, len(raw), message)]
    while waiting:
        at, end, kind = waiting.pop()
        while at < end:
            parts += 1
            tag, at = _varint(raw, at, end)
            wire = tag & 7
            if wire == _VARINT:
                _, at = _varint(raw, at, end)
            elif wire == _LENGTH:
                size, at = _varint(raw, at, end)
                field = kind.fields_by_number.get(tag >> 3)
                if field is None or field.type in _TEXT:
                    pass  # One object, however long: what is unknown is kept as it is.
                elif field.message_type is not None:
                    waiting.append((at, min(at + size, end), field.message_type))
                else:
                    # Packed numbers, of at least a byte each; a size beyond the end is the parser's to reject.
                    parts += min(size, end - at)
                at += size
            elif wire in _SIZES:
                at += _SIZES[wire]
            else:
                raise DecodeError(f"wire type {wire}")
            if parts > most:
                raise InvalidRequest("request", f"has more than {most:,} parts; send fewer in one call")


def _varint(raw: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise DecodeError("a number does not end")
