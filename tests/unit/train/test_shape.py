from __future__ import annotations

import pytest

from tools.train.shape import Shape, shape_of


def test_shape_rejects_a_side_that_the_encoder_cannot_halve() -> None:
    with pytest.raises(ValueError, match="multiple of 32, not 300"):
        Shape(side=300)


def test_shape_rejects_channels_that_the_heads_cannot_share() -> None:
    with pytest.raises(ValueError, match="multiple of 6, not 100"):
        Shape(widths=(32, 64, 128, 192, 100))


def test_shape_of_a_checkpoint_without_the_network_names_the_missing_parameter() -> None:
    with pytest.raises(ValueError, match=r"stem\.0\.0\.weight"):
        shape_of({"fc.weight": (10, 10)})


def test_shape_groups_add_up_to_the_channels() -> None:
    shape = Shape(widths=(40, 72, 144, 216, 216))
    assert sum(shape.outputs("s4.1.qkv")) == 3 * 216
    assert sum(shape.inputs("s4.2.out")) == 216
    assert shape.inputs("d3.0.0") == (216, 216)
    assert shape.inputs("s2.0.a.0") == ()
