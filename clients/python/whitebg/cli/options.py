"""Options that several commands share."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from whitebg.models import Content, Hint, HintKind, OutputFormat, Region, Shadow
from whitebg_process.durations import parse_duration

EngineName = Literal["auto", "local", "gemini", "neural", "rembg"]
Presets = Annotated[
    list[str] | None,
    typer.Option(
        "--preset", help="Marketplace preset, such as amazon; may be repeated: one picture each, of one upload."
    ),
]


def format_of(text: str) -> OutputFormat:
    """Return the format that ``--format`` gives.

    Raises:
        typer.BadParameter: there is no such format.

    """
    try:
        return OutputFormat({"jpeg": "jpg"}.get(text.lower(), text.lower()))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no format; known are {', '.join(OutputFormat)}") from None


Format = Annotated[
    OutputFormat | None,
    typer.Option(
        "--format", parser=format_of, metavar=f"[{'|'.join(OutputFormat)}]", help="The picture's file format."
    ),
]
Size = Annotated[int | None, typer.Option(min=100, max=10_000, help="Side of the picture in pixels.")]
Fill = Annotated[float | None, typer.Option(min=0.3, max=1.0, help="Share of the side the product takes.")]
Margin = Annotated[float | None, typer.Option(min=0.0, max=0.35, help="Margin per side (alternative to --fill).")]
Background = Annotated[str | None, typer.Option(help="Background as #RRGGBB; white if not set.")]
SHADOW_HELP = "A soft shadow where the product would stand."
CONTENT_HELP = "The picture, the product alone on nothing, or its mask."
ENGINE_HELP = "Engine; rembg is the deprecated name of neural."
PROMPT_HELP = "Extra wish for a generative engine (gemini); other engines ignore it, and the result says so."
OptionalShadow = Annotated[Shadow | None, typer.Option(help=SHADOW_HELP)]
OptionalContent = Annotated[Content | None, typer.Option(help=CONTENT_HELP)]
OptionalEngine = Annotated[EngineName | None, typer.Option(help=ENGINE_HELP)]
OptionalPrompt = Annotated[str | None, typer.Option(help=PROMPT_HELP)]
Mask = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="The product's outline: PNG, WebP or JPEG, white on black, or transparent around it."
    ),
]
_EDGES = "LEFT,TOP,RIGHT,BOTTOM"
Keep = Annotated[
    list[str] | None,
    typer.Option(metavar=_EDGES, help="A region that is product, in shares of the photo from 0 to 1; repeatable."),
]
Drop = Annotated[
    list[str] | None, typer.Option(metavar=_EDGES, help="A region that is backdrop; wins over --keep; repeatable.")
]
Rotate = Annotated[
    float | None, typer.Option("--rotate", min=-180, max=180, help="Degrees by which the product is turned clockwise.")
]
Move = Annotated[
    str | None,
    typer.Option(metavar="X,Y", help="Move right and down, in shares of the side, -0.5 to 0.5; 0,0 is the middle."),
]
Scale = Annotated[float | None, typer.Option(min=0.2, max=4.0, help="Factor of the size at which the product fits.")]
Crop = Annotated[
    str | None,
    typer.Option(metavar=_EDGES, help="The region of the photo that is shown, in shares from 0 to 1; 0,0,1,1 is all."),
]
Reuse = Annotated[bool, typer.Option(help="Take an earlier result of the same photo, mask and options, if kept.")]


At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Earliest start, such as 2026-12-01T08:00 (local time), 22:30 (the next one), or 2h from now; "
        "at most 30 days ahead. Ctrl-C stops waiting; the photos stay scheduled.",
    ),
]


def start_of(text: str, now: datetime) -> datetime:
    """Return the time that ``--at`` gives: a time, a time of day or a duration from ``now``, which has a time zone.

    Times without a zone are local, by the rules that hold then: summer time may begin or end before.

    Raises:
        typer.BadParameter: it is none of these.

    """
    with contextlib.suppress(ValueError):
        return now + parse_duration(text)
    with contextlib.suppress(ValueError):
        clock = time.fromisoformat(text)
        today = datetime.combine(now.date(), clock)
        return today.astimezone() if today.astimezone() > now else (today + timedelta(days=1)).astimezone()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 2026-12-01T08:00, 22:30 or 2h") from None
    return at.astimezone()


def hints_of(keep: Sequence[str] | None, drop: Sequence[str] | None) -> tuple[Hint, ...]:
    """Return the hints that ``--keep`` and ``--drop`` give; where two overlap, the later one wins.

    Raises:
        typer.BadParameter: one of them is not four numbers.

    """
    kept = [Hint(kind=HintKind.KEEP, region=_region(text, "--keep")) for text in keep or ()]
    return (*kept, *(Hint(kind=HintKind.DROP, region=_region(text, "--drop")) for text in drop or ()))


def position_of(rotate: float | None, move: str | None, scale: float | None, crop: str | None) -> dict[str, Any]:
    """Return those options, by name, that ``--rotate``, ``--move``, ``--scale`` and ``--crop`` set.

    Raises:
        typer.BadParameter: ``--move`` is not two numbers, or ``--crop`` not four.

    """
    given: dict[str, Any] = {}
    if rotate is not None:
        given["rotation"] = rotate
    if move is not None:
        given["move_x"], given["move_y"] = _shares(move)
    if scale is not None:
        given["scale"] = scale
    if crop is not None:
        given["crop"] = _region(crop, "--crop")
    return given


def _shares(text: str) -> tuple[float, float]:
    try:
        right, down = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a move; write two numbers from -0.5 to 0.5, such as --move 0.1,-0.05"
        ) from None
    return right, down


def _region(text: str, option: str) -> Region:
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a region; write four numbers from 0 to 1, such as {option} 0.2,0.1,0.5,0.4"
        ) from None
    return Region(left=left, top=top, right=right, bottom=bottom)
