"""Chapter 07, recurrent networks: a recurrence and its gradients, what bounds say, clipping, truncation, padding, and a bug hunt."""

import torch
import torch.nn.functional as F

from .case import Case
from .exercise import Exercise
from .task import Mistake
from .value import ValueExercise

__all__ = [
    "bptt",
    "claims",
    "clipped_step",
    "masked_states",
    "repaired_reader",
    "rnn_states",
    "truncated_bptt",
]


def _states(x, h0, w_ih, w_hh, b):
    h, states = h0, []
    for x_t in x:
        h = torch.tanh(x_t @ w_ih.T + h @ w_hh.T + b)
        states.append(h)
    return torch.stack(states)


def _states_variant(squash=torch.tanh, carry=True, hidden=lambda w: w.T, bias=1, backwards=False, first=False):
    def rnn_states(x, h0, w_ih, w_hh, b):
        h, states = h0, [h0] if first else []
        for x_t in x.flip(0) if backwards else x:
            new = squash(x_t @ w_ih.T + h @ hidden(w_hh) + bias * b)
            states.append(new)
            h = new if carry else h
        states = torch.stack(states)
        return states[:-1] if first else states

    return rnn_states


def _small_network(draw, T, N, D, H):
    """x (T, N, D), h0 (N, H), w_ih (H, D), w_hh (H, H), b (H,), of a size at which tanh neither saturates nor is a line."""
    return draw.normal(T, N, D), 0.5 * draw.normal(N, H), 0.5 * draw.normal(H, D), 0.7 * draw.normal(H, H), 0.5 * draw.normal(H)


def _state_cases(draw):
    yield Case(*_small_network(draw, 1, 1, 2, 2), label="one step")
    yield Case(*_small_network(draw, 3, 1, 2, 2), label="three steps")
    yield Case(*_small_network(draw, 5, 3, 2, 4), label="a batch")


rnn_states = Exercise(
    chapter="07",
    name="rnn_states",
    title="Read a sequence",
    minutes=10,
    difficulty=1,
    equation="Eq. 7.1",
    oracle=_states,
    cases=_state_cases,
    shapes={"x": "T N D"},
    mistakes=[
        Mistake(
            _states_variant(carry=False),
            "every step starts from $h_0$: the state of one step must be handed to the next (`h = …` inside the loop)",
        ),
        Mistake(_states_variant(squash=lambda a: a), "the tanh is missing: without it the whole recurrence is one linear map"),
        Mistake(
            _states_variant(hidden=lambda w: w),
            "$W_{hh}$ is transposed: with states as rows, $W_{hh}\\,h$ is `h @ w_hh.T`, or `F.linear(h, w_hh)`",
        ),
        Mistake(_states_variant(bias=0), "the bias is missing"),
        Mistake(_states_variant(backwards=True), "the sequence is read from its end"),
        Mistake(
            _states_variant(first=True),
            "the states are one step late: the first to return is $h_1$, what the network knows after the first word",
        ),
        Mistake(
            _states_variant(squash=torch.sigmoid), "the squashing function is the sigmoid; Eq. 7.1 has the tanh, between −1 and 1"
        ),
        Mistake(
            lambda *given: _states(*given)[-1],
            "only the last state is returned: keep the state of every step in a list, and `torch.stack` the list",
        ),
    ],
    hints=[
        "One loop over time: `for x_t in x:` gives the rows (N, D) of one time after the other. Keep the state in a variable, `h`.",
        "One step: `h = torch.tanh(x_t @ w_ih.T + h @ w_hh.T + b)`. Shapes: (N, D)·(D, H) and (N, H)·(H, H).",
        "Put each `h` into a list, and `torch.stack` the list: (T, N, H).",
    ],
    solution="""
def rnn_states(x, h0, w_ih, w_hh, b):
    h, states = h0, []
    for x_t in x:
        h = torch.tanh(x_t @ w_ih.T + h @ w_hh.T + b)
        states.append(h)
    return torch.stack(states)
""",
)


