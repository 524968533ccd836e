"""Settings from ``WHITEBG_*`` variables: what the service's and the gateway's have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from whitebg_process.durations import parse_duration
from whitebg_process.secret_files import read_secret

PREFIX = "WHITEBG_"
MIN_SIGNING_BYTES = 32
MAX_DURATION = timedelta(days=36_500)
"""Longer ones, added to the present, leave the calendar; this one is for ever."""
MAX_NUMBER = 2**31 - 1
"""Larger ones, in bytes or microseconds, leave the range of databases and operating systems."""
EMPTY_IS_UNSET = frozenset({"jwt_former_secrets", "metrics_port", "oidc_client_secret"})
"""Settings that an empty text unsets: Compose and `whitebg up` pass them so. Any other would have an effect."""


class ProcessSettings(BaseSettings):
    """Settings of one process.

    A duration is written as `parse_duration` reads it. A secret may be in a file instead, named by the variable with
    ``_FILE`` at its end.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        environment = {name.upper(): value for name, value in os.environ.items()}
        for name, field in cls.model_fields.items():
            variable = f"{PREFIX}{name.upper()}"
            path = environment.get(f"{variable}_FILE")
            if not path or not _holds(field, SecretStr):
                continue
            if environment.get(variable):
                raise ValueError(f"{variable} and {variable}_FILE are both set; unset one of them")
            if not values.get(name):  # A value that the program passes wins, as it does over the environment.
                try:
                    values = values | {name: read_secret(Path(path))}
                except ValueError as error:
                    raise ValueError(f"{variable}_FILE: {error}") from error
        return values

    @field_validator("*", mode="before")
    @classmethod
    def _parse_text(cls, value: object, info: ValidationInfo) -> object:
        if info.field_name is None:
            return value
        field = cls.model_fields[info.field_name]
        if value == () or (isinstance(value, str) and not value.strip()):
            if info.field_name in EMPTY_IS_UNSET:
                return None
            # An empty host would listen on all addresses, and an empty path is the current folder.
            if field.get_default(call_default_factory=True) not in ("", ()):
                raise ValueError("is empty; give it a value, or unset it")
        return parse_duration(value) if isinstance(value, str) and _holds(field, timedelta) else value

    @field_validator("*")
    @classmethod
    def _bounded(cls, value: object) -> object:
        if isinstance(value, timedelta) and value > MAX_DURATION:
            raise ValueError(f"is longer than {MAX_DURATION.days} days; that is the longest duration")
        if type(value) is int and value > MAX_NUMBER:
            raise ValueError(f"{value} is more than {MAX_NUMBER}, the largest number")
        return value


@dataclass(frozen=True, slots=True)
class SettingInEffect:
    """A setting for operators to read."""

    name: str
    """The environment variable."""
    value: str
    """As text; empty if unset, and ``(secret)`` for a secret."""
    changed: bool
    """Whether it differs from the default."""


def in_effect(settings: ProcessSettings) -> Sequence[SettingInEffect]:
    """Return all settings of a process in the order of their declaration; no secret is readable in them."""
    found = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        changed = field.is_required() or value != field.get_default(call_default_factory=True)
        found.append(SettingInEffect(f"{PREFIX}{name.upper()}", _as_text(value), changed))
    return found


def _as_text(value: object) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return "(secret)"
        case bool():
            return str(value).lower()
        case timedelta():
            return f"{value.total_seconds():g}"
        case list() | tuple() | set() | frozenset():
            return ",".join(_as_text(each) for each in value)
        case _:
            return str(value)


def split_secrets(secrets: SecretStr | None) -> tuple[str, ...]:
    """Return signing secrets that are separated by white space.

    Raises:
        ValueError: one of them is too short; the message does not repeat it.

    """
    found = () if secrets is None else tuple(secrets.get_secret_value().split())
    for number, secret in enumerate(found, start=1):
        if len(secret.encode()) < MIN_SIGNING_BYTES:
            raise ValueError(
                f"secret {number} has less than {MIN_SIGNING_BYTES} bytes; separate whole secrets by spaces"
            )
    return found


def _holds(field: FieldInfo, kind: type) -> bool:
    """Return whether a field is of ``kind``, or of it or None."""
    return field.annotation is kind or kind in get_args(field.annotation)


def describe(error: ValidationError, settings: type[ProcessSettings]) -> Sequence[str]:
    """Return the problems, one line for each variable: its value unless it is secret, and the violated rules."""
    lines: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:  # A problem of several settings together names them itself.
            lines[message] = message
            continue
        name = str(problem["loc"][0])
        variable, secret = f"{PREFIX}{name.upper()}", _holds(settings.model_fields[name], SecretStr)
        if problem["type"] == "missing":
            found = " is not set; set it" + (f", or name a file in {variable}_FILE" if secret else "")
        elif secret or problem["type"] == "value_error":  # Our own messages quote the value where that helps.
            found = f": {message}"
        else:
            found = f": {_quoted(problem['input'])} can't be used: {message}"
        lines[variable] = f"{lines[variable]}; {found.removeprefix(': ')}" if variable in lines else variable + found
    return list(lines.values())


def _quoted(value: object) -> str:
    return f"{value.total_seconds():.15g}s" if isinstance(value, timedelta) else repr(value)
