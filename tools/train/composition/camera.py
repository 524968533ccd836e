"""Effects of cameras and files on a picture: exposure, blur, resizing, sharpening, noise, JPEG."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from tools.train.composition.canvas import Canvas
from tools.train.composition.filters import blur

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMA = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
"""Quantisation tables K.1 and K.2 of ITU-T T.81; the rest of the second is 99."""
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""RGB to YCbCr, ITU-T T.871."""


class Camera:
    """Degrades batches."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        device = canvas.device
        steps = torch.arange(8, dtype=torch.float32, device=device)
        self._dct = torch.cos((2 * steps[None] + 1) * steps[:, None] * math.pi / 16) * 0.5
        self._dct[0] /= math.sqrt(2)
        chroma = torch.full((8, 8), 99.0, device=device)
        chroma[:4, :4] = torch.tensor(_CHROMA, dtype=torch.float32, device=device)
        luma = torch.tensor(_LUMA, dtype=torch.float32, device=device)
        self._tables = torch.stack((luma, chroma, chroma))
        self._to_ycc = torch.tensor(_YCC, device=device)
        self._to_rgb = torch.linalg.inv(self._to_ycc)
        self._middle = torch.tensor([128.0, 0.0, 0.0], device=device).view(1, 3, 1, 1)

    def shoot(self, pictures: Tensor) -> Tensor:
        """Return N×3×S×S pictures as a camera and a file would give them back, 0 to 1."""
        canvas = self._canvas
        n = len(pictures)
        pictures = pictures * canvas.uniform(n, 0.9, 1.1, (3, 1, 1))
        pictures = (pictures - 0.5) * canvas.uniform(n, 0.75, 1.2) + 0.5 + canvas.uniform(n, -0.1, 0.1)
        pictures = self._focused(pictures.clamp(0, 1))
        noise = torch.randn_like(pictures) * canvas.uniform(n, 0, 0.05) * canvas.chance(n, 0.5)
        pictures = pictures + noise
        colourless = canvas.chance(n, 0.04)
        pictures = pictures * (1 - colourless) + colourless * pictures.mean(1, keepdim=True)
        order = torch.randperm(n, device=canvas.device)
        compressed, rest = order[: n // 2], order[n // 2 :]
        joined = torch.cat((self.jpeg(pictures[compressed].clamp(0, 1)), pictures[rest]))
        return joined[torch.argsort(order)].clamp(0, 1)

    def jpeg(self, pictures: Tensor) -> Tensor:
        """Quantise N×3×S×S pictures block by block as JPEG does, at random qualities."""
        n, _, side, _ = pictures.shape
        ycc = torch.einsum("ij,njhw->nihw", self._to_ycc, pictures * 255) - self._middle
        blocks = ycc.reshape(n, 3, side // 8, 8, side // 8, 8).permute(0, 1, 2, 4, 3, 5)
        coefficients = self._dct @ blocks @ self._dct.T
        coarse = torch.exp(self._canvas.uniform(n, -2.6, 0.6, (1, 1, 1, 1, 1)))
        steps = (self._tables[None, :, None, None] * coarse).clamp(min=1)
        blocks = self._dct.T @ (torch.round(coefficients / steps) * steps) @ self._dct
        ycc = blocks.permute(0, 1, 2, 4, 3, 5).reshape(n, 3, side, side) + self._middle
        return torch.einsum("ij,njhw->nihw", self._to_rgb, ycc) / 255

    def _focused(self, pictures: Tensor) -> Tensor:
        """Blur a quarter of the batch, resize a quarter down and up, and sharpen a quarter."""
        canvas = self._canvas
        order = torch.randperm(len(pictures), device=canvas.device)
        blurred, resized, sharpened, rest = pictures[order].tensor_split(4)
        blurred = blur(blurred, canvas.number(0, 1.6))
        if len(resized):
            side = int(canvas.side * canvas.number(0.3, 0.9))
            small = functional.interpolate(resized, size=(side, side), mode="area")
            resized = functional.interpolate(small, size=resized.shape[-2:], mode="bicubic", align_corners=False)
        if len(sharpened):
            sharpened = sharpened + (sharpened - blur(sharpened, 1.2)) * canvas.uniform(len(sharpened), 0, 1.2)
        return torch.cat((blurred, resized, sharpened, rest))[torch.argsort(order)].clamp(0, 1)
