"""Calls of every method of the service, generated from the descriptors of its messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from hypothesis import strategies as st

from tests.support.api import TINY
from tools.fuzz.cases import GrpcCase
from tools.fuzz.values import MALLORY, bearer_tokens, cursors, numbers, shares, texts, user_ids
from whitebg.v1 import admin_service_pb2, generator_service_pb2

_FILES = (generator_service_pb2, admin_service_pb2, health_pb2, reflection_pb2)
METHODS: Sequence[MethodDescriptor] = [
    method for file in _FILES for service in file.DESCRIPTOR.services_by_name.values() for method in service.methods
]
_SOMEONE = st.sampled_from(("somebody else", "nobody's name")) | texts.filter(lambda text: text != MALLORY)
"""Users for methods that would end the callers' own access."""
_ENDS_ACCESS = frozenset({"DeleteUser", "RevokeSession", "SetUserLimits"})
_MANY = 1100
_DEEPEST = 3

_photos = st.sampled_from((TINY, TINY[: len(TINY) // 2], b"", b"\xff\xd8\xff", b"GIF89a" + b"\0" * 100)) | st.binary(
    max_size=64
)


@dataclass(frozen=True, slots=True)
class Known:
    """A caller's knowledge of the service."""

    task_ids: Sequence[int]
    """Tasks of the caller and of another user."""
    sign: Callable[..., str]
    """Returns a token of a user, with these claims."""


def path_of(method: MethodDescriptor) -> str:
    """Return the path of a method, such as ``/whitebg.v1.GeneratorService/GetTask``."""
    return f"/{method.containing_service.full_name}/{method.name}"


def grpc_cases(known: Known) -> st.SearchStrategy[GrpcCase]:
    """Return calls of all methods, by users, administrators and callers without a valid token."""
    return st.sampled_from(METHODS).flatmap(lambda method: _case_of(method, known))


@st.composite
def _case_of(draw: st.DrawFn, method: MethodDescriptor, known: Known) -> GrpcCase:
    ending = method.name in _ENDS_ACCESS
    request = draw(_message(method.input_type, known, _SOMEONE if ending else user_ids, 0)).SerializeToString()
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(request)))
        request = request[:at] + draw(st.binary(max_size=8)) + request[at + draw(st.integers(0, 4)) :]
    who = draw(st.integers(0, 9))
    if who < 4:
        token = known.sign(MALLORY)
    elif who < 9:
        token = known.sign("root", scope="tasks admin service")
    else:
        token = draw(bearer_tokens(known.sign).filter(lambda text: text.isascii() and text.isprintable()))
    metadata = [("authorization", f"Bearer {token}")]
    if draw(st.integers(0, 9)) == 0:
        metadata.append(("x-request-id", draw(st.sampled_from(("", "a" * 500, "{}", "%s")))))
    return GrpcCase(path_of(method), request, metadata)


@st.composite
def _message(draw: st.DrawFn, kind: Descriptor, known: Known, users: st.SearchStrategy[str], depth: int) -> Message:
    made = message_factory.GetMessageClass(kind)()
    for field in draw(st.lists(st.sampled_from(list(kind.fields)), unique=True)) if kind.fields else []:
        if field.message_type is not None and depth == _DEEPEST:
            continue
        if field.is_repeated:
            many = draw(st.sampled_from((0, 1, 1, 1, 2, 3, _MANY)))
            one = draw(_value(field, known, users, depth))
            different = [draw(_value(field, known, users, depth)) for _ in range(min(many, 3) - 1)]
            getattr(made, field.name).extend(([one] * (many - len(different)) + different) if many else [])
        elif field.message_type is not None:
            getattr(made, field.name).CopyFrom(draw(_value(field, known, users, depth)))
        else:
            setattr(made, field.name, draw(_value(field, known, users, depth)))
    return made


def _value(field: FieldDescriptor, known: Known, users: st.SearchStrategy[str], depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return _message(field.message_type, known, users, depth + 1)
    if field.enum_type is not None:
        declared = [value.number for value in field.enum_type.values]
        return st.sampled_from([*declared, 99, -1, 2**31 - 1])
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return _photos
        case FieldDescriptor.CPPTYPE_STRING:
            return _text_of(field.name, users)
        case FieldDescriptor.CPPTYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return shares
        case FieldDescriptor.CPPTYPE_INT32:
            return numbers.map(lambda value: max(-(2**31), min(value, 2**31 - 1)))
        case FieldDescriptor.CPPTYPE_INT64:
            return st.sampled_from(list(known.task_ids)) | numbers
    raise AssertionError(f"{field.full_name} has a type that no strategy covers")


def _text_of(name: str, users: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    match name:
        case "user_id":
            return users
        case "after" | "page_token" | "cursor":
            return cursors
        case "preset":
            return st.sampled_from(("amazon", "custom", "taobao")) | texts
        case "background":
            return st.sampled_from(("#ffffff", "#12345", "#GGGGGG", "#é")) | texts
        case "url":
            return (
                st.sampled_from(
                    ("https://[", "https://127.0.0.1/", "https://a:99999/", "https://" + "a." * 200, "https://é\0/")
                )
                | texts
            )
        case "scopes":
            return st.sampled_from(("tasks", "admin")) | texts
        case _:
            return texts
