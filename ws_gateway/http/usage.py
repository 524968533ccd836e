"""Usage by day: that of the caller, and for operators that of all users; as JSON or CSV."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, Iterable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from whitebg.v1 import admin_service_pb2, usage_pb2
from whitebg_process.usage_table import usage_row, write_csv
from ws_gateway.http.dependencies import Admin, InGateway, TaskUser
from ws_gateway.http.problems import documented

router = APIRouter()

Format = Annotated[Literal["json", "csv"], Query(alias="format", description="csv: all pages as one file")]
First = Annotated[
    str, Query(alias="from", max_length=10, description="First day in UTC, YYYY-MM-DD; that of the last day's month")
]
Last = Annotated[str, Query(alias="to", max_length=10, description="Last day, inclusive; today if not given")]
_CSV = "text/csv; charset=utf-8"
_ATTACHMENT = {"Content-Disposition": 'attachment; filename="usage.csv"', "Cache-Control": "no-store"}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}}},
    **documented(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
}


class UsageOut(BaseModel):
    """What one user used on one day."""

    day: str = Field(description="In UTC, YYYY-MM-DD")
    user_id: str = Field(description="Empty: all deleted users together")
    photos: int = Field(description="Photos received; tasks that share a photo count it once")
    results: int = Field(description="Pictures made")
    local_seconds: float = Field(description="Work of the local engine, of attempts without a result too")
    neural_seconds: float
    gemini_seconds: float
    gemini_calls: int = Field(description="Calls that were begun, whatever their outcome")
    gemini_input_tokens: int
    gemini_output_tokens: int
    bytes_in: int = Field(description="Bytes of photos and masks stored")
    bytes_out: int = Field(description="Bytes of results stored: pictures, thumbnails and masks")

    @classmethod
    def of(cls, used: usage_pb2.DayUsage) -> UsageOut:
        """Read an entry of the service."""
        return cls.model_validate(usage_row(used))


class UsageList(BaseModel):
    """Usage by day; days without usage are left out."""

    usage: list[UsageOut]


class UsagePage(UsageList):
    """A page of the usage of all users, in the order of days, then users."""

    next_page_token: str = Field(description="`page_token` of the next page; empty on the last one")


@router.get("/api/v2/usage", tags=["tasks"], response_model=UsageList, responses=_RESPONSES)
async def own_usage(
    gateway: InGateway, user: TaskUser, first: First = "", last: Last = "", output: Format = "json"
) -> Response | UsageList:
    """Return what the caller used, by day."""
    found = await gateway.service.usage(user.subject, first_day=first, last_day=last)
    if output == "csv":
        return Response(_csv(found), media_type=_CSV, headers=_ATTACHMENT)
    return UsageList(usage=[UsageOut.of(each) for each in found])


@router.get("/api/v2/admin/usage", tags=["operations"], response_model=UsagePage, responses=_RESPONSES)
async def all_usage(
    gateway: InGateway,
    operator: Admin,
    first: First = "",
    last: Last = "",
    user_id: Annotated[str, Query(max_length=255, description="Only this user")] = "",
    page_token: Annotated[str, Query(max_length=300, description="`next_page_token` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    output: Format = "json",
) -> Response | UsagePage:
    """Return what all users used, by day."""
    request = admin_service_pb2.AdminServiceGetUsageRequest(
        first_day=first, last_day=last, user_id=user_id, page_token=page_token, page_size=limit
    )
    if output == "csv":
        pages = gateway.operators.all_usage(operator, request)
        # The first page is read before the response begins, so that a bad request gets its status.
        beginning = _csv(await anext(pages))
        return StreamingResponse(_following(beginning, pages), media_type=_CSV, headers=_ATTACHMENT)
    page = await gateway.operators.usage(operator, request)
    return UsagePage(usage=[UsageOut.of(each) for each in page.usage], next_page_token=page.next_page_token)


async def _following(beginning: str, pages: AsyncGenerator[list[usage_pb2.DayUsage]]) -> AsyncGenerator[str]:
    yield beginning
    async for page in pages:
        yield _csv(page, header=False)


def _csv(entries: Iterable[usage_pb2.DayUsage], *, header: bool = True) -> str:
    text = io.StringIO(newline="")
    write_csv(entries, text, header=header)
    return text.getvalue()
