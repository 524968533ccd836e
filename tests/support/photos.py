"""Small generated photos."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw


def product_photo(
    width: int = 400,
    height: int = 300,
    file_format: str = "PNG",
    backdrop: str = "#d8dbe0",
    *,
    product: str = "#b3261e",
    label: str = "#1d3f8f",
    lies: bool = False,
    shift: float = 0.0,
    **save: object,
) -> bytes:
    """Draw a labelled box on a plain backdrop, upright or lying, centred or shifted by a share of the width."""
    image = Image.new("RGB", (width, height), backdrop)
    draw = ImageDraw.Draw(image)
    # The position in a photo of 4:3; in other formats the box keeps its proportions.
    left, top, unit = width / 2 + shift * width, height / 2, min(width / 4, height / 3)
    across, down = (1.3, 0.5) if lies else (0.8, 0.975)
    box = (
        left - across * unit,
        top - down * unit + 0.075 * unit,
        left + across * unit,
        top + down * unit + 0.075 * unit,
    )
    draw.rectangle(box, fill=product)
    draw.rectangle((left - 0.48 * unit, top - 0.3 * unit, left + 0.48 * unit, top + 0.3 * unit), fill=label)
    file = io.BytesIO()
    image.save(file, file_format, **save)
    return file.getvalue()


def cut_out(width: int = 400, height: int = 300, file_format: str = "PNG", *, product: str = "#b3261e") -> bytes:
    """Draw a labelled box on a transparent ground.

    The engine takes the photo's own alpha and runs no network, so the picture takes milliseconds instead of half a
    second: for tests of everything but the picture.
    """
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    draw.rectangle((width * 0.3, height * 0.2, width * 0.7, height * 0.85), fill=product)
    draw.rectangle((width * 0.4, height * 0.4, width * 0.6, height * 0.6), fill="#1d3f8f")
    file = io.BytesIO()
    image.save(file, file_format)
    return file.getvalue()
