"""Compact bilinear pooling: scikit-learn's sketch with the same tables, and tables that stay what they are."""

import copy

import numpy as np
import pytest
import torch
from sklearn.kernel_approximation import PolynomialCountSketch

from mmlearn.models.fusion.bilinear import TensorFusion
from mmlearn.models.fusion.compact import CompactBilinear
from mmlearn.ops.bilinear import product_tensor, with_one
from mmlearn.ops.count_sketch import count_sketch, product_sketch_moments

TWO = {"image": 5, "text": 3}


def some(dims, n=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(n, D, generator=generator, dtype=torch.float64) for name, D in dims.items()}


@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("sketch", [7, 64])
def test_with_scikit_learns_tables_it_is_scikit_learns_sketch(one, degree, sketch):
    x = some({"x": 6})["x"]
    theirs = PolynomialCountSketch(degree=degree, n_components=sketch, coef0=int(one), random_state=0).fit(x.numpy())
    names = [f"copy {m}" for m in range(degree)]
    fusion = CompactBilinear(dict.fromkeys(names, 6), 4, sketch=sketch, append_one=one).double()
    for m, name in enumerate(names):
        hashes, signs = fusion.tables(name)
        hashes.copy_(torch.from_numpy(theirs.indexHash_[m]).roll(int(one)))  # scikit-learn has the 1 behind the features
        signs.copy_(torch.from_numpy(theirs.bitHash_[m]).roll(int(one)))
    sketched = fusion.sketched(dict.fromkeys(names, x))
    np.testing.assert_allclose(sketched, theirs.transform(x.numpy()), atol=1e-12)
    torch.testing.assert_close(fusion(dict.fromkeys(names, x)), fusion.out(sketched))


def test_the_sketch_is_linear_in_the_tensor_of_products():
    """There is one matrix that takes every tensor of products to its sketch."""
    fusion = CompactBilinear(TWO, 4, sketch=9).double()
    many, fresh = some(TWO, 200, seed=1), some(TWO, 20, seed=2)
    tensors = product_tensor(list(many.values())).flatten(1)  # (200, 24)
    matrix = torch.linalg.lstsq(tensors, fusion.sketched(many)).solution
    assert set(matrix.round().flatten().tolist()) <= {-1.0, 0.0, 1.0}
    torch.testing.assert_close(product_tensor(list(fresh.values())).flatten(1) @ matrix, fusion.sketched(fresh))


def test_the_error_of_inner_products_over_many_seeds_is_the_formulas():
    inputs = some(TWO, 2, seed=3)
    ones = {name: torch.cat([x.new_ones(2, 1), x], dim=1) for name, x in inputs.items()}
    mean, variance = product_sketch_moments(ones["image"][0], ones["text"][0], ones["image"][1], ones["text"][1], 16)
    seen = torch.stack([CompactBilinear(TWO, 1, sketch=16, seed=s).sketched(inputs).prod(0).sum() for s in range(3000)])
    assert abs(seen.mean() - mean) < 4 * (variance / 3000).sqrt()
    assert seen.var().item() == pytest.approx(variance.item(), rel=0.15)


def test_the_tables_are_drawn_once_and_travel_with_the_weights():
    fusion, other = (CompactBilinear(TWO, 4, sketch=16, seed=seed).double() for seed in (0, 1))
    inputs = some(TWO)
    assert torch.equal(fusion(inputs), fusion(inputs))
    assert torch.equal(copy.deepcopy(fusion)(inputs), fusion(inputs))
    assert not torch.allclose(other.sketched(inputs), fusion.sketched(inputs))
    other.load_state_dict(fusion.state_dict())
    assert torch.equal(other(inputs), fusion(inputs))


def test_the_same_seed_draws_the_same_tables_whatever_was_drawn_before():
    torch.manual_seed(0)
    first = CompactBilinear(TWO, 4, sketch=16, seed=5)
    torch.manual_seed(1)
    again = CompactBilinear(TWO, 4, sketch=16, seed=5)
    inputs = some(TWO)
    assert torch.equal(first.sketched(inputs), again.sketched(inputs))


def test_the_modalities_have_tables_of_their_own():
    fusion = CompactBilinear({"a": 50, "b": 50}, 4, sketch=64)
    (hashes, signs), (others, other_signs) = fusion.tables("a"), fusion.tables("b")
    assert not torch.equal(hashes, others)
    assert not torch.equal(signs, other_signs)
    assert set(signs.tolist()) == {-1, 1}


def test_without_a_modality_the_sketch_is_that_of_the_other_one_turned_round():
    fusion = CompactBilinear(TWO, 4, sketch=16).double()
    inputs = some(TWO)
    alone = fusion.sketched({"image": inputs["image"], "text": torch.zeros_like(inputs["text"])})
    hashes, signs = fusion.tables("text")
    own = count_sketch(with_one(inputs["image"]), *fusion.tables("image"), 16)
    torch.testing.assert_close(alone, signs[0] * own.roll(int(hashes[0]), 1))
    no_ones = CompactBilinear(TWO, 4, sketch=16, append_one=False).double()
    assert torch.equal(no_ones({"image": inputs["image"]}), no_ones.out.bias.expand(7, 4))


def test_a_linear_layer_on_a_large_sketch_comes_near_the_full_tensors():
    """Kernel ridge regression on sketches tends to the one on tensors."""
    train, test = some(TWO, 60, seed=4), some(TWO, 40, seed=5)
    torch.manual_seed(0)
    target = TensorFusion(TWO, 1).double()
    scores = []
    for sketch in (8, 4096):
        fusion = CompactBilinear(TWO, 1, sketch=sketch).double()
        a, b = fusion.sketched(train), fusion.sketched(test)
        weights = torch.linalg.solve(a @ a.T + 1e-6 * torch.eye(60, dtype=a.dtype), target(train))
        left = (b @ a.T @ weights - target(test)).square().mean() / target(test).var()
        scores.append(left.item())
    assert scores[1] < 1e-3 < 0.1 < scores[0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CompactBilinear(TWO, 4, sketch=0), "sketch: expected a whole number ≥ 1; got 0"),
        (lambda: CompactBilinear(TWO, 4, seed="a"), "seed: expected a whole number; got 'a'"),
        (lambda: CompactBilinear(TWO, 4).tables("txt"), "name: expected one of 'image', 'text'; got 'txt'"),
    ],
)
def test_what_does_not_fit_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
