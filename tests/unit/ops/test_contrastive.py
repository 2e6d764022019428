"""Contrastive losses against open_clip's, against autograd, and against what is known about them by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from mmlearn.ops import torch_gradients
from mmlearn.ops.contrastive import (
    duplicate_floor,
    info_nce,
    info_nce_backward,
    info_nce_chunked,
    information_bound,
    siglip,
    temperature_gradient,
    unit_rows,
    unit_rows_backward,
)

shapes = st.tuples(st.integers(2, 9), st.integers(1, 6))
seeds = st.integers(0, 2**20)
scales = st.floats(0.05, 100)


def batch(shape, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return (torch.nn.functional.normalize(x, dim=1).to(dtype) for x in (a, b))


def gradients(function, *leaves):
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    return torch.autograd.grad(function(*leaves), leaves)


@given(shapes, seeds, scales)
def test_the_loss_is_open_clips(shape, seed, scale):
    a, b = batch(shape, seed)
    theirs = pytest.importorskip("open_clip.loss").ClipLoss()
    s = torch.tensor(scale, dtype=torch.float64)
    torch.testing.assert_close(info_nce(a, b, scale), theirs(a, b, s), rtol=1e-12, atol=1e-14)
    for ours, other in zip(gradients(info_nce, a, b, s), gradients(theirs, a, b, s), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-9, atol=1e-11)


@given(shapes, seeds, scales, st.floats(-12, 3))
def test_the_sigmoid_loss_is_open_clips(shape, seed, scale, bias):
    a, b = batch(shape, seed)
    theirs = pytest.importorskip("open_clip.loss").SigLipLoss()
    s, beta = (torch.tensor(value, dtype=torch.float64) for value in (scale, bias))
    torch.testing.assert_close(siglip(a, b, s, beta), theirs(a, b, s, beta), rtol=1e-12, atol=1e-14)
    for ours, other in zip(gradients(siglip, a, b, s, beta), gradients(theirs, a, b, s, beta), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-9, atol=1e-11)


@settings(max_examples=30)
@given(shapes, seeds, scales)
def test_hand_written_gradients_are_autograds_and_finite_differences(shape, seed, scale):
    a, b = batch(shape, seed)
    s = torch.tensor(scale, dtype=torch.float64)
    for loss, extra in ((info_nce, ()), (siglip, (torch.tensor(-2.0, dtype=torch.float64),))):
        by_hand = gradients(loss, a, b, s, *extra)
        with torch_gradients():
            by_torch = gradients(loss, a, b, s, *extra)
        torch.testing.assert_close(by_hand, by_torch, rtol=1e-9, atol=1e-11)
    if scale < 20:
        leaves = [x.clone().requires_grad_() for x in (a, b, s)]
        assert torch.autograd.gradcheck(info_nce, leaves, atol=1e-4)
        assert torch.autograd.gradcheck(lambda *x: info_nce_chunked(*x, chunk=2), leaves, atol=1e-4)


@given(shapes, seeds, scales, st.integers(1, 10))
def test_the_chunked_loss_and_its_gradients_are_those_of_the_whole(shape, seed, scale, chunk):
    a, b = batch(shape, seed)
    s = torch.tensor(scale, dtype=torch.float64)
    torch.testing.assert_close(info_nce_chunked(a, b, s, chunk), info_nce(a, b, s), rtol=1e-10, atol=1e-11)
    ours = gradients(lambda *x: info_nce_chunked(*x, chunk=chunk), a, b, s)
    torch.testing.assert_close(ours, gradients(info_nce, a, b, s), rtol=1e-9, atol=1e-11)


class Largest(TorchDispatchMode):
    """The most numbers that one result of a torch operation holds."""

    most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.most = max(self.most, tensor.numel())
        return result


def largest(loss, a, b):
    a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
    with Largest() as seen:
        loss(a, b, 10.0).backward()
    return seen.most


def test_the_chunked_loss_never_holds_the_matrix_of_all_pairs():
    a, b = batch((256, 4), 0)
    assert largest(info_nce, a, b) == 256 * 256
    assert largest(lambda *x: info_nce_chunked(*x, chunk=32), a, b) == max(32 * 32, 256 * 4)


@pytest.mark.parametrize("loss", [info_nce, info_nce_chunked])
def test_two_pairs_by_hand(loss):
    a = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert loss(a, a, math.log(3)).item() == pytest.approx(math.log(4 / 3))  # e^s = 3: the right one has 3 of 4 parts
    grad_a, grad_b, grad_s, _ = info_nce_backward(torch.tensor(1.0, dtype=torch.float64), a, a, torch.tensor(math.log(3)))
    assert grad_s.item() == pytest.approx(3 / 4 - 1)  # the expected cosine less that of the pairs
    torch.testing.assert_close(grad_a, math.log(3) / 8 * torch.tensor([[-1.0, 1], [1, -1]], dtype=torch.float64))
    torch.testing.assert_close(grad_b, grad_a)


@given(shapes, seeds, scales)
def test_order_and_sides_do_not_matter_and_the_gradient_of_the_scores_sums_to_zero(shape, seed, scale):
    a, b = batch(shape, seed)
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(info_nce(a[order], b[order], scale), info_nce(a, b, scale))
    torch.testing.assert_close(info_nce(b, a, scale), info_nce(a, b, scale))
    shift = torch.ones(len(a), 1, dtype=torch.float64)  # a common score for all pairs changes nothing
    wider = [torch.cat([x, shift], 1) for x in (a, b)]
    torch.testing.assert_close(info_nce(*wider, scale), info_nce(a, b, scale), rtol=1e-7, atol=1e-9)


@given(st.integers(2, 12), st.integers(1, 5), scales)
def test_features_that_know_nothing_cost_log_n(n, d, scale):
    same = unit_rows(torch.ones(n, d, dtype=torch.float64))
    assert info_nce(same, same, scale).item() == pytest.approx(math.log(n))


@given(shapes, seeds, st.floats(0.02, 5))
def test_the_temperatures_gradient_is_autograds(shape, seed, temperature):
    a, b = batch(shape, seed)
    tau = torch.tensor(temperature, dtype=torch.float64)
    (expected,) = gradients(lambda t: info_nce(a, b, 1 / t), tau)
    torch.testing.assert_close(temperature_gradient(a, b, temperature), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("temperature", [0, -0.1, float("nan")])
def test_a_temperature_is_positive(temperature):
    with pytest.raises(ValueError, match="temperature: expected a positive number, τ; got"):
        temperature_gradient(torch.eye(2), torch.eye(2), temperature)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=10), st.floats(1, 40))
def test_twins_cost_at_least_their_floor_and_a_perfect_encoder_reaches_it(groups, scale):
    groups = torch.tensor(groups)
    features = torch.nn.functional.one_hot(groups, 5).double()
    floor = duplicate_floor(groups)
    assert info_nce(features, features, scale) >= floor - 1e-12
    assert info_nce(features, features, 80.0) == pytest.approx(floor.item(), abs=1e-12)
    pictures = torch.randn(len(groups), 5, generator=torch.Generator().manual_seed(len(groups)), dtype=torch.float64)
    assert info_nce(unit_rows(pictures), features, scale) >= floor - 1e-12  # equal texts are enough


def test_the_bound_on_information_is_log_n_less_the_loss():
    assert information_bound(0.0, 64) == pytest.approx(math.log(64))
    assert information_bound(torch.tensor(math.log(64)), 64).item() == pytest.approx(0, abs=1e-6)


def test_a_discrete_channel_with_the_optimal_critic_stays_below_its_information():
    """64 symbols seen through a channel that is right with probability 0.8: I is known exactly."""
    K, right = 64, 0.8
    joint = torch.full((K, K), (1 - right) / (K - 1) / K, dtype=torch.float64).fill_diagonal_(right / K)
    information = (joint * (joint * K * K).log()).sum().item()
    generator = torch.Generator().manual_seed(0)
    bounds = []
    for n in (4, 256):
        x = torch.randint(K, (200, n), generator=generator)
        y = torch.where(
            torch.rand(x.shape, generator=generator) < right, x, (x + torch.randint(1, K, x.shape, generator=generator)) % K
        )
        ratio = (joint * K * K).log()[x[:, :, None], y[:, None]]  # the optimal critic: log p(x, y)/p(x)p(y)
        loss = -(ratio.log_softmax(2) + ratio.log_softmax(1)).diagonal(dim1=1, dim2=2).mean() / 2
        bounds.append(information_bound(loss.item(), n))
        assert bounds[-1] < min(math.log(n), information + 0.02)
    assert bounds[0] < bounds[1]
    assert bounds[1] > information - 0.3


@given(shapes, seeds)
def test_unit_rows_are_torchs_where_torch_is_defined(shape, seed):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    torch.testing.assert_close(unit_rows(x), torch.nn.functional.normalize(x, dim=1))
    g = torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(torch.nn.functional.normalize(leaf, dim=1), leaf, g)
    torch.testing.assert_close(unit_rows_backward(g, x), expected, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close((unit_rows_backward(g, x) * x).sum(1), torch.zeros(len(x), dtype=torch.float64), rtol=0, atol=1e-9)


def test_zero_rows_are_named():
    with pytest.raises(ValueError, match=r"2 rows of zeros, the first at 1"):
        unit_rows(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))


@pytest.mark.parametrize("loss", [info_nce, info_nce_chunked, lambda a, b, s: siglip(a, b, s, 0.0)])
def test_bad_batches_are_refused_with_what_to_do(loss):
    a = torch.randn(3, 4)
    with pytest.raises(ValueError, match=r"5 features.*4, as a has|expected 4, as a has.*got 5 features"):
        loss(a, torch.randn(3, 5), 1.0)
    with pytest.raises(ValueError, match="one partner for each row of a; got 2 rows"):
        loss(a, torch.randn(2, 4), 1.0)
    with pytest.raises(ValueError, match="a positive number, 1/τ"):
        loss(a, a, 0.0)
    with pytest.raises(ValueError, match=r"\(N, D\)"):
        loss(a[0], a[0], 1.0)
    with pytest.raises(ValueError, match="float64 on cpu"):
        loss(a, a.double(), 1.0)


@pytest.mark.parametrize("loss", [info_nce, info_nce_chunked])
def test_a_batch_of_one_is_refused_because_it_can_teach_nothing(loss):
    with pytest.raises(ValueError, match="two pairs or more: a single pair has nothing to be told apart from"):
        loss(torch.ones(1, 4), torch.ones(1, 4), 1.0)


def test_a_batch_of_one_is_one_question_to_the_sigmoid_loss():
    a = torch.ones(1, 1)
    assert siglip(a, a, 2.0, 0.5).item() == pytest.approx(math.log1p(math.exp(-2.5)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtypes_are_kept_and_strided_input_is_fine(dtype):
    a, b = batch((6, 4), 3, dtype)
    wide = torch.cat([a, a], 1)[:, ::2].contiguous().T.contiguous().T
    for loss in (info_nce, info_nce_chunked):
        assert loss(wide, b, 3.0).dtype == dtype
        torch.testing.assert_close(loss(wide, b, 3.0), loss(wide.contiguous(), b, 3.0))
