from __future__ import annotations

import numpy as np

from generator_service.imaging.border import Backdrop
from generator_service.imaging.calibration import TRUSTED
from generator_service.imaging.confidence import LOW, judge, odds_of_good, overlap
from generator_service.imaging.segment import Mask, Segmentation


def box(top: int = 30, left: int = 30, bottom: int = 70, right: int = 70) -> Mask:
    mask = np.zeros((100, 100), np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def found(mask: Mask, plain_share: float = 1.0) -> Segmentation:
    none = np.zeros(mask.shape, np.bool_)
    backdrop = Backdrop(distance=np.zeros(mask.shape, np.float32), noise=0.0, plain_share=plain_share, seeds=none)
    return Segmentation(mask=mask, backdrop=backdrop)


def test_the_odds_rise_with_the_agreement_and_stay_odds() -> None:
    odds = [odds_of_good(agreement) for agreement in np.linspace(0, 1, 50)]
    assert odds == sorted(odds)
    assert 0.0 < odds[0] < LOW
    assert TRUSTED < odds[-1] < 1.0


def test_two_ways_that_agree_are_trusted_without_a_word() -> None:
    judgement = judge(found(box()), box())
    assert judgement.confidence > TRUSTED
    assert judgement.warnings == ()


def test_two_ways_that_disagree_are_not() -> None:
    judgement = judge(found(box()), box(bottom=60))
    assert judgement.confidence < TRUSTED
    assert judgement.warnings == ("The outline is uncertain; check the result.",)


def test_agreement_does_not_outweigh_a_cluttered_backdrop_or_a_cut_off_product() -> None:
    cluttered = judge(found(box(), plain_share=0.4), None)
    assert cluttered.confidence <= LOW
    assert "cluttered" in cluttered.warnings[0]
    cut_off = judge(found(box(bottom=100)), box(bottom=100))
    assert cut_off.confidence <= LOW
    assert "touches the edge" in cut_off.warnings[0]


def test_masks_of_two_sizes_are_compared_as_one() -> None:
    assert overlap(box(), box()[::2, ::2]) == 1.0
    assert overlap(box(), np.zeros((10, 10), np.bool_)) == 0.0
