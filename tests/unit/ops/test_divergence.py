"""Losses between probabilities: against torch, torch.distributions and their own definitions."""

import inspect
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.divergence import (
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_backward,
    gaussian_kl,
    gaussian_kl_backward,
    kl_div,
    kl_div_backward,
    reparameterised_sample,
    reparameterised_sample_backward,
    skip_gram_negative_sampling,
    skip_gram_negative_sampling_backward,
)
from mmlearn.ops.gradient_table import gradcheck

TORCH = torch.nn.functional
INF = float("inf")
pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean'|reduction='mean':UserWarning")


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def tensors(draw, shape):
    x = numbers(*shape, seed=draw(st.integers(0, 10_000)))
    return x.mT.contiguous().mT if len(shape) >= 2 and draw(st.booleans()) else x


@st.composite
def binary(draw):
    """(logits, targets, options) with weights that broadcast."""
    shape = draw(st.lists(st.integers(1, 4), max_size=3))
    spreads = [shape, shape[1:], [1] * len(shape), []]
    options = {"reduction": draw(st.sampled_from(["mean", "sum", "none"]))}
    for name in ("weight", "pos_weight"):
        if draw(st.booleans()):
            options[name] = draw(tensors(draw(st.sampled_from(spreads)))).abs() + 0.1
    return draw(tensors(shape)) * draw(st.sampled_from([1, 100])), draw(tensors(shape)).sigmoid(), options


