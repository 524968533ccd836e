"""Reading a photo and its options from a multipart form."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from protos.whitebg.v1 import task_pb2
from ws_gateway.http.models import OptionsForm
from ws_gateway.http.problems import Problem, invalid

FORM_OVERHEAD = 128 * 1024
"""Bytes that a form may take beside the photo."""
_MAX_FIELDS = 16
_MAX_FIELD_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A photo and what to make of it."""

    image: bytes
    filename: str
    options: task_pb2.TaskOptions


def _form_schema() -> dict[str, Any]:
    schema = OptionsForm.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        # The form stands alone in the document, so the enumerations are written out where they are used.
        for part in (field, *field.get("anyOf", ())):
            if "$ref" in part:
                part.update(definitions[part.pop("$ref").rsplit("/", 1)[1]])
        schema["properties"][name] = field
    schema["properties"]["file"] = {"type": "string", "format": "binary", "description": "The photo, at most 25 MiB"}
    schema["required"] = ["file"]
    return schema


OPENAPI: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _form_schema()}}}
}
"""The form, for the API's documentation: it is read only after the caller is known, so not by a parameter."""


async def read_upload(request: Request, max_bytes: int) -> Upload:
    """Read the form.

    Raises:
        Problem: 400 no photo, 413 too large, 415 not a multipart form, 422 an option can't be used.

    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "not_a_form",
            f"the content type is {content_type[:80]!r}; send multipart/form-data with the photo as `file`",
        )
    async with request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Problem(
                HTTPStatus.BAD_REQUEST, "file_missing", "the form has no photo; send it as `file`, with a file name"
            )
        image = await file.read(max_bytes + 1)
        if len(image) > max_bytes:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "image_too_large",
                f"the photo is over {max_bytes} bytes; send a smaller one",
            )
        fields = {name: value for name, value in form.multi_items() if name != "file" and value != ""}
        return Upload(image, file.filename or "", _options(fields))


def _options(fields: dict[str, UploadFile | str]) -> task_pb2.TaskOptions:
    try:
        return OptionsForm.model_validate(fields).to_proto()
    except ValidationError as error:
        problems = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise invalid(problems) from None
