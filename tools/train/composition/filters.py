"""Blur and colour changes of N×C×S×S batches, values 0 to 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from tools.train.composition.canvas import Canvas

_LEAST_SIGMA = 0.25


def blur(pictures: Tensor, sigma: float) -> Tensor:
    """Blur by a Gaussian of ``sigma`` pixels, the border repeated; wide ones are computed on a smaller copy."""
    if sigma < _LEAST_SIGMA or not len(pictures):
        return pictures
    if sigma > 4:
        factor = int(min(8, sigma // 2))
        small = blur(functional.avg_pool2d(pictures, factor), sigma / factor)
        return functional.interpolate(small, size=pictures.shape[-2:], mode="bilinear", align_corners=False)
    radius = max(1, int(sigma * 2.5 + 0.5))
    offsets = torch.arange(-radius, radius + 1, device=pictures.device)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    weights = (weights / weights.sum()).to(pictures.dtype)
    n, channels, height, width = pictures.shape
    planes = n * channels
    flat = pictures.reshape(1, planes, height, width)
    across = weights.view(1, 1, 1, -1).expand(planes, 1, 1, -1).contiguous()
    # Every sigma has a kernel size of its own, and cuDNN would search for the best algorithm for each of them.
    with torch.backends.cudnn.flags(enabled=False):
        flat = functional.conv2d(functional.pad(flat, (radius, radius, 0, 0), mode="replicate"), across, groups=planes)
        down = across.transpose(2, 3).contiguous()
        flat = functional.conv2d(functional.pad(flat, (0, 0, radius, radius), mode="replicate"), down, groups=planes)
    return flat.reshape(n, channels, height, width)


def recolour(canvas: Canvas, rgb: Tensor, strength: float = 1.0) -> Tensor:
    """Vary saturation, hue, white balance, gamma and brightness of each picture of a batch."""
    n = len(rgb)
    grey = rgb.mean(1, keepdim=True)
    rgb = grey + (rgb - grey) * canvas.uniform(n, 1 - 0.6 * strength, 1 + 0.4 * strength)
    rgb = turn_hue(rgb, canvas.chance(n, 0.3 * strength) * canvas.uniform(n, -math.pi, math.pi))
    rgb = rgb * canvas.uniform(n, 1 - 0.12 * strength, 1 + 0.12 * strength, (3, 1, 1))
    rgb = rgb.clamp(1e-4, 1) ** torch.exp(canvas.normal(n, 0.3 * strength))
    return (rgb * canvas.uniform(n, 1 - 0.35 * strength, 1 + 0.25 * strength)).clamp(0, 1)


def turn_hue(rgb: Tensor, angle: Tensor) -> Tensor:
    """Turn N×3×S×S colours around the grey axis by N×1×1×1 radians (Rodrigues' rotation formula)."""
    cosine, sine = torch.cos(angle), torch.sin(angle)
    along, across = (1 - cosine) / 3, sine / math.sqrt(3)
    red, green, blue = rgb.split(1, 1)
    return torch.cat(
        (
            (cosine + along) * red + (along - across) * green + (along + across) * blue,
            (along + across) * red + (cosine + along) * green + (along - across) * blue,
            (along - across) * red + (along + across) * green + (cosine + along) * blue,
        ),
        1,
    )
