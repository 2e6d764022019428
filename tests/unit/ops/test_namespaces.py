"""torch.nn.functional, mmlearn.ops and mmlearn.kernels are interchangeable: every function, on random shapes, in every namespace.

A namespace is tested for the functions it offers; mmlearn.ops has to offer them all. The oracle is torch.nn.functional itself.
"""

import ast
import inspect
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmlearn.kernels
import mmlearn.ops

NAMESPACES = {"ops": mmlearn.ops, "kernels": mmlearn.kernels}
TORCH = torch.nn.functional
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
CLOSE = {  # (relative, absolute): a few roundings of a sum of some dozens of numbers near 1
    torch.float64: {"rtol": 1e-10, "atol": 1e-11},
    torch.float32: {"rtol": 1e-5, "atol": 2e-5},
    torch.bfloat16: {"rtol": 3e-2, "atol": 1e-1},
}


@pytest.fixture(autouse=True, scope="module")
def full_precision():
    """On a GPU torch would multiply float32 numbers with ten bits of mantissa."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


# --- random arguments: each strategy draws (positional arguments, keyword arguments) with tensors in float64 ---


@st.composite
def tensors(draw, shape, values=("normal",)):
    """Numbers near 1 in one of the memory layouts that reach a function in practice."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    values = draw(st.sampled_from(values))

    def numbers(*size):
        if values == "ties":
            return torch.randint(-2, 3, size, generator=generator).double()
        if values == "large":
            return 300 * torch.randn(size, generator=generator, dtype=torch.float64)
        return torch.randn(size, generator=generator, dtype=torch.float64)

    layout = draw(st.sampled_from(["contiguous", "transposed", "every second", "channels last"]))
    if layout == "transposed" and len(shape) >= 2:
        return numbers(*shape[:-2], shape[-1], shape[-2]).mT
    if layout == "every second" and shape:
        return numbers(*shape[:-1], 2 * shape[-1])[..., ::2]
    if layout == "channels last" and len(shape) == 4:
        return numbers(*shape).contiguous(memory_format=torch.channels_last)
    return numbers(*shape)


def one_or_two(low, high):
    """A number for both axes, or two numbers."""
    number = st.integers(low, high)
    return st.one_of(number, st.tuples(number, number))


def both(value):
    return (value, value) if isinstance(value, int) else value


@st.composite
def image_size(draw, kernel_size, padding, dilation):
    """A height and a width, odd or even, that hold the kernel."""
    axes = zip(both(kernel_size), both(padding), both(dilation), strict=True)
    return tuple(max(d, d * (k - 1) + 1 - 2 * p) + draw(st.integers(0, 5)) for k, p, d in axes)


batches = st.sampled_from([(), (1,), (2,), (3,)])


