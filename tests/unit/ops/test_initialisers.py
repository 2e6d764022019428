"""First weights: torch's numbers from the same generator, gains from their derivation, and signals that survive depth."""

import inspect
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mmlearn.ops.initialisers as initialisers
from mmlearn.ops.initialisers import (
    calculate_gain,
    derived_gain,
    fans,
    kaiming_normal,
    kaiming_uniform,
    kaiming_variance,
    output_variance,
    uniform_bound,
    xavier_normal,
    xavier_uniform,
    xavier_variance,
)

INIT = torch.nn.init
NAMES = ["xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"]
NONLINEARITIES = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
NONLINEARITIES += ["sigmoid", "tanh", "relu", "leaky_relu", "selu"]
shapes = st.lists(st.integers(1, 5), min_size=2, max_size=5)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@st.composite
def options(draw, name):
    if name.startswith("xavier"):
        return {"gain": draw(st.sampled_from([1.0, math.sqrt(2), 5 / 3]))}
    return {
        "a": draw(st.sampled_from([0, 0.01, 1.0])),
        "mode": draw(st.sampled_from(["fan_in", "fan_out"])),
        "nonlinearity": draw(st.sampled_from(NONLINEARITIES)),
    }


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), shape=shapes, seed=st.integers(0, 2**32 - 1))
def test_the_numbers_are_those_of_torch_from_the_same_generator(name, data, shape, seed):
    given = data.draw(options(name))
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    weight = getattr(initialisers, name)(tuple(shape), **given, generator=generator(seed), dtype=dtype)
    expected = getattr(INIT, f"{name}_")(torch.empty(shape, dtype=dtype), **given, generator=generator(seed))
    torch.testing.assert_close(weight, expected, rtol=1e-6, atol=0)
    assert weight.dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_the_options_are_those_of_torch_with_a_shape_in_the_tensors_place(name):
    ours = [(p.name, p.default) for p in inspect.signature(getattr(initialisers, name)).parameters.values() if p.kind != 3]
    theirs = [(p.name, p.default) for p in inspect.signature(getattr(INIT, f"{name}_")).parameters.values()]
    assert ours == [("shape", inspect.Parameter.empty), *theirs[1:]]


@pytest.mark.parametrize("name", NAMES)
def test_the_variance_is_the_one_that_was_promised_and_no_uniform_number_is_beyond_its_bound(name):
    shape = (400, 300, 3)
    variance = xavier_variance(shape) if name.startswith("xavier") else kaiming_variance(shape)
    weight = getattr(initialisers, name)(shape, generator=generator(), dtype=torch.float64)
    assert abs(weight.var().item() / variance - 1) < 0.02
    assert abs(weight.mean().item()) < 5 * math.sqrt(variance / weight.numel())
    if name.endswith("uniform"):
        bound = uniform_bound(variance)
        assert 0.999 * bound < weight.abs().max() <= bound


@given(shape=shapes)
def test_fans_are_those_of_torch_and_of_a_count_of_connections(shape):
    assert fans(tuple(shape)) == INIT._calculate_fan_in_and_fan_out(torch.empty(shape))
    ones = torch.ones(shape)
    assert fans(shape) == (int(ones[0].sum()), int(ones[:, 0].sum()))


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
@pytest.mark.parametrize("param", [None, 0.2])
def test_gains_are_those_of_torch(nonlinearity, param):
    assert calculate_gain(nonlinearity, param) == INIT.calculate_gain(nonlinearity, param)


def test_the_derivation_gives_the_gain_of_the_rectifiers_and_of_the_identity():
    slope = 0.3
    assert derived_gain(lambda z: z) == pytest.approx(calculate_gain("linear"), rel=1e-6)
    assert derived_gain(torch.relu) == pytest.approx(calculate_gain("relu"), rel=1e-6)
    leaky = derived_gain(lambda z: torch.nn.functional.leaky_relu(z, slope))
    assert leaky == pytest.approx(calculate_gain("leaky_relu", slope), rel=1e-6)


def test_the_gains_of_tanh_sigmoid_and_selu_are_custom_and_not_derived():
    z = torch.randn(2_000_000, generator=generator(), dtype=torch.float64)
    for name, function in {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "selu": torch.selu}.items():
        sampled = 1 / function(z).square().mean().sqrt().item()
        assert derived_gain(function) == pytest.approx(sampled, rel=5e-3)
        assert abs(derived_gain(function) / calculate_gain(name) - 1) > 0.04
    assert derived_gain(torch.selu) == pytest.approx(1, abs=1e-4)  # what its two constants were chosen for


