"""Chapter 20, multi-task learning: uncertainty, DWA, conflict, PCGrad, the shortest combination, scales, and a bug hunt."""

import torch

from .case import Case
from .exercise import Exercise
from .task import Mistake
from .value import ValueExercise

__all__ = [
    "conflict",
    "dwa",
    "pcgrad_in_order",
    "repaired_training",
    "shortest",
    "survives",
    "weigh_by_uncertainty",
]


def _uncertainty(losses, s):
    return (0.5 * torch.exp(-s) * losses + 0.5 * s).sum()


def _loss_cases(draw):
    yield Case(torch.tensor([2.0], dtype=torch.float64), torch.tensor([0.0], dtype=torch.float64), label="one task, s = 0")
    yield Case(torch.tensor([2.0], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64), label="one task, s = 1")
    yield Case(torch.tensor([2.0, 4.0], dtype=torch.float64), torch.tensor([1.0, -1.0], dtype=torch.float64), label="two tasks")
    yield Case(draw.uniform(3, low=0.1, high=3), draw.normal(3), label="three tasks")


weigh_by_uncertainty = Exercise(
    chapter="20",
    name="weigh_by_uncertainty",
    title="Weighting by uncertainty",
    minutes=20,
    difficulty=1,
    equation="Eq. 20.4",
    oracle=_uncertainty,
    cases=_loss_cases,
    shapes={"losses": "K", "s": "K"},
    solution=_uncertainty,
    mistakes=[
        Mistake(
            lambda losses, s: (0.5 * torch.exp(-s) * losses).sum(),
            "the term $\\frac12 s_k$ is missing: then every $s_k$ grows without end, and all weights go to 0",
            "It is what is left of the Gaussian's $\\log\\sigma$. Without it, the cheapest way to a small loss is to call everything noise.",
        ),
        Mistake(
            lambda losses, s: (0.5 * torch.exp(s) * losses + 0.5 * s).sum(),
            "the sign in the exponent is flipped: $1/\\sigma^2 = e^{-s}$, so a noisy task weighs less",
        ),
        Mistake(
            lambda losses, s: (0.5 * torch.exp(-s) * losses - 0.5 * s).sum(),
            "the sign of $\\frac12 s_k$ is flipped: it must pull against the growth of $s_k$",
            "The minus before $\\log \\frac{1}{\\sigma}$ and the reciprocal inside it cancel: $-\\log\\frac1\\sigma = +\\log\\sigma$.",
        ),
        Mistake(
            lambda losses, s: (0.5 * torch.exp(-s) * losses + s).sum(),
            "the last term is $s_k$; but $\\log\\sigma = \\frac12\\log\\sigma^2 = \\frac12 s_k$",
        ),
        Mistake(
            lambda losses, s: (0.5 * torch.exp(-2 * s) * losses + s).sum(),
            "this takes $s$ for $\\log\\sigma$; here $s = \\log\\sigma^2$, so $1/\\sigma^2$ is $e^{-s}$",
        ),
        Mistake(
            lambda losses, s: (0.5 * torch.exp(-2 * s) * losses + 0.5 * s).sum(),
            "the exponent is doubled: $s = \\log\\sigma^2$ is the logarithm of the square already, so $1/\\sigma^2$ is $e^{-s}$",
        ),
        Mistake(
            lambda losses, s: (torch.exp(-s) * losses + 0.5 * s).sum(),
            "the factor ½ before the loss is missing: this is the form that is used for cross-entropy; the Gaussian has $\\frac{1}{2\\sigma^2}$",
        ),
        Mistake(
            lambda losses, s: (torch.exp(-s) * losses + s).sum(),
            "both factors ½ are missing: this is twice the value asked for",
        ),
        Mistake(
            lambda losses, s: _uncertainty(losses, s) / len(losses),
            "this is the mean over the tasks; the likelihoods are multiplied, so their logarithms are added",
        ),
        Mistake(
            lambda losses, s: 0.5 * torch.exp(-s) * losses + 0.5 * s,
            "this is one number for each task; add them up",
        ),
        Mistake(
            lambda losses, s: (0.5 * torch.exp(-s) * losses + 0.5 * torch.exp(s)).sum(),
            "the last term is $\\frac12\\sigma^2$; the Gaussian's normalising factor gives its *logarithm*, $\\frac12 s_k$",
        ),
    ],
    hints=[
        "Write $-\\log$ of the Gaussian density. Which two terms depend on $\\sigma$?",
        "With $s = \\log\\sigma^2$: $1/\\sigma^2 = e^{-s}$ and $\\log\\sigma = s/2$.",
        "`(0.5 * torch.exp(-s) * losses + 0.5 * s).sum()`",
    ],
    afterword="Why $s$ and not $\\sigma$? It may take any value, and no division by zero can happen.",
)  # fmt: skip