@st.composite
def divergences(draw):
    """(log-probabilities, targets, options); a target may be 0."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    options = {"reduction": draw(st.sampled_from(["mean", "batchmean", "sum", "none"])), "log_target": draw(st.booleans())}
    target = draw(tensors(shape)).log_softmax(-1)
    return draw(tensors(shape)).log_softmax(-1), target if options["log_target"] else target.exp(), options


def outcome(function, tensors, options, dtype):
    leaves = [tensor.to(dtype, copy=True).requires_grad_() for tensor in tensors]
    options = {key: value.to(dtype) if isinstance(value, torch.Tensor) else value for key, value in options.items()}
    output = function(*leaves, **options)
    grad_output = numbers(*output.shape, seed=99).to(dtype)
    return [output.detach(), *torch.autograd.grad(output, leaves, grad_output)], grad_output


def assert_as_torch(ours, theirs, tensors, options, dtype):
    tensors = [tensor.to(dtype).double() for tensor in tensors]
    actual, _ = outcome(ours, tensors, options, dtype)
    expected, _ = outcome(theirs, tensors, options, torch.float64)
    close = {"rtol": 1e-10, "atol": 1e-11} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 2e-5}
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.double(), theirs, **close)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(max_examples=100)
@given(call=binary())
def test_binary_cross_entropy_and_its_gradients_are_those_of_torch(dtype, call):
    logits, target, options = call
    options = {key: v.to(dtype).double() if isinstance(v, torch.Tensor) else v for key, v in options.items()}
    theirs = TORCH.binary_cross_entropy_with_logits
    assert_as_torch(binary_cross_entropy_with_logits, theirs, [logits, target], options, dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(max_examples=100)
@given(call=divergences())
def test_kl_div_and_its_gradients_are_those_of_torch(dtype, call):
    log_probability, target, options = call
    assert_as_torch(kl_div, TORCH.kl_div, [log_probability, target], options, dtype)


@pytest.mark.parametrize("ours", [binary_cross_entropy_with_logits, kl_div])
def test_the_signature_is_that_of_torch(ours):
    theirs = inspect.signature(getattr(TORCH, ours.__name__)).parameters.values()
    assert [(p.name, p.default) for p in inspect.signature(ours).parameters.values()] == [(p.name, p.default) for p in theirs]


WEIGHTS = {"weight": numbers(4, seed=5).abs(), "pos_weight": numbers(3, 1, seed=6).abs()}
PRIOR = [numbers(2, 3, seed=seed) for seed in range(4)]
CASES = {  # name: (function, its backward, the inputs, options)
    "binary": (binary_cross_entropy_with_logits, [numbers(3, 4), numbers(3, 4, seed=1).sigmoid()], WEIGHTS),
    "binary none": (binary_cross_entropy_with_logits, [numbers(5), numbers(5, seed=1).sigmoid()], {"reduction": "none"}),
    "kl_div": (kl_div, [numbers(3, 4).log_softmax(1), numbers(3, 4, seed=1).softmax(1)], {"reduction": "batchmean"}),
    "kl_div mean": (kl_div, [numbers(3, 4).log_softmax(1), numbers(3, 4, seed=1).softmax(1)], {}),
    "kl_div logs": (
        kl_div,
        [numbers(3, 4).log_softmax(1), numbers(3, 4, seed=1).log_softmax(1)],
        {"log_target": True, "reduction": "none"},
    ),
    "gaussian_kl": (gaussian_kl, [numbers(4, 3), numbers(4, 3, seed=1)], {}),
    "gaussian_kl prior": (gaussian_kl, PRIOR, {}),
    "gaussian_kl vector": (gaussian_kl, [numbers(3), numbers(3, seed=1), numbers(3, seed=2)], {}),
    "sample": (reparameterised_sample, [numbers(2, 3), numbers(2, 3, seed=1), numbers(2, 3, seed=2)], {}),
    "skip-gram": (skip_gram_negative_sampling, [numbers(3, 4), numbers(3, 4, seed=1), numbers(3, 2, 4, seed=2)], {}),
    "skip-gram none": (
        skip_gram_negative_sampling,
        [numbers(3, 4), numbers(3, 4, seed=1), numbers(3, 2, 4, seed=2)],
        {"reduction": "none"},
    ),
}
BACKWARDS = {
    binary_cross_entropy_with_logits: binary_cross_entropy_with_logits_backward,
    kl_div: kl_div_backward,
    gaussian_kl: gaussian_kl_backward,
    reparameterised_sample: reparameterised_sample_backward,
    skip_gram_negative_sampling: skip_gram_negative_sampling_backward,
}
EACH = [pytest.param(*case, id=name) for name, case in CASES.items()]


@pytest.mark.parametrize(("function", "inputs", "options"), EACH)
def test_the_gradients_are_those_of_finite_differences_and_of_torch_line_by_line(function, inputs, options):
    def call(*variables):
        return function(*variables, **options)

    assert gradcheck(call, inputs)
    assert gradcheck(call, inputs, lambda *given: BACKWARDS[function](*given, **options))
    assert torch.autograd.gradgradcheck(call, [tensor.clone().requires_grad_() for tensor in inputs])
    ours, grad_output = outcome(function, inputs, options, torch.float64)
    with torch_gradients():
        theirs, _ = outcome(function, inputs, options, torch.float64)
    torch.testing.assert_close(ours, theirs)
    places = tuple(range(len(inputs)))
    functional = torch.func.grad(lambda *variables: (call(*variables) * grad_output).sum(), argnums=places)(*inputs)
    torch.testing.assert_close(list(functional), ours[1:])


EXTREMES = torch.tensor([-1e30, -1000.0, -50, -1e-8, 0, 1e-8, 50, 1000, 1e30])


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_logits_cost_what_they_cost_in_torch(target, dtype):
    results = []
    for function in (binary_cross_entropy_with_logits, TORCH.binary_cross_entropy_with_logits):
        x = EXTREMES.to(dtype, copy=True).requires_grad_()
        each = function(x, torch.full_like(x, target), reduction="none")
        each.sum().backward()
        results.append((each.detach(), x.grad))
    torch.testing.assert_close(*results)


def test_binary_cross_entropy_is_cross_entropy_between_two_classes():
    x, target = numbers(6), torch.tensor([0, 1, 1, 0, 1, 0])
    two = torch.stack([torch.zeros(6).double(), x], dim=1)
    torch.testing.assert_close(binary_cross_entropy_with_logits(x, target.double()), TORCH.cross_entropy(two, target))


def test_a_positive_weight_counts_each_positive_example_so_many_times():
    x, target = numbers(3), torch.tensor([1.0, 0.0, 1.0]).double()
    repeated = torch.tensor([0, 0, 0, 1, 2, 2, 2])
    weighted = binary_cross_entropy_with_logits(x, target, pos_weight=torch.tensor(3.0).double(), reduction="sum")
    torch.testing.assert_close(weighted, binary_cross_entropy_with_logits(x[repeated], target[repeated], reduction="sum"))


def test_the_divergence_is_zero_for_equal_distributions_and_positive_otherwise_and_not_symmetric():
    p, q = numbers(5, 4).softmax(1), numbers(5, 4, seed=1).softmax(1)
    divergence = kl_div(q.log(), p, reduction="none").sum(1)
    torch.testing.assert_close(divergence, torch.distributions.kl_divergence(*map(torch.distributions.Categorical, (p, q))))
    assert (divergence > 0).all()
    torch.testing.assert_close(kl_div(p.log(), p, reduction="batchmean"), torch.zeros(()).double(), atol=1e-15, rtol=0)
    assert not torch.allclose(divergence, kl_div(p.log(), q, reduction="none").sum(1))
    torch.testing.assert_close(kl_div(q.log(), p, reduction="batchmean"), divergence.mean())


def test_what_never_happens_costs_nothing_even_where_it_was_held_impossible():
    log_probability = torch.tensor([[0.0, -INF]], requires_grad=True)
    loss = kl_div(log_probability, torch.tensor([[1.0, 0.0]]), reduction="sum")  # 0 · log 0 = 0, where torch has NaN
    loss.backward()
    assert loss == 0
    assert log_probability.grad.tolist() == [[-1.0, 0.0]]
    assert kl_div(log_probability, torch.tensor([[0.0, -INF]]), reduction="sum", log_target=True) == 0
    assert kl_div(log_probability, torch.tensor([[0.5, 0.5]]), reduction="sum") == INF


def test_the_mean_over_classes_is_warned_of_as_torch_warns_and_batchmean_is_not():
    p = numbers(2, 3).softmax(1)
    with pytest.warns(UserWarning, match="reduction='mean' divides by the number of classes too: give reduction='batchmean'"):
        kl_div(p.log(), p)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kl_div(p.log(), p, reduction="batchmean")


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@given(data=st.data(), shape=shapes)
def test_the_gaussian_divergence_is_that_of_torch_distributions(data, shape):
    mean, log_var, prior_mean, prior_log_var = (data.draw(tensors(shape)) for _ in range(4))
    Normal, divergence = torch.distributions.Normal, torch.distributions.kl_divergence
    posterior = Normal(mean, torch.exp(log_var / 2))
    standard = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    prior = Normal(prior_mean, torch.exp(prior_log_var / 2))
    torch.testing.assert_close(gaussian_kl(mean, log_var), divergence(posterior, standard).sum(-1))
    torch.testing.assert_close(gaussian_kl(mean, log_var, prior_mean, prior_log_var), divergence(posterior, prior).sum(-1))
    moved = Normal(prior_mean, torch.ones_like(mean))
    torch.testing.assert_close(gaussian_kl(mean, log_var, prior_mean), divergence(posterior, moved).sum(-1))
    torch.testing.assert_close(gaussian_kl(mean, log_var, mean, log_var), torch.zeros(shape[:-1]).double())


def test_close_to_the_prior_the_divergence_keeps_its_digits():
    log_var = torch.tensor([[1e-6]], dtype=torch.float64)
    exact = (log_var[0, 0] ** 2 / 2 + log_var[0, 0] ** 3 / 6) / 2  # e^z − 1 − z = z²/2 + z³/6 + …
    torch.testing.assert_close(gaussian_kl(torch.zeros(1, 1).double(), log_var)[0], exact, rtol=1e-3, atol=0)
    assert gaussian_kl(torch.zeros(1, 1), log_var.float()) >= 0


def test_the_divergence_is_the_expected_difference_of_the_log_densities():
    mean, log_var, prior_mean, prior_log_var = (numbers(1, 2, seed=seed) / 2 for seed in range(4))
    noise = numbers(400_000, 2, seed=9)
    z = reparameterised_sample(*(tensor.expand(400_000, 2) for tensor in (mean, log_var)), noise)
    inside = torch.distributions.Normal(mean, torch.exp(log_var / 2)).log_prob(z)
    outside = torch.distributions.Normal(prior_mean, torch.exp(prior_log_var / 2)).log_prob(z)
    differences = (inside - outside).sum(1)
    error = 5 * differences.std() / math.sqrt(len(z))
    assert (differences.mean() - gaussian_kl(mean, log_var, prior_mean, prior_log_var)[0]).abs() < error


@given(data=st.data(), shape=st.lists(st.integers(0, 4), max_size=3))
def test_a_sample_is_that_of_torch_distributions_with_its_gradients(data, shape):
    mean, log_var, noise = (data.draw(tensors(shape)) for _ in range(3))
    leaves = [mean.clone().requires_grad_(), log_var.clone().requires_grad_()]
    others = [mean.clone().requires_grad_(), log_var.clone().requires_grad_()]
    sample = reparameterised_sample(*leaves, noise)
    normal = torch.distributions.Normal(others[0], torch.exp(others[1] / 2))
    expected = normal.loc + normal.scale * noise
    torch.testing.assert_close(sample, expected)
    grad_output = numbers(*shape, seed=77)
    torch.testing.assert_close(
        torch.autograd.grad(sample, leaves, grad_output), torch.autograd.grad(expected, others, grad_output)
    )


def test_samples_have_the_mean_and_the_variance_they_were_drawn_with():
    mean, log_var = torch.full((100_000,), 2.0).double(), torch.full((100_000,), math.log(9.0)).double()
    sample = reparameterised_sample(mean, log_var, numbers(100_000))
    assert abs(sample.mean().item() - 2) < 0.05
    assert abs(sample.var().item() - 9) < 0.2


@given(data=st.data(), sizes=st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(1, 4)))
def test_the_skip_gram_loss_is_its_definition_in_torch_with_its_gradients(data, sizes):
    N, K, D = sizes
    given = [data.draw(tensors((N, D))), data.draw(tensors((N, D))), data.draw(tensors((N, K, D)))]
    reduction = data.draw(st.sampled_from(["mean", "sum", "none"]))

    def definition(centre, context, negative):
        right = -TORCH.logsigmoid(torch.einsum("nd,nd->n", centre, context))
        wrong = -TORCH.logsigmoid(-torch.einsum("nd,nkd->nk", centre, negative)).sum(1)
        return {"mean": torch.mean, "sum": torch.sum, "none": lambda each: each}[reduction](right + wrong)

    actual, _ = outcome(skip_gram_negative_sampling, given, {"reduction": reduction}, torch.float64)
    expected, _ = outcome(definition, given, {}, torch.float64)
    torch.testing.assert_close(actual, expected)


def test_the_skip_gram_loss_is_binary_cross_entropy_and_survives_long_vectors():
    centre, context, negative = numbers(3, 4), numbers(3, 4, seed=1), numbers(3, 2, 4, seed=2)
    words = torch.cat([context.unsqueeze(1), negative], dim=1)
    logits = (words * centre.unsqueeze(1)).sum(2)
    real = torch.tensor([[1.0, 0.0, 0.0]]).double().expand(3, 3)
    total = binary_cross_entropy_with_logits(logits, real, reduction="sum")
    torch.testing.assert_close(skip_gram_negative_sampling(centre, context, negative, "sum"), total)
    assert skip_gram_negative_sampling(100 * centre, -100 * context, 100 * negative).isfinite()


def test_a_step_against_the_gradient_brings_neighbours_together_and_drives_strangers_apart():
    centre, context, negative = (numbers(*shape, seed=3) for shape in ((5, 4), (5, 4), (5, 3, 4)))
    grads = skip_gram_negative_sampling_backward(torch.ones(()).double(), centre, context, negative)
    nearer = ((context - 0.1 * grads.context) * centre).sum(1) - (context * centre).sum(1)
    apart = ((negative - 0.1 * grads.negative) * centre.unsqueeze(1)).sum(2) - (negative * centre.unsqueeze(1)).sum(2)
    assert (nearer > 0).all()
    assert (apart < 0).all()


def test_the_mean_of_an_empty_batch_is_nan_as_in_torch_and_the_sum_is_zero():
    empty = torch.zeros(0, 3)
    assert binary_cross_entropy_with_logits(empty, empty).isnan()
    assert TORCH.binary_cross_entropy_with_logits(empty, empty).isnan()
    assert kl_div(empty, empty, reduction="sum") == 0
    assert gaussian_kl(empty, empty).shape == (0,)
    assert skip_gram_negative_sampling(empty, empty, torch.zeros(0, 2, 3), "sum") == 0
    x = torch.zeros(0, 3, requires_grad=True)
    binary_cross_entropy_with_logits(x, empty).backward()
    assert x.grad.shape == (0, 3)


def test_a_gradient_that_nobody_derived_is_refused_rather_than_lost():
    weight = torch.ones(3, requires_grad=True)
    loss = binary_cross_entropy_with_logits(torch.zeros(3, requires_grad=True), torch.ones(3), pos_weight=weight)
    with pytest.raises(ValueError, match=r"pos_weight: expected .*has none .*detach"):
        loss.backward()


X, Y = torch.zeros(2, 3), torch.ones(2, 3)
WRONG = [
    (lambda: binary_cross_entropy_with_logits(X.long(), Y), "input", "int64", "floating-point"),
    (lambda: binary_cross_entropy_with_logits(X, Y.long()), "target", "int64", r"floating-point .*\.float\(\)"),
    (lambda: binary_cross_entropy_with_logits(X, 1.0), "target", "float", "torch.Tensor"),
    (lambda: binary_cross_entropy_with_logits(X, Y[0]), "target", r"shape \(3,\)", r"\(2, 3\), as input has: broadcasting"),
    (lambda: binary_cross_entropy_with_logits(X, Y, torch.ones(2)), "weight", r"shape \(2,\)", r"broadcasts to input's \(2, 3\)"),
    (lambda: binary_cross_entropy_with_logits(X, Y, pos_weight=torch.ones(4, 1, 1)), "pos_weight", r"\(4, 1, 1\)", "broadcasts"),
    (lambda: binary_cross_entropy_with_logits(X, Y, pos_weight=2.0), "pos_weight", "float", "torch.Tensor"),
    (lambda: binary_cross_entropy_with_logits(X, Y, Y.double()), "weight", "float64", "float32 on cpu, as input is"),
    (
        lambda: binary_cross_entropy_with_logits(X, Y, reduction="batchmean"),
        "reduction",
        "'batchmean'",
        "'mean' or 'sum' or 'none'",
    ),
    (lambda: binary_cross_entropy_with_logits(X, Y, size_average=True), "reduction", "size_average=True", "in their place"),
    (lambda: binary_cross_entropy_with_logits_backward(X, X, Y), "grad_output", r"shape \(2, 3\)", r"shape \(\)"),
    (lambda: kl_div(X.long(), Y), "input", "int64", "floating-point"),
    (lambda: kl_div(X, Y[:, :1]), "target", r"shape \(2, 1\)", r"\(2, 3\), as input has: broadcasting would hide"),
    (lambda: kl_div(X, Y, reduction="average"), "reduction", "'average'", "'mean' or 'batchmean' or 'sum'"),
    (lambda: kl_div_backward(X, X, Y), "grad_output", r"shape \(2, 3\)", r"shape \(\)"),
    (lambda: gaussian_kl(torch.tensor(0.0), torch.tensor(0.0)), "mean", r"shape \(\)", r"\(…, D\)"),
    (lambda: gaussian_kl(X, None), "log_var", "NoneType", "torch.Tensor"),
    (lambda: gaussian_kl(X, Y[0]), "log_var", r"shape \(3,\)", r"\(2, 3\), as mean has"),
    (lambda: gaussian_kl(X, Y, X[:1]), "prior_mean", r"shape \(1, 3\)", r"\(2, 3\), as mean has"),
    (lambda: gaussian_kl(X, Y, X, 0.0), "prior_log_var", "float", "torch.Tensor"),
    (lambda: gaussian_kl_backward(X, X, Y), "grad_output", r"shape \(2, 3\)", r"\(2,\)"),
    (lambda: reparameterised_sample(X, Y, Y[0]), "noise", r"shape \(3,\)", r"\(2, 3\), as mean has"),
    (lambda: reparameterised_sample(X, Y, None), "noise", "NoneType", "torch.Tensor"),
    (lambda: reparameterised_sample(X.int(), Y, Y), "mean", "int32", "floating-point"),
    (lambda: reparameterised_sample_backward(X[0], X, Y, Y), "grad_output", r"shape \(3,\)", r"\(2, 3\)"),
    (lambda: skip_gram_negative_sampling(X[0], Y, X[None]), "centre", r"shape \(3,\)", r"\(N, D\)"),
    (lambda: skip_gram_negative_sampling(X, Y[:1], X[:, None]), "context", r"shape \(1, 3\)", r"\(2, 3\), as centre has"),
    (lambda: skip_gram_negative_sampling(X, Y, X), "negative", r"shape \(2, 3\)", r"\(2, K, 3\)"),
    (lambda: skip_gram_negative_sampling(X, Y, X[None]), "negative", r"shape \(1, 2, 3\)", r"\(2, K, 3\): K words for each row"),
    (lambda: skip_gram_negative_sampling(X, Y, X[:, None], "max"), "reduction", "'max'", "'mean' or 'sum' or 'none'"),
    (lambda: skip_gram_negative_sampling_backward(X, X, Y, X[:, None]), "grad_output", r"shape \(2, 3\)", r"shape \(\)"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