@pytest.mark.parametrize(("draw", "rtol"), [(kaiming_normal, 0.5), (kaiming_uniform, 0.5)])
def test_a_signal_keeps_its_size_through_fifty_rectified_layers_and_dies_with_xaviers_variance(draw, rtol):
    x = dying = torch.randn(200, 200, generator=generator(1), dtype=torch.float64)
    for layer in range(50):
        weight = draw((200, 200), nonlinearity="relu", generator=generator(layer), dtype=torch.float64)
        x = torch.relu(x @ weight.T)
        dying = torch.relu(dying @ xavier_normal((200, 200), generator=generator(layer), dtype=torch.float64).T)
    size = x.square().mean().item()
    assert abs(math.log(size)) < math.log(2.5)
    assert dying.square().mean() < 1e-10


def test_xavier_lies_between_what_the_signal_and_what_the_gradient_ask_for():
    shape = (100, 300)
    asked = sorted(
        [kaiming_variance(shape, nonlinearity="linear"), kaiming_variance(shape, mode="fan_out", nonlinearity="linear")]
    )
    assert asked[0] < xavier_variance(shape) < asked[1]
    assert xavier_variance((200, 200)) == pytest.approx(kaiming_variance((200, 200), nonlinearity="linear"))


def test_torchs_own_generator_is_used_when_none_is_given():
    torch.manual_seed(3)
    first = xavier_uniform((4, 5))
    torch.manual_seed(3)
    assert torch.equal(first, xavier_uniform((4, 5)))
    assert not torch.equal(first, xavier_uniform((4, 5)))


WRONG = [
    (lambda: fans((3,)), "shape", r"\(3,\)", r"two or more whole numbers ≥ 1, such as \(K, D\)"),
    (lambda: fans((3, 0)), "shape", r"\(3, 0\)", "≥ 1"),
    (lambda: fans(torch.ones(3, 2)), "shape", "tensor", "two or more whole numbers"),
    *(
        (lambda f=f: f((3,)), "shape", r"\(3,\)", "two or more whole numbers")
        for f in (xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal, xavier_variance, kaiming_variance)
    ),
    (lambda: xavier_variance((3, 4), "relu"), "gain", "'relu'", "a number"),
    (lambda: kaiming_variance((3, 4), mode="fan_avg"), "mode", "'fan_avg'", "'fan_in' or 'fan_out'"),
    (lambda: kaiming_normal((3, 4), nonlinearity="swish"), "nonlinearity", "'swish'", "one of tanh, relu"),
    (lambda: calculate_gain("leaky_relu", "a"), "param", "'a'", "the slope of leaky_relu"),
    (lambda: derived_gain(torch.zeros_like), "function", r"E\[f\(z\)²\] = 0.0", "0 < E"),
    (lambda: uniform_bound(-1.0), "variance", "-1.0", "a number ≥ 0"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()


@given(fan_in=st.integers(1, 400), weight_variance=st.sampled_from([0.01, 0.5, 2.0]), shift=st.sampled_from([0.0, 1.0]))
def test_the_variance_of_an_output_counts_the_mean_of_the_inputs_too(fan_in, weight_variance, shift):
    x = torch.randn(fan_in, generator=generator(1), dtype=torch.float64) + shift
    weights = math.sqrt(weight_variance) * torch.randn(20_000, fan_in, generator=generator(2), dtype=torch.float64)
    measured = (weights @ x).var().item()
    expected = output_variance(fan_in, weight_variance, x.square().mean().item())
    assert measured == pytest.approx(expected, rel=5 * math.sqrt(2 / 20_000))


def test_he_and_glorot_are_the_fixed_points_of_the_output_variance():
    """With E[x²] = 1 before a linear layer, and Var(y)/2 behind a rectifier, the size stays."""
    assert output_variance(50, xavier_variance((50, 50))) == pytest.approx(1.0)
    assert output_variance(50, kaiming_variance((50, 50), nonlinearity="relu"), second_moment=0.5) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((0, 1.0), "fan_in"), ((2.5, 1.0), "fan_in"), ((3, -1.0), "weight_variance"), ((3, 1.0, -2), "second_moment")],
)
def test_an_impossible_variance_is_named(arguments, named):
    with pytest.raises(ValueError, match=f"{named}: expected"):
        output_variance(*arguments)
