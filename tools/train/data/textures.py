"""Textures for rendered products: plain, patterned, printed, or cropped from photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE = 256
_WORDS = (
    "TEA",
    "Bio",
    "PURE",
    "fresh",
    "No. 7",
    "OAT",
    "500 g",
    "250 ml",
    "Luma",
    "SOAP",
    "mint",
    "Zero",
    "KRAFT",
    "12 x",
)
_KINDS = {"plain": 0.28, "photo": 0.32, "stripes": 0.06, "dots": 0.04, "checks": 0.04, "mottled": 0.08, "label": 0.18}


class Textures:
    """Draws textures from a generator and a list of photos."""

    def __init__(self, rng: np.random.Generator, photos: Sequence[Path]) -> None:
        self._rng, self._photos = rng, photos

    def draw(self, *kinds: str) -> Pixels:
        """Return a 256×256×3 sRGB texture of one of the kinds, or of any.

        Raises:
            ValueError: a photo can't be read.

        """
        rng = self._rng
        names = kinds or tuple(_KINDS)
        weights = np.array([_KINDS[name] for name in names])
        kind = str(rng.choice(names, p=weights / weights.sum()))
        if kind == "photo" and not self._photos:
            kind = "mottled"
        makers: dict[str, Callable[[], Floats]] = {
            "plain": self._plain,
            "photo": self._photo,
            "stripes": self._stripes,
            "dots": self._dots,
            "checks": self._checks,
            "mottled": self._mottled,
            "label": self._label,
        }
        picture = makers[kind]()
        if rng.random() < 0.5:
            picture = picture + rng.normal(0, rng.uniform(1, 10), picture.shape).astype(np.float32)
        return np.asarray(np.clip(picture, 0, 255), np.uint8)

    def colour(self) -> Floats:
        """Draw an sRGB colour, 0 to 255: a third of them nearly grey."""
        rng = self._rng
        saturation = rng.random() ** 1.5 * (0.12 if rng.random() < 0.35 else 1.0)
        hsv = np.array([[[rng.random() * 179, saturation * 255, rng.random() ** 0.6 * 255]]], np.uint8)
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0], np.float32)

    def _plain(self) -> Floats:
        """Return one colour, or a gradient to a second."""
        end = self.colour() if self._rng.random() < 0.15 else None
        start = np.broadcast_to(self.colour(), (SIDE, SIDE, 3)).astype(np.float32)
        if end is None:
            return start
        down = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None]
        return start * (1 - down) + end * down

    def _photo(self) -> Floats:
        """Return a crop of a photo beside its mirror image, so that it closes around a body."""
        rng = self._rng
        path = self._photos[int(rng.integers(len(self._photos)))]
        photo = cv2.imread(str(path))
        if photo is None:
            raise ValueError(f"can't read {path}")
        height, width = photo.shape[:2]
        side = max(8, int(min(height, width) * rng.uniform(0.2, 0.6)))
        # Most near the middle, where the product is.
        share = rng.uniform(0.25, 0.75, 2) if rng.random() < 0.6 else rng.random(2)
        top, left = (int(length) for length in share * (height - side, width - side))
        crop = photo[top : top + side, left : left + side, ::-1]
        return np.asarray(cv2.resize(np.hstack((crop, crop[:, ::-1])), (SIDE, SIDE)), np.float32)

    def _bands(self) -> NDArray[np.intp]:
        return (np.arange(SIDE) * int(self._rng.integers(2, 15)) // SIDE) % 2

    def _stripes(self) -> Floats:
        bands = self._bands()
        rows = bands[:, None] if self._rng.random() < 0.5 else bands[None, :]
        return np.where(np.broadcast_to(rows, (SIDE, SIDE))[..., None] > 0, self.colour(), self.colour())

    def _checks(self) -> Floats:
        bands = self._bands()
        return np.where((bands[:, None] ^ bands[None, :])[..., None] > 0, self.colour(), self.colour())

    def _dots(self) -> Floats:
        picture = np.ascontiguousarray(self._plain())
        for _ in range(int(self._rng.integers(10, 80))):
            x, y = (int(value) for value in self._rng.integers(0, SIDE, 2))
            cv2.circle(picture, (x, y), int(self._rng.integers(3, 18)), self.colour().tolist(), -1)
        return picture

    def _mottled(self) -> Floats:
        rng = self._rng
        rows = int(rng.choice((4, 8, 16, 32, 64)))
        columns = rows if rng.random() < 0.6 else max(2, rows // 8)
        share = cv2.resize(rng.random((rows, columns), np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        return np.asarray(self.colour() * (1 - share[..., None]) + self.colour() * share[..., None], np.float32)

    def _label(self) -> Floats:
        """Return boxes, words and a disc, as on packaging."""
        rng = self._rng
        picture = self._plain().astype(np.uint8, order="C")  # OpenCV writes text on bytes only.
        for _ in range(int(rng.integers(1, 5))):
            x, y = (int(value) for value in rng.integers(0, 200, 2))
            corner = (x + int(rng.integers(30, 220)), y + int(rng.integers(20, 120)))
            cv2.rectangle(picture, (x, y), corner, self.colour().tolist(), -1)
        for _ in range(int(rng.integers(1, 7))):
            at = (int(rng.integers(0, 150)), int(rng.integers(20, 250)))
            word, size, width = str(rng.choice(_WORDS)), rng.uniform(0.5, 2.5), int(rng.integers(1, 6))
            cv2.putText(picture, word, at, cv2.FONT_HERSHEY_SIMPLEX, size, self.colour().tolist(), width, cv2.LINE_AA)
        if rng.random() < 0.4:
            x, y = (int(value) for value in rng.integers(40, 210, 2))
            cv2.circle(picture, (x, y), int(rng.integers(15, 60)), self.colour().tolist(), -1)
        return picture.astype(np.float32)