@st.composite
def conv2d(draw):
    groups, kernel_size = draw(st.integers(1, 3)), draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, dilation = draw(one_or_two(1, 3)), draw(one_or_two(1, 3))
    padding = draw(st.one_of(one_or_two(0, 3), st.sampled_from(["same", "valid"])))
    stride = 1 if padding == "same" else stride
    size = draw(image_size(kernel_size, 0 if isinstance(padding, str) else padding, dilation))
    channels, outputs = draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    input = draw(tensors((*draw(batches), groups * channels, *size)))
    weight = draw(tensors((outputs, channels, *kernel_size)))
    bias = draw(st.one_of(st.none(), tensors((outputs,))))
    return [input, weight, bias], {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@st.composite
def conv_transpose2d(draw):
    groups, kernel_size = draw(st.integers(1, 3)), draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, dilation, padding = draw(one_or_two(1, 3)), draw(one_or_two(1, 3)), draw(one_or_two(0, 2))
    largest = [max(s, d) - 1 for s, d in zip(both(stride), both(dilation), strict=True)]
    output_padding = tuple(draw(st.integers(0, most)) for most in largest)
    axes = zip(kernel_size, both(stride), both(padding), output_padding, both(dilation), strict=True)
    least = [max(1, 1 + (2 * p - d * (k - 1) - e + s - 1) // s) for k, s, p, e, d in axes]  # for an output of one pixel
    size = tuple(n + draw(st.integers(0, 3)) for n in least)
    channels, outputs = groups * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    input = draw(tensors((*draw(batches), channels, *size)))
    weight = draw(tensors((channels, outputs, *kernel_size)))
    bias = draw(st.one_of(st.none(), tensors((groups * outputs,))))
    options = {"stride": stride, "padding": padding, "output_padding": output_padding, "groups": groups, "dilation": dilation}
    return [input, weight, bias], options


@st.composite
def pooled(draw, dilations):
    """(input, options) of a pooling; every window holds at least one pixel."""
    kernel_size, dilation = draw(one_or_two(1, 4)), draw(one_or_two(1, dilations))
    padding = tuple(draw(st.integers(0, k // 2)) for k in both(kernel_size))
    size = draw(image_size(kernel_size, padding, dilation))
    options = {
        "kernel_size": kernel_size,
        "stride": draw(st.one_of(st.none(), one_or_two(1, 3))),
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }
    input = draw(tensors((*draw(batches), draw(st.integers(1, 3)), *size), values=("normal", "ties")))
    return input, options, dilation


@st.composite
def max_pool2d(draw):
    input, options, dilation = draw(pooled(dilations=2))
    return [input], {**options, "dilation": dilation, "return_indices": draw(st.booleans())}


@st.composite
def avg_pool2d(draw):
    input, options, _ = draw(pooled(dilations=1))
    divisor = draw(st.one_of(st.none(), st.sampled_from([1, 3, -2])))
    return [input], {**options, "count_include_pad": draw(st.booleans()), "divisor_override": divisor}


@st.composite
def linear(draw):
    front = draw(st.lists(st.integers(1, 3), max_size=3))
    features, outputs = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    bias = draw(st.one_of(st.none(), tensors((outputs,))))
    return [draw(tensors((*front, features))), draw(tensors((outputs, features))), bias], {}


@st.composite
def pointwise(draw):
    return [draw(tensors(tuple(draw(st.lists(st.integers(0, 4), max_size=4))), values=("normal", "ties", "large")))], {}


@st.composite
def relu(draw):
    arguments, _ = draw(pointwise())
    return arguments, {"inplace": False}


@st.composite
def softmax(draw):
    sizes = draw(st.lists(st.integers(1, 4), max_size=4))
    dim = draw(st.one_of(st.none(), st.integers(-max(len(sizes), 1), max(len(sizes), 1) - 1)))
    dim = 0 if dim is None and len(sizes) < 2 else dim
    return [draw(tensors(tuple(sizes), values=("normal", "ties", "large")))], {"dim": dim}


@st.composite
def cross_entropy(draw):
    classes, front = draw(st.integers(1, 5)), draw(st.lists(st.integers(1, 4), max_size=3))
    shape = (front[0], classes, *front[1:]) if front else (classes,)
    input = draw(tensors(shape, values=("normal", "large")))
    ignored = draw(st.sampled_from([-100, 0, 2, 7]))
    weight = draw(st.one_of(st.none(), tensors((classes,)).map(lambda numbers: numbers.abs() + 0.1)))
    options = {
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
    }
    if draw(st.booleans()):
        probabilities = draw(tensors(shape)).softmax(1 if front else 0)
        return [input, probabilities, weight], options
    choices = [*range(classes), ignored]
    labels = [draw(st.sampled_from(choices)) for _ in range(torch.Size(front).numel())]
    return [input, torch.tensor(labels).view(front), weight], {**options, "ignore_index": ignored}


@st.composite
def mse_loss(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    weight = draw(st.one_of(st.none(), tensors(shape).map(lambda numbers: numbers.abs() + 0.1)))
    return [draw(tensors(shape)), draw(tensors(shape))], {
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "weight": weight,
    }


@st.composite
def windows(draw):
    """(kernel_size, dilation, padding, stride) and an image size for them."""
    options = {
        "kernel_size": draw(one_or_two(1, 3)),
        "dilation": draw(one_or_two(1, 2)),
        "padding": draw(one_or_two(0, 2)),
        "stride": draw(one_or_two(1, 3)),
    }
    return options, draw(image_size(options["kernel_size"], options["padding"], options["dilation"]))


@st.composite
def unfold(draw):
    options, size = draw(windows())
    return [draw(tensors((*draw(batches), draw(st.integers(1, 3)), *size)))], options


@st.composite
def fold(draw):
    options, size = draw(windows())
    patches = TORCH.unfold(torch.zeros(1, draw(st.integers(1, 3)), *size), **options)
    return [draw(tensors((*draw(batches), *patches.shape[1:]))), size], options


@st.composite
def batch_norm(draw):
    channels, rest = draw(st.integers(1, 3)), draw(st.lists(st.integers(1, 4), max_size=3))

    def one_each():  # lies densely: with strides, torch 2.15's own gradient is wrong on the CPU (training=False, 2-D input)
        return draw(tensors((channels,))).contiguous()

    batch = draw(st.integers(1 if torch.Size(rest).numel() > 1 else 2, 4))
    running = {"running_mean": one_each(), "running_var": one_each().abs() + 0.1}
    weights = {"weight": one_each(), "bias": one_each()} if draw(st.booleans()) else {}
    options = {"training": draw(st.booleans()), "momentum": draw(st.sampled_from([0.0, 0.1, 1.0])), "eps": 0.1}
    return [draw(tensors((batch, channels, *rest)))], {**running, **weights, **options}


@st.composite
def layer_norm(draw):
    size = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)))
    weights = {"weight": draw(tensors(size)), "bias": draw(tensors(size))} if draw(st.booleans()) else {}
    input = draw(tensors((*draw(st.lists(st.integers(1, 3), max_size=3)), *size)))
    return [input], {"normalized_shape": size, "eps": 0.1, **weights}


@st.composite
def embedding(draw):
    words, shape = draw(st.integers(1, 6)), draw(st.lists(st.integers(0, 3), max_size=3))
    ids = torch.tensor([draw(st.integers(0, words - 1)) for _ in range(torch.Size(shape).numel())], dtype=torch.long).view(shape)
    options = {
        "padding_idx": draw(st.one_of(st.none(), st.integers(-words, words - 1))),
        "scale_grad_by_freq": draw(st.booleans()),
    }
    return [ids, draw(tensors((words, draw(st.integers(1, 4)))))], options


@st.composite
def gelu(draw):
    arguments, _ = draw(pointwise())
    return arguments, {"approximate": draw(st.sampled_from(["none", "tanh"]))}


@st.composite
def adaptive_avg_pool2d(draw):
    size = st.integers(1, 7)
    own = st.one_of(st.none(), size)
    input = draw(tensors((*draw(batches), draw(st.integers(1, 3)), draw(size), draw(size))))
    return [input], {"output_size": draw(st.one_of(size, st.tuples(own, own)))}


@st.composite
def binary_cross_entropy_with_logits(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    weight, pos_weight = (draw(st.one_of(st.none(), tensors(shape[1:]).map(lambda n: n.abs() + 0.1))) for _ in range(2))
    options = {"weight": weight, "pos_weight": pos_weight, "reduction": draw(st.sampled_from(["mean", "sum", "none"]))}
    return [draw(tensors(shape, values=("normal", "large"))), draw(tensors(shape)).sigmoid()], options


@st.composite
def kl_div(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    log_target, target = draw(st.booleans()), draw(tensors(shape)).log_softmax(-1)
    reduction = draw(st.sampled_from(["mean", "batchmean", "sum", "none"]))
    input = draw(tensors(shape)).log_softmax(-1)
    return [input, target if log_target else target.exp()], {"reduction": reduction, "log_target": log_target}


@st.composite
def scaled_dot_product_attention(draw):
    L, S, E, V = (draw(st.integers(1, 4)) for _ in range(4))
    front = draw(st.lists(st.integers(1, 3), max_size=2))
    query, key, value = (draw(tensors((*front, *size))) for size in ((L, E), (S, E), (S, V)))
    causal, mask = draw(st.booleans()), None
    if not causal:
        mask = draw(st.one_of(st.none(), tensors((L, S)), tensors((L, S)).map(lambda numbers: numbers > 0)))
    return [query, key, value, mask], {"is_causal": causal, "scale": draw(st.sampled_from([None, 0.5]))}


CALLS = {
    "adaptive_avg_pool2d": adaptive_avg_pool2d(),
    "avg_pool2d": avg_pool2d(),
    "batch_norm": batch_norm(),
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits(),
    "conv2d": conv2d(),
    "conv_transpose2d": conv_transpose2d(),
    "cross_entropy": cross_entropy(),
    "embedding": embedding(),
    "fold": fold(),
    "gelu": gelu(),
    "kl_div": kl_div(),
    "layer_norm": layer_norm(),
    "linear": linear(),
    "log_softmax": softmax(),
    "max_pool2d": max_pool2d(),
    "mse_loss": mse_loss(),
    "relu": relu(),
    "scaled_dot_product_attention": scaled_dot_product_attention(),
    "sigmoid": pointwise(),
    "silu": relu(),
    "softmax": softmax(),
    "tanh": pointwise(),
    "unfold": unfold(),
}
OFFERED = [
    pytest.param(namespace, name, id=f"{title}.{name}")
    for title, namespace in NAMESPACES.items()
    for name in CALLS
    if title == "ops" or hasattr(namespace, name)
]


# --- the oracle ---


def is_floating(value):
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def prepared(arguments, dtype, device):
    """The same arguments in another dtype on a device, floats with gradients; class weights have none, in torch either."""
    ready = []
    for value in arguments:
        if isinstance(value, torch.Tensor):
            value = value.to(device)
            value = value.to(dtype).detach().requires_grad_() if is_floating(value) else value
        ready.append(value)
    return ready


def outcome(function, arguments, options, dtype, device):
    """(outputs, gradients of the sum of the output times fixed random numbers)."""
    arguments = prepared(arguments, dtype, device)
    options = {key: value.to(device, dtype) if isinstance(value, torch.Tensor) else value for key, value in options.items()}
    weighted = function.__name__ == "cross_entropy" and arguments[2] is not None
    arguments[2:3] = [arguments[2].detach()] if weighted else arguments[2:3]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Implicit dimension choice|softmax and log_softmax choose", UserWarning)
        warnings.filterwarnings("ignore", "Using padding='same' with even kernel", UserWarning)
        warnings.filterwarnings("ignore", "reduction: 'mean'|reduction='mean'", UserWarning)
        outputs = function(*arguments, **options)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        generator = torch.Generator().manual_seed(0)
        grad_output = torch.randn(outputs[0].shape, generator=generator, dtype=torch.float64).to(device, dtype)
        leaves = [value for value in arguments if isinstance(value, torch.Tensor) and value.requires_grad]
        grads = torch.autograd.grad(outputs[0], leaves, grad_output)
    return outputs, grads


def assert_same(actual, expected, dtype):
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.dtype == (dtype if theirs.is_floating_point() else theirs.dtype)
        torch.testing.assert_close(ours, theirs.to(ours.dtype), equal_nan=True, **CLOSE[dtype])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("namespace", "name"), OFFERED)
@settings(max_examples=60)
@given(data=st.data())
def test_values_and_gradients_are_those_of_torch(namespace, name, device, data):
    arguments, options = data.draw(CALLS[name])
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32]), label="dtype")
    arguments = [value.to(dtype).double() if is_floating(value) else value for value in arguments]  # the same numbers for both
    expected = outcome(getattr(TORCH, name), arguments, options, torch.float64, device)
    actual = outcome(getattr(namespace, name), arguments, options, dtype, device)
    assert_same(actual[0], expected[0], dtype)
    assert_same(actual[1], expected[1], dtype)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("namespace", "name"), OFFERED)
@settings(max_examples=10)
@given(data=st.data())
def test_bfloat16_differs_from_float64_by_roundings_alone(namespace, name, device, data):
    arguments, options = data.draw(CALLS[name].filter(lambda call: (call[0][0].abs() < 10).all()))
    arguments = [value.bfloat16().double() if is_floating(value) else value for value in arguments]
    expected, _ = outcome(getattr(TORCH, name), arguments, options, torch.float64, device)
    actual, _ = outcome(getattr(namespace, name), arguments, options, torch.bfloat16, device)
    assert_same(actual, expected, torch.bfloat16)


@pytest.mark.parametrize(("namespace", "name"), OFFERED)
@settings(max_examples=10)
@given(data=st.data())
def test_every_argument_can_be_named_or_placed(namespace, name, data):
    arguments, options = data.draw(CALLS[name])
    function, parameters = getattr(namespace, name), torch_parameters(name)
    named = {**{key: value for (key, _), value in zip(parameters, arguments, strict=False)}, **options}
    placed = [named.get(key, default) for key, default in parameters]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        outputs = [function(*arguments, **options), function(**named), function(*placed)]
    for first, *others in zip(*(value if isinstance(value, tuple) else (value,) for value in outputs), strict=True):
        assert all(torch.equal(first.nan_to_num(7), other.nan_to_num(7)) for other in others)


def torch_parameters(name):
    """[(parameter, default)] of a function of torch.nn.functional, from its signature or the first line of its documentation."""
    if name == "max_pool2d":  # a dispatcher over return_indices; what it dispatches to has the signature
        function = TORCH.max_pool2d_with_indices
    else:
        function = getattr(TORCH, name)
    if inspect.isfunction(function):
        parameters = inspect.signature(function).parameters.values()
        return [(parameter.name, parameter.default) for parameter in parameters]
    line = next(line for line in " ".join(function.__doc__.split()).split(" -> ") if line.startswith(f"{name}("))
    call = ast.parse(f"def {line.split(' -> ')[0]}: pass").body[0].args
    names = [argument.arg for argument in call.args]
    defaults = [inspect.Parameter.empty] * (len(names) - len(call.defaults)) + [ast.literal_eval(d) for d in call.defaults]
    return list(zip(names, defaults, strict=True))


@pytest.mark.parametrize(("namespace", "name"), OFFERED)
def test_the_signature_is_that_of_torch(namespace, name):
    parameters = inspect.signature(getattr(namespace, name)).parameters.values()
    assert [(parameter.name, parameter.default) for parameter in parameters] == torch_parameters(name)


@pytest.mark.parametrize("name", ["conv2d_input", "conv2d_weight"])
@pytest.mark.parametrize(
    "namespace", [pytest.param(value, id=title) for title, value in NAMESPACES.items() if hasattr(value, "conv2d_input")]
)
def test_the_two_gradients_of_a_convolution_are_called_like_those_of_torch(namespace, name):
    theirs = inspect.signature(getattr(torch.nn.grad, name)).parameters.values()
    ours = inspect.signature(getattr(namespace, name)).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["conv2d_input", "conv2d_weight"])
