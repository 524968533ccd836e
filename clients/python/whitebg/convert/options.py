"""Conversion of options, presets and engines."""

from __future__ import annotations

from whitebg import models
from whitebg.convert.common import inverse
from whitebg.v1 import generator_service_pb2, task_pb2
from whitebg_process.proto_enums import numbers
from whitebg_process.proto_fields import MessageFields

ENGINES = inverse(numbers(models.Engine, task_pb2.Engine)) | {
    task_pb2.ENGINE_UNSPECIFIED: models.Engine.AUTO,
    task_pb2.ENGINE_REMBG: models.Engine.NEURAL,  # An older service's name for it.
}
FORMATS = inverse(numbers(models.OutputFormat, task_pb2.OutputFormat))
_OPTIONS = MessageFields(models.TaskOptions, task_pb2.TaskOptions)


def options_to_proto(options: models.TaskOptions) -> task_pb2.TaskOptions:
    """Convert options; None becomes the field's zero.

    Raises:
        ValueError: the engine, or the kind of a hint, is UNKNOWN, which can't be asked for.

    """
    return _OPTIONS.write(options)


def options_from_proto(options: task_pb2.TaskOptions) -> models.TaskOptions:
    """Convert options; a field's zero becomes its default."""
    return _OPTIONS.read(options)


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
