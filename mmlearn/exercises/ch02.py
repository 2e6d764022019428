"""Chapter 02, backpropagation: a quotient, shared parents, broadcasting, linear, cross-entropy, LayerNorm, an MLP, a bug hunt."""

import itertools
import warnings

import torch
import torch.nn.functional as F

from mmlearn import ops
from mmlearn.ops.broadcasting import broadcast_to_backward

from .case import Case
from .exercise import Exercise
from .task import Mistake

__all__ = [
    "broadcast_backward",
    "central_difference",
    "cross_entropy_backward",
    "layer_norm_backward",
    "linear_backward",
    "mlp_gradients",
    "node_gradients",
    "quotient_backward",
    "repaired_backward",
]


def _quotient(grad_output, a, b):
    return grad_output / b, -grad_output * a / b**2


def _quotient_cases(draw):
    yield Case(draw.integers(2, low=1), draw.integers(2, low=1), draw.integers(2, low=1), label="positive numbers")
    yield Case(draw.integers(3, low=2, high=6), draw.integers(3), 1 + draw.integers(3, low=1), label="any gradient from above")
    yield Case(draw.normal(2, 3), draw.normal(2, 3), 0.5 + draw.uniform(2, 3))
    yield Case(draw.normal(4), draw.normal(4), -0.5 - draw.uniform(4), label="a negative denominator")


quotient_backward = Exercise(
    chapter="02",
    name="quotient_backward",
    title="A quotient, backwards",
    minutes=10,
    difficulty=1,
    equation="Eq. 2.2",
    oracle=_quotient,
    cases=_quotient_cases,
    returns=("grad_a", "grad_b"),
    mistakes=[
        Mistake(
            lambda grad_output, a, b: (1 / b, -a / b**2),
            "`grad_output` is missing: these are the local derivatives, each to be multiplied with the gradient of the result",
        ),
        Mistake(
            lambda grad_output, a, b: (grad_output / b, grad_output * a / b**2),
            "the sign of the second gradient is wrong: a larger denominator makes the quotient smaller",
        ),
        Mistake(
            lambda grad_output, a, b: (grad_output * b, grad_output * a),
            "these are the gradients of a product, $a\\,b$",
        ),
        Mistake(
            lambda grad_output, a, b: (grad_output / b, -grad_output * a / b),
            "in the second gradient $b$ has to be squared: $\\frac{d}{db}\\frac{1}{b} = -\\frac{1}{b^2}$",
        ),
        Mistake(
            lambda grad_output, a, b: (grad_output / b, -grad_output / b**2),
            "in the second gradient the factor $a$ is missing",
        ),
        Mistake(
            lambda grad_output, a, b: (-grad_output * a / b**2, grad_output / b),
            "the two gradients are exchanged: first the one by $a$",
        ),
    ],
    hints=[
        "Two questions: what is the derivative of $a/b$ by $a$, with $b$ held fixed? And by $b$, with $a$ held fixed?",
        "The local derivatives are $1/b$ and $-a/b^2$. Each is multiplied with what comes from above.",
        "`return grad_output / b, …`: the second has the sign, the $a$ and the square.",
    ],
    solution="def quotient_backward(grad_output, a, b):\n    return grad_output / b, -grad_output * a / b**2",
)


def _accumulated(edges, count, order=lambda edges: sorted(edges, key=lambda edge: -edge[1]), seed=1.0):
    gradients = torch.zeros(count, dtype=torch.float64)
    gradients[count - 1] = seed
    for parent, child, derivative in order(edges):
        gradients[parent] += gradients[child] * derivative
    return gradients


def _accumulate_solution(edges, count):
    gradients = torch.zeros(count, dtype=torch.float64)
    gradients[count - 1] = 1.0
    for node in reversed(range(count)):  # a node passes its gradient on when all that use it have spoken
        for parent, child, derivative in edges:
            if child == node:
                gradients[parent] += gradients[child] * derivative
    return gradients


def _overwritten(edges, count):
    gradients = torch.zeros(count, dtype=torch.float64)
    gradients[count - 1] = 1.0
    for node in reversed(range(count)):
        for parent, child, derivative in edges:
            if child == node:
                gradients[parent] = gradients[child] * derivative
    return gradients


def _added_along(edges, count):
    gradients = torch.zeros(count, dtype=torch.float64)
    gradients[count - 1] = 1.0
    for parent, child, derivative in sorted(edges, key=lambda edge: -edge[1]):
        gradients[parent] += gradients[child] + derivative
    return gradients


def _without_children(edges, count):
    gradients = torch.zeros(count, dtype=torch.float64)
    gradients[count - 1] = 1.0
    for parent, _, derivative in edges:
        gradients[parent] += derivative
    return gradients


def _graph_cases(draw):
    def case(count, pairs, label):
        numbers = draw.integers(len(pairs), low=2, high=6).tolist()
        return Case([(*pair, number) for pair, number in zip(pairs, numbers, strict=True)], count, label=label)

    yield case(3, [(0, 1), (1, 2)], "a chain")
    yield case(4, [(0, 2), (1, 2), (2, 3)], "two inputs")
    yield case(4, [(0, 1), (0, 2), (1, 3), (2, 3)], "a shared parent")
    yield Case([(0, 1, 3.0), (0, 1, 4.0), (1, 2, 2.0)], 3, label="a node used twice by the same child")
    yield Case([(0, 1, 3.0), (0, 1, 3.0), (1, 2, 2.0)], 3, label="used twice, with equal derivatives, as in x + x")
    yield case(5, [(1, 2), (0, 4), (0, 1), (3, 4), (2, 3)], "edges in no particular order")
    yield case(4, [(0, 3), (1, 2)], "a node that the output does not use")
    pairs = [(int(parent), child) for child in range(2, 9) for parent in draw.integers(2, low=0, high=child).tolist()]
    shuffled = [pairs[n] for n in draw.distinct(len(pairs)).long().tolist()]
    numbers = draw.normal(len(pairs)).tolist()
    yield Case([(*pair, number) for pair, number in zip(shuffled, numbers, strict=True)], 9, label="a larger graph")