@settings(max_examples=60)
@given(call=conv2d().filter(lambda call: call[0][0].dim() == 4 and not isinstance(call[1]["padding"], str)))
def test_the_two_gradients_of_a_convolution_are_those_of_torch(name, device, call):
    (input, weight, _), options = call
    input, weight = input.to(device), weight.to(device)
    grad_output = torch.randn_like(TORCH.conv2d(input, weight, **options))
    known, size = (weight, input.shape) if name == "conv2d_input" else (input, weight.shape)
    arguments = (size, known, grad_output) if name == "conv2d_input" else (known, size, grad_output)
    options = {key: both(value) if key != "groups" else value for key, value in options.items()}
    expected = getattr(torch.nn.grad, name)(*arguments, **options)
    actual = getattr(mmlearn.ops, name)(*arguments, **options)
    torch.testing.assert_close(actual, expected, **CLOSE[torch.float64])


@pytest.mark.parametrize(("namespace", "name"), OFFERED)
@settings(max_examples=20)
@given(data=st.data())
def test_inputs_are_not_changed_and_outputs_can_be_viewed(namespace, name, data):
    arguments, options = data.draw(CALLS[name])
    arguments = [value.contiguous() if is_floating(value) else value for value in arguments]
    options = {key: value.contiguous() if is_floating(value) else value for key, value in options.items()}
    before = [value.clone() if isinstance(value, torch.Tensor) else value for value in arguments]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        output = getattr(namespace, name)(*arguments, **options)
    output = output[0] if isinstance(output, tuple) else output
    assert output.view(-1).shape == (output.numel(),)
    for value, copy in zip(arguments, before, strict=True):
        assert torch.equal(value, copy) if isinstance(value, torch.Tensor) else value == copy
