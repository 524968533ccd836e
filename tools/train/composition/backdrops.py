"""Backdrops: painted ones (sweeps, cloth, boards, tiles, marble), photos, and mixtures of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tools.train.composition.canvas import Canvas
from tools.train.composition.filters import recolour

_RGB = (3, 1, 1)
PLAIN_SHARE, PATTERNED_SHARE = 0.27, 0.25
"""Shares of painted backdrops; the rest are photos."""
_STUDIO_ODDS = 0.14
"""Odds of a studio's white, grey or black backdrop."""


def painted(canvas: Canvas, n: int, *, plain: bool) -> Tensor:
    """Return N×3×S×S gradients with texture and a pattern, both faint on ``plain`` ones."""
    first = (canvas.uniform(n, 0.02) ** 0.7 + canvas.normal(n, shape=_RGB) * canvas.uniform(n, 0, 0.22)).clamp(0, 1)
    second = (first + canvas.normal(n, 0.12, _RGB) + canvas.normal(n, 0.18)).clamp(0, 1)
    direction = canvas.uniform(n, 0, 2 * math.pi)
    along = canvas.x * torch.cos(direction) + canvas.y * torch.sin(direction)
    across = -canvas.x * torch.sin(direction) + canvas.y * torch.cos(direction)
    uneven = canvas.noise(n, 1, 2, 4)
    picture = first + (second - first) * (along * 0.5 + 0.5 + uneven * 0.15).clamp(0, 1)

    fine = canvas.noise(n, 1, 16, 128, grain=canvas.number() < 0.35)
    middle = canvas.noise(n, 1, 4, 32, grain=canvas.number() < 0.35)
    amount = canvas.uniform(n, 0, 0.025 if plain else 0.14)
    picture = picture + fine * amount + middle * amount * canvas.uniform(n)
    picture = picture + canvas.noise(n, 3, 4, 64) * amount * canvas.uniform(n, 0, 0.7)

    contrast = canvas.uniform(n, 0, 0.03) if plain else canvas.uniform(n, 0, 0.25) ** 1.3
    pattern = _pattern(canvas, along, across, middle, uneven)
    return (picture + pattern * contrast * canvas.uniform(n, 0.2, 1.0, _RGB)).clamp(0, 1)


def _pattern(canvas: Canvas, along: Tensor, across: Tensor, middle: Tensor, uneven: Tensor) -> Tensor:
    """Return N×1×S×S of one pattern each, about -1 to 1: stripes, weave, checks, boards, tiles, marble or none."""
    n = len(along)
    pitch = torch.exp(canvas.uniform(n, 0.5, 3.6))
    wobble = middle * canvas.uniform(n, 0, 0.6)
    wave = torch.sin(2 * math.pi * (pitch * along + wobble))
    cross = torch.sin(2 * math.pi * (pitch * across + wobble))
    boards = -1.2 * ((pitch * along * 0.5 + wobble * 0.2) % 1.0 < 0.05).float()
    joints = (pitch * along * 0.4) % 1.0 < 0.04
    tiles = -1.0 * (joints | ((pitch * across * 0.4) % 1.0 < 0.04)).float()
    marble = torch.sin(5 * middle + 3 * uneven)
    kinds = torch.cat((wave, wave * cross, torch.sign(wave * cross), boards, tiles, marble, torch.zeros_like(wave)), 1)
    chosen = torch.randint(0, kinds.shape[1], (n, 1, 1, 1), device=canvas.device).expand(
        -1, -1, canvas.side, canvas.side
    )
    return kinds.gather(1, chosen)


def photographed(canvas: Canvas, photos: Tensor, n: int) -> Tensor:
    """Return N×3×S×S crops of M×3×S×S uint8 photos without products, mirrored, turned and recoloured."""
    chosen = photos[torch.randint(0, len(photos), (n,), device=canvas.device)].float() / 255
    zoom = torch.exp(canvas.uniform(n, -0.1, 0.9, ()))
    room = (zoom - 1).clamp(min=0)
    x, y = canvas.uniform(n, -1, 1, ()) * room, canvas.uniform(n, -1, 1, ()) * room
    tall = zoom * torch.exp(canvas.normal(n, 0.15, ()))
    matrix = canvas.transform(zoom * canvas.sign(n), tall, canvas.normal(n, 0.12, ()), x, y)
    return recolour(canvas, canvas.warp(chosen, matrix, "reflection"), 0.8)


def backdrops(canvas: Canvas, photos: Tensor, product_colours: Tensor, *, busy: bool = False) -> Tensor:
    """Return a backdrop for each of N products of the mean colours N×3×1×1; ``busy`` ones are never plain.

    Some take the product's own colour (dark on dark, white on white), some show a table before a wall, some are a
    studio's white, grey or black.
    """
    n = len(product_colours)
    plain = 0 if busy else round(n * PLAIN_SHARE)
    patterned = round(n * PATTERNED_SHARE)
    counts = {"plain": plain, "patterned": patterned, "photo": n - plain - patterned}
    parts = [_one_kind(canvas, photos, kind, count) for kind, count in counts.items() if count]
    picture = torch.cat(parts)[torch.randperm(n, device=canvas.device)]

    near = canvas.chance(n, 0.22) * canvas.uniform(n, 0.5, 0.95)
    mean = picture.mean((2, 3), keepdim=True)
    picture = (picture + near * (product_colours + canvas.normal(n, 0.06, _RGB) - mean)).clamp(0, 1)

    other = picture[torch.randperm(n, device=canvas.device)]
    horizon = canvas.y - canvas.uniform(n, -0.6, 0.7) - canvas.x * canvas.normal(n, 0.15)
    table = torch.sigmoid(horizon * torch.exp(canvas.uniform(n, 1.5, 5))) * canvas.chance(n, 0.3)
    picture = picture * (1 - table) + other * table
    if busy:
        return picture

    studio = canvas.chance(n, _STUDIO_ODDS)
    level = torch.where(canvas.uniform(n) < 0.6, canvas.uniform(n, 0.85, 1.0), canvas.uniform(n, 0.0, 0.5))
    faint = (picture - picture.mean((2, 3), keepdim=True)) * 0.05
    return picture * (1 - studio) + studio * (level + faint).clamp(0, 1)


def _one_kind(canvas: Canvas, photos: Tensor, kind: str, n: int) -> Tensor:
    return photographed(canvas, photos, n) if kind == "photo" else painted(canvas, n, plain=kind == "plain")
