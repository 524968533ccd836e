"""Read packs: ZIP files of WebP pictures named ``GROUP/KIND/NAME.webp``. Free of torch; README.md has the format."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_FILLED_SHARE = 0.97
"""How much of the square the longer side of a cut-out takes."""
_SOLID = 240
"""Alpha above this belongs to the product alone, without a share of the old backdrop."""
_FEWEST_SOLID = 20


class Kind(StrEnum):
    """The kind of an entry of a pack."""

    WHOLE = "w"
    """A whole photo with the alpha of its product."""
    TOUCHING = "wt"
    """The same, where the product touches the frame, so that it is no complete cut-out."""
    CUTOUT = "c"
    """A product without its surroundings."""
    BACKDROP = "back"
    """A picture without a product; no alpha."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A picture of a pack, still encoded."""

    group: str
    kind: Kind
    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """All pictures of a set of packs, decoded to squares of one side."""

    whole: Pixels
    """N×4×S×S: photos and alphas, stretched to the square."""
    whole_groups: tuple[str, ...]
    """Group of each whole photo."""
    cutouts: Pixels
    """M×4×S×S: products and alphas, letterboxed; colours continue past the outline."""
    names: tuple[tuple[str, str], ...]
    """Group and name of each cut-out."""
    backdrops: Pixels
    """K×3×S×S."""

    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind of picture, and of each group of whole photos and of cut-outs."""
        photos = Counter(f"whole {group}" for group in self.whole_groups)
        groups = Counter(group for group, _ in self.names)
        sums = {"whole": len(self.whole), "cutouts": len(self.cutouts), "backdrops": len(self.backdrops)}
        return {**sums, **photos, **groups}


def parse_name(path: str) -> tuple[str, Kind, str]:
    """Split ``GROUP/KIND/NAME.webp``.

    Raises:
        ValueError: the path is no name of a pack's entry.

    """
    parts = path.split("/")
    if len(parts) != 3 or not parts[2].endswith(".webp") or not all(parts):
        raise ValueError(f"expected GROUP/KIND/NAME.webp, not {path!r}")
    try:
        return parts[0], Kind(parts[1]), parts[2].removesuffix(".webp")
    except ValueError:
        raise ValueError(f"unknown kind {parts[1]!r} in {path!r}; expected one of {', '.join(Kind)}") from None


def read_entries(folder: Path, *, limit: int | None = None) -> Iterator[Entry]:
    """Yield the entries of all packs of a folder, at most ``limit`` of each group and kind.

    Raises:
        FileNotFoundError: the folder holds no pack.
        ValueError: an entry has a malformed name.

    """
    packs = sorted(folder.glob("*.zip"))
    if not packs:
        raise FileNotFoundError(f"no *.zip in {folder}")
    seen: Counter[tuple[str, Kind]] = Counter()
    for pack in packs:
        with zipfile.ZipFile(pack) as opened:
            for path in opened.namelist():
                group, kind, name = parse_name(path)
                seen[group, kind] += 1
                if limit is None or seen[group, kind] <= limit:
                    yield Entry(group=group, kind=kind, name=name, data=opened.read(path))


def load(folder: Path, side: int, *, limit: int | None = None, processes: int = 1) -> Stock:
    """Decode all packs of a folder for pictures of ``side`` pixels.

    Raises:
        FileNotFoundError: the folder holds no pack.
        ValueError: an entry can't be decoded, or the packs lack whole photos, cut-outs or backdrops.

    """
    entries = list(read_entries(folder, limit=limit))
    work = partial(decode, side=side)
    if processes == 1:
        decoded = [work(entry) for entry in entries]
    else:
        # Spawned: a fork of a process in which OpenCV has started threads can hang.
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            decoded = list(pool.map(work, entries, chunksize=16))
    whole = [(entry, one.whole) for entry, one in zip(entries, decoded, strict=True) if one.whole is not None]
    cutouts = [(entry, one.cutout) for entry, one in zip(entries, decoded, strict=True) if one.cutout is not None]
    backdrops = [one.backdrop for one in decoded if one.backdrop is not None]
    if not whole or not cutouts or not backdrops:
        raise ValueError(
            f"{folder} needs whole photos, cut-outs and backdrops; found {len(whole)}, {len(cutouts)}, {len(backdrops)}"
        )
    return Stock(
        whole=np.stack([picture for _, picture in whole]),
        whole_groups=tuple(entry.group for entry, _ in whole),
        cutouts=np.stack([picture for _, picture in cutouts]),
        names=tuple((entry.group, entry.name) for entry, _ in cutouts),
        backdrops=np.stack(backdrops),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The pictures decoded from an entry; each C×S×S."""

    whole: Pixels | None = None
    cutout: Pixels | None = None
    backdrop: Pixels | None = None