def _bptt(grad_output, x, h0, states, w_hh):
    later, deltas = torch.zeros_like(h0), []
    for grad, h in zip(grad_output.flip(0), states.flip(0), strict=True):
        delta = (1 - h**2) * (grad + later)
        deltas.append(delta)
        later = delta @ w_hh
    delta = torch.stack(deltas[::-1])  # (T, N, H)
    old = torch.cat([h0[None], states[:-1]])
    return torch.einsum("tnh,tnd->hd", delta, x), torch.einsum("tnh,tnk->hk", delta, old), delta.sum((0, 1))


def _bptt_variant(
    slope=lambda h: 1 - h**2,
    back=lambda delta, w: delta @ w,
    inside=True,
    only_last=False,
    old=lambda h0, states: torch.cat([h0[None], states[:-1]]),
    over=lambda total, grad_output: total,
):
    def bptt(grad_output, x, h0, states, w_hh):
        later, deltas = torch.zeros_like(h0), []
        for t in reversed(range(len(x))):
            grad = grad_output[t] if not only_last or t == len(x) - 1 else 0 * grad_output[t]
            delta = slope(states[t]) * (grad + later) if inside else slope(states[t]) * grad + later
            deltas.append(delta)
            later = back(delta, w_hh)
        delta = over(torch.stack(deltas[::-1]), grad_output)
        return (
            torch.einsum("tnh,tnd->hd", delta, x),
            torch.einsum("tnh,tnk->hk", delta, old(h0, states)),
            delta.sum((0, 1)),
        )

    return bptt


def _bptt_slope_before(grad_output, x, h0, states, w_hh):
    old, later, deltas = torch.cat([h0[None], states[:-1]]), torch.zeros_like(h0), []
    for t in reversed(range(len(x))):
        deltas.append((1 - old[t] ** 2) * (grad_output[t] + later))
        later = deltas[-1] @ w_hh
    delta = torch.stack(deltas[::-1])
    return torch.einsum("tnh,tnd->hd", delta, x), torch.einsum("tnh,tnk->hk", delta, old), delta.sum((0, 1))


def _bptt_cases(draw):
    for T, N, D, H in ((1, 1, 2, 2), (2, 1, 2, 2), (3, 1, 1, 2), (5, 3, 2, 4)):
        x, h0, w_ih, w_hh, b = _small_network(draw, T, N, D, H)
        states = _states(x, h0, w_ih, w_hh, b)
        yield Case(draw.normal(T, N, H), x, h0, states, w_hh, label="one step" if T == 1 else f"{T} steps")


