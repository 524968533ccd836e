"""The result of a task: the picture, its measurements, and what a person should check."""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import BaseModel, Field

from whitebg.v1 import task_pb2
from whitebg_process.proto_enums import names
from whitebg_process.proto_fields import MessageFields
from ws_gateway.http.options import ENGINE_NAMES, RegionOut


class CheckOut(BaseModel):
    """One check of a result."""

    name: str = Field(description="Stable; the proto's ComplianceCheck defines `value`", examples=["border"])
    verdict: Literal["passed", "warned", "failed"]
    value: float | None
    limit: str = Field(description="Requirement, for people")
    message: str = Field(description="Problem and remedy; empty if passed")


class ReportOut(BaseModel):
    """A finished file measured against the rule of its preset."""

    preset: str
    passed: bool = Field(description="Whether no check failed")
    checks: list[CheckOut]


class FindingOut(BaseModel):
    """Something about a result that a person should check or know."""

    code: str = Field(description="Stable; the proto's Finding lists them", examples=["product_touches_frame"])
    message: str = Field(description="The problem and its remedy, in English, for a person")
    region: RegionOut | None = Field(description="Where in the photo; null where it concerns all of it")


class PlacementOut(BaseModel):
    """How the upright photo maps onto the result: turned clockwise around its top left corner, scaled and moved.

    Without a rotation, ``result = photo * scale + (x, y)``, in pixels.
    """

    scale: float
    x: float
    y: float
    photo_width: int
    photo_height: int
    rotation: float


_REPORT = MessageFields(ReportOut, task_pb2.ComplianceReport)
_FINDING = MessageFields(FindingOut, task_pb2.Finding)
_PLACEMENT = MessageFields(PlacementOut, task_pb2.Placement)


class ResultOut(BaseModel):
    """What came out."""

    engine: str
    content_type: str
    width: int
    height: int
    size_bytes: int
    confidence: float | None = Field(description="How far the engine trusts its cut-out, 0 to 1; null if unknown")
    fill: float = Field(description="The product's longest side as a share of the picture's side")
    warnings: list[str] = Field(description="The messages of `findings`, for older clients", deprecated=True)
    findings: list[FindingOut] = Field(description="What a person should check or know")
    placement: PlacementOut | None = Field(
        description="Where the photo lies in the result; null where a model generated the picture, and with old results"
    )
    verdict: Literal["ready", "needs_review", "failed"] = Field(
        description="Whether the result can be used: ready if every check passed and nothing casts doubt on it"
    )
    verdict_reasons: list[str] = Field(
        description="Why it is not ready: names of checks, codes of findings, low_confidence, no_confidence, no_report"
    )
    report: ReportOut | None = Field(description="The file measured against its preset's rule; null with old results")

    @classmethod
    def of(cls, result: task_pb2.ResultInfo) -> ResultOut:
        """Read a result of the service."""
        return cls(
            engine=ENGINE_NAMES[result.engine],
            content_type=result.content_type,
            width=result.width,
            height=result.height,
            size_bytes=result.size_bytes,
            confidence=result.confidence if result.HasField("confidence") else None,
            fill=result.fill,
            warnings=list(result.warnings),
            findings=_findings(result),
            placement=_PLACEMENT.read(result.placement) if result.HasField("placement") else None,
            # Services before 0.2 don't state a verdict: a person should look.
            verdict=cast("Any", names(task_pb2.ResultVerdict).get(result.verdict, "needs_review")),
            verdict_reasons=list(result.verdict_reasons),
            report=_REPORT.read(result.report) if result.HasField("report") else None,
        )


def _findings(result: task_pb2.ResultInfo) -> list[FindingOut]:
    if not result.findings:  # Services before 0.2 send sentences only.
        return [FindingOut(code="unknown", message=each, region=None) for each in result.warnings]
    return [_FINDING.read(each) for each in result.findings]
