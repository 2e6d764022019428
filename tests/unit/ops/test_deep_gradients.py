"""Gradients through many layers: bounds that hold, and growth rates that random networks show."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from mmlearn.ops.deep_gradients import (
    branch_growth,
    chain_bounds,
    chain_jacobian,
    inside_share,
    plain_growth,
    residual_bounds,
    residual_jacobian,
)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_chain_is_the_jacobian_of_the_composition():
    first, second = randn(4, 3), randn(2, 4, seed=1)
    x = randn(3, seed=2)
    inner = torch.diag(1 - torch.tanh(first @ x) ** 2) @ first
    outer = torch.diag(1 - torch.tanh(second @ torch.tanh(first @ x)) ** 2) @ second
    whole = torch.func.jacrev(lambda x: torch.tanh(second @ torch.tanh(first @ x)))(x)
    torch.testing.assert_close(chain_jacobian([inner, outer]), whole)


@pytest.mark.parametrize("widths", [(3, 3, 3), (2, 4, 6), (6, 4, 2), (3, 5, 2)])
def test_the_bounds_hold_for_every_gradient(widths):
    jacobians = [randn(b, a, seed=n) for n, (a, b) in enumerate(pairwise(widths))]
    lower, upper = chain_bounds(jacobians)
    for seed in range(50):
        g = randn(widths[-1], seed=100 + seed)
        ratio = ((chain_jacobian(jacobians).T @ g).norm() / g.norm()).item()
        assert lower - 1e-12 <= ratio <= upper + 1e-12
    assert (lower > 0) == (list(widths) == sorted(widths, reverse=True))


def test_the_bounds_are_reached_by_diagonal_layers():
    jacobians = [torch.diag(torch.tensor([0.5, 3.0], dtype=torch.float64))] * 5
    lower, upper = chain_bounds(jacobians)
    product = chain_jacobian(jacobians)
    assert product.T[0].norm().item() == pytest.approx(lower) == pytest.approx(0.5**5)
    assert product.T[1].norm().item() == pytest.approx(upper) == pytest.approx(3.0**5)


def test_a_shortcut_adds_the_identity():
    matrix, x = randn(4, 4), randn(4, seed=1)
    whole = torch.func.jacrev(lambda x: x + torch.sin(matrix @ x))(x)
    torch.testing.assert_close(residual_jacobian(torch.diag(torch.cos(matrix @ x)) @ matrix), whole)


def test_the_bounds_with_shortcuts_hold_and_are_reached():
    branches = [0.3 * m / torch.linalg.matrix_norm(m, 2) for m in (randn(4, 4, seed=s) for s in range(6))]
    lower, upper = residual_bounds([0.3] * 6)
    chain = chain_jacobian([residual_jacobian(branch) for branch in branches])
    for seed in range(50):
        g = randn(4, seed=100 + seed)
        assert lower <= ((chain.T @ g).norm() / g.norm()).item() <= upper
    eye = torch.eye(2, dtype=torch.float64)
    for sign, bound in ((-1, lower), (1, upper)):
        assert chain_jacobian([residual_jacobian(sign * 0.3 * eye)] * 6)[0, 0].item() == pytest.approx(bound)
    assert residual_bounds([2.0])[0] == 0.0


@pytest.mark.parametrize("size", [4, 9])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_share_inside_is_that_of_a_picture_of_ones(size, stride):
    cells = F.unfold(torch.ones(1, 1, size, size), 3, padding=1, stride=stride)[0].mean(1)  # (9,)
    assert inside_share(size, stride=stride) == pytest.approx((cells.square().sum() / cells.sum()).item())
    assert inside_share(size, padding=0) == 1


def growth(size, padding_mode, seed):
    """‖gradient‖² below one layer relu(norm(conv(x))) over that above it, for x = relu of standard normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    x = F.relu(torch.randn(64, 64, size, size, generator=generator)).requires_grad_()
    weight = torch.randn(64, 64, 3, 3, generator=generator)
    padded = F.pad(x, (1, 1, 1, 1), mode=padding_mode)
    y = F.relu(F.batch_norm(F.conv2d(padded, weight), None, None, training=True))
    g = torch.randn(y.shape, generator=generator)
    (gradient,) = torch.autograd.grad(y, x, g)
    return (gradient.square().sum() / g.square().sum()).item()


@pytest.mark.parametrize(
    ("size", "mode", "inside"), [(4, "constant", (17 / 20) ** 2), (2, "constant", 0.75**2), (6, "circular", 1.0)]
)
def test_a_random_layer_makes_the_gradient_grow_as_the_formula_says(size, mode, inside):
    if mode == "constant":
        assert inside_share(size) == pytest.approx(inside)
    measured = sum(growth(size, mode, seed) for seed in range(4)) / 4
    assert measured == pytest.approx(plain_growth(inside), rel=0.03)


def test_a_branch_lets_less_through_the_larger_its_input():
    generator = torch.Generator().manual_seed(0)
    for scale, shift in ((1.0, 0.0), (3.0, 0.5)):
        x = (scale * torch.randn(64, 64, 6, 6, generator=generator) + shift).requires_grad_()
        first, second = (torch.randn(64, 64, 3, 3, generator=generator) for _ in range(2))
        y = F.relu(F.batch_norm(F.conv2d(x, first, padding=1), None, None, training=True))
        y = F.batch_norm(F.conv2d(y, second, padding=1), None, None, training=True)
        g = torch.randn(y.shape, generator=generator)
        (gradient,) = torch.autograd.grad(y, x, g)
        measured = (gradient.square().sum() / g.square().sum()).item()
        moments = x.detach().square().mean().item(), x.detach().mean((0, 2, 3)).square().mean().item()
        assert measured == pytest.approx(branch_growth(*moments, inside_share(6)), rel=0.06)


def test_the_numbers_by_hand():
    assert plain_growth(0) == 1
    assert plain_growth() == pytest.approx(math.pi / (math.pi - 1))
    assert branch_growth(1.0, 0.0) == plain_growth()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="inside: expected a share from 0 to 1; got 2"):
        plain_growth(2)
    with pytest.raises(ValueError, match="second_moment: expected more than"):
        branch_growth(1.0, 2.0)
    with pytest.raises(ValueError, match=r"jacobian: expected \(n, n\)"):
        residual_jacobian(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"jacobian 2: expected \(n_l, 3\)"):
        chain_jacobian([torch.zeros(3, 2), torch.zeros(3, 4)])
    with pytest.raises(ValueError, match="jacobians: expected one matrix"):
        chain_bounds([])
    with pytest.raises(ValueError, match="norms"):
        residual_bounds([-0.1])