bptt = Exercise(
    chapter="07",
    name="bptt",
    title="Backpropagation through time, by hand",
    minutes=30,
    difficulty=2,
    equation="Eq. 7.2 and 7.3",
    oracle=_bptt,
    cases=_bptt_cases,
    returns=("∂L/∂w_ih", "∂L/∂w_hh", "∂L/∂b"),
    shapes={"x": "T N D", "grad_output": "T N H"},
    mistakes=[
        Mistake(
            _bptt_variant(back=lambda delta, w: delta @ w.T),
            "$W_{hh}$ goes backwards as it went forwards: with rows, $W_{hh}^\\top \\delta$ is `delta @ w_hh`",
        ),
        Mistake(
            _bptt_variant(back=lambda delta, w: 0 * delta),
            "each step hears its own loss alone: the message $W_{hh}^\\top \\delta_{t+1}$ from the step after it is missing",
        ),
        Mistake(
            _bptt_variant(only_last=True),
            "only the last state's own loss is heard: `grad_output[t]` enters at every step, beside what comes from the later ones",
        ),
        Mistake(
            _bptt_variant(inside=False),
            "the message from the future skips the tanh: the slope $1 - h_t^2$ multiplies both, the loss's part and the message",
        ),
        Mistake(
            _bptt_variant(slope=lambda h: 1 - torch.tanh(h) ** 2),
            "the states are squashed already: $\\tanh'(a_t) = 1 - \\tanh(a_t)^2 = 1 - h_t^2$, without another tanh",
        ),
        Mistake(_bptt_variant(slope=torch.ones_like), "the slope of the tanh, $1 - h_t^2$, is missing"),
        Mistake(
            _bptt_variant(old=lambda h0, states: states),
            "in $\\partial L/\\partial W_{hh}$ each $\\delta_t$ meets the state *before* its step, $h_{t-1}$; here it meets $h_t$",
        ),
        Mistake(
            _bptt_variant(old=lambda h0, states: torch.cat([torch.zeros_like(h0)[None], states[:-1]])),
            "$h_0$ is taken to be zero; it was given, and $\\delta_1$ meets it",
        ),
        Mistake(
            _bptt_variant(over=lambda total, grad_output: total / grad_output.shape[1]),
            "the sequences of the batch are averaged; Eq. 7.3 sums over them, the loss has its $1/N$ inside `grad_output`",
        ),
        Mistake(
            _bptt_variant(over=lambda total, grad_output: total / grad_output.shape[0]),
            "the times are averaged; a weight that is used T times gets the sum of T gradients",
        ),
        Mistake(
            _bptt_variant(old=lambda h0, states: states.roll(1, 0)),
            "at the first step, `states[t - 1]` is `states[-1]`, the *last* state; before the first step stands $h_0$",
        ),
        Mistake(
            _bptt_slope_before,
            "the slope is taken at the state before the step: $\\delta_t$ goes back through the tanh that made $h_t$, so its slope is $1 - h_t^2$",
        ),
        Mistake(
            lambda *given: tuple(_bptt(*given)[n] for n in (1, 0, 2)),
            "the gradients come in another order: first that of `w_ih`, then that of `w_hh`, then that of the bias",
        ),
    ],
    hints=[
        "Two phases. First find all $\\delta_t$, from the last to the first: `for t in reversed(range(len(x)))`, with a variable `later` that holds $W_{hh}^\\top \\delta_{t+1}$ and starts at zero.",
        "`delta = (1 - states[t]**2) * (grad_output[t] + later)`, then `later = delta @ w_hh`.",
        'Then the sums: `torch.einsum("tnh,tnd->hd", delta, x)`; for $W_{hh}$ the same with the old states, `torch.cat([h0[None], states[:-1]])`; for the bias `delta.sum((0, 1))`.',
    ],
    afterword="The loop is the part that has to wait. The sums are one matrix product each, over all times at once; `mmlearn.ops` computes them so.",
    solution="""
def bptt(grad_output, x, h0, states, w_hh):
    later, deltas = torch.zeros_like(h0), []
    for t in reversed(range(len(x))):
        delta = (1 - states[t] ** 2) * (grad_output[t] + later)  # (N, H), Eq. 7.2
        deltas.append(delta)
        later = delta @ w_hh
    delta = torch.stack(deltas[::-1])  # (T, N, H)
    old = torch.cat([h0[None], states[:-1]])  # h_0 … h_{T−1}
    grad_w_ih = torch.einsum("tnh,tnd->hd", delta, x)  # Eq. 7.3
    grad_w_hh = torch.einsum("tnh,tnk->hk", delta, old)
    return grad_w_ih, grad_w_hh, delta.sum((0, 1))
""",
)  # fmt: skip


_RIGHT = (True, False, False, True, False, False)


def _only(place):
    """Wrong in this one place."""
    return tuple(not value if n == place else value for n, value in enumerate(_RIGHT))


def _wrong_at(*places):
    return lambda answer: {n for n in range(6) if answer[n] is not _RIGHT[n]} == set(places)


