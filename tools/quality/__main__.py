"""Measures photos and studio scenes; prints tables and, as the last line, one JSON object."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import track

from tools.quality.engines import LOCAL, NAMES, Engine
from tools.quality.entries import Entry, read_manifest
from tools.quality.measuring import measure
from tools.quality.scores import CRASH, Score, Summary, judge_checks, judge_findings, summarise
from tools.quality.sheets import write_sheets
from tools.quality.tables import confusion_table, summary_table
from tools.studio.files import jobs, write_all
from tools.studio.recipes import CLASSES

_TABLE_WIDTH = 140
Measured = list[tuple[Score, Image.Image]]


def main(arguments: list[str]) -> None:
    """Measure, print, and write the contact sheets."""
    parser = argparse.ArgumentParser(prog="python -m tools.quality", description="Measure the engines on photos.")
    parser.add_argument("photos", type=Path, help="folder with manifest.csv")
    parser.add_argument("--studio", type=int, default=1, metavar="N", help="studio scenes of each class (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the studio scenes")
    parser.add_argument("--kinds", help="only these kinds of photos and classes of scenes, separated by commas")
    parser.add_argument("--engines", default=LOCAL, help=f"of {', '.join(NAMES)}, separated by commas")
    parser.add_argument("--weights", type=Path, help="ONNX file of the network that neural and auto use")
    parser.add_argument("--model", default="isnet-general-use", help="which network that is")
    parser.add_argument("--out", type=Path, default=Path("quality-out"), help="folder for contact sheets and scenes")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    engines = chosen(options.engines.split(","), options.model, options.weights)
    kinds = options.kinds.split(",") if options.kinds else None
    # Progress goes to stderr, so that the last line of stdout is the JSON alone.
    progress = Console(stderr=True)
    entries = {"photos": [entry for entry in read_manifest(options.photos) if not kinds or entry.kind in kinds]}
    classes = [kind for kind in CLASSES if not kinds or kind in kinds]
    if options.studio > 0 and classes:
        folder = options.out / "studio"
        wanted = jobs(classes, options.studio, options.seed)
        drawn = write_all(wanted, out=folder, side=900, processes=options.processes)
        list(track(drawn, "drawing", len(wanted), console=progress))
        entries["studio"] = read_manifest(folder)
    if not any(entries.values()):
        raise SystemExit(f"{options.photos / 'manifest.csv'} lists no photo of the kinds asked for")
    options.out.mkdir(parents=True, exist_ok=True)
    summary: dict[str, object] = {}
    for engine in engines:
        measured = {
            source: run(some, engine, options.processes, progress, f"{engine.name}, {source}")
            for source, some in entries.items()
            if some
        }
        summary[engine.name] = publish(engine.name, measured, options.out)
    print(json.dumps({"engines": summary}))


def chosen(names: Sequence[str], model: str, weights: Path | None) -> list[Engine]:
    """Return the engines of these names.

    Raises:
        SystemExit: there is no such engine, or it needs weights.

    """
    if unknown := set(names) - set(NAMES):
        raise SystemExit(f"unknown engine {', '.join(sorted(unknown))}; the engines are {', '.join(NAMES)}")
    if set(names) - {LOCAL} and (weights is None or not weights.is_file()):
        raise SystemExit(f"{weights or 'no weights'}: neural and auto need --weights FILE; see whitebg models install")
    return [Engine(name=name, model=model, weights=weights) for name in names]


def run(entries: Sequence[Entry], engine: Engine, processes: int, progress: Console, title: str) -> Measured:
    """Measure photos, each in a process of its own, several at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tools.quality.measuring"])
    work = [(entry, engine) for entry in entries]
    with ProcessPoolExecutor(processes, context, max_tasks_per_child=1) as pool:
        return list(track(pool.map(measure, work), title, len(work), console=progress))


def publish(engine: str, measured: dict[str, Measured], out: Path) -> dict[str, object]:
    """Print an engine's tables and write its contact sheets; return the figures for the JSON."""
    console = Console(width=_TABLE_WIDTH)
    figures: dict[str, object] = {}
    for source, some in measured.items():
        scores = [score for score, _ in some]
        kinds, totals = grouped(scores, source)
        console.print(summary_table(f"{engine}: {source}", kinds, totals))
        checks, findings = judge_checks(scores), judge_findings(scores)
        columns = ("wrong, flagged", "wrong, passed", "right, flagged", "right, passed")
        console.print(confusion_table(f"{engine}: checks of the compliance report, {source}", checks, columns))
        if findings:
            columns = ("expected, found", "expected, missing", "found, not expected", "neither")
            console.print(confusion_table(f"{engine}: findings, {source}", findings, columns))
        for score in scores:
            if score.rejected and score.rejected.startswith(CRASH):
                console.print(f"{score.photo}: {score.rejected}")
        silent = [f"{score.photo} ({score.iou:.2f})" for score in scores if score.silent_failure]
        if silent:
            console.print(f"silent failures (IoU): {', '.join(silent)}")
        sheets = write_sheets(some, out, f"{engine}-{source}")
        console.print(f"contact sheets, failures first: {', '.join(map(str, sheets))}")
        figures[source] = {
            "kinds": kinds,
            "totals": totals,
            "checks": {name: asdict(counts) for name, counts in checks.items()},
            "findings": {name: asdict(counts) for name, counts in findings.items()},
        }
    return figures


def grouped(scores: Sequence[Score], source: str) -> tuple[dict[str, Summary], dict[str, Summary]]:
    """Summarise by kind, and by backdrop and altogether; kinds named ``synth…`` are no photos of real backdrops."""
    by_kind: dict[str, list[Score]] = defaultdict(list)
    by_backdrop: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        by_kind[score.kind].append(score)
        if source != "photos" or not score.kind.startswith("synth"):
            by_backdrop["plain backdrop" if score.plain else "cluttered backdrop"].append(score)
    with_mask = [score for score in scores if score.iou is not None]
    totals = {name: summarise(some) for name, some in sorted(by_backdrop.items(), reverse=True)}
    if with_mask:
        totals["all with a mask"] = summarise(with_mask)
    return {kind: summarise(some) for kind, some in sorted(by_kind.items())}, totals


if __name__ == "__main__":
    main(sys.argv[1:])
