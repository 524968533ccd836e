"""Enums of the contract by name, so that no table repeats their values: ``PENDING`` is ``TASK_STATE_PENDING``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Protocol, TypeVar

from google.protobuf.descriptor import EnumDescriptor

_Member = TypeVar("_Member", bound=Enum)
_Number_co = TypeVar("_Number_co", bound=int, covariant=True)


class ProtoEnum(Protocol[_Number_co]):
    """A generated enum."""

    @property
    def DESCRIPTOR(self) -> EnumDescriptor:  # noqa: N802  protobuf's name
        """Its description."""
        ...

    def Value(self, name: str) -> _Number_co:  # noqa: N802  protobuf's name
        """Return the number of a value."""
        ...


def numbers(members: type[_Member], proto: ProtoEnum[_Number_co]) -> dict[_Member, _Number_co]:
    """Return the number of each member of an enum in the contract's; ``UNKNOWN`` stands for newer values, and has none.

    Raises:
        ValueError: the contract lacks a member.

    """
    return {each: proto.Value(f"{_prefix(proto.DESCRIPTOR)}{each.name}") for each in members if each.name != "UNKNOWN"}


def names(proto: ProtoEnum[int]) -> Mapping[int, str]:
    """Return the lower-case name of each number of an enum but that of ``UNSPECIFIED``, without the enum's prefix."""
    return {number: name.lower() for number, name in value_names(proto.DESCRIPTOR).items()}


def value_names(enum: EnumDescriptor) -> dict[int, str]:
    """Return the name of each number of an enum but that of ``UNSPECIFIED``, without the enum's prefix."""
    prefix = _prefix(enum)
    return {value.number: value.name.removeprefix(prefix) for value in enum.values if value.number}


def _prefix(enum: EnumDescriptor) -> str:
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
