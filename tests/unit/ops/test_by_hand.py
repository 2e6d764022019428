"""The hand-written gradients: against autograd, finite differences and themselves differentiated again, each called directly."""

import pytest
import torch

import mmlearn.ops as F
from mmlearn.ops.by_hand import differentiated_by

CLASSES = torch.tensor([2, 0, -100, 1])


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


CASES = {  # name: (floating-point inputs, the other arguments)
    "conv2d": (
        [numbers(2, 4, 5, 4), numbers(6, 2, 3, 2), numbers(6)],
        {"stride": (2, 1), "padding": (1, 2), "dilation": 2, "groups": 2},
    ),
    "conv2d same": ([numbers(1, 2, 4, 3), numbers(3, 2, 2, 4)], {"padding": "same"}),
    "conv2d unbatched": ([numbers(2, 4, 3), numbers(3, 2, 2, 2), numbers(3)], {}),
    "conv_transpose2d": (
        [numbers(2, 4, 3, 2), numbers(4, 2, 3, 2), numbers(4)],
        {"stride": (2, 1), "padding": (1, 0), "output_padding": (1, 0), "groups": 2, "dilation": (1, 2)},
    ),
    "conv_transpose2d dilated": ([numbers(1, 2, 2, 3), numbers(2, 1, 2, 2)], {"dilation": 3, "output_padding": 2}),
    "conv_transpose2d unbatched": ([numbers(2, 2, 2), numbers(2, 3, 2, 2), numbers(3)], {"padding": 1, "stride": 2}),
    "max_pool2d": ([numbers(2, 2, 5, 4)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    "max_pool2d dilated": ([numbers(1, 2, 5, 5)], {"kernel_size": (2, 3), "stride": 1, "dilation": 2}),
    "avg_pool2d": ([numbers(2, 2, 5, 4)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    "avg_pool2d real pixels": ([numbers(2, 5, 4)], {"kernel_size": 2, "stride": 1, "padding": 1, "count_include_pad": False}),
    "avg_pool2d divisor": ([numbers(1, 1, 4, 4)], {"kernel_size": 2, "divisor_override": 3}),
    "unfold": ([numbers(2, 2, 5, 4)], {"kernel_size": (3, 2), "dilation": (1, 2), "padding": (1, 0), "stride": (2, 1)}),
    "fold": ([numbers(2, 8, 9)], {"output_size": (4, 4), "kernel_size": 2}),
    "linear": ([numbers(2, 3, 4), numbers(5, 4), numbers(5)], {}),
    "linear vector": ([numbers(4), numbers(5, 4)], {}),
    "relu": ([numbers(3, 4)], {}),
    "sigmoid": ([numbers(3, 4)], {}),
    "tanh": ([numbers(3, 4)], {}),
    "softmax": ([numbers(3, 4, 2)], {"dim": 1}),
    "log_softmax": ([numbers(3, 4, 2)], {"dim": -1}),
    "cross_entropy": ([numbers(4, 3)], {"target": CLASSES, "weight": numbers(3).abs(), "label_smoothing": 0.1}),
    "cross_entropy sum": ([numbers(2, 3, 2)], {"target": CLASSES.view(2, 2), "reduction": "sum"}),
    "cross_entropy probabilities": (
        [numbers(4, 3), numbers(4, 3, seed=1).softmax(1)],
        {"reduction": "none", "label_smoothing": 0.2},
    ),
    "mse_loss": ([numbers(3, 4), numbers(3, 4, seed=1)], {}),
    "mse_loss weighted": ([numbers(3, 4), numbers(3, 4, seed=1)], {"weight": numbers(3, 4, seed=2).abs()}),
    "mse_loss none": ([numbers(3, 4), numbers(3, 4, seed=1)], {"reduction": "none"}),
}
PARAMETERS = [pytest.param(name.split()[0], *case, id=name) for name, case in CASES.items()]


def leaves(inputs):
    return [tensor.clone().requires_grad_() for tensor in inputs]


def as_tuple(grads, count):
    return tuple(grads)[:count] if isinstance(grads, tuple) else (grads,)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize(("name", "inputs", "options"), PARAMETERS)
def test_the_gradient_called_directly_is_that_of_autograd_and_that_of_finite_differences(name, inputs, options):
    operation, backward = getattr(F, name), getattr(F, f"{name}_backward")
    output = operation(*inputs, **options)
    grad_output = numbers(*output.shape, seed=3)
    ours = as_tuple(backward(grad_output, *inputs, **options), len(inputs))

    variables = leaves(inputs)
    theirs = torch.autograd.grad(getattr(torch.nn.functional, name)(*variables, **options), variables, grad_output)
    for place, (actual, expected) in enumerate(zip(ours, theirs, strict=True)):
        torch.testing.assert_close(actual, expected)

        def at(value, place=place):
            return operation(*inputs[:place], value, *inputs[place + 1 :], **options)

        torch.testing.assert_close(actual, F.numerical_gradient(at, inputs[place], grad_output), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "inputs", "options"), PARAMETERS)
def test_gradcheck_and_gradgradcheck(name, inputs, options):
    def operation(*variables):
        return getattr(F, name)(*variables, **options)

    assert torch.autograd.gradcheck(operation, leaves(inputs))
    assert torch.autograd.gradgradcheck(operation, leaves(inputs))


@pytest.mark.parametrize(("name", "inputs", "options"), PARAMETERS)
def test_torch_differentiates_the_same_lines_to_the_same_gradients(name, inputs, options):
    ours, theirs = leaves(inputs), leaves(inputs)
    output = getattr(F, name)(*ours, **options)
    grad_output = numbers(*output.shape, seed=3)
    output.backward(grad_output)
    with F.torch_gradients():
        line_by_line = getattr(F, name)(*theirs, **options)
    assert "ByHand" in type(output.grad_fn).__name__
    assert "ByHand" not in type(line_by_line.grad_fn).__name__
    line_by_line.backward(grad_output)
    for actual, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(actual.grad, expected.grad)


@pytest.mark.parametrize(("name", "inputs", "options"), PARAMETERS)
def test_torch_func_grad_works(name, inputs, options):
    def loss(F, *variables):
        return getattr(F, name)(*variables, **options).square().sum()

    places = tuple(range(len(inputs)))
    ours = torch.func.grad(lambda *variables: loss(F, *variables), argnums=places)(*inputs)
    theirs = torch.func.grad(lambda *variables: loss(torch.nn.functional, *variables), argnums=places)(*inputs)
    torch.testing.assert_close(ours, theirs)


def test_without_gradients_no_graph_is_built():
    weight = numbers(2, 3).requires_grad_()
    with torch.no_grad():
        assert F.linear(numbers(4, 3), weight).grad_fn is None
    assert F.linear(numbers(4, 3), weight.detach()).grad_fn is None


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d", "linear"])
def test_what_needs_no_gradient_is_not_computed(name):
    inputs, options = CASES[name]
    output = getattr(F, name)(*inputs, **options)
    backward, grad_output = getattr(F, f"{name}_backward"), torch.ones_like(output)
    everything = backward(grad_output, *inputs, **options)
    for place in range(3):
        mask = tuple(place == other for other in range(3))
        grads = backward(grad_output, *inputs, **options, output_mask=mask)
        assert [grad is not None for grad in grads] == list(mask)
        assert torch.equal(grads[place], everything[place])
    assert backward(grad_output, *inputs[:2], **options).bias is None


def test_autograd_asks_for_the_gradients_it_needs_and_no_others():
    asked = []

    def square_backward(grad_output, input, weight, output_mask=(True, True, True)):
        asked.append(output_mask)
        return F.LinearGradients(None, 2 * weight * grad_output, None)

    @differentiated_by(square_backward)
    def square(input, weight):
        return input + weight**2

    weight = torch.ones(2, requires_grad=True)
    square(torch.ones(2), weight).sum().backward()
    assert asked == [(False, True, False)]
    assert torch.equal(weight.grad, torch.full((2,), 2.0))


@pytest.mark.parametrize("name", ["cross_entropy", "mse_loss"])
def test_a_gradient_that_nobody_derived_is_refused_rather_than_lost(name):
    weight = torch.ones(3).requires_grad_()
    target = torch.ones(2, 3) / 3
    weight_of_each = weight.expand(2, 3) if name == "mse_loss" else weight
    loss = getattr(F, name)(torch.zeros(2, 3, requires_grad=True), target, weight=weight_of_each)
    with pytest.raises(ValueError, match=rf"weight: expected .*{name}_backward has none .*detach"):
        loss.backward()


def test_a_network_trains_under_autocast():
    weight, matrix = numbers(4, 1, 3, 3).float().requires_grad_(), numbers(3, 16).float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = F.max_pool2d(F.relu(F.conv2d(numbers(2, 1, 6, 6).float(), weight, numbers(4).float())), 2)
        loss = F.cross_entropy(F.linear(hidden.flatten(1), matrix, numbers(3).float()), torch.tensor([0, 2]))
    loss.backward()
    assert weight.grad.dtype == matrix.grad.dtype == torch.float32
    assert loss.isfinite()
    assert weight.grad.abs().sum() > 0


def test_unknown_and_missing_arguments_are_type_errors_as_in_any_function():
    with pytest.raises(TypeError, match="kernel"):
        F.max_pool2d(torch.zeros(1, 1, 3, 3), 2, kernel=3)
    with pytest.raises(TypeError, match="weight"):
        F.linear(torch.zeros(2, 2))
