"""Small photos made on the spot."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw


def product_photo(
    width: int = 400, height: int = 300, file_format: str = "PNG", backdrop: str = "#d8dbe0", **save: object
) -> bytes:
    """A red box with a blue label on a plain backdrop."""
    image = Image.new("RGB", (width, height), backdrop)
    draw = ImageDraw.Draw(image)
    draw.rectangle((width * 0.3, height * 0.2, width * 0.7, height * 0.85), fill="#b3261e")
    draw.rectangle((width * 0.38, height * 0.4, width * 0.62, height * 0.6), fill="#1d3f8f")
    file = io.BytesIO()
    image.save(file, file_format, **save)
    return file.getvalue()
