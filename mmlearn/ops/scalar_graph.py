"""A formula as a graph of single numbers: values forward, gradients backward, and the sum over paths that both stand for.

A graph is a dict: each name and how it is computed, (operation, parents…), in the order of computation. A parent that has no
entry of its own is an input.

    {"u": ("×", "w", "x"), "v": ("+", "u", "x"), "L": ("square", "v")}
"""

import math

from mmlearn.ops.arguments import require


def _sigmoid(a):
    return 1 / (1 + math.exp(-a)) if a >= 0 else math.exp(a) / (1 + math.exp(a))


# What each operation computes, and its derivative by each parent.
OPERATIONS = {
    "+": (lambda a, b: a + b, lambda a, b: (1.0, 1.0)),
    "−": (lambda a, b: a - b, lambda a, b: (1.0, -1.0)),
    "×": (lambda a, b: a * b, lambda a, b: (b, a)),
    "÷": (lambda a, b: a / b, lambda a, b: (1 / b, -a / b**2)),
    "square": (lambda a: a * a, lambda a: (2 * a,)),
    "squared error": (lambda a, b: (a - b) ** 2, lambda a, b: (2 * (a - b), 2 * (b - a))),
    "exp": (math.exp, lambda a: (math.exp(a),)),
    "log": (math.log, lambda a: (1 / a,)),
    "tanh": (math.tanh, lambda a: (1 - math.tanh(a) ** 2,)),
    "sigmoid": (_sigmoid, lambda a: (_sigmoid(a) * (1 - _sigmoid(a)),)),
    "relu": (lambda a: max(a, 0.0), lambda a: (float(a > 0),)),
}


def evaluate(graph, inputs):
    """The value of every node, inputs first, in the order of computation: {name: float}.

    graph: {name: (operation, parents…)}   inputs: {name: number}
    Raises ValueError for an unknown operation, a parent that is not there yet, and a number of parents that does not fit.

    >>> evaluate({"u": ("×", "w", "x"), "v": ("+", "u", "x")}, {"x": 2.0, "w": 0.5})
    {'x': 2.0, 'w': 0.5, 'u': 1.0, 'v': 3.0}
    """
    values = {name: float(value) for name, value in inputs.items()}
    for name, (operation, *parents) in graph.items():
        require(name not in inputs, "inputs", repr(name), "inputs only: this one is computed by the graph")
        known = ", ".join(OPERATIONS)
        require(operation in OPERATIONS, "graph", f"operation {operation!r} for {name!r}", f"one of {known}")
        for parent in parents:
            expected = "an input, or a node that stands before it in the graph"
            require(parent in values, "graph", f"{name!r} computed from {parent!r}", expected)
        compute, _ = OPERATIONS[operation]
        takes = compute.__code__.co_argcount if hasattr(compute, "__code__") else 1  # math's functions take one number
        require(len(parents) == takes, "graph", f"{len(parents)} parents for {name!r}", f"{takes}, as {operation!r} takes")
        values[name] = compute(*(values[parent] for parent in parents))
    return values


def local_derivatives(graph, values):
    """∂child/∂parent for every edge, a list of (parent, child, derivative) in the order of computation.

    A parent that is used twice by one child has two edges: in u = x × x each has the derivative x.
    """
    edges = []
    for child, (operation, *parents) in graph.items():
        _, derivatives = OPERATIONS[operation]
        found = derivatives(*(values[parent] for parent in parents))
        edges += [(parent, child, derivative) for parent, derivative in zip(parents, found, strict=True)]
    return edges


def paths(graph, source, output):
    """Every way from source to output along the edges, as lists of edge numbers; edges as local_derivatives lists them.

    >>> paths({"u": ("×", "w", "x"), "v": ("+", "u", "x")}, "x", "v")  # through u, and directly
    [[1, 2], [3]]
    """
    edges = [(parent, child) for child, (_, *parents) in graph.items() for parent in parents]

    def onwards(node):
        if node == output:
            return [[]]
        return [[number, *rest] for number, (parent, child) in enumerate(edges) if parent == node for rest in onwards(child)]

    return onwards(source)


def sum_over_paths(graph, values, source, output):
    """∂output/∂source = Σ over all paths of the product of the derivatives along the path — Eq. 2.1 (Bauer 1974).

    graph, values: as given to, and returned by, evaluate   returns: float; the number of paths may grow exponentially

    >>> graph = {"u": ("×", "w", "x"), "v": ("+", "u", "x")}
    >>> sum_over_paths(graph, evaluate(graph, {"x": 2.0, "w": 0.5}), "x", "v")
    1.5
    """
    edges = local_derivatives(graph, values)
    return float(sum(math.prod(edges[number][2] for number in path) for path in paths(graph, source, output)))


def accumulate(graph, values, output):
    """ū = Σ v̄ · ∂v/∂u over the nodes v that are computed from u, last node first, beginning with 1 — Eq. 2.2 (Linnainmaa 1976).

    This is backpropagation: ū is short for ∂output/∂u, and each edge is visited once.
    graph, values: as given to, and returned by, evaluate   returns: {name: gradient} for every node and input

    >>> graph = {"u": ("×", "w", "x"), "v": ("+", "u", "x")}
    >>> accumulate(graph, evaluate(graph, {"x": 2.0, "w": 0.5}), "v")
    {'x': 1.5, 'w': 2.0, 'u': 1.0, 'v': 1.0}
    """
    require(output in values, "output", repr(output), f"one of {', '.join(values)}")
    gradients = dict.fromkeys(values, 0.0)
    gradients[output] = 1.0
    for parent, child, derivative in reversed(local_derivatives(graph, values)):
        gradients[parent] += gradients[child] * derivative
    return gradients
