"""The classes of scenes, named after what makes them difficult."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tools.studio import backdrops
from tools.studio.backdrops import Backdrop
from tools.studio.layers import Floats
from tools.studio.materials import BRUSHED, POLISHED, STEEL, Colour, grey, hsv
from tools.studio.products import containers, hardware, jewellery, paper, soft, worn
from tools.studio.products.bench import Bench, Place, blackish, neutral, whitish

Builder = Callable[[Bench, Place], None]
Drawn = Callable[[np.random.Generator], Colour]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A class of scenes."""

    products: tuple[Builder, ...]
    backdrops: tuple[Backdrop, ...]
    standing: bool = False
    """Whether products stand before the camera; they lie beneath it otherwise."""
    sizes: tuple[float, float] = (0.5, 0.85)
    """Range of the product's size as a share of the photo's shorter side."""
    hard: float = 0.15
    """Share of scenes with a hard shadow."""
    mirror: float = 0.0
    """Share of scenes on a surface that reflects."""
    findings: tuple[str, ...] = ()


def _labelled(bench: Bench, place: Place) -> None:
    """Add a bottle of any body with a label of any grey, pale ones first."""
    rng = bench.rng
    value = rng.uniform(0.82, 0.99) if rng.random() < 0.65 else rng.uniform(0.1, 0.99)
    containers.bottle(bench, place, label=grey(value, rng.uniform(-0.015, 0.015)))


def _drawn_in(colour: Drawn) -> tuple[Builder, ...]:
    """Return standing products of one drawn colour, nothing else on them."""

    def bottle(bench: Bench, place: Place) -> None:
        body, cap, label = (colour(bench.rng) for _ in range(3))
        containers.bottle(bench, place, body=body, cap=cap, label=label)

    def jar(bench: Bench, place: Place) -> None:
        containers.jar(bench, place, body=colour(bench.rng), lid=colour(bench.rng))

    def mug(bench: Bench, place: Place) -> None:
        containers.mug(bench, place, colour=colour(bench.rng))

    def box(bench: Bench, place: Place) -> None:
        paper.box(bench, place, paper=colour(bench.rng), plain=True)

    return bottle, jar, mug, box


def _metal_mug(bench: Bench, place: Place) -> None:
    """Add a steel mug that mirrors its surroundings."""
    metal = POLISHED if bench.rng.random() < 0.5 else BRUSHED
    containers.mug(bench, place, colour=STEEL, material=metal)


def _metal_bottle(bench: Bench, place: Place) -> None:
    metal = POLISHED if bench.rng.random() < 0.5 else BRUSHED
    containers.bottle(bench, place, body=STEEL, material=metal)


def _tinted(bench: Bench, place: Place) -> None:
    """Add a bottle of amber, green, blue or rose glass."""
    rng = bench.rng
    hue = float(rng.choice((0.07, 0.09, 0.3, 0.4, 0.58, 0.95)))
    containers.tinted_bottle(bench, place, hsv(hue, rng.uniform(0.6, 0.95), rng.uniform(0.4, 0.9)))


_FLAT: tuple[Builder, ...] = (
    *(worn.bag, worn.watch, soft.garment, worn.cap, worn.sole_shoe, soft.scarf, paper.book, hardware.scissors),
    *(jewellery.ring, soft.plush, worn.belt),
)
_UPRIGHT: tuple[Builder, ...] = (containers.bottle, containers.jar, containers.mug, paper.box)


def _one_of(builders: tuple[Builder, ...]) -> Builder:
    def build(bench: Bench, place: Place) -> None:
        builders[int(bench.rng.integers(0, len(builders)))](bench, place)

    return build