claims = ValueExercise(
    chapter="07",
    name="claims",
    title="Sufficient or necessary?",
    minutes=20,
    difficulty=2,
    equation="Eq. 7.5",
    oracle=_RIGHT,
    mistakes=[
        Mistake(
            _wrong_at(0),
            "look at A again: what does Eq. 7.5 say when σ < 1, and what may the inputs change in it?",
            example=_only(0),
        ),
        Mistake(
            _wrong_at(1),
            "look at B again: the one-way pairs have a radius below 1. What did their gradient do first?",
            example=_only(1),
        ),
        Mistake(
            _wrong_at(2),
            "look at C again: a bound that grows does not make anything grow. Which networks of the table have σ > 1?",
            example=_only(2),
        ),
        Mistake(
            _wrong_at(3),
            "look at D again: it is A, read backwards. If σ ≤ 1, how long can a gradient become?",
            example=_only(3),
        ),
        Mistake(
            _wrong_at(4),
            "look at E again: between two multiplications with $W$ stands a diagonal matrix, and the pair of section 4 has ρ(W) = 0",
            example=_only(4),
        ),
        Mistake(
            _wrong_at(5),
            "look at F again: what does saturation do to $1 - h^2$, and so to the largest of these numbers at each step?",
            example=_only(5),
        ),
        Mistake(
            _wrong_at(2, 4),
            "C and E: one reads an upper bound as if it were reached, the other speaks of the radius, which decides only where the slopes are all 1",
            example=(True, False, True, True, True, False),
        ),
        Mistake(
            _wrong_at(1, 4),
            "B and E: the spectral radius speaks about very many multiplications with $W$ *alone*; not about the first ones, and not about $D_k W$",
            example=(True, True, False, True, True, False),
        ),
    ],
    hints=[
        "Eq. 7.5 is an upper bound. It can exclude an explosion; it cannot prove one.",
        "ρ(W) describes $W^n$ for large $n$. Ask of each claim with ρ: is it about large $n$? Are there slopes other than 1?",
        "For E, multiply $W = \\begin{pmatrix} 3 & -3 \\\\ 3 & -3 \\end{pmatrix}$ from the left with $\\mathrm{diag}(1, \\tfrac12)$ and compute the trace of the product: the sum of its eigenvalues.",
    ],
    afterword="Sufficient for vanishing: σ < 1. Necessary for exploding: σ > 1. Between the two the network's states decide, and those depend on its inputs.",
)  # fmt: skip


def _clipped(weights, gradients, lr, max_norm):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    factor = 1.0 if norm <= max_norm else max_norm / norm
    return [w - lr * factor * g for w, g in zip(weights, gradients, strict=True)]


def _clip_variant(change):
    def clipped_step(weights, gradients, lr, max_norm):
        return change(weights, gradients, lr, max_norm)

    return clipped_step


def _step(weights, gradients, lr):
    return [w - lr * g for w, g in zip(weights, gradients, strict=True)]


def _norm(gradients):
    return torch.cat([g.flatten() for g in gradients]).norm()


def _clip_cases(draw):
    one = [torch.tensor([3.0], dtype=torch.float64), torch.tensor([4.0], dtype=torch.float64)]
    yield Case([draw.integers(1), draw.integers(1)], one, 0.5, 1.0, label="a gradient of length 5, cut to 1")
    yield Case([draw.integers(2), draw.integers(2, 2)], [draw.normal(2) / 10, draw.normal(2, 2) / 10], 0.5, 1.0, label="a short gradient")  # fmt: skip
    yield Case([draw.integers(2)], [torch.zeros(2, dtype=torch.float64)], 0.5, 1.0, label="a gradient of zero")
    yield Case([draw.normal(3), draw.normal(2, 3)], [50 * draw.normal(3), draw.normal(2, 3)], 0.1, 2.0, label="a cliff in one of two weights")  # fmt: skip


