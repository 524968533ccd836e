"""Parts that need torch, which only training uses: skipped where it is not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tools.train.packs import Stock
from tools.train.recipe import Scene
from tools.train.shape import Shape

torch = pytest.importorskip("torch", reason="torch is needed for training only: tools/train/requirements.txt")

from tools.train.checkpoint import network_from, write_weights  # noqa: E402 - after the check for torch
from tools.train.composition.composer import Composer  # noqa: E402
from tools.train.export import export  # noqa: E402
from tools.train.network import Exported, Network  # noqa: E402
from tools.train.samples import write_predictions  # noqa: E402
from tools.train.scoring import Example, OnnxModel  # noqa: E402
from tools.train.shape import shape_of  # noqa: E402
from tools.train.trainer import Log, Plan, Trainer  # noqa: E402
from tools.train.widen import grown  # noqa: E402

SMALL = Shape(side=64, widths=(8, 8, 16, 16, 24), depths=(1, 1, 2))
CPU = torch.device("cpu")


def network(shape: Shape = SMALL) -> Network:
    """Return a network whose every parameter matters: none is zero, and the statistics are realistic."""
    torch.manual_seed(3)
    made = Network(shape)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        for name, buffer in made.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
    made.eval()
    return made


def stock(side: int = 64) -> Stock:
    """Return discs of one colour, uniform backdrops of another."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    disc = np.where(np.hypot(x, y) < 0.7, 255, 0).astype(np.uint8)
    cut = np.stack([np.full((side, side), value, np.uint8) for value in (200, 30, 30)] + [disc])
    whole = cut.copy()
    whole[:3, disc == 0] = 90
    return Stock(
        whole=np.stack([whole] * 2),
        whole_groups=("clothes", "studio"),
        cutouts=np.stack([cut] * 3),
        names=(("clothes", "1"), ("trash", "2"), ("render", "r0_0_bottle")),
        backdrops=np.full((2, 3, side, side), 90, np.uint8),
    )


def has_opening(mask: NDArray[np.uint8]) -> bool:
    """Return whether some outline lies inside another."""
    outlines, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return bool(outlines) and bool((hierarchy[0, :, 3] >= 0).any())


def test_shape_is_read_from_the_parameters() -> None:
    assert shape_of({name: tuple(value.shape) for name, value in Network(SMALL).state_dict().items()}) == SMALL


@pytest.mark.parametrize("shape", [
    Shape(side=64, widths=(16, 16, 24, 32, 48), depths=(1, 1, 2)),
    Shape(side=64, widths=SMALL.widths, depths=(2, 3, 2)),
])  # fmt: skip
def test_a_grown_network_computes_the_same(shape: Shape) -> None:
    small, large = network(), Network(shape).eval()
    large.load_state_dict(grown(small.state_dict(), shape))
    picture = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(large(picture), small(picture), atol=1e-4)
    assert sum(p.numel() for p in large.parameters()) > sum(p.numel() for p in small.parameters())


