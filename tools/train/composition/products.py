"""Products: cut-outs from the packs, with openings cut into them, made transparent, or drawn as rings and meshes.

A product is N×4×S×S: premultiplied RGB and alpha, in its own square until ``put`` positions it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from tools.train.composition.backdrops import painted
from tools.train.composition.canvas import Canvas
from tools.train.composition.filters import blur, recolour

_SMALL = 0.55
"""Products below this scale come from a copy of half the size, against aliasing."""


class Cutouts:
    """Cut-outs on the device, drawn by weight."""

    def __init__(self, canvas: Canvas, pictures: Tensor, weights: Tensor, packaging: Tensor) -> None:
        """Take M×4×S×S uint8 pictures, M weights, and M flags of products that stand on shelves."""
        self._canvas, self._pictures, self._weights = canvas, pictures, weights
        shelved = weights * packaging
        self._shelved = shelved if bool(shelved.sum() > 0) else weights

    def draw(self, n: int, *, packaging: bool = False) -> Tensor:
        """Draw N products, recoloured."""
        weights = self._shelved if packaging else self._weights
        chosen = self._pictures[torch.multinomial(weights, n, replacement=True)].float() / 255
        alpha = chosen[:, 3:]
        return torch.cat((recolour(self._canvas, chosen[:, :3]) * alpha, alpha), 1)


def put(
    canvas: Canvas, products: Tensor, scale: Tensor, x: Tensor, y: Tensor, *, angle: Tensor | None = None
) -> Tensor:
    """Put N products into the picture: N scales, shares of the picture's side, and N centres.

    Each is mirrored or not, stretched a little, seen in a little perspective, and turned by ``angle`` radians, or at
    random.
    """
    n = len(products)
    stretch = torch.exp(canvas.normal(n, 0.13, ()))
    turned = canvas.tilt(n) if angle is None else angle
    matrix = canvas.transform(scale * stretch * canvas.sign(n), scale / stretch, turned, x, y, perspective=0.12)
    large = canvas.warp(products, matrix)
    small = canvas.warp(functional.avg_pool2d(products, 2), matrix)
    return torch.where((scale > _SMALL)[:, None, None, None], large, small)


def mean_colour(products: Tensor) -> Tensor:
    """Return N×3×1×1 mean colours."""
    area = products[:, 3:].sum((2, 3), keepdim=True) + 1e-3
    return products[:, :3].sum((2, 3), keepdim=True) / area


def pierced(canvas: Canvas, products: Tensor) -> Tensor:
    """Cut openings into N products: one in the middle, a handle's off it, or a grid of them, with a shaded rim."""
    n = len(products)
    x, y = canvas.x - canvas.normal(n, 0.08), canvas.y - canvas.normal(n, 0.08)
    aspect = torch.exp(canvas.normal(n, 0.3))
    middle = canvas.uniform(n, 0.15, 0.5) - torch.hypot(x * aspect, y / aspect)
    direction = canvas.uniform(n, 0, 2 * math.pi)
    off_x, off_y = x - 0.5 * torch.cos(direction), y - 0.5 * torch.sin(direction)
    handle = canvas.uniform(n, 0.08, 0.25) - torch.hypot(off_x * aspect, off_y / aspect)
    pitch = canvas.uniform(n, 0.12, 0.5)
    cell_x, cell_y = (x % pitch) - pitch / 2, (y % pitch) - pitch / 2
    window = pitch * canvas.uniform(n, 0.25, 0.42)
    grid = torch.where(
        canvas.chance(n, 0.5) > 0,
        window - torch.hypot(cell_x, cell_y),
        window - torch.maximum(cell_x.abs(), cell_y.abs()),
    )
    kind = canvas.uniform(n)
    opening = torch.where(kind < 0.45, middle, torch.where(kind < 0.7, handle, grid))
    shade = 1 + canvas.uniform(n, -0.5, 0.3) * torch.exp(-((opening / canvas.uniform(n, 0.01, 0.05)) ** 2))
    kept = 1 - canvas.mask(opening)
    rgb = torch.minimum(products[:, :3] * shade, products[:, 3:])
    return torch.cat((rgb, products[:, 3:]), 1) * kept


def hollow(canvas: Canvas, n: int) -> Tensor:
    """Draw N rings, chains and meshes of painted material, shaded as if round."""
    material = recolour(canvas, painted(canvas, n, plain=False))
    thick = canvas.uniform(n, 0.015, 0.14)
    tall = torch.exp(canvas.normal(n, 0.25))
    ring = torch.hypot(canvas.x, canvas.y * tall) - canvas.uniform(n, 0.45, 0.8)
    bent = canvas.y - canvas.uniform(n, -0.5, 0.5) * (canvas.x**2 - 0.3)
    pitch = canvas.uniform(n, 0.18, 0.35)
    link_x = (canvas.x % pitch) - pitch / 2
    chain = torch.where(canvas.x.abs() < 0.9, torch.hypot(link_x, bent) - pitch * 0.46, torch.ones_like(bent))
    gap = canvas.uniform(n, 0.12, 0.4)
    wires = torch.minimum(((canvas.x % gap) - gap / 2).abs(), ((canvas.y % gap) - gap / 2).abs())
    mesh = torch.where(torch.maximum(canvas.x.abs(), canvas.y.abs()) < 0.85, wires, torch.ones_like(wires))
    kind = canvas.uniform(n)
    thick = torch.where(kind < 0.45, thick, thick.clamp(max=0.035))
    distance = torch.where(kind < 0.45, ring, torch.where(kind < 0.75, chain, mesh)).abs()
    round_ = (1 - (distance / thick) ** 2).clamp(min=0).sqrt()
    alpha = canvas.mask(thick - distance)
    lit = 0.45 + 0.55 * round_ + canvas.uniform(n, 0, 0.8) * round_**8
    return torch.cat(((material * lit).clamp(0, 1) * alpha, alpha), 1)


def seen_through(canvas: Canvas, products: Tensor, backdrop: Tensor) -> tuple[Tensor, Tensor]:
    """Turn N products in their picture into glass; return them, and N×1×S×S of how much of the backdrop shows.

    Glass is clearer inside than at its rim, distorts the backdrop, and has highlights. Its alpha stays that of the
    object's extent: the matte has to find its transparency.
    """
    n = len(products)
    alpha = products[:, 3:]
    inside = (blur(alpha, canvas.side * canvas.number(0.008, 0.03)) * 2 - 1).clamp(0, 1) * alpha
    through = inside * canvas.uniform(n, 0.45, 0.95)
    lens = blur(alpha, canvas.side * 0.04)
    bend = canvas.uniform(n, -1.2, 1.2)
    across = functional.pad(lens[..., 2:] - lens[..., :-2], (1, 1)) * bend
    down = functional.pad(lens[..., 2:, :] - lens[..., :-2, :], (0, 0, 1, 1)) * bend
    points = torch.cat((canvas.x + across, canvas.y + down), 1).flatten(2).transpose(1, 2)
    behind = canvas.sample(backdrop, points, "reflection") * canvas.uniform(n, 0.7, 1.0, (3, 1, 1))
    grey = products[:, :3].mean(1, keepdim=True)
    own = products[:, :3] + (grey - products[:, :3]) * canvas.uniform(n, 0.3, 1.0)
    streaks = (canvas.noise(n, 1, 4, 16, grain=True) - canvas.uniform(n, 0.8, 1.6)).clamp(0, 0.5) * 2
    rgb = own * (1 - through) + behind * through
    rgb = torch.minimum(rgb + streaks * alpha, alpha)
    return torch.cat((rgb, alpha), 1), through
