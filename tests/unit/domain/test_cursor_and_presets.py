"""Cursors are parsed exactly or rejected; options are resolved or rejected with their field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain.cursor import Cursor, LogCursor, UserCursor
from generator_service.domain.errors import BadCursor, InvalidRequest
from generator_service.domain.finding import Region
from generator_service.domain.hints import Hint, HintKind
from generator_service.domain.presets import PRESETS, PictureSpec, Preset, resolve
from generator_service.domain.task_options import Content, Engine, OutputFormat, Shadow, TaskOptions

EPOCHS = st.text("0123456789abcdef", min_size=1, max_size=64)
POSITIONS = st.integers(0, 10**18 - 1)
KINDS = st.sampled_from([UserCursor, LogCursor])


@given(EPOCHS, POSITIONS, KINDS)
def test_a_cursor_comes_back_as_it_was_and_only_in_its_own_scope(
    epoch: str, position: int, kind: type[UserCursor | LogCursor]
) -> None:
    cursor = kind(epoch, position)
    assert kind.parse(str(cursor)) == cursor
    other: type[UserCursor | LogCursor] = LogCursor if kind is UserCursor else UserCursor
    with pytest.raises(BadCursor, match="use a cursor exactly as the service returned it"):
        other.parse(str(cursor))


MALFORMED = (
    "",
    ":",
    "a:",
    ":1",
    "a:-1",
    "a:1 ",
    " a:1",
    "a:1\n",
    "a:1.0",
    "A:1",
    "g:1",
    "a:r",
    "a:rr1",
    "a:1:1",
    "a:١",
)
OTHER_DIGITS = ("a:١", "a:r１")
TOO_LONG = (f"a:{'9' * 19}", f"{'a' * 65}:1", f"a:r{'9' * 19}")


@pytest.mark.parametrize("text", [*MALFORMED, *OTHER_DIGITS, *TOO_LONG])
@pytest.mark.parametrize("kind", [UserCursor, LogCursor])
def test_what_is_no_cursor_is_refused(kind: type[UserCursor | LogCursor], text: str) -> None:
    with pytest.raises(BadCursor) as refused:
        kind.parse(text)
    assert refused.value.field == "after"


@given(st.text(max_size=80), KINDS)
def test_any_text_is_a_cursor_that_reads_the_same_or_is_refused(text: str, kind: type[UserCursor | LogCursor]) -> None:
    try:
        cursor: Cursor = kind.parse(text)
    except BadCursor:
        return
    assert cursor.position == int(text.rsplit(":", 1)[1].lstrip("r"))
    assert cursor.epoch == text.split(":", maxsplit=1)[0]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_alone_gives_its_own_picture_on_pure_white(name: str) -> None:
    preset = PRESETS[name]
    assert resolve(TaskOptions(preset=name)) == PictureSpec(
        preset=name,
        size_px=None,
        sides_px=(preset.sizes_px[0], preset.size_px or 5000),
        fill=preset.fill,
        format=preset.format,
        max_bytes=preset.max_bytes,
    )
    assert resolve(TaskOptions(preset=name)).background == (255, 255, 255)


def test_what_is_asked_for_goes_before_the_preset() -> None:
    options = TaskOptions(
        preset="taobao", size_px=1200, fill=0.5, format=OutputFormat.WEBP, background="#0a0B0c", prompt="shiny"
    )
    assert resolve(options) == PictureSpec(
        preset="taobao",
        size_px=1200,
        sides_px=(700, 800),
        fill=0.5,
        format=OutputFormat.WEBP,
        background=(10, 11, 12),
        max_bytes=3_000_000,
        prompt="shiny",
    )


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("preset", ["amazon"], ["Amazon", "", "walmart"]),
        ("size_px", [100, 10_000], [99, 10_001, 0, -1]),
        ("fill", [0.3, 1.0], [0.29, 1.01, float("nan"), -1.0]),
        ("margin", [0.0, 0.35], [-0.01, 0.36, float("nan")]),
        ("background", ["#000000", "#FFffFF"], ["", "#fff", "white", "#1234567", "#00000g", "#000000\n"]),
        ("prompt", ["x" * 2000], ["x" * 2001]),
        ("rotation", [-180.0, 180.0], [-180.5, 181.0, float("nan"), float("inf")]),
        ("move_x", [-0.5, 0.5], [-0.51, 0.6, float("nan")]),
        ("move_y", [-0.5, 0.5], [-0.51, 0.6, float("nan")]),
        ("scale", [0.2, 4.0], [0.19, 4.1, 0.0, float("nan")]),
        (
            "crop",
            [Region(left=0.0, top=0.0, right=1.0, bottom=1.0)],
            [Region(left=0.5, top=0.0, right=0.5, bottom=1.0), Region(left=0.0, top=-0.1, right=1.0, bottom=1.0)],
        ),
    ],
)
def test_ranges_are_inclusive_and_errors_name_the_field(field: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        resolve(replace(TaskOptions(), **{field: value}))
    for value in bad:
        with pytest.raises(InvalidRequest) as refused:
            resolve(replace(TaskOptions(), **{field: value}))
        assert refused.value.field == f"options.{field}"


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_what_a_preset_makes_is_within_its_own_rule_and_the_rule_is_named(preset: Preset) -> None:
    assert preset.fills[0] <= preset.fill <= preset.fills[1]
    assert preset.size_px is None or preset.sizes_px[0] <= preset.size_px <= preset.sizes_px[1]
    assert preset.format in preset.formats
    assert preset.rule
    assert preset.source


def test_margin_is_fill_said_otherwise() -> None:
    assert resolve(TaskOptions(preset="amazon", margin=0.1)).fill == pytest.approx(0.8)
    assert resolve(TaskOptions(margin=0.0)).fill == 1.0


@pytest.mark.parametrize("content", [Content.TRANSPARENT, Content.MASK])
def test_a_result_without_background_is_lossless_unless_asked_otherwise(content: Content) -> None:
    assert resolve(TaskOptions(preset="amazon", content=content)).format is OutputFormat.PNG
    assert resolve(TaskOptions(content=content, format=OutputFormat.WEBP)).format is OutputFormat.WEBP


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("margin", TaskOptions(fill=0.8, margin=0.1)),
        ("background", TaskOptions(content=Content.TRANSPARENT, background="#ffffff")),
        ("background", TaskOptions(content=Content.MASK, background="#ffffff")),
        ("format", TaskOptions(content=Content.TRANSPARENT, format=OutputFormat.JPEG)),
        ("shadow", TaskOptions(content=Content.MASK, shadow=Shadow.CONTACT)),
    ],
)
def test_options_that_contradict_each_other_are_refused(field: str, options: TaskOptions) -> None:
    with pytest.raises(InvalidRequest) as refused:
        resolve(options)
    assert refused.value.field == f"options.{field}"


def hint(left: float, top: float, right: float, bottom: float) -> Hint:
    return Hint(region=Region(left=left, top=top, right=right, bottom=bottom), kind=HintKind.DROP)


def test_hints_go_into_the_picture_as_they_are() -> None:
    hints = (hint(0.0, 0.0, 1.0, 1.0), hint(0.25, 0.5, 0.75, 0.5 + 1e-9))
    assert resolve(TaskOptions(hints=hints)).hints == hints
    assert len(resolve(TaskOptions(hints=hints * 32)).hints) == 64


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("options.hints", TaskOptions(hints=(hint(0.0, 0.0, 1.0, 1.0),) * 65)),
        ("options.hints[1].region", TaskOptions(hints=(hint(0.0, 0.0, 1.0, 1.0), hint(0.5, 0.0, 0.5, 1.0)))),
        ("options.hints[0].region", TaskOptions(hints=(hint(0.0, 0.8, 1.0, 0.2),))),
        ("options.hints[0].region", TaskOptions(hints=(hint(-0.1, 0.0, 1.0, 1.0),))),
        ("options.hints[0].region", TaskOptions(hints=(hint(0.0, 0.0, 1.1, 1.0),))),
        ("options.hints[0].region", TaskOptions(hints=(hint(0.0, float("nan"), 1.0, 1.0),))),
        ("options.engine", TaskOptions(engine=Engine.GEMINI, hints=(hint(0.0, 0.0, 1.0, 1.0),))),
    ],
)
def test_hints_that_cannot_be_followed_are_rejected(field: str, options: TaskOptions) -> None:
    with pytest.raises(InvalidRequest) as raised:
        resolve(options)
    assert raised.value.field == field
