"""Chapter 16: each mistake is named, right answers in other styles pass, and the right answers are those of libraries."""

import math

import numpy as np
import pytest
import tensorly
import torch
import torch.nn.functional as F
from sklearn.kernel_approximation import PolynomialCountSketch

from mmlearn.exercises import ch16, verify
from mmlearn.ops.bilinear import bilinear, low_rank_product, product_tensor, tensor_of_factors


def bilinear_with_loops(x, y, weight, bias):
    return torch.stack(
        [torch.stack([u @ w @ v + b for w, b in zip(weight, bias, strict=True)]) for u, v in zip(x, y, strict=True)]
    )


def test_bilinear_form():
    verify(ch16.bilinear_form, also_right=[F.bilinear, bilinear, bilinear_with_loops])


def products_with_kron(x, y):
    one = torch.ones(1, dtype=x.dtype)
    return torch.stack([torch.kron(torch.cat([one, u]), torch.cat([one, v])) for u, v in zip(x, y, strict=True)])


def test_tensor_of_products():
    verify(ch16.tensor_of_products, also_right=[products_with_kron, lambda x, y: product_tensor([x, y]).flatten(1)])


def through_the_full_tensor(features, factors):
    return product_tensor(features).flatten(1) @ tensor_of_factors(factors).flatten(1).mT


def through_tensorly(features, factors):
    tensor = product_tensor(features).flatten(1)
    full = [
        tensorly.cp_to_tensor((np.ones(len(factors[0])), [w[:, k].T.double().numpy() for w in factors]))
        for k in range(factors[0].shape[1])
    ]
    return tensor @ torch.from_numpy(np.stack(full)).flatten(1).to(tensor.dtype).mT


def test_low_rank():
    verify(ch16.low_rank, also_right=[low_rank_product, through_the_full_tensor, through_tensorly])


def test_sizes():
    ones = 513, 301, 65
    right = 128 * math.prod(ones), 128 * 8 * sum(ones), math.prod(ones) // sum(ones)
    assert right[2] * sum(ones) < math.prod(ones) < (right[2] + 1) * sum(ones)
    verify(ch16.sizes, also_right=[right, list(right), torch.tensor(right)])
    assert "three whole numbers" in ch16.sizes.check((1, 2)).diagnosis
    assert "the largest rank" in ch16.sizes.check((right[0], right[1], 12)).diagnosis


def with_two_factors(weight, rank):
    u, s, v = torch.linalg.svd(weight)
    left, right = u[:, :rank] @ torch.diag(s[:rank].sqrt()), torch.diag(s[:rank].sqrt()) @ v[:rank]
    return left @ right


def by_projection(weight, rank):
    values, vectors = torch.linalg.eigh(weight.mT @ weight)
    kept = vectors[:, values.argsort(descending=True)[:rank]]
    return weight @ kept @ kept.mT


def test_best_rank():
    verify(ch16.best_rank, also_right=[with_two_factors, by_projection])


def with_numpy(examples, accuracy, target):
    reached = (accuracy >= target).nonzero()
    if len(reached) == 0:
        return math.inf
    i = int(reached[0])
    if i == 0:
        return float(examples[0])
    return float(np.exp(np.interp(target, accuracy[i - 1 : i + 1].numpy(), np.log(examples[i - 1 : i + 1].numpy()))))


def test_examples_needed():
    verify(ch16.examples_needed, also_right=[with_numpy])


def every_product_in_turn(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch):
    result = x.new_zeros(len(x), sketch)
    for i in range(x.shape[1]):
        for j in range(y.shape[1]):
            result[:, (hashes_x[i] + hashes_y[j]) % sketch] += signs_x[i] * signs_y[j] * x[:, i] * y[:, j]
    return result


def with_matrices_and_the_full_transform(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch):
    first = (x * signs_x) @ F.one_hot(hashes_x, sketch).to(x)
    second = (y * signs_y) @ F.one_hot(hashes_y, sketch).to(y)
    return torch.fft.ifft(torch.fft.fft(first) * torch.fft.fft(second)).real


def test_compact_product():
    verify(ch16.compact_product, also_right=[every_product_in_turn, with_matrices_and_the_full_transform])


@pytest.mark.parametrize("sketch", [8, 9])
def test_the_right_compact_product_is_scikit_learns(sketch):
    x = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theirs = PolynomialCountSketch(degree=2, n_components=sketch, random_state=0).fit(x.numpy())
    tables = [torch.from_numpy(table[m]) for m in (0, 1) for table in (theirs.indexHash_, theirs.bitHash_)]
    tables = [tables[0].long(), tables[1].double(), tables[2].long(), tables[3].double()]
    np.testing.assert_allclose(ch16.compact_product.oracle(x, x, *tables, sketch), theirs.transform(x.numpy()), atol=1e-12)


def repaired_slowly(x, y, *tables):
    return every_product_in_turn(F.pad(x, (1, 0), value=1.0), F.pad(y, (1, 0), value=1.0), *tables)


def test_repaired_fusion():
    verify(ch16.repaired_fusion, also_right=[repaired_slowly])


@pytest.mark.parametrize("name", [name for name in ch16.__all__ if name != "sizes"])
def test_an_answer_that_is_not_written_yet_is_no_mistake(name):
    def answer(*arguments):
        raise NotImplementedError

    assert getattr(ch16, name).judge(answer).status == "untouched"


def test_a_half_right_answer_is_not_called_right():
    def only_two(features, factors):
        return low_rank_product(features[:2], factors[:2])

    assert "only the first two" in ch16.low_rank.check(only_two).diagnosis