clipped_step = Exercise(
    chapter="07",
    name="clipped_step",
    title="A clipped step",
    minutes=10,
    difficulty=1,
    equation="Eq. 3.12",
    oracle=_clipped,
    cases=_clip_cases,
    tolerance=3e-6,  # the 10⁻⁶ in Eq. 3.12's denominator may be there or not
    mistakes=[
        Mistake(
            _clip_variant(lambda w, g, lr, c: _step(w, [x * min(1.0, c / max(x.norm().item(), 1e-12)) for x in g], lr)),
            "each tensor is clipped by a norm of its own, which turns the direction: ‖g‖ is the length of all of them together",
        ),
        Mistake(
            _clip_variant(lambda w, g, lr, c: _step(w, [x.clamp(-c, c) for x in g], lr)),
            "the numbers are cut off one by one, which turns the direction: one factor for all of them keeps it",
        ),
        Mistake(
            _clip_variant(lambda w, g, lr, c: _step(w, [x * c / max(_norm(g).item(), 1e-12) for x in g], lr)),
            "a short gradient is made longer: the factor is at most 1, `min(1, c/‖g‖)`",
        ),
        Mistake(
            _clip_variant(lambda w, g, lr, c: _step(w, [x * min(1.0, c / max(lr * _norm(g).item(), 1e-12)) for x in g], lr)),
            "the *step* η·g is held at c; Eq. 3.12 clips the gradient, before the learning rate",
        ),
        Mistake(
            _clip_variant(lambda w, g, lr, c: _step(w, [x * min(1.0, c / max(_norm(g).item() ** 2, 1e-12)) for x in g], lr)),
            "the gradient is divided by its squared length: a square root is missing in the norm",
        ),
        Mistake(
            _clip_variant(lambda w, g, lr, c: _step(w, g, -lr * min(1.0, c / max(_norm(g).item(), 1e-12)))),
            "the step goes uphill: it is w − η·g",
        ),
        Mistake(_clip_variant(lambda w, g, lr, c: _step(w, g, lr)), "nothing is clipped"),
        Mistake(
            _clip_variant(lambda w, g, lr, c: _step(w, [x * min(1.0, c / max(sum(_norm([y]) for y in g), 1e-12)) for x in g], lr)),
            "the norms of the tensors are added up; the length of all numbers together is the root of the sum of their *squares*",
        ),
        Mistake(
            _clip_variant(lambda w, g, lr, c: _step(w, [x * torch.clamp(c / _norm([*g]), max=1.0) + 0 / _norm(g) for x in g], lr)),
            "a gradient of zero gives NaN: 0 · (c/0). Add 10⁻⁶ to the norm as Eq. 3.12 does, or clip only where the norm is above c",
            partly=True,
        ),
    ],
    hints=[
        "The norm of everything: `torch.cat([g.flatten() for g in gradients]).norm()`.",
        "`factor = min(1, max_norm / (norm + 1e-6))`, one number for all tensors.",
        "`[w - lr * factor * g for w, g in zip(weights, gradients)]`.",
    ],
    afterword="However steep the cliff, this step is at most η·c long.",
    solution="""
def clipped_step(weights, gradients, lr, max_norm):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    factor = min(1, max_norm / (norm + 1e-6))
    return [w - lr * factor * g for w, g in zip(weights, gradients)]
""",
)  # fmt: skip


def _truncated(grad_output, h0, states, w_hh, k):
    later, deltas = torch.zeros_like(h0), []
    for t in reversed(range(len(states))):
        delta = (1 - states[t] ** 2) * (grad_output[t] + later)
        deltas.append(delta)
        later = delta @ w_hh if t % k else torch.zeros_like(delta)
    old = torch.cat([h0[None], states[:-1]])
    return torch.einsum("tnh,tnk->hk", torch.stack(deltas[::-1]), old)


def _truncated_variant(cut=lambda t, k, T: t % k == 0, old=lambda h0, states, k: torch.cat([h0[None], states[:-1]])):
    def truncated_bptt(grad_output, h0, states, w_hh, k):
        later, deltas, T = torch.zeros_like(h0), [], len(states)
        for t in reversed(range(T)):
            delta = (1 - states[t] ** 2) * (grad_output[t] + later)
            deltas.append(delta)
            later = 0 * delta if cut(t, k, T) else delta @ w_hh
        return torch.einsum("tnh,tnk->hk", torch.stack(deltas[::-1]), old(h0, states, k))

    return truncated_bptt  # fmt: skip


def _fresh_windows(h0, states, k):
    """The states before each step, as if every window began at zero."""
    old = torch.cat([h0[None], states[:-1]])
    starts = (torch.arange(len(old)) % k == 0) & (torch.arange(len(old)) > 0)
    return old.masked_fill(starts[:, None, None], 0)


def _sliding(grad_output, h0, states, w_hh, k):
    """Each loss goes back through k steps, whatever the window."""
    old, total = torch.cat([h0[None], states[:-1]]), torch.zeros_like(w_hh)
    for s in range(len(states)):
        delta = (1 - states[s] ** 2) * grad_output[s]
        for t in range(s, max(s - k, -1), -1):
            total = total + torch.einsum("nh,nk->hk", delta, old[t])
            if t:
                delta = (1 - states[t - 1] ** 2) * (delta @ w_hh)
    return total


def _last_window(grad_output, h0, states, w_hh, k):
    """The losses and uses of the last k steps alone."""
    before = torch.cat([h0[None], states])
    return _truncated(grad_output[-k:], before[-k - 1 :][0], states[-k:], w_hh, len(states))


