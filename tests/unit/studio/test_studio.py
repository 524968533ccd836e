"""The studio's masks are exact, and its scenes follow from their seed."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tools.studio.camera import Camera, file_of
from tools.studio.files import jobs, named
from tools.studio.layers import Stage, filled, stroked
from tools.studio.lighting import Shadows, shadow
from tools.studio.materials import MATTE, draw_light, encoded, grey, linear
from tools.studio.products.bench import Bench
from tools.studio.recipes import CLASSES
from tools.studio.scenes import scene
from tools.studio.surfaces import ellipse, rectangle, rounded

SIDE = 160


@pytest.mark.parametrize("kind", CLASSES)
def test_a_scene_of_every_class_shows_a_product_on_a_backdrop(kind: str) -> None:
    made = scene(kind, 7, side=SIDE)
    photo = cv2.imdecode(np.frombuffer(made.photo, np.uint8), cv2.IMREAD_COLOR)
    assert photo is not None
    assert photo.shape[:2] == made.alpha.shape
    assert max(made.alpha.shape) == SIDE
    assert 0.001 < np.mean(made.alpha > 127) < 0.95
    assert photo.std() > 1.0
    assert made.kind == kind


def test_the_same_seed_gives_the_same_bytes_and_another_one_a_different_scene() -> None:
    first, again, other = (scene("label", seed, side=SIDE) for seed in (3, 3, 4))
    assert first.photo == again.photo
    assert np.array_equal(first.alpha, again.alpha)
    assert first.photo != other.photo
    assert scene("mug", 3, side=SIDE).photo != first.photo


def test_an_unknown_class_is_an_error() -> None:
    with pytest.raises(KeyError):
        scene("unicorn", 1)


def test_coverage_of_a_shape_is_its_area() -> None:
    disc = filled((200, 200), ellipse(100.3, 99.6, 60.0, 40.0, points=720))
    assert disc.coverage().sum() == pytest.approx(np.pi * 60 * 40, rel=0.01)
    middle = np.full(2, 20.0)
    square = filled((40, 40), rectangle(20.0, 20.0) + middle).coverage()
    assert square[square.shape[0] // 2].sum() == pytest.approx(20.0, abs=0.3)


def test_a_line_is_as_wide_as_asked() -> None:
    line = stroked((100, 300), [np.array(((50.0, 50.0), (250.0, 50.0)))], 6.0)
    column = line.coverage()[:, 100]
    assert column.sum() == pytest.approx(6.0, abs=0.35)


def test_a_hole_is_no_product() -> None:
    stage = Stage(shape=(100, 100))
    outer, inner = ellipse(50.0, 50.0, 40.0, 40.0), ellipse(50.0, 50.0, 20.0, 20.0)
    mask = filled((100, 100), outer, inner)
    stage.add(mask, np.ones((*mask.coverage().shape, 3), np.float32))
    alpha = stage.alpha()
    assert alpha[50, 50] == 0.0
    assert alpha[50, 20] == 1.0
    assert alpha.sum() == pytest.approx(np.pi * (40**2 - 20**2), rel=0.02)


def test_parts_that_meet_leave_no_seam() -> None:
    stage = Stage(shape=(60, 60))
    for x in (20.1, 40.1):
        mask = filled((60, 60), rectangle(20.0, 30.0) + np.array((x, 30.0)))
        stage.add(mask, np.full((*mask.coverage().shape, 3), 0.5, np.float32))
    assert stage.alpha()[30, 12:48].min() == 1.0
    assert np.allclose(stage.light()[30, 12:48], 0.5, atol=0.01)


def test_the_alpha_reproduces_the_edge_pixels() -> None:
    stage = Stage(shape=(80, 80))
    light = draw_light(np.random.default_rng(1), grey(0.9))
    bench = Bench(stage=stage, light=light, rng=np.random.default_rng(1))
    bench.plate(ellipse(40.0, 40.0, 25.0, 25.0), grey(0.1), MATTE, bevel=2.0)
    product, backdrop, alpha = encoded(stage.light()), 0.9, stage.alpha()[:, :, None]
    mixed = product * alpha + backdrop * (1.0 - alpha)
    edge = (alpha[:, :, 0] > 0.2) & (alpha[:, :, 0] < 0.8)
    solved = (mixed - backdrop) / (product - backdrop)
    assert edge.sum() > 50
    assert np.allclose(solved[edge], alpha[edge], atol=0.01)


def test_a_tube_is_brightest_where_it_faces_the_camera() -> None:
    line = stroked((60, 60), [np.array(((10.0, 30.0), (50.0, 30.0)))], 16.0)
    normals = rounded(line, 8.0)
    column = normals.shape[1] // 2
    across = np.where(line.coverage()[:, column] > 0.99, normals[:, column, 2], 0.0)
    assert across.argmax() == pytest.approx(len(across) / 2, abs=2)
    assert across.max() > 0.95
    assert 0.0 < across[across > 0].min() < 0.5
    assert np.allclose(np.linalg.norm(normals, axis=2), 1.0, atol=1e-5)


def test_shadows_darken_beside_the_item_only() -> None:
    item = np.zeros((200, 200), np.uint8)
    item[80:120, 80:120] = 255
    kind = Shadows(standing=False, contact=0.5, ambient=0.2, cast=0.3, towards=(0.02, 0.02), softness=0.01)
    left = shadow([item], kind)
    assert left[121, 100] < 0.8
    assert left[10, 10] == pytest.approx(1.0, abs=0.01)
    assert 0.0 < left.min() <= left.max() <= 1.0


def test_linear_light_and_srgb_are_inverse() -> None:
    values = np.linspace(0.0, 0.9, 50, dtype=np.float32)
    assert np.allclose(encoded(linear(values)), values, atol=1e-3)


def test_a_camera_without_a_quality_loses_nothing() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    data, suffix = file_of(pixels, Camera())
    assert suffix == ".png"
    decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB))
    assert np.array_equal(decoded, pixels)


def test_more_scenes_of_a_seed_begin_with_the_same_ones() -> None:
    assert set(jobs(["ring", "box"], 2, 5)) < set(jobs(["ring", "box"], 3, 5))
    assert not set(jobs(["ring"], 50, 5)) & set(jobs(["ring"], 50, 6))


def test_scenes_can_be_named() -> None:
    assert named("ring:3,label:14") == [("ring", 3), ("label", 14)]
    with pytest.raises(SystemExit, match="ring should be CLASS:SEED"):
        named("ring,label:14")


def test_the_command_writes_photos_masks_and_a_manifest(tmp_path: Path) -> None:
    options = ["--out", str(tmp_path), "--count", "1", "--kinds", "ring,glass", "--side", "120", "--processes", "1"]
    command = [sys.executable, "-m", "tools.studio", *options]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["kind"], row["findings"]) for row in rows] == [("ring", ""), ("glass", "see_through")]
    for row in rows:
        with Image.open(tmp_path / row["file"]) as photo, Image.open(tmp_path / row["mask"]) as mask:
            assert photo.size == mask.size == (int(row["w"]), int(row["h"]))


@pytest.mark.parametrize("kind", ["label", "set", "fur", "box"])
def test_a_larger_photo_shows_the_same_scene(kind: str) -> None:
    small, large = scene(kind, 2, side=160), scene(kind, 2, side=320)
    shrunk = cv2.resize(large.alpha, small.alpha.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.mean(cv2.absdiff(shrunk, small.alpha)) < 4.0
