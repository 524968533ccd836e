"""Conversion between a class and the message whose fields have the same names, so that no table repeats them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar, get_args, get_type_hints

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from whitebg_process.proto_enums import value_names

_Value = TypeVar("_Value")
_Message = TypeVar("_Message", bound=Message)


class InvalidField(ValueError):
    """A field of a message can't be read."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        """The field, such as ``options.hints[2].kind``."""
        self.problem = problem


class _Codec(Protocol):
    def read(self, value: Any, path: str) -> Any: ...

    def write(self, value: Any) -> Any: ...


class MessageFields(Generic[_Value, _Message]):
    """Converts between instances of a class, annotated field by field, and messages.

    - A zero of the message is the class's default where it has one; None is the message's zero, or an unset field.
    - Enums are matched by the names of their members, and other classes by their fields in turn. A field annotated with
      ``str``, or literals of it, gets the lower-case name of an enum's value.
    - Fields that only one of the two has are left alone.
    - A number that the enum lacks, as a newer peer may send, is its member ``UNKNOWN``. Without such a member it is the
      default, or an error if ``strict``.
    """

    def __init__(self, cls: type[_Value], message: type[_Message], *, strict: bool = False) -> None:
        self._cls = cls
        self._message = message
        self._strict = strict
        hints = get_type_hints(cls)
        # Their class depends on protobuf's implementation.
        fields: Mapping[str, Any] = message.DESCRIPTOR.fields_by_name
        self._codecs = {name: _codec(field, hints[name], strict) for name, field in fields.items() if name in hints}
        parameters = inspect.signature(cls).parameters
        self._required = {name for name in self._codecs if parameters[name].default is inspect.Parameter.empty}
        self._nullable = {name for name in self._required if fields[name].has_presence and _allows_none(hints[name])}

    def read(self, message: _Message, path: str = "") -> _Value:
        """Return the instance that a message describes. ``path`` names the message in errors.

        Raises:
            InvalidField: an enum's number is unknown, or a message is missing that has no default.

        """
        found = {field.name: value for field, value in message.ListFields() if field.name in self._codecs}
        values: dict[str, Any] = dict.fromkeys(self._nullable)
        for name in self._required - self._nullable - found.keys():
            if self._strict and isinstance(self._codecs[name], MessageFields):
                raise InvalidField(_join(path, name), "is missing")
            found[name] = getattr(message, name)
        for name, value in found.items():
            try:
                values[name] = self._codecs[name].read(value, _join(path, name))
            except _UnknownNumber:
                if self._strict or name in self._required:
                    raise
        return self._cls(**values)

    def write(self, value: _Value) -> _Message:
        """Return the message that describes an instance.

        Raises:
            ValueError: the message's enum lacks a member, such as ``UNKNOWN``.

        """
        given = ((name, getattr(value, name)) for name in self._codecs)
        return self._message(**{name: self._codecs[name].write(each) for name, each in given if each is not None})


class _UnknownNumber(InvalidField):
    pass


class _Members:
    """Members of an enum."""

    def __init__(self, cls: type[Enum], enum: EnumDescriptor) -> None:
        named = {name: number for number, name in value_names(enum).items() if name in cls.__members__}
        self._members = {number: cls.__members__[name] for name, number in named.items()}
        # An alias, such as a deprecated name, is read and not written.
        self._numbers = {member: named[member.name] for member in self._members.values()}
        self._unknown = cls.__members__.get("UNKNOWN")

    def read(self, value: int, path: str) -> Enum:
        member = self._members.get(value, self._unknown)
        if member is None:
            raise _UnknownNumber(path, f"{value} is not one of {', '.join(each.name for each in self._numbers)}")
        return member

    def write(self, value: Enum) -> int:
        if value not in self._numbers:
            raise ValueError(
                f"{value!r} can't be asked for; use one of {', '.join(str(each) for each in self._numbers)}"
            )
        return self._numbers[value]


class _Names:
    """Names of an enum's values, in lower case."""

    def __init__(self, enum: EnumDescriptor) -> None:
        self._names = {number: name.lower() for number, name in value_names(enum).items()}
        self._numbers = {name: number for number, name in self._names.items()}

    def read(self, value: int, path: str) -> str:
        del path
        return self._names.get(value, "unknown")

    def write(self, value: str) -> int:
        return self._numbers[value]


class _Same:
    """A value of the same type in both."""

    def read(self, value: Any, path: str) -> Any:
        del path
        return value

    def write(self, value: Any) -> Any:
        return value


class _Several:
    """Several of the same kind."""

    def __init__(self, each: _Codec) -> None:
        self._each = each

    def read(self, value: Any, path: str) -> Any:
        return tuple(self._each.read(item, f"{path}[{number}]") for number, item in enumerate(value))

    def write(self, value: Any) -> Any:
        return [self._each.write(item) for item in value]


def _codec(field: Any, hint: Any, strict: bool) -> _Codec:
    classes = list(_classes(hint))
    each: _Codec = _Same()
    if field.enum_type is not None:
        enums = [cls for cls in classes if issubclass(cls, Enum)]
        each = _Members(enums[0], field.enum_type) if enums else _Names(field.enum_type)
    elif field.message_type is not None:
        each = MessageFields(classes[0], GetMessageClass(field.message_type), strict=strict)
    return _Several(each) if field.is_repeated else each


def _classes(hint: Any) -> Iterator[type]:
    """Yield the classes that an annotation such as ``tuple[Hint, ...] | None`` names, containers aside."""
    if arguments := get_args(hint):
        for argument in arguments:
            yield from _classes(argument)
    elif isinstance(hint, type) and hint is not type(None):
        yield hint


def _allows_none(hint: Any) -> bool:
    return type(None) in get_args(hint)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
