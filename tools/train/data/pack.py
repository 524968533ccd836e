"""Write packs of limited size: cut-outs, whole photos and backdrops as WebP; README.md has the format."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.train.data.cutouts import Cutout
from tools.train.data.panoramas import views
from tools.train.packs import Kind

Pixels = NDArray[np.uint8]
Entry = tuple[str, bytes]
"""Name and content."""

LIMIT = 15_500_000
"""Most bytes of a pack."""
SIDE = 288
"""Longest side, in pixels, of cut-outs and backdrops."""
SCENE_SIDE = 400
"""The same of the studio's scenes."""
SEE_THROUGH = ("eyewear", "glass", "translucent")
"""The studio's classes whose products show the backdrop, so that they are no cut-outs."""
_OVERHEAD = 130
"""Bytes that ZIP adds for each entry, besides its name twice."""
_INVISIBLE = 10
_TRIES = 400


def write_packs(entries: Sequence[Entry], out: Path, rng: np.random.Generator, limit: int = LIMIT) -> Counter[str]:
    """Write the entries in random order to ``pack0.zip`` and so on; return how many there are of each group and kind.

    Raises:
        ValueError: an entry is larger than a pack, or two have one name.

    """
    if len({name for name, _ in entries}) < len(entries):
        repeated = [name for name, count in Counter(name for name, _ in entries).items() if count > 1]
        raise ValueError(f"several entries are named {repeated[0]}")
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("pack*.zip"):
        old.unlink()
    shuffled = [entries[index] for index in rng.permutation(len(entries))]
    for number, pack in enumerate(_divided(shuffled, limit)):
        with zipfile.ZipFile(out / f"pack{number}.zip", "w", zipfile.ZIP_STORED) as opened:
            for name, data in pack:
                # A fixed date, so that the same pictures make the same file.
                opened.writestr(zipfile.ZipInfo(name), data)
    return Counter(name.rsplit("/", 1)[0] for name, _ in entries)


def _divided(entries: Iterable[Entry], limit: int) -> Iterator[list[Entry]]:
    pack: list[Entry] = []
    size = 0
    for name, data in entries:
        added = len(data) + 2 * len(name) + _OVERHEAD
        if added > limit:
            raise ValueError(f"{name} has {len(data)} bytes, more than a pack of {limit}")
        if pack and size + added > limit:
            yield pack
            pack, size = [], 0
        pack.append((name, data))
        size += added
    if pack:
        yield pack


def whole_photos(
    group: str,
    cutouts: Sequence[Cutout],
    photos: Path,
    alphas: Path,
    rng: np.random.Generator,
    backdrop_odds: float = 1.0,
) -> Iterator[Entry]:
    """Yield each photo with its alpha, and for some the largest rectangle found without the product as a backdrop.

    Raises:
        FileNotFoundError: a photo or an alpha is missing.

    """
    for number, cutout in enumerate(cutouts):
        photo = cv2.imread(str(photos / cutout.photo))
        alpha = cv2.imread(str(alphas / f"{cutout.name}.png"), cv2.IMREAD_GRAYSCALE)
        if photo is None or alpha is None:
            raise FileNotFoundError(f"no photo or no alpha of {cutout.photo}")
        rgb = np.asarray(cv2.resize(photo, alpha.shape[::-1], interpolation=cv2.INTER_AREA)[:, :, ::-1], np.uint8)
        kind = Kind.TOUCHING if cutout.touches else Kind.WHOLE
        yield f"{group}/{kind}/{number:05d}.webp", webp(np.dstack((rgb, alpha)), 68)
        empty = empty_rectangle(alpha > _INVISIBLE, rng)
        if empty is not None and rng.random() < backdrop_odds:
            yield f"{group}/{Kind.BACKDROP}/{number:05d}.webp", webp(fitted(rgb[empty], SIDE), 60)


