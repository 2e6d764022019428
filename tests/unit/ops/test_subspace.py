"""Subspaces: against SVD, SciPy and scikit-learn, and against hand-made rotations whose angles are known."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.subspace import least_error, power_iteration_bound, principal_angles, principal_axes, rotated_loss


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_axes_and_variances_are_scikit_learns():
    from sklearn.decomposition import PCA

    x = drawn(40, 7) @ drawn(7, 7, seed=1) + 3
    mean, variances, axes = principal_axes(x)
    other = PCA().fit(x.numpy())
    np.testing.assert_allclose(mean, other.mean_)
    np.testing.assert_allclose(variances, other.explained_variance_ * 39 / 40)  # it divides by N − 1
    np.testing.assert_allclose(np.abs(axes.numpy() @ other.components_.T), np.eye(7), atol=1e-12)


def test_fewer_rows_than_columns_give_as_many_axes_as_rows():
    mean, variances, axes = principal_axes(drawn(3, 8))
    assert (mean.shape, variances.shape, axes.shape) == ((8,), (3,), (3, 8))
    assert variances[-1] < 1e-30  # three points less their mean lie in a plane


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(0, 10**6))
def test_no_subspace_leaves_less_than_the_smallest_variances(k, seed):
    x = drawn(20, 5, seed=seed)
    mean, variances, axes = principal_axes(x)
    best = least_error(variances, k)
    projected = (x - mean) @ axes[:k].T @ axes[:k]
    torch.testing.assert_close((x - mean - projected).square().sum(1).mean(), best, atol=1e-12, rtol=1e-9)
    if k:
        q = torch.linalg.qr(drawn(5, k, seed=seed + 1)).Q
        other = (x - mean) @ q @ q.T
        assert (x - mean - other).square().sum(1).mean() >= best - 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(8, 12), st.integers(0, 10**6), st.sampled_from([1.0, 1e-3, 1e-9]))
def test_angles_are_scipys_also_where_they_are_tiny(k, D, seed, apart):
    a = drawn(D, k, seed=seed)
    b = a @ drawn(k, k, seed=seed + 1) + apart * drawn(D, k, seed=seed + 2)
    ours, theirs = principal_angles(a, b).numpy(), scipy.linalg.subspace_angles(a.numpy(), b.numpy())
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-13 * np.linalg.cond(b.numpy()))


@pytest.mark.parametrize("angle", [1e-10, 1e-4, 0.3, math.pi / 4, 1.5, math.pi / 2 - 1e-9])
def test_a_plane_that_is_turned_by_an_angle_has_that_angle(angle):
    a = torch.eye(4, dtype=torch.float64)[:, :2]
    b = a.clone()
    b[:, 1] = torch.tensor([0, math.cos(angle), math.sin(angle), 0], dtype=torch.float64)
    found = principal_angles(a, b)
    assert found[0].item() == pytest.approx(angle, rel=1e-6)
    assert found[1].item() == pytest.approx(0, abs=1e-15)


def test_two_planes_in_space_share_a_line():
    largest, smallest = principal_angles(drawn(3, 2), drawn(3, 2, seed=1)).tolist()
    assert smallest < 1e-14
    normals = [torch.linalg.cross(*drawn(3, 2, seed=seed).T) for seed in (0, 1)]
    cosine = abs(torch.nn.functional.cosine_similarity(*normals, dim=0).item())
    assert largest == pytest.approx(math.acos(cosine))


def test_angles_do_not_depend_on_the_basis_or_the_order():
    a, b = drawn(6, 3), drawn(6, 3, seed=1)
    found = principal_angles(a, b)
    torch.testing.assert_close(principal_angles(b @ drawn(3, 3, seed=2), 5 * a.flip(1)), found)
    assert (found[:-1] >= found[1:]).all()


def test_turning_an_axis_changes_the_loss_as_the_formula_says():
    x = drawn(50, 5) @ torch.diag(torch.tensor([3.0, 2.0, 1.5, 1.0, 0.5], dtype=torch.float64))
    mean, variances, axes = principal_axes(x)
    for theta in torch.linspace(-1, 2, 7, dtype=torch.float64):
        turned = torch.stack([axes[3], theta.cos() * axes[2] + theta.sin() * axes[0]])
        left = (x - mean) - (x - mean) @ turned.T @ turned
        expected = rotated_loss(variances, [2, 3], leaves=2, enters=0, theta=theta)
        torch.testing.assert_close(left.square().sum(1).mean(), expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 10**6))
def test_alternating_least_squares_keeps_to_the_bound(k, rounds, seed):
    x = drawn(30, 6, seed=seed) @ torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.5, 1.0, 0.4], dtype=torch.float64))
    mean, variances, axes = principal_axes(x)
    S = (x - mean).T @ (x - mean) / 30
    w_z = drawn(k, 6, seed=seed + 1)
    start = torch.linalg.pinv(w_z)
    angle = principal_angles(axes[:k].T, start)[0].item()
    for _ in range(rounds):
        w_x = S @ w_z.T @ torch.linalg.inv(w_z @ S @ w_z.T)
        w_z = torch.linalg.pinv(w_x)
    found = principal_angles(axes[:k].T, w_x)[0].item()
    assert found <= power_iteration_bound(variances, k, rounds, angle) * (1 + 1e-9) + 1e-12


def test_the_bound_is_reached_in_a_plane():
    assert math.tan(power_iteration_bound(torch.tensor([3.0, 2.0]), 1, 5, 0.7)) == pytest.approx((2 / 3) ** 5 * math.tan(0.7))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: principal_axes(torch.zeros(0, 3)), "x: expected at least one row"),
        (lambda: principal_axes(torch.zeros(3)), r"x: expected \(N, D\)"),
        (lambda: least_error(torch.ones(3), 4), "k: expected at most the 3 variances; got 4"),
        (lambda: least_error(torch.ones(3), -1), "k: expected a whole number ≥ 0; got -1"),
        (lambda: principal_angles(torch.eye(3), torch.eye(3)[:, :2]), r"b: expected a's shape \(3, 3\)"),
        (lambda: principal_angles(torch.ones(2, 3), torch.ones(2, 3)), r"1 ≤ k ≤ D; got shape \(2, 3\)"),
        (lambda: principal_angles(torch.ones(3, 2), torch.eye(3)[:, :2]), "a: expected 2 independent columns; got .* 1 are"),
        (
            lambda: rotated_loss(torch.ones(3), [0], 1, 2, torch.tensor(0.0)),
            r"leaves: expected one of the kept axes \[0\]",
        ),
        (lambda: rotated_loss(torch.ones(3), [0], 0, 0, torch.tensor(0.0)), "enters: expected an axis that is not kept"),
        (lambda: rotated_loss(torch.ones(3), [3], 3, 0, torch.tensor(0.0)), "kept: expected numbers of axes, 0 to 2"),
        (lambda: power_iteration_bound(torch.ones(3), 3, 1, 0.1), "k: expected less than the 3 variances"),
        (lambda: power_iteration_bound(torch.ones(3), 1, 1, 2.0), "angle: expected radians from 0 to less than π/2; got 2.0"),
    ],
)
def test_what_does_not_fit_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
