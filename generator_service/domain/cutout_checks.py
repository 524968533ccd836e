"""Checks of a cut-out's measurements for flaws that make a result unusable without breaking a market's rule.

The limits lie between cut-outs of the local engine and of a network on photos with known masks: right ones (IoU of 0.95
or more) measured less, wrong ones (below 0.8) more. Each documents the measurements behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

from generator_service.domain.measurements import CutoutMeasurements
from generator_service.domain.report import Check, Verdict, check_of

MAX_TORN = 0.06
"""Right cut-outs of photos measured up to 0.057, one 0.066; products that are torn or run into clutter 0.07 to 0.17.
Right ones of products in nearly the backdrop's colour reach 0.18: such an outline is doubtful."""
MAX_EDGE_WIDTH = 2.3
"""Sharp edges measure 0.6 to 1.8, hair up to 1.8, an outline that the engine was unsure of 2.3 and more."""
MAX_GHOSTS, HAZE = 0.03, 0.3
"""Right cut-outs measured up to 0.004; above the second the haze is as obvious as the product."""
MAX_HOLES = 3
"""Right cut-outs have up to one, perforated products more; a product torn by clutter four to eleven."""
MAX_OPENINGS = 0.02
"""Right cut-outs measured up to 0.014, kept openings of rings and meshes 0.4 to 0.9, clear glass 0.8."""
MAX_SHADOW = 0.02
"""Right cut-outs measured 0, a mug with its contact shadow 0.09."""
MAX_LOST = 0.012
"""Right cut-outs measured up to 0.010, the print of a lost label 0.027, a lost pen beside a notebook 0.06."""


def cutout_checks(measured: CutoutMeasurements | None) -> Iterator[Check]:
    """Yield the checks of a cut-out; none without measurements."""
    if measured is None:
        return
    yield _at_most(
        "torn", measured.torn, MAX_TORN, "Part of the outline is ragged where the photo has no edge; check the edges."
    )
    yield _at_most(
        "edge_width", measured.edge_width, MAX_EDGE_WIDTH, "The outline is blurred; check what belongs to the product."
    )
    yield _at_most(
        "ghosts",
        measured.ghosts,
        MAX_GHOSTS,
        "Faint traces of the old backdrop are left beside the product.",
        otherwise=Verdict.FAILED if measured.ghosts > HAZE else Verdict.WARNED,
    )
    yield _at_most(
        "holes", measured.holes, MAX_HOLES, "There are small holes in the product; compare it with the photo."
    )
    if measured.openings is not None:
        yield _at_most(
            "openings",
            measured.openings,
            MAX_OPENINGS,
            "Part of the product looks like the backdrop: an opening that was not cut out, or see-through material.",
        )
    if measured.shadow is not None:
        yield _at_most(
            "shadow", measured.shadow, MAX_SHADOW, "A shadow was kept with the product; check its lower edge."
        )
    if measured.lost is not None:
        yield _at_most(
            "lost",
            measured.lost,
            MAX_LOST,
            "Something in the photo that differs from the backdrop is missing in the result; compare the two.",
        )


def _at_most(name: str, value: float, limit: float, message: str, *, otherwise: Verdict = Verdict.WARNED) -> Check:
    return check_of(name, value, f"at most {limit:g}", good=value <= limit, message=message, otherwise=otherwise)
