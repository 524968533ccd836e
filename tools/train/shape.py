"""Size of a network: picture side, channels and depths, and how its channels are grouped. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STRIDE = 32
"""Pixels of the picture per cell of the coarsest grid, along each axis."""
HEADS = 6
_DECODER_AT_32 = (160, 128, 96, 64, 48, 24, 16)
"""Channels of the decoder for an encoder that starts with 32."""
_STAGES = ("s1", "s2", "s3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What determines a network's parameters.

    Raises:
        ValueError: the side is no multiple of 32, or the attention's channels can't be divided among its heads.

    """

    side: int = 320
    """Width and height, in pixels, of the pictures."""
    widths: tuple[int, int, int, int, int] = (32, 64, 128, 192, 192)
    """Channels of the stem and of the four stages."""
    depths: tuple[int, int, int] = (2, 3, 4)
    """Residual blocks of the first three stages."""

    def __post_init__(self) -> None:
        if self.side <= 0 or self.side % STRIDE:
            raise ValueError(f"side must be a positive multiple of {STRIDE}, not {self.side}")
        if self.widths[4] % HEADS:
            raise ValueError(f"the last width must be a multiple of {HEADS}, not {self.widths[4]}")
        if min(self.depths) < 1 or min(self.widths) < 1:
            raise ValueError(f"widths and depths must be positive, not {self.widths} and {self.depths}")

    @property
    def grid(self) -> int:
        """Cells of the coarsest grid along each axis."""
        return self.side // STRIDE

    @property
    def decoder(self) -> tuple[int, ...]:
        """Channels of the decoder, coarse to fine: it grows with the encoder, in steps of 8."""
        return tuple(max(8, round(channels * self.widths[0] / 32 / 8) * 8) for channels in _DECODER_AT_32)

    def inputs(self, name: str) -> tuple[int, ...]:
        """Return how the input channels of the convolution ``name`` are put together: one count per joined part."""
        _, w1, w2, w3, w4 = self.widths
        c = self.decoder
        if name.endswith(".out"):
            return (w4 // HEADS,) * HEADS
        joined = {
            "d3.0.0": (w4, w3),
            "d2.0.0": (c[1], w2),
            "d1.0.0": (c[2], w1),
            "d0.0.0": (c[3], self.widths[0]),
            "fine.0": (c[5], 3),
        }
        return joined.get(name, ())

    def outputs(self, name: str) -> tuple[int, ...]:
        """Return how the output channels of the convolution ``name`` are split: the heads of query, key and value."""
        return (self.widths[4] // HEADS,) * (3 * HEADS) if name.endswith(".qkv") else ()


def shape_of(parameters: Mapping[str, tuple[int, ...]]) -> Shape:
    """Return the shape of the network whose parameters have these names and shapes.

    Raises:
        ValueError: these are not the parameters of such a network.

    """
    try:
        first = parameters["stem.0.0.weight"][0]
        rest = [parameters[f"s{stage}.0.a.0.weight"][0] for stage in (1, 2, 3, 4)]
        grid = parameters["s4.1.place"][-1]
    except KeyError as missing:
        raise ValueError(f"not a checkpoint of the cut-out network: {missing} is missing") from None
    depths = [
        sum(name.startswith(f"{stage}.") and name.endswith(".a.0.weight") for name in parameters) for stage in _STAGES
    ]
    return Shape(
        side=grid * STRIDE,
        widths=(first, rest[0], rest[1], rest[2], rest[3]),
        depths=(depths[0], depths[1], depths[2]),
    )