def _laid_out(bench: Bench, place: Place) -> None:
    """Lay out a large item with one to four much smaller ones beside it."""
    rng = bench.rng
    side = 1 if rng.random() < 0.5 else -1
    main = (paper.book, soft.garment, worn.cap, worn.watch, paper.sheet, worn.bag)[rng.integers(0, 6)]
    main(bench, Place(x=place.x - side * place.size * 0.16, y=place.y, size=place.size * 0.72))
    small = (hardware.blade, jewellery.ring, soft.ball, hardware.scissors, soft.brush, jewellery.chain)
    count = int(rng.integers(1, 5))
    for index in range(count):
        bench.stage.new_item()
        size = place.size * rng.uniform(0.08, 0.3)
        if count == 1:
            size = place.size * rng.uniform(0.3, 0.7)
        y = place.y + place.size * (0.7 * (index + 0.5) / count - 0.35)
        at = Place(
            x=place.x + side * place.size * rng.uniform(0.38, 0.46), y=y, size=min(size, place.size * 0.6 / count + 8)
        )
        if count == 1:
            hardware.blade(bench, Place(x=at.x, y=place.y, size=size), angle=np.pi / 2 + rng.normal(0, 0.1))
        else:
            small[rng.integers(0, len(small))](bench, at)


def _row(bench: Bench, place: Place) -> None:
    """Stand two to five items of very different size in a row."""
    rng = bench.rng
    count = int(rng.integers(2, 6))
    sizes = place.size * np.sort(rng.uniform(0.25, 0.8, count))[:: rng.choice((-1, 1))]
    widths = sizes * 0.62
    x = place.x - min(widths.sum(), bench.shape[1] * 0.9) / 2
    squeeze = min(1.0, bench.shape[1] * 0.9 / widths.sum())
    for size, width in zip(sizes * squeeze, widths * squeeze, strict=True):
        foot = place.foot + rng.uniform(-0.01, 0.03) * place.size
        bench.stage.new_item()
        _one_of(_UPRIGHT)(bench, Place(x=x + width / 2, y=foot - size / 2, size=size))
        x += width


def _knives(bench: Bench, place: Place) -> None:
    """Lay out three to six blades of falling width side by side."""
    count = int(bench.rng.integers(3, 7))
    for index in range(count):
        bench.stage.new_item()
        x = place.x + place.size * (index + 0.5 - count / 2) / count
        size = place.size * bench.rng.uniform(0.6, 1.0)
        hardware.blade(bench, Place(x=x, y=place.y, size=size), angle=np.pi / 2)


