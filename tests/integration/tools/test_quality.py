"""The tool as users run it, on two generated photos."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.unit.imaging.photos import product_photo
from tools.quality.sheets import CELL

ROOT = Path(__file__).parents[3]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.quality", *map(str, arguments), "--processes", "1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


def folder_of_photos(folder: Path) -> Path:
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as lines:
        rows = csv.writer(lines)
        rows.writerow(("file", "mask", "kind", "licence"))
        for name, kind, shape in (("a.png", "synth-plain", "ring"), ("b.png", "shop", "ellipse")):
            photo, truth = product_photo(shape=shape)
            Image.fromarray(photo).save(folder / name)
            Image.fromarray(truth.astype(np.uint8) * 255).save(folder / f"mask-{name}")
            rows.writerow((name, f"mask-{name}", kind, "none"))
        noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)
        Image.fromarray(noise).resize((320, 240), Image.Resampling.NEAREST).save(folder / "c.png")
        rows.writerow(("c.png", "", "street", "none"))
    return folder


def test_the_last_line_holds_the_figures_of_every_kind(tmp_path: Path) -> None:
    done = run(folder_of_photos(tmp_path), "--studio", "0", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    photos = json.loads(done.stdout.splitlines()[-1])["engines"]["local"]["photos"]
    assert set(photos["kinds"]) == {"synth-plain", "shop", "street"}
    shop = photos["kinds"]["shop"]
    assert shop["n"] == 1
    assert shop["iou_mean"] == shop["iou_median"] == shop["worst_tenth"] > 0.95
    assert shop["mae"] < 0.02
    assert shop["s_per_mp"] > 0
    assert 30 < shop["peak_mib"] < 1024
    assert (shop["trusted"], shop["trusted_right"], shop["silent_failures"]) == (1, 1, 0)
    street = photos["kinds"]["street"]
    assert (street["iou_mean"], street["trusted"], street["trusted_right"]) == (None, 0, None)
    assert photos["totals"]["plain backdrop"] == shop, "synthetic photos are not counted among the real ones"
    assert photos["totals"]["all with a mask"]["n"] == 2
    assert photos["checks"]["border"] == {"hits": 0, "misses": 0, "false_alarms": 0, "passes": 2}
    with Image.open(tmp_path / "out" / "local-photos-1.jpg") as sheet:
        assert sheet.width >= 3 * 3 * CELL


def test_studio_scenes_are_measured_beside_the_photos(tmp_path: Path) -> None:
    done = run(folder_of_photos(tmp_path), "--studio", "1", "--kinds", "shop,dark_on_pale", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    local = json.loads(done.stdout.splitlines()[-1])["engines"]["local"]
    assert set(local["photos"]["kinds"]) == {"shop"}
    assert set(local["studio"]["kinds"]) == {"dark_on_pale"}
    assert "compliance report" in done.stdout


def test_an_unknown_engine_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "--engines", "magic")
    assert done.returncode != 0
    assert "unknown engine magic" in done.stderr


def test_networks_need_weights(tmp_path: Path) -> None:
    done = run(folder_of_photos(tmp_path), "--engines", "local,auto", "--weights", tmp_path / "none.onnx")
    assert done.returncode != 0
    assert "none.onnx: neural and auto need --weights FILE" in done.stderr


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode != 0
    assert "manifest.csv does not exist" in done.stderr
