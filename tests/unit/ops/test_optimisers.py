"""The optimisers' steps: the numbers of torch.optim over a hundred steps, and what each is known for."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.optimisers import adam, adamw, rmsprop, sgd_momentum

THEIRS = {sgd_momentum: torch.optim.SGD, rmsprop: torch.optim.RMSprop, adam: torch.optim.Adam, adamw: torch.optim.AdamW}
EACH = [pytest.param(ours, theirs, id=ours.__name__) for ours, theirs in THEIRS.items()]
OPTIONS = {
    sgd_momentum: [
        {},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.05, "momentum": 0.5, "dampening": 0.3, "maximize": True},
        {"lr": 0.01, "weight_decay": 0.2, "maximize": True},
    ],
    rmsprop: [
        {},
        {"lr": 0.05, "alpha": 0.9, "weight_decay": 0.1},
        {"momentum": 0.9, "centered": True},
        {"centered": True, "eps": 1e-3, "maximize": True},
    ],
    adam: [
        {},
        {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1},
        {"amsgrad": True, "betas": (0.5, 0.6), "eps": 1e-4},
        {"maximize": True, "weight_decay": 0.1},
    ],
    adamw: [
        {},
        {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True, "betas": (0.5, 0.6)},
        {"weight_decay": 0, "maximize": True},
        {"lr": 0.1, "maximize": True},
    ],
}
CALLS = [
    pytest.param(ours, options, id=f"{ours.__name__} {number}")
    for ours, each in OPTIONS.items()
    for number, options in enumerate(each)
]


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slope(parameter, step, maximize=False):
    """The gradient of a bowl that is steep one way and flat another, or of a dome to climb, with noise that changes each step."""
    curvature = torch.logspace(-2, 1, parameter.numel(), dtype=parameter.dtype).view(parameter.shape)
    return (-curvature if maximize else curvature) * parameter + 0.1 * numbers(*parameter.shape, seed=step).to(parameter.dtype)


def assert_same_path(ours, options, start, steps, **close):
    theirs = torch.nn.Parameter(start.clone())
    optimiser = THEIRS[ours]([theirs], **options)
    parameter, state, maximize = start, None, options.get("maximize", False)
    for step in range(steps):
        theirs.grad = slope(theirs.detach(), step, maximize)
        optimiser.step()
        parameter, state = ours(parameter, slope(parameter, step, maximize), state, **options)
        torch.testing.assert_close(parameter, theirs.detach(), **close)
    for name, kept in state._asdict().items():
        if kept is not None:
            expected = optimiser.state[theirs][name]
            torch.testing.assert_close(torch.as_tensor(kept, dtype=expected.dtype), expected, **close)
    assert not torch.equal(parameter, start)


@pytest.mark.parametrize(("ours", "options"), CALLS)
def test_a_hundred_steps_are_those_of_torch(ours, options):
    assert_same_path(ours, options, numbers(3, 4), 100, rtol=0, atol=1e-12)
    assert_same_path(ours, options, numbers(3, 4).float(), 100, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("ours", "options"), CALLS)
@settings(max_examples=10)
@given(shape=st.lists(st.integers(1, 3), max_size=3), transposed=st.booleans())
def test_parameters_of_any_shape_and_layout(ours, options, shape, transposed):
    start = numbers(*shape)
    start = start.mT.contiguous().mT if transposed and len(shape) >= 2 else start
    assert_same_path(ours, options, start, 5, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("ours", "theirs"), EACH)
def test_options_and_defaults_are_those_of_torch(ours, theirs):
    given = list(inspect.signature(ours).parameters.values())
    assert [p.name for p in given[:3]] == ["parameter", "gradient", "state"]
    right = inspect.signature(theirs).parameters
    assert {p.name: p.default for p in given[3:]} == {p.name: right[p.name].default for p in given[3:]}
    placed = [p.name for p in given[3:] if p.kind is not p.KEYWORD_ONLY]
    assert placed == [name for name in right if name in placed]
    left_out = {"params", "foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"}  # how torch computes it
    assert set(right) - {p.name for p in given} <= left_out


@pytest.mark.parametrize(("ours", "options"), CALLS)
def test_nothing_given_is_changed_and_no_graph_is_kept(ours, options):
    parameter, gradient = numbers(3, 2).requires_grad_(), numbers(3, 2, seed=1)
    first = ours(parameter, gradient, None, **options)
    kept = [value.clone() for value in first.state if isinstance(value, torch.Tensor)]
    before = parameter.detach().clone(), gradient.clone(), first.parameter.clone()
    second = ours(first.parameter, gradient, first.state, **options)
    torch.testing.assert_close((parameter.detach(), gradient, first.parameter), before, rtol=0, atol=0)
    for value, copy in zip((v for v in first.state if isinstance(v, torch.Tensor)), kept, strict=True):
        assert torch.equal(value, copy)
    assert not first.parameter.requires_grad
    assert second.parameter.data_ptr() not in (first.parameter.data_ptr(), parameter.data_ptr())
    assert all(value.data_ptr() != gradient.data_ptr() for value in second.state if isinstance(value, torch.Tensor))


def test_with_a_constant_slope_momentum_goes_up_to_one_over_one_minus_mu_times_as_far():
    parameter, state = torch.zeros(1).double(), None
    for _ in range(300):
        last = parameter
        parameter, state = sgd_momentum(parameter, torch.ones(1).double(), state, lr=0.1, momentum=0.9)
    torch.testing.assert_close(last - parameter, torch.tensor([0.1 / (1 - 0.9)]).double())


def test_the_first_step_of_adam_is_the_learning_rate_whatever_the_slope():
    gradient = torch.tensor([1e-3, 1.0, -1e5], dtype=torch.float64)
    step = adam(torch.zeros(3).double(), gradient, lr=0.01)
    torch.testing.assert_close(step.parameter, -0.01 * gradient.sign(), rtol=1e-4, atol=0)
    assert step.state.step == 1


def test_without_a_slope_adamw_shrinks_the_weights_and_adam_moves_them_by_the_learning_rate():
    start, none = torch.tensor([4.0, -0.5], dtype=torch.float64), torch.zeros(2).double()
    torch.testing.assert_close(adamw(start, none, lr=0.1, weight_decay=0.2).parameter, 0.98 * start)
    torch.testing.assert_close(adam(start, none, lr=0.1, weight_decay=0.2).parameter, start - 0.1 * start.sign())


def test_rmsprop_does_not_see_the_scale_of_the_slope():
    paths = []
    for scale in (1.0, 1000.0):
        parameter, state = torch.ones(2).double(), None
        for step in range(20):
            parameter, state = rmsprop(parameter, scale * numbers(2, seed=step), state, eps=0)
        paths.append(parameter)
    torch.testing.assert_close(*paths)


def test_each_of_them_finds_the_bottom_of_a_bowl():
    for ours, lr in {sgd_momentum: 0.1, rmsprop: 0.1, adam: 0.1, adamw: 0.1}.items():
        parameter, state = torch.tensor([3.0, -2.0], dtype=torch.float64), None
        for step in range(800):
            parameter, state = ours(parameter, parameter * torch.tensor([1.0, 5.0]).double(), state, lr=lr / math.sqrt(1 + step))
        assert parameter.abs().max() < 0.05, ours.__name__


W, G = torch.ones(2, 3), torch.ones(2, 3)
WRONG = [
    *(
        case
        for f in THEIRS
        for case in [
            (lambda f=f: f(W, None), "gradient", "None", r"shape \(2, 3\); None means that no backward pass"),
            (lambda f=f: f(W, G[0]), "gradient", r"shape \(3,\)", r"parameter's shape \(2, 3\)"),
            (lambda f=f: f(W, G.double()), "gradient", "float64", "float32 on cpu, as parameter is"),
            (lambda f=f: f(W.long(), G), "parameter", "int64", "floating-point"),
            (lambda f=f: f([1.0], G), "parameter", "list", "torch.Tensor"),
            (lambda f=f: f(W, G, lr=-0.1), "lr", "-0.1", "a number ≥ 0"),
            (lambda f=f: f(W, G, lr=None), "lr", "None", "a number ≥ 0"),
            (lambda f=f: f(W, G, weight_decay=-1), "weight_decay", "-1", "a number ≥ 0"),
            (lambda f=f: f(W, G, G), "state", "Tensor", r"None in the first step, then the \w+State that the last step"),
        ]
    ),
    (lambda: adam(W.T, G.T, adam(W, G).state), "state", r"exp_avg of shape \(2, 3\)", r"a parameter of shape \(3, 2\)"),
    (
        lambda: sgd_momentum(W.T, G.T, sgd_momentum(W, G, momentum=0.9).state, momentum=0.9),
        "state",
        r"momentum_buffer of shape \(2, 3\)",
        r"a parameter of shape \(3, 2\)",
    ),
    (lambda: adam(W, G, sgd_momentum(W, G).state), "state", "SgdState", "AdamState"),
    (lambda: sgd_momentum(W, G, momentum=-0.9), "momentum", "-0.9", "a number ≥ 0"),
    (lambda: sgd_momentum(W, G, nesterov=True), "nesterov", "True with momentum=0", "only with a momentum and no dampening"),
    (lambda: sgd_momentum(W, G, momentum=0.9, dampening=0.1, nesterov=True), "nesterov", "dampening=0.1", "no dampening"),
    (lambda: sgd_momentum(W, G, dampening="a"), "dampening", "'a'", "a number"),
    (lambda: rmsprop(W, G, alpha=1.5), "alpha", "1.5", "from 0 to 1"),
    (lambda: rmsprop(W, G, rmsprop(W, G).state, centered=True), "state", "grad_avg=None", "centered=True too; begin anew"),
    (lambda: rmsprop(W, G, rmsprop(W, G).state, momentum=0.9), "state", "momentum_buffer=None", "with momentum too"),
    (lambda: adam(W, G, betas=0.9), "betas", "0.9", "two numbers"),
    (lambda: adam(W, G, betas=(0.9, 1.0)), "betas", r"\(0.9, 1.0\)", "from 0 to below 1"),
    (lambda: adam(W, G, eps=-1e-8), "eps", "-1e-08", "a number ≥ 0"),
    (lambda: adam(W, G, adam(W, G).state, amsgrad=True), "state", "max_exp_avg_sq=None", "amsgrad=True too"),
    (lambda: adamw(W, G, adam(W, G).state._replace(step=1.0)), "state", "step of float", "a whole step"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
