import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.gated_residual import gated_residual, gated_residual_backward


def some(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))


@given(seed=st.integers(0, 10_000), gate=st.floats(-3, 3), shape=st.lists(st.integers(1, 4), min_size=0, max_size=3))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_hand_written_gradient_is_autograds(seed, gate, shape):
    x, part = some(*shape, seed=seed)
    alpha = torch.tensor(gate, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    with torch_gradients():
        expected = torch.autograd.grad(gated_residual(x, part, alpha), (x, part, alpha), upstream)
    by_hand = torch.autograd.grad(gated_residual(x, part, alpha), (x, part, alpha), upstream)
    for found in (by_hand, gated_residual_backward(upstream, x, part, alpha)):
        for own, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(own, theirs, atol=1e-12, rtol=1e-12)


def test_finite_differences_agree():
    x, part = some(3, 2)
    assert torch.autograd.gradcheck(gated_residual, (x, part, torch.tensor(0.3, dtype=torch.float64, requires_grad=True)))


def test_a_closed_gate_passes_nothing_and_learns_by_the_whole_product():
    x, part = some(3, 2)
    upstream = torch.ones(3, 2, dtype=torch.float64)
    found = gated_residual_backward(upstream, x, part, torch.tensor(0.0, dtype=torch.float64))
    assert torch.equal(gated_residual(x, part, torch.tensor(0.0, dtype=torch.float64)), x)
    assert torch.equal(found.input, upstream)
    assert (found.part == 0).all()
    torch.testing.assert_close(found.gate, part.sum())


def test_by_hand():
    found = gated_residual(torch.tensor([1.0]), torch.tensor([10.0]), torch.tensor(math.atanh(0.5)))
    assert found.item() == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.ones(2), torch.ones(3), torch.tensor(0.0)), r"part: expected shape \(2,\), as input; got shape \(3,\)"),
        ((torch.ones(2), torch.ones(2), torch.ones(2)), "gate: expected a 0-d tensor"),
        ((torch.ones(2), torch.ones(2), 0.0), "gate: expected a torch.Tensor"),
        ((torch.ones(2), torch.ones(2).double(), torch.tensor(0.0)), "part: expected float32"),
        ((torch.ones(2).long(), torch.ones(2), torch.tensor(0.0)), "input: expected floating-point"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        gated_residual(*arguments)
