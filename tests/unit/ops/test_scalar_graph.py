"""A formula as a graph: the sum over paths, backpropagation and autograd find the same gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.ops.scalar_graph import OPERATIONS, accumulate, evaluate, local_derivatives, paths, sum_over_paths

SHARED = {"u": ("×", "w", "x"), "v": ("+", "u", "x"), "d": ("−", "v", "t"), "L": ("square", "d")}
TORCH = {
    "+": torch.add,
    "−": torch.sub,
    "×": torch.mul,
    "÷": torch.div,
    "square": torch.square,
    "squared error": lambda a, b: (a - b) ** 2,
    "exp": torch.exp,
    "log": torch.log,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
}
TAKES_TWO = ("+", "−", "×", "÷", "squared error")


def test_a_shared_parent_by_hand():
    values = evaluate(SHARED, {"x": 2, "w": 0.5, "t": 2})
    assert values == {"x": 2, "w": 0.5, "t": 2, "u": 1, "v": 3, "d": 1, "L": 1}
    assert accumulate(SHARED, values, "L") == {"L": 1, "d": 2, "v": 2, "t": -2, "u": 2, "w": 4, "x": 3}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("a", "b"), [(0.7, 1.3), (2.5, -0.4)])
def test_each_operation_and_its_derivatives_are_torchs(operation, a, b):
    given = {"a": a, "b": b} if operation in TAKES_TWO else {"a": a}
    graph = {"y": (operation, *given)}
    leaves = [torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in given.values()]
    y = TORCH[operation](*leaves)
    values = evaluate(graph, given)
    assert values["y"] == pytest.approx(y.item(), rel=1e-14)
    by_torch = torch.autograd.grad(y, leaves)
    for (parent, child, derivative), expected in zip(local_derivatives(graph, values), by_torch, strict=True):
        assert (parent in given, child) == (True, "y")
        assert derivative == pytest.approx(expected.item(), rel=1e-14)


def test_sigmoid_and_relu_at_the_ends():
    values = evaluate({"s": ("sigmoid", "a"), "r": ("relu", "a")}, {"a": -1000.0})
    assert (values["s"], values["r"]) == (0.0, 0.0)
    assert local_derivatives({"r": ("relu", "a")}, {"a": 0.0}) == [("a", "r", 0.0)]


@st.composite
def graphs(draw):
    """A random graph on three inputs whose nodes take any earlier ones, twice the same too."""
    known, graph = ["a", "b", "c"], {}
    for number in range(draw(st.integers(1, 7))):
        operation = draw(st.sampled_from(["+", "−", "×", "tanh", "sigmoid"]))
        parents = [draw(st.sampled_from(known)) for _ in range(2 if operation in TAKES_TWO else 1)]
        graph[f"n{number}"] = (operation, *parents)
        known.append(f"n{number}")
    inputs = {name: draw(st.floats(-1.5, 1.5, allow_subnormal=False)) for name in "abc"}
    return graph, inputs, known[-1]


@given(graphs())
def test_sum_over_paths_accumulation_and_autograd_agree(drawn):
    graph, inputs, last = drawn
    values = evaluate(graph, inputs)
    nodes = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in inputs.items()}
    leaves = list(nodes.values())
    for name, (operation, *parents) in graph.items():
        nodes[name] = TORCH[operation](*(nodes[parent] for parent in parents))
    expected = torch.autograd.grad(nodes[last], leaves, allow_unused=True)
    gradients = accumulate(graph, values, last)
    for name, by_torch in zip(inputs, expected, strict=True):
        right = 0.0 if by_torch is None else by_torch.item()
        assert gradients[name] == pytest.approx(right, rel=1e-10, abs=1e-12)
        assert sum_over_paths(graph, values, name, last) == pytest.approx(right, rel=1e-10, abs=1e-12)


def test_paths_double_with_every_node_that_is_used_twice_and_accumulation_does_not_mind():
    graph = {f"n{k}": ("+", f"n{k - 1}" if k else "x", f"n{k - 1}" if k else "x") for k in range(10)}
    assert len(paths(graph, "x", "n9")) == 2**10
    values = evaluate(graph, {"x": 1.0})
    assert accumulate(graph, values, "n9")["x"] == sum_over_paths(graph, values, "x", "n9") == 2**10


def test_a_node_that_the_output_does_not_need_has_gradient_zero():
    graph = {"u": ("exp", "x"), "v": ("×", "x", "x")}
    values = evaluate(graph, {"x": 3.0})
    assert accumulate(graph, values, "v") == {"x": 6.0, "u": 0.0, "v": 1.0}
    assert sum_over_paths(graph, values, "u", "v") == 0.0
    assert sum_over_paths(graph, values, "v", "v") == 1.0
    assert values["u"] == math.exp(3.0)


@pytest.mark.parametrize(
    ("graph", "inputs", "words"),
    [
        ({"u": ("sinus", "x")}, {"x": 1}, "operation 'sinus' for 'u'"),
        ({"u": ("+", "x", "v"), "v": ("exp", "x")}, {"x": 1}, "'u' computed from 'v'"),
        ({"u": ("+", "x")}, {"x": 1}, "2, as '\\+' takes; got 1 parents for 'u'"),
        ({"u": ("exp", "x")}, {"x": 1, "u": 2}, "this one is computed by the graph; got 'u'"),
    ],
)
def test_a_graph_that_cannot_be_computed_is_refused(graph, inputs, words):
    with pytest.raises(ValueError, match=words):
        evaluate(graph, inputs)


def test_an_output_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="one of x, u; got 'loss'"):
        accumulate({"u": ("exp", "x")}, {"x": 0.0, "u": 1.0}, "loss")