def _truncated_cases(draw):
    for T, N, H, k in ((2, 1, 2, 1), (4, 1, 2, 2), (6, 2, 3, 3), (7, 2, 3, 3), (3, 2, 2, 5)):
        x, h0, w_ih, w_hh, b = _small_network(draw, T, N, 2, H)
        yield Case(draw.normal(T, N, H), h0, _states(x, h0, w_ih, w_hh, b), w_hh, k, label=f"{T} steps in windows of {k}")


truncated_bptt = Exercise(
    chapter="07",
    name="truncated_bptt",
    title="Truncated backpropagation",
    minutes=20,
    difficulty=2,
    oracle=_truncated,
    cases=_truncated_cases,
    shapes={"grad_output": "T N H"},
    mistakes=[
        Mistake(
            _truncated_variant(cut=lambda t, k, T: False),
            "nothing is cut: between two windows the message $W_{hh}^\\top\\delta$ must not pass",
        ),
        Mistake(
            _truncated_variant(cut=lambda t, k, T: (t + 1) % k == 0),
            "the cuts are one step off: with steps counted from 0, a window begins at 0, k, 2k, …, and nothing passes to the step before it",
        ),
        Mistake(
            _truncated_variant(cut=lambda t, k, T: (T - t) % k == 0),
            "the windows are counted from the end; they begin with the first step, and the last one may be shorter",
        ),
        Mistake(
            _truncated_variant(old=_fresh_windows),
            "the first step of each window adds nothing: its $\\delta_t$ is silenced, or the state before it is taken to be zero. Only the message to the step before is cut; $\\delta_t$ still meets $h_{t-1}$",
        ),
        Mistake(
            _sliding,
            "each loss is followed back through k steps: that cuts by distance. Here the cuts stand at fixed places, between windows",
        ),
        Mistake(_truncated_variant(cut=lambda t, k, T: True), "everything is cut: inside a window the messages pass"),
        Mistake(
            _truncated_variant(old=lambda h0, states, k: _fresh_windows(0 * h0, states, k)),
            "every window starts from a state of zero: forward nothing is cut, each window starts from the state that the last one left, and the first one from $h_0$",
        ),
        Mistake(
            _last_window,
            "only the last window is read: every window has its losses, and the gradient is the sum over all windows",
        ),
    ],
    hints=[
        "Exercise 7.2, with one condition more: after the first step of a window, `later` is zero.",
        "With steps counted from 0, a window begins where `t % k == 0`.",
        "`later = delta @ w_hh if t % k else torch.zeros_like(delta)`.",
    ],
    afterword="In torch one writes it as `state = state.detach()` between two windows. Forgetting that line is the mirror image of this exercise: the graph then grows with every window, until the memory is full.",
    solution="""
def truncated_bptt(grad_output, h0, states, w_hh, k):
    later, deltas = torch.zeros_like(h0), []
    for t in reversed(range(len(states))):
        delta = (1 - states[t] ** 2) * (grad_output[t] + later)
        deltas.append(delta)
        later = delta @ w_hh if t % k else torch.zeros_like(delta)  # the cut
    old = torch.cat([h0[None], states[:-1]])
    return torch.einsum("tnh,tnk->hk", torch.stack(deltas[::-1]), old)
""",
)  # fmt: skip


def _masked(x, mask, h0, w_ih, w_hh, b):
    h, states = h0, []
    for x_t, some in zip(x, mask, strict=True):
        h = torch.where(some[:, None], torch.tanh(x_t @ w_ih.T + h @ w_hh.T + b), h)
        states.append(h)
    return torch.stack(states)


def _masked_variant(keep=lambda new, old, some: torch.where(some[:, None], new, old), read=lambda x_t, some: x_t, shown=None):
    def masked_states(x, mask, h0, w_ih, w_hh, b):
        h, states = h0, []
        for x_t, some in zip(x, mask, strict=True):
            new = torch.tanh(read(x_t, some) @ w_ih.T + h @ w_hh.T + b)
            h = keep(new, h, some)
            states.append(h if shown is None else shown(new, h, some))
        return torch.stack(states)

    return masked_states  # fmt: skip


