"""Results: the picture's metadata, its findings and its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from whitebg.models.options import Engine, Region


class ImageKind(StrEnum):
    """Which image of a task."""

    INPUT = "input"
    RESULT = "result"
    THUMBNAIL = "thumbnail"
    MASK = "mask"
    """The product's mask: a grey PNG over the upright photo, at most 2048 pixels on its longest side."""


class Verdict(StrEnum):
    """How one check of a result came out."""

    UNKNOWN = "unknown"
    """A verdict newer than this client."""
    PASSED = "passed"
    WARNED = "warned"
    """A person should look, but no rule of the market is broken."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceCheck:
    """One check of a result. What ``value`` counts goes with the name; see ``ComplianceCheck`` in the proto."""

    name: str
    verdict: Verdict
    value: float | None
    limit: str
    """The requirement, for a person."""
    message: str
    """The problem and its remedy; empty if passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceReport:
    """A finished file measured against the rule of its preset."""

    preset: str
    passed: bool
    """Whether no check failed."""
    checks: tuple[ComplianceCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about a result that a person should check or know."""

    code: str
    """Stable name in lower_snake_case; ``Finding`` in the proto lists them. ``unknown`` from older services."""
    message: str
    """The problem and its remedy, in English."""
    region: Region | None = None
    """Where in the photo; None where it concerns all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How the upright photo maps onto the result, within one pixel: turned around its top left corner, scaled, moved.

    Without a rotation, ``result = photo * scale + (x, y)``, in pixels.
    """

    scale: float
    x: float
    y: float
    photo_width: int
    photo_height: int
    rotation: float = 0.0
    """Degrees by which the photo is turned clockwise, -180 to 180."""


class ResultVerdict(StrEnum):
    """Whether a result can be used."""

    UNKNOWN = "unknown"
    """From services before 0.2, or newer than this client."""
    READY = "ready"
    """Every check passed and nothing casts doubt on the cut-out."""
    NEEDS_REVIEW = "needs_review"
    """It breaks no rule, but a person should look at it before it is used."""
    FAILED = "failed"
    """It breaks a rule of the market or of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultInfo:
    """The picture of a completed task, and how good it is."""

    engine: Engine
    content_type: str
    width: int
    height: int
    size_bytes: int
    fill: float
    """The product's longest side as a share of the picture's side, 0 to 1."""
    confidence: float | None = None
    """How far the engine trusts its cut-out, 0 to 1; None if unknown."""
    findings: tuple[Finding, ...] = ()
    """What a person should check or know."""
    report: ComplianceReport | None = None
    """The file measured against its preset's rule; None from older services."""
    placement: Placement | None = None
    """Where the photo lies in the result; None where a model generated the picture, and with older results."""
    verdict: ResultVerdict = ResultVerdict.UNKNOWN
    verdict_reasons: tuple[str, ...] = ()
    """Why it is not READY: names of checks, codes of findings, or what ``verdict_reasons`` in the proto lists."""
    mask_size_bytes: int = 0
    """Size of `ImageKind.MASK`; 0 where there is none, as of generated pictures and from older services."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The messages of ``findings``."""
        return tuple(finding.message for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """An image's metadata, which precedes its bytes."""

    content_type: str
    size_bytes: int
    etag: str
    """Equal etags mean equal bytes."""
    filename: str
    """A name to save it under; never a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(ImageInfo):
    """An image with its bytes."""

    data: bytes = field(repr=False)
