"""Hands and arms, drawn as shaded capsules: the hand that holds a product is not part of it.

They are far from real hands; the network learns from them that a skin-coloured or sleeved limb that enters from the
frame and overlaps the product is background.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tools.train.composition.backdrops import painted
from tools.train.composition.canvas import Canvas

_PALE, _DARK = (0.96, 0.80, 0.70), (0.27, 0.16, 0.11)
_FINGERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """N hands as premultiplied N×4×S×S pictures."""

    behind: Tensor
    """Arm and palm, behind the product."""
    before: Tensor
    """Fingers and thumb, in front of it."""


def hands(canvas: Canvas, x: Tensor, y: Tensor, reach: Tensor) -> Hand:
    """Draw a hand for each of N products, centred at (x, y) and of N radii ``reach``, both in canvas units."""
    n = len(x)
    angle = (
        torch.where(canvas.uniform(n, shape=()) < 0.7, canvas.uniform(n, 0.15, 0.85, ()), canvas.uniform(n, 0, 2, ()))
        * math.pi
    )
    away = torch.stack((torch.cos(angle), torch.sin(angle)), 1)
    centre = torch.stack((x, y), 1)
    width = (reach * canvas.uniform(n, 0.16, 0.3, ())).clamp(min=0.06)
    palm = centre + away * (reach * canvas.uniform(n, 0.4, 0.9, ()))[:, None]
    tone = _skin(canvas, n)
    sleeve = painted(canvas, n, plain=False)

    limb, shade = _capsule(canvas, palm, palm + away * 3.0, width * 1.1, width * 1.7)
    palm_alpha, palm_shade = _capsule(canvas, palm, centre + away * (reach * 0.2)[:, None], width * 1.6, width * 1.3)
    along = (canvas.x - palm[:, 0, None, None, None]) * away[:, 0, None, None, None]
    along = along + (canvas.y - palm[:, 1, None, None, None]) * away[:, 1, None, None, None]
    cuff = canvas.uniform(n, 0.2, 1.5)
    worn = canvas.mask(along - cuff)
    arm = torch.where(worn > 0.5, sleeve, tone) * shade
    behind = _over(_premultiplied(tone * palm_shade, palm_alpha), _premultiplied(arm, limb))

    aside = torch.stack((-away[:, 1], away[:, 0]), 1)
    side = canvas.sign(n)[:, None]
    before = torch.zeros_like(behind)
    thickness = width * canvas.uniform(n, 0.38, 0.5, ())
    length = (reach * canvas.uniform(n, 0.35, 0.9, ()))[:, None]
    visible = torch.randint(2, _FINGERS + 1, (n,), device=canvas.device)
    for finger in range(_FINGERS):
        offset = (finger - (_FINGERS - 1) / 2) * 1.9 * thickness[:, None]
        root = palm + aside * offset + away * canvas.normal(n, 0.01, (1,))
        tip = root - away * length * canvas.uniform(n, 0.75, 1.1, (1,)) + aside * canvas.normal(n, 0.03, (1,))
        alpha, light = _capsule(canvas, root, tip, thickness, thickness * 0.8)
        alpha = alpha * (visible > finger)[:, None, None, None]
        before = _over(_premultiplied(tone * light, alpha), before)
    thumb = palm + aside * side * width[:, None] * 1.4
    alpha, light = _capsule(
        canvas, thumb, thumb - away * length * 0.8 - aside * side * 0.02, thickness * 1.2, thickness
    )
    return Hand(behind=behind, before=_over(_premultiplied(tone * light, alpha), before))


def _skin(canvas: Canvas, n: int) -> Tensor:
    """Return N×3×S×S of one skin tone each, blotched a little."""
    pale, dark = (torch.tensor(colour, device=canvas.device).view(1, 3, 1, 1) for colour in (_PALE, _DARK))
    tone = pale + (dark - pale) * canvas.uniform(n)
    return tone * (1 + canvas.normal(n, 0.04, (3, 1, 1))) + canvas.noise(n, 1, 4, 64) * canvas.uniform(n, 0, 0.05)


def _capsule(
    canvas: Canvas, start: Tensor, end: Tensor, start_radius: Tensor, end_radius: Tensor
) -> tuple[Tensor, Tensor]:
    """Return alpha and shading, N×1×S×S, of a tapered capsule between N×2 points."""
    ax, ay = (start[:, axis, None, None, None] for axis in (0, 1))
    dx, dy = (end[:, axis, None, None, None] - start[:, axis, None, None, None] for axis in (0, 1))
    share = ((canvas.x - ax) * dx + (canvas.y - ay) * dy) / (dx * dx + dy * dy + 1e-6)
    share = share.clamp(0, 1)
    distance = torch.hypot(canvas.x - ax - share * dx, canvas.y - ay - share * dy)
    first, last = start_radius[:, None, None, None], end_radius[:, None, None, None]
    radius = first + (last - first) * share
    bulge = (1 - (distance / radius) ** 2).clamp(min=0).sqrt()
    return canvas.mask(radius - distance), 0.45 + 0.6 * bulge


def _premultiplied(rgb: Tensor, alpha: Tensor) -> Tensor:
    return torch.cat((rgb.clamp(0, 1) * alpha, alpha), 1)


def _over(top: Tensor, bottom: Tensor) -> Tensor:
    return top + bottom * (1 - top[:, 3:])
