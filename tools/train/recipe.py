"""Which scenes a batch consists of, and how often each group of cut-outs is drawn. Free of torch."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum


class Scene(StrEnum):
    """A way of making a training picture; README.md describes each."""

    WHOLE = "whole"
    SINGLE = "single"
    SEVERAL = "several"
    CLUTTERED = "cluttered"
    SHELF = "shelf"
    HELD = "held"
    PIERCED = "pierced"
    GLASS = "glass"


SCENES: Mapping[Scene, float] = {
    Scene.WHOLE: 0.30,
    Scene.SINGLE: 0.21,
    Scene.SEVERAL: 0.11,
    Scene.CLUTTERED: 0.13,
    Scene.SHELF: 0.06,
    Scene.HELD: 0.07,
    Scene.PIERCED: 0.08,
    Scene.GLASS: 0.04,
}
"""Share of each scene in a batch."""

WHOLE_GROUPS: Mapping[str, float] = {"clothes": 0.52, "trash": 0.15, "studio": 0.33}
"""Share of each group among the whole photos drawn: most of them are real ones."""
GROUPS: Mapping[str, float] = {
    "clothes": 0.26, "trash": 0.07, "render": 0.43, "scan": 0.05, "emoji": 0.09, "studio": 0.10,
}  # fmt: skip
"""Share of each group among the cut-outs drawn."""
OTHER_GROUP = 0.1
"""The share that counts for a group that is not listed."""

EMPHASIS: Mapping[str, float] = {"wires": 2.0, "chain": 2.0, "wheel": 2.0, "rack": 2.0, "plush": 1.5}
"""How much more often than others of their group the rendered kinds are drawn that networks get wrong."""

PACKAGING = ("bottle", "carton", "cup")
"""Rendered kinds that stand on shelves; so do photos of the group ``trash``."""


def allot(n: int, shares: Mapping[Scene, float]) -> dict[Scene, int]:
    """Divide ``n`` pictures among scenes by the largest-remainder method.

    Raises:
        ValueError: a share is negative, or their sum is not positive.

    """
    total = sum(shares.values())
    if total <= 0 or min(shares.values()) < 0:
        raise ValueError(f"shares must be at least 0 and some positive, not {dict(shares)}")
    exact = {scene: n * share / total for scene, share in shares.items()}
    counts = {scene: math.floor(count) for scene, count in exact.items()}
    by_remainder = sorted(exact, key=lambda scene: counts[scene] - exact[scene])
    for scene in by_remainder[: n - sum(counts.values())]:
        counts[scene] += 1
    return {scene: count for scene, count in counts.items() if count}


def kind_of(group: str, name: str) -> str:
    """Return the kind of a cut-out: of a rendered one, the end of its name (``r3_00012_plush``); else its group."""
    return name.rsplit("_", 1)[-1] if group == "render" else group


def whole_weights(groups: Sequence[str]) -> list[float]:
    """Return how often each whole photo, given as its group, is drawn."""
    counts = Counter(groups)
    return [WHOLE_GROUPS.get(group, OTHER_GROUP) / counts[group] for group in groups]


def draw_weights(cutouts: Sequence[tuple[str, str]]) -> list[float]:
    """Return how often each cut-out, given as its group and name, is drawn; they sum to about 1 if all groups exist."""
    emphasis = [EMPHASIS.get(kind_of(group, name), 1.0) for group, name in cutouts]
    totals: defaultdict[str, float] = defaultdict(float)
    for (group, _), factor in zip(cutouts, emphasis, strict=True):
        totals[group] += factor
    pairs = zip(cutouts, emphasis, strict=True)
    return [GROUPS.get(group, OTHER_GROUP) * factor / totals[group] for (group, _), factor in pairs]


def stands_on_shelves(group: str, name: str) -> bool:
    """Return whether a cut-out is packaging."""
    return group == "trash" or kind_of(group, name) in PACKAGING
