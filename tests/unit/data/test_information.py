import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr
from scipy.stats import entropy as scipy_entropy

from mmlearn.data.information import check_table, conditional_entropy, entropy, information, mutual_information

seeds = st.integers(0, 10**6)


def drawn(seed, *sizes, zeros=0.3):
    """A random distribution in which about ``zeros`` of the cells are 0."""
    generator = torch.Generator().manual_seed(seed)
    p = torch.rand(sizes, generator=generator, dtype=torch.float64)
    p = p * (torch.rand(sizes, generator=generator) >= zeros)
    p.view(-1)[0] += 0.01
    return p / p.sum()


def test_a_fair_coin_has_one_bit_and_a_certain_thing_none():
    assert entropy([0.5, 0.5]) == 1
    assert entropy(torch.full((2, 4), 1 / 8)) == 3
    assert math.copysign(1, entropy([1.0, 0.0])) == 1  # 0, not −0
    assert entropy([0.11, 0.89]) == pytest.approx(0.499916, abs=1e-6)


@given(seeds)
def test_entropy_and_mutual_information_agree_with_scipy(seed):
    joint = drawn(seed, 3, 4)
    assert entropy(joint) == pytest.approx(scipy_entropy(joint.flatten().numpy(), base=2), abs=1e-12)
    apart = joint.sum(1, keepdim=True) * joint.sum(0)
    expected = rel_entr(joint.numpy(), apart.numpy()).sum() / math.log(2)
    assert mutual_information(joint) == pytest.approx(expected, abs=1e-12)


@given(seeds)
def test_the_chain_rule_holds_and_no_information_is_negative(seed):
    table = drawn(seed, 3, 2, 4)
    joint = table.sum(1)  # (A, Y)
    assert mutual_information(joint) == pytest.approx(entropy(joint.sum(0)) - conditional_entropy(joint), abs=1e-12)
    assert mutual_information(joint) == pytest.approx(mutual_information(joint.T), abs=1e-12)
    a, b, both = information(table)
    assert both == pytest.approx(entropy(table.sum((0, 1))) - conditional_entropy(table), abs=1e-12)
    assert 0 <= max(a, b) <= both + 1e-12


def test_what_one_thing_tells_about_another():
    assert mutual_information(torch.eye(4) / 4) == 2
    assert mutual_information(torch.full((3, 5), 1 / 15)) == pytest.approx(0, abs=1e-15)
    noisy = torch.tensor([[0.45, 0.05], [0.05, 0.45]])  # a bit flipped once in ten
    assert mutual_information(noisy) == pytest.approx(1 + 0.1 * math.log2(0.1) + 0.9 * math.log2(0.9), abs=1e-7)


def test_lists_arrays_and_float32_are_taken_and_rounding_is_divided_away():
    third = np.full((1, 1, 3), 1 / 3, dtype=np.float32)
    assert check_table(third).dtype == torch.float64
    assert check_table(third).sum() == pytest.approx(1, abs=1e-15)
    assert check_table([[[1.0]]]).shape == (1, 1, 1)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (torch.full((2, 2), 0.25), r"has 3 axes; got shape \(2, 2\)"),
        (torch.full((2, 2, 2), 0.25), r"sums to 1; got 2: divide counts by their sum"),
        (torch.tensor([[[1.5, -0.5]]]), r"at least 0; got -0\.5"),
        (torch.tensor([[[1.0, float("nan")]]]), r"1 entries that are NaN or infinite"),
        (torch.zeros(0, 2, 2), r"at least one entry; got shape \(0, 2, 2\)"),
    ],
)
def test_what_is_no_table_is_refused(table, says):
    with pytest.raises(ValueError, match=says):
        information(table)


def test_a_table_of_three_axes_is_sent_to_information():
    with pytest.raises(ValueError, match=r"has 2 axes; got shape \(2, 2, 2\).*information\(table\)"):
        mutual_information(torch.full((2, 2, 2), 1 / 8))
