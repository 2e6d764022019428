"""Count sketches: right on average, as far off as the formula says, and the product's sketch without the product."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.kernel_approximation import PolynomialCountSketch

from mmlearn.ops.bilinear import with_one
from mmlearn.ops.count_sketch import (
    count_sketch,
    count_sketch_moments,
    draw_tables,
    product_sketch_moments,
    sketch_of_product,
)

seeds = st.integers(0, 2**32 - 1)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def every_table(features, sketch):
    """All hashes and signs that there are."""
    for hashes in product(range(sketch), repeat=features):
        for signs in product((-1, 1), repeat=features):
            yield torch.tensor(hashes), torch.tensor(signs)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), seeds)
def test_it_is_the_matrix_that_its_tables_describe(n, features, sketch, seed):
    x, (hashes, signs) = draw(n, features, seed=seed), draw_tables(features, sketch, torch.Generator().manual_seed(seed))
    matrix = torch.zeros(features, sketch, dtype=torch.float64)
    matrix[torch.arange(features), hashes] = signs.double()
    torch.testing.assert_close(count_sketch(x, hashes, signs, sketch), x @ matrix)


@pytest.mark.parametrize(("features", "sketch"), [(1, 3), (2, 2), (3, 2), (3, 3)])
def test_over_all_tables_the_inner_product_has_exactly_the_mean_and_variance_of_the_formula(features, sketch):
    x, y = draw(features, seed=1), draw(features, seed=2)
    seen = [count_sketch(torch.stack([x, y]), *tables, sketch).prod(0).sum() for tables in every_table(features, sketch)]
    mean, variance = count_sketch_moments(x, y, sketch)
    torch.testing.assert_close(torch.stack(seen).mean(), mean)
    torch.testing.assert_close(torch.stack(seen).var(correction=0), variance)


@pytest.mark.parametrize(("first", "second", "sketch"), [(2, 2, 2), (2, 2, 3), (2, 3, 2), (2, 2, 4)])
def test_over_all_tables_the_products_sketch_has_exactly_the_mean_and_variance_of_the_formula(first, second, sketch):
    pair = [draw(2, first, seed=1), draw(2, second, seed=2)]  # rows: x and x', y and y'
    seen = []
    for one, other in product(every_table(first, sketch), every_table(second, sketch)):
        both = sketch_of_product([count_sketch(pair[0], *one, sketch), count_sketch(pair[1], *other, sketch)])
        seen.append(both.prod(0).sum())
    mean, variance = product_sketch_moments(pair[0][0], pair[1][0], pair[0][1], pair[1][1], sketch)
    torch.testing.assert_close(torch.stack(seen).mean(), mean)
    torch.testing.assert_close(torch.stack(seen).var(correction=0), variance)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 7), seeds)
def test_the_product_of_sketches_is_the_sketch_of_the_product(dims, sketch, seed):
    vectors = [draw(D, seed=seed + m) for m, D in enumerate(dims)]
    tables = [draw_tables(D, sketch, torch.Generator().manual_seed(seed + m)) for m, D in enumerate(dims)]
    sketches = [count_sketch(x, *table, sketch) for x, table in zip(vectors, tables, strict=True)]
    slow = torch.zeros(sketch, dtype=torch.float64)
    for places in product(*map(range, dims)):  # every entry of the outer product, one at a time
        where = sum(int(table[0][i]) for table, i in zip(tables, places, strict=True)) % sketch
        signs = [float(table[1][i] * x[i]) for table, x, i in zip(tables, vectors, places, strict=True)]
        slow[where] += np.prod(signs)
    torch.testing.assert_close(sketch_of_product(sketches), slow)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(2, 3), st.integers(1, 33), st.sampled_from([0, 1]), seeds)
def test_it_is_scikit_learns_polynomial_sketch_with_its_tables(n, features, degree, sketch, one, seed):
    x = draw(n, features, seed=seed)
    theirs = PolynomialCountSketch(degree=degree, n_components=sketch, coef0=one, random_state=seed % 2**31).fit(x.numpy())
    hashes, signs = torch.from_numpy(theirs.indexHash_).long(), torch.from_numpy(theirs.bitHash_)
    given = with_one(x) if one else x
    if one:  # scikit-learn appends the 1 behind the features
        hashes, signs = hashes.roll(1, 1), signs.roll(1, 1)
    ours = sketch_of_product([count_sketch(given, h, s, sketch) for h, s in zip(hashes, signs, strict=True)])
    np.testing.assert_allclose(ours, theirs.transform(x.numpy()), atol=1e-12 * (1 + ours.abs().max().item()))


def test_the_gradient_goes_through_the_transform():
    tables = [draw_tables(3, 5, torch.Generator().manual_seed(m)) for m in range(2)]
    x, y = draw(2, 3, seed=1).requires_grad_(), draw(2, 3, seed=2).requires_grad_()

    def sketched(*vectors):
        return sketch_of_product([count_sketch(v, *table, 5) for v, table in zip(vectors, tables, strict=True)])

    assert torch.autograd.gradcheck(sketched, (x, y))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_the_result_has_the_dtype_of_the_features(dtype):
    tables = draw_tables(3, 5, torch.Generator().manual_seed(0))
    assert sketch_of_product([count_sketch(torch.ones(2, 3, dtype=dtype), *tables, 5)] * 2).dtype == dtype


X = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: count_sketch(X, torch.tensor([0, 1]), torch.ones(3), 4), r"^hashes: expected \(3,\), one for each feature"),
        (
            lambda: count_sketch(X, torch.tensor([0, 1, 4]), torch.ones(3), 4),
            r"^hashes: expected int64 from 0 to 3; got .*\[0, 1, 4\]",
        ),
        (lambda: count_sketch(X, torch.tensor([0, 1, 2]), torch.ones(2), 4), "^signs"),
        (lambda: count_sketch(X, torch.tensor([0, 1, 2]), torch.ones(3), 0), "^sketch: expected a whole number ≥ 1"),
        (lambda: sketch_of_product([]), "^sketches: expected one tensor"),
        (lambda: sketch_of_product([X, X[:, :2]]), r"^sketches\[1\]: expected \(2, 3\), as the first"),
    ],
)
def test_what_does_not_fit_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
