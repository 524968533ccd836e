from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from generator_service.domain.filename import MAX_FILENAME_BYTES, shortened


def test_shortened_keeps_short_names() -> None:
    for name in ("", "mug.png", "杯子.jpeg", "x" * 200, ".png"):
        assert shortened(name) == name


def test_shortened_keeps_the_extension_and_whole_characters() -> None:
    assert shortened("x" * 250 + ".jpeg") == "x" * 195 + ".jpeg"
    assert shortened("杯" * 100 + ".png") == "杯" * 65 + ".png"
    assert shortened("🍵" * 70) == "🍵" * 50
    assert shortened("a." + "b" * 300) == "a." + "b" * 198  # Not an extension.


@given(st.text(max_size=400))
def test_shortened_fits_and_is_a_beginning(name: str) -> None:
    short = shortened(name)
    assert len(short.encode(errors="replace")) <= MAX_FILENAME_BYTES
    assert shortened(short) == short
