"""Reads a multipart form whichever way the client encoded file names; see `ws_gateway.http.filenames`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ws_gateway.http.filenames import with_plain_filename
from ws_gateway.http.problems import Problem

# Starlette would decode the form with the declared charset, and some of Python's codecs yield halves of characters,
# or fail.
_CHARSET = re.compile(r";\s*charset\s*=\s*(?:\"[^\"]*\"|[^;\s]*)", re.IGNORECASE)


class _Parser(MultiPartParser):
    """Starlette's parser, which treats a part as a file only if it has a plain ``filename``."""

    def on_headers_finished(self) -> None:
        part = self._current_part
        if part.content_disposition is not None:
            part.content_disposition = with_plain_filename(part.content_disposition)
        super().on_headers_finished()

    def close(self) -> None:
        """Close all files, including one that was cut off and so never became part of the form."""
        for file in self._files_to_close_on_error:
            file.close()


@asynccontextmanager
async def multipart_form(
    request: Request, *, max_files: int, max_fields: int, max_part_size: int
) -> AsyncIterator[FormData]:
    """Read the form; its files are closed after the block. ``max_part_size`` bounds fields, not files, in bytes.

    Text is UTF-8, or Latin-1 where it is no UTF-8; forms have no parameter ``charset`` (RFC 7578), and one is ignored.

    Raises:
        Problem: 400, the body is not a multipart form within these limits.

    """
    headers = Headers({"content-type": _CHARSET.sub("", request.headers.get("content-type", ""))})
    parser = _Parser(headers, request.stream(), max_files=max_files, max_fields=max_fields, max_part_size=max_part_size)
    try:
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "bad_request", error.message) from None
        try:
            yield form
        finally:
            await form.close()
    finally:
        parser.close()
