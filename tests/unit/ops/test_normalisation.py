"""Batch and layer normalisation: torch's numbers and gradients, what they cannot see, and the running estimates."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmlearn.ops.normalisation as normalisation
from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.gradient_table import gradcheck
from mmlearn.ops.normalisation import batch_norm, batch_norm_backward, layer_norm, layer_norm_backward

TORCH = torch.nn.functional
CLOSE = {torch.float64: {"rtol": 1e-9, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 1e-4}}


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def tensors(draw, shape):
    """Numbers near 1, contiguous or not."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    layout = draw(st.sampled_from(["contiguous", "transposed", "every second"]))
    if layout == "transposed" and len(shape) >= 2:
        return torch.randn(*shape[:-2], shape[-1], shape[-2], generator=generator, dtype=torch.float64).mT
    if layout == "every second":
        return torch.randn(*shape[:-1], 2 * shape[-1], generator=generator, dtype=torch.float64)[..., ::2]
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@st.composite
def batch_norms(draw):
    """(input, running_mean, running_var, weight, bias, training, momentum, eps) with two numbers or more in each channel."""
    channels, rest = draw(st.integers(1, 4)), draw(st.lists(st.integers(1, 4), max_size=3))
    batch = draw(st.integers(1 if torch.Size(rest).numel() > 1 else 2, 5))
    training = draw(st.booleans())
    running = [draw(tensors((channels,))), draw(tensors((channels,))).abs() + 0.1]
    running = [None, None] if training and draw(st.booleans()) else running
    parameters = [draw(st.one_of(st.none(), tensors((channels,)))) for _ in range(2)]
    input = draw(tensors((batch, channels, *rest)))
    return [input, *running, *parameters, training, draw(st.sampled_from([0.0, 0.1, 1.0])), draw(st.sampled_from([1e-5, 0.1]))]


@st.composite
def layer_norms(draw):
    """(input, normalized_shape, weight, bias, eps)"""
    size = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=2)))
    front = draw(st.lists(st.integers(1, 4), max_size=3))
    parameters = [draw(st.one_of(st.none(), tensors(size))) for _ in range(2)]
    return [draw(tensors((*front, *size))), size, *parameters, draw(st.sampled_from([1e-5, 0.1]))]


def outcome(function, call, dtype, trained):
    """(the output, its gradients in the arguments at these places, all arguments afterwards), each in the dtype."""
    call = [value.to(dtype, copy=True) if isinstance(value, torch.Tensor) else value for value in call]
    leaves = [call[place].requires_grad_() for place in trained if call[place] is not None]
    output = function(*call)
    generator = torch.Generator().manual_seed(0)
    grad_output = torch.randn(output.shape, generator=generator, dtype=torch.float64).to(dtype)
    return output.detach(), torch.autograd.grad(output, leaves, grad_output), call


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(max_examples=60)
@given(call=batch_norms())
def test_batch_norm_its_gradients_and_its_running_estimates_are_those_of_torch(dtype, call):
    call = [value.to(dtype).double() if isinstance(value, torch.Tensor) else value for value in call]
    output, grads, after = outcome(batch_norm, call, dtype, trained=(0, 3, 4))
    expected, wanted, changed = outcome(TORCH.batch_norm, call, torch.float64, trained=(0, 3, 4))
    for ours, theirs in zip((output, *grads, *after[:3]), (expected, *wanted, *changed[:3]), strict=True):
        if theirs is not None:
            assert ours.dtype == dtype
            torch.testing.assert_close(ours.double(), theirs, **CLOSE[dtype])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(max_examples=60)
@given(call=layer_norms())
def test_layer_norm_and_its_gradients_are_those_of_torch(dtype, call):
    call = [value.to(dtype).double() if isinstance(value, torch.Tensor) else value for value in call]
    output, grads, _ = outcome(layer_norm, call, dtype, trained=(0, 2, 3))
    expected, wanted, _ = outcome(TORCH.layer_norm, call, torch.float64, trained=(0, 2, 3))
    for ours, theirs in zip((output, *grads), (expected, *wanted), strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.double(), theirs, **CLOSE[dtype])


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm"])
def test_the_signature_is_that_of_torch(name):
    theirs = inspect.signature(getattr(TORCH, name)).parameters.values()
    ours = inspect.signature(getattr(normalisation, name)).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


