"""Products of features: torch's bilinear form, tensorly's tensors, and the same scores with and without the tensor."""

import numpy as np
import pytest
import tensorly
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.ops.bilinear import bilinear, generated_layer, low_rank_product, product_tensor, tensor_of_factors, with_one

seeds, sizes = st.integers(0, 2**32 - 1), st.integers(1, 5)


def draw(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


@given(st.lists(sizes, max_size=2), sizes, sizes, sizes, st.booleans(), seeds)
def test_it_is_torchs_bilinear_and_so_is_its_gradient(front, first, second, outputs, biased, seed):
    bias = [draw(outputs, seed=seed + 3)] if biased else []
    given = [draw(*front, first, seed=seed), draw(*front, second, seed=seed + 1), draw(outputs, first, second, seed=seed + 2)]
    tensors = [tensor.requires_grad_() for tensor in [*given, *bias]]
    ours, theirs = bilinear(*tensors), F.bilinear(*tensors)
    torch.testing.assert_close(ours, theirs)
    upstream = draw(*ours.shape, seed=seed + 4)
    mine = torch.autograd.grad(ours, tensors, upstream)
    torch.testing.assert_close(mine, torch.autograd.grad(theirs, tensors, upstream))


def test_it_is_the_sum_over_all_pairs_by_hand():
    x, y = torch.tensor([2.0, 3.0]), torch.tensor([5.0, 7.0])
    weight = torch.tensor([[[1.0, 10.0], [100.0, 1000.0]], [[0.0, 1.0], [-1.0, 0.0]]])
    assert bilinear(x, y, weight).tolist() == [10 + 140 + 1500 + 21000, 14 - 15]


@given(sizes, sizes, sizes, seeds)
def test_each_argument_alone_is_linear(first, second, outputs, seed):
    x, x2, y = draw(3, first, seed=seed), draw(3, first, seed=seed + 1), draw(3, second, seed=seed + 2)
    weight = draw(outputs, first, second, seed=seed + 3)
    mixed = bilinear(2 * x - 3 * x2, y, weight)
    torch.testing.assert_close(mixed, 2 * bilinear(x, y, weight) - 3 * bilinear(x2, y, weight))
    torch.testing.assert_close(bilinear(2 * x, 2 * y, weight), 4 * bilinear(x, y, weight))


@given(sizes, st.lists(sizes, min_size=1, max_size=4), seeds)
def test_the_tensor_is_tensorlys_outer_product_and_holds_each_modality_alone(n, dims, seed):
    features = [draw(n, D, seed=seed + m) for m, D in enumerate(dims)]
    tensor = product_tensor(features)
    for row in range(n):
        vectors = [with_one(x)[row].numpy() for x in features]
        by_tensorly = torch.from_numpy(tensorly.tenalg.outer(vectors)).reshape(tensor.shape[1:])
        torch.testing.assert_close(tensor[row], by_tensorly)
    assert (tensor[(slice(None), *[0] * len(dims))] == 1).all()
    for m, x in enumerate(features):
        alone = [slice(None), *[0] * len(dims)]
        alone[m + 1] = slice(1, None)
        assert torch.equal(tensor[tuple(alone)], x)


@given(sizes, st.lists(sizes, min_size=1, max_size=3), sizes, sizes, seeds)
def test_low_rank_is_the_full_tensor_that_tensorly_builds_from_its_factors(n, dims, rank, outputs, seed):
    features = [draw(n, D, seed=seed + m) for m, D in enumerate(dims)]
    factors = [draw(rank, outputs, D + 1, seed=seed + 9 + m) for m, D in enumerate(dims)]
    full = tensor_of_factors(factors)
    scores = low_rank_product(features, factors)
    tensor = product_tensor(features).flatten(1)
    for k in range(outputs):
        cp = [w[:, k].T.numpy() for w in factors]  # (1 + D_m, rank), as tensorly has them
        by_tensorly = torch.from_numpy(tensorly.cp_to_tensor((np.ones(rank), cp))).reshape(full.shape[1:])
        torch.testing.assert_close(full[k], by_tensorly)
        torch.testing.assert_close(scores[:, k], tensor @ by_tensorly.flatten())


@given(sizes, sizes, sizes, sizes, seeds)
def test_a_layer_made_by_the_context_is_the_tensor_of_ones_arranged_otherwise(n, first, second, outputs, seed):
    x, c, W = draw(n, first, seed=seed), draw(n, second, seed=seed + 1), draw(outputs, first + 1, second + 1, seed=seed + 2)
    whole = torch.einsum("nij,kij->nk", product_tensor([x, c]), W)
    parts = W[:, 1:, 1:], W[:, 1:, 0], W[:, 0, 1:], W[:, 0, 0]
    torch.testing.assert_close(generated_layer(x, c, *parts), whole)


X, Y = torch.zeros(2, 3), torch.zeros(2, 4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bilinear(X, Y, torch.zeros(5, 4, 3)), r"^input1: expected \(…, 4\).*got shape \(2, 3\)"),
        (lambda: bilinear(X, Y[:1], torch.zeros(5, 3, 4)), r"^input2: expected \(…, D2\) with \(2,\) in front"),
        (lambda: bilinear(X, Y, torch.zeros(3, 4)), r"^weight: expected \(K, D1, D2\)"),
        (lambda: bilinear(X, Y.double(), torch.zeros(5, 3, 4)), "^input2: expected float32"),
        (lambda: bilinear(X, Y, torch.zeros(5, 3, 4), torch.zeros(4)), "^bias"),
        (lambda: product_tensor([]), "^features: expected one tensor"),
        (lambda: product_tensor([X, Y[:1]]), r"features\[1\]: expected \(2, D\), as many examples"),
        (
            lambda: low_rank_product([X, Y], [torch.zeros(2, 5, 3), torch.zeros(2, 5, 5)]),
            r"^factors: expected \[4, 5\].*constant 1",
        ),
        (lambda: tensor_of_factors([torch.zeros(2, 5, 4), torch.zeros(3, 5, 4)]), r"factors\[1\]: expected \(2, 5, 1 \+ D\)"),
    ],
)
def test_what_does_not_fit_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
