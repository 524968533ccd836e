"""Command line: ``python -m tools.train run | export | score``; see README.md in this folder."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from types import FrameType

from tools.train.scoring import OnnxModel, read_examples, score
from tools.train.shape import Shape


def main() -> int:
    """Run the command; return the exit status."""
    arguments = _parser().parse_args()
    if arguments.command != "score" and find_spec("torch") is None:
        print("training needs torch: pip install -r tools/train/requirements.txt", file=sys.stderr)
        return 2
    try:
        {"run": _run, "export": _export, "score": _score}[arguments.command](arguments)
    except (OSError, ValueError) as error:
        print(f"{arguments.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    default = Shape()
    parser = argparse.ArgumentParser(prog="python -m tools.train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train, then export")
    run.add_argument("--data", type=Path, required=True, help="folder of packs (*.zip)")
    run.add_argument(
        "--out", type=Path, required=True, help="folder for ema.pt, run.pt, net.onnx, log.jsonl and sheets"
    )
    run.add_argument("--resume", type=Path, help="ema.pt to start from, or run.pt to go on with")
    run.add_argument("--examples", type=Path, help="manifest.csv of photos with masks, to score on")
    run.add_argument("--seconds", type=float, default=500.0)
    run.add_argument("--steps", type=int)
    run.add_argument("--batch", type=int, default=128)
    run.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    run.add_argument("--side", type=int, default=default.side, help="pixels; a multiple of 32")
    run.add_argument("--widths", type=int, nargs=5, default=default.widths, help="channels of stem and stages")
    run.add_argument("--depths", type=int, nargs=3, default=default.depths, help="blocks of the first three stages")
    run.add_argument("--limit", type=int, help="pictures of each group and kind (for a rehearsal)")
    run.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="for decoding the packs")
    export = commands.add_parser("export", help="write ema.pt as ONNX")
    export.add_argument("checkpoint", type=Path)
    export.add_argument("onnx", type=Path)
    scoring = commands.add_parser("score", help="score an ONNX file on photos with masks")
    scoring.add_argument("onnx", type=Path)
    scoring.add_argument("examples", type=Path, help="manifest.csv")
    scoring.add_argument("--side", type=int, default=default.side)
    return parser


def _run(arguments: argparse.Namespace) -> None:
    import torch

    from tools.train.composition.composer import Composer
    from tools.train.packs import load
    from tools.train.samples import write_predictions, write_samples
    from tools.train.trainer import LOG, Log, Plan, Trainer

    shape = Shape(side=arguments.side, widths=tuple(arguments.widths), depths=tuple(arguments.depths))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = Log(arguments.out / LOG)
    stock = load(arguments.data, shape.side, limit=arguments.limit, processes=arguments.processes)
    examples = read_examples(arguments.examples, shape.side) if arguments.examples else []
    name = torch.cuda.get_device_name() if device.type == "cuda" else device.type
    log.write(device=name, torch=torch.__version__, examples=len(examples), **stock.counts())
    composer = Composer(stock, device)
    plan = Plan(
        shape=shape, seconds=arguments.seconds, steps=arguments.steps, batch=arguments.batch, rate=arguments.rate,
        resume=arguments.resume,
    )  # fmt: skip
    trainer = Trainer(plan, composer, device, arguments.out, log)
    write_samples(composer, arguments.out / "samples.jpg")
    trainer.train(examples, stopping=_stopping())
    if examples:
        write_predictions(examples, trainer.predict, arguments.out / "predictions.jpg")
    if find_spec("onnx") is None:
        print("not exported, because onnx is not installed; run: python -m tools.train export ema.pt net.onnx")
        return
    from tools.train.export import export

    log.write(exported="net.onnx", folding=export(trainer.average.cpu(), arguments.out / "net.onnx"))


def _stopping() -> Callable[[], bool]:
    """Return a function that is true once Ctrl-C or SIGTERM asked to end early; a second one ends at once."""
    asked = Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return asked.is_set


def _export(arguments: argparse.Namespace) -> None:
    from tools.train.checkpoint import network_from
    from tools.train.export import export

    difference = export(network_from(arguments.checkpoint), arguments.onnx)
    print(f"{arguments.onnx}: {arguments.onnx.stat().st_size / 1e6:.1f} MB; folding changed alpha by {difference:.1g}")


def _score(arguments: argparse.Namespace) -> None:
    for name, value in score(read_examples(arguments.examples, arguments.side), OnnxModel(arguments.onnx)).items():
        print(f"{name:24} {value}")


if __name__ == "__main__":
    sys.exit(main())
