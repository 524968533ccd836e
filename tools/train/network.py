"""The network: a residual encoder, attention over the coarsest grid, a light decoder with skip connections.

The encoder follows He, K. et al., "Deep Residual Learning" (2016) with the average-pooled shortcuts of He, T. et al.,
"Bag of Tricks" (2019); attention is that of Vaswani et al. (2017) with a learned position for each cell; the decoder is
U-Net's (Ronneberger et al., 2015), each level with a side output for deep supervision (Xie and Tu, 2015). Only
operations that OpenCV's DNN module runs are used. Parameter names are part of the checkpoint format.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.train.shape import HEADS, Shape

MEAN, SPREAD = 116.85, 57.0
"""Mean and spread that normalise sRGB values, 0 to 255; the same for all channels."""


def normalise(pictures: Tensor) -> Tensor:
    """Bring N×3×S×S sRGB pictures, 0 to 1, to the range that the network expects."""
    return pictures * (255.0 / SPREAD) - MEAN / SPREAD


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut; the residual branch starts at zero."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.a = _convolution(inputs, outputs, stride=stride)
        norm = nn.BatchNorm2d(outputs)
        nn.init.zeros_(norm.weight)
        self.b = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), norm)
        same = inputs == outputs and stride == 1
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.skip: nn.Module = nn.Identity() if same else shortcut
        self.pool: nn.Module = nn.AvgPool2d(2) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map N×C×H×W to N×C'×H/stride×W/stride."""
        return functional.relu(self.b(self.a(x)) + self.skip(self.pool(x)))


class Attention(nn.Module):
    """Self-attention among all cells of a square grid, and a two-layer perceptron per cell."""

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        self.channels, self.grid = channels, grid
        self.norm = nn.BatchNorm2d(channels)
        self.place = nn.Parameter(torch.randn(1, channels, grid, grid) * 0.02)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        hidden = nn.Conv2d(channels, 2 * channels, 1)
        back = nn.Conv2d(2 * channels, channels, 1)
        self.mlp = nn.Sequential(nn.BatchNorm2d(channels), hidden, nn.ReLU(inplace=True), back)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×C×G×G to the same shape."""
        size, cells = self.channels // HEADS, self.grid * self.grid
        split = self.qkv(self.norm(x) + self.place).reshape(-1, 3 * HEADS, size, cells)
        query, key, value = split.chunk(3, 1)
        weights = torch.softmax(torch.matmul(query.transpose(2, 3), key) * size**-0.5, -1)
        mixed = torch.matmul(value, weights.transpose(2, 3)).reshape(-1, self.channels, self.grid, self.grid)
        x = x + self.out(mixed)
        return x + self.mlp(x)


class Network(nn.Module):
    """From N×3×S×S normalised pictures to N×1×S×S logits of alpha."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        w, c = shape.widths, shape.decoder
        self.shape = shape
        self.stem = nn.Sequential(_convolution(3, w[0], stride=2), _convolution(w[0], w[0]))
        self.s1 = _stage(w[0], w[1], shape.depths[0])
        self.s2 = _stage(w[1], w[2], shape.depths[1])
        self.s3 = _stage(w[2], w[3], shape.depths[2])
        self.s4 = nn.Sequential(Block(w[3], w[4], 2), Attention(w[4], shape.grid), Attention(w[4], shape.grid))
        self.d3 = nn.Sequential(_convolution(w[4] + w[3], c[0], 1), _convolution(c[0], c[1]))
        self.d2 = nn.Sequential(_convolution(c[1] + w[2], c[2], 1), _convolution(c[2], c[2]))
        self.d1 = nn.Sequential(_convolution(c[2] + w[1], c[3], 1), _convolution(c[3], c[3]))
        self.d0 = nn.Sequential(_convolution(c[3] + w[0], c[4], 1), _convolution(c[4], c[5]))
        self.fine = _convolution(c[5] + 3, c[6])
        self.head = nn.Conv2d(c[6], 1, 3, 1, 1)
        self.side = nn.ModuleList([nn.Conv2d(channels, 1, 3, 1, 1) for channels in (c[1], c[2], c[3], c[5])])

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits at full size."""
        return self.with_levels(x)[0]

    def with_levels(self, x: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the logits at full size, and the decoder's features at 1/16, 1/8, 1/4 and 1/2 of it."""
        x0 = self.stem(x)
        x1 = self.s1(x0)
        x2 = self.s2(x1)
        x3 = self.s3(x2)
        y3 = self.d3(torch.cat((_double(self.s4(x3)), x3), 1))
        y2 = self.d2(torch.cat((_double(y3), x2), 1))
        y1 = self.d1(torch.cat((_double(y2), x1), 1))
        y0 = self.d0(torch.cat((_double(y1), x0), 1))
        return self.head(self.fine(torch.cat((_double(y0), x), 1))), (y3, y2, y1, y0)

    def supervised(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits at full size, and those of the side outputs, which exist in training only."""
        out, levels = self.with_levels(x)
        return out, [head(level) for head, level in zip(self.side, levels, strict=True)]


class Exported(nn.Module):
    """The network as it is shipped: 1×3×S×S sRGB, 0 to 255, to 1×1×S×S alpha, 0 to 1."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.net = network

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, run the network, and turn logits into alpha."""
        return torch.sigmoid(self.net(x * (1.0 / SPREAD) - MEAN / SPREAD))


def _stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    return nn.Sequential(Block(inputs, outputs, 2), *(Block(outputs, outputs) for _ in range(depth - 1)))


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