def studio_scenes(group: str, folder: Path) -> Iterator[Entry]:
    """Yield the scenes that ``python -m tools.studio`` wrote to a folder, as whole photos.

    Raises:
        FileNotFoundError: the folder has no manifest, or a photo or mask that it names is missing.

    """
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        photo, alpha = (
            cv2.imread(str(folder / row["file"])),
            cv2.imread(str(folder / row["mask"]), cv2.IMREAD_GRAYSCALE),
        )
        if photo is None or alpha is None:
            raise FileNotFoundError(f"no {row['file']} or no {row['mask']} in {folder}")
        edges = np.concatenate((alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))
        whole = row["kind"] not in SEE_THROUGH and int(edges.max()) <= _INVISIBLE
        scene = fitted(np.dstack((photo[:, :, ::-1], alpha)).astype(np.uint8), SCENE_SIDE)
        kind = Kind.WHOLE if whole else Kind.TOUCHING
        yield f"{group}/{kind}/{Path(row['file']).stem}.webp", webp(scene, 62)


def cutout_files(group: str, folder: Path, side: int = SIDE) -> Iterator[Entry]:
    """Yield the WebP cut-outs of a folder, rendered or drawn."""
    for path in sorted(folder.glob("*.webp")):
        with Image.open(path) as picture:
            yield f"{group}/{Kind.CUTOUT}/{path.stem}.webp", webp(fitted(np.asarray(picture.convert("RGBA")), side), 62)


def panorama_views(group: str, folder: Path, rng: np.random.Generator) -> Iterator[Entry]:
    """Yield views into the HDR panoramas of a folder as backdrops."""
    for path in sorted(folder.glob("*.hdr")):
        for number, view in enumerate(views(path, rng, SIDE)):
            yield f"{group}/{Kind.BACKDROP}/{path.stem}{number}.webp", webp(view, 60)


def scene_crops(group: str, photos: Sequence[Path], rng: np.random.Generator) -> Iterator[Entry]:
    """Yield a square crop of each photo as a backdrop, including any products in it.

    Raises:
        ValueError: a photo can't be read.

    """
    for number, path in enumerate(photos):
        photo = cv2.imread(str(path))
        if photo is None:
            raise ValueError(f"can't read {path}")
        side = int(min(photo.shape[:2]) * rng.uniform(0.6, 1.0))
        top, left = (int(rng.integers(0, length - side + 1)) for length in photo.shape[:2])
        crop = np.ascontiguousarray(photo[top : top + side, left : left + side, ::-1], np.uint8)
        yield f"{group}/{Kind.BACKDROP}/{number:05d}_{path.stem}.webp", webp(fitted(crop, SIDE), 55)


def empty_rectangle(product: NDArray[np.bool_], rng: np.random.Generator) -> tuple[slice, slice] | None:
    """Return the largest of many random rectangles without product, or None where all are too small."""
    height, width = product.shape
    grown = cv2.dilate(product.astype(np.uint8), np.ones((9, 9), np.uint8))
    sums = cv2.integral(grown)
    best, largest = None, 0
    for _ in range(_TRIES):
        tall, wide = (int(rng.integers(max(1, int(length * 0.15)), length)) for length in (height, width))
        top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
        bottom, right = top + tall, left + wide
        inside = int(sums[bottom, right]) - int(sums[top, right]) - int(sums[bottom, left]) + int(sums[top, left])
        if inside == 0 and tall * wide > largest and min(tall, wide) > 0.2 * min(height, width):
            best, largest = np.s_[top:bottom, left:right], tall * wide
    return best


def fitted(picture: Pixels, side: int) -> Pixels:
    """Shrink an H×W×C picture to a longest side; never enlarge it."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(picture)
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def webp(picture: Pixels, quality: int) -> bytes:
    """Encode H×W×3 or H×W×4, the colours kept where nothing shows."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=quality, method=5, exact=True, alpha_quality=90)
    return file.getvalue()
