"""Curves under missing and damaged modalities, and Taori's two kinds of robustness."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmlearn.models.fusion import Sum
from mmlearn.models.multimodal import MultimodalModel
from mmlearn.training.robustness import (
    corruption_curve,
    effective_robustness,
    expected_under_missing,
    missing_curve,
    relative_robustness,
    take_away,
)

N = 40


@given(rate=st.floats(0, 1), smaller=st.floats(0, 1), column=st.integers(0, 2), seed=st.integers(0, 50))
def test_a_share_loses_one_modality_and_nobody_loses_the_last(rate, smaller, column, seed):
    present = torch.rand(N, 3, generator=torch.Generator().manual_seed(seed)) < 0.6
    present[:, 2] |= ~present.any(1)
    kept, few = (take_away(present, column, r, torch.Generator().manual_seed(seed)) for r in (rate, rate * smaller))
    others = [other for other in range(3) if other != column]
    assert torch.equal(kept[:, others], present[:, others])
    assert kept.any(1).all()
    assert not (kept[:, column] & ~present[:, column]).any()
    assert (kept[:, column] <= few[:, column]).all()  # who loses it at a small rate loses it at a large one


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 1.0])
def test_just_the_share_that_was_asked_for(rate):
    kept = take_away(torch.ones(N, 2, dtype=torch.bool), 1, rate, torch.Generator().manual_seed(0))
    assert (~kept[:, 1]).sum() == round(rate * N)


def test_an_example_that_has_nothing_else_keeps_it():
    present = torch.tensor([[False, True], [True, True]])
    assert take_away(present, 1, 1.0).tolist() == [[False, True], [True, False]]


def model_and_data(n=N):
    """The text is right about the label, the image says class 0 with little conviction."""
    model = MultimodalModel({"image": nn.Identity(), "text": nn.Identity()}, Sum({"image": 1, "text": 1}, 2))
    with torch.no_grad():
        for layer in model.fusion.project.values():
            layer.weight.zero_()
            layer.bias.zero_()
        model.fusion.project["text"].weight[1] = 10.0
        model.fusion.project["image"].bias[0] = 1.0
    labels = torch.arange(n) % 2
    return model, (torch.zeros(n, 1), labels[:, None].float()), torch.ones(n, 2, dtype=torch.bool), labels


def test_the_curve_of_missing_text_is_a_line_between_its_ends():
    model, inputs, present, labels = model_and_data(2000)
    rates = [0.0, 0.25, 0.5, 1.0]
    curve = missing_curve(model, inputs, present, labels, 1, rates, seed=1)
    torch.testing.assert_close(
        curve, expected_under_missing(1.0, 0.5, torch.tensor(rates, dtype=torch.float64)), atol=0.03, rtol=0
    )
    assert curve[0] == 1.0
    assert curve[-1] == 0.5


def test_the_curve_of_a_corruption_starts_clean_and_sees_the_level():
    model, inputs, present, labels = model_and_data()

    def flipped(inputs, level, generator):
        image, text = inputs
        return image, (text - (torch.rand(text.shape, generator=generator) < level).float()).abs()

    curve = corruption_curve(model, inputs, present, labels, flipped, [0.0, 0.5, 1.0])
    assert curve[0] == 1.0
    assert curve[-1] == 0.0
    assert 0.2 < curve[1] < 0.8
    with pytest.raises(ValueError, match="the 2 inputs back, as a tuple; got 1 tensors"):
        corruption_curve(model, inputs, present, labels, lambda inputs, level, generator: inputs[:1], [0.0])


def test_relative_robustness_is_a_difference():
    assert relative_robustness(torch.tensor(0.75), torch.tensor(0.5)) == 0.25


@given(
    slope=st.floats(0.2, 2),
    offset=st.floats(-2, 1),
    clean=st.lists(st.floats(0.05, 0.95), min_size=3, max_size=6, unique_by=lambda x: round(x, 2)),
    model=st.floats(0.05, 0.95),
    extra=st.floats(-0.04, 0.04),
)
def test_on_a_line_of_log_odds_it_is_what_lies_beyond_the_line(slope, offset, clean, model, extra):
    def line(x):
        return torch.sigmoid(slope * torch.logit(torch.as_tensor(x, dtype=torch.float64)) + offset).clamp(0.002, 0.998)

    if not all(0.003 < value < 0.997 for value in line([*clean, model]).tolist()):
        return
    shifted = line(model) + extra
    if not 0 <= shifted <= 1:
        return
    found = effective_robustness(model, shifted, torch.tensor(clean), line(clean))
    assert found.item() == pytest.approx(extra, abs=1e-4)


def test_the_line_is_numpys_least_squares_on_log_odds():
    x, y = np.array([0.5, 0.6, 0.8, 0.93]), np.array([0.3, 0.45, 0.5, 0.8])
    slope, offset = np.polyfit(np.log(x / (1 - x)), np.log(y / (1 - y)), 1)
    beta = 1 / (1 + np.exp(-(slope * np.log(0.7 / 0.3) + offset)))
    assert effective_robustness(0.7, 0.9, x, y).item() == pytest.approx(0.9 - beta)


def test_accuracies_of_0_and_1_stay_finite():
    assert torch.isfinite(effective_robustness(1.0, 0.0, [0.0, 1.0], [0.0, 1.0]))
    assert effective_robustness(1.0, 1.0, [0.25, 1.0], [0.25, 1.0]).item() == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: take_away(torch.ones(2, 2), 0, 0.5), r"bool \(N, M\)"),
        (lambda: take_away(torch.ones(2, 2, dtype=torch.bool), 2, 0.5), "a whole number from 0 to 1; got 2"),
        (lambda: take_away(torch.ones(2, 2, dtype=torch.bool), 1, 50), r"rate: expected a share in \[0, 1\]; got 50"),
        (lambda: expected_under_missing(1.0, 0.5, torch.tensor([1.5])), r"shares in \[0, 1\]"),
        (lambda: effective_robustness(80, 70, [0.5, 0.9], [0.5, 0.9]), "divide percents by 100"),
        (lambda: effective_robustness(0.8, 0.7, [0.5], [0.5]), "two models or more"),
        (lambda: effective_robustness(0.8, 0.7, [0.5, 0.6], [0.5]), "two models or more, each in both"),
        (lambda: effective_robustness(0.8, 0.7, [0.5, 0.5], [0.5, 0.6]), "models that differ"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
