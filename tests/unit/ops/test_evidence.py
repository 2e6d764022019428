import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, Normal, kl_divergence

from mmlearn.ops.evidence import evidence_gap, evidence_lower_bound, importance_weighted_bound, log_evidence

COINS = torch.tensor([0.5 * 0.9, 0.5 * 0.2], dtype=torch.float64).log()  # two coins, equally likely; heads with 0.9 and 0.2
TABLES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(0, 1000))


def table(rows, values, seed):
    """log p(x, z) and a distribution q of z, (rows, values) each."""
    generator = torch.Generator().manual_seed(seed)
    log_joint, logits = 3 * torch.randn(2, rows, values, generator=generator, dtype=torch.float64)
    return log_joint, logits.softmax(1)


def test_two_coins_by_hand():
    q = torch.tensor([0.5, 0.5], dtype=torch.float64)
    assert log_evidence(COINS).item() == pytest.approx(math.log(0.55))
    assert evidence_lower_bound(COINS, q).item() == pytest.approx((math.log(0.9) + math.log(0.2)) / 2)
    assert evidence_gap(COINS, q).item() == pytest.approx(math.log(0.55) - (math.log(0.9) + math.log(0.2)) / 2)


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_evidence_is_bound_plus_gap_and_the_gap_is_a_divergence_from_the_posterior(size):
    log_joint, q = table(*size)
    bound, gap = evidence_lower_bound(log_joint, q), evidence_gap(log_joint, q)
    torch.testing.assert_close(bound + gap, log_joint.exp().sum(1).log())
    torch.testing.assert_close(gap, kl_divergence(Categorical(q), Categorical(logits=log_joint)))
    assert (gap > -1e-12).all()
    torch.testing.assert_close(evidence_gap(log_joint, log_joint.softmax(1)), torch.zeros(len(q)).double())


def test_a_value_that_cannot_be_counts_as_nothing():
    log_joint, q = torch.tensor([math.log(0.3), -math.inf]), torch.tensor([1.0, 0.0])
    assert evidence_lower_bound(log_joint, q).item() == pytest.approx(math.log(0.3))
    assert evidence_gap(log_joint, q).item() == 0
    assert evidence_gap(log_joint, torch.tensor([0.5, 0.5])).item() == math.inf


def test_gradients_of_the_bound_by_a_softmax_vanish_at_the_posterior():
    logits = COINS.clone().requires_grad_()
    evidence_lower_bound(COINS, logits.softmax(0)).backward()
    assert logits.grad.abs().max() < 1e-12


def gaussian_weights(draws, rows, std, seed=0):
    """log w for x = 1 under z ~ N(0, 1), x ~ N(z, 1), with q = N(1/2, std²); the posterior is N(1/2, 1/2)."""
    q = Normal(torch.tensor(0.5, dtype=torch.float64), std)
    z = q.mean + std * torch.randn(rows, draws, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    standard = Normal(torch.zeros((), dtype=torch.float64), 1.0)
    return standard.log_prob(z) + Normal(z, 1.0).log_prob(torch.ones_like(z)) - q.log_prob(z)


def test_more_draws_come_nearer_to_the_evidence_from_below():
    evidence = Normal(torch.zeros((), dtype=torch.float64), math.sqrt(2)).log_prob(torch.ones((), dtype=torch.float64))
    bounds = [importance_weighted_bound(gaussian_weights(draws, 20000, std=1.2)).mean() for draws in (1, 2, 10, 100)]
    gaps = [(evidence - bound).item() for bound in bounds]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.2
    assert abs(gaps[-1]) < 0.01


def test_with_the_posterior_every_single_draw_gives_the_evidence():
    evidence = Normal(torch.zeros((), dtype=torch.float64), math.sqrt(2)).log_prob(torch.ones((), dtype=torch.float64))
    found = importance_weighted_bound(gaussian_weights(1, 50, std=math.sqrt(0.5)))
    torch.testing.assert_close(found, evidence.expand(50))


def test_one_draw_is_its_own_weight_and_nothing_overflows():
    weights = torch.tensor([[-2000.0], [3.0]])
    assert torch.equal(importance_weighted_bound(weights), weights[:, 0])
    assert importance_weighted_bound(torch.full((7,), -2000.0)).item() == pytest.approx(-2000)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: evidence_lower_bound(COINS, torch.tensor([0.5, 0.6]).double()), "probabilities ≥ 0 that sum to 1"),
        (lambda: evidence_gap(COINS, torch.tensor([1.5, -0.5]).double()), "from -0.5 to 1.5"),
        (lambda: evidence_gap(COINS, torch.ones(1).double()), r"q: expected \(2,\), as log_joint has; got shape \(1,\)"),
        (lambda: log_evidence(torch.tensor(1.0)), r"log_joint: expected \(…, K\)"),
        (lambda: log_evidence([0.1]), "a torch.Tensor"),
        (lambda: importance_weighted_bound(torch.zeros(3, 0)), "at least one draw"),
    ],
)
def test_what_does_not_fit_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
