"""Hashes that identify equal requests and requests for the same picture; stable across releases.

A fingerprint is a version and the SHA-256, in base64url, of a canonical JSON text that holds only what differs from the
defaults. So an option that is added later changes no fingerprint of requests that don't use it, and the names of
classes do not matter. Without a new version, the field names, the values of the enums, the defaults and the form of
this text must not change. `tests/unit/domain/test_fingerprints.py` pins all of them.

Of requests, ``v1`` had no batch, no earliest start and no source. Before ``v1``, fingerprints were the SHA-256, in
hex, of a ``repr`` of dataclasses and enums. `Fingerprints.older` holds those of former rules, computed from fixed
texts, so that rows of older releases are still recognised.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache

from generator_service.domain.task_options import Engine, TaskOptions

PICTURE_VERSION = "v1"
REQUEST_VERSION = "v2"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The fingerprints by which a request or a picture is recognised."""

    current: str
    """At most 64 characters; stored with new tasks."""
    older: tuple[str, ...] = ()
    """By the rules of older releases, as stored by them; empty if those could not express the request."""


def of_request(
    photo_sha256: str,
    options: TaskOptions,
    priority: int,
    timeout: timedelta | None,
    *,
    mask_sha256: str | None = None,
    batch_id: str | None = None,
    run_at: datetime | None = None,
    source_task_id: int | None = None,
) -> Fingerprints:
    """Return the fingerprints of a request, over all parameters; ``run_at`` in UTC."""
    asked = _picture(photo_sha256, options, mask_sha256)
    if priority:
        asked["priority"] = priority
    if timeout is not None:
        asked["timeout_us"] = timeout // timedelta(microseconds=1)
    old = None if mask_sha256 is not None else _unversioned_options(options)
    older = () if old is None else (f"({photo_sha256!r}, [{', '.join(old)}], {priority}, {timeout!r})",)
    added = {
        "batch": batch_id,
        "run_at_us": None if run_at is None else (run_at - _EPOCH) // timedelta(microseconds=1),
        "source": source_task_id,
    }
    whole = asked | {name: value for name, value in added.items() if value is not None}
    return Fingerprints(_hash(whole, REQUEST_VERSION), (_hash(asked, PICTURE_VERSION), *_unversioned(older)))


def of_picture(photo_sha256: str, options: TaskOptions, *, mask_sha256: str | None = None) -> Fingerprints:
    """Return the fingerprints of a picture, over photo, mask and options."""
    old = None if mask_sha256 is not None else _unversioned_options(options)
    older = () if old is None else (f"({', '.join([repr(photo_sha256), *old])})",)
    return Fingerprints(_hash(_picture(photo_sha256, options, mask_sha256), PICTURE_VERSION), _unversioned(older))


def _picture(photo_sha256: str, options: TaskOptions, mask_sha256: str | None) -> dict[str, object]:
    asked: dict[str, object] = {"photo": photo_sha256, "options": _changed(options)}
    if mask_sha256 is not None:
        asked["mask"] = mask_sha256
    return asked


@lru_cache(maxsize=256)
def _changed(options: TaskOptions) -> Mapping[str, object]:
    changed = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if value != field.default:
            changed[field.name] = _plain(value)
    return changed


def _plain(value: object) -> object:
    """Return a value in its JSON form; the field names of dataclasses must not change either."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return _written(value) if isinstance(value, Enum) else value


def _written(value: Enum) -> str:
    """Return the value of an enum as fingerprints hold it: the value from when it was first stored."""
    return "rembg" if value is Engine.NEURAL else str(value.value)


def _hash(asked: object, version: str) -> str:
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"{version}:{digest}"


_UNVERSIONED_FIELDS = (
    "background", "content", "engine", "fill", "format", "margin", "preset", "prompt", "shadow", "size_px",
)  # fmt: skip
_UNVERSIONED_ENUMS = {
    "content": {
        "picture": "Content.PICTURE",
        "transparent": "Content.TRANSPARENT",
        "mask": "Content.MASK",
    },
    "engine": {
        "auto": "Engine.AUTO",
        "local": "Engine.LOCAL",
        "gemini": "Engine.GEMINI",
        "rembg": "Engine.REMBG",
    },
    "format": {"png": "OutputFormat.PNG", "jpg": "OutputFormat.JPEG", "webp": "OutputFormat.WEBP"},
    "shadow": {"none": "Shadow.NONE", "contact": "Shadow.CONTACT"},
}


@lru_cache(maxsize=256)
def _unversioned_options(options: TaskOptions) -> Sequence[str] | None:
    """Return the options in the form of the old rule; None if it could not express them."""
    if not _changed(options).keys() <= set(_UNVERSIONED_FIELDS):
        return None
    written = []
    for name in _UNVERSIONED_FIELDS:
        value = getattr(options, name)
        if isinstance(value, Enum):
            member = _UNVERSIONED_ENUMS.get(name, {}).get(_written(value))
            if member is None:
                return None
            text = f"<{member}: {_written(value)!r}>"
        else:
            text = repr(value)
        written.append(f"({name!r}, {text})")
    return written


def _unversioned(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)
