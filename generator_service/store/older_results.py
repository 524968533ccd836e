"""Rows as older releases stored them, and as they can still read them."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

from generator_service.domain.finding import UNKNOWN_CODE
from generator_service.domain.task import ResultInfo, Task


def result_upgraded(stored: object) -> object:
    """Turn the sentences in ``warnings`` of a parsed result into findings; anything else is returned as it is."""
    if not isinstance(stored, dict) or "warnings" not in stored:
        return stored
    upgraded = {name: value for name, value in stored.items() if name != "warnings"}
    upgraded.setdefault("findings", [{"code": UNKNOWN_CODE, "message": each} for each in stored["warnings"]])
    return upgraded


def _task_upgraded(stored: object) -> object:
    if not isinstance(stored, dict) or "result" not in stored:
        return stored
    return {**stored, "result": result_upgraded(stored["result"])}


RESULT = TypeAdapter(ResultInfo)
TASK = TypeAdapter(Task)
_OLDER = '"warnings"'
"""In the JSON of every older result. To upgrade one takes more than twice as long as to read a present one."""


@cache
def _older_result() -> TypeAdapter[ResultInfo]:
    """Built when it is needed: that takes 8 ms, and most databases hold no older row."""
    return TypeAdapter(Annotated[ResultInfo, BeforeValidator(result_upgraded)])


@cache
def _older_task() -> TypeAdapter[Task]:
    return TypeAdapter(Annotated[Task, BeforeValidator(_task_upgraded)])


def result_from_json(stored: str) -> ResultInfo:
    """Read the result of a row."""
    return (_older_result() if _OLDER in stored else RESULT).validate_json(stored)


def task_from_json(stored: str) -> Task:
    """Read the task of an event's row."""
    return (_older_task() if _OLDER in stored else TASK).validate_json(stored)


def stored_json(adapter: TypeAdapter[Any], value: object) -> str:
    """Return a value as rows hold it: the neural engine has the name that older releases know.

    They reject a whole row that names an engine unknown to them. No text within a value is changed: its quotes are
    escaped.
    """
    return adapter.dump_json(value).replace(b'"engine":"neural"', b'"engine":"rembg"').decode()
