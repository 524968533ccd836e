"""Command line of the training data: ``python -m tools.train.data COMMAND``; see README.md one folder up."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from tools.train.data import pack
from tools.train.data.cutouts import candidates, cut_out, excluded, read_log
from tools.train.data.sheets import write_sheets

_AGREEMENT = 0.93
"""Least agreement of the engine's two masks for a cut-out to be looked at."""
_SEED = 5


def main() -> int:
    """Run the command; return the exit status."""
    arguments = _parser().parse_args()
    commands = {"cutouts": _cutouts, "sheets": _sheets, "products": _products, "scans": _scans, "pack": _pack}
    try:
        commands[arguments.command](arguments)
    except (OSError, ValueError) as error:
        print(f"{arguments.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.train.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    cutouts = commands.add_parser("cutouts", help="cut products out of plain photos")
    cutouts.add_argument("photos", type=Path)
    cutouts.add_argument("out", type=Path)
    cutouts.add_argument("--exclude", type=Path, nargs="*", default=[], help="manifests of photos used for measuring")
    sheets = commands.add_parser("sheets", help="draw contact sheets of the cut-outs")
    sheets.add_argument("photos", type=Path)
    sheets.add_argument("alphas", type=Path, help="what `cutouts` wrote")
    sheets.add_argument("prefix", type=Path)
    products = commands.add_parser("products", help="render made-up products")
    products.add_argument("out", type=Path)
    products.add_argument("--count", type=int, default=1000)
    products.add_argument("--seed", type=int, default=1)
    products.add_argument("--photos", type=Path, nargs="*", default=[], help="folders of photos, for textures")
    products.add_argument("--shapes", type=Path, help="folder of untextured OBJ files")
    scans = commands.add_parser("scans", help="render textured scans")
    scans.add_argument("out", type=Path)
    scans.add_argument("scans", type=Path, nargs="+", help="OBJ or glTF files")
    scans.add_argument("--seed", type=int, default=1)
    packing = commands.add_parser("pack", help="write the packs")
    packing.add_argument("out", type=Path)
    packing.add_argument(
        "--whole", nargs=4, action="append", default=[], metavar=("GROUP", "PHOTOS", "ALPHAS", "BAD"),
        help="photos cut out, and a file of the numbers, on the sheets, of bad ones",
    )  # fmt: skip
    packing.add_argument("--cutouts", nargs=2, action="append", default=[], metavar=("GROUP", "FOLDER"))
    packing.add_argument("--panoramas", nargs=2, action="append", default=[], metavar=("GROUP", "FOLDER"))
    packing.add_argument("--scenes", nargs=3, action="append", default=[], metavar=("GROUP", "FOLDER", "COUNT"))
    packing.add_argument(
        "--studio", nargs=2, action="append", default=[], metavar=("GROUP", "FOLDER"), help="what tools.studio wrote"
    )
    packing.add_argument("--exclude", type=Path, nargs="*", default=[], help="manifests of photos used for measuring")
    packing.add_argument("--limit", type=int, default=pack.LIMIT, help="most bytes of a pack")
    return parser


def _cutouts(arguments: argparse.Namespace) -> None:
    cut_out(arguments.photos, arguments.out, arguments.exclude)


def _sheets(arguments: argparse.Namespace) -> None:
    chosen = candidates(read_log(arguments.alphas), _AGREEMENT)
    write_sheets(chosen, arguments.photos, arguments.alphas, arguments.prefix)
    print(f"{len(chosen)} cut-outs")


def _products(arguments: argparse.Namespace) -> None:
    from tools.train.data.render import render_products

    photos = sorted(path for folder in arguments.photos for path in folder.rglob("*.jpg"))
    shapes = sorted(arguments.shapes.rglob("*.obj")) if arguments.shapes else []
    render_products(arguments.out, arguments.count, arguments.seed, photos, [s for s in shapes if "coll" not in s.name])


def _scans(arguments: argparse.Namespace) -> None:
    from tools.train.data.render import render_scans

    render_scans(arguments.out, arguments.seed, arguments.scans)


def _pack(arguments: argparse.Namespace) -> None:
    rng = np.random.default_rng(_SEED)
    entries: list[pack.Entry] = []
    for group, photos, alphas, bad in arguments.whole:
        dropped = {int(number) for number in Path(bad).read_text(encoding="utf-8").split()}
        chosen = candidates(read_log(Path(alphas)), _AGREEMENT)
        good = [cutout for number, cutout in enumerate(chosen) if number not in dropped]
        entries += pack.whole_photos(group, good, Path(photos), Path(alphas), rng)
    for group, folder in arguments.cutouts:
        entries += pack.cutout_files(group, Path(folder))
    for group, folder in arguments.panoramas:
        entries += pack.panorama_views(group, Path(folder), rng)
    for group, folder in arguments.studio:
        entries += pack.studio_scenes(group, Path(folder))
    measured = set(excluded(arguments.exclude))
    for group, folder, count in arguments.scenes:
        photos = [path for path in sorted(Path(folder).rglob("*.jpg")) if path.name not in measured]
        drawn = rng.choice(len(photos), int(count), replace=False)
        entries += pack.scene_crops(group, [photos[index] for index in sorted(drawn)], rng)
    for kind, count in sorted(pack.write_packs(entries, arguments.out, rng, arguments.limit).items()):
        print(f"{kind:20} {count}")


if __name__ == "__main__":
    sys.exit(main())