node_gradients = Exercise(
    chapter="02",
    name="node_gradients",
    title="Shared parents",
    minutes=20,
    difficulty=2,
    equation="Eq. 2.2",
    oracle=_accumulated,
    cases=_graph_cases,
    float32=False,
    call=lambda answer, edges, count: answer(edges, count),
    solution=_accumulate_solution,
    mistakes=[
        Mistake(
            _overwritten,
            "a parent that is used twice keeps only one of its gradients: `+=` in place of `=`",
            "Each use of a node is another way in which it moves the output; Eq. 2.1 adds them up.",
        ),
        Mistake(
            lambda edges, count: _accumulated(edges, count, order=reversed),
            "the edges are walked through from the last in the list to the first, but the list is in no particular order",
            "A node may pass its gradient on only when everything that uses it has passed on its own: highest child number first.",
        ),
        Mistake(
            lambda edges, count: _accumulated(edges, count, order=list),
            "the edges are walked through in the order of the list: gradients pass on before they have arrived",
        ),
        Mistake(
            lambda edges, count: _accumulated(edges, count, order=lambda edges: sorted(edges, key=lambda edge: edge[1])),
            "this goes through the graph forwards: begin at the output, with the highest child number",
        ),
        Mistake(
            lambda edges, count: _accumulated(edges, count, seed=0.0),
            "the output's own gradient is 0 here; it is 1, or nothing flows",
        ),
        Mistake(_added_along, "the derivative is added to the child's gradient; along a path derivatives are multiplied"),
        Mistake(
            _without_children,
            "these are the local derivatives, added up: each has to be multiplied with its child's gradient",
        ),
        Mistake(
            lambda edges, count: _accumulated(list(dict.fromkeys(edges)), count),
            "of two equal edges only one is left, as in a set: an edge that occurs twice counts twice",
            "In $y = x + x$ both edges lead from $x$ to $y$ with derivative 1, and the gradient is 2.",
        ),
        Mistake(
            lambda edges, count: _accumulated([(*pair, number) for pair, number in {e[:2]: e[2] for e in edges}.items()], count),
            "of two edges between the same nodes only the last is left: a dict or a matrix by (parent, child) has one place for both",
            "A matrix works if the derivatives are added into it with `+=`.",
        ),
    ],
    hints=[
        "Begin with zeros, and 1 for the last node. An edge sends `gradients[child] * derivative` to its parent.",
        "When may a child send? When its own gradient is complete, and that depends on nodes with higher numbers only. So take the edges by child, the highest first.",
        "`for parent, child, derivative in sorted(edges, key=lambda edge: -edge[1]):` and add with `+=`.",
    ],
    afterword="This is all of backpropagation. What remains are the local derivatives, and tensors in place of numbers.",
)


def _broadcast_backward(grad_output, shape):
    return broadcast_to_backward(grad_output, grad_output.new_zeros(shape))


def _broadcast_solution(grad_output, shape):
    while grad_output.dim() > len(shape):
        grad_output = grad_output.sum(0)  # axes that were put in front
    for axis, length in enumerate(shape):
        if length == 1:
            grad_output = grad_output.sum(axis, keepdim=True)  # axes that were stretched
    return grad_output


def _broadcast_cases(draw):
    yield Case(draw.integers(3), (3,), label="nothing was stretched")
    yield Case(draw.integers(2, 3), (3,), label="an axis in front")
    yield Case(draw.integers(2, 3), (2, 1), label="a stretched axis")
    yield Case(draw.integers(2, 3), (), label="a number")
    yield Case(draw.integers(2, 2), (1, 2), label="a square")
    yield Case(draw.integers(4, 1, 3), (1, 1, 3), label="an axis of length 1 that stayed")
    yield Case(draw.normal(2, 3, 4, 5), (3, 1, 1), label="a bias of a convolution")


def _keep_front(grad_output, shape):
    in_front = grad_output.dim() - len(shape)
    return grad_output.sum(tuple(range(in_front))) if in_front else grad_output


