"""The submission of a photo, encoded without copying the photo through a protobuf message.

A message would hold one copy, and its serialization another. Fields of a message may be written one after the other, so
the files are read straight into the encoded request.
"""

from __future__ import annotations

import io
import os
import shutil
from typing import BinaryIO

from whitebg.v1 import generator_service_pb2 as pb

_FIELDS = pb.SubmitTaskRequest.DESCRIPTOR.fields_by_name
_LENGTH_DELIMITED = 2
_READ_AT_ONCE = 1024 * 1024


def encoded(request: pb.SubmitTaskRequest, image: BinaryIO | None = None, mask: BinaryIO | None = None) -> bytes:
    """Return the encoded request with the bytes of the files in its fields ``image`` and ``mask``."""
    buffer = io.BytesIO()
    buffer.write(request.SerializeToString())
    for name, file in (("image", image), ("mask", mask)):
        if file is None:
            continue
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        buffer.write(_varint(_FIELDS[name].number << 3 | _LENGTH_DELIMITED) + _varint(size))
        shutil.copyfileobj(file, buffer, _READ_AT_ONCE)
    return buffer.getvalue()  # Shares the buffer's memory.


def _varint(number: int) -> bytes:
    """Return a number in protobuf's base 128 encoding, lowest digits first."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