def _dwa(last, before, temperature):
    return len(last) * torch.softmax(last / before / temperature, 0)


def _dwa_cases(draw):
    yield Case(
        torch.tensor([1.0, 1.0], dtype=torch.float64), torch.tensor([2.0, 1.0], dtype=torch.float64), 0.5, label="one task halved"
    )
    yield Case(draw.uniform(3, low=0.2, high=2), draw.uniform(3, low=0.2, high=2), 2.0, label="three tasks")


dwa = Exercise(
    chapter="20",
    name="dwa",
    title="Dynamic weight average",
    minutes=10,
    difficulty=1,
    equation="Eq. 20.6",
    oracle=_dwa,
    cases=_dwa_cases,
    shapes={"last": "K", "before": "K"},
    solution=_dwa,
    mistakes=[
        Mistake(
            lambda last, before, temperature: len(last) * torch.softmax(before / last / temperature, 0),
            "the ratio is upside down: the task that fell *least*, with $L(t-1)/L(t-2)$ near 1, must weigh more",
        ),
        Mistake(
            lambda last, before, temperature: torch.softmax(last / before / temperature, 0),
            "the factor $K$ is missing: the weights must add up to the number of tasks, as equal ones do",
        ),
        Mistake(
            lambda last, before, temperature: len(last) * torch.softmax(last / before, 0),
            "the temperature is missing",
        ),
        Mistake(
            lambda last, before, temperature: len(last) * torch.softmax(last / before * temperature, 0),
            "the ratios are multiplied by $T$: a larger temperature makes the weights more alike, so divide",
        ),
        Mistake(
            lambda last, before, temperature: len(last) * torch.softmax((last - before) / temperature, 0),
            "this compares differences of losses; a ratio does not depend on the scale of the loss",
        ),
        Mistake(
            lambda last, before, temperature: len(last) * torch.softmax(last / temperature, 0),
            "this weighs by the losses themselves; DWA weighs by how fast they fall",
        ),
        Mistake(
            lambda last, before, temperature: len(last) * (last / before) / (last / before).sum(),
            "the ratios are divided by their sum; Eq. 20.6 has a softmax of them",
        ),
    ],
    hints=[
        "First the ratios $q_k$, one division. Near 1 means: hardly fell.",
        "`torch.softmax(…, 0)` makes shares that add up to 1; the weights should add up to $K$.",
        "`len(last) * torch.softmax(last / before / temperature, 0)`",
    ],
)  # fmt: skip


def _rows(first, second, parameters):
    rows = []
    for loss in (first, second):
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        rows.append([torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)])
    return rows


def _flattened(first, second, parameters):
    return [torch.cat([g.flatten() for g in row]) for row in _rows(first, second, parameters)]


def _conflict(first, second, parameters):
    rows = []
    for loss in (first, second):
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        found = [torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)]
        rows.append(torch.cat([g.flatten() for g in found]))
    g1, g2 = rows
    return g1 @ g2 / (g1.norm() * g2.norm())


def _conflict_of(combine):
    return lambda first, second, parameters: combine(*_flattened(first, second, parameters))