def _mask_of(*lengths):
    return torch.arange(max(lengths))[:, None] < torch.tensor(lengths)


def _masked_cases(draw):
    for lengths, label in (((2,), "no padding"), ((3, 1), "one sequence is shorter"), ((2, 4, 0), "one sequence is empty")):
        mask = _mask_of(*lengths)
        x, *rest = _small_network(draw, *mask.shape, 2, 3)
        yield Case(x, mask, *rest, label=label)
    mask = _mask_of(3, 4).flip(0)
    x, *rest = _small_network(draw, *mask.shape, 2, 3)
    yield Case(x, mask, *rest, label="padding in front")
    mask = _mask_of(4, 2, 3)
    x, *rest = _small_network(draw, *mask.shape, 2, 3)
    yield Case(x.masked_fill(~mask[..., None], torch.nan), mask, *rest, label="NaN in the padding")


masked_states = Exercise(
    chapter="07",
    name="masked_states",
    title="Padding that leaves no trace",
    minutes=15,
    difficulty=2,
    equation="Eq. 7.9",
    oracle=_masked,
    cases=_masked_cases,
    shapes={"x": "T N D"},
    mistakes=[
        Mistake(
            _masked_variant(keep=lambda new, old, some: new),
            "the mask is not used: the network reads the padding as if it were words",
        ),
        Mistake(
            _masked_variant(keep=lambda new, old, some: new, read=lambda x_t, some: x_t.masked_fill(~some[:, None], 0)),
            "the padding is read as zeros: an input of zero still moves the state, by $W_{hh}$, the bias and the tanh",
        ),
        Mistake(
            _masked_variant(keep=lambda new, old, some: new.masked_fill(~some[:, None], 0)),
            "the state becomes zero on the padding: then the last state, from which one classifies, has forgotten the text",
        ),
        Mistake(
            _masked_variant(keep=lambda new, old, some: torch.where(some[:, None], old, new)),
            "the mask is inverted: it is True on a word, and there the *new* state counts",
        ),
        Mistake(
            _masked_variant(keep=lambda new, old, some: new, shown=lambda new, h, some: new.masked_fill(~some[:, None], 0)),
            "only the outputs are masked; the state itself still reads the padding",
        ),
        Mistake(
            _masked_variant(shown=lambda new, h, some: h.masked_fill(~some[:, None], 0)),
            "the state is kept inside the loop, and zeros are returned in its place; on the padding return the state that was kept, so that the last one is the text's",
        ),
        Mistake(
            _masked_variant(keep=lambda new, old, some: some[:, None] * new + (~some)[:, None] * old),
            "NaN in the padding comes through: 0 · NaN is NaN, so multiplying with the mask does not stop it; `torch.where` chooses without multiplying",
            partly=True,
        ),
    ],
    hints=[
        "Exercise 7.1 with one line more: compute the new state for everybody, then choose, sequence by sequence.",
        "`mask[t]` is (N,), states are (N, H): `mask[t][:, None]` stands beside them.",
        "`h = torch.where(mask[t][:, None], new, h)`.",
    ],
    afterword="`mmlearn.ops.rnn_tanh(…, lengths=…)` does this; torch's `pack_padded_sequence` leaves the padding out altogether. Both give the same final state.",
    solution="""
def masked_states(x, mask, h0, w_ih, w_hh, b):
    h, states = h0, []
    for x_t, some in zip(x, mask):
        new = torch.tanh(x_t @ w_ih.T + h @ w_hh.T + b)
        h = torch.where(some[:, None], new, h)  # (N, H)
        states.append(h)
    return torch.stack(states)
""",
)  # fmt: skip


def _published(x, lengths, forward, backward, mixed=True, last=True, padding_first=True):
    """The published reader with some of its three errors left in."""
    N, T, D = x.shape

    def read(steps, w_ih, w_hh, b):
        steps = steps.reshape(T, N, D) if mixed else steps.transpose(0, 1)
        h, states = x.new_zeros(N, len(w_hh)), []
        for x_t in steps:
            h = torch.tanh(F.linear(x_t, w_ih, b) + F.linear(h, w_hh))
            states.append(h)
        states = torch.stack(states, 1)  # (N, T, H)
        return states[:, -1] if last else states[torch.arange(N), lengths - 1]

    places = torch.arange(T).expand(N, T)
    ends = lengths[:, None] - 1 - places
    turned = x.flip(1) if padding_first else x[torch.arange(N)[:, None], torch.where(ends >= 0, ends, places)]
    return torch.cat([read(x, *forward), read(turned, *backward)], 1)