def _same_hue(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a backdrop of a soft colour: a product's own is likely to be near."""
    colour = hsv(rng.random(), rng.uniform(0.08, 0.35), rng.uniform(0.7, 0.95))
    return backdrops.plain(colour, uneven=0.15)(rng, shape)


def _beyond(bench: Bench, place: Place) -> None:
    """Add a product that the photo's edge cuts off."""
    side = 1 if bench.rng.random() < 0.5 else -1
    moved = Place(x=bench.shape[1] / 2 + side * (bench.shape[1] / 2 - place.size * 0.18), y=place.y, size=place.size)
    _one_of(_UPRIGHT)(bench, moved)


_PALE = (backdrops.pale, backdrops.pale, backdrops.white, backdrops.sweep)
_ANY_PLAIN = (*_PALE, backdrops.middle, backdrops.coloured)
_NEUTRAL = (*_PALE, backdrops.middle)

CLASSES: dict[str, Recipe] = {
    "label": Recipe(products=(_labelled,), backdrops=_PALE, standing=True),
    "blade": Recipe(products=(hardware.blade, hardware.blade, hardware.scissors), backdrops=_NEUTRAL),
    "knives": Recipe(products=(_knives,), backdrops=_NEUTRAL, sizes=(0.7, 0.9), findings=("several_items",)),
    "ring": Recipe(products=(jewellery.ring, jewellery.ring, hardware.wheel), backdrops=_ANY_PLAIN),
    "chain": Recipe(products=(jewellery.chain,), backdrops=_ANY_PLAIN),
    "necklace": Recipe(products=(jewellery.necklace,), backdrops=_ANY_PLAIN, sizes=(0.6, 0.9)),
    "mesh": Recipe(products=(hardware.mesh, hardware.strainer), backdrops=_ANY_PLAIN),
    "glass": Recipe(
        products=(containers.clear_glass,), backdrops=_ANY_PLAIN, standing=True, mirror=0.3, findings=("see_through",)
    ),
    "translucent": Recipe(products=(_tinted,), backdrops=_ANY_PLAIN, standing=True),
    "eyewear": Recipe(products=(worn.spectacles,), backdrops=_ANY_PLAIN),
    "strap": Recipe(products=(worn.bag, worn.bag, worn.watch, worn.belt), backdrops=_ANY_PLAIN),
    "box": Recipe(products=(paper.box,), backdrops=_ANY_PLAIN, standing=True),
    "mug": Recipe(products=(containers.mug,), backdrops=_ANY_PLAIN, standing=True),
    "metal": Recipe(products=(_metal_mug, _metal_bottle), backdrops=_ANY_PLAIN, standing=True, mirror=0.2),
    "white_on_white": Recipe(
        products=_drawn_in(whitish), backdrops=(backdrops.white, backdrops.white, backdrops.pale), standing=True
    ),
    "dark_on_dark": Recipe(products=_drawn_in(blackish), backdrops=(backdrops.dark,), standing=True),
    "grey_on_grey": Recipe(products=_drawn_in(neutral), backdrops=(backdrops.middle, backdrops.pale), standing=True),
    "dark_on_pale": Recipe(products=_drawn_in(blackish), backdrops=_NEUTRAL, standing=True),
    "set": Recipe(products=(_laid_out,), backdrops=_ANY_PLAIN, sizes=(0.75, 0.9), findings=("several_items",)),
    "row": Recipe(
        products=(_row,), backdrops=_ANY_PLAIN, standing=True, sizes=(0.6, 0.85), findings=("several_items",)
    ),
    "cable": Recipe(products=(hardware.cable,), backdrops=_ANY_PLAIN),
    "print": Recipe(products=(paper.sheet, paper.book), backdrops=_ANY_PLAIN),
    "text": Recipe(products=(paper.letters,), backdrops=_ANY_PLAIN, findings=("several_items",)),
    "garment": Recipe(products=(soft.garment, soft.garment, soft.scarf, worn.cap), backdrops=_ANY_PLAIN),
    "shoe": Recipe(products=(worn.sole_shoe,), backdrops=_ANY_PLAIN, standing=True),
    "fur": Recipe(products=(soft.plush, soft.plush, soft.brush), backdrops=_ANY_PLAIN),
    "near_colour": Recipe(products=(*_FLAT, *_UPRIGHT), backdrops=(_same_hue,)),
    "coloured": Recipe(products=(*_FLAT, *_UPRIGHT), backdrops=(backdrops.coloured,)),
    "hard_shadow": Recipe(products=_UPRIGHT, backdrops=_ANY_PLAIN, standing=True, hard=1.0),
    "reflection": Recipe(products=_UPRIGHT, backdrops=(*_NEUTRAL, backdrops.dark), standing=True, mirror=1.0),
    "wood": Recipe(products=_FLAT, backdrops=(backdrops.wooden,)),
    "cloth": Recipe(products=_FLAT, backdrops=(backdrops.cloth,)),
    "pattern": Recipe(products=_FLAT, backdrops=(backdrops.patterned,)),
    "cluttered": Recipe(products=_UPRIGHT, backdrops=(backdrops.cluttered,), standing=True, findings=("cluttered",)),
    "cropped": Recipe(
        products=(_beyond,), backdrops=_ANY_PLAIN, standing=True, sizes=(0.7, 0.95), findings=("product_touches_frame",)
    ),
    "small": Recipe(products=(*_FLAT, *_UPRIGHT), backdrops=_ANY_PLAIN, sizes=(0.12, 0.25)),
}

UNTRAINED = ("mug", "text", "print", "garment", "dark_on_pale", "coloured", "wood", "cloth", "pattern", "cropped")
"""Classes of which the network that ships was trained on no scene: its confidence is fitted to these."""
