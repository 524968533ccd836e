"""Conversion of options, presets and engines."""

from __future__ import annotations

from whitebg import models
from whitebg.convert.common import inverse
from whitebg.v1 import generator_service_pb2, task_pb2
from whitebg_process.proto_enums import numbers

_ENGINES_OUT = numbers(models.Engine, task_pb2.Engine)
ENGINES = inverse(_ENGINES_OUT) | {
    task_pb2.ENGINE_UNSPECIFIED: models.Engine.AUTO,
    task_pb2.ENGINE_REMBG: models.Engine.NEURAL,  # An older service's name for it.
}
_FORMATS_OUT = numbers(models.OutputFormat, task_pb2.OutputFormat)
FORMATS = inverse(_FORMATS_OUT)
_CONTENTS_OUT = numbers(models.Content, task_pb2.Content)
_CONTENTS = inverse(_CONTENTS_OUT)
_SHADOWS_OUT = numbers(models.Shadow, task_pb2.Shadow)
_SHADOWS = inverse(_SHADOWS_OUT)
_HINT_KINDS_OUT = numbers(models.HintKind, task_pb2.HintKind)
_HINT_KINDS = inverse(_HINT_KINDS_OUT)


def options_to_proto(options: models.TaskOptions) -> task_pb2.TaskOptions:
    """Convert options; None becomes the field's zero.

    Raises:
        ValueError: the engine, or the kind of a hint, is UNKNOWN, which can't be asked for.

    """
    if options.engine not in _ENGINES_OUT:
        raise ValueError(f"{options.engine!r} is not an engine to ask for; ask for one of {', '.join(_ENGINES_OUT)}")
    return task_pb2.TaskOptions(
        engine=_ENGINES_OUT[options.engine],
        preset=options.preset or "",
        format=_FORMATS_OUT[options.format] if options.format else task_pb2.OUTPUT_FORMAT_UNSPECIFIED,
        size_px=options.size_px or 0,
        fill=options.fill or 0.0,
        margin=options.margin,
        background=options.background or "",
        shadow=_SHADOWS_OUT[options.shadow],
        content=_CONTENTS_OUT[options.content],
        prompt=options.prompt,
        hints=[_hint_to_proto(hint) for hint in options.hints],
        rotation=options.rotation,
        move_x=options.move_x,
        move_y=options.move_y,
        scale=options.scale,
        crop=None if options.crop is None else region_to_proto(options.crop),
    )


def _hint_to_proto(hint: models.Hint) -> task_pb2.Hint:
    if hint.kind not in _HINT_KINDS_OUT:
        raise ValueError(f"{hint.kind!r} is not a hint to give; use one of {', '.join(_HINT_KINDS_OUT)}")
    return task_pb2.Hint(kind=_HINT_KINDS_OUT[hint.kind], region=region_to_proto(hint.region))


def region_to_proto(region: models.Region) -> task_pb2.Region:
    """Convert a region of the photo."""
    return task_pb2.Region(left=region.left, top=region.top, right=region.right, bottom=region.bottom)


def options_from_proto(options: task_pb2.TaskOptions) -> models.TaskOptions:
    """Convert options; a field's zero becomes None."""
    return models.TaskOptions(
        engine=ENGINES.get(options.engine, models.Engine.UNKNOWN),
        preset=options.preset or None,
        format=FORMATS.get(options.format),
        size_px=options.size_px or None,
        fill=options.fill or None,
        margin=options.margin if options.HasField("margin") else None,
        background=options.background or None,
        shadow=_SHADOWS.get(options.shadow, models.Shadow.NONE),
        content=_CONTENTS.get(options.content, models.Content.PICTURE),
        prompt=options.prompt,
        hints=tuple(
            models.Hint(kind=_HINT_KINDS.get(hint.kind, models.HintKind.UNKNOWN), region=region_from_proto(hint.region))
            for hint in options.hints
        ),
        rotation=options.rotation,
        move_x=options.move_x,
        move_y=options.move_y,
        scale=options.scale or 1.0,
        crop=region_from_proto(options.crop) if options.HasField("crop") else None,
    )


def region_from_proto(region: task_pb2.Region) -> models.Region:
    """Convert a region of the photo."""
    return models.Region(left=region.left, top=region.top, right=region.right, bottom=region.bottom)


def preset_from_proto(preset: generator_service_pb2.Preset) -> models.Preset:
    """Convert a preset; formats newer than this client are left out."""
    return models.Preset(
        name=preset.name,
        rule=preset.rule,
        source=preset.source,
        size_px=preset.size_px or None,
        fill=preset.fill,
        format=FORMATS.get(preset.format, models.OutputFormat.PNG),
        max_bytes=preset.max_bytes or None,
        sizes_px=(preset.min_size_px, preset.max_size_px),
        fills=(preset.min_fill, preset.max_fill),
        formats=tuple(FORMATS[each] for each in preset.formats if each in FORMATS),
        pure_white=preset.pure_white,
    )


def engine_from_proto(info: generator_service_pb2.EngineInfo) -> models.EngineInfo:
    """Convert an engine's description."""
    return models.EngineInfo(
        engine=ENGINES.get(info.engine, models.Engine.UNKNOWN),
        available=info.available,
        model=info.model or None,
        hint=info.hint or None,
    )
