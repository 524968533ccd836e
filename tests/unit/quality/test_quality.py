"""The tool is run as a user runs it, on two photos made here."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.unit.imaging.photos import product_photo

TOOL = Path(__file__).parents[3] / "tools" / "quality.py"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


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
    done = run(folder_of_photos(tmp_path), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert set(summary["kinds"]) == {"synth-plain", "shop", "street"}
    shop = summary["kinds"]["shop"]
    assert shop["n"] == 1
    assert shop["iou_mean"] == shop["iou_median"] > 0.95
    assert shop["mae"] < 0.02
    assert shop["s_per_mp"] > 0
    assert 30 < shop["peak_mib"] < 1024
    assert (shop["accept_rate"], shop["accept_precision"]) == (1, 1)
    street = summary["kinds"]["street"]
    assert (street["iou_mean"], street["accept_rate"], street["accept_precision"]) == (None, 0, None)
    assert summary["backdrops"]["plain"] == shop, "synthetic photos are not counted among the real ones"
    with Image.open(tmp_path / "out" / "contact-sheet.png") as sheet:
        assert sheet.width >= 3 * 480


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode != 0
    assert "manifest.csv does not exist" in done.stderr
