"""The loss: cross-entropy, soft IoU and gradients of alpha, weighted near outlines, plus the side outputs.

The weighting follows Wei et al., "F³Net" (2020); the soft IoU, Máttyus et al. (2017); gradients, as in matting.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_WINDOW = 31
_SMOOTH = 50.0
_EDGE_WEIGHT, _SIDE_WEIGHT = 2.0, 0.25


def loss_of(logits: Tensor, sides: Sequence[Tensor], alpha: Tensor) -> Tensor:
    """Return the total loss, its cross-entropy and its IoU part, as a tensor of three, of N×1×S×S logits and alpha."""
    logits = logits.float()
    near = 1 + 4 * (_mean_around(alpha) - alpha).abs()
    each = functional.binary_cross_entropy_with_logits(logits, alpha, reduction="none")
    entropy = (each * near).sum((1, 2, 3)) / near.sum((1, 2, 3))
    found = torch.sigmoid(logits)
    overlap = (found * alpha * near).sum((1, 2, 3))
    union = ((found + alpha - found * alpha) * near).sum((1, 2, 3))
    iou = 1 - (overlap + _SMOOTH) / (union + _SMOOTH)
    total = entropy + iou + _EDGE_WEIGHT * _gradient_difference(found, alpha)
    for side in sides:
        total = total + _SIDE_WEIGHT * _side_loss(side.float(), alpha)
    return torch.stack((total.mean(), entropy.mean(), iou.mean()))


def _mean_around(alpha: Tensor) -> Tensor:
    """Return the mean of a square window around each pixel, counting no padding."""
    half = _WINDOW // 2
    rows = functional.avg_pool2d(alpha, (1, _WINDOW), 1, (0, half), count_include_pad=False)
    return functional.avg_pool2d(rows, (_WINDOW, 1), 1, (half, 0), count_include_pad=False)


def _gradient_difference(found: Tensor, alpha: Tensor) -> Tensor:
    across = (found[..., 1:] - found[..., :-1]) - (alpha[..., 1:] - alpha[..., :-1])
    down = (found[..., 1:, :] - found[..., :-1, :]) - (alpha[..., 1:, :] - alpha[..., :-1, :])
    return across.abs().mean((1, 2, 3)) + down.abs().mean((1, 2, 3))


def _side_loss(logits: Tensor, alpha: Tensor) -> Tensor:
    wanted = functional.avg_pool2d(alpha, alpha.shape[-1] // logits.shape[-1])
    found = torch.sigmoid(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean((1, 2, 3))
    overlap = (found * wanted).sum((1, 2, 3))
    union = (found + wanted - found * wanted).sum((1, 2, 3))
    return entropy + 1 - (overlap + 1) / (union + 1)
