"""The smallest race of two modalities obeys its law, whatever the loss."""

import pytest
import torch

from mmlearn.training.race import race, slower_share


@pytest.mark.parametrize("signals", [(1.0, 1.0), (2.0, 1.0), (3.0, 0.5)])
def test_small_steps_of_gradient_descent_follow_the_law(signals):
    shares = race(signals, start=0.02, steps=4000, lr=0.002)
    law = slower_share(shares[:, 0], 0.02, 0.02, signals[1] / signals[0])
    torch.testing.assert_close(shares[:, 1], law, rtol=0.01, atol=0)


def test_the_law_does_not_ask_for_the_loss():
    """The same with the squared error (c − 1)²/2, whose pull is 1 − c."""
    s = torch.tensor([2.0, 0.5], dtype=torch.float64)
    v = (0.05 / s).sqrt()
    for _ in range(20000):
        v = v + 0.001 * (1 - (s * v * v).sum()) * s * v
    fast, slow = (s * v * v).tolist()
    assert fast + slow == pytest.approx(1, abs=1e-3)
    assert slow == pytest.approx(slower_share(fast, 0.05, 0.05, 0.25), rel=0.005)


def test_alone_the_slower_one_learns_what_it_does_not_learn_beside_a_faster_one():
    alone = race((0.5,), steps=6000, lr=0.01)[-1, 0]
    beside = race((2.0, 0.5), steps=6000, lr=0.01)[-1, 1]
    assert alone > 2
    assert beside < 0.1


def test_what_has_no_signal_is_refused():
    with pytest.raises(ValueError, match="numbers above 0"):
        race((1.0, 0.0))
