from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.train.packs import Entry, Kind, continued, decode, letterboxed, load, parse_name, read_entries


def webp(picture: np.ndarray) -> bytes:
    """Encode RGB or RGBA as packs do, with colours kept in transparent pixels."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=90, exact=True)
    return file.getvalue()


def product(width: int = 240, height: int = 160) -> np.ndarray:
    """Return RGBA: a red rectangle, a third of the frame each way, before green."""
    picture = np.zeros((height, width, 4), np.uint8)
    picture[..., :3] = (0, 200, 0)
    inside = np.s_[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    picture[inside] = (200, 0, 0, 255)
    return picture


def write_pack(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as pack:
        for name, data in entries.items():
            pack.writestr(name, data)


def test_parse_name_splits_group_kind_and_name() -> None:
    assert parse_name("clothes/wt/00390.webp") == ("clothes", Kind.TOUCHING, "00390")


@pytest.mark.parametrize("path", ["clothes/00390.webp", "clothes/w/00390.png", "clothes/x/1.webp", "/w/1.webp"])
def test_parse_name_rejects_others(path: str) -> None:
    with pytest.raises(ValueError, match=r"webp|kind"):
        parse_name(path)


def test_load_sorts_entries_by_kind_and_limits_each(tmp_path: Path) -> None:
    write_pack(
        tmp_path / "pack0.zip",
        {
            **{f"clothes/w/{index}.webp": webp(product()) for index in range(3)},
            "clothes/wt/9.webp": webp(product()),
            "render/c/r0_0_cup.webp": webp(product()),
            "hdri/back/1.webp": webp(product()[..., :3]),
        },
    )
    stock = load(tmp_path, 32, limit=2)
    assert stock.whole.shape == (3, 4, 32, 32)  # Two whole, one touching the frame.
    assert stock.cutouts.shape == (3, 4, 32, 32)
    assert stock.whole_groups == ("clothes",) * 3
    assert stock.backdrops.shape == (1, 3, 32, 32)
    assert sorted(stock.names) == [("clothes", "0"), ("clothes", "1"), ("render", "r0_0_cup")]


def test_load_names_what_the_packs_lack(tmp_path: Path) -> None:
    write_pack(tmp_path / "pack0.zip", {"render/c/a.webp": webp(product())})
    with pytest.raises(ValueError, match="found 0, 1, 0"):
        load(tmp_path, 32)
    with pytest.raises(FileNotFoundError, match=r"no \*\.zip"):
        list(read_entries(tmp_path / "none"))


def test_decode_fills_a_whole_photos_cutout_with_the_products_colour_alone() -> None:
    entry = Entry(group="clothes", kind=Kind.WHOLE, name="1", data=webp(product()))
    decoded = decode(entry, side=64)
    assert decoded.whole is not None
    assert decoded.cutout is not None
    assert decoded.whole[1].max() > 150  # The backdrop is part of the photo,
    seen = decoded.cutout[:3, decoded.cutout[3] > 0]
    assert seen[1].mean() < 20  # but not of the cut-out.
    assert seen[0].mean() > 150


def test_decode_rejects_a_cutout_without_alpha() -> None:
    with pytest.raises(ValueError, match="render/c/x is no picture of its kind"):
        decode(Entry(group="render", kind=Kind.CUTOUT, name="x", data=webp(product()[..., :3])), side=32)


def test_continued_takes_the_nearest_solid_colour() -> None:
    rgb = np.zeros((10, 30, 3), np.uint8)
    rgb[:, :5], rgb[:, 25:] = (200, 0, 0), (0, 0, 200)
    alpha = np.zeros((10, 30), np.uint8)
    alpha[:, :5] = alpha[:, 25:] = 255
    filled = continued(rgb, alpha)
    assert (filled[:, 10] == (200, 0, 0)).all()
    assert (filled[:, 20] == (0, 0, 200)).all()


def test_letterboxed_keeps_the_aspect_ratio_and_fills_the_longer_side() -> None:
    picture = product(120, 60)
    square = letterboxed(picture[..., :3], picture[..., 3], 100)
    assert square is not None
    rows, columns = np.nonzero(square[3] > 127)
    assert np.ptp(columns) + 1 == pytest.approx(97, abs=1)
    assert np.ptp(rows) + 1 == pytest.approx(97 / 2, abs=1)
    assert letterboxed(picture[..., :3], np.zeros((60, 120), np.uint8), 100) is None