def _repaired(x, lengths, forward, backward):
    return _published(x, lengths, forward, backward, mixed=False, last=False, padding_first=False)


def _reader_cases(draw):
    for T, lengths, label in (
        (3, [3, 3], "two texts of one length"),
        (3, [2], "one text, padded"),
        (4, [4, 2], "two texts"),
        (5, [1, 5, 3], "three texts"),
    ):
        N = len(lengths)
        weights = [(0.5 * draw.normal(3, 2), 0.7 * draw.normal(3, 3), 0.5 * draw.normal(3)) for _ in range(2)]
        yield Case(draw.normal(N, T, 2), torch.tensor(lengths), *weights, label=label)


def _left(**errors):
    given = {"mixed": False, "last": False, "padding_first": False} | errors
    return lambda x, lengths, forward, backward: _published(x, lengths, forward, backward, **given)


_MIXED = (
    "`reshape` from (N, T, D) to (T, N, D) still cuts the texts into pieces and mixes them; `transpose(0, 1)` exchanges the axes"
)
_LAST = "the state is still taken at the last *place*, behind the padding; a text's last word is at `lengths - 1`"
_FIRST = "the backward reader still meets the padding first: turn each text by itself, up to its length"

repaired_reader = Exercise(
    chapter="07",
    name="repaired_reader",
    title="Repair it",
    minutes=25,
    difficulty=3,
    oracle=_repaired,
    cases=_reader_cases,
    shapes={"x": "N T D"},
    mistakes=[
        Mistake(_left(mixed=True), f"two errors found, one left: {_MIXED}"),
        Mistake(_left(last=True), f"two errors found, one left: {_LAST}"),
        Mistake(_left(padding_first=True), f"two errors found, one left: {_FIRST}"),
        Mistake(
            _left(mixed=True, last=True),
            "one error found, the backward reader's; two are left, one before the loop and one behind it",
        ),
        Mistake(
            _left(mixed=True, padding_first=True),
            "one error found, the place of the last word; two are left, one where the axes change and one in the other direction",
        ),
        Mistake(
            _left(last=True, padding_first=True),
            "one error found, the mixed axes; two are left, both about padding",
        ),
        Mistake(_left(mixed=True, last=True, padding_first=True), "all three errors are still in it"),
    ],
    hints=[
        "Ask the reader three questions, as `interview` does: does a text's answer depend on the other texts? On the number of padded places? On what stands in them?",
        "`steps.transpose(0, 1)` instead of `reshape`. At the end pick `states[torch.arange(N), lengths - 1]`.",
        "To turn each text up to its length: place $t$ takes the word at `lengths - 1 - t` where that is not negative, and stays as it is behind the end; `torch.where` makes the places, `x[torch.arange(N)[:, None], places]` picks.",
    ],
    afterword="Equal lengths hide two of the errors, and a batch of one hides the third. The author's test had both.",
    solution="""
def repaired_reader(x, lengths, forward, backward):
    N, T, D = x.shape
    texts = torch.arange(N)

    def read(steps, w_ih, w_hh, b):
        steps = steps.transpose(0, 1)  # exchange the axes, do not cut
        h, states = x.new_zeros(N, len(w_hh)), []
        for x_t in steps:
            h = torch.tanh(F.linear(x_t, w_ih, b) + F.linear(h, w_hh))
            states.append(h)
        states = torch.stack(states, 1)  # (N, T, H)
        return states[texts, lengths - 1]  # each text's own last word

    places = torch.arange(T).expand(N, T)
    from_the_end = lengths[:, None] - 1 - places
    turned = x[texts[:, None], torch.where(from_the_end >= 0, from_the_end, places)]
    return torch.cat([read(x, *forward), read(turned, *backward)], 1)
""",
)  # fmt: skip
