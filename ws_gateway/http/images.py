"""Images by signed link or by the owner's token: streamed through, never whole in memory, or fetched from the bucket.

Browsers that can reach the bucket of images are redirected to it; access to an image is still decided here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from whitebg.v1 import generator_service_pb2 as pb
from ws_gateway.auth.image_urls import Link, LinkExpired, LinkRejected
from ws_gateway.auth.jwt import Scope
from ws_gateway.components import Gateway
from ws_gateway.http.dependencies import Bearer, InGateway, TaskId, TaskUser, check_bearer
from ws_gateway.http.head import WITHOUT_BODY
from ws_gateway.http.problems import Problem, documented
from ws_gateway.http.ranges import ByteRange, Unsatisfiable, parse_range

router = APIRouter(tags=["images"])

_MAX_AGE_S = 3600
_REDIRECT_FOR = timedelta(minutes=10)
"""How long a link to the bucket is good, at most; the link that led there may end earlier. It is followed at once, and
for half of that time again out of the browser's cache."""


class ImageName(StrEnum):
    """Which image of a task."""

    INPUT = "input"
    RESULT = "result"
    THUMBNAIL = "thumbnail"
    MASK = "mask"

    @property
    def kind(self) -> pb.ImageKind.ValueType:
        """The same for the service."""
        return pb.ImageKind.Value(f"IMAGE_KIND_{self.name}")


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {}}, "description": "The image"},
    206: {"content": {"image/*": {}}, "description": "The part asked for by Range"},
    307: {"description": "The image is to be fetched from `Location`, which is good for some minutes"},
    304: {"description": "The client has it already (If-None-Match)"},
    416: {"description": "The range lies past the end"},
    **documented(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
}


Download = Annotated[bool, Query(description="Save instead of show")]


@router.get("/api/v2/tasks/{task_id}/images/{kind}", response_class=Response, responses=_RESPONSES)
async def image(
    request: Request, task_id: TaskId, kind: ImageName, gateway: InGateway, user: TaskUser, download: Download = False
) -> Response:
    """Fetch an image of one of the caller's tasks."""
    return await _image(request, gateway, user.subject, task_id, kind, _REDIRECT_FOR, download=download)


@router.get("/images/{task_id}/{kind}", response_class=Response, responses=_RESPONSES)
async def linked_image(
    request: Request,
    task_id: TaskId,
    kind: ImageName,
    gateway: InGateway,
    credentials: Bearer,
    user: Annotated[str, Query(max_length=255, description="The owner, as in the signed link")] = "",
    exp: Annotated[int, Query(ge=0, le=2**40, description="When the link expires, in Unix seconds")] = 0,
    sid: Annotated[str, Query(max_length=255, description="The session that the link was given to")] = "",
    iat: Annotated[int | None, Query(ge=0, le=2**40, description="When its token was issued, in Unix seconds")] = None,
    sig: Annotated[str, Query(max_length=100, description="The link's signature")] = "",
    download: Download = False,
) -> Response:
    """Fetch an image by a signed link from another response, without a token.

    A token in place of the signature is accepted for older clients; see `/api/v2/tasks/{task_id}/images/{kind}`.
    """
    if sig:
        link = Link(task_id=task_id, kind=kind, user_id=user, expires=exp, session_id=sid, issued=iat)
        try:
            gateway.image_urls.check(link, sig)
        except LinkExpired as error:
            raise Problem(HTTPStatus.GONE, "link_expired", str(error)) from None
        except LinkRejected as error:
            raise Problem(HTTPStatus.FORBIDDEN, "bad_signature", str(error)) from None
        if (await gateway.authority.revocations()).covers(
            user_id=user, session_ids=[sid] if sid else [], issued_at=link.issued_at
        ):
            raise Problem(HTTPStatus.FORBIDDEN, "session_revoked", "the link's session was revoked; sign in again")
        owner = user
        good_for = min(_REDIRECT_FOR, timedelta(seconds=max(1, exp - int(gateway.clock.now().timestamp()))))
    else:
        owner = (await check_bearer(gateway, credentials, Scope.TASKS)).subject
        good_for = _REDIRECT_FOR
    return await _image(request, gateway, owner, task_id, kind, good_for, download=download)


async def _image(
    request: Request,
    gateway: Gateway,
    owner: str,
    task_id: int,
    kind: ImageName,
    good_for: timedelta,
    *,
    download: bool,
) -> Response:
    """Redirect to the bucket for at most ``good_for`` where there is one, else respond with the image."""
    if gateway.settings.s3_public_url:
        url = await gateway.service.image_url(owner, task_id, kind.kind, lifetime=good_for, attachment=download)
        if url:
            return _redirect(url, good_for)
    info = await gateway.service.image(owner, task_id, kind.kind)
    return await _respond(request, gateway, owner, task_id, kind, info, download=download)


def _redirect(url: str, good_for: timedelta) -> Response:
    headers = {
        "Location": url,
        "Cache-Control": f"private, max-age={int(good_for.total_seconds()) // 2}",
        # The link contains a signature and must not reach other sites.
        "Referrer-Policy": "no-referrer",
    }
    return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers=headers)


async def _respond(
    request: Request, gateway: Gateway, owner: str, task_id: int, kind: ImageName, info: pb.ImageInfo, *, download: bool
) -> Response:
    etag = f'"{info.etag}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={_MAX_AGE_S}",
        "Content-Disposition": _disposition("attachment" if download else "inline", info.filename),
        # The bytes came from a stranger: a browser is to take them for an image and nothing else.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    # If-Range: a part of another image than the client has is no use to it.
    unchanged = request.headers.get("if-range", etag) == etag
    try:
        part = parse_range(request.headers.get("range"), info.size_bytes) if unchanged else None
    except Unsatisfiable:
        headers["Content-Range"] = f"bytes */{info.size_bytes}"
        return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    whole = ByteRange(0, info.size_bytes)
    headers["Content-Length"] = str((part or whole).length)
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.last}/{info.size_bytes}"
    status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
    if WITHOUT_BODY in request.scope:
        return Response(status_code=status, media_type=info.content_type, headers=headers)
    span = part or whole
    stream = gateway.service.download(owner, task_id, kind.kind, offset=span.start, length=span.length)
    # Waits for the first bytes, because a status can't be taken back: an image that is lost is a 404.
    first = await anext(stream)
    return StreamingResponse(_chunks(first, stream), status_code=status, media_type=info.content_type, headers=headers)


async def _chunks(
    first: pb.DownloadImageResponse, rest: AsyncGenerator[pb.DownloadImageResponse]
) -> AsyncGenerator[bytes]:
    async with aclosing(rest) as messages:
        yield first.chunk
        async for message in messages:
            yield message.chunk


def _matches(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in if_none_match.split(","))


def _disposition(kind: str, filename: str) -> str:
    """Return the header with the name for old clients in ASCII, and for all others as it is (RFC 6266)."""
    ascii_name = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    return f"{kind}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(filename, safe='')}"
