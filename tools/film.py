"""Make the README's animation: ``python -m tools.film URL``, of a page that `make run` serves.

The bundled photos are dropped on the page, become white, and are reviewed by keyboard. Frames keep the time that they
really took; the last one stays for a moment.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tools.chromium import ARGUMENTS, find_chromium

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "images" / "page.webp"
PHOTOS = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
SIZE = (1200, 760)
"""Width and height of the page, and of the animation, in pixels."""
LAST_MS = 1500
_WAIT_MS = 120_000


class Film:
    """Frames of a page, with the time at which each was taken."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames: list[Image.Image] = []
        self._times: list[float] = []

    def shoot(self, seconds: float, until: str = "true") -> None:
        """Film for so long, and on until an expression of the page holds."""
        began = time.monotonic()
        while time.monotonic() - began < seconds or not self._page.evaluate(until):
            if time.monotonic() - began > _WAIT_MS / 1000:
                raise TimeoutError(f"the page did not come to {until} within {_WAIT_MS / 1000:.0f} s")
            self._frames.append(Image.open(io.BytesIO(self._page.screenshot(type="png"))).convert("RGB"))
            self._times.append(time.monotonic())

    def save(self, target: Path) -> None:
        """Write an animated WebP that repeats."""
        first, *others = self._frames
        ends = [*self._times[1:], self._times[-1] + LAST_MS / 1000]
        durations = [round((end - start) * 1000) for start, end in zip(self._times, ends, strict=True)]
        first.save(
            target,
            save_all=True,
            append_images=others,
            duration=durations,
            loop=0,
            quality=70,
            method=4,
            minimize_size=True,
        )


def main() -> None:
    """Play the scene, save the film, and print its length and size."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m tools.film URL (the sign-in link or the address that `make run` prints)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        page = chromium.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, locale="en-GB")
        page.set_default_timeout(_WAIT_MS)
        page.goto(sys.argv[1])
        page.get_by_text("Live", exact=True).wait_for()
        film = Film(page)
        film.shoot(0.8)
        page.locator("input[type=file]").first.set_input_files(PHOTOS)
        done = f"document.querySelectorAll('.card[data-phase=done]').length >= {len(PHOTOS)}"
        film.shoot(0, until=done)
        film.shoot(0.6)
        page.locator(".card-picture").first.click()
        page.get_by_role("dialog").wait_for()
        film.shoot(1.0)
        for _ in range(2):
            page.keyboard.press("a")
            film.shoot(1.0)
        film.save(TARGET)
        chromium.close()
    print(f"written: {TARGET.relative_to(ROOT)}, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
