"""Batches of training pictures by the recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from tools.train.composition.camera import Camera
from tools.train.composition.canvas import Canvas
from tools.train.composition.filters import recolour
from tools.train.composition.products import Cutouts
from tools.train.composition.scenes import Scenes
from tools.train.packs import Stock
from tools.train.recipe import SCENES, Scene, allot, draw_weights, stands_on_shelves, whole_weights


class Composer:
    """Holds a stock on a device and composes batches of it."""

    def __init__(self, stock: Stock, device: torch.device, shares: Mapping[Scene, float] = SCENES) -> None:
        self._canvas = canvas = Canvas(stock.whole.shape[-1], device)
        self._shares = shares
        self._whole = torch.from_numpy(stock.whole).to(device)
        self._whole_weights = torch.tensor(whole_weights(stock.whole_groups), device=device)
        weights = torch.tensor(draw_weights(stock.names), device=device)
        packaging = torch.tensor([stands_on_shelves(*name) for name in stock.names], device=device)
        cutouts = Cutouts(canvas, torch.from_numpy(stock.cutouts).to(device), weights, packaging)
        self._scenes = Scenes(canvas, cutouts, torch.from_numpy(stock.backdrops).to(device))
        self._camera = Camera(canvas)

    @torch.no_grad()
    def batch(self, n: int) -> tuple[Tensor, Tensor]:
        """Compose N pictures: N×3×S×S sRGB, 0 to 1, and N×1×S×S alpha."""
        parts = [self._part(scene, count) for scene, count in allot(n, self._shares).items()]
        pictures, alphas = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return self._camera.shoot(pictures), alphas.clamp(0, 1)

    def _part(self, scene: Scene, n: int) -> tuple[Tensor, Tensor]:
        if scene is Scene.WHOLE:
            return self._photos(n)
        make = {
            Scene.SINGLE: self._scenes.single,
            Scene.SEVERAL: self._scenes.several,
            Scene.CLUTTERED: self._scenes.cluttered,
            Scene.SHELF: self._scenes.shelf,
            Scene.HELD: self._scenes.held,
            Scene.PIERCED: self._scenes.pierced,
            Scene.GLASS: self._scenes.glass,
        }[scene]
        return self._scenes.finished(make(n))

    def _photos(self, n: int) -> tuple[Tensor, Tensor]:
        """Return whole photos with their alphas, cropped, stretched, mirrored, turned and recoloured."""
        canvas = self._canvas
        chosen = self._whole[torch.multinomial(self._whole_weights, n, replacement=True)].float() / 255
        zoom = torch.exp(canvas.uniform(n, 0.0, 0.45, ()))
        stretch = torch.exp(canvas.normal(n, 0.1, ()))
        room = (zoom - 1).clamp(min=0)
        quarters = torch.randint(0, 4, (n,), device=canvas.device) * canvas.chance(n, 0.3, ())
        matrix = canvas.transform(
            zoom * stretch.clamp(min=1) * canvas.sign(n),
            zoom * (1 / stretch).clamp(min=1),
            canvas.normal(n, 0.08, ()) + quarters * (math.pi / 2),
            canvas.uniform(n, -1, 1, ()) * room,
            canvas.uniform(n, -1, 1, ()) * room,
            perspective=0.06,
        )
        warped = canvas.warp(chosen, matrix, "reflection")
        return recolour(canvas, warped[:, :3], 0.9), warped[:, 3:]