RUNNING = (numbers(3, seed=4), numbers(3, seed=5).abs() + 0.5)
CASES = {  # name: (function of input, weight and bias; the three)
    "batch 2-D": (
        lambda x, w, b: batch_norm(x, None, None, w, b, training=True),
        [numbers(4, 3), numbers(3), numbers(3, seed=1)],
    ),
    "batch 4-D": (
        lambda x, w, b: batch_norm(x, None, None, w, b, training=True, eps=0.1),
        [numbers(2, 3, 2, 3), numbers(3), numbers(3, seed=1)],
    ),
    "batch in use": (lambda x, w, b: batch_norm(x, *RUNNING, w, b), [numbers(2, 3, 4), numbers(3), numbers(3, seed=1)]),
    "layer": (lambda x, w, b: layer_norm(x, (5,), w, b), [numbers(2, 3, 5), numbers(5), numbers(5, seed=1)]),
    "layer two axes": (lambda x, w, b: layer_norm(x, (2, 3), w, b), [numbers(4, 2, 3), numbers(2, 3), numbers(2, 3, seed=1)]),
}
PARAMETERS = [pytest.param(*case, id=name) for name, case in CASES.items()]


@pytest.mark.parametrize(("function", "inputs"), PARAMETERS)
def test_the_gradients_are_those_of_finite_differences_once_and_twice(function, inputs):
    table = gradcheck(function, inputs)
    assert table, table
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    assert torch.autograd.gradgradcheck(function, leaves)


@pytest.mark.parametrize(("function", "inputs"), PARAMETERS)
def test_torch_differentiates_the_same_lines_to_the_same_gradients(function, inputs):
    def gradients():
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        output = function(*leaves)
        return output.grad_fn, torch.autograd.grad(output, leaves, numbers(*output.shape, seed=3))

    by_hand, ours = gradients()
    with torch_gradients():
        by_torch, theirs = gradients()
    assert "ByHand" in type(by_hand).__name__
    assert "ByHand" not in type(by_torch).__name__
    torch.testing.assert_close(ours, theirs)
    functional = torch.func.grad(lambda *given: (function(*given) * numbers(*inputs[0].shape, seed=3)).sum(), argnums=(0, 1, 2))
    torch.testing.assert_close(functional(*inputs), ours)


def test_each_gradient_can_be_asked_for_alone():
    x, weight, bias = numbers(4, 3), numbers(3), numbers(3, seed=1)
    for backward, call in {
        batch_norm_backward: (x, None, None, weight, bias, True),
        layer_norm_backward: (x, (3,), weight, bias),
    }.items():
        everything = backward(numbers(4, 3, seed=2), *call)
        for place in range(3):
            mask = tuple(place == other for other in range(3))
            grads = backward(numbers(4, 3, seed=2), *call, output_mask=mask)
            assert [grad is not None for grad in grads] == list(mask)
            assert torch.equal(grads[place], everything[place])
    assert batch_norm_backward(x, x, None, None, training=True)[1:] == (None, None)
    assert layer_norm_backward(x, x, (3,))[1:] == (None, None)


