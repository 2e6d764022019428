from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Categorical

from mmlearn.exercises import ch15, verify
from mmlearn.models.fusion import Concat, FiLM, Gated, Sum, WeightedMean
from mmlearn.ops.fusion import gated_mean, gated_mean_backward, hadamard_product, hadamard_product_backward


def by_masking(weight, features):
    """The long vector with everything but one modality set to 0."""
    ends = np.cumsum([0, *(f.shape[1] for f in features)])
    whole = torch.cat(features, 1)
    rows = []
    for start, end in pairwise(ends):
        kept = torch.zeros_like(whole)
        kept[:, start:end] = whole[:, start:end]
        rows.append(torch.nn.functional.linear(kept, weight))
    return torch.stack(rows)


def with_a_running_start(weight, features):
    start, rows = 0, []
    for f in features:
        rows.append(torch.einsum("nd,od->no", f, weight[:, start : start + f.shape[1]]))
        start += f.shape[1]
    return torch.stack(rows)


def test_contributions():
    verify(ch15.contributions, also_right=[by_masking, with_a_running_start])


def by_softmax(h, scores, present):
    weights = torch.softmax(scores[:, None].masked_fill(~present, -torch.inf), 0)
    return torch.einsum("mn,mnd->nd", weights, h.masked_fill(~present[..., None], 0))


def of_the_course(h, scores, present):
    return gated_mean(h, scores[:, None, None], present)


def example_by_example(h, scores, present):
    rows = []
    for n in range(h.shape[1]):
        there = present[:, n]
        rows.append((scores[there].softmax(0)[:, None] * h[there, n]).sum(0))
    return torch.stack(rows)


def test_mean_of_present():
    verify(ch15.mean_of_present, also_right=[by_softmax, of_the_course, example_by_example])


STAIRCASES = [
    ([0.5, 1.5, 2.5, 3.5], [0, -1, -2, -3]),
    ((3, 2, 1, 0), (-2.5, -1.5, -0.5, 0.5)),  # the colours the other way round
    (torch.tensor([0.0, 10.0, 20.0, 30.0]), np.array([1.0, -9.0, -19.0, -29.0])),
    torch.tensor([[2.5, 0.5, 3.5, 1.5], [-2.0, 0.0, -3.0, -1.0]]),  # in any order of the colours
]


def test_staircase():
    verify(ch15.staircase, also_right=STAIRCASES)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (([1, 2, 3], [1, 2, 3]), "two lists of four numbers"),
        (7, "two lists of four numbers"),
        ("ab", "two lists of four numbers"),
        (([1, 2, 3, float("nan")], [0, 0, 0, 0]), "NaN or infinity"),
        (([1.0, -9.0, -9.0, -9.0], [1.0, -2.0, -2.0, -2.0]), "right on 62.5 % of the examples. 3 of the four pairs"),
        (([3.0, 1.0, 2.0, 3.0], [0.5, -0.5, -1.5, 1.0]), "all four pairs of one colour get their *yes*"),
    ],
)
def test_other_staircases_get_a_sentence(answer, words):
    result = ch15.staircase.check(answer)
    assert result.status == "failed"
    assert words in result.diagnosis


def test_no_staircase_is_better_than_three_quarters():
    """Of a hundred thousand random sums none is above the bound that section 3 proves."""
    generator = torch.Generator().manual_seed(0)
    f, g = torch.randn(2, 100_000, 4, generator=generator, dtype=torch.float64)
    yes = f[:, :, None] + g[:, None] > 0
    shares = torch.full((4, 4), 1 / 24, dtype=torch.float64).fill_diagonal_(1 / 8)
    right = (shares * (yes == torch.eye(4, dtype=torch.bool))).sum((1, 2))
    assert right.max() == pytest.approx(0.75)


def by_autograd(grad, factors):
    leaf = factors.clone().requires_grad_()
    return torch.autograd.grad(leaf.prod(0), leaf, grad)[0]