def _accumulated(first, second, parameters):
    g1, g2 = _flattened(first, second, parameters)
    return g1 @ (g1 + g2) / (g1.norm() * (g1 + g2).norm())


def _by_parameter(first, second, parameters):
    rows = _rows(first, second, parameters)
    cosines = [(a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-30) for a, b in zip(*rows, strict=True)]
    return torch.stack(cosines).mean()


def _first_parameter(first, second, parameters):
    g1, g2 = (row[0].flatten() for row in _rows(first, second, parameters))
    return g1 @ g2 / (g1.norm() * g2.norm())


def _call_conflict(answer, x, weight, bias, last, first, second):
    """Two losses of one small network: the second does not depend on ``last``."""
    weight, bias, last = (p.requires_grad_() for p in (weight, bias, last))
    hidden = torch.tanh(x @ weight + bias)  # (N, 2)
    losses = ((hidden @ last - first) ** 2).mean(), ((hidden.sum(1) - second) ** 2).mean()
    return answer(*losses, [weight, bias, last]).detach()


def _conflict_cases(draw):
    for n, label in ((2, "two examples"), (5, "five examples"), (6, "six examples")):
        yield Case(
            draw.normal(n, 3), draw.normal(3, 2), draw.normal(2), draw.normal(2), draw.normal(n), draw.normal(n), label=label
        )


conflict = Exercise(
    chapter="20",
    name="conflict",
    title="Do two tasks conflict?",
    minutes=20,
    difficulty=2,
    equation="Eq. 20.8",
    oracle=_conflict,
    call=_call_conflict,
    cases=_conflict_cases,
    solution=_conflict,
    mistakes=[
        Mistake(
            _accumulated,
            "the second gradient is the sum of both: `.backward()` adds to `.grad`, so the first task's is still in it",
            "`torch.autograd.grad` returns a gradient and touches nobody's `.grad`.",
        ),
        Mistake(
            _conflict_of(lambda a, b: a @ b),
            "this is the product $g_1\\cdot g_2$; divide by both lengths, so that only the angle counts",
        ),
        Mistake(
            _conflict_of(lambda a, b: a @ b / (a @ a) / (b @ b)),
            "the product is divided by the *squares* of the lengths",
        ),
        Mistake(
            _conflict_of(lambda a, b: torch.rad2deg(torch.arccos(a @ b / (a.norm() * b.norm())))),
            "this is the angle in degrees; the cosine was asked for",
        ),
        Mistake(
            _conflict_of(lambda a, b: torch.arccos(a @ b / (a.norm() * b.norm()))),
            "this is the angle; the cosine was asked for",
        ),
        Mistake(
            _conflict_of(lambda a, b: 1 - a @ b / (a.norm() * b.norm())),
            "this is 1 minus the cosine, a distance; for a conflict the cosine is negative",
        ),
        Mistake(
            _by_parameter,
            "this is the mean of one cosine for each parameter; put all parameters into one long vector first",
        ),
        Mistake(
            _first_parameter,
            "only the first parameter is compared; put all of them into one long vector",
        ),
    ],
    hints=[
        "`torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)` gives one tensor for each parameter, or None where the loss does not depend on it.",
        "Put zeros in place of None, flatten, and `torch.cat`: one vector for each task.",
        "`g1 @ g2 / (g1.norm() * g2.norm())`",
    ],
    afterword="In high dimensions two random directions are nearly at right angles: cosines near 0 are no news.",
)  # fmt: skip


def _pcgrad(gradients):
    total = torch.zeros_like(gradients[0])
    for i in range(len(gradients)):
        g = gradients[i]
        for j in range(len(gradients)):
            product = g @ gradients[j]
            if j != i and product < 0:
                g = g - product / (gradients[j] @ gradients[j]) * gradients[j]
        total = total + g
    return total


