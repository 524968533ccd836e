"""The page: built from ``clients/web``, and served as the files it was built to."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from ws_gateway.gateway import Gateway
from ws_gateway.http.dependencies import InGateway
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
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _read(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()


FILES = dict(_read(files("ws_gateway").joinpath("static")))
"""All files of the page by their path: under 1 MB together, read once."""


@router.api_route("/", methods=["GET", "HEAD"])
async def index(gateway: InGateway) -> Response:
    """Return the page, which names the files that it is made of."""
    headers = _headers(gateway, _REVALIDATE)
    return Response(FILES["index.html"], media_type=_CONTENT_TYPES["html"], headers=headers)


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
async def asset(request: Request, gateway: InGateway, name: str) -> Response:
    """Return a file of the page."""
    body = FILES.get(f"assets/{name}")
    if body is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", f"there is no {request.url.path}; reload the page")
    media_type = _CONTENT_TYPES[name.rpartition(".")[2]]
    return Response(body, media_type=media_type, headers=_headers(gateway, _FOREVER))
