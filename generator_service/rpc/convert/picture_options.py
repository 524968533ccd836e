"""Conversion of options, engines and presets from and to messages."""

from __future__ import annotations

from functools import lru_cache

from generator_service.domain.engine_info import EngineInfo
from generator_service.domain.errors import InvalidRequest
from generator_service.domain.finding import Region
from generator_service.domain.presets import Preset
from generator_service.domain.task_options import Engine, OutputFormat, TaskOptions
from whitebg.v1 import generator_service_pb2, task_pb2
from whitebg_process.proto_enums import numbers
from whitebg_process.proto_fields import InvalidField, MessageFields

ENGINES = numbers(Engine, task_pb2.Engine)
FORMATS = numbers(OutputFormat, task_pb2.OutputFormat)
_ENGINE_OF = {number: engine for engine, number in ENGINES.items()} | {task_pb2.ENGINE_REMBG: Engine.NEURAL}
_OPTIONS = MessageFields(TaskOptions, task_pb2.TaskOptions, strict=True)
_REGION = MessageFields(Region, task_pb2.Region)


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
        InvalidRequest: a number is not a value of its enum, or a hint has no region.

    """
    try:
        return _OPTIONS.read(message, "options")
    except InvalidField as error:
        raise InvalidRequest(error.path, error.problem) from None


@lru_cache(maxsize=256)
def options(value: TaskOptions) -> task_pb2.TaskOptions:
    """Convert options to a message, which must not be changed: equal options give the same one."""
    return _OPTIONS.write(value)


def engine_info(value: EngineInfo) -> generator_service_pb2.EngineInfo:
    """Convert information about an engine."""
    return generator_service_pb2.EngineInfo(
        engine=ENGINES[value.engine], available=value.available, model=value.model, hint=value.hint
    )


def region(value: Region) -> task_pb2.Region:
    """Convert a region of a photo to a message."""
    return _REGION.write(value)


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
