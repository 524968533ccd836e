"""The choice between the cut-out of a user-installed network and the local one, and its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generator_service.domain.errors import ImageRejected
from generator_service.domain.finding import Finding
from generator_service.domain.hints import Hint
from generator_service.imaging.cutting.border import model_backdrop
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.imaging.cutting.confidence import doubtful, odds_of_good
from generator_service.imaging.cutting.cutout import Outline, hinted, judged, weigh
from generator_service.imaging.cutting.doubts import blemishes, doubts
from generator_service.imaging.cutting.fusion import WORKING_SIDE, gather, overlap, resized
from generator_service.imaging.cutting.network import Prior, own_network
from generator_service.imaging.cutting.segment import Mask, Segmentation, shrink
from generator_service.imaging.source.decode import Photo

_PRODUCT = 0.5
_AGREEING = 0.9
"""Where the overlap of both masks is below this, they show different products. A local outline that is trusted then
counts more: it rests on several signs, and the network is alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The chosen outline."""

    outline: Outline
    by_network: bool


def choose(photo: Photo, prior: Prior, *, compare: bool, hints: Sequence[Hint] = ()) -> Choice:
    """Find the product with a network; where ``compare``, take the local engine's outline where that is better.

    The local outline is also the second opinion that determines the confidence in the network's.

    Raises:
        ImageRejected: ``image_no_product``, where neither finds one.

    """
    alpha = prior(photo.rgb)
    evidence = gather(photo.rgb, own_network())
    try:
        local = weigh(photo, evidence, hints)
    except ImageRejected:
        local = None
    mask, notices = hinted(alpha >= _PRODUCT, photo, hints)
    if not mask.any():
        if local is None:
            raise ImageRejected(
                "image_no_product", "neither the network nor the local engine finds a product; use a plainer backdrop"
            )
        return Choice(outline=local, by_network=False)
    # Where the colours and the own network contradict it, the mask of any network is uncertain.
    seen = resized(alpha >= _PRODUCT, evidence.small.shape)
    uncertain, small = doubts(seen, evidence), blemishes(seen, evidence)
    if local is not None and compare and _local_is_better(mask, uncertain, local):
        return Choice(outline=local, by_network=False)
    second = local.coarse.mask if local is not None and local.coarse is not None else None
    found = Segmentation(mask=mask, backdrop=model_backdrop(shrink(photo.rgb, WORKING_SIDE)))
    odds = None if second is None else odds_of_good(overlap(mask, second))
    return Choice(outline=judged(photo, found, odds, uncertain, (*small, *notices), hints), by_network=True)


def _local_is_better(mask: Mask, uncertain: Sequence[Finding], local: Outline) -> bool:
    """Return whether a trusted local outline goes before the network's mask: that is doubtful, or contradicts it."""
    if local.coarse is None or local.confidence < TRUSTED:
        return False
    return doubtful(uncertain) or overlap(mask, local.coarse.mask) < _AGREEING
