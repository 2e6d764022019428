"""Recurrent networks without a memory cell: the tanh RNN and the gated recurrent unit, one step and a whole sequence of steps.

A cell is one step, h_{t−1} → h_t. A recurrence is all T of them: the inputs come multiplied with their weights already, for all
times in one product, and what is left is the part that has to wait for the state before.
"""

from typing import NamedTuple

import torch

from mmlearn.ops.arguments import check_alike, check_floating, check_grad_output, check_whole, require, shape
from mmlearn.ops.by_hand import differentiated_by


class CellGradients(NamedTuple):
    """∂L/∂input (N, D), ∂L/∂hx (N, H), ∂L/∂w_ih, ∂L/∂w_hh, ∂L/∂b_ih, ∂L/∂b_hh; a bias that was None has None.

    For ``lstm_cell``, hx is the pair (∂L/∂h, ∂L/∂c).
    """

    input: torch.Tensor
    hx: torch.Tensor | tuple[torch.Tensor, torch.Tensor]
    w_ih: torch.Tensor
    w_hh: torch.Tensor
    b_ih: torch.Tensor | None
    b_hh: torch.Tensor | None


class RecurrenceGradients(NamedTuple):
    """∂L/∂projected (T, N, k·H), ∂L/∂hx (N, H), ∂L/∂w_hh (k·H, H), ∂L/∂b_hh (k·H,) or None, ∂L/∂cx (N, H) of an LSTM or None."""

    projected: torch.Tensor
    hx: torch.Tensor
    w_hh: torch.Tensor
    b_hh: torch.Tensor | None = None
    cx: torch.Tensor | None = None


def check_weights(weights, gates, features):
    """{name: tensor} of w_ih (k·H, D), w_hh (k·H, H) and biases (k·H,) or None, for k gates and D features: they agree on H.

    w_ih is None where the inputs are projected already.   returns: H
    """
    (ih, w_ih), (hh, w_hh), *biases = weights.items()
    rows = "H" if gates == 1 else f"{gates}·H"
    check_floating(w_hh, hh, (2,), f"({rows}, H)")
    H = w_hh.shape[1]
    require(H >= 1 and len(w_hh) == gates * H, hh, shape(w_hh), f"({rows}, H) with H ≥ 1")
    if w_ih is not None:
        layout = f"({gates * H}, {features}): {rows} as {hh} is {tuple(w_hh.shape)}, D as input has {features} features"
        check_floating(w_ih, ih, (2,), layout)
        require(tuple(w_ih.shape) == (gates * H, features), ih, shape(w_ih), layout)
    for name, bias in biases:
        if bias is not None:
            layout = f"({gates * H},): {rows} as {hh} is {tuple(w_hh.shape)}"
            check_floating(bias, name, (1,), layout)
            require(len(bias) == gates * H, name, shape(bias), layout)
    return H


def check_state(state, argument, size):
    """A state of this size: (N, H), or (layers·directions, N, H)."""
    layout = f"{tuple(size)}: {'(layers·directions, N, H)' if len(size) == 3 else '(N, H)'}"
    check_floating(state, argument, (len(size),), layout)
    require(tuple(state.shape) == tuple(size), argument, shape(state), layout)


