"""Other weights with the same result: the ends are weights, give the result, and are the ends."""

import pytest
import torch

from mmlearn.models.attention_alternatives import mass_range

FLOAT64 = {"dtype": torch.float64}


def drawn(T, d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(T, generator=generator, **FLOAT64).softmax(0)
    return weights, torch.randn(T, d, generator=generator, **FLOAT64), torch.arange(T) < T // 3


@pytest.mark.parametrize("seed", range(5))
def test_the_ends_are_weights_with_the_same_result(seed):
    weights, value, tokens = drawn(12, 4, seed)
    found = mass_range(weights, value, tokens)
    for other, mass in ((found.least_weights, found.least), (found.most_weights, found.most)):
        assert (other >= -1e-9).all()
        assert other.sum().item() == pytest.approx(1)
        torch.testing.assert_close(value.T @ other, value.T @ weights, rtol=0, atol=1e-7)
        assert other[tokens].sum().item() == pytest.approx(mass, abs=1e-9)
    assert found.least < found.mass < found.most
    assert (found.least_weights < 1e-9).sum() >= 12 - 5  # a corner has at most d + 1 weights that are not 0


def test_no_mixture_of_the_null_space_goes_beyond_the_ends():
    weights, value, tokens = drawn(9, 3)
    found = mass_range(weights, value, tokens)
    rows = torch.cat([value.T, torch.ones(1, 9, **FLOAT64)])
    free = torch.linalg.svd(rows).Vh[4:]  # (5, 9): directions that change neither the result nor the sum
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        step = torch.randn(5, generator=generator, **FLOAT64) @ free
        far = torch.where(step < 0, -weights / step, torch.inf).min()  # until the first weight is 0
        mass = (weights + far * step)[tokens].sum().item()
        assert found.least - 1e-9 <= mass <= found.most + 1e-9


def test_few_tokens_in_general_position_have_one_set_of_weights():
    weights, value, tokens = drawn(5, 4)
    found = mass_range(weights, value, tokens)
    assert found.least == pytest.approx(found.most, abs=1e-8)
    torch.testing.assert_close(found.least_weights, weights, rtol=0, atol=1e-7)


def test_equal_values_leave_everything_open():
    found = mass_range(torch.full((4,), 0.25), torch.ones(4, 2), torch.tensor([True, False, False, False]))
    assert (found.mass, found.least, found.most) == pytest.approx((0.25, 0.0, 1.0))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.ones(3), torch.ones(3, 2), torch.ones(3, dtype=torch.bool)), "add up to 1"),
        ((torch.tensor([1.5, -0.5]), torch.ones(2, 2), torch.ones(2, dtype=torch.bool)), "add up to 1"),
        ((torch.ones(2) / 2, torch.ones(3, 2), torch.ones(2, dtype=torch.bool)), "value"),
        ((torch.ones(2) / 2, torch.ones(2, 2), torch.ones(2)), "tokens"),
        ((torch.ones(2, 2) / 2, torch.ones(2, 2), torch.ones(2, dtype=torch.bool)), "weights"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        mass_range(*arguments)
