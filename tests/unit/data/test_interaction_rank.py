"""Ranks of interactions: linear algebra by hand, the bounds, and ceilings that meet what is known at either end."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.data import world
from mmlearn.data.ceilings import ceilings
from mmlearn.data.interaction_rank import interaction_of, interaction_rank, log_odds, rank_ceilings

seeds, sizes = st.integers(0, 2**32 - 1), st.integers(2, 6)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noisy(rule, wrong):
    yes = torch.where(rule > 0, 1 - wrong, wrong).double()
    return torch.stack([1 - yes, yes], -1) / rule.numel()


@given(sizes, sizes, seeds)
def test_a_sum_has_no_interaction_and_needs_two_products_at_most(A, B, seed):
    rank, needed = interaction_rank(draw(A, 1, seed=seed) + draw(1, B, seed=seed + 1))
    assert rank == 0
    assert needed <= 2


@given(sizes, sizes, st.integers(0, 3), st.floats(-5, 5), seeds)
def test_the_rank_needed_lies_between_the_bounds_and_no_constant_does_better(A, B, rank, constant, seed):
    z = draw(A, rank, seed=seed) @ draw(rank, B, seed=seed + 1) + constant
    rho, needed = interaction_rank(z)
    assert rho <= needed <= rho + 2
    assert needed <= rank
    for c in (0.0, constant, z.mean().item(), z[0, 0].item(), 1.7):
        assert torch.linalg.matrix_rank(z - c, atol=1e-9 * (1 + z.abs().max().item())) >= needed


@given(sizes, sizes, seeds)
def test_interaction_is_what_rows_and_columns_do_not_explain(A, B, seed):
    z = draw(A, B, seed=seed)
    left = interaction_of(z)
    torch.testing.assert_close(left.sum(0), torch.zeros(B, dtype=z.dtype))
    torch.testing.assert_close(left.sum(1), torch.zeros(A, dtype=z.dtype))
    torch.testing.assert_close(interaction_of(z + draw(A, 1, seed=seed + 1) + draw(1, B, seed=seed + 2)), left)


def test_matching_needs_one_product_less_than_symbols_and_a_constant_none():
    for n in (2, 3, 5, 8):
        assert interaction_rank(2 * torch.eye(n) - 1) == (n - 1, n - 1)
    assert interaction_rank(torch.full((3, 4), 2.5)) == (0, 0)
    assert interaction_rank(torch.zeros(3, 4)) == (0, 0)


def test_log_odds_are_those_of_the_table():
    table = torch.tensor([[[3.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 7.0]]]) / 16
    torch.testing.assert_close(log_odds(table), torch.tensor([[-math.log(3), 0.0], [0.0, math.log(7)]], dtype=torch.float64))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_ceilings_rise_from_the_majoritys_to_the_bayes_ceiling_at_the_rank_that_is_needed(n):
    table = noisy(2 * torch.eye(n) - 1, 0.1)
    _, needed = interaction_rank(log_odds(table))
    reached, known = rank_ceilings(table, range(n + 1)), ceilings(table)
    bits = [reached[r].bits for r in range(n + 1)]
    assert reached[0].bits == pytest.approx(known.majority.bits, abs=1e-3)
    assert reached[needed].bits == pytest.approx(known.both.bits, abs=1e-3)
    assert reached[needed].accuracy == pytest.approx(known.both.accuracy)
    assert bits[needed - 1] < bits[needed] - 0.01
    assert all(high >= low - 1e-3 for low, high in itertools.pairwise(bits))
    assert max(bits) <= known.both.bits + 1e-9


def test_rank_one_of_matching_by_hand():
    """Two groups of two symbols: yes is likely within a group, impossible across; 5 of 6 answers are right."""
    reached = rank_ceilings(world.matching.table(), (1, 2))
    assert reached[1].accuracy == pytest.approx(5 / 6, abs=1e-6)
    h = -0.75 * math.log2(0.75) - 0.25 * math.log2(0.25)
    assert reached[1].bits == pytest.approx(1 - 2 / 3 * h, abs=5e-3)
    assert reached[2].accuracy == 1


def test_without_noise_the_penalty_decides_which_rank_one_is_best():
    table = world.matching.table()
    held, freer = (rank_ceilings(table, (1,), ridge=ridge)[1] for ridge in (1e-4, 1e-7))
    assert held.accuracy == pytest.approx(5 / 6, abs=1e-6)
    assert freer.bits > held.bits
    assert freer.accuracy < 0.6


def test_several_labels_have_a_logit_each():
    reached = rank_ceilings(world.selection.table(), (0, 1), starts=2)
    assert reached[0].accuracy == pytest.approx(0.25)
    assert reached[1].accuracy == 1


def test_the_same_seed_finds_the_same():
    table = noisy(2 * torch.eye(3) - 1, 0.1)
    assert rank_ceilings(table, (1,), starts=3) == rank_ceilings(table, (1,), starts=3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: log_odds(world.selection.table()), "two labels; the table has 4"),
        (lambda: log_odds(world.matching.table()), "its log-odds are infinite: add noise, or use rank_ceilings"),
        (lambda: interaction_rank(torch.zeros(3)), r"finite numbers \(A, B\); got shape \(3,\)"),
        (lambda: interaction_rank(torch.full((2, 2), torch.inf)), "finite numbers"),
        (lambda: rank_ceilings(world.matching.table(), (-1,)), "ranks must be whole numbers ≥ 0; got -1"),
        (lambda: rank_ceilings(world.matching.table(), (True,)), "got True"),
        (lambda: rank_ceilings(world.matching.table(), (1,), ridge=0), "ridge must be a number above 0; got 0"),
    ],
)
def test_what_does_not_fit_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()
