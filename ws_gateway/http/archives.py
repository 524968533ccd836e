"""Results of many tasks as one ZIP file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from whitebg_process.result_files import NamePattern
from ws_gateway.components import Gateway
from ws_gateway.http.dependencies import InGateway, TaskUser
from ws_gateway.http.paced_response import PacedResponse
from ws_gateway.http.problems import documented
from ws_gateway.http.task_models import NamedTask
from ws_gateway.upstream.archive import archive

router = APIRouter(tags=["images"])

MAX_ARCHIVED = 1000
DEFAULT_NAME = "{market}/{name}-white"
_TYPE = "application/zip"
_HEADERS = {"Content-Disposition": 'attachment; filename="whitebg.zip"', "Cache-Control": "no-store"}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The archive", "content": {_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    **documented(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
}


def _usable(name: str) -> str:
    NamePattern(name)
    return name


class ArchiveIn(BaseModel):
    """The results to pack, and the names of their files."""

    model_config = ConfigDict(extra="forbid")

    task_ids: list[NamedTask] = Field(min_length=1, max_length=MAX_ARCHIVED)
    name: Annotated[str, AfterValidator(_usable)] = Field(
        DEFAULT_NAME,
        max_length=200,
        description="Name of each file without extension, with {name}, {sku}, {market} and {n}; / separates folders",
    )


@router.post("/api/v2/tasks/archive", response_class=Response, responses=_RESPONSES)
async def pack(wanted: ArchiveIn, gateway: InGateway, user: TaskUser) -> StreamingResponse:
    """Download the results of tasks as one ZIP file, with `report.csv`: their verdicts, decisions and problems.

    Tasks that have no result, or do not exist, are in the report only. The file is sent while it is written; a
    connection that ends early leaves it incomplete, and one that is read too slowly ends. A further one of the same
    user waits for its turn.
    """
    chunks = _within_slot(gateway, user.subject, wanted)
    # Waits for the first bytes, because a status can't be taken back.
    first = await anext(chunks)
    grace = gateway.settings.body_grace.total_seconds()
    return PacedResponse(_joined(first, chunks), grace=grace, media_type=_TYPE, headers=_HEADERS)


async def _within_slot(gateway: Gateway, user_id: str, wanted: ArchiveIn) -> AsyncGenerator[bytes]:
    packed = archive(gateway.service, user_id, wanted.task_ids, NamePattern(wanted.name))
    async with gateway.archives.slot(user_id), aclosing(packed) as chunks:
        async for chunk in chunks:
            yield chunk


async def _joined(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest) as chunks:
        yield first
        async for chunk in chunks:
            yield chunk