def by_the_course(grad, factors):
    return hadamard_product_backward(grad, factors, torch.ones(factors.shape[:2], dtype=torch.bool))


def by_replacing(grad, factors):
    rows = []
    for m in range(len(factors)):
        rest = factors.clone()
        rest[m] = grad
        rows.append(rest.prod(0))
    return torch.stack(rows)


def test_product_gradients():
    verify(ch15.product_gradients, also_right=[by_autograd, by_the_course, by_replacing])
    factors = torch.randn(3, 2, 2, dtype=torch.float64)
    torch.testing.assert_close(hadamard_product(factors), factors[0] * factors[1] * factors[2])


def gate_by_autograd(grad, a, b, s):
    leaves = [t.clone().requires_grad_() for t in (a, b, s)]
    x, y, score = leaves
    return torch.autograd.grad(torch.lerp(y, x, torch.sigmoid(score)), leaves, grad)


def gate_by_the_mean(grad, a, b, s):
    """As the course's gated mean: how far a is from the mixture."""
    both = torch.stack([a, b])
    found = gated_mean_backward(grad, both, torch.stack([s, torch.zeros_like(s)]), torch.ones(2, len(a), dtype=torch.bool))
    return found.features[0], found.features[1], found.scores[0]


def test_gate_gradients():
    verify(ch15.gate_gradients, also_right=[gate_by_autograd, gate_by_the_mean])


def test_learned_numbers():
    dims = {"image": 10, "text": 5}
    counted = [sum(p.numel() for p in kind(dims, 4).parameters()) for kind in (Concat, Sum, WeightedMean, Gated, FiLM)]
    verify(ch15.learned_numbers, also_right=[counted, torch.tensor(counted), np.array(counted), [float(n) for n in counted]])


@pytest.mark.parametrize("answer", [[1, 2, 3], 64, ["a"] * 5, [64.5, 68, 70, 132, 92], [float("nan")] * 5])
def test_other_counts_get_a_sentence(answer):
    result = ch15.learned_numbers.check(answer)
    assert result.status == "failed"
    assert "whole number" in result.diagnosis


def by_distributions(log_p, log_prior):
    logits = sum(log_p[m] - log_prior for m in range(len(log_p))) + log_prior
    return Categorical(logits=logits).logits


def by_multiplying(log_p, log_prior):
    p = log_p.exp().prod(0) / log_prior.exp() ** (log_p.shape[0] - 1)
    return (p / p.sum(1, keepdim=True)).log()


def test_expert_product():
    verify(ch15.expert_product, also_right=[by_distributions, by_multiplying])


class WithADict(nn.Module):
    def __init__(self, dims, out_dim, rank):
        super().__init__()
        self.parts = nn.ParameterDict({f"f{m}": torch.randn(rank, d + 1, out_dim) for m, d in enumerate(dims)})
        self.parts["mix"], self.parts["bias"] = torch.ones(rank, 1, 1), torch.zeros(out_dim)

    def forward(self, features):
        terms = [torch.cat([f, f.new_ones(len(f), 1)], 1) @ self.parts[f"f{m}"] for m, f in enumerate(features)]
        return (self.parts["mix"] * torch.stack(terms).prod(0)).sum(0) + self.parts["bias"]


class OneByOne(nn.Module):
    def __init__(self, dims, out_dim, rank):
        super().__init__()
        for m, d in enumerate(dims):
            self.register_parameter(f"factor{m}", nn.Parameter(torch.randn(rank, d + 1, out_dim)))
        self.mix, self.bias = nn.Parameter(torch.ones(rank)), nn.Parameter(torch.zeros(out_dim))

    def forward(self, features):
        product = None
        for m, f in enumerate(features):
            factor = getattr(self, f"factor{m}")
            term = torch.einsum("nd,rdo->rno", f, factor[:, :-1]) + factor[:, -1:]
            product = term if product is None else product * term
        return torch.einsum("r,rno->no", self.mix, product) + self.bias


def test_repaired_product():
    verify(ch15.RepairedProduct, also_right=[WithADict, OneByOne])
