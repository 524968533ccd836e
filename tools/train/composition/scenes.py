"""Scenes: each arranges products before a backdrop in its own way; the last steps are the same for all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tools.train.composition.backdrops import backdrops, painted
from tools.train.composition.canvas import Canvas
from tools.train.composition.filters import blur, recolour
from tools.train.composition.hands import hands
from tools.train.composition.products import Cutouts, hollow, mean_colour, pierced, put, seen_through

_SHADOWS = ((1.0, 4.0, 0.6), (4.0, 18.0, 0.7))
"""Contact and cast shadows: least and greatest blur, in pixels at 320, and greatest strength."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """N pictures before they are put together."""

    products: Tensor
    """N×4×S×S, premultiplied: the product to cut out."""
    backdrop: Tensor
    """N×3×S×S."""
    before: Tensor | None = None
    """N×4×S×S, premultiplied: objects that cover the product and do not belong to it."""
    glass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """The position of the main product of each picture."""

    scale: Tensor
    x: Tensor
    y: Tensor


class Scenes:
    """Makes N scenes of one kind at a time."""

    def __init__(self, canvas: Canvas, cutouts: Cutouts, photos: Tensor) -> None:
        """Take the cut-outs and M×3×S×S uint8 photos without products."""
        self._canvas, self._cutouts, self._photos = canvas, cutouts, photos

    def single(self, n: int) -> Layers:
        """Put one product before a backdrop; some extend past the frame."""
        products, _ = self._main(self._cutouts.draw(n), 0.3, 1.02)
        return Layers(products=products, backdrop=self._backdrop(products))

    def several(self, n: int) -> Layers:
        """Put two to four products together, all wanted, of similar or very different size; some repeat the first."""
        canvas = self._canvas
        first = self._cutouts.draw(n)
        products, spot = self._main(first, 0.25, 0.7)
        side = canvas.sign(n)
        for extra in range(3):
            again = canvas.chance(n, 0.35)
            other = again * first + (1 - again) * self._cutouts.draw(n)
            ratio = torch.where(
                canvas.uniform(n, shape=()) < 0.6, canvas.uniform(n, 0.6, 1.1, ()), canvas.uniform(n, 0.15, 0.6, ())
            )
            x = spot.x + side * spot.scale * canvas.uniform(n, 0.6, 1.4, ()) * (1 if extra < 2 else -0.6)
            y = spot.y + canvas.uniform(n, -0.25, 0.25, ()) + (0.35 if extra == 1 else 0.0)
            placed = put(canvas, other, spot.scale * ratio, x, y)
            wanted = 1.0 if extra == 0 else canvas.chance(n, 0.4)
            products = products + placed * wanted * (1 - products[:, 3:])
            side = -side
        return Layers(products=products, backdrop=self._backdrop(products))

    def cluttered(self, n: int) -> Layers:
        """Put one product before a busy backdrop and other things, cut off by the frame or out of focus."""
        canvas = self._canvas
        products, _ = self._main(self._cutouts.draw(n), 0.4, 1.02)
        backdrop = self._backdrop(products, busy=True)
        for thing in range(3):
            angle, distance = canvas.uniform(n, 0, 2 * math.pi, ()), canvas.uniform(n, 0.75, 1.25, ())
            scale = canvas.uniform(n, 0.2, 0.8 if thing else 0.5, ())
            placed = put(canvas, self._cutouts.draw(n), scale, torch.cos(angle) * distance, torch.sin(angle) * distance)
            if thing == 2:
                placed = blur(placed, canvas.number(0, 6) * canvas.side / 320)
            backdrop = placed[:, :3] + backdrop * (1 - placed[:, 3:])
        return Layers(products=products, backdrop=blur(backdrop, canvas.number() ** 2 * 6 * canvas.side / 320))

    def shelf(self, n: int) -> Layers:
        """Put packaging before rows of other packaging, as in a shop; half of the batches show it held by a hand."""
        canvas = self._canvas
        drawn = self._cutouts.draw(n, packaging=True)
        products, spot = self._main(drawn, 0.45, 0.95)
        backdrop = blur(self._rows(n), canvas.number() ** 2 * 5 * canvas.side / 320)
        if canvas.number() < 0.5:
            return Layers(products=products, backdrop=backdrop)
        return self._in_hand(products, spot, backdrop)

    def held(self, n: int) -> Layers:
        """Put one product into a hand, before any backdrop."""
        products, spot = self._main(self._cutouts.draw(n), 0.35, 0.85)
        return self._in_hand(products, spot, self._backdrop(products, busy=self._canvas.number() < 0.5))

    def pierced(self, n: int) -> Layers:
        """Put one product with openings, through which the backdrop shows: rings, chains, meshes, handles."""
        drawn = pierced(self._canvas, self._cutouts.draw(n))
        made = (torch.arange(n, device=self._canvas.device) % 2 == 0).view(-1, 1, 1, 1)
        products, _ = self._main(torch.where(made, hollow(self._canvas, n), drawn), 0.35, 1.0)
        return Layers(products=products, backdrop=self._backdrop(products))

    def glass(self, n: int) -> Layers:
        """Put one see-through product before a backdrop."""
        products, _ = self._main(self._cutouts.draw(n), 0.35, 0.95)
        return Layers(products=products, backdrop=self._backdrop(products), glass=True)

    def finished(self, layers: Layers) -> tuple[Tensor, Tensor]:
        """Add shadows, soften, light and join layers: N×3×S×S pictures, 0 to 1, and their N×1×S×S alphas."""
        canvas = self._canvas
        n = len(layers.products)
        alpha = layers.products[:, 3:]
        backdrop = layers.backdrop
        for least, greatest, strength in _SHADOWS:
            shadow = blur(self._shadow(alpha, greatest), canvas.number(least, greatest) * canvas.side / 320)
            backdrop = backdrop * (1 - shadow * canvas.uniform(n, 0, strength) * canvas.chance(n, 0.6))
        products = layers.products
        if layers.glass:
            products, _ = seen_through(canvas, products, backdrop)
        products = blur(products, canvas.number() ** 2 * 1.2)
        picture = products[:, :3] + backdrop * (1 - products[:, 3:])
        alpha = products[:, 3:]
        if layers.before is not None:
            before = blur(layers.before, canvas.number() ** 2 * 1.2)
            picture = before[:, :3] + picture * (1 - before[:, 3:])
            alpha = alpha * (1 - before[:, 3:])
        return picture * torch.exp(canvas.noise(n, 1, 2, 4) * canvas.uniform(n, 0, 0.5)), alpha

    def _main(self, drawn: Tensor, least: float, greatest: float) -> tuple[Tensor, _Spot]:
        """Put each drawn product near the middle, a few towards the frame."""
        canvas = self._canvas
        n = len(drawn)
        scale = canvas.uniform(n, least, greatest, ())
        beyond = torch.where(canvas.uniform(n, shape=()) < 0.15, 0.55, 0.06)
        room = (1 - scale).clamp(min=0) * 0.75 + beyond * scale
        x, y = canvas.uniform(n, -1, 1, ()) * room, canvas.uniform(n, -1, 1, ()) * room
        return put(canvas, drawn, scale, x, y), _Spot(scale=scale, x=x, y=y)

    def _backdrop(self, products: Tensor, *, busy: bool = False) -> Tensor:
        return backdrops(self._canvas, self._photos, mean_colour(products), busy=busy)

    def _in_hand(self, products: Tensor, spot: _Spot, backdrop: Tensor) -> Layers:
        hand = hands(self._canvas, spot.x, spot.y, spot.scale)
        behind = hand.behind[:, :3] + backdrop * (1 - hand.behind[:, 3:])
        return Layers(products=products, backdrop=behind, before=hand.before)

    def _rows(self, n: int) -> Tensor:
        """Return N×3×S×S shelves: two to four rows of two alternating products each, on boards."""
        canvas = self._canvas
        picture = recolour(canvas, painted(canvas, n, plain=True)) * canvas.uniform(n, 0.3, 1.0)
        rows = int(torch.randint(2, 5, ()))
        height = 2.0 / rows
        for row in range(rows):
            pair = torch.cat((self._cutouts.draw(n, packaging=True), self._cutouts.draw(n, packaging=True)), 3)
            bottom = -1 + height * (row + 1)
            pitch = canvas.uniform(n, 0.5, 0.95) * height
            along = ((canvas.x + canvas.uniform(n)) / pitch % 2.0) - 1.0
            up = (canvas.y - bottom) / (height * canvas.uniform(n, 0.8, 0.95)) * 2.0 + 1.0
            points = torch.cat((along, up), 1).flatten(2).transpose(1, 2)
            goods = canvas.sample(pair, points)
            picture = goods[:, :3] + picture * (1 - goods[:, 3:])
            board = canvas.mask(0.03 - (canvas.y - bottom).abs())
            picture = picture * (1 - board) + board * canvas.uniform(n, 0.1, 1.0, (3, 1, 1))
        return picture.clamp(0, 1)

    def _shadow(self, alpha: Tensor, greatest: float) -> Tensor:
        """Return the alpha moved down and aside and sheared, as the source of a shadow."""
        canvas = self._canvas
        n = len(alpha)
        shear = canvas.normal(n, 0.25, ())
        matrix = torch.zeros(n, 3, 3, device=canvas.device)
        matrix[:, 0, 0] = 1 / canvas.uniform(n, 0.97, 1.12, ())
        matrix[:, 1, 1] = 1 / canvas.uniform(n, 0.85, 1.06, ())
        matrix[:, 0, 1] = shear
        matrix[:, 0, 2] = -canvas.normal(n, greatest * 0.014, ()) - shear * 0.3
        matrix[:, 1, 2] = -canvas.uniform(n, -0.01, greatest * 0.016, ())
        matrix[:, 2, 2] = 1
        return canvas.warp(alpha, matrix, "border")
