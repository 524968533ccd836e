"""Conversion of results and images."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

from whitebg import models
from whitebg.convert.common import inverse
from whitebg.convert.options import ENGINES
from whitebg.v1 import generator_service_pb2, task_pb2
from whitebg_process.proto_enums import numbers
from whitebg_process.proto_fields import MessageFields

_RESULT_VERDICTS = inverse(numbers(models.ResultVerdict, task_pb2.ResultVerdict))
_KINDS_OUT = numbers(models.ImageKind, generator_service_pb2.ImageKind)
_FINDING = MessageFields(models.Finding, task_pb2.Finding)
_PLACEMENT = MessageFields(models.Placement, task_pb2.Placement)
_REPORT = MessageFields(models.ComplianceReport, task_pb2.ComplianceReport)


def kind_to_proto(kind: models.ImageKind) -> generator_service_pb2.ImageKind.ValueType:
    """Convert an image kind."""
    return _KINDS_OUT[kind]


def result_from_proto(result: task_pb2.ResultInfo) -> models.ResultInfo:
    """Convert a result; a verdict newer than this client becomes UNKNOWN."""
    return models.ResultInfo(
        engine=ENGINES.get(result.engine, models.Engine.UNKNOWN),
        content_type=result.content_type,
        width=result.width,
        height=result.height,
        size_bytes=result.size_bytes,
        fill=result.fill,
        confidence=result.confidence if result.HasField("confidence") else None,
        findings=_findings(result),
        placement=_PLACEMENT.read(result.placement) if result.HasField("placement") else None,
        verdict=_RESULT_VERDICTS.get(result.verdict, models.ResultVerdict.UNKNOWN),
        verdict_reasons=tuple(result.verdict_reasons),
        report=_REPORT.read(result.report) if result.HasField("report") else None,
        mask_size_bytes=result.mask_size_bytes,
    )


def _findings(result: task_pb2.ResultInfo) -> tuple[models.Finding, ...]:
    if not result.findings:  # Services before 0.2 send sentences only.
        return tuple(models.Finding(code="unknown", message=each) for each in result.warnings)
    return tuple(_FINDING.read(each) for each in result.findings)


def image_info_from_proto(info: generator_service_pb2.ImageInfo) -> models.ImageInfo:
    """Convert an image's metadata; folders are stripped from its file name."""
    name = PureWindowsPath(PurePosixPath(info.filename).name).name
    return models.ImageInfo(
        content_type=info.content_type,
        size_bytes=info.size_bytes,
        etag=info.etag,
        filename=name.lstrip(".") or "image",
    )