def _pcgrad_variant(
    meets=lambda G, done, j: G[j], when=lambda p, first: p < 0, length=lambda g, h: h @ h, end=lambda rows: rows.sum(0), sign=-1
):
    def pcgrad(gradients):
        done = gradients.clone()
        for i in range(len(gradients)):
            g = gradients[i]
            for j in range(len(gradients)):
                if j == i:
                    continue
                other = meets(gradients, done, j)
                product = g @ other
                if when(product, gradients[i] @ other):
                    g = g + sign * product / length(g, other) * other
            done[i] = g
        return end(done)

    return pcgrad  # fmt: skip


def _gradient_cases(draw):
    yield Case(torch.tensor([[1.0, 0.0], [-1.0, 1.0]], dtype=torch.float64), label="two that conflict")
    yield Case(torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=torch.float64), label="two that do not")
    yield Case(torch.tensor([[1.0, 0.0, 1.0], [-2.0, 1.0, 0.0], [0.0, -1.0, -1.0]], dtype=torch.float64), label="three tasks")
    yield Case(torch.tensor([[1.0, 0.0], [-1.0, 1.0], [-1.0, 2.0]], dtype=torch.float64), label="a conflict that goes away")
    yield Case(draw.normal(3, 4), label="three random ones")
    yield Case(draw.normal(4, 3), label="four random ones")


pcgrad_in_order = Exercise(
    chapter="20",
    name="pcgrad_in_order",
    title="Projecting conflicts away",
    minutes=25,
    difficulty=2,
    equation="Eq. 20.9",
    oracle=_pcgrad,
    cases=_gradient_cases,
    shapes={"gradients": "K P"},
    solution=_pcgrad,
    mistakes=[
        Mistake(
            _pcgrad_variant(meets=lambda G, done, j: done[j]),
            "later tasks meet gradients that are projected already: each must meet the *given* $g_j$, or the order of the tasks decides who gives way",
            "Keep `gradients` as it is and work on a copy of one row.",
        ),
        Mistake(
            _pcgrad_variant(when=lambda p, first: True),
            "it projects always: where two gradients agree there is nothing to take away",
        ),
        Mistake(
            _pcgrad_variant(when=lambda p, first: p > 0),
            "the condition is the wrong way round: a conflict is a *negative* product",
        ),
        Mistake(
            _pcgrad_variant(length=lambda g, h: h.norm()),
            "divided by the length of $g_j$; the projection divides by its square",
        ),
        Mistake(
            _pcgrad_variant(length=lambda g, h: g @ g),
            "divided by $\\|g\\|^2$; the part along $g_j$ is $(g\\cdot g_j/\\|g_j\\|^2)\\,g_j$",
        ),
        Mistake(
            _pcgrad_variant(sign=1),
            "the part that opposes is added once more in place of taken away",
        ),
        Mistake(
            _pcgrad_variant(end=lambda rows: rows.mean(0)),
            "this is the mean; PCGrad adds the projected gradients up",
        ),
        Mistake(
            _pcgrad_variant(when=lambda p, first: first < 0),
            "the condition asks the original $g_i$; after a projection ask what is left of it: the conflict may be gone",
        ),
        Mistake(
            lambda gradients: gradients.sum(0),
            "this is the plain sum: nothing is projected",
        ),
    ],
    hints=[
        "Two loops: over the tasks $i$, and for each over the others $j = 0, 1, \\dots$",
        "Keep a running $g$, at first $g_i$. Whenever `g @ gradients[j] < 0`, take its part along $g_j$ away.",
        "`g = g - (g @ gradients[j]) / (gradients[j] @ gradients[j]) * gradients[j]`; add the $K$ results.",
    ],
    afterword="With three tasks the result may still oppose one of them: a later projection can undo an earlier one. That is why the paper draws the order anew at every step.",
)  # fmt: skip


def _shortest(first, second):
    apart = first - second
    length = apart @ apart
    if length == 0:
        return torch.full_like(length, 0.5)
    return (-(apart @ second) / length).clamp(0, 1)


