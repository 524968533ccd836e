"""Rings, chains, necklaces, bracelets: bright metal around large openings."""

from __future__ import annotations

import numpy as np

from tools.studio.layers import Points
from tools.studio.materials import COPPER, GLOSSY, GOLD, POLISHED, SATIN, STEEL, Colour
from tools.studio.products.bench import Bench, Place, any_colour, vivid
from tools.studio.surfaces import curve, ellipse, turned


def precious(rng: np.random.Generator) -> Colour:
    """Draw a metal."""
    return (GOLD, STEEL, COPPER)[rng.integers(0, 3)]


def ring(bench: Bench, place: Place, *, colour: Colour | None = None) -> None:
    """Add a ring, bangle or hoop; some carry a stone."""
    rng = bench.rng
    squash = rng.uniform(0.5, 1.0)
    width = place.size * rng.choice((rng.uniform(0.02, 0.05), rng.uniform(0.05, 0.16)))
    radius = (place.size - width) / 2
    angle = rng.uniform(0, np.pi)
    outline = turned(ellipse(0.0, 0.0, radius, radius * squash), angle) + (place.x, place.y)
    metal = rng.random() < 0.75
    bench.tube(
        outline,
        width,
        colour or (precious(rng) if metal else any_colour(rng)),
        POLISHED if metal else SATIN,
        closed=True,
    )
    if rng.random() < 0.4:
        x, y = outline[rng.integers(0, len(outline))]
        _stone(bench, x, y, width * rng.uniform(0.7, 1.3))


def _stone(bench: Bench, x: float, y: float, radius: float) -> None:
    rng = bench.rng
    colour = vivid(rng)
    corners = ellipse(x, y, radius, radius, points=8, angle=rng.uniform(0, 1))
    bench.plate(corners, colour, GLOSSY, bevel=radius * 0.6, occlusion=1.0)
    bench.plate(ellipse(x, y, radius * 0.5, radius * 0.5, points=8), colour, GLOSSY, bevel=radius * 0.15)


def chain(bench: Bench, place: Place) -> None:
    """Add a chain of links, each with an opening, laid in a curve."""
    rng = bench.rng
    turn = np.linspace(0, 2 * np.pi * rng.uniform(0.6, 0.95), 9)
    path = np.stack((np.cos(turn), np.sin(turn)), 1) * place.size * np.array((0.42, rng.uniform(0.25, 0.42)))
    path += rng.normal(0, 0.03 * place.size, path.shape)
    link = place.size * rng.uniform(0.05, 0.12)
    _links(bench, curve(path) + (place.x, place.y), link, precious(rng), link * rng.uniform(0.16, 0.26))


def _links(bench: Bench, path: Points, link: float, colour: Colour, wire: float) -> None:
    """Lay links along a path: flat and on edge by turns."""
    steps = np.r_[0.0, np.cumsum(np.hypot(*np.diff(path, axis=0).T))]
    spacing = link * 0.72
    for index, along in enumerate(np.arange(0.0, steps[-1], spacing)):
        x, y = (np.interp(along, steps, path[:, axis]) for axis in (0, 1))
        ahead = (np.interp(min(along + 2.0, steps[-1]), steps, path[:, axis]) for axis in (0, 1))
        behind = (np.interp(max(along - 2.0, 0.0), steps, path[:, axis]) for axis in (0, 1))
        (x1, y1), (x0, y0) = tuple(ahead), tuple(behind)
        angle = float(np.arctan2(y1 - y0, x1 - x0))
        half = (link - wire) / 2
        if index % 2:
            line = turned(np.array(((-half, 0.0), (half, 0.0))), angle) + (x, y)
            bench.tube(line, wire, colour, POLISHED, occlusion=0.8)
        else:
            oval = turned(ellipse(0.0, 0.0, half, half * 0.62), angle) + (x, y)
            bench.tube(oval, wire, colour, POLISHED, closed=True, occlusion=0.8)


def necklace(bench: Bench, place: Place) -> None:
    """Add a fine necklace with a pendant, or a string of beads."""
    rng = bench.rng
    size = place.size
    narrow = rng.uniform(0.28, 0.42)
    drop = np.array(((0.0, -0.45), (0.7, -0.35), (1.0, 0.0), (0.62, 0.25), (0.0, 0.36)))
    half = drop * (narrow * size, size)
    path = curve(np.concatenate((half, half[-2:0:-1] * (-1, 1))), closed=True) + (place.x, place.y)
    colour = precious(rng)
    kind = rng.integers(0, 3)
    if kind == 0:
        bench.tube(path, max(1.5, size * rng.uniform(0.003, 0.008)), colour, POLISHED, closed=True)
    elif kind == 1:
        link = size * rng.uniform(0.018, 0.035)
        _links(bench, np.concatenate((path, path[:1])), link, colour, max(1.2, link * 0.25))
    else:
        _beads(bench, path, size * rng.uniform(0.02, 0.045), any_colour(rng))
    x, y = place.x, place.y + 0.36 * size
    if rng.random() < 0.8:
        reach = size * rng.uniform(0.03, 0.07)
        bench.tube(
            ellipse(x, y + reach * 0.2, reach * 0.3, reach * 0.3), max(1.2, reach * 0.14), colour, POLISHED, closed=True
        )
        _stone(bench, x, y + reach * 1.35, reach)


def _beads(bench: Bench, path: Points, size: float, colour: Colour) -> None:
    steps = np.r_[0.0, np.cumsum(np.hypot(*np.diff(path, axis=0).T))]
    for along in np.arange(0.0, steps[-1] - size / 2, size * 1.04):
        x, y = (float(np.interp(along, steps, path[:, axis])) for axis in (0, 1))
        bench.plate(ellipse(x, y, size / 2, size / 2, points=40), colour, GLOSSY, bevel=size / 2)
