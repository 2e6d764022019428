"""Probes: ridge against scikit-learn, leave-one-out against leaving one out, and what a probe refuses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from mmlearn.data.probe import PENALTIES, leave_one_out, logistic_probe, ridge, ridge_dual, ridge_probe


def drawn(seed, *shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.floats(1e-3, 1e3), st.integers(0, 999))
def test_ridge_is_scikit_learns_and_both_forms_agree(n, d, k, penalty, seed):
    x, y = drawn(seed, n, d), drawn(seed + 1, n, k)
    theirs = Ridge(alpha=penalty, fit_intercept=False, solver="svd").fit(x.numpy(), y.numpy())
    expected = torch.from_numpy(theirs.coef_.reshape(k, d)).mT
    torch.testing.assert_close(ridge(x, y, penalty), expected, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(ridge_dual(x, y, penalty), expected, rtol=1e-7, atol=1e-8)


def test_at_the_solution_the_gradient_of_the_loss_is_zero():
    x, y = drawn(0, 20, 5), drawn(1, 20, 2)
    w = ridge(x, y, 0.7).requires_grad_(True)
    ((x @ w - y).square().sum() + 0.7 * w.square().sum()).backward()
    assert w.grad.abs().max() < 1e-10


@given(st.integers(2, 10), st.integers(1, 8), st.floats(1e-2, 1e2), st.integers(0, 999))
def test_leave_one_out_is_leaving_one_out(n, d, penalty, seed):
    x, y = drawn(seed, n, d), drawn(seed + 1, n, 2)
    rows = []
    for i in range(n):
        others = torch.arange(n) != i
        rows.append(y[i] - x[i] @ ridge(x[others], y[others], penalty))
    torch.testing.assert_close(leave_one_out(x, y, penalty), torch.stack(rows), rtol=1e-6, atol=1e-8)


@pytest.fixture(scope="module")
def digits():
    bunch = load_digits()
    x, y = torch.from_numpy(bunch.data), torch.from_numpy(bunch.target).long()
    return (x[:600], y[:600]), (x[600:1200], y[600:1200])


def test_the_ridge_probe_is_a_pipeline_of_scikit_learn(digits):
    (x, y), (new, _) = digits
    probe = ridge_probe(x, y, penalty=10.0)
    scaler = StandardScaler().fit(x.numpy())
    target = torch.nn.functional.one_hot(y).double()
    theirs = Ridge(alpha=10.0).fit(scaler.transform(x.numpy()), target.numpy())
    torch.testing.assert_close(probe.scores(new), torch.from_numpy(theirs.predict(scaler.transform(new.numpy()))))


def test_the_logistic_probe_is_scikit_learns(digits):
    (x, y), (new, labels) = digits
    probe = logistic_probe(x, y, penalty=2.0)
    scaler = StandardScaler().fit(x.numpy())
    theirs = LogisticRegression(C=0.5, max_iter=2000).fit(scaler.transform(x.numpy()), y.numpy())
    ours = probe.scores(new).softmax(1)
    torch.testing.assert_close(ours, torch.from_numpy(theirs.predict_proba(scaler.transform(new.numpy()))))
    assert probe.accuracy(new, labels) == pytest.approx(theirs.score(scaler.transform(new.numpy()), labels.numpy()))


def test_two_classes_have_the_probabilities_of_scikit_learn(digits):
    (x, y), (new, _) = digits
    few = y < 2
    probe = logistic_probe(x[few], y[few])
    scaler = StandardScaler().fit(x[few].numpy())
    theirs = LogisticRegression(max_iter=2000).fit(scaler.transform(x[few].numpy()), y[few].numpy())
    expected = torch.from_numpy(theirs.predict_proba(scaler.transform(new.numpy())))
    torch.testing.assert_close(probe.scores(new).softmax(1), expected, rtol=1e-5, atol=1e-6)


def errors_without(x, y, penalty):
    """How many examples a ridge that was fitted to all others gets wrong; a column of large constants stands for the bias."""
    scaled = (x - x.mean(0)) / x.std(0, correction=0)
    rows, wrong = torch.cat([scaled, torch.full_like(x[:, :1], len(x))], 1), 0
    for i in range(len(x)):
        others = torch.arange(len(x)) != i
        weight = ridge(rows[others], torch.nn.functional.one_hot(y[others], 2).double(), penalty)
        wrong += int((rows[i] @ weight).argmax() != y[i])
    return wrong


@pytest.mark.parametrize("seed", range(4))
def test_the_penalty_is_the_largest_with_the_fewest_errors_when_each_example_is_left_out(seed):
    x = drawn(seed, 30, 12)
    y = (x @ drawn(seed + 10, 12) + 2 * drawn(seed + 20, 30) > 0).long()
    errors = {penalty: errors_without(x, y, penalty) for penalty in PENALTIES}
    assert len(set(errors.values())) > 1  # there is something to choose
    assert ridge_probe(x, y).penalty == max(p for p, wrong in errors.items() if wrong == min(errors.values()))


def test_what_one_feature_says_without_noise_is_found():
    x = drawn(2, 400, 5)
    y = (x[:, 0] > 0).long()
    assert ridge_probe(x, y).accuracy(x, y) > 0.97


@pytest.mark.parametrize("fit", [ridge_probe, logistic_probe])
def test_the_standardisation_is_of_the_training_features(fit):
    x, y = drawn(0, 30, 3) * 5 + 2, torch.arange(30) % 3
    probe = fit(x, y, penalty=1.0)
    torch.testing.assert_close(probe.mean, x.mean(0))
    torch.testing.assert_close(probe.spread, x.std(0, correction=0))
    one = probe.scores(x[:1])  # a test set of one has a spread of 0, and nothing is computed from it
    torch.testing.assert_close(one, probe.scores(x)[:1])


@pytest.mark.parametrize("fit", [ridge_probe, logistic_probe])
def test_a_constant_feature_a_class_that_never_occurs_and_float32(fit):
    x = torch.cat([drawn(0, 20, 2), torch.full((20, 1), 7.0)], 1)
    y = torch.arange(20) % 2 * 2  # classes 0 and 2
    probe = fit(x.float(), y, penalty=1.0, classes=4)
    scores = probe.scores(x.float())
    assert scores.shape == (20, 4)
    assert not scores.isnan().any()
    assert set(probe.predict(x).tolist()) <= {0, 2}


@pytest.mark.parametrize("fit", [ridge_probe, logistic_probe])
@pytest.mark.parametrize(
    ("x", "y", "options", "words"),
    [
        (torch.rand(4, 2, 3), torch.zeros(4).long(), {}, r"\.mean\(1\)"),
        (torch.rand(4, 2), torch.zeros(3).long(), {}, "labels"),
        (torch.rand(0, 2), torch.zeros(0).long(), {}, "N ≥ 1"),
        (torch.rand(2, 2), torch.tensor([0, 5]), {"classes": 3}, "from 0 to 3 − 1"),
        (torch.rand(2, 2), torch.tensor([0.0, 1.0]), {}, "whole numbers"),
        (torch.tensor([[1.0], [torch.nan]]), torch.tensor([0, 1]), {}, "1 of 2 examples hold NaN"),
        (torch.rand(2, 2), torch.tensor([0, 1]), {"penalty": 0.0}, "penalty must be positive"),
    ],
)
def test_what_no_probe_can_be_fitted_on(fit, x, y, options, words):
    with pytest.raises(ValueError, match=words):
        fit(x, y, **options)


def test_logistic_needs_two_classes():
    with pytest.raises(ValueError, match="at least two classes"):
        logistic_probe(torch.rand(3, 2), torch.tensor([1, 1, 1]))