def _shortest_variant(value, clip=True, swap=False):
    def shortest(first, second):
        apart = first - second
        if apart @ apart == 0:
            return torch.full_like(apart[0], 0.5)
        weight = value(first, second, apart)
        weight = 1 - weight if swap else weight
        return weight.clamp(0, 1) if clip else weight

    return shortest


def _right_weight(a, b, apart):
    return -(apart @ b) / (apart @ apart)


def _pair_cases(draw):
    f64 = {"dtype": torch.float64}
    yield Case(torch.tensor([1.0, 0.0], **f64), torch.tensor([0.0, 2.0], **f64), label="at right angles")
    yield Case(torch.tensor([1.0, 0.0], **f64), torch.tensor([3.0, 1.0], **f64), label="a long one beside a short one")
    yield Case(torch.tensor([4.0, 1.0], **f64), torch.tensor([1.0, 0.0], **f64), label="the short one second")
    yield Case(torch.tensor([2.0, 1.0], **f64), torch.tensor([2.0, 1.0], **f64), label="the same twice")
    yield Case(draw.normal(5), draw.normal(5), label="random")


def _call_shortest(answer, first, second):
    """A plain number will do, too."""
    weight = answer(first, second)
    plain = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    return torch.tensor(float(weight), dtype=first.dtype) if plain else weight


shortest = Exercise(
    chapter="20",
    name="shortest",
    title="The shortest combination of two gradients",
    minutes=20,
    difficulty=2,
    equation="Eq. 20.10",
    oracle=_shortest,
    call=_call_shortest,
    cases=_pair_cases,
    shapes={"first": "P", "second": "P"},
    solution=_shortest,
    mistakes=[
        Mistake(
            _shortest_variant(_right_weight, clip=False),
            "it is not clipped: a weight below 0 or above 1 would go against one of the tasks",
            "The parabola's lowest point may lie outside [0, 1]; then the nearest end is the answer: the shorter gradient alone.",
        ),
        Mistake(
            _shortest_variant(_right_weight, swap=True),
            "this is the weight of $g_2$; $\\gamma$ belongs to $g_1$",
        ),
        Mistake(
            _shortest_variant(lambda a, b, apart: apart @ b / (apart @ apart)),
            "the sign is flipped: the numerator is $(g_2 - g_1)\\cdot g_2$",
        ),
        Mistake(
            _shortest_variant(lambda a, b, apart: -(apart @ b) / apart.norm()),
            "divided by the distance; the derivative has its square, $\\|g_1 - g_2\\|^2$",
        ),
        Mistake(
            _shortest_variant(lambda a, b, apart: -(a @ b) / (apart @ apart)),
            "the numerator is $g_1\\cdot g_2$ alone: the term $\\|g_2\\|^2$ is missing",
        ),
        Mistake(
            _shortest_variant(lambda a, b, apart: b.norm() / (a.norm() + b.norm())),
            "this makes both parts equally long; the combination is then not the shortest, unless both gradients are",
        ),
        Mistake(
            lambda first, second: torch.where(
                (first == second).all(), first.new_tensor(0.5), (first @ first) / (first @ first + second @ second)
            ),
            "this is the larger weight for the longer gradient, and the product $g_1\\cdot g_2$ is missing",
        ),
        Mistake(
            lambda first, second: torch.where(
                (first == second).all(), first.new_tensor(0.5), (second @ second) / (first @ first + second @ second)
            ),
            "this is right only for gradients at right angles: the product $g_1\\cdot g_2$ is missing, above and below",
        ),
        Mistake(
            lambda first, second: (-((first - second) @ second) / ((first - second) @ (first - second))).clamp(0, 1),
            "the same gradient twice gives 0/0: there every weight is right, return ½",
        ),
    ],
    hints=[
        "Write $\\|\\gamma g_1 + (1-\\gamma) g_2\\|^2 = \\|g_2 + \\gamma\\,(g_1 - g_2)\\|^2$ and differentiate by $\\gamma$.",
        "$2\\,(g_1-g_2)\\cdot g_2 + 2\\gamma\\,\\|g_1-g_2\\|^2 = 0$. Outside [0, 1] take the nearest end.",
        "`(-(apart @ second) / (apart @ apart)).clamp(0, 1)` with `apart = first - second`; ½ where `apart` is zero.",
    ],
    afterword="Where the clip does not act, both tasks gain the same: $d\\cdot g_1 = d\\cdot g_2 = \\|d\\|^2$.",
)  # fmt: skip


