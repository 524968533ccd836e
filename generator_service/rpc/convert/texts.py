"""Rejects text that no store of ours can hold, for all methods alike."""

from __future__ import annotations

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from generator_service.domain.errors import InvalidRequest


def require_no_nul(message: Message, path: str = "") -> None:
    """Check every text field of a request: PostgreSQL can't store NUL, so SQLite is not given it either.

    Raises:
        InvalidRequest: a text field contains NUL; the error names it by its path, such as ``filter.error_codes``.

    """
    for field, value in message.ListFields():
        if field.message_type is None and field.type != FieldDescriptor.TYPE_STRING:
            continue
        name = f"{path}{field.name}"
        for each in value if field.is_repeated else [value]:
            if isinstance(each, Message):
                require_no_nul(each, f"{name}.")
            elif "\0" in each:
                raise InvalidRequest(name, "has a NUL in it; use printable characters")