def test_a_normalised_channel_has_mean_zero_and_variance_one_and_so_has_a_normalised_example():
    x = 5 + 3 * numbers(6, 4, 5, 2)
    channels = batch_norm(x, None, None, training=True, eps=1e-12)
    torch.testing.assert_close(channels.mean((0, 2, 3)), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(channels.var((0, 2, 3), correction=0), torch.ones(4, dtype=torch.float64))
    examples = layer_norm(x, (5, 2), eps=1e-12)
    torch.testing.assert_close(examples.mean((2, 3)), torch.zeros(6, 4, dtype=torch.float64))
    torch.testing.assert_close(examples.var((2, 3), correction=0), torch.ones(6, 4, dtype=torch.float64))


def test_neither_sees_a_shift_nor_a_scale_of_its_input_so_their_gradients_are_orthogonal_to_both():
    x, grad = numbers(6, 4), numbers(6, 4, seed=1)
    for axis, function, backward in [
        (
            0,
            lambda x: batch_norm(x, None, None, training=True, eps=1e-12),
            batch_norm_backward(grad, x, training=True, eps=1e-12),
        ),
        (1, lambda x: layer_norm(x, (4,), eps=1e-12), layer_norm_backward(grad, x, (4,), eps=1e-12)),
    ]:
        torch.testing.assert_close(function(7 * x - 3), function(x))
        torch.testing.assert_close(backward.input.sum(axis), torch.zeros_like(x.sum(axis)))
        torch.testing.assert_close((backward.input * function(x)).sum(axis), torch.zeros_like(x.sum(axis)))


def test_in_use_an_example_does_not_see_the_others_in_training_it_does():
    x = numbers(5, 3, 2)
    alone = torch.cat([batch_norm(example[None], *RUNNING) for example in x])
    torch.testing.assert_close(batch_norm(x, *RUNNING), alone)
    assert not torch.allclose(batch_norm(x, None, None, training=True)[:3], batch_norm(x[:3], None, None, training=True))


def test_the_estimates_move_by_momentum_towards_the_unbiased_variance():
    x, mean, variance = numbers(4, 3, 5), torch.zeros(3).double(), torch.ones(3).double()
    batch_norm(x, mean, variance, training=True, momentum=0.25)
    torch.testing.assert_close(mean, 0.25 * x.mean((0, 2)))
    torch.testing.assert_close(variance, 0.75 + 0.25 * x.var((0, 2), correction=1))


def test_a_momentum_of_one_over_n_keeps_the_average_of_all_batches_as_the_layer_without_momentum_does():
    layer = torch.nn.BatchNorm1d(3, momentum=None).double()
    mean, variance = torch.zeros(3).double(), torch.ones(3).double()
    for n in range(1, 5):
        x = numbers(6, 3, seed=n)
        torch.testing.assert_close(batch_norm(x, mean, variance, training=True, momentum=1 / n), layer(x).detach())
    torch.testing.assert_close((mean, variance), (layer.running_mean, layer.running_var))
    torch.testing.assert_close(mean, torch.stack([numbers(6, 3, seed=n).mean(0) for n in range(1, 5)]).mean(0))


def test_a_layer_used_twice_before_the_backward_pass_has_the_gradients_of_both():
    x, other = numbers(4, 3).requires_grad_(), numbers(4, 3, seed=1)
    estimates = [torch.zeros(3).double(), torch.ones(3).double()]
    (batch_norm(x, *estimates, training=True)[:, 0] + batch_norm(x * other, *estimates, training=True)[:, 1]).sum().backward()
    y = x.detach().clone().requires_grad_()
    (
        TORCH.batch_norm(y, None, None, training=True)[:, 0] + TORCH.batch_norm(y * other, None, None, training=True)[:, 1]
    ).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_estimates_that_change_after_the_forward_pass_do_not_change_its_gradient():
    x, estimates = numbers(4, 3).requires_grad_(), [tensor.clone() for tensor in RUNNING]
    output = batch_norm(x, *estimates)
    estimates[1].mul_(100)
    output.sum().backward()
    torch.testing.assert_close(x.grad, (1 / torch.sqrt(RUNNING[1] + 1e-5)).expand(4, 3))


@pytest.mark.parametrize("budget", [1, 7, 2**16])
def test_a_few_examples_at_a_time_give_what_all_at_once_give(monkeypatch, budget):
    monkeypatch.setattr(normalisation, "ROW_BUDGET", budget)
    call = [numbers(3, 4, 5), (5,), numbers(5), numbers(5, seed=1), 1e-5]
    ours, theirs = outcome(layer_norm, call, torch.float64, (0, 2, 3)), outcome(TORCH.layer_norm, call, torch.float64, (0, 2, 3))
    torch.testing.assert_close(ours[:2], theirs[:2])


def test_numbers_far_from_zero_keep_their_digits():
    x = (numbers(1000, 4) + 1e4).float()
    torch.testing.assert_close(
        batch_norm(x, None, None, training=True).double(),
        TORCH.batch_norm(x.double(), None, None, training=True),
        atol=5e-3,
        rtol=0,
    )
    torch.testing.assert_close(layer_norm(x.T, (1000,)).double(), TORCH.layer_norm(x.T.double(), (1000,)), atol=5e-3, rtol=0)


@pytest.mark.parametrize("wide", [torch.float32, torch.bfloat16])
def test_bfloat16_is_computed_in_float32_with_parameters_of_either_precision(wide):
    x, weight = numbers(64, 8).bfloat16(), numbers(8, seed=1).to(wide)
    mean, variance = torch.zeros(8, dtype=wide), torch.ones(8, dtype=wide)
    for output, expected in [
        (
            batch_norm(x, mean, variance, weight, training=True),
            TORCH.batch_norm(x.float(), None, None, weight.float(), training=True),
        ),
        (layer_norm(x, (8,), weight), TORCH.layer_norm(x.float(), (8,), weight.float())),
    ]:
        assert output.dtype == torch.bfloat16
        torch.testing.assert_close(output.float(), expected, rtol=2**-8, atol=1e-6)
    assert mean.dtype == wide
    leaf = weight.clone().requires_grad_()
    layer_norm(x, (8,), leaf).sum().backward()
    assert leaf.grad.dtype == wide


def test_a_constant_channel_becomes_its_bias_and_has_no_gradient_to_speak_of():
    x = torch.full((4, 2), 3.0).requires_grad_()
    output = batch_norm(x, None, None, None, torch.tensor([1.0, -1.0]), training=True)
    assert output.tolist() == [[1.0, -1.0]] * 4
    output[0].sum().backward()
    assert x.grad.isfinite().all()
    assert layer_norm(x.detach(), (2,)).tolist() == [[0.0, 0.0]] * 4


def test_an_empty_batch_gives_an_empty_output_and_leaves_the_estimates_alone():
    x, weight = torch.zeros(0, 3, 2, requires_grad=True), torch.ones(3, requires_grad=True)
    estimates = [torch.zeros(3), torch.ones(3)]
    for training in (True, False):
        output = batch_norm(x, *estimates, weight, training=training)
        assert output.shape == (0, 3, 2)
        assert torch.autograd.grad(output.sum(), weight)[0].tolist() == [0, 0, 0]
    assert [tensor.tolist() for tensor in estimates] == [[0] * 3, [1] * 3]
    gamma = torch.ones(2, requires_grad=True)
    output = layer_norm(x, (2,), gamma)
    assert output.shape == (0, 3, 2)
    assert torch.autograd.grad(output.sum(), gamma)[0].tolist() == [0, 0]


def test_a_number_for_the_normalised_shape_is_the_last_axis():
    assert torch.equal(layer_norm(numbers(3, 4), 4), layer_norm(numbers(3, 4), (4,)))


ROWS, THREE = torch.zeros(4, 3), torch.ones(3)
WRONG = [  # (call, the argument that is wrong, words of what was given, words of what was expected)
    (lambda: batch_norm(ROWS.long(), THREE, THREE), "input", "int64", r"floating-point .*\.float\(\)"),
    (lambda: batch_norm(THREE, THREE, THREE), "input", r"shape \(3,\)", r"\(N, C\), \(N, C, T\), \(N, C, H, W\)"),
    (lambda: batch_norm(ROWS[:, :0], None, None, training=True), "input", r"shape \(4, 0\)", "at least one channel"),
    (
        lambda: batch_norm(ROWS[:1], THREE, THREE, training=True),
        "input",
        r"\(1, 3\), with 1 per channel",
        "at least two .*larger batch",
    ),
    (lambda: batch_norm(ROWS, None, None), "running_mean", "None", "training is False; or training=True"),
    (lambda: batch_norm(ROWS, THREE, None, training=True), "running_var", "None", "running_mean is one: both"),
    (lambda: batch_norm(ROWS, None, THREE, training=True), "running_mean", "None", "running_var is one: both"),
    (lambda: batch_norm(ROWS, THREE[:2], THREE), "running_mean", r"shape \(2,\)", r"\(3,\): one number per channel"),
    (lambda: batch_norm(ROWS, THREE, THREE.double()), "running_var", "float64 on cpu", "torch.float32 on cpu, as input"),
    (
        lambda: batch_norm(ROWS, THREE.clone().requires_grad_(), THREE),
        "running_mean",
        "requires_grad=True",
        "a buffer, not a param",
    ),
    (lambda: batch_norm(ROWS, THREE, THREE, torch.ones(4)), "weight", r"shape \(4,\)", r"\(3,\): one number per channel"),
    (lambda: batch_norm(ROWS, THREE, THREE, THREE, [0.0] * 3), "bias", "list", "torch.Tensor"),
    (lambda: batch_norm(ROWS, THREE, THREE, momentum=None, training=True), "momentum", "None", "0 to 1; .*all n batches .*1/n"),
    (lambda: batch_norm(ROWS, THREE, THREE, momentum=1.5, training=True), "momentum", "1.5", "from 0 to 1"),
    (lambda: batch_norm(ROWS, THREE, THREE, eps=-1e-5), "eps", "-1e-05", "a number ≥ 0"),
    (lambda: batch_norm(ROWS, THREE, THREE, training=True, eps=0), "eps", "0", "> 0 in training: a channel may be constant"),
    (lambda: batch_norm_backward(THREE, ROWS, THREE, THREE), "grad_output", r"shape \(3,\)", r"\(4, 3\)"),
    (lambda: layer_norm(ROWS.long(), (3,)), "input", "int64", "floating-point"),
    (lambda: layer_norm(torch.tensor(1.0), (1,)), "input", r"shape \(\)", r"\(…, D\)"),
    (
        lambda: layer_norm(ROWS, (4,)),
        "normalized_shape",
        r"\(4,\) for input of shape \(4, 3\)",
        r"last axes of input, such as \(3,\)",
    ),
    (lambda: layer_norm(ROWS, (2, 4, 3)), "normalized_shape", r"\(2, 4, 3\) for input", "last axes"),
    (lambda: layer_norm(ROWS, ()), "normalized_shape", r"\(\)", "sizes of the last axes"),
    (lambda: layer_norm(ROWS[:, :0], (0,)), "normalized_shape", r"\(0,\)", "each ≥ 1"),
    (lambda: layer_norm(ROWS, (3.0,)), "normalized_shape", r"\(3.0,\)", "sizes of the last axes"),
    (lambda: layer_norm(ROWS, (3,), torch.ones(4)), "weight", r"shape \(4,\)", r"\(3,\): one number per normalised feature"),
    (lambda: layer_norm(ROWS, (3,), THREE, THREE.double()), "bias", "float64", "torch.float32"),
    (lambda: layer_norm(ROWS, (3,), eps="small"), "eps", "'small'", "a number ≥ 0"),
    (lambda: layer_norm_backward(THREE, ROWS, (3,)), "grad_output", r"shape \(3,\)", r"\(4, 3\)"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()


def test_one_number_per_channel_is_refused_where_torch_refuses_it():
    for shape in [(1, 2), (1, 2, 1), (1, 2, 1, 1)]:
        for function in (batch_norm, TORCH.batch_norm):
            with pytest.raises(ValueError, match="per channel"):
                function(torch.zeros(shape), None, None, training=True)
    assert batch_norm(torch.zeros(1, 2, 2), None, None, training=True).shape == (1, 2, 2)
