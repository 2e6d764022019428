"""Chapter 08, long short-term memory: the cell, its bias, its gradient, a bug hunt, a memory task, the GRU, both directions."""

import math

import torch

from mmlearn.ops.lstm import lstm_cell_backward

from .case import Case
from .exercise import Exercise
from .task import Mistake

__all__ = [
    "bias_for",
    "both_ways",
    "gru_step",
    "lstm_step",
    "lstm_step_backward",
    "memory_task",
    "repaired_backward",
]


def _step(x, h, c, w_ih, w_hh, b):
    return torch.lstm_cell(x, (h, c), w_ih, w_hh, b, torch.zeros_like(b))


def _step_solution(x, h, c, w_ih, w_hh, b):
    i, f, g, o = (x @ w_ih.T + h @ w_hh.T + b).chunk(4, dim=1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c_new = f * c + i * g
    return o * c_new.tanh(), c_new


def _step_variant(
    order=(0, 1, 2, 3),
    squash=torch.tanh,
    cell=lambda i, f, g, c: f * c + i * g,
    state=lambda o, new, old: o * new.tanh(),
    sums=lambda x, h, w_ih, w_hh, b: x @ w_ih.T + h @ w_hh.T + b,
    result=lambda h, c: (h, c),
):
    def step(x, h, c, w_ih, w_hh, b):
        parts = sums(x, h, w_ih, w_hh, b).chunk(4, dim=1)
        i, f, g, o = (parts[n] for n in order)
        i, f, g, o = i.sigmoid(), f.sigmoid(), squash(g), o.sigmoid()
        new = cell(i, f, g, c)
        return result(state(o, new, c), new)

    return step


def _weights(draw, D, H, gates, numbers=None):
    numbers = numbers or draw.normal
    return numbers(gates * H, D), numbers(gates * H, H)


def _step_cases(draw):
    for N, D, H, label in ((1, 1, 1, "one unit"), (1, 2, 2, "two units"), (3, 2, 4, "a batch")):
        w_ih, w_hh = _weights(draw, D, H, 4)
        yield Case(draw.normal(N, D), draw.normal(N, H), draw.normal(N, H), w_ih, w_hh, draw.normal(4 * H), label=label)


lstm_step = Exercise(
    chapter="08",
    name="lstm_step",
    title="One step of an LSTM",
    minutes=15,
    difficulty=1,
    equation="Eq. 8.2",
    oracle=_step,
    cases=_step_cases,
    returns=("h'", "c'"),
    shapes={"x": "N D"},
    solution=_step_solution,
    mistakes=[
        Mistake(_step_variant(order=(0, 1, 3, 2)), "the last two quarters are exchanged: the rows are in the order i, f, g, o"),
        Mistake(
            _step_variant(order=(1, 0, 2, 3)),
            "the first two quarters are exchanged: i comes first and multiplies the candidate, f multiplies the old cell",
        ),
        Mistake(_step_variant(order=(0, 2, 1, 3)), "the two middle quarters are exchanged: f comes before g, as in i, f, g, o"),
        Mistake(_step_variant(squash=torch.sigmoid), "the candidate goes through σ: it needs tanh, so that a unit can also be lowered"),
        Mistake(_step_variant(state=lambda o, new, old: o * new), "the state is $o \\odot c'$; the cell has to go through tanh first"),
        Mistake(
            _step_variant(state=lambda o, new, old: o * old.tanh()),
            "the state shows the *old* cell: read the new one, after it was written",
        ),
        Mistake(
            _step_variant(cell=lambda i, f, g, c: c + i * g),
            "the forget gate is missing: this is the cell of 1997, which can only add",
        ),
        Mistake(
            _step_variant(cell=lambda i, f, g, c: f * c + (1 - f) * g),
            "the input gate is not used: here $1 - f$ stands in its place, which is the GRU's idea",
        ),
        Mistake(
            _step_variant(sums=lambda x, h, w_ih, w_hh, b: x @ w_ih.T + b),
            "the gates do not see the old state: $W_{hh} h$ is missing from the sums",
        ),
        Mistake(_step_variant(sums=lambda x, h, w_ih, w_hh, b: x @ w_ih.T + h @ w_hh.T), "the bias is missing from the sums"),
        Mistake(_step_variant(result=lambda h, c: (c, h)), "the two results are exchanged: return h' first, then c'"),
    ],
    hints=[
        "All four sums at once: `x @ w_ih.T + h @ w_hh.T + b` is (N, 4H). `.chunk(4, dim=1)` cuts it into quarters.",
        "i, f and o go through `sigmoid`, g through `tanh`. Then $c' = f \\odot c + i \\odot g$.",
        "`c_new = f * c + i * g`, and return `o * c_new.tanh(), c_new`.",
    ],
    afterword="One product for all four gates: on a GPU this is what makes an LSTM fast.",
)  # fmt: skip


def _bias(steps, share):
    f = share ** (1 / steps)
    return math.log(f / (1 - f))


bias_for = Exercise(
    chapter="08",
    name="bias_for",
    title="A bias for a given memory",
    minutes=10,
    difficulty=1,
    oracle=_bias,
    cases=lambda draw: [
        Case(2, 0.5, label="half of it after two steps"),
        Case(10, 0.5, label="a half-life of ten steps"),
        Case(100, 0.5),
        Case(60, 0.9),
        Case(3, 0.01, label="nearly everything gone"),
    ],
    float32=False,
    solution=_bias,
    mistakes=[
        Mistake(lambda steps, share: share ** (1 / steps), "this is the gate, $f$, not its bias: what must go into σ to give it?"),
        Mistake(
            lambda steps, share: -_bias(steps, share),
            "the sign is turned: $\\sigma(b) = f$ means $b = \\ln \\frac{f}{1-f}$; a gate that is nearly open has a positive bias",
        ),
        Mistake(
            lambda steps, share: math.log(steps - 1),
            "this is Eq. 8.5, which leaves $(1 - 1/\\tau)^\\tau$ after $\\tau$ steps; here the share is given",
        ),
        Mistake(
            lambda steps, share: math.log(share / (1 - share)),
            "this gate keeps the share in *one* step; after so many steps it is multiplied that often",
        ),
        Mistake(
            lambda steps, share: math.log(share**steps / (1 - share**steps)),
            "the power is the wrong way round: $f^{\\,steps} = share$, so $f$ is a root",
        ),
        Mistake(
            lambda steps, share: math.log((1 - (1 - share) / steps) / ((1 - share) / steps)),
            "the loss is divided evenly among the steps; but shares multiply: $f^{\\,steps} = share$",
        ),
        Mistake(
            lambda steps, share: math.log10(share ** (1 / steps) / (1 - share ** (1 / steps))),
            "σ is made of powers of $e$: the logarithm must be the natural one, `math.log`",
        ),
    ],
    hints=[
        "After `steps` steps $f^{\\,steps}$ is left (Eq. 8.3). Which $f$ leaves the share?",
        "$f = share^{1/steps}$. Now solve $\\sigma(b) = 1/(1 + e^{-b}) = f$ for $b$.",
        "$e^{-b} = (1 - f)/f$, so `b = math.log(f / (1 - f))`.",
    ],
    afterword="For a share of $1/e$ and many steps this is Eq. 8.5, up to terms of the order of $1/\\tau$.",
)  # fmt: skip


def _backward(grad_h, grad_c, x, h, c, w_ih, w_hh, b):
    found = lstm_cell_backward((grad_h, grad_c), x, (h, c), w_ih, w_hh, b, None)
    return found.input, *found.hx, found.w_ih, found.w_hh, found.b_ih


def _backward_solution(grad_h, grad_c, x, h, c, w_ih, w_hh, b):
    i, f, g, o = (x @ w_ih.T + h @ w_hh.T + b).chunk(4, dim=1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    squashed = (f * c + i * g).tanh()
    total = grad_c + grad_h * o * (1 - squashed**2)
    delta = torch.cat(
        [
            total * g * i * (1 - i),
            total * c * f * (1 - f),
            total * i * (1 - g**2),
            grad_h * squashed * o * (1 - o),
        ],
        dim=1,
    )
    return delta @ w_ih, delta @ w_hh, total * f, delta.T @ x, delta.T @ h, delta.sum(0)


def _backward_variant(
    total=lambda grad_h, grad_c, o, new: grad_c + grad_h * o * (1 - new.tanh() ** 2),
    gate=lambda s: s * (1 - s),
    candidate=lambda g: 1 - g**2,
    by_f=lambda c, new: c,
    by_o=torch.tanh,
    to_c=lambda total, f, grad_c: total * f,
    order=(0, 1, 2, 3),
    by_gates=lambda total, grad_c: total,
    bias=lambda delta: delta.sum(0),
    swapped=False,
):
    def backward(grad_h, grad_c, x, h, c, w_ih, w_hh, b):
        i, f, g, o = (x @ w_ih.T + h @ w_hh.T + b).chunk(4, dim=1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        new = f * c + i * g
        all_of_it = total(grad_h, grad_c, o, new)
        for_i, for_g = (i, g) if swapped else (g, i)
        reaches = by_gates(all_of_it, grad_c)
        delta = [
            reaches * for_i * gate(i),
            reaches * by_f(c, new) * gate(f),
            reaches * for_g * candidate(g),
            grad_h * by_o(new) * gate(o),
        ]
        delta = torch.cat([delta[n] for n in order], dim=1)
        return delta @ w_ih, delta @ w_hh, to_c(all_of_it, f, grad_c), delta.T @ x, delta.T @ h, bias(delta)

    return backward


def _backward_cases(draw):
    for N, D, H, label in ((1, 1, 1, "one unit"), (1, 2, 2, "two units"), (3, 2, 4, "a batch")):
        w_ih, w_hh = _weights(draw, D, H, 4)
        states = [draw.normal(N, H) for _ in range(4)]
        yield Case(*states[:2], draw.normal(N, D), *states[2:], w_ih, w_hh, draw.normal(4 * H), label=label)


lstm_step_backward = Exercise(
    chapter="08",
    name="lstm_step_backward",
    title="One step of an LSTM, backwards",
    minutes=35,
    difficulty=3,
    equation="Eq. 8.6",
    oracle=_backward,
    cases=_backward_cases,
    returns=("∂L/∂x", "∂L/∂h", "∂L/∂c", "∂L/∂W_ih", "∂L/∂W_hh", "∂L/∂b"),
    shapes={"x": "N D"},
    solution=_backward_solution,
    mistakes=[
        Mistake(
            _backward_variant(total=lambda grad_h, grad_c, o, new: grad_c),
            "the way from h' to the cell is missing: $h' = o \\odot \\tanh c'$ sends $\\bar h' \\odot o \\odot (1 - \\tanh^2 c')$ to $\\bar c'$",
        ),
        Mistake(
            _backward_variant(total=lambda grad_h, grad_c, o, new: grad_h * o * (1 - new.tanh() ** 2)),
            "what arrives at c' from later steps is missing: start from `grad_c` and add what comes through h'",
        ),
        Mistake(
            _backward_variant(total=lambda grad_h, grad_c, o, new: grad_c + grad_h * o * (1 - new**2)),
            "the slope of tanh is $1 - \\tanh^2 c'$, not $1 - c'^2$",
        ),
        Mistake(
            _backward_variant(total=lambda grad_h, grad_c, o, new: grad_c + grad_h * o),
            "the slope of the tanh between cell and state is missing: $1 - \\tanh^2 c'$",
        ),
        Mistake(
            _backward_variant(to_c=lambda total, f, grad_c: total),
            "the gradient of the old cell has lost its forget gate: $\\bar c = f \\odot \\bar c'$",
        ),
        Mistake(
            _backward_variant(to_c=lambda total, f, grad_c: grad_c * f),
            "the old cell gets only its share of `grad_c`: what came to c' through h' goes back through $f$ as well",
        ),
        Mistake(
            _backward_variant(by_gates=lambda total, grad_c: grad_c),
            "i, f and g get only their share of `grad_c`: first add to it what comes to c' through h'",
        ),
        Mistake(
            _backward_variant(order=(1, 0, 2, 3)),
            "the first two quarters of δ are exchanged: glue them in the order of the weights' rows, i, f, g, o",
        ),
        Mistake(
            _backward_variant(gate=lambda s: 1.0),
            "the slopes of the gates are missing: behind each σ stands a factor $s\\,(1-s)$",
        ),
        Mistake(_backward_variant(candidate=lambda g: g * (1 - g)), "the candidate is a tanh: its slope is $1 - g^2$"),
        Mistake(
            _backward_variant(by_f=lambda c, new: new),
            "the forget gate multiplied the *old* cell, so its gradient has the factor $c$, not $c'$",
        ),
        Mistake(
            _backward_variant(by_o=lambda new: new),
            "the output gate multiplied $\\tanh c'$, so its gradient has that factor, not $c'$",
        ),
        Mistake(
            _backward_variant(swapped=True),
            "in a product each factor's gradient has the *other* factor: $\\bar i = \\bar c' \\odot g$ and $\\bar g = \\bar c' \\odot i$",
        ),
        Mistake(
            _backward_variant(bias=lambda delta: delta.mean(0)),
            "the bias's gradient is averaged over the batch: add the examples up",
        ),
    ],
    hints=[
        "Run the step forwards first: you need i, f, g, o and tanh c'. Then the whole gradient of c': `total = grad_c + grad_h * o * (1 - tanh_c**2)`.",
        "Each gate's gradient is `total` (for o: `grad_h`) times what the gate was multiplied with, times the slope of its own function: for i `total * g * i * (1 - i)`.",
        "Glue the four together in the order i, f, g, o: `delta` (N, 4H). Then it is a linear layer backwards: `delta @ w_ih`, `delta @ w_hh`, `delta.T @ x`, `delta.T @ h`, `delta.sum(0)`. And $\\bar c = f \\odot \\bar c'$.",
    ],
    afterword="Loop over the steps from the last to the first, and this is the whole of training an LSTM.",
)


def _through_time(grad_outputs, x, w_ih, w_hh, b, forget=True, outputs=True, bias=True, state=True, twice=False):
    """The published backward pass with some of its three errors mended; or mended wrongly.

    state: False drops what comes back from the next step's state   twice: counts the last output twice
    """
    T, N, H = grad_outputs.shape
    h = c = x.new_zeros(N, H)
    kept = []
    for t in range(T):
        i, f, g, o = (x[t] @ w_ih.T + h @ w_hh.T + b).chunk(4, dim=1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        new = f * c + i * g
        kept.append((i, f, g, o, h, c, new.tanh()))
        h, c = o * new.tanh(), new
    grad_x, grad_b = torch.zeros_like(x), torch.zeros_like(b)
    grad_ih, grad_hh = torch.zeros_like(w_ih), torch.zeros_like(w_hh)
    dh, dc = grad_outputs[-1] if twice else x.new_zeros(N, H), x.new_zeros(N, H)
    for t in reversed(range(T)):
        i, f, g, o, h, c, squashed = kept[t]
        if outputs or t == T - 1:
            dh = dh + grad_outputs[t] if state else grad_outputs[t]
        dc = dc + dh * o * (1 - squashed**2)
        delta = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * squashed * o * (1 - o)]
        delta = torch.cat(delta, dim=1)
        grad_x[t] = delta @ w_ih
        grad_ih += delta.T @ x[t]
        grad_hh += delta.T @ h
        grad_b += delta.sum(0) if bias else delta.mean(0)
        dh, dc = delta @ w_hh, dc * f if forget else dc
    return grad_x, grad_ih, grad_hh, grad_b


@torch.enable_grad()
def _repaired(grad_outputs, x, w_ih, w_hh, b):
    """What autograd finds, through torch's own cell."""
    inputs = [tensor.detach().requires_grad_() for tensor in (x, w_ih, w_hh, b)]
    steps, *weights = inputs
    h = c = x.new_zeros(grad_outputs.shape[1:])
    outputs = []
    for step in steps:
        h, c = torch.lstm_cell(step, (h, c), *weights)
        outputs.append(h)
    return torch.autograd.grad(torch.stack(outputs), inputs, grad_outputs)


def _repaired_solution(grad_outputs, x, w_ih, w_hh, b):
    T, N, H = grad_outputs.shape
    h = c = x.new_zeros(N, H)
    kept = []
    for t in range(T):
        i, f, g, o = (x[t] @ w_ih.T + h @ w_hh.T + b).chunk(4, dim=1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c_new = f * c + i * g
        kept.append((i, f, g, o, h, c, c_new.tanh()))
        h, c = o * c_new.tanh(), c_new
    grad_x, grad_b = torch.zeros_like(x), torch.zeros_like(b)
    grad_ih, grad_hh = torch.zeros_like(w_ih), torch.zeros_like(w_hh)
    dh = dc = x.new_zeros(N, H)
    for t in reversed(range(T)):
        i, f, g, o, h, c, squashed = kept[t]
        dh = dh + grad_outputs[t]
        dc = dc + dh * o * (1 - squashed**2)
        gates = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * squashed * o * (1 - o)]
        delta = torch.cat(gates, dim=1)
        grad_x[t] = delta @ w_ih
        grad_ih += delta.T @ x[t]
        grad_hh += delta.T @ h
        grad_b += delta.sum(0)
        dh, dc = delta @ w_hh, dc * f
    return grad_x, grad_ih, grad_hh, grad_b


def _repair_cases(draw):
    for T, N, D, H, label in (
        (1, 1, 1, 1, "one step"),
        (1, 2, 2, 2, "a batch"),
        (2, 1, 2, 2, "two steps"),
        (4, 3, 2, 3, "four steps, a batch"),
    ):
        yield Case(draw.normal(T, N, H), draw.normal(T, N, D), *_weights(draw, D, H, 4), draw.normal(4 * H), label=label)  # fmt: skip


def _left(**mended):
    given = {"forget": True, "outputs": True, "bias": True} | mended
    return lambda grad_outputs, x, w_ih, w_hh, b: _through_time(grad_outputs, x, w_ih, w_hh, b, **given)


_FORGET = "the cell's gradient goes back a step without its factor"
_OUTPUTS = "only the last output is heard: every step has a gradient of its own to add"
_BIAS = "the bias's gradient depends on how large the batch is"

repaired_backward = Exercise(
    chapter="08",
    name="repaired_backward",
    title="Repair it",
    minutes=20,
    difficulty=2,
    equation="Eq. 8.7",
    oracle=_repaired,
    cases=_repair_cases,
    returns=("∂L/∂x", "∂L/∂W_ih", "∂L/∂W_hh", "∂L/∂b"),
    shapes={"x": "T N D"},
    solution=_repaired_solution,
    mistakes=[
        Mistake(_left(forget=False), f"two errors found, one left: {_FORGET}"),
        Mistake(_left(outputs=False), f"two errors found, one left: {_OUTPUTS}"),
        Mistake(_left(bias=False), f"two errors found, one left: {_BIAS}"),
        Mistake(
            _left(state=False),
            "the output's gradient stands in the place of what comes back from the next step: the two add up",
        ),
        Mistake(_left(twice=True), "the last output is counted twice: the loop adds it once, so start from zeros"),
        Mistake(_left(forget=False, outputs=False), "one error found, the bias's; two are left, and both need more than one step to show"),
        Mistake(
            _left(forget=False, bias=False),
            "one error found, the outputs'; two are left: one between the steps, one that needs a batch to show",
        ),
        Mistake(
            _left(outputs=False, bias=False),
            "one error found, the cell's; two are left: one at the outputs, one that needs a batch to show",
        ),
        Mistake(_left(forget=False, outputs=False, bias=False), "all three errors are still in it"),
    ],
    hints=[
        "Call `hunt` with one thing changed at a time: two steps; a loss on every output; a batch of two. Which gradients turn wrong each time?",
        "Compare with Eq. 8.7: what is $\\bar c_{t-1}$? And Eq. 8.6: what is added to $\\bar h_t$ at every step?",
        "`dh = dh + grad_outputs[t]` at every step; `dc * f` goes on to the step before; `delta.sum(0)` is the bias's gradient.",
    ],
    afterword="One step, one example and one output hide all three: the smallest test is the kindest.",
)  # fmt: skip


def _task(symbols, marked, classes):
    inputs = torch.cat([torch.nn.functional.one_hot(symbols, classes), marked[..., None]], dim=2).float()
    places = torch.arange(symbols.shape[1])
    last = torch.where(marked, places, -1).amax(1)
    return inputs, symbols[torch.arange(len(symbols)), last]


def _task_solution(symbols, marked, classes):
    one_hot = torch.nn.functional.one_hot(symbols, classes)
    inputs = torch.cat([one_hot, marked[:, :, None]], dim=2).float()
    places = torch.arange(symbols.shape[1])
    last = (marked * (places + 1)).argmax(dim=1)
    return inputs, symbols.gather(1, last[:, None])[:, 0]


def _task_variant(inputs=lambda inputs, symbols, marked, classes: inputs, answers=lambda answers, symbols, marked: answers):
    def task(symbols, marked, classes):
        right = _task(symbols, marked, classes)
        return inputs(right[0], symbols, marked, classes), answers(right[1], symbols, marked)

    return task


def _task_cases(draw):
    def case(N, T, V, places, label):
        marked = torch.zeros(N, T, dtype=torch.bool)
        for row, columns in enumerate(places):
            marked[row, columns] = True
        symbols = torch.stack([draw.distinct(V)[:T] for _ in range(N)]).long()  # no symbol twice: each place has its own answer
        return Case(symbols, marked, V, label=label)

    yield case(1, 3, 4, [[1]], "one mark")
    yield case(2, 4, 5, [[0, 2], [1, 2]], "two marks in each row")
    yield case(3, 6, 7, [[0, 1, 4], [3], [0, 4]], "one to three marks")


memory_task = Exercise(
    chapter="08",
    name="memory_task",
    title="A task for a memory",
    minutes=15,
    difficulty=1,
    oracle=_task,
    cases=_task_cases,
    float32=False,
    returns=("inputs", "answers"),
    solution=_task_solution,
    mistakes=[
        Mistake(
            _task_variant(answers=lambda answers, symbols, marked: symbols.gather(1, marked.float().argmax(1)[:, None])[:, 0]),
            "the answer is the *first* marked symbol; asked for is the last one",
        ),
        Mistake(
            _task_variant(
                answers=lambda answers, symbols, marked: torch.where(marked, torch.arange(marked.shape[1]), -1).amax(1)
            ),
            "the answer is the place of the last mark; asked for is the symbol that stands there",
        ),
        Mistake(
            _task_variant(answers=lambda answers, symbols, marked: symbols[:, -1]),
            "the answer is the last symbol of the row, marked or not",
        ),
        Mistake(
            _task_variant(answers=lambda answers, symbols, marked: torch.where(marked, symbols, -1).amax(1)),
            "the answer is the *largest* marked symbol; asked for is the one that comes last",
        ),
        Mistake(
            _task_variant(inputs=lambda inputs, symbols, marked, classes: inputs[..., :-1]),
            "the marks are missing from the inputs: without them nobody knows what to keep",
        ),
        Mistake(
            _task_variant(inputs=lambda inputs, symbols, marked, classes: inputs.roll(1, -1)),
            "the mark comes first here; it should be the last of the $V + 1$ numbers",
        ),
        Mistake(
            _task_variant(inputs=lambda inputs, symbols, marked, classes: inputs * marked[..., None]),
            "the symbols without a mark are erased: they are the noise that the network has to ignore",
        ),
        Mistake(
            _task_variant(
                inputs=lambda inputs, symbols, marked, classes: _task(symbols * marked, marked, classes)[0],
            ),
            "where nothing is marked stands symbol 0: show every symbol as it is, marked or not",
        ),
    ],
    hints=[
        "`F.one_hot(symbols, classes)` is (N, T, V). The mark is one more number at every step: `marked[:, :, None]` is (N, T, 1).",
        "`torch.cat([…], dim=2).float()`. For the last mark: number the places 1 … T, set those without a mark to 0, and take the `argmax`.",
        "`last = (marked * (torch.arange(T) + 1)).argmax(1)`, and the answers are `symbols.gather(1, last[:, None])[:, 0]`.",
    ],
    afterword="No single step is hard. What makes it a task is the time between the mark and the end, full of symbols that look just like the right one.",
)


def _gru(x, h, w_ih, w_hh, b_ih, b_hh):
    return torch.gru_cell(x, h, w_ih, w_hh, b_ih, b_hh)


def _gru_solution(x, h, w_ih, w_hh, b_ih, b_hh):
    x_r, x_z, x_n = (x @ w_ih.T + b_ih).chunk(3, dim=1)
    h_r, h_z, h_n = (h @ w_hh.T + b_hh).chunk(3, dim=1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = (x_n + r * h_n).tanh()
    return (1 - z) * n + z * h


def _gru_variant(
    order=(0, 1, 2),
    inside=lambda r, h_n, h, w, b: r * h_n,
    mix=lambda z, n, h: (1 - z) * n + z * h,
    squash=torch.tanh,
    candidate=lambda x_n, r, from_h: x_n + from_h,
    biases=lambda b_ih, b_hh: (b_ih, b_hh),
):
    def gru(x, h, w_ih, w_hh, b_ih, b_hh):
        b_ih, b_hh = biases(b_ih, b_hh)
        of_x, of_h = (x @ w_ih.T + b_ih).chunk(3, dim=1), (h @ w_hh.T + b_hh).chunk(3, dim=1)
        (x_r, x_z, x_n), (h_r, h_z, h_n) = ([part[n] for n in order] for part in (of_x, of_h))
        r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
        weight, bias = w_hh.chunk(3)[order[2]], b_hh.chunk(3)[order[2]]
        return mix(z, squash(candidate(x_n, r, inside(r, h_n, h, weight, bias))), h)

    return gru


def _gru_cases(draw):
    for N, D, H, label in ((1, 1, 1, "one unit"), (1, 2, 2, "two units"), (3, 2, 4, "a batch")):
        w_ih, w_hh = _weights(draw, D, H, 3)
        yield Case(draw.normal(N, D), draw.normal(N, H), w_ih, w_hh, draw.normal(3 * H), draw.normal(3 * H), label=label)


gru_step = Exercise(
    chapter="08",
    name="gru_step",
    title="One step of a GRU",
    minutes=15,
    difficulty=2,
    equation="Eq. 8.9",
    oracle=_gru,
    cases=_gru_cases,
    shapes={"x": "N D"},
    solution=_gru_solution,
    mistakes=[
        Mistake(
            _gru_variant(mix=lambda z, n, h: z * n + (1 - z) * h),
            "the roles of $z$ and $1 - z$ are exchanged: in torch's GRU an open $z$ *keeps* the old state",
            "Both conventions are in use: Cho et al. (2014) write it as torch does, Chung et al. (2014) the other way round.",
        ),
        Mistake(
            _gru_variant(inside=lambda r, h_n, h, w, b: (r * h) @ w.T + b),
            "this is the paper's form, where $r$ multiplies $h$ in front of the product; in torch's it multiplies what comes out of it",
        ),
        Mistake(
            _gru_variant(inside=lambda r, h_n, h, w, b: r * (h_n - b) + b),
            "the bias $b_{hn}$ stands outside of $r$; it belongs to the product that $r$ multiplies",
        ),
        Mistake(
            _gru_variant(inside=lambda r, h_n, h, w, b: h_n),
            "the reset gate is not used: $r$ multiplies what the old state sends to the candidate",
        ),
        Mistake(_gru_variant(order=(1, 0, 2)), "the first two thirds are exchanged: the rows are in the order r, z, n"),
        Mistake(_gru_variant(order=(0, 2, 1)), "the last two thirds are exchanged: the rows are in the order r, z, n"),
        Mistake(
            _gru_variant(biases=lambda b_ih, b_hh: (b_ih, 0 * b_hh)), "the second bias is missing: $b_{hh}$ belongs to $W_{hh} h$"
        ),
        Mistake(
            _gru_variant(candidate=lambda x_n, r, from_h: r * x_n + from_h),
            "the reset gate stands before the whole sum of the candidate: it multiplies the old state's part alone",
        ),
        Mistake(_gru_variant(squash=torch.sigmoid), "the candidate goes through σ: it needs tanh"),
        Mistake(
            _gru_variant(mix=lambda z, n, h: n + z * h),
            "the candidate has lost its factor $1 - z$: what is new and what is kept must share",
        ),
    ],
    hints=[
        "Keep the two products apart: thirds of `x @ w_ih.T + b_ih`, and thirds of `h @ w_hh.T + b_hh`.",
        "r and z: σ of the sum of their thirds. The candidate: `tanh(x_n + r * h_n)`.",
        "`return (1 - z) * n + z * h`.",
    ],
    afterword="$b_{hn}$ stands inside the bracket that $r$ multiplies and $b_{in}$ outside: those two stay apart, the others could be merged. With $r$ behind the product, all of $W_{hh} h$ is one product again. That is why the libraries chose this form.",
)


def _both_solution(read, read_back, x, lengths):
    N, T, _ = x.shape
    outputs = []
    for n in range(N):
        words = x[n : n + 1, : lengths[n]]
        there = read(words)
        back = read_back(words.flip(1)).flip(1)
        both = torch.cat([there, back], dim=2)
        padding = both.new_zeros(1, T - both.shape[1], both.shape[2])
        outputs.append(torch.cat([both, padding], dim=1))
    return torch.cat(outputs)


def _both_variant(
    turn=lambda x, lengths, turned: turned(x),
    back=lambda outputs, lengths, turned: turned(outputs),
    glue=lambda there, back: torch.cat([there, back], 2),
    second=lambda read, read_back: read_back,
    zeros=True,
):
    def both(read, read_back, x, lengths):
        steps = torch.arange(x.shape[1])
        within = steps < lengths[:, None]
        places = torch.where(within, lengths[:, None] - 1 - steps, steps)

        def turned(sequence):
            return sequence.gather(1, places[:, :, None].expand(-1, -1, sequence.shape[2]))

        outputs = glue(read(x), back(second(read, read_back)(turn(x, lengths, turned)), lengths, turned))
        return outputs * within[:, :, None] if zeros else outputs

    return both


def _reader(draw, D, H):
    """A small recurrent network as a function: (N, T, D) → (N, T, H), from the first step to the last."""
    w_ih, w_hh, bias = draw.normal(H, D), draw.normal(H, H), draw.normal(H)

    def reader(x):
        h, states = x.new_zeros(len(x), H), []
        for step in range(x.shape[1]):
            h = torch.tanh(x[:, step] @ w_ih.T.to(x.dtype) + h @ w_hh.T.to(x.dtype) + bias.to(x.dtype))
            states.append(h)
        return torch.stack(states, 1)

    return reader


def _both_cases(draw):
    for N, T, D, H, lengths, label in (
        (1, 2, 1, 1, [2], "two words"),
        (2, 3, 2, 2, [3, 3], "all of one length"),
        (2, 3, 1, 1, [3, 2], "one word of padding"),
        (3, 5, 2, 3, [2, 5, 1], "three lengths"),
    ):
        lengths = torch.tensor(lengths)
        x = draw.normal(N, T, D) * (torch.arange(T) < lengths[:, None])[..., None]
        yield Case(_reader(draw, D, H), _reader(draw, D, H), x, lengths, label=label)


both_ways = Exercise(
    chapter="08",
    name="both_ways",
    title="Read both ways",
    minutes=20,
    difficulty=2,
    equation="Eq. 8.8",
    oracle=_both_variant(),
    cases=_both_cases,
    shapes={"x": "N T D"},
    solution=_both_solution,
    mistakes=[
        Mistake(
            _both_variant(turn=lambda x, lengths, turned: x.flip(1), back=lambda outputs, lengths, turned: outputs.flip(1)),
            "the second reader begins with the padding: turn round each sentence alone, within its own length",
            "A state that has read padding is no longer the state at the start. The answer then depends on how long the *longest* sentence of the batch is.",
        ),
        Mistake(
            _both_variant(
                turn=lambda x, lengths, turned: x.flip(1),
                back=lambda outputs, lengths, turned: outputs.flip(1),
                zeros=False,
            ),
            "the second reader begins with the padding, and the outputs behind a sentence's end are not zero: `lengths` is not used",
        ),
        Mistake(
            _both_variant(back=lambda outputs, lengths, turned: outputs),
            "the second reader's outputs are not turned back: at word $t$ stands what it knew after $t$ words from the end",
        ),
        Mistake(
            _both_variant(second=lambda read, read_back: read),
            "one reader has read both ways: the way back has weights of its own, `read_back`",
        ),
        Mistake(
            _both_variant(turn=lambda x, lengths, turned: x, back=lambda outputs, lengths, turned: outputs),
            "the second reader goes forwards, too: turn the sentence round first, and its outputs afterwards",
        ),
        Mistake(
            _both_variant(glue=lambda there, back: torch.cat([back, there], 2)),
            "the two halves are exchanged: first the reader that goes forwards, then the other",
        ),
        Mistake(_both_variant(glue=lambda there, back: there + back), "the two are added up: put them side by side, (N, T, 2H)"),
        Mistake(_both_variant(zeros=False), "behind a sentence's end the outputs must be zero: there is no word to speak of"),
    ],
    hints=[
        "One sentence at a time is fine: `words = x[n : n + 1, : lengths[n]]` holds no padding.",
        "`words.flip(1)` turns it round. What `read_back` returns is in *its* order: turn it round once more.",
        "`torch.cat([read(words), read_back(words.flip(1)).flip(1)], dim=2)`, then zeros up to T.",
    ],
    afterword="On a padded batch `torch.nn.LSTM(bidirectional=True)` lets its second reader begin with the padding, unless you pack the batch (`pack_padded_sequence`).",
)
