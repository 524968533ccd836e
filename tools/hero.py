"""Make the README's picture: ``python -m tools.hero``.

A bundled photo, its result, and next to them the edge of a larger, rendered example at full size: one pixel of the
photo is one of the picture. Both results are made by the local engine through `render`.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
from PIL import Image

from generator_service.domain.presets import resolve
from generator_service.domain.task_options import OutputFormat, TaskOptions
from generator_service.imaging.render import RenderedPicture, render

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "images" / "before-after.png"
PHOTO = ROOT / "examples" / "photos" / "pink-cap.jpg"
LARGE = ROOT / "examples" / "studio" / "photos" / "fur-2.jpg"
HEIGHT, GAP = 536, 24
DETAIL = (720, 630)
"""Upper left corner, in the large photo, of the part that is shown at full size."""
FRAME = (204, 204, 204)


def main() -> None:
    """Render, lay out, save."""
    cv2.setNumThreads(1)
    photo, large = (Image.open(file).convert("RGB") for file in (PHOTO, LARGE))
    before = photo.resize((round(photo.width * HEIGHT / photo.height), HEIGHT), Image.Resampling.LANCZOS)
    after = opened(made(PHOTO, size=HEIGHT))
    side = (HEIGHT - GAP) // 2
    detail = large.crop((*DETAIL, DETAIL[0] + side, DETAIL[1] + side))
    cut = same_part(made(LARGE), side)
    width = before.width + after.width + side + 2 * GAP
    hero = Image.new("RGB", (width, HEIGHT), (255, 255, 255))
    hero.paste(before, (0, 0))
    hero.paste(framed(after), (before.width + GAP, 0))
    hero.paste(detail, (width - side, 0))
    hero.paste(framed(cut), (width - side, HEIGHT - side))
    hero.save(TARGET, optimize=True)
    print(f"written: {TARGET.relative_to(ROOT)}, {hero.width}×{hero.height}")


def made(photo: Path, *, size: int | None = None) -> RenderedPicture:
    """Return the local engine's picture of a photo; without a size, in the photo's own resolution."""
    options = TaskOptions(format=OutputFormat.PNG, size_px=size)
    return render(photo.read_bytes(), resolve(options), lambda _percent, _stage: None)


def opened(picture: RenderedPicture) -> Image.Image:
    """Return the decoded picture."""
    return Image.open(io.BytesIO(picture.data)).convert("RGB")


def same_part(picture: RenderedPicture, side: int) -> Image.Image:
    """Return the part of the result that corresponds to `DETAIL` of the photo, pixel by pixel.

    Raises:
        SystemExit: the result isn't in the photo's resolution.

    """
    placement = picture.placement
    if placement is None or abs(placement.scale - 1.0) > 0.01:
        raise SystemExit(f"{LARGE.name} was scaled: {placement}")
    left, top = round(placement.x + DETAIL[0]), round(placement.y + DETAIL[1])
    return opened(picture).crop((left, top, left + side, top + side))


def framed(picture: Image.Image) -> Image.Image:
    """Draw a thin line around a white picture, so that its size shows on a white page."""
    made = Image.new("RGB", picture.size, FRAME)
    made.paste(picture.crop((1, 1, picture.width - 1, picture.height - 1)), (1, 1))
    return made


if __name__ == "__main__":
    main()
