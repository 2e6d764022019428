"""The deep CCA loss: its value is CCA's, its gradient the published one, and a network trained on it finds what is shared."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmlearn.data.correlation import cca, inverse_root
from mmlearn.models.deep_cca import deep_cca_loss

sizes = st.tuples(st.integers(30, 60), st.integers(1, 4), st.integers(1, 4))
seeds = st.integers(0, 2**20)


def tables(n, dx, dy, seed):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return tuple(hidden + torch.randn(n, d, generator=generator, dtype=torch.float64) for d in (dx, dy))


@given(sizes, seeds, st.floats(0, 0.5))
def test_it_is_minus_the_sum_of_the_canonical_correlations(size, seed, ridge):
    x, y = tables(*size, seed)
    found = cca(x, y, ridge=ridge).correlations
    torch.testing.assert_close(deep_cca_loss(x, y, ridge=ridge), -found.sum(), atol=1e-8, rtol=0)
    torch.testing.assert_close(deep_cca_loss(x, y, k=1, ridge=ridge), -found[0], atol=1e-8, rtol=0)


@settings(max_examples=30)
@given(sizes, seeds)
def test_its_gradient_is_that_of_andrew_and_others(size, seed):
    """∂corr/∂x = (1/N)(2∇₁₁ x̄ + ∇₁₂ ȳ), ∇₁₂ = Σxx^(−1/2) U Vᵀ Σyy^(−1/2), ∇₁₁ = −½ Σxx^(−1/2) U D Uᵀ Σxx^(−1/2)."""
    x, y = tables(*size, seed)
    leaf = x.clone().requires_grad_()
    deep_cca_loss(leaf, y, ridge=0.0).backward()
    x0, y0, n = x - x.mean(0), y - y.mean(0), len(x)
    rx, ry = inverse_root(x0.T @ x0 / n), inverse_root(y0.T @ y0 / n)
    u, d, vh = torch.linalg.svd(rx @ (x0.T @ y0 / n) @ ry, full_matrices=False)
    across, own = rx @ u @ vh @ ry, -0.5 * rx @ u @ d.diag() @ u.T @ rx
    expected = -(2 * x0 @ own + y0 @ across.T) / n
    torch.testing.assert_close(leaf.grad, expected, atol=1e-8, rtol=1e-6)


def test_the_gradient_is_finite_where_eigenvalues_are_equal():
    x = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64, requires_grad=True)  # covariance I/2
    y = torch.tensor([[1.0, 1], [-1, 1], [1, -1], [-1, -1]], dtype=torch.float64)
    deep_cca_loss(x, y, ridge=0.0).backward()
    assert x.grad.isfinite().all()


def test_training_on_it_finds_what_is_hidden_behind_a_curve():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.rand(400, 1, generator=generator) * 4 - 2
    x = torch.cat([hidden.square(), torch.randn(400, 1, generator=generator)], 1)  # even in what y is odd in
    y = torch.cat([hidden.abs() + 0.05 * torch.randn(400, 1, generator=generator), torch.randn(400, 1, generator=generator)], 1)
    y[:, 0] = y[:, 0] * torch.where(torch.rand(400, generator=generator) < 0.5, -1.0, 1.0)  # its sign is noise
    before = cca(x, y).correlations[0].item()
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)) for _ in range(2)]
    optimizer = torch.optim.Adam([p for net in nets for p in net.parameters()], lr=0.02)
    for _ in range(150):
        loss = deep_cca_loss(nets[0](x), nets[1](y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert before < 0.4
    assert loss.item() < -0.9


def test_a_batch_without_covariance_is_refused():
    x = torch.randn(6, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="two or more: one example has no covariance"):
        deep_cca_loss(x[:1], x[:1])
    with pytest.raises(ValueError, match="y: expected 6, one for each row of x; got 5 rows"):
        deep_cca_loss(x, x[:5])
    with pytest.raises(ValueError, match=r"x: expected features that vary.*got a covariance without full rank"):
        deep_cca_loss(torch.zeros_like(x), x)
    with pytest.raises(ValueError, match="k: expected at most"):
        deep_cca_loss(x, x, k=3)
    with pytest.raises(ValueError, match="ridge"):
        deep_cca_loss(x, x, ridge=-1)
