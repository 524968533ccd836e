"""Random draws, coordinates and warps for batches of square pictures on one device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_NOISE_GRIDS = (2, 4, 8, 16, 32, 64, 128)
_SCALAR = (1, 1, 1)


class Canvas:
    """A square of ``side`` pixels whose coordinates run from -1 to 1, left to right and top to bottom.

    Batches are N×C×S×S float32. All draws come from torch's own generator, so ``torch.manual_seed`` repeats them.
    """

    def __init__(self, side: int, device: torch.device) -> None:
        self.side, self.device = side, device
        centres = torch.linspace(-1 + 1 / side, 1 - 1 / side, side, device=device)
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        self.x, self.y = x[None, None], y[None, None]
        """1×1×S×S: the coordinates of each pixel's centre."""
        self._points = torch.stack((x, y, torch.ones_like(x)), -1).reshape(1, -1, 3)

    def uniform(self, n: int, low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = _SCALAR) -> Tensor:
        """Draw N×shape values between ``low`` and ``high``."""
        return torch.rand((n, *shape), device=self.device) * (high - low) + low

    def normal(self, n: int, spread: float = 1.0, shape: tuple[int, ...] = _SCALAR) -> Tensor:
        """Draw N×shape values around 0."""
        return torch.randn((n, *shape), device=self.device) * spread

    def chance(self, n: int, odds: float, shape: tuple[int, ...] = _SCALAR) -> Tensor:
        """Draw N×shape values that are 1 with these odds, else 0."""
        return (torch.rand((n, *shape), device=self.device) < odds).float()

    def sign(self, n: int) -> Tensor:
        """Draw N values, each -1 or 1."""
        return self.chance(n, 0.5, ()) * 2 - 1

    def number(self, low: float = 0.0, high: float = 1.0) -> float:
        """Draw one value for the whole batch."""
        return float(torch.rand(()) * (high - low) + low)

    def tilt(self, n: int) -> Tensor:
        """Draw N angles in radians: mostly upright, some of any direction."""
        anywhere = self.uniform(n, -torch.pi, torch.pi, ())
        return torch.where(torch.rand(n, device=self.device) < 0.15, anywhere, self.normal(n, 0.17, ()))

    def transform(
        self, scale_x: Tensor, scale_y: Tensor, angle: Tensor, x: Tensor, y: Tensor, *, perspective: float = 0.0
    ) -> Tensor:
        """Return N×3×3 matrices from output to source coordinates: the source scaled, turned and moved to (x, y)."""
        n = len(angle)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        matrix = torch.zeros(n, 3, 3, device=self.device)
        matrix[:, 0, 0], matrix[:, 0, 1] = cosine / scale_x, sine / scale_x
        matrix[:, 1, 0], matrix[:, 1, 1] = -sine / scale_y, cosine / scale_y
        matrix[:, 0, 2] = -(matrix[:, 0, 0] * x + matrix[:, 0, 1] * y)
        matrix[:, 1, 2] = -(matrix[:, 1, 0] * x + matrix[:, 1, 1] * y)
        matrix[:, 2, 2] = 1.0
        if perspective:
            matrix[:, 2, :2] = self.uniform(n, -perspective, perspective, (2,))
        return matrix

    def warp(self, pictures: Tensor, matrix: Tensor, padding: str = "zeros") -> Tensor:
        """Resample N×C×h×w pictures at S×S through matrices from output to source coordinates."""
        points = self._points @ matrix.transpose(1, 2)
        return self.sample(pictures, points[..., :2] / points[..., 2:].clamp(min=0.2), padding)

    def sample(self, pictures: Tensor, points: Tensor, padding: str = "zeros") -> Tensor:
        """Resample pictures bilinearly at N×(S·S)×2 source coordinates."""
        grid = points.reshape(len(points), self.side, self.side, 2)
        return functional.grid_sample(pictures, grid, mode="bilinear", padding_mode=padding, align_corners=False)

    def noise(self, n: int, channels: int, coarsest: int, finest: int, *, grain: bool = False) -> Tensor:
        """Return N×channels×S×S value noise, of about unit spread, over octaves of ``coarsest`` to ``finest`` cells.

        With ``grain``, the cells are long and thin, like wood's.
        """
        total = torch.zeros(n, channels, self.side, self.side, device=self.device)
        for cells in _NOISE_GRIDS:
            if not coarsest <= cells <= min(finest, self.side):
                continue
            rows = columns = cells
            if grain and torch.rand(()) < 0.5:
                columns = max(2, cells // 8)
            elif grain:
                rows = max(2, cells // 8)
            values = torch.randn(n, channels, rows, columns, device=self.device)
            smooth = functional.interpolate(values, size=(self.side, self.side), mode="bicubic", align_corners=False)
            total = total + self.uniform(n) * smooth
        return total * 0.6

    def mask(self, distance: Tensor) -> Tensor:
        """Return 1 where a signed distance, in canvas units, is positive, antialiased over a pixel."""
        return (distance * (self.side / 2) + 0.5).clamp(0, 1)
