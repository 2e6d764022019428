"""ROC curves and the areas under them: scikit-learn's, and intervals that hold the truth as often as they say."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.data import detection
from mmlearn.data.detection import auc, bootstrap_interval, roc_curve

FEW = st.lists(st.integers(0, 6), min_size=1, max_size=12).map(lambda values: torch.tensor(values, dtype=torch.float64))


@settings(max_examples=60, deadline=None)
@given(FEW, FEW)
def test_the_area_is_scikit_learns_and_that_under_the_curve(normal, anomalous):
    from sklearn.metrics import roc_auc_score

    labels = np.r_[np.zeros(len(normal)), np.ones(len(anomalous))]
    found = auc(normal, anomalous)
    assert found == pytest.approx(roc_auc_score(labels, np.r_[normal, anomalous]))
    curve = roc_curve(normal, anomalous)
    assert found == pytest.approx(np.trapezoid(curve.found, curve.false_alarms))
    assert found == pytest.approx(1 - auc(anomalous, normal))


def test_the_curve_is_scikit_learns():
    from sklearn import metrics

    generator = torch.Generator().manual_seed(0)
    normal, anomalous = torch.rand(30, generator=generator), torch.rand(20, generator=generator) + 0.3
    alarms, found, thresholds = metrics.roc_curve([0] * 30 + [1] * 20, torch.cat([normal, anomalous]), drop_intermediate=False)
    curve = roc_curve(normal, anomalous)
    np.testing.assert_allclose(curve.false_alarms, alarms)
    np.testing.assert_allclose(curve.found, found)
    np.testing.assert_allclose(curve.thresholds[1:], thresholds[1:])
    assert curve.thresholds[0] == math.inf


def test_a_column_of_a_table_of_scores_is_taken_without_a_warning():
    table = torch.randn(30, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert auc(table[:15, 1], table[15:, 1]) == auc(table[:15, 1].clone(), table[15:, 1].clone())
    assert detection._scores(table[:, 1], "normal").is_contiguous()  # torch warns once per process only


def test_an_order_preserving_change_of_the_scores_changes_nothing():
    normal, anomalous = torch.randn(25), torch.randn(15) + 1
    assert auc(normal.double().exp(), anomalous.double().exp()) == auc(normal, anomalous)


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    truth = 0.5 * (1 + math.erf(1 / 2))  # two normal distributions, 1 apart: Φ(1/√2)
    held = 0
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        normal, anomalous = torch.randn(60, generator=generator), torch.randn(40, generator=generator) + 1
        interval = bootstrap_interval(auc, normal, anomalous, resamples=200, level=0.9, seed=seed)
        assert interval.low <= interval.value <= interval.high
        held += interval.low <= truth <= interval.high
    assert 46 <= held <= 60  # 54 expected


def test_rows_stay_together():
    scores = torch.randn(30, 2)
    scores[:, 1] = scores[:, 0] + 1
    interval = bootstrap_interval(lambda rows: (rows[:, 1] - rows[:, 0]).mean(), scores, resamples=50)
    assert interval == pytest.approx((1, 1, 1), abs=1e-6)


def test_the_same_seed_gives_the_same_interval():
    x = torch.randn(20)
    first, again, other = (bootstrap_interval(torch.mean, x, resamples=30, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: auc(torch.zeros(0), torch.ones(2)), r"normal must be scores \(N,\), at least one; got shape \(0,\)"),
        (lambda: auc(torch.zeros(2), torch.ones(2, 2)), r"anomalous must be scores .*\(2, 2\)"),
        (lambda: auc(torch.zeros(2), torch.tensor([math.nan, 1])), "anomalous holds NaN, 1 of 2"),
        (lambda: bootstrap_interval(torch.mean), "needs samples with rows; got \\[\\]"),
        (lambda: bootstrap_interval(torch.mean, torch.zeros(0)), "needs samples with rows"),
        (lambda: bootstrap_interval(torch.mean, torch.ones(3), level=95), "level must be a share between 0 and 1"),
        (lambda: bootstrap_interval(torch.mean, torch.ones(3), resamples=5), "at least 20; got 5"),
    ],
)
def test_what_does_not_fit_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
