"""Names and report of the pictures that a command saves."""

from __future__ import annotations

from whitebg import models
from whitebg.cli.problems import Problem
from whitebg_process.result_files import NamePattern, ResultFile, UnusablePattern


def name_pattern(text: str) -> NamePattern:
    """Read a pattern of file names.

    Raises:
        Problem: it can't be used.

    """
    try:
        return NamePattern(text)
    except UnusablePattern as error:
        raise Problem(error.problem, error.remedy) from None


def result_file(task: models.Task) -> ResultFile:
    """Describe a task's result."""
    named = ResultFile(task_id=task.task_id, photo=task.input.filename, market=task.options.preset or "")
    result = task.result
    if result is None:
        return named
    return ResultFile(
        task_id=named.task_id,
        photo=named.photo,
        market=named.market,
        content_type=result.content_type,
        verdict=result.verdict.name.lower(),
        reasons=tuple(result.verdict_reasons),
        review=task.review,
        width=result.width,
        height=result.height,
        size_bytes=result.size_bytes,
    )
