from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.studio.files import write_all
from tools.studio.recipes import CLASSES
from tools.train.data.cutouts import Cutout, candidates, excluded
from tools.train.data.pack import SEE_THROUGH, empty_rectangle, fitted, studio_scenes, webp, whole_photos, write_packs
from tools.train.data.panoramas import views
from tools.train.data.textures import SIDE, Textures
from tools.train.packs import Kind, load, parse_name


def cutout(name: str, *, agreement: float = 0.95, area: float = 0.3, touches: bool = False) -> Cutout:
    return Cutout(photo=f"{name}.png", name=name, agreement=agreement, area=area, touches=touches)


def test_candidates_are_those_that_the_engine_is_sure_of_and_that_fill_some_of_the_frame() -> None:
    doubtful, tiny, good = cutout("a", agreement=0.8), cutout("b", area=0.01), cutout("c")
    assert candidates([doubtful, tiny, good], 0.93) == [good]


def test_excluded_photos_are_named_by_their_source(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,path\nwith_mask/cl_1.jpg,train/dress/0a1b.jpg\n")
    assert list(excluded([manifest])) == ["0a1b.jpg"]


def test_packs_stay_below_the_limit_and_are_the_same_each_time(tmp_path: Path) -> None:
    entries = [(f"render/c/{index:03d}.webp", bytes([index]) * 400) for index in range(20)]
    for out in ("one", "two"):
        counts = write_packs(entries, tmp_path / out, np.random.default_rng(5), limit=2500)
    assert counts == {"render/c": 20}
    packs = sorted((tmp_path / "one").glob("*.zip"))
    assert len(packs) >= 4
    assert all(pack.stat().st_size <= 2500 for pack in packs)
    assert all(pack.read_bytes() == (tmp_path / "two" / pack.name).read_bytes() for pack in packs)
    held = [name for pack in packs for name in zipfile.ZipFile(pack).namelist()]
    assert sorted(held) == [name for name, _ in entries]


def test_packs_reject_entries_that_are_too_large_or_named_alike(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a/c/1\.webp has 900 bytes"):
        write_packs([("a/c/1.webp", bytes(900))], tmp_path, np.random.default_rng(1), limit=500)
    with pytest.raises(ValueError, match=r"several entries are named a/c/1\.webp"):
        write_packs([("a/c/1.webp", b"1"), ("a/c/1.webp", b"2")], tmp_path, np.random.default_rng(1))


def test_whole_photos_come_with_a_backdrop_without_the_product(tmp_path: Path) -> None:
    photo = np.full((120, 160, 3), (200, 0, 0), np.uint8)  # BGR
    alpha = np.zeros((120, 160), np.uint8)
    alpha[40:80, :50] = 255
    photo[alpha > 0] = (0, 0, 200)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), photo)
    (tmp_path / "alphas").mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "alphas" / f"{name}.png"), alpha)
    chosen = [cutout("a"), cutout("b", touches=True)]
    entries = list(whole_photos("clothes", chosen, tmp_path, tmp_path / "alphas", np.random.default_rng(2)))
    assert [name for name, _ in entries] == [
        "clothes/w/00000.webp", "clothes/back/00000.webp", "clothes/wt/00001.webp", "clothes/back/00001.webp",
    ]  # fmt: skip
    write_packs(entries, tmp_path / "packs", np.random.default_rng(2))
    stock = load(tmp_path / "packs", 32)
    assert stock.counts() == {"whole": 2, "cutouts": 1, "backdrops": 2, "whole clothes": 2, "clothes": 1}
    red, _, blue = stock.backdrops.mean((0, 2, 3))
    assert blue > 150
    assert red < 30


def test_scenes_of_the_studio_are_whole_photos_and_cut_outs_unless_cut_off_or_see_through(tmp_path: Path) -> None:
    rows = list(write_all([("ring", 1), ("glass", 1), ("cropped", 1)], out=tmp_path / "s", side=200, processes=1))
    entries = list(studio_scenes("studio", tmp_path / "s"))
    assert [parse_name(name) for name, _ in entries] == [
        ("studio", Kind.WHOLE, "ring-1"), ("studio", Kind.TOUCHING, "glass-1"), ("studio", Kind.TOUCHING, "cropped-1"),
    ]  # fmt: skip
    packed = cv2.imdecode(np.frombuffer(entries[0][1], np.uint8), cv2.IMREAD_UNCHANGED)
    mask = cv2.imread(str(tmp_path / "s" / str(rows[0]["mask"])), cv2.IMREAD_GRAYSCALE)
    assert packed is not None
    assert mask is not None
    assert np.mean(cv2.absdiff(packed[..., 3], mask)) < 1.0
    assert set(SEE_THROUGH) < set(CLASSES)


def test_a_missing_scene_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,mask,kind\nphotos/a.jpg,masks/a.png,ring\n")
    with pytest.raises(FileNotFoundError, match=r"photos/a\.jpg"):
        list(studio_scenes("studio", tmp_path))


def test_there_is_no_empty_rectangle_beside_a_product_that_fills_the_frame() -> None:
    product = np.ones((50, 50), np.bool_)
    assert empty_rectangle(product, np.random.default_rng(1)) is None
    product[:, 20:] = False
    found = empty_rectangle(product, np.random.default_rng(1))
    assert found is not None
    assert not product[found].any()


def test_fitted_shrinks_and_never_enlarges() -> None:
    assert fitted(np.zeros((100, 50, 3), np.uint8), 60).shape == (60, 30, 3)
    assert fitted(np.zeros((10, 50, 4), np.uint8), 60).shape == (10, 50, 4)


def test_webp_keeps_colours_where_nothing_shows() -> None:
    picture = np.full((32, 32, 4), (200, 40, 40, 0), np.uint8)
    decoded = cv2.imdecode(np.frombuffer(webp(picture, 90), np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    assert decoded[..., 2].mean() > 170


def test_views_into_a_panorama_show_different_parts_of_it(tmp_path: Path) -> None:
    panorama = np.zeros((64, 128, 3), np.float32)
    panorama[:32], panorama[32:] = (1.0, 0.2, 0.2), (0.1, 0.5, 0.1)
    cv2.imwrite(str(tmp_path / "sky.hdr"), panorama)
    shown = list(views(tmp_path / "sky.hdr", np.random.default_rng(3), 24))
    assert {view.shape for view in shown} == {(24, 24, 3)}
    greens = [float((view[..., 1] > view[..., 2]).mean()) for view in shown]
    assert min(greens) < 0.5
    assert max(greens) > 0.9
    with pytest.raises(ValueError, match="can't read"):
        next(views(tmp_path / "none.hdr", np.random.default_rng(3), 24))


@pytest.mark.parametrize("kind", ["plain", "photo", "stripes", "dots", "checks", "mottled", "label"])
def test_each_kind_of_texture_is_drawn(kind: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.jpg"), np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8))
    textures = Textures(np.random.default_rng(4), [tmp_path / "photo.jpg"])
    drawn = [textures.draw(kind) for _ in range(5)]
    assert {texture.shape for texture in drawn} == {(SIDE, SIDE, 3)}
    assert len({texture.tobytes() for texture in drawn}) == 5
