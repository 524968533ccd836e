from __future__ import annotations

import numpy as np

from generator_service.domain.finding import Finding
from generator_service.imaging.cutting.border import Backdrop
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.imaging.cutting.confidence import LOW, judge, odds_of_good
from generator_service.imaging.cutting.fusion import overlap
from generator_service.imaging.cutting.segment import Mask, Segmentation
from tests.unit.imaging.photos import codes


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
    judgement = judge(found(box()), odds_of_good(overlap(box(), box())))
    assert judgement.confidence > TRUSTED
    assert judgement.findings == ()


def test_two_ways_that_disagree_are_not() -> None:
    judgement = judge(found(box()), odds_of_good(overlap(box(), box(bottom=60))))
    assert judgement.confidence < TRUSTED
    assert codes(judgement.findings) == ["uncertain_outline"]


def test_a_cluttered_photo_is_trusted_only_with_good_odds() -> None:
    unseen = judge(found(box(), plain_share=0.4), None)
    assert unseen.confidence <= LOW
    assert codes(unseen.findings) == ["cluttered"]
    agreed = judge(found(box(), plain_share=0.4), 0.97)
    assert agreed.confidence == 0.97
    assert agreed.findings == ()


def test_a_product_that_is_cut_off_is_reported_and_its_mask_is_as_good_as_it_is() -> None:
    judgement = judge(found(box(bottom=100)), 0.97)
    assert judgement.confidence == 0.97
    assert codes(judgement.findings) == ["product_touches_frame"]


def test_good_odds_do_not_outweigh_a_doubt() -> None:
    doubt = Finding(code="see_through", message="Glass.")
    judgement = judge(found(box()), 0.97, [doubt])
    assert judgement.confidence == LOW
    assert judgement.findings == (doubt,)
    tiny = judge(found(box(bottom=33, right=33)), 0.97)
    assert tiny.confidence == LOW
    assert codes(tiny.findings) == ["product_small"]


def test_the_finding_and_the_rounded_confidence_agree_at_the_threshold() -> None:
    for step in range(-10, 11):
        judgement = judge(found(box()), TRUSTED + step * 1e-4)
        assert (judgement.confidence >= TRUSTED) == (judgement.findings == ())