def _mean_over_copies(grad_output, shape):
    return _broadcast_backward(grad_output, shape) / max(1, grad_output.numel() // max(1, torch.zeros(shape).numel()))


def _squeezed(grad_output, shape):
    in_front = grad_output.dim() - len(shape)
    axes = [*range(in_front), *(in_front + axis for axis, length in enumerate(shape) if length == 1)]
    return grad_output.sum(axes) if axes else grad_output


def _first_copy(grad_output, shape):
    in_front = grad_output.dim() - len(shape)
    found = grad_output[(0,) * in_front]
    for axis, length in enumerate(shape):
        if length == 1:
            found = found.narrow(axis, 0, 1)
    return found


def _only_stretched(grad_output, shape):
    in_front = grad_output.dim() - len(shape)
    axes = [in_front + axis for axis, length in enumerate(shape) if length == 1]
    return grad_output.sum(axes, keepdim=True) if axes else grad_output


def _empty_tuple(grad_output, shape, how):
    """Wrong answers that sum over an empty tuple of axes, which is over all: in one sum, in two, or in one of the two."""
    in_front = grad_output.dim() - len(shape)
    front, stretched = tuple(range(in_front)), tuple(axis for axis, length in enumerate(shape) if length == 1)
    if how == "one sum":
        axes = front + tuple(in_front + axis for axis in stretched)
        return grad_output.sum(axes, keepdim=True).reshape(shape)
    if front or how != "stretched":
        grad_output = grad_output.sum(front)
    if stretched or how != "front":
        grad_output = grad_output.sum(stretched, keepdim=True)
    return grad_output


_EMPTY = "`sum` over an empty tuple of axes sums all of them in torch: return `grad_output` when there is nothing to sum"


broadcast_backward = Exercise(
    chapter="02",
    name="broadcast_backward",
    title="Broadcasting, backwards",
    minutes=15,
    difficulty=2,
    equation="Eq. 2.9",
    oracle=_broadcast_backward,
    cases=_broadcast_cases,
    solution=_broadcast_solution,
    mistakes=[
        Mistake(
            _mean_over_copies,
            "this is the mean over the copies: each copy is another use, and uses add up",
            "Where the loss is a mean over the batch, the factor is in the upstream gradient already.",
        ),
        Mistake(_keep_front, "the stretched axes, those of length 1, still have their full length: sum over them, too"),
        Mistake(_only_stretched, "the axes that broadcasting put in front are still there: sum over them, too"),
        Mistake(
            _squeezed,
            "the summed axes are gone, and those of length 1 should stay: sum over them with `keepdim=True`",
        ),
        Mistake(_first_copy, "only the first copy counts: the others moved the loss, too"),
        Mistake(
            lambda grad_output, shape: grad_output.sum().expand(shape),
            "everything was added up: only the copies of the *same* number belong together",
        ),
        *(
            Mistake(lambda grad_output, shape, how=how: _empty_tuple(grad_output, shape, how), _EMPTY)
            for how in ("one sum", "two sums", "front", "stretched")
        ),
    ],
    hints=[
        "Broadcasting does two things: it puts axes in front until both have equally many, and it stretches axes of length 1. In both cases a number is copied.",
        "Axes in front: `grad_output.sum(0)`, as often as `grad_output.dim()` exceeds `len(shape)`.",
        "Then, for every axis of length 1 in `shape`: `grad_output.sum(axis, keepdim=True)`. Where nothing was stretched that sum changes nothing.",
    ],
    afterword="The backward pass of a copy is a sum, that of a sum a copy. A bias, a mean, a shared weight, a kernel that slides: wherever a forward pass copies, the backward pass adds.",
)


def _linear(grad_output, x, weight):
    return tuple(ops.linear_backward(grad_output, x, weight, weight[:, 0]))


def _linear_solution(grad_output, x, weight):
    rows, grad_rows = x.flatten(0, -2), grad_output.flatten(0, -2)  # (N, D), (N, K), N everything in front
    return grad_output @ weight, grad_rows.T @ rows, grad_rows.sum(0)


def _linear_cases(draw):
    def case(*front, D, K, numbers=draw.integers, label=""):
        return Case(numbers(*front, K), numbers(*front, D), numbers(K, D), label=label)

    yield case(1, D=2, K=3, label="a batch of one")
    yield case(2, D=2, K=2, label="square")
    yield case(3, D=2, K=4)
    yield case(2, 3, D=4, K=2, label="two axes in front")
    yield case(5, D=3, K=7, numbers=draw.normal)


def _quietly(answer, grad_output, x, weight):
    """Torch warns of `.T` on more than two axes; what the check says of it is enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return answer(grad_output, x, weight)


def _in_order(order):
    """A wrong answer: the right results in another order."""
    return lambda grad_output, x, weight: tuple(_linear(grad_output, x, weight)[place] for place in order)


def _by_rows(change):
    """A wrong answer: the rows of x (N, D), of the upstream gradient (N, K), and the weight → the three gradients."""

    def backward(grad_output, x, weight):
        right = _linear(grad_output, x, weight)
        rows, grad_rows = x.flatten(0, -2), grad_output.flatten(0, -2)
        return tuple(
            wrong if wrong is not None else good for wrong, good in zip(change(grad_rows, rows, weight), right, strict=True)
        )

    return backward


_FLATTEN = "wrong exactly when `grad_output` has more than two axes: flatten what stands in front"
_FLATTEN_MORE = (
    "`grad_output.flatten(0, -2)` makes one axis of all those in front of the features: rows $(N, K)$, whatever N counts."
)


linear_backward = Exercise(
    chapter="02",
    name="linear_backward",
    title="The linear layer, backwards",
    minutes=20,
    difficulty=2,
    equation="Eq. 2.10",
    oracle=_linear,
    cases=_linear_cases,
    call=_quietly,
    shapes={"grad_output": "N K", "x": "N D", "weight": "K D"},
    returns=("grad_x", "grad_weight", "grad_bias"),
    solution=_linear_solution,
    mistakes=[
        Mistake(
            _by_rows(lambda g, x, w: (None, (g.mT @ x) / len(x), g.sum(0) / len(g))),
            "averaged over the batch: the gradients of weight and bias are sums over all rows",
            "If the loss is a mean over the batch, the factor 1/N is in the upstream gradient already.",
        ),
        Mistake(
            _by_rows(lambda g, x, w: (None, None, g.mean(0))),
            "the bias's gradient is averaged over the rows: the bias was copied into every row, so its gradient is their sum",
        ),
        Mistake(
            lambda grad_output, x, weight: (
                grad_output @ weight,
                torch.einsum("...k,...d->dk", grad_output, x),
                grad_output.flatten(0, -2).sum(0),
            ),
            "the weight's gradient is transposed: it has the weight's shape, (K, D), so it is $\\bar Y^\\top X$",
        ),
        Mistake(
            lambda grad_output, x, weight: (
                grad_output @ weight.mT,
                grad_output.flatten(0, -2).mT @ x.flatten(0, -2),
                grad_output.flatten(0, -2).sum(0),
            ),
            "`grad_output @ weight.T` fits only when the weight is square, and is wrong even then: forwards is $XW^\\top$, backwards $\\bar Y\\,W$",
        ),
        Mistake(
            lambda grad_output, x, weight: (grad_output @ weight, grad_output.T @ x, grad_output.flatten(0, -2).sum(0)),
            _FLATTEN,
            _FLATTEN_MORE,
        ),
        Mistake(
            lambda grad_output, x, weight: (grad_output @ weight, grad_output.mT @ x, grad_output.sum(0)),
            _FLATTEN,
            _FLATTEN_MORE,
        ),
        Mistake(
            lambda grad_output, x, weight: (grad_output @ weight, grad_output.mT @ x, grad_output.flatten(0, -2).sum(0)),
            _FLATTEN,
            _FLATTEN_MORE,
        ),
        Mistake(
            lambda grad_output, x, weight: (*_linear(grad_output, x, weight)[:2], grad_output.sum(0)),
            _FLATTEN,
            _FLATTEN_MORE,
        ),
        Mistake(
            _by_rows(lambda g, x, w: (None, None, g)),
            "the bias's gradient still has one row for every example: sum over them",
        ),
        *(
            Mistake(
                _in_order(order), "right, but in another order: first the input's gradient, then the weight's, then the bias's"
            )
            for order in list(itertools.permutations(range(3)))[1:]
        ),
    ],
    hints=[
        "For the input: $y_{nk} = \\sum_d x_{nd} w_{kd}$. Which outputs contain $x_{nd}$, and with which factor? All $k$ of row $n$, with $w_{kd}$.",
        "For the weight: $w_{kd}$ is in the outputs $y_{nk}$ of all rows $n$, with the factor $x_{nd}$. A sum over $n$ of two factors is a matrix product.",
        "With `rows = x.flatten(0, -2)` and `grad_rows = grad_output.flatten(0, -2)`: `grad_output @ weight`, `grad_rows.T @ rows`, `grad_rows.sum(0)`.",
    ],
)


def _xent(logits, labels):
    return ops.cross_entropy_backward(logits.new_ones(()), logits, labels).input


def _xent_solution(logits, labels):
    shifted = logits - logits.max(1, keepdim=True).values
    p = shifted.exp() / shifted.exp().sum(1, keepdim=True)
    y = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return (p - y) / len(logits)


def _xent_cases(draw):
    yield Case(torch.zeros(1, 2, dtype=torch.float64), torch.tensor([1]), label="no idea between two classes")
    yield Case(draw.integers(1, 3), torch.tensor([2]), label="one example")
    yield Case(draw.integers(3, 3), torch.tensor([0, 2, 1]), label="a square")
    yield Case(draw.normal(4, 6), torch.tensor([5, 0, 0, 3]))
    yield Case(draw.normal(3, 4), torch.tensor([1, 0, 1]), label="the last classes do not occur")
    yield Case(torch.tensor([[0.0, 800.0], [-900.0, 0.0]], dtype=torch.float64), torch.tensor([0, 1]), label="large logits")


def _naive_softmax(logits):
    return logits.exp() / logits.exp().sum(1, keepdim=True)


cross_entropy_backward = Exercise(
    chapter="02",
    name="cross_entropy_backward",
    title="Softmax and cross-entropy, backwards",
    minutes=15,
    difficulty=2,
    equation="Eq. 2.14",
    oracle=_xent,
    cases=_xent_cases,
    shapes={"logits": "N K"},
    solution=_xent_solution,
    mistakes=[
        Mistake(
            lambda logits, labels: _xent(logits, labels) * len(logits),
            "the loss is the mean over the batch: divide by N",
        ),
        Mistake(
            lambda logits, labels: -_xent(logits, labels),
            "the sign is turned: it is $p - t$. Raising the right class's logit lowers the loss",
        ),
        Mistake(
            lambda logits, labels: logits.softmax(1) / len(logits),
            "the target is not subtracted: $p - t$, with $t$ one at the right class",
        ),
        Mistake(
            lambda logits, labels: (_naive_softmax(logits) - F.one_hot(labels, logits.shape[1])) / len(logits),
            "large logits overflow: subtract each row's largest logit before `exp`, it cancels",
        ),
        Mistake(
            lambda logits, labels: (logits.softmax(0) - F.one_hot(labels, logits.shape[1])) / len(logits),
            "the softmax runs over the batch (`dim=0`); each row has to sum to one (`dim=1`)",
        ),
        Mistake(
            lambda logits, labels: _xent(logits, labels) * len(logits) / logits.numel(),
            "divided by the number of logits: the mean is over the examples, so divide by N",
        ),
        Mistake(
            lambda logits, labels: (logits - F.one_hot(labels, logits.shape[1])) / len(logits),
            "the logits are taken for probabilities: put them through the softmax first",
        ),
        Mistake(
            lambda logits, labels: (logits.softmax(1) - F.one_hot(labels)) / len(logits),
            "`one_hot(labels)` guesses K from the largest label; pass the number of classes",
        ),
        Mistake(
            lambda logits, labels: (logits.softmax(1) - labels[:, None]) / len(logits),
            "the label's number is subtracted from the whole row: $y$ is one-hot, 1 at the right class and 0 elsewhere",
        ),
        Mistake(
            lambda logits, labels: (_naive_softmax(logits - logits.max()) - F.one_hot(labels, logits.shape[1])) / len(logits),
            "one largest logit for all rows: in a row far below it every `exp` is 0, and 0/0 follows. Each row needs its own",
            "`logits.max(1, keepdim=True).values` is the largest of each row, (N, 1).",
        ),
    ],
    hints=[
        "$p$ is the softmax along the classes, $y$ is one-hot: `F.one_hot(labels, K)`.",
        "Each row of the gradient is $(p - t)/N$: it sums to zero.",
        "For large logits: `shifted = logits - logits.max(1, keepdim=True).values` before `exp`. `torch.softmax` does it for you.",
    ],
)


def _centred(x, eps=1e-5):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    scale = 1 / (variance + eps).sqrt()
    return (x - mean) * scale, scale


def _norm(grad_output, x, gamma, eps=1e-5):
    return tuple(ops.layer_norm_backward(grad_output, x, (x.shape[-1],), gamma, torch.zeros_like(gamma), eps))


def _norm_solution(grad_output, x, gamma, eps=1e-5):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    sigma = (variance + eps).sqrt()  # (N, 1)
    x_hat = (x - mean) / sigma  # (N, D)
    G = grad_output * gamma  # (N, D)
    grad_x = (G - G.mean(-1, keepdim=True) - x_hat * (G * x_hat).mean(-1, keepdim=True)) / sigma
    return grad_x, (grad_output * x_hat).sum(0), grad_output.sum(0)


def _norm_cases(draw):
    def case(N, D, gamma=None, label="", **options):
        gamma = draw.normal(D) if gamma is None else gamma
        return Case(draw.normal(N, D), draw.normal(N, D), gamma, label=label, **options)

    yield case(1, 3, torch.ones(3, dtype=torch.float64), "one example, γ of ones")
    yield case(1, 3)
    yield case(3, 3, label="a square")
    yield case(2, 5, label="a large ε", eps=0.5)
    yield case(4, 6)


def _norm_with(change):
    """A wrong answer: change(G, x̂, 1/σ, grad_output) → what stands in for grad_x."""

    def backward(grad_output, x, gamma, eps=1e-5):
        x_hat, scale = _centred(x, eps)
        return change(grad_output * gamma, x_hat, scale, grad_output), (grad_output * x_hat).sum(0), grad_output.sum(0)

    return backward


def _project(G, x_hat):
    return G - G.mean(-1, keepdim=True) - x_hat * (G * x_hat).mean(-1, keepdim=True)


def _norm_over_batch(grad_output, x, gamma, eps=1e-5):
    mean, variance = x.mean(0, keepdim=True), x.var(0, keepdim=True, unbiased=False)
    scale = 1 / (variance + eps).sqrt()
    x_hat, G = (x - mean) * scale, grad_output * gamma
    grad_x = scale * (G - G.mean(0, keepdim=True) - x_hat * (G * x_hat).mean(0, keepdim=True))
    return grad_x, (grad_output * x_hat).sum(0), grad_output.sum(0)


def _norm_unbiased(grad_output, x, gamma, eps=1e-5):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=True)
    scale = 1 / (variance + eps).sqrt()
    x_hat, G = (x - mean) * scale, grad_output * gamma
    return scale * _project(G, x_hat), (grad_output * x_hat).sum(0), grad_output.sum(0)


def _norm_without_eps(grad_output, x, gamma, eps=1e-5):
    return _norm(grad_output, x, gamma, 0.0)


def _norm_std_plus_eps(grad_output, x, gamma, eps=1e-5):
    sigma = x.var(-1, keepdim=True, unbiased=False).sqrt() + eps
    x_hat = (x - x.mean(-1, keepdim=True)) / sigma
    return _project(grad_output * gamma, x_hat) / sigma, (grad_output * x_hat).sum(0), grad_output.sum(0)


def _norm_keeping(mean, variance, first, second):
    """A wrong answer: whether each of the four means over a row keeps its axis."""

    def backward(grad_output, x, gamma, eps=1e-5):
        sigma = (x.var(-1, keepdim=variance, unbiased=False) + eps).sqrt()
        x_hat, G = (x - x.mean(-1, keepdim=mean)) / sigma, grad_output * gamma
        grad_x = (G - G.mean(-1, keepdim=first) - x_hat * (G * x_hat).mean(-1, keepdim=second)) / sigma
        return grad_x, (grad_output * x_hat).sum(0), grad_output.sum(0)

    return backward


def _norm_mean_of_all(first, second):
    """A wrong answer: which of the two means of Eq. 2.17 runs over all rows together."""

    def grad_x(G, x_hat, scale, g):
        along = G * x_hat
        mean = G.mean() if first else G.mean(-1, keepdim=True)
        return scale * (G - mean - x_hat * (along.mean() if second else along.mean(-1, keepdim=True)))

    return _norm_with(grad_x)


_KEEPDIM = "this broadcast a row's mean along the wrong axis: `keepdim=True`"
_ALL_ROWS = "a mean here runs over all rows together; every row has its own: `mean(-1, keepdim=True)`"


layer_norm_backward = Exercise(
    chapter="02",
    name="layer_norm_backward",
    title="LayerNorm, backwards",
    minutes=15,
    difficulty=2,
    equation="Eq. 2.17",
    oracle=_norm,
    cases=_norm_cases,
    shapes={"grad_output": "N D", "x": "N D", "gamma": "D"},
    returns=("grad_x", "grad_gamma", "grad_beta"),
    solution=_norm_solution,
    mistakes=[
        Mistake(
            _norm_with(lambda G, x_hat, scale, g: scale * G),
            "mean and variance are taken for constants: they move when $x$ moves, and two terms are missing",
        ),
        Mistake(
            _norm_with(lambda G, x_hat, scale, g: scale * (G - G.mean(-1, keepdim=True))),
            "the path through the variance is missing: subtract $\\hat x\\,\\mathrm{mean}(G \\odot \\hat x)$, too",
        ),
        Mistake(
            _norm_with(lambda G, x_hat, scale, g: scale * (G - x_hat * (G * x_hat).mean(-1, keepdim=True))),
            "the path through the mean is missing: subtract $\\mathrm{mean}(G)$, too",
        ),
        Mistake(
            _norm_with(lambda G, x_hat, scale, g: scale * _project(g, x_hat)),
            "$\\gamma$ is missing: the gradient at $\\hat x$ is $G = \\gamma \\odot \\bar Y$",
        ),
        Mistake(
            _norm_with(lambda G, x_hat, scale, g: (scale * _project(g, x_hat)) * (G / g)),
            "$\\gamma$ comes last here, after the two means were taken; it belongs into $G$, before them",
            "Backwards means in the opposite order: $\\gamma$ was the last step of the forward pass, so it is the first here.",
        ),
        Mistake(
            _norm_with(
                lambda G, x_hat, scale, g: scale * (G - G.sum(-1, keepdim=True) - x_hat * (G * x_hat).sum(-1, keepdim=True))
            ),
            "sums in place of means: $\\mu$ and $\\sigma^2$ are means, so each has a factor $1/D$",
        ),
        Mistake(
            _norm_with(lambda G, x_hat, scale, g: _project(G, x_hat)),
            "the factor $1/\\sigma$ is missing",
        ),
        Mistake(
            _norm_over_batch,
            "mean and variance run over the batch: that is BatchNorm. Here every row has its own",
        ),
        Mistake(
            _norm_unbiased,
            "the variance is divided by $D-1$; LayerNorm divides by $D$: `unbiased=False`",
        ),
        Mistake(_norm_without_eps, "$\\varepsilon$ is forgotten: $\\sigma = \\sqrt{\\text{variance} + \\varepsilon}$"),
        Mistake(_norm_std_plus_eps, "ε belongs under the root: √(variance + ε), not √variance + ε"),
        *(
            Mistake(_norm_keeping(*kept), _KEEPDIM, "A row's mean needs the shape (N, 1) to stand beside (N, D).")
            for kept in itertools.product((False, True), repeat=4)
            if not all(kept)
        ),
        *(Mistake(_norm_mean_of_all(*which), _ALL_ROWS) for which in ((True, False), (False, True), (True, True))),
        Mistake(
            lambda grad_output, x, gamma, eps=1e-5: (
                *_norm(grad_output, x, gamma, eps)[:1],
                (grad_output * gamma * _centred(x, eps)[0]).sum(0),
                grad_output.sum(0),
            ),
            "$\\bar\\gamma$ is computed from $G$: $\\gamma$ is in $G$ already. It is $\\sum_n \\bar y_n \\odot \\hat x_n$",
        ),
        Mistake(
            lambda grad_output, x, gamma, eps=1e-5: (
                *_norm(grad_output, x, gamma, eps)[:1],
                (grad_output * x).sum(0),
                grad_output.sum(0),
            ),
            "$\\bar\\gamma$ is computed from $x$: what $\\gamma$ was multiplied with is $\\hat x$",
        ),
    ],
    hints=[
        "Compute $\\mu$, $\\sigma$ and $\\hat x$ again as in the forward pass, each over the last axis with `keepdim=True`, then `G = grad_output * gamma`.",
        "Three paths lead from $x_i$ to the outputs: directly, through $\\mu$, through $\\sigma$. Eq. 2.17 has one term for each.",
        "`(G - G.mean(-1, keepdim=True) - x_hat * (G * x_hat).mean(-1, keepdim=True)) / sigma`; for γ and β sum over the rows.",
    ],
    afterword="What LayerNorm ignores in the forward pass, a shift and a scale of its input, the gradient does not contain in the backward pass.",
)


def _mlp(x, labels, w1, b1, w2, b2):
    z = x @ w1.mT + b1
    a = z.clamp(min=0)
    logits = a @ w2.mT + b2
    grad_logits = _xent(logits, labels)
    grad_z = (grad_logits @ w2) * (z > 0)
    return grad_z.mT @ x, grad_z.sum(0), grad_logits.mT @ a, grad_logits.sum(0)


def _mlp_solution(x, labels, w1, b1, w2, b2):
    z = x @ w1.T + b1  # (N, H)
    a = z.clamp(min=0)  # (N, H)
    p = (a @ w2.T + b2).softmax(1)  # (N, K)
    grad_logits = (p - F.one_hot(labels, p.shape[1])) / len(x)  # (N, K), Eq. 2.14
    grad_a = grad_logits @ w2  # (N, H), Eq. 2.10
    grad_z = grad_a * (z > 0)  # (N, H), Eq. 2.6
    return grad_z.T @ x, grad_z.sum(0), grad_logits.T @ a, grad_logits.sum(0)


def _mlp_variant(relu=lambda g, z: g * (z > 0), through=lambda z: z.clamp(min=0), last=lambda g: g, hidden=lambda a, z: a):
    """The two-layer network with one step of its backward pass replaced."""

    def gradients(x, labels, w1, b1, w2, b2):
        z = x @ w1.mT + b1
        grad_logits = last(_xent(z.clamp(min=0) @ w2.mT + b2, labels))
        grad_z = relu(grad_logits @ w2, z)
        return grad_z.mT @ x, grad_z.sum(0), grad_logits.mT @ hidden(z.clamp(min=0), z), grad_logits.sum(0)

    return gradients


def _mlp_cases(draw):
    def case(N, D, H, K, numbers=draw.normal, label=""):
        labels = torch.arange(N) % K
        return Case(numbers(N, D), labels, numbers(H, D), numbers(H), numbers(K, H), numbers(K), label=label)

    yield case(1, 2, 3, 2, draw.integers, "one example")
    yield case(2, 2, 2, 2, label="square weights")
    yield case(3, 4, 5, 3)
    yield case(6, 5, 4, 3)


def _mlp_mean_bias(x, labels, w1, b1, w2, b2):
    dw1, db1, dw2, db2 = _mlp(x, labels, w1, b1, w2, b2)
    return dw1, db1 / len(x), dw2, db2 / len(x)


mlp_gradients = Exercise(
    chapter="02",
    name="mlp_gradients",
    title="A network by hand",
    minutes=30,
    difficulty=3,
    oracle=_mlp,
    cases=_mlp_cases,
    shapes={"x": "N D", "w1": "H D", "w2": "K H"},
    returns=("grad_w1", "grad_b1", "grad_w2", "grad_b2"),
    solution=_mlp_solution,
    mistakes=[
        Mistake(_mlp_variant(relu=lambda g, z: g), "the ReLU lets every gradient through: multiply with $[z > 0]$"),
        Mistake(
            _mlp_variant(relu=lambda g, z: g.clamp(min=0)),
            "the ReLU is applied to the gradient: what decides is the sign of $z$, not that of the gradient",
        ),
        Mistake(
            _mlp_variant(relu=lambda g, z: g * z.clamp(min=0)),
            "the gradient is multiplied with the activation; the derivative of the ReLU is 1 or 0",
        ),
        Mistake(
            _mlp_variant(last=lambda g: g * len(g)),
            "the loss is the mean over the batch: $(p - t)/N$",
        ),
        Mistake(
            _mlp_variant(hidden=lambda a, z: z),
            "in the gradient of `w2` stands $z$; the second layer's input was the activation $a$",
        ),
        Mistake(_mlp_mean_bias, "the biases' gradients are averaged over the batch: the 1/N is in $(p - t)/N$ already"),
        Mistake(
            lambda x, labels, w1, b1, w2, b2: tuple(-gradient for gradient in _mlp(x, labels, w1, b1, w2, b2)),
            "every sign is turned: $p - t$, not $t - p$. (The minus of gradient descent belongs to the update.)",
        ),
        Mistake(
            lambda x, labels, w1, b1, w2, b2: _mlp(x, labels, w1, b1, w2, b2)[2:] + _mlp(x, labels, w1, b1, w2, b2)[:2],
            "the two layers are exchanged: first the gradients of `w1` and `b1`",
        ),
    ],
    hints=[
        "First the forward pass, and keep what the backward pass needs: $z = xW_1^\\top + b_1$, $a = \\max(z, 0)$, $p = \\mathrm{softmax}(aW_2^\\top + b_2)$.",
        "The backward pass reads the same line from its end: Eq. 2.14, then 2.10, 2.6, and 2.10 again.",
        "In code, three steps back: `grad_logits = (p - t) / N` (Eq. 2.14), `grad_a = grad_logits @ w2` (Eq. 2.10), `grad_z = grad_a * (z > 0)` (Eq. 2.6).",
        "Each layer's weight gradient is (gradient at its output)ᵀ @ (its input), its bias gradient the sum over the rows.",
    ],
    afterword="Three equations, applied in turn. Deeper networks repeat the middle two.",
)


def _central(function, x, step=1e-5):
    measured = torch.zeros_like(x)
    for i in range(x.numel()):
        nudge = torch.zeros_like(x)
        nudge.view(-1)[i] = step
        measured.view(-1)[i] = (function(x + nudge) - function(x - nudge)) / (2 * step)
    return measured


def _quotients(change):
    """change(function, x, nudge, step) for one number after the other."""

    def measure(function, x, step=1e-5):
        measured = torch.zeros_like(x)
        for i in range(x.numel()):
            nudge = torch.zeros_like(x)
            nudge.view(-1)[i] = step
            measured.view(-1)[i] = change(function, x, nudge, step)
        return measured

    return measure


def _never_put_back(function, x, step=1e-5):
    measured, moved = torch.zeros_like(x), x.clone()
    for i in range(x.numel()):
        nudge = torch.zeros_like(x)
        nudge.view(-1)[i] = step
        measured.view(-1)[i] = (function(moved + nudge) - function(moved - nudge)) / (2 * step)
        moved = moved + nudge
    return measured


def _kept_a_view(function, x, step=1e-5):
    measured, moved = torch.zeros_like(x), x.clone()
    flat = moved.view(-1)
    for i in range(x.numel()):
        old = flat[i]  # looks into `flat`, so it moves along
        flat[i] = old + step
        up = function(moved)
        flat[i] = old - step
        measured.view(-1)[i] = (up - function(moved)) / (2 * step)
        flat[i] = old
    return measured


def _exact(function, x, step=1e-5):
    leaf = x.detach().clone().requires_grad_()
    return torch.autograd.grad(function(leaf), leaf)[0]


def _difference_cases(draw):
    def cubes(x):
        return (x**3).sum()

    def products(x):
        return (x[0] ** 2 * x[1]).sum() + x.sin().sum()

    yield Case(cubes, draw.integers(2, low=1, high=4), step=0.5, label="cubes, a large step")
    yield Case(cubes, draw.integers(3, low=1, high=5), label="cubes")
    yield Case(products, draw.normal(2, 3), step=0.25, label="rows that meet, a large step")
    yield Case(products, draw.normal(2, 3))
    yield Case(lambda x: x.exp(), draw.normal(), step=0.1, label="a single number")


central_difference = Exercise(
    chapter="02",
    name="central_difference",
    title="A gradient that is measured",
    minutes=15,
    difficulty=1,
    equation="Eq. 2.18",
    oracle=_central,
    cases=_difference_cases,
    noise=1e-7,  # rounding, divided by the step
    tolerance=1e-7,
    float32=False,
    solution=_central,
    mistakes=[
        Mistake(
            _quotients(lambda function, x, nudge, step: (function(x + nudge) - function(x)) / step),
            "this is the one-sided difference: go a step to both sides of $x$",
        ),
        Mistake(
            _quotients(lambda function, x, nudge, step: (function(x + nudge) - function(x - nudge)) / step),
            "divided by $h$; the two points are $2h$ apart",
        ),
        Mistake(
            _quotients(lambda function, x, nudge, step: (function(x - nudge) - function(x + nudge)) / (2 * step)),
            "the sign is turned: forward minus backward",
        ),
        Mistake(
            _kept_a_view,
            "`old = x[i]` is a view, no copy: when the number in the tensor changes, so does `old`. Keep `x[i].item()`",
            "The second point was then $x$ itself: a one-sided difference, and half of it.",
        ),
        Mistake(
            _never_put_back,
            "the numbers are nudged and not put back: each derivative is taken at another point",
        ),
        Mistake(
            lambda function, x, step=1e-5: torch.ones_like(x) * (function(x + step) - function(x - step)) / (2 * step),
            "all numbers are nudged at once: one at a time, or their derivatives cannot be told apart",
        ),
        Mistake(
            _exact,
            "This does not depend on `step`: is the step fixed inside your function, or is this autograd's exact derivative?",
            "With a step of 0.5 the difference is far from the derivative, and the check compares with the difference.",
        ),
    ],
    hints=[
        "A loop over `range(x.numel())`. In each round a tensor of zeros with one number `step`: `nudge.view(-1)[i] = step`.",
        "`(function(x + nudge) - function(x - nudge)) / (2 * step)` is the derivative by number $i$.",
        "Collect them in `measured = torch.zeros_like(x)`, with `measured.view(-1)[i] = …`. `x` itself is never changed.",
    ],
)


def _block(grad_output, x, w1, b1, w2, b2):
    z = x @ w1.mT + b1
    a = z.clamp(min=0)
    grad_z = (grad_output @ w2) * (z > 0)
    return grad_output + grad_z @ w1, grad_z.mT @ x, grad_z.sum(0), grad_output.mT @ a, grad_output.sum(0)


def _block_solution(grad_output, x, w1, b1, w2, b2):
    z = x @ w1.T + b1
    a = z.clamp(min=0)
    grad_w2 = grad_output.T @ a  # what arrives at the second layer's output, not at its input
    grad_b2 = grad_output.sum(0)
    grad_a = grad_output @ w2
    grad_z = grad_a * (z > 0)
    grad_w1 = grad_z.T @ x  # a sum of products over the batch, not a product of sums
    grad_b1 = grad_z.sum(0)
    grad_x = grad_output + grad_z @ w1  # the shortcut passes on what it receives, not 1
    return grad_x, grad_w1, grad_b1, grad_w2, grad_b2


def _block_with(sums=False, inside=False, one=False):
    """The published backward pass with some of its three errors left in."""

    def backward(grad_output, x, w1, b1, w2, b2):
        z = x @ w1.mT + b1
        a, grad_a = z.clamp(min=0), grad_output @ w2
        grad_z = grad_a * (z > 0)
        grad_w1 = torch.outer(grad_z.sum(0), x.sum(0)) if sums else grad_z.mT @ x
        grad_w2 = (grad_a if inside else grad_output).mT @ a
        return (1 if one else grad_output) + grad_z @ w1, grad_w1, grad_z.sum(0), grad_w2, grad_output.sum(0)

    return backward


def _block_cases(draw):
    def case(N, D, upstream, w2, label):
        w2 = torch.eye(D, dtype=torch.float64) if w2 is None else w2
        upstream = torch.ones(N, D, dtype=torch.float64) if upstream is None else upstream
        return Case(upstream, draw.normal(N, D), draw.normal(D, D), draw.normal(D), w2, draw.normal(D), label=label)

    yield case(1, 2, None, None, "the author's test")
    yield case(3, 2, None, None, "a batch")
    yield case(1, 2, draw.integers(1, 2, low=2, high=5), None, "another upstream gradient")
    yield case(1, 2, None, draw.integers(2, 2) + torch.tensor([[0.0, 9.0], [0.0, 0.0]]).double(), "another second weight")
    yield case(4, 5, draw.normal(4, 5), draw.normal(5, 5), "all of it")


_SUMS = "`grad_w1` is still a product of two sums over the batch; it is the sum of the products"
_INSIDE = "`grad_w2` still uses the gradient at the second layer's input; it needs the one at its output"
_ONE = "the shortcut still passes on 1 in place of its upstream gradient"
_HUNT = "Run `hunt(repaired_backward, …)` and change one of its arguments at a time: each brings out one error."

repaired_backward = Exercise(
    chapter="02",
    name="repaired_backward",
    title="Repair it",
    minutes=20,
    difficulty=2,
    oracle=_block,
    cases=_block_cases,
    shapes={"grad_output": "N D", "x": "N D"},
    returns=("grad_x", "grad_w1", "grad_b1", "grad_w2", "grad_b2"),
    solution=_block_solution,
    mistakes=[
        Mistake(
            _block_with(sums=True), f"two errors found, one left: {_SUMS}", "Which argument of `hunt` makes more than one row?"
        ),
        Mistake(
            _block_with(inside=True),
            f"two errors found, one left: {_INSIDE}",
            "An identity matrix makes the two gradients equal.",
        ),
        Mistake(
            _block_with(one=True), f"two errors found, one left: {_ONE}", "Which upstream gradient cannot tell 1 from itself?"
        ),
        Mistake(_block_with(sums=True, inside=True), "one error found, the shortcut's; two are left", _HUNT),
        Mistake(_block_with(sums=True, one=True), "one error found, that of `grad_w2`; two are left", _HUNT),
        Mistake(_block_with(inside=True, one=True), "one error found, that of `grad_w1`; two are left", _HUNT),
        Mistake(_block_with(sums=True, inside=True, one=True), "all three errors are still in it", _HUNT),
    ],
    hints=[
        'Run `hunt` with one changed argument at a time: `batch=3`, then `upstream="random"`, then `second="random"`. Each brings out one error.',
        "With a batch `grad_w1` is wrong: does one example's gradient ever meet another example's input? With a random upstream gradient `grad_x` is wrong: what does an addition send to each of its two parents?",
        "With a random second weight `grad_w2` is wrong: in $\\bar W = \\bar Y^\\top X$ of Eq. 2.10, what is $\\bar Y$ for the second layer?",
    ],
    afterword="A batch of one, a loss that is a plain sum, an identity matrix: each makes a whole class of errors invisible.",
)