survives = ValueExercise(
    chapter="20",
    name="survives",
    title="Who survives a factor of 100?",
    minutes=20,
    difficulty=3,
    oracle=(False, True, False, False, False, True),
    mistakes=[
        Mistake(
            lambda answer: len(answer) == 6 and answer[2] is True,
            "look at DWA again: its weights do not see the factor, for they are made of ratios. But what do they multiply?",
            "The loss with its factor. Weights that ignore a scale cannot cancel it.",
            example=(False, True, True, False, False, True),
        ),
        Mistake(
            lambda answer: len(answer) == 6 and answer[0] is True,
            "look at the sum again: $100\\,g_1 + g_2$ is nearly parallel to $g_1$. Adam divides by the size of the whole, which does not turn it back",
            example=(True, True, False, False, False, True),
        ),
        Mistake(
            lambda answer: len(answer) == 6 and answer[3] is True,
            "look at PCGrad again: $g_1$ freed of its conflict is still 100 times as long; $g_2$ freed of its conflict has not changed",
            example=(False, True, False, True, False, True),
        ),
        Mistake(
            lambda answer: len(answer) == 6 and answer[4] is True,
            "look at MGDA again: when $g_1$ gets very long, which gradient does the shortest combination approach?",
            "It fails in the other direction: the task with the *small* loss is served.",
            example=(False, True, False, False, True, True),
        ),
        Mistake(
            lambda answer: len(answer) == 6 and answer[1] is False,
            "look at uncertainty weighting again: where $s$ has settled, a loss weighs $1/(2L)$. Put $100 L$ into it",
            example=(False, False, False, False, False, True),
        ),
        Mistake(
            lambda answer: len(answer) == 6 and answer[5] is False,
            "look at the last row again: it is computed from gradients of length 1, and $100\\,g_1$ and $g_1$ have the same",
            example=(False, True, False, False, False, False),
        ),
    ],
    hints=[
        "Replace $g_1$ by $100\\,g_1$ (and $L_1$ by $100\\,L_1$) in each formula. Does the result only change its length, or its direction?",
        "For the two that look at gradients: draw $g_1$ very long. For the three that look at losses: write down what finally multiplies $g_1$.",
        "Two of the six are True.",
    ],
    afterword="GradNorm joins them, once its weights have arrived. CAGrad turns, but only so far: however long $g_1$ gets, its direction tends to $u_1 + c\\,u_2$, with $u_k = g_k/\\|g_k\\|$.",
)  # fmt: skip


def _trained(theta, s, A, b, lr, steps, moves=True, log=1, fresh=True, mean=False):
    theta, s = theta.detach().clone().requires_grad_(), s.detach().clone().requires_grad_()
    optimizer = torch.optim.SGD([theta, s] if moves else [theta], lr=lr)
    for _ in range(steps):
        losses = ((A @ theta - b) ** 2).mean(1)  # (K,)
        weighted = 0.5 * (-s).exp() * losses + 0.5 * log * s
        grads = torch.stack([torch.autograd.grad(loss, theta, retain_graph=True)[0] for loss in weighted])
        s.grad = torch.autograd.grad(weighted.sum(), s)[0]
        given, done = (grads.clone() if fresh else grads), grads
        for i in range(len(grads)):
            for j in range(len(grads)):
                product = done[i] @ given[j]
                if j != i and product < 0:
                    done[i] -= product / (given[j] @ given[j]) * given[j]
        theta.grad = done.mean(0) if mean else done.sum(0)
        optimizer.step()
    return theta.detach(), s.detach()