def check_cell(input, states, w_ih, w_hh, b_ih, b_hh, gates):
    """A cell's arguments; states: {name: tensor}."""
    check_floating(input, "input", (2,), "(N, D)")
    require(input.shape[1] >= 1, "input", shape(input), "(N, D) with at least one feature")
    H = check_weights({"w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh}, gates, input.shape[1])
    for name, state in states.items():
        check_state(state, name, (len(input), H))
    check_alike("input", input, **states, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh)


def check_recurrence(projected, states, w_hh, b_hh, mask, truncate, gates):
    """A recurrence's arguments; states: {name: tensor}."""
    layout = f"(T, N, {'' if gates == 1 else f'{gates}·'}H) with at least one time step"
    check_floating(projected, "projected", (3,), layout)
    require(len(projected) >= 1, "projected", shape(projected), layout)
    H = check_weights({"w_ih": None, "w_hh": w_hh, "b_hh": b_hh}, gates, None)
    T, N, width = projected.shape
    require(width == gates * H, "projected", shape(projected), f"(T, N, {gates * H}), as w_hh is {tuple(w_hh.shape)}")
    for name, state in states.items():
        check_state(state, name, (N, H))
    check_alike("projected", projected, **states, w_hh=w_hh, b_hh=b_hh)
    if mask is not None:
        expected = f"bool of shape ({T}, {N}), True where a sequence has a step, or None"
        require(isinstance(mask, torch.Tensor), "mask", type(mask).__name__, expected)
        good = mask.dtype == torch.bool and tuple(mask.shape) == (T, N)
        require(good, "mask", f"{str(mask.dtype).removeprefix('torch.')} of {shape(mask)}", expected)
    if truncate is not None:
        check_whole(truncate, "truncate")


def is_cut(t, truncate):
    """Does the gradient stop in front of step t? With truncate=k it does every k steps, but not in front of the first."""
    return truncate is not None and t > 0 and t % truncate == 0


def only_where(mask, numbers):
    """(T, N, H) with zeros where the mask is False, even in place of NaN; all of them without a mask."""
    return numbers if mask is None else numbers.masked_fill(~mask[..., None], 0)


def carried_over(mask, like):
    """(T, N, 1): 1 where a sequence has no step and its state stays, else 0; None without a mask."""
    return None if mask is None else (~mask)[..., None].to(like.dtype)


def rnn_tanh_cell_backward(grad_output, input, hx, w_ih, w_hh, b_ih=None, b_hh=None, output=None):
    """δ = (1 − h'²) ⊙ dh',  dx = δ·W_ih,  dh = δ·W_hh,  dW_ih = δᵀ·x,  dW_hh = δᵀ·h,  db = Σ δ over the batch.

    grad_output: (N, H)   the rest: as given to rnn_tanh_cell   output: h', when it is known already   returns: CellGradients
    """
    new = rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih, b_hh) if output is None else output
    check_grad_output(grad_output, new.shape)
    delta = grad_output * (1 - new**2)
    return _cell_gradients(delta, delta, delta @ w_hh, input, hx, w_ih, b_ih, b_hh)


@differentiated_by(rnn_tanh_cell_backward)
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh) — Eq. 7.1 (Elman 1990). A drop-in for torch.rnn_tanh_cell.

    input: x (N, D)   hx: h (N, H)   w_ih: (H, D)   w_hh: (H, H)   b_ih, b_hh: (H,) or None   returns: h' (N, H)
    """
    check_cell(input, {"hx": hx}, w_ih, w_hh, b_ih, b_hh, gates=1)
    return torch.tanh(affine(input, w_ih, b_ih) + affine(hx, w_hh, b_hh)).to(hx.dtype)


def rnn_tanh_recurrence_backward(grad_output, projected, hx, w_hh, mask=None, truncate=None, output=None):
    """δ_t = (1 − h_t²) ⊙ (g_t + W_hhᵀ δ_{t+1}), from the last step to the first — Eq. 7.2 (Werbos 1990).

    Backpropagation through time. The loop finds the δ_t alone; dW_hh = Σ_t δ_t h_{t−1}ᵀ is one product over all times.
    grad_output: g (T, N, H), what the loss sends to each state directly   the rest: as given to rnn_tanh_recurrence
    output: its states, when they are known already
    returns: RecurrenceGradients(projected, hx, w_hh)
    """
    states = rnn_tanh_recurrence(projected, hx, w_hh, mask, truncate) if output is None else output
    check_grad_output(grad_output, states.shape)
    frozen = carried_over(mask, states)
    slope = only_where(mask, 1 - states**2)  # tanh' at every step
    sent, deltas = received(grad_output), []
    grad = sent[-1]  # ∂L/∂h_t through everything that follows
    for t, by_sum in reversed(list(enumerate(slope.unbind()))):
        later, delta = grad, grad * by_sum
        deltas.append(delta)
        grad = sent[t] if is_cut(t, truncate) else torch.addmm(sent[t], delta, w_hh)
        if mask is not None:
            grad = grad + later * frozen[t]
    delta = torch.stack(deltas[::-1])  # (T, N, H)
    return RecurrenceGradients(delta, grad, over_all_times(delta, before(hx, states)))


@differentiated_by(rnn_tanh_recurrence_backward)
def rnn_tanh_recurrence(projected, hx, w_hh, mask=None, truncate=None):
    """h_t = m_t ⊙ tanh(a_t + W_hh h_{t−1}) + (1 − m_t) ⊙ h_{t−1} for t = 1 … T — Eq. 7.9.

    a_t = W_ih x_t + b holds both biases; m_t is the mask, 1 where none is given.
    projected: a (T, N, H)   hx: h_0 (N, H)   w_hh: (H, H)   mask: bool (T, N), False keeps the state as it is
    truncate: k lets no gradient pass from step k+1 to step k, from 2k+1 to 2k, … (Williams and Peng 1990)
    returns: h_1 … h_T (T, N, H)
    """
    check_recurrence(projected, {"hx": hx}, w_hh, None, mask, truncate, gates=1)
    state, states = hx, []
    for t, a in enumerate(projected.unbind()):
        old = state.detach() if is_cut(t, truncate) else state
        new = torch.tanh(torch.addmm(a, old, w_hh.mT))  # (N, H)
        state = new if mask is None else torch.where(mask[t, :, None], new, state)
        states.append(state)
    return torch.stack(states).to(projected.dtype)


def gru_cell_backward(grad_output, input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """dz = dh' ⊙ (h − n),  dn = dh' ⊙ (1 − z),  dr = dn (1 − n²) ⊙ (W_hn h + b_hn), times the slopes of the gates — Eq. 8.10.

    Of h three paths lead to h': straight through z, and through the products with W_hr, W_hz and W_hn.
    grad_output: (N, H)   the rest: as given to gru_cell   returns: CellGradients
    """
    check_cell(input, {"hx": hx}, w_ih, w_hh, b_ih, b_hh, gates=3)
    check_grad_output(grad_output, hx.shape)
    r, z, n, hidden = _gru_gates(affine(input, w_ih, b_ih), affine(hx, w_hh, b_hh))
    delta_n = grad_output * (1 - z) * (1 - n**2)
    delta_z = grad_output * (hx - n) * z * (1 - z)
    delta_r = delta_n * hidden * r * (1 - r)
    delta = torch.cat([delta_r, delta_z, delta_n], 1)  # (N, 3H)
    delta_hidden = torch.cat([delta_r, delta_z, delta_n * r], 1)
    return _cell_gradients(delta, delta_hidden, grad_output * z + delta_hidden @ w_hh, input, hx, w_ih, b_ih, b_hh)


@differentiated_by(gru_cell_backward)
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """h' = (1 − z) ⊙ n + z ⊙ h — Eq. 8.9 (Cho et al. 2014). A drop-in for torch.gru_cell.

    r = σ(W_ir x + b_ir + W_hr h + b_hr),  z = σ(W_iz x + b_iz + W_hz h + b_hz),  n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)).
    As in torch, r multiplies what the recurrent weights return; in the paper it multiplies h in front of them.
    input: x (N, D)   hx: h (N, H)   w_ih: (3H, D), w_hh: (3H, H), b_ih, b_hh: (3H,) or None, in the order r, z, n
    returns: h' (N, H)
    """
    check_cell(input, {"hx": hx}, w_ih, w_hh, b_ih, b_hh, gates=3)
    _, z, n, _ = _gru_gates(affine(input, w_ih, b_ih), affine(hx, w_hh, b_hh))
    return ((1 - z) * n + z * hx).to(hx.dtype)


def gru_recurrence_backward(grad_output, projected, hx, w_hh, b_hh=None, mask=None, truncate=None, output=None):
    """∂L/∂h_{t−1} = z_t ⊙ ∂L/∂h_t + W_hhᵀ δ_t, where δ_t is ∂L/∂h_t times what ``gru_cell_backward`` says of each gate.

    The states of all times are known, so all gates are computed again by one product; the loop is left with two multiplications.
    grad_output: (T, N, H)   the rest: as given to gru_recurrence   output: its states, when they are known already
    returns: RecurrenceGradients(projected, hx, w_hh, b_hh)
    """
    states = gru_recurrence(projected, hx, w_hh, b_hh, mask, truncate) if output is None else output
    check_grad_output(grad_output, states.shape)
    olds = before(hx, states)
    r, z, n, hidden = _gru_gates(projected, affine(olds, w_hh, b_hh))  # (T, N, H) each
    by_n = (1 - z) * (1 - n**2)  # how the three sums in front of the gates change h_t
    by_r, by_z = by_n * hidden * r * (1 - r), (olds - n) * z * (1 - z)
    keep, frozen = z, carried_over(mask, z)
    if mask is not None:
        keep = torch.where(mask[..., None], z, 1)
    by_hidden = torch.stack([only_where(mask, by) for by in (by_r, by_z, by_n * r)], 2)  # (T, N, 3, H)
    sent, deltas = received(grad_output), []
    grads = [sent[-1]]  # ∂L/∂h_t through everything that follows
    for t, (by_sum, kept) in reversed(list(enumerate(zip(by_hidden.unbind(), keep.unbind(), strict=True)))):
        deltas.append((grads[-1][:, None] * by_sum).flatten(1))  # (N, 3H)
        if is_cut(t, truncate):
            grads.append(sent[t] if mask is None else torch.addcmul(sent[t], grads[-1], frozen[t]))
        else:
            grads.append(torch.addcmul(sent[t], grads[-1], kept).addmm(deltas[-1], w_hh))
    grad, delta_hidden = torch.stack(grads[-2::-1]), torch.stack(deltas[::-1])
    H = hx.shape[1]
    delta = torch.cat([delta_hidden[..., : 2 * H], grad * only_where(mask, by_n)], 2)  # (T, N, 3H)
    grad_bias = None if b_hh is None else delta_hidden.sum((0, 1))
    return RecurrenceGradients(delta, grads[-1], over_all_times(delta_hidden, olds), grad_bias)


@differentiated_by(gru_recurrence_backward)
def gru_recurrence(projected, hx, w_hh, b_hh=None, mask=None, truncate=None):
    """The steps of ``gru_cell`` for t = 1 … T, where W_ih x_t + b_ih is known for all t.

    projected: W_ih x + b_ih (T, N, 3H)   hx: h_0 (N, H)   w_hh: (3H, H)   b_hh: (3H,) or None
    mask, truncate: as in rnn_tanh_recurrence   returns: h_1 … h_T (T, N, H)
    """
    check_recurrence(projected, {"hx": hx}, w_hh, b_hh, mask, truncate, gates=3)
    state, states = hx, []
    for t, inputs in enumerate(projected.unbind()):
        old = state.detach() if is_cut(t, truncate) else state
        _, z, n, _ = _gru_gates(inputs, affine(old, w_hh, b_hh))
        new = torch.lerp(n, old, z)  # (1 − z) n + z h
        state = new if mask is None else torch.where(mask[t, :, None], new, state)
        states.append(state)
    return torch.stack(states).to(projected.dtype)


def _gru_gates(inputs, hidden):
    """r, z, n and W_hn h + b_hn, each (…, H), from W_ih x + b_ih and W_hh h + b_hh, both (…, 3H)."""
    H = hidden.shape[-1] // 3
    (inputs_rz, inputs_n), (hidden_rz, hidden_n) = (sums.split([2 * H, H], -1) for sums in (inputs, hidden))
    r, z = torch.sigmoid(inputs_rz + hidden_rz).chunk(2, -1)
    return r, z, torch.tanh(torch.addcmul(inputs_n, r, hidden_n)), hidden_n


def affine(input, weight, bias):
    """x·Wᵀ + b, without the checks of ``linear``, which the loops cannot afford."""
    return torch.nn.functional.linear(input, weight, bias)


def received(grad_output):
    """What h_0, h_1, …, h_T receive from outside, each (N, H): h_0 nothing, h_t its part of grad_output (T, N, H)."""
    return (torch.zeros_like(grad_output[0]), *grad_output.unbind())


def before(hx, states):
    """h_0 … h_{T−1} (T, N, H): the state that each step started from."""
    return torch.cat([hx[None], states[:-1]])


def over_all_times(delta, inputs):
    """∂L/∂W = Σ_t Σ_n δ_{t,n} x_{t,n}ᵀ, of a weight that meets x at every time t, as one product — Eq. 7.3.

    delta: (T, N, K)   inputs: what the weight was multiplied with, (T, N, D)   returns: (K, D)
    """
    return delta.flatten(0, 1).mT @ inputs.flatten(0, 1)


def _cell_gradients(delta, delta_hidden, grad_hx, input, hx, w_ih, b_ih, b_hh):
    """The gradients of a cell from those of its two sums, W_ih x + b_ih and W_hh h + b_hh, both (N, k·H)."""
    return CellGradients(
        delta @ w_ih,
        grad_hx,
        delta.mT @ input,
        delta_hidden.mT @ hx,
        None if b_ih is None else delta.sum(0),
        None if b_hh is None else delta_hidden.sum(0),
    )
