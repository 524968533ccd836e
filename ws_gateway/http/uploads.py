"""Reading a photo, its mask and its options from a multipart form."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, BinaryIO

from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from whitebg.v1 import task_pb2
from ws_gateway.http.filenames import decoded_filename
from ws_gateway.http.multipart import multipart_form
from ws_gateway.http.options import OptionsForm
from ws_gateway.http.problems import Problem, invalid

FORM_OVERHEAD = 128 * 1024
"""Bytes that a form may take beside its files."""
MAX_MASK_BYTES = 8 * 1024 * 1024
_FILES = ("file", "mask")
_MAX_FIELDS = 24
_MAX_FIELD_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded photo with its mask and options."""

    image: BinaryIO | None
    """The file, open until its form is closed; None where the photo of an earlier task is taken."""
    filename: str
    mask: BinaryIO | None
    outputs: Sequence[task_pb2.TaskOptions]
    """Of the pictures to make, at least one."""


def _form_schema(*, photo: bool) -> dict[str, Any]:
    schema = OptionsForm.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        # The form stands alone in the document, so the enumerations are written out where they are used.
        for part in (field, *field.get("anyOf", ())):
            if "$ref" in part:
                part.update(definitions[part.pop("$ref").rsplit("/", 1)[1]])
        schema["properties"][name] = field
    schema["properties"]["mask"] = {
        "type": "string",
        "format": "binary",
        "description": "The product's outline in place of the engine's own: PNG, WebP or JPEG, white where the product "
        "is, or transparent where it is not; with the upright photo's aspect ratio, at most 8 MiB",
    }
    if photo:
        schema["properties"]["file"] = {
            "type": "string",
            "format": "binary",
            "description": "The photo, at most 25 MiB",
        }
        schema["required"] = ["file"]
    return schema


def _openapi(*, photo: bool) -> dict[str, Any]:
    schema = _form_schema(photo=photo)
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


UPLOAD_OPENAPI, VERSION_OPENAPI = _openapi(photo=True), _openapi(photo=False)
"""The forms, for the API's documentation: they are read only after the caller is known, so not by a parameter."""


@asynccontextmanager
async def received_form(request: Request) -> AsyncIterator[FormData]:
    """Receive the form; each of its files is in memory up to 1 MiB, and in a temporary file beyond.

    Raises:
        Problem: 400 not a whole form, 408 too slow, 413 too large, 415 not a multipart form.

    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "not_a_form",
            f"the content type is {content_type[:80]!r}; send multipart/form-data",
        )
    async with multipart_form(
        request, max_files=_MAX_FIELDS, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
    ) as form:
        yield form


def read_upload(form: FormData, max_bytes: int) -> Upload:
    """Read the photo, its mask if there is one, and its options from a form.

    Raises:
        Problem: 400 no photo, 413 too large, 422 a field is there twice or can't be used.

    """
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Problem(
            HTTPStatus.BAD_REQUEST, "file_missing", "the form has no photo; send it as `file`, with a file name"
        )
    if (file.size or 0) > max_bytes:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "image_too_large",
            f"the photo is over {max_bytes} bytes; send a smaller one",
        )
    _require_each_once(form)
    mask, outputs = _mask(form), _outputs(form)
    return Upload(file.file, decoded_filename(file.filename or ""), mask, outputs)


def read_version(form: FormData) -> Upload:
    """Read the options, and the mask if there is one, of a new version of an earlier task's result.

    Raises:
        Problem: 400 there is a photo, 413 too large, 422 a field is there twice or can't be used.

    """
    if "file" in form:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "file_unexpected",
            "a new version is made of the earlier task's photo; leave `file` out, or submit a new task",
        )
    _require_each_once(form)
    return Upload(None, "", _mask(form), _outputs(form))


def _require_each_once(form: FormData) -> None:
    """Reject a field that is there twice: of two photos or options, one would be dropped without a word."""
    counts = Counter(name for name, _ in form.multi_items())
    repeated = {name: count for name, count in counts.items() if count > 1}
    if repeated:
        problems = [(name, f"is there {count} times; send it once in each request") for name, count in repeated.items()]
        raise invalid(problems)


def _mask(form: FormData) -> BinaryIO | None:
    mask = form.get("mask")
    if mask is None or mask == "":
        return None
    if not isinstance(mask, UploadFile):
        raise invalid([("mask", "is no file; send it with a file name")])
    if (mask.size or 0) > MAX_MASK_BYTES:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "mask_too_large",
            f"the mask is over {MAX_MASK_BYTES} bytes; save it as PNG, or smaller",
        )
    if mask.filename and not mask.size:
        # The service would take it for none. A page's field without a file comes without a name.
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "mask_empty", "the mask's file is empty; send a PNG, WebP or JPEG file"
        )
    return mask.file if mask.size else None


def _outputs(form: FormData) -> Sequence[task_pb2.TaskOptions]:
    fields = {name: value for name, value in form.multi_items() if name not in _FILES and value != ""}
    try:
        return OptionsForm.model_validate(fields).outputs()
    except ValidationError as error:
        problems = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise invalid(problems) from None
