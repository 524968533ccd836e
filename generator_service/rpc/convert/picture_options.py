"""Conversion of options, engines and presets from and to messages."""

from __future__ import annotations

from functools import lru_cache

from generator_service.domain.engine_info import EngineInfo
from generator_service.domain.errors import InvalidRequest
from generator_service.domain.finding import Region
from generator_service.domain.hints import Hint, HintKind
from generator_service.domain.presets import Preset
from generator_service.domain.task import (
    CUSTOM_PRESET,
    Content,
    Engine,
    OutputFormat,
    Shadow,
    TaskOptions,
)
from whitebg.v1 import generator_service_pb2, task_pb2
from whitebg_process.proto_enums import numbers

ENGINES = numbers(Engine, task_pb2.Engine)
FORMATS = numbers(OutputFormat, task_pb2.OutputFormat)
CONTENTS = numbers(Content, task_pb2.Content)
SHADOWS = numbers(Shadow, task_pb2.Shadow)
HINT_KINDS = numbers(HintKind, task_pb2.HintKind)
_ENGINE_OF = {number: engine for engine, number in ENGINES.items()} | {task_pb2.ENGINE_REMBG: Engine.NEURAL}
_FORMAT_OF = {number: form for form, number in FORMATS.items()}
_CONTENT_OF = {number: content for content, number in CONTENTS.items()}
_SHADOW_OF = {number: shadow for shadow, number in SHADOWS.items()}
_HINT_KIND_OF = {number: kind for kind, number in HINT_KINDS.items()}


def engine_from(number: task_pb2.Engine.ValueType, field: str) -> Engine:
    """Read an engine.

    Raises:
        InvalidRequest: the number is not a known engine.

    """
    if number not in _ENGINE_OF and number != task_pb2.ENGINE_UNSPECIFIED:
        raise InvalidRequest(field, f"{number} is not an engine")
    return _ENGINE_OF.get(number, Engine.AUTO)


def options_from(message: task_pb2.TaskOptions) -> TaskOptions:
    """Read options; the domain checks ranges and presets.

    Raises:
        InvalidRequest: a number is not a value of its enum.

    """
    engine = message.engine or task_pb2.ENGINE_AUTO
    if engine not in _ENGINE_OF:
        raise InvalidRequest("options.engine", f"{engine} is not an engine")
    if message.format and message.format not in _FORMAT_OF:
        raise InvalidRequest("options.format", f"{message.format} is not an output format")
    content = message.content or task_pb2.CONTENT_PICTURE
    if content not in _CONTENT_OF:
        raise InvalidRequest("options.content", f"{content} is not a content")
    shadow = message.shadow or task_pb2.SHADOW_NONE
    if shadow not in _SHADOW_OF:
        raise InvalidRequest("options.shadow", f"{shadow} is not a shadow")
    return TaskOptions(
        engine=_ENGINE_OF[engine],
        preset=message.preset or CUSTOM_PRESET,
        format=_FORMAT_OF.get(message.format),
        size_px=message.size_px or None,
        fill=message.fill or None,
        margin=message.margin if message.HasField("margin") else None,
        background=message.background or None,
        shadow=_SHADOW_OF[shadow],
        content=_CONTENT_OF[content],
        prompt=message.prompt,
        hints=tuple(_hint_from(hint, f"options.hints[{number}]") for number, hint in enumerate(message.hints)),
        rotation=message.rotation,
        move_x=message.move_x,
        move_y=message.move_y,
        scale=message.scale or 1.0,
        crop=_region_from(message.crop) if message.HasField("crop") else None,
    )


def _region_from(message: task_pb2.Region) -> Region:
    return Region(left=message.left, top=message.top, right=message.right, bottom=message.bottom)


def _hint_from(message: task_pb2.Hint, field: str) -> Hint:
    if message.kind not in _HINT_KIND_OF:
        raise InvalidRequest(f"{field}.kind", f"{message.kind} is not a kind of hint; use KEEP or DROP")
    if not message.HasField("region"):
        raise InvalidRequest(f"{field}.region", "is missing; name the region of the photo")
    return Hint(region=_region_from(message.region), kind=_HINT_KIND_OF[message.kind])


@lru_cache(maxsize=256)
def options(value: TaskOptions) -> task_pb2.TaskOptions:
    """Convert options to a message, which must not be changed: equal options give the same one."""
    return task_pb2.TaskOptions(
        engine=ENGINES[value.engine],
        preset=value.preset,
        format=task_pb2.OUTPUT_FORMAT_UNSPECIFIED if value.format is None else FORMATS[value.format],
        size_px=value.size_px or 0,
        fill=value.fill or 0,
        margin=value.margin,
        background=value.background or "",
        shadow=SHADOWS[value.shadow],
        content=CONTENTS[value.content],
        prompt=value.prompt,
        hints=[task_pb2.Hint(region=region(hint.region), kind=HINT_KINDS[hint.kind]) for hint in value.hints],
        rotation=value.rotation,
        move_x=value.move_x,
        move_y=value.move_y,
        scale=value.scale,
        crop=None if value.crop is None else region(value.crop),
    )


def engine_info(value: EngineInfo) -> generator_service_pb2.EngineInfo:
    """Convert information about an engine."""
    return generator_service_pb2.EngineInfo(
        engine=ENGINES[value.engine], available=value.available, model=value.model, hint=value.hint
    )


def region(value: Region) -> task_pb2.Region:
    """Convert a region of a photo to a message."""
    return task_pb2.Region(left=value.left, top=value.top, right=value.right, bottom=value.bottom)


def preset(value: Preset) -> generator_service_pb2.Preset:
    """Convert a preset to a message."""
    return generator_service_pb2.Preset(
        name=value.name,
        rule=value.rule,
        source=value.source,
        size_px=value.size_px or 0,
        fill=value.fill,
        format=FORMATS[value.format],
        max_bytes=value.max_bytes or 0,
        min_size_px=value.sizes_px[0],
        max_size_px=value.sizes_px[1],
        min_fill=value.fills[0],
        max_fill=value.fills[1],
        formats=[number for form, number in FORMATS.items() if form in value.formats],
        pure_white=value.white,
    )