def test_all_of_a_grown_network_learns() -> None:
    shape = Shape(side=64, widths=(16, 16, 24, 32, 48), depths=(1, 1, 2))
    large = Network(shape).train()
    large.load_state_dict(grown(network().state_dict(), shape))
    optimiser = torch.optim.SGD(large.parameters(), lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        large(torch.randn(4, 3, 64, 64)).square().mean().backward()
        optimiser.step()
    still = [name for name, p in large.named_parameters() if not name.startswith("side") and not p.grad.abs().sum()]
    # Softmax is invariant to a term that all keys share.
    assert [name for name in still if not name.endswith("qkv.bias")] == []


def test_a_network_is_not_shrunk() -> None:
    with pytest.raises(ValueError, match="is larger than"):
        grown(network().state_dict(), Shape(side=64, widths=(8, 8, 8, 8, 12), depths=(1, 1, 1)))


@pytest.mark.parametrize("scene", list(Scene))
def test_each_scene_shows_its_product_where_its_alpha_is(scene: Scene) -> None:
    torch.manual_seed(1)
    pictures, alphas = Composer(stock(), CPU, {scene: 1.0}).batch(12)
    assert pictures.shape == (12, 3, 64, 64)
    assert alphas.shape == (12, 1, 64, 64)
    assert torch.isfinite(pictures).all()
    assert float(pictures.min()) >= 0
    assert float(pictures.max()) <= 1
    inside = (pictures * (alphas > 0.5)).sum((1, 2, 3)) / (3 * (alphas > 0.5).sum((1, 2, 3)))
    outside = (pictures * (alphas <= 0.5)).sum((1, 2, 3)) / (3 * (alphas <= 0.5).sum((1, 2, 3)))
    assert 0.02 < float(alphas.mean()) < 0.95
    assert float((inside - outside).abs().mean()) > 0.02


def test_openings_are_no_part_of_the_alpha() -> None:
    torch.manual_seed(1)
    _, alphas = Composer(stock(), CPU, {Scene.PIERCED: 1.0}).batch(24)
    masks = [(alpha[0] > 0.5).numpy().astype(np.uint8) for alpha in alphas]
    assert sum(has_opening(mask) for mask in masks) > 8


def test_composition_is_repeatable() -> None:
    composer = Composer(stock(), CPU)
    torch.manual_seed(5)
    first = composer.batch(16)[0]
    torch.manual_seed(5)
    assert torch.equal(composer.batch(16)[0], first)


def test_export_computes_what_the_checkpoint_does(tmp_path: Path) -> None:
    write_weights(tmp_path / "ema.pt", network())
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        wanted = Exported(network_from(tmp_path / "ema.pt").eval())(tensor)[0, 0].numpy()
    assert export(network_from(tmp_path / "ema.pt"), tmp_path / "net.onnx") < 1e-4
    assert OnnxModel(tmp_path / "net.onnx")(picture) == pytest.approx(wanted, abs=1e-3)


def plan(steps: int, resume: Path | None = None) -> Plan:
    return Plan(shape=SMALL, seconds=600, steps=steps, batch=8, resume=resume)


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    composer, log = Composer(stock(), CPU), Log(tmp_path / "log.jsonl")
    first = Trainer(plan(2), composer, CPU, tmp_path, log)
    before = first.average.state_dict()["head.weight"].clone()
    first.train([])
    assert not torch.equal(first.average.state_dict()["head.weight"], before)
    second = Trainer(plan(4, tmp_path / "run.pt"), composer, CPU, tmp_path, log)
    assert second.step == 2
    assert torch.equal(second.average.state_dict()["head.weight"], first.average.state_dict()["head.weight"])
    second.train([])
    assert second.step == 4


def test_a_run_that_is_asked_to_stop_saves_what_it_has(tmp_path: Path) -> None:
    composer, log = Composer(stock(), CPU), Log(tmp_path / "log.jsonl")
    trainer = Trainer(plan(1000), composer, CPU, tmp_path, log)
    trainer.train([], stopping=lambda: trainer.step >= 2)
    assert trainer.step == 2
    saved = network_from(tmp_path / "ema.pt").state_dict()["head.weight"]
    assert torch.allclose(saved, trainer.average.state_dict()["head.weight"], atol=1e-3)


def test_a_batch_without_a_usable_gradient_leaves_the_network_whole(tmp_path: Path, monkeypatch: Any) -> None:
    composer = Composer(stock(), CPU)
    trainer = Trainer(plan(3), composer, CPU, tmp_path, Log(tmp_path / "log.jsonl"))
    monkeypatch.setattr("tools.train.trainer.loss_of", lambda logits, sides, alpha: logits.mean().expand(3) / 0)
    trainer.train([])
    assert trainer.step == 3
    assert all(torch.isfinite(parameter).all() for parameter in trainer.average.parameters())


def test_a_sheet_of_predictions_shows_each_photo_with_its_product_on_white(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[:, :32] = True
    photo = np.full((64, 64, 3), 40, np.uint8)
    examples = [Example(kind="a", photo=photo, mask=mask)] * 9
    write_predictions(examples, lambda _: mask.astype(np.float32), tmp_path / "sheet.jpg")
    sheet = cv2.imread(str(tmp_path / "sheet.jpg"))
    assert sheet is not None
    assert sheet.shape == (2 * 2 * 160, 8 * 160, 3)
    assert [int(sheet[y, x, 0]) > 200 for y, x in ((80, 40), (240, 40), (240, 120), (400, 40))] == [
        False,
        False,
        True,
        False,
    ]
    assert int(sheet[400, 200, 0]) > 200  # No tenth photo.


def test_a_run_of_another_network_is_rejected(tmp_path: Path) -> None:
    composer, log = Composer(stock(), CPU), Log(tmp_path / "log.jsonl")
    Trainer(plan(1), composer, CPU, tmp_path, log).train([])
    other = Plan(shape=Shape(side=64), seconds=1, resume=tmp_path / "run.pt")
    with pytest.raises(ValueError, match="run of another network"):
        Trainer(other, composer, CPU, tmp_path, log)
