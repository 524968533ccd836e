"""Classes and messages with the same fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pytest
from pydantic import BaseModel

from whitebg.v1 import task_pb2
from whitebg_process.proto_fields import InvalidField, MessageFields


class Engine(StrEnum):
    AUTO = "auto"
    LOCAL = "local"
    NEURAL = "network"
    REMBG = NEURAL


class Kind(StrEnum):
    UNKNOWN = "unknown"
    KEEP = "keep"
    DROP = "drop"


@dataclass(frozen=True, kw_only=True)
class Region:
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class Hint:
    kind: Kind
    region: Region


@dataclass(frozen=True, kw_only=True)
class Options:
    engine: Engine = Engine.AUTO
    preset: str = "custom"
    size_px: int | None = None
    margin: float | None = None
    scale: float = 1.0
    hints: tuple[Hint, ...] = ()
    crop: Region | None = None
    only_here: int = 7


class Shown(BaseModel):
    engine: str = "auto"
    margin: float | None = None
    hints: list[Hint] = []
    crop: Region | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """Without defaults."""

    code: str
    region: Region | None


OPTIONS = MessageFields(Options, task_pb2.TaskOptions)
STRICT = MessageFields(Options, task_pb2.TaskOptions, strict=True)
REGION = Region(left=0.0, top=0.25, right=0.5, bottom=1.0)
FULL = Options(
    engine=Engine.NEURAL,
    preset="amazon",
    size_px=1500,
    margin=0.0,
    scale=2.0,
    hints=(Hint(kind=Kind.DROP, region=REGION), Hint(kind=Kind.KEEP, region=REGION)),
    crop=REGION,
)


def test_there_and_back() -> None:
    message = OPTIONS.write(FULL)
    assert (message.engine, message.size_px, message.hints[0].kind) == (task_pb2.ENGINE_NEURAL, 1500, 2)
    assert OPTIONS.read(message) == STRICT.read(message) == FULL


def test_zeros_are_defaults_and_nothing_is_a_zero() -> None:
    assert OPTIONS.read(task_pb2.TaskOptions()) == Options()
    written = OPTIONS.write(Options())
    assert (written.preset, written.scale, written.size_px) == ("custom", 1.0, 0)
    assert not written.HasField("margin")
    assert not written.HasField("crop")


def test_a_field_without_a_default_may_be_zero() -> None:
    assert OPTIONS.read(task_pb2.TaskOptions(crop=task_pb2.Region(right=0.5))).crop == Region(
        left=0, top=0, right=0.5, bottom=0
    )


def test_a_field_without_a_default_that_is_unset_is_none() -> None:
    found = MessageFields(Found, task_pb2.Finding)
    assert found.read(task_pb2.Finding(code="x")) == Found(code="x", region=None)
    assert found.read(found.write(Found(code="", region=REGION))) == Found(code="", region=REGION)


def test_an_alias_is_read_and_never_written() -> None:
    assert OPTIONS.read(task_pb2.TaskOptions(engine=task_pb2.ENGINE_REMBG)).engine is Engine.NEURAL
    assert OPTIONS.write(Options(engine=Engine.REMBG)).engine == task_pb2.ENGINE_NEURAL


def test_a_number_of_a_newer_peer() -> None:
    newer = task_pb2.TaskOptions.FromString(bytes([1 << 3, 99, 11 << 3 | 2, 2, 2 << 3, 99]))
    read = OPTIONS.read(newer)
    assert (read.engine, read.hints[0].kind) == (Engine.AUTO, Kind.UNKNOWN)
    assert MessageFields(Shown, task_pb2.TaskOptions).read(newer).engine == "unknown"
    with pytest.raises(InvalidField, match=r"^options\.engine: 99 is not one of AUTO, LOCAL, NEURAL$"):
        STRICT.read(newer, "options")


def test_a_message_that_is_missing_is_an_error_where_strict() -> None:
    without = task_pb2.TaskOptions(hints=[task_pb2.Hint(kind=task_pb2.HINT_KIND_KEEP)])
    assert OPTIONS.read(without).hints[0].region == Region(left=0, top=0, right=0, bottom=0)
    with pytest.raises(InvalidField, match=r"^hints\[0\]\.region: is missing$"):
        STRICT.read(without)


def test_a_member_that_the_contract_lacks_can_t_be_asked_for() -> None:
    with pytest.raises(ValueError, match=r"Kind\.UNKNOWN.* can't be asked for; use one of keep, drop"):
        OPTIONS.write(Options(hints=(Hint(kind=Kind.UNKNOWN, region=REGION),)))


def test_models_get_names_and_lists() -> None:
    shown = MessageFields(Shown, task_pb2.TaskOptions).read(OPTIONS.write(FULL))
    assert (shown.engine, shown.margin, shown.crop) == ("neural", 0.0, REGION)
    assert shown.hints == list(FULL.hints)
