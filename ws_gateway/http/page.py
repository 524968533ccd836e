"""The page: built from ``clients/web``, and served as the files it was built to."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from ws_gateway.components import Gateway
from ws_gateway.http.compression import accepts_gzip
from ws_gateway.http.dependencies import InGateway
from ws_gateway.http.guests import own_address
from ws_gateway.http.problems import Problem

router = APIRouter(include_in_schema=False)

_CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_REVALIDATE = "no-cache"
_FOREVER = "public, max-age=31536000, immutable"
"""For files whose name changes with their content."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page."""

    media_type: str
    plain: bytes
    gzipped: bytes
    """The same by gzip; made once, when the gateway starts."""


def _headers(gateway: Gateway, cache: str) -> dict[str, str]:
    # The page needs nothing from elsewhere but images, where they are in a bucket; it makes no script or style of its
    # own, and shows in no frame. Photos that were not sent yet are blobs.
    images = f" {gateway.settings.image_origin}" if gateway.settings.image_origin else ""
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:{images}; "
        f"connect-src 'self'{images}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Cache-Control": cache,
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Vary": "Accept-Encoding",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _read(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()


FILES = {
    path: PageFile(_CONTENT_TYPES[path.rpartition(".")[2]], content, gzip.compress(content, mtime=0))
    for path, content in _read(files("ws_gateway").joinpath("static"))
}
"""All files of the page by their path: under 1 MB together, read once."""


def _respond(request: Request, gateway: Gateway, file: PageFile, cache: str) -> Response:
    headers, body = _headers(gateway, cache), file.plain
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"], body = "gzip", file.gzipped
    return Response(body, media_type=file.media_type, headers=headers)


@router.get("/")
@router.get("/admin")
async def index(request: Request, gateway: InGateway) -> Response:
    """Return the page, which names the files that it is made of and shows what its address names.

    Guests are redirected to one name of this machine: a browser stores a session for each name separately.
    """
    if (address := own_address(request, gateway)) is not None:
        headers = {"Location": address, "Cache-Control": "no-store"}
        return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers=headers)
    return _respond(request, gateway, FILES["index.html"], _REVALIDATE)


@router.get("/assets/{name}")
async def asset(request: Request, gateway: InGateway, name: str) -> Response:
    """Return a file of the page."""
    file = FILES.get(f"assets/{name}")
    if file is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", f"there is no {request.url.path}; reload the page")
    return _respond(request, gateway, file, _FOREVER)
