"""A ZIP of results, written while it is sent: one picture at a time is in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import PurePosixPath
from zipfile import ZIP_STORED

from zipstream import ZipStream

from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1 import task_pb2
from whitebg_process.proto_enums import names
from whitebg_process.result_files import REPORT_NAME, ArchiveNames, NamePattern, ResultFile, report_text
from ws_gateway.protocol.messages import REVIEW_NAMES
from ws_gateway.upstream.client import ServiceClient
from ws_gateway.upstream.errors import ServiceError

_VERDICTS = names(task_pb2.ResultVerdict)


def result_file(task: task_pb2.Task) -> ResultFile:
    """Describe a task's result."""
    if task.state != task_pb2.TASK_STATE_COMPLETED:
        return ResultFile(task_id=task.task_id, photo=task.input.filename, market=task.options.preset)
    result = task.result
    return ResultFile(
        task_id=task.task_id,
        photo=task.input.filename,
        market=task.options.preset,
        content_type=result.content_type,
        verdict=_VERDICTS.get(result.verdict, "unknown"),
        reasons=tuple(result.verdict_reasons),
        review=REVIEW_NAMES[task.review],
        width=result.width,
        height=result.height,
        size_bytes=result.size_bytes,
    )


async def archive(
    service: ServiceClient, user_id: str, task_ids: Sequence[int], pattern: NamePattern
) -> AsyncGenerator[bytes]:
    """Yield the bytes of a ZIP with a user's results and ``report.csv``.

    Results that can't be read, because the task does not exist, has none or lost it meanwhile, have their line of the
    report with the problem.

    Raises:
        ServiceError: the service is unavailable; the archive is incomplete.

    """
    zipped = ZipStream(compress_type=ZIP_STORED)  # The pictures are compressed.
    taken = ArchiveNames()
    lines = []
    number = 0
    for task_id in dict.fromkeys(task_ids):
        result = ResultFile(task_id=task_id)
        path: PurePosixPath | None = None
        problem = ""
        try:
            task = await service.get(user_id, task_id)
            result = result_file(task)
            picture = await _picture(service, user_id, task_id)
        except ServiceError as error:
            if error.away:
                raise
            problem = error.message
        else:
            number += 1
            path = taken.reserve(pattern.path(result, number), result.content_type)
            zipped.add(picture, str(path))
            for chunk in zipped.all_files():
                yield chunk
        lines.append(result.report_line(path, problem))
    zipped.add(report_text(lines).encode(), REPORT_NAME)
    for chunk in zipped.finalize():
        yield chunk


async def _picture(service: ServiceClient, user_id: str, task_id: int) -> list[bytes]:
    """Read a result whole, so that one that is lost meanwhile leaves no broken entry."""
    async with aclosing(service.download(user_id, task_id, pb.IMAGE_KIND_RESULT)) as messages:
        return [message.chunk async for message in messages]