def _repaired(theta, s, A, b, lr, steps):
    return _trained(theta, s, A, b, lr, steps)


def _repaired_solution(theta, s, A, b, lr, steps):
    theta, s = theta.clone().requires_grad_(), s.clone().requires_grad_()
    optimizer = torch.optim.SGD([theta, s], lr=lr)
    for _ in range(steps):
        losses = ((A @ theta - b) ** 2).mean(1)  # (K,)
        weighted = 0.5 * (-s).exp() * losses + 0.5 * s
        grads = torch.stack([torch.autograd.grad(loss, theta, retain_graph=True)[0] for loss in weighted])
        s.grad = torch.autograd.grad(weighted.sum(), s)[0]
        projected = grads.clone()
        for i in range(len(grads)):
            for j in range(len(grads)):
                product = projected[i] @ grads[j]
                if j != i and product < 0:
                    projected[i] -= product / (grads[j] @ grads[j]) * grads[j]
        theta.grad = projected.sum(0)
        optimizer.step()
    return theta.detach(), s.detach()


def _left(**errors):
    return lambda theta, s, A, b, lr, steps: _trained(theta, s, A, b, lr, steps, **errors)


def _training_cases(draw):
    f64 = {"dtype": torch.float64}
    A, b = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]], **f64), torch.tensor([[2.0], [-2.0]], **f64)
    yield Case(torch.zeros(2, **f64), torch.tensor([0.0, 1.0], **f64), A, b, 0.1, 1, label="two tasks, one step")
    yield Case(torch.zeros(2, **f64), torch.tensor([0.0, 1.0], **f64), A, b, 0.1, 5, label="two tasks, five steps")
    yield Case(draw.normal(3), draw.normal(3), draw.normal(3, 4, 3), draw.normal(3, 4), 0.05, 4, label="three tasks, four steps")


_STILL = "$s$ has not moved: no optimiser knows it"
_COLLAPSE = "every $s_k$ only grows: the loss has nothing that pulls it back, and the weights go to 0"
_ALREADY = "later tasks meet gradients that are projected already, so the order of the tasks decides who gives way"

repaired_training = Exercise(
    chapter="20",
    name="repaired_training",
    title="Repair it",
    minutes=25,
    difficulty=3,
    oracle=_repaired,
    cases=_training_cases,
    returns=("theta", "s"),
    solution=_repaired_solution,
    mistakes=[
        Mistake(
            _left(moves=False),
            f"{_STILL}; the projections are right. When it moves, look at the loss again: what pulls it back?",
            "A tensor with `requires_grad` learns only if an optimiser holds it. `fit` refuses such an optimizer.",
        ),
        Mistake(_left(log=0), f"two errors found, one left: {_COLLAPSE}"),
        Mistake(_left(fresh=False), f"two errors found, one left: {_ALREADY}"),
        Mistake(_left(moves=False, fresh=False), f"at least two errors are left: {_STILL}; and {_ALREADY}"),
        Mistake(_left(log=0, fresh=False), f"one error found, two are left: {_COLLAPSE}; and {_ALREADY}"),
        Mistake(_left(log=2), "all three errors are found, but the logarithm is too large: $\\log\\sigma_k$ is $\\frac12 s_k$"),
        Mistake(_left(mean=True), "all three errors are gone, and something new has come: the projected gradients are added, not averaged"),
    ],
    hints=[
        "Ask it three questions: does $s$ change? If so, does it stop somewhere? Does the result stay the same when the tasks change places?",
        "The optimiser must hold `theta` and `s`. And compare the line with `weighted` with Eq. 20.4.",
        "Before the loops `projected = grads.clone()`; change the rows of `projected`, compare with those of `grads`.",
    ],
    afterword="All three stand in published code, and none of them stops training. The losses fall with each.",
)  # fmt: skip
