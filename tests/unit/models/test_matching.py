"""Hard negatives are wrong, look right, and make a matcher learn what random ones do not ask."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.models.matching import ImageTextMatching, hard_negatives, matching_loss


@given(st.integers(2, 9), st.integers(0, 2**20))
def test_a_hard_negative_is_never_right(n, seed):
    generator = torch.Generator().manual_seed(seed)
    similarity = 3 * torch.randn(n, n, generator=generator)
    groups = torch.randint(max(2, n // 2), (n,), generator=generator)
    groups[:2] = torch.tensor([0, 1])
    same = groups[:, None] == groups
    drawn = hard_negatives(similarity, same, generator)
    assert not same[torch.arange(n), drawn].any()
    assert (hard_negatives(similarity, generator=generator) != torch.arange(n)).all()


def test_they_are_drawn_in_proportion_to_e_to_the_similarity():
    similarity = torch.tensor([[9.0, math.log(3), 0.0]]).expand(4000, 3)
    same = torch.tensor([[True, False, False]]).expand(4000, 3)
    drawn = hard_negatives(similarity, same, torch.Generator().manual_seed(0))
    assert (drawn == 1).double().mean().item() == pytest.approx(3 / 4, abs=0.03)


def test_the_loss_is_three_questions_a_pair():
    a, b = torch.randn(5, 4), torch.randn(5, 3)
    similarity = torch.zeros(5, 5)
    assert matching_loss(lambda x, y: torch.zeros(len(x)), a, b, similarity).item() == pytest.approx(math.log(2))
    numbers = torch.arange(5.0)[:, None]
    knows = matching_loss(lambda x, y: 40.0 * (x[:, 0] == y[:, 0]) - 20.0, numbers, numbers, similarity)
    assert knows.item() < 1e-6


def test_every_parameter_of_the_matcher_learns():
    torch.manual_seed(0)
    match = ImageTextMatching(4, 3, hidden=8)
    matching_loss(match, torch.randn(6, 4), torch.randn(6, 3), torch.zeros(6, 6)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in match.parameters())
    assert match(torch.randn(1, 4), torch.randn(1, 3)).shape == (1,)


def test_no_negative_to_be_had_is_refused():
    with pytest.raises(ValueError, match=r"1 rows without a wrong column, the first of them \[0\]"):
        hard_negatives(torch.zeros(1, 1))
    with pytest.raises(ValueError, match="a larger batch"):
        hard_negatives(torch.zeros(3, 3), torch.ones(3, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="same"):
        hard_negatives(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="same"):
        hard_negatives(torch.zeros(3, 3), torch.eye(4).bool())