def decode(entry: Entry, *, side: int) -> Decoded:
    """Decode an entry and bring it to the size of training.

    Raises:
        ValueError: it is no picture, or one without the alpha that its kind needs.

    """
    cv2.setNumThreads(1)
    picture = cv2.imdecode(np.frombuffer(entry.data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or (entry.kind is not Kind.BACKDROP and picture.shape[2] != 4):
        raise ValueError(f"{entry.group}/{entry.kind}/{entry.name} is no picture of its kind")
    rgb = np.ascontiguousarray(picture[..., 2::-1], np.uint8)
    if entry.kind is Kind.BACKDROP:
        return Decoded(backdrop=_stretched(rgb, side).transpose(2, 0, 1))
    alpha = np.ascontiguousarray(picture[..., 3], np.uint8)
    if entry.kind is Kind.CUTOUT:
        return Decoded(cutout=letterboxed(continued(rgb, alpha), alpha, side))
    whole = np.dstack((_stretched(rgb, side), _stretched(alpha, side))).transpose(2, 0, 1)
    if entry.kind is Kind.TOUCHING:
        return Decoded(whole=whole)
    # A matte's haze would bring the old backdrop along.
    firm = np.clip((alpha.astype(np.float32) - 40.0) * (255.0 / 200.0), 0.0, 255.0).astype(np.uint8)
    return Decoded(whole=whole, cutout=letterboxed(continued(rgb, alpha), firm, side))


def continued(rgb: Pixels, alpha: Pixels) -> Pixels:
    """Give each pixel of an H×W×3 picture that is not solid the colour of the nearest solid one.

    So no old backdrop shines through a soft outline. Without solid pixels, the picture is returned as it is.
    """
    solid = alpha > _SOLID
    if solid.sum() < _FEWEST_SOLID:
        solid = alpha > 128
    if solid.sum() < _FEWEST_SOLID or solid.all():
        return rgb
    _, nearest = cv2.distanceTransformWithLabels(
        (~solid).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(solid)
    position = np.zeros(int(nearest.max()) + 1, np.int64)
    position[nearest[rows, columns]] = np.arange(len(rows))
    chosen = position[nearest]
    return np.asarray(rgb[rows[chosen], columns[chosen]], np.uint8)


def letterboxed(rgb: Pixels, alpha: Pixels, side: int) -> Pixels | None:
    """Crop an H×W×3 product to its H×W alpha and centre it in a 4×S×S square; None where the alpha is empty."""
    rows, columns = np.nonzero(alpha > 8)
    if not len(rows):
        return None
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    rgb, alpha = rgb[box], alpha[box]
    scale = side * _FILLED_SHARE / max(alpha.shape)
    width, height = (max(2, round(length * scale)) for length in alpha.shape[::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.zeros((4, side, side), np.uint8)
    inside = np.s_[
        (side - height) // 2 : (side - height) // 2 + height, (side - width) // 2 : (side - width) // 2 + width
    ]
    square[:3, inside[0], inside[1]] = np.asarray(cv2.resize(rgb, (width, height), interpolation=method)).transpose(
        2, 0, 1
    )
    square[3, inside[0], inside[1]] = cv2.resize(alpha, (width, height), interpolation=method)
    return square


def _stretched(picture: Pixels, side: int) -> Pixels:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
