"""CCA against scikit-learn and against the eigenvalue problem that scipy solves; what never changes; what is refused."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import CCA as SklearnCCA

from mmlearn.data.correlation import cca, inverse_root


def tables(n, dx, dy, seed, shared=2):
    """Two tables that have ``shared`` hidden numbers in common, with noise."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, shared, generator=generator, dtype=torch.float64)
    mix = [torch.randn(shared, d, generator=generator, dtype=torch.float64) for d in (dx, dy)]
    noise = [torch.randn(n, d, generator=generator, dtype=torch.float64) for d in (dx, dy)]
    return tuple(hidden @ m + 0.7 * e + 3 for m, e in zip(mix, noise, strict=True))


sizes = st.tuples(st.integers(40, 80), st.integers(1, 5), st.integers(1, 5))
seeds = st.integers(0, 2**20)


@given(sizes, seeds)
def test_correlations_are_the_roots_of_scipys_eigenvalues(size, seed):
    x, y = tables(*size, seed)
    x0, y0 = (x - x.mean(0)).numpy(), (y - y.mean(0)).numpy()
    cross = x0.T @ y0
    values = scipy.linalg.eigh(cross @ np.linalg.solve(y0.T @ y0, cross.T), x0.T @ x0, eigvals_only=True)
    k = min(size[1:])
    expected = np.sqrt(np.clip(values[::-1][:k], 0, None))
    np.testing.assert_allclose(cca(x, y).correlations.square(), expected**2, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_directions_are_scikit_learns_up_to_sign_and_scale(seed):
    x, y = tables(300, 4, 3, seed, shared=3)
    theirs = SklearnCCA(n_components=3, scale=False, tol=1e-14, max_iter=20_000).fit(x.numpy(), y.numpy())
    a, b = (torch.as_tensor(z) for z in theirs.transform(x.numpy(), y.numpy()))
    found = cca(x, y)
    measured = torch.stack([torch.corrcoef(torch.stack([p, q]))[0, 1] for p, q in zip(a.T, b.T, strict=True)])
    torch.testing.assert_close(found.correlations, measured, rtol=0, atol=1e-7)
    for ours, other in zip(found.transform(x, y), (a, b), strict=True):
        cosines = torch.nn.functional.cosine_similarity(ours, other - other.mean(0), dim=0).abs()
        torch.testing.assert_close(cosines, torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-5)


@given(sizes, seeds)
def test_what_the_directions_measure_is_white_and_correlated_in_pairs_alone(size, seed):
    x, y = tables(*size, seed)
    found = cca(x, y)
    a, b = found.transform(x, y)
    eye = torch.eye(len(found.correlations), dtype=torch.float64)
    torch.testing.assert_close(a.T @ a / len(a), eye, atol=1e-8, rtol=0)
    torch.testing.assert_close(b.T @ b / len(b), eye, atol=1e-8, rtol=0)
    torch.testing.assert_close(a.T @ b / len(a), found.correlations.diag(), atol=1e-8, rtol=0)


@given(sizes, seeds)
def test_units_and_mixtures_of_features_change_nothing(size, seed):
    x, y = tables(*size, seed)
    generator = torch.Generator().manual_seed(seed)
    turned, _ = torch.linalg.qr(torch.randn(x.shape[1], x.shape[1], generator=generator, dtype=torch.float64))
    scale = torch.rand(x.shape[1], generator=generator, dtype=torch.float64) + 0.1
    torch.testing.assert_close(cca(x @ turned * scale - 7, y).correlations, cca(x, y).correlations, atol=1e-7, rtol=0)


def test_with_one_feature_each_it_is_pearsons_correlation():
    x, y = tables(50, 1, 1, 0)
    expected = abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1])
    assert cca(x, y).correlations.item() == pytest.approx(expected)


def test_elementwise_roots_give_another_answer_unless_the_features_are_uncorrelated():
    matrix = torch.tensor([[2.5, 1.5], [1.5, 2.5]], dtype=torch.float64)
    root = inverse_root(matrix)
    torch.testing.assert_close(root @ matrix @ root, torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(root, torch.as_tensor(np.linalg.inv(scipy.linalg.sqrtm(matrix.numpy()))))
    elementwise = matrix.sqrt().inverse()
    assert (elementwise @ matrix @ elementwise - torch.eye(2, dtype=torch.float64)).abs().max() > 0.5
    diagonal = torch.tensor([4.0, 9.0], dtype=torch.float64).diag()
    torch.testing.assert_close(inverse_root(diagonal), torch.tensor([0.5, 1 / 3], dtype=torch.float64).diag())


@settings(max_examples=20)
@given(st.integers(4, 8), seeds)
def test_too_few_rows_correlate_perfectly_whatever_they_hold(d, seed):
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(d + 2, d, generator=generator, dtype=torch.float64) for _ in range(2))
    assert cca(x, y).correlations[0].item() == pytest.approx(1, abs=1e-6)
    assert cca(x, y, ridge=1.0).correlations[0] < 0.9


def test_the_ridge_makes_more_features_than_rows_possible_and_shrinks():
    x, y = tables(20, 30, 25, 0)
    with pytest.raises(ValueError, match=r"the covariance of x has rank 19 of 30.*ridge"):
        cca(x, y)
    found = cca(x, y, ridge=0.1, k=3)
    assert found.correlations.shape == (3,)
    assert found.x_weights.shape == (30, 3)
    assert (cca(x, y, ridge=1.0, k=3).correlations < found.correlations).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y: (x[:-1], y), "got 39 and 40 rows"),
        (lambda x, y: (x[:, 0], y), r"\(N, D\) numbers"),
        (lambda x, y: (x.where(x < 3, torch.nan), y), r"x holds \d+ numbers that are NaN"),
        (lambda x, y: (torch.cat([x, x[:, :1]], 1), y), "the covariance of x has rank 3 of 4"),
        (lambda x, y: (x, y * torch.tensor([1.0, 0.0])), "the covariance of y has rank 1 of 2: a feature is constant"),
        (lambda x, y: (x * 0, y), "the covariance of x has rank 0 of 3"),
        (lambda x, y: (x[:1], y[:1]), "two rows or more; got 1"),
    ],
)
def test_what_cannot_be_correlated_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        cca(*change(*tables(40, 3, 2, 0)))


@pytest.mark.parametrize("options", [{"k": 0}, {"k": 3}, {"k": True}, {"ridge": -1.0}, {"ridge": float("nan")}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        cca(*tables(40, 3, 2, 0), **options)


def test_other_features_are_refused_when_transforming():
    x, y = tables(40, 3, 2, 0)
    found = cca(x, y)
    torch.testing.assert_close(found.transform(y=y), found.transform(x, y)[1])
    with pytest.raises(ValueError, match="x has 2 features; the directions were fitted to 3"):
        found.transform(y)
    with pytest.raises(ValueError, match="give x, y or both"):
        found.transform()


def test_a_matrix_that_is_not_symmetric_has_no_root_here():
    with pytest.raises(ValueError, match="symmetric"):
        inverse_root(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
