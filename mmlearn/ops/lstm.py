"""The long short-term memory: a cell that gates open and close, one step and a whole sequence of steps."""

from typing import NamedTuple

import torch

from mmlearn.ops.arguments import check_grad_output, require
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.recurrent import (
    CellGradients,
    RecurrenceGradients,
    affine,
    before,
    carried_over,
    check_cell,
    check_recurrence,
    is_cut,
    only_where,
    over_all_times,
    received,
)


class _StepGradients(NamedTuple):
    """``CellGradients`` with the two states apart."""

    input: torch.Tensor
    hx: torch.Tensor
    cx: torch.Tensor
    w_ih: torch.Tensor
    w_hh: torch.Tensor
    b_ih: torch.Tensor | None
    b_hh: torch.Tensor | None


def lstm_cell_backward(grad_output, input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """dc' ← dc' + dh' ⊙ o ⊙ (1 − tanh²c'),  dc = f ⊙ dc',  dx = δ·W_ih,  dh = δ·W_hh — Eq. 8.6.

    δ are the gradients of the four sums in front of the gates, each with the slope of its gate: of i  dc' ⊙ g,  of f  dc' ⊙ c,
    of g  dc' ⊙ i,  of o  dh' ⊙ tanh c'.
    grad_output: the pair (dh', dc'), each (N, H)   the rest: as given to lstm_cell
    returns: CellGradients, in which hx is the pair (dh, dc)
    """
    _check_pair(grad_output, "grad_output", "(∂L/∂h, ∂L/∂c)")
    h, c = _check_pair(hx, "hx", "(h, c)")
    check_cell(input, {"hx[0]": h, "hx[1]": c}, w_ih, w_hh, b_ih, b_hh, gates=4)
    for grad in grad_output:
        check_grad_output(grad, h.shape)
    grads = _step_backward(torch.stack(tuple(grad_output)), input, h, c, w_ih, w_hh, b_ih, b_hh)
    return CellGradients(grads.input, (grads.hx, grads.cx), *grads[3:])


def _step_backward(grad_output, input, hx, cx, w_ih, w_hh, b_ih=None, b_hh=None):
    grad_h, grad_c = grad_output
    i, f, g, o = _gates(affine(input, w_ih, b_ih) + affine(hx, w_hh, b_hh))
    squashed = torch.tanh(f * cx + i * g)
    grad_c = grad_c + grad_h * o * (1 - squashed**2)
    delta = torch.cat(
        [
            grad_c * g * i * (1 - i),
            grad_c * cx * f * (1 - f),
            grad_c * i * (1 - g**2),
            grad_h * squashed * o * (1 - o),
        ],
        1,
    )  # (N, 4H)
    grad_bias = delta.sum(0)
    return _StepGradients(
        delta @ w_ih,
        delta @ w_hh,
        grad_c * f,
        delta.mT @ input,
        delta.mT @ hx,
        None if b_ih is None else grad_bias,
        None if b_hh is None else grad_bias,
    )


@differentiated_by(_step_backward)
def _step(input, hx, cx, w_ih, w_hh, b_ih, b_hh):
    """h' and c' as one tensor (2, N, H)."""
    i, f, g, o = _gates(affine(input, w_ih, b_ih) + affine(hx, w_hh, b_hh))
    cell = f * cx + i * g
    return torch.stack([o * torch.tanh(cell), cell]).to(hx.dtype)


def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """c' = f ⊙ c + i ⊙ g,  h' = o ⊙ tanh(c') — Eq. 8.2 (Hochreiter & Schmidhuber 1997; f: Gers, Schmidhuber & Cummins 2000).

    A drop-in for torch.lstm_cell. i, f, o = σ(W_ih x + b_ih + W_hh h + b_hh) and g = tanh(…), each from its quarter of the rows.
    input: x (N, D)   hx: the pair (h, c), each (N, H)
    w_ih: (4H, D), w_hh: (4H, H), b_ih, b_hh: (4H,) or None, in the order i, f, g, o   returns: (h', c'), each (N, H)
    """
    h, c = _check_pair(hx, "hx", "(h, c)")
    check_cell(input, {"hx[0]": h, "hx[1]": c}, w_ih, w_hh, b_ih, b_hh, gates=4)
    return tuple(_step(input, h, c, w_ih, w_hh, b_ih, b_hh).unbind())


def lstm_recurrence_backward(grad_output, projected, hx, cx, w_hh, mask=None, truncate=None, output=None):
    """∂L/∂c_{t−1} ← f_t ⊙ ∂L/∂c_t along the cell, ∂L/∂h_{t−1} ← W_hhᵀ δ_t across the gates, for t = T … 1 — Eq. 8.7.

    The states of all times are known, so all gates are computed again by one product, and dW_hh is one product over all times.
    grad_output: (2, T, N, H)   the rest: as given to lstm_recurrence   output: its states, when they are known already
    returns: RecurrenceGradients(projected, hx, w_hh, cx)
    """
    states = lstm_recurrence(projected, hx, cx, w_hh, mask, truncate) if output is None else output
    check_grad_output(grad_output, states.shape)
    (h, c), (grad_h, grad_c) = states, grad_output
    old_h, old_c = before(hx, h), before(cx, c)
    i, f, g, o = _gates(projected + affine(old_h, w_hh, None))  # (T, N, H) each
    squashed = torch.tanh(c)
    into_c = o * (1 - squashed**2)  # how h_t changes with c_t
    slopes = [g * i * (1 - i), old_c * f * (1 - f), i * (1 - g**2), squashed * o * (1 - o)]
    into_c, *slopes = (only_where(mask, by) for by in (into_c, *slopes))
    slopes = torch.stack(slopes, 2)  # (T, N, 4, H)
    keep, frozen = f, carried_over(mask, f)
    if mask is not None:
        keep = torch.where(mask[..., None], f, 1)
    sent_h, sent_c, deltas = received(grad_h), received(grad_c), []
    dh, dc = sent_h[-1], sent_c[-1]  # ∂L/∂h_t through everything that follows, and ∂L/∂c_t through all but h_t
    for t in reversed(range(len(h))):
        later, dc = dh, torch.addcmul(dc, dh, into_c[t])
        deltas.append((torch.stack([dc, dc, dc, dh], 1) * slopes[t]).flatten(1))  # (N, 4H)
        if is_cut(t, truncate):
            dh, dc = sent_h[t], sent_c[t] if mask is None else torch.addcmul(sent_c[t], dc, frozen[t])
        else:
            dh, dc = torch.addmm(sent_h[t], deltas[-1], w_hh), torch.addcmul(sent_c[t], dc, keep[t])
        if mask is not None:
            dh = dh + later * frozen[t]
    delta = torch.stack(deltas[::-1])  # (T, N, 4H)
    return RecurrenceGradients(delta, dh, over_all_times(delta, old_h), cx=dc)


@differentiated_by(lstm_recurrence_backward)
def lstm_recurrence(projected, hx, cx, w_hh, mask=None, truncate=None):
    """The steps of ``lstm_cell`` for t = 1 … T, where W_ih x_t + b_ih + b_hh is known for all t.

    projected: (T, N, 4H)   hx, cx: h_0 and c_0 (N, H)   w_hh: (4H, H)   mask, truncate: as in rnn_tanh_recurrence
    returns: (2, T, N, H), of which [0] is h_1 … h_T and [1] is c_1 … c_T
    """
    check_recurrence(projected, {"hx": hx, "cx": cx}, w_hh, None, mask, truncate, gates=4)
    h, c, hidden, cells = hx, cx, [], []
    for t, inputs in enumerate(projected.unbind()):
        old_h, old_c = (h.detach(), c.detach()) if is_cut(t, truncate) else (h, c)
        i, f, g, o = _gates(torch.addmm(inputs, old_h, w_hh.mT))
        new_c = torch.addcmul(f * old_c, i, g)  # f c + i g
        new_h = o * torch.tanh(new_c)
        if mask is None:
            h, c = new_h, new_c
        else:
            h, c = (torch.where(mask[t, :, None], new, old) for new, old in ((new_h, h), (new_c, c)))
        hidden.append(h)
        cells.append(c)
    return torch.stack(hidden + cells).unflatten(0, (2, -1)).to(projected.dtype)


def _gates(sums):
    """i, f, g, o, each (…, H), from the four sums (…, 4H)."""
    H = sums.shape[-1] // 4
    i, f = torch.sigmoid(sums[..., : 2 * H]).chunk(2, -1)
    return i, f, torch.tanh(sums[..., 2 * H : 3 * H]), torch.sigmoid(sums[..., 3 * H :])


def _check_pair(value, argument, names):
    good = isinstance(value, (tuple, list)) and len(value) == 2
    got = f"{len(value)} of them" if isinstance(value, (tuple, list)) else type(value).__name__
    require(good, argument, got, f"a pair of tensors {names}, each (N, H)")
    return tuple(value)
