"""What gates do to a memory: what is left of each thing written into it, and what becomes of a gradient on its way back.

What is said here of an LSTM's cell c holds for any state of the form c_t = f_t ⊙ c_{t−1} + u_t, such as a GRU's h, with f = z.
"""

import math
from numbers import Real
from typing import NamedTuple

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_floating, require, shape
from mmlearn.ops.lstm import lstm_cell
from mmlearn.ops.recurrent import affine


class LstmGates(NamedTuple):
    """The input gate i, the forget gate f, the candidate g and the output gate o, the cell c and the state h, each (T, N, H)."""

    i: torch.Tensor
    f: torch.Tensor
    g: torch.Tensor
    o: torch.Tensor
    c: torch.Tensor
    h: torch.Tensor


def lstm_gates(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """Every gate and state of an LSTM on its way through a sequence, which nn.LSTM computes and does not hand out.

    input: (T, N, D)   hx: the pair (h_0, c_0), each (N, H), or None for zeros   the weights: as in ``lstm_cell``
    returns: LstmGates(i, f, g, o, c, h), each (T, N, H)

    >>> layer = torch.nn.LSTM(3, 5)
    >>> inputs = torch.randn(7, 2, 3)
    >>> found = lstm_gates(inputs, None, *layer.parameters())
    >>> torch.allclose(found.h, layer(inputs)[0], atol=1e-6)
    True
    """
    check_floating(input, "input", (3,), "(T, N, D)")
    require(len(input) >= 1, "input", shape(input), "(T, N, D) with at least one time step")
    if hx is None:
        zeros = input.new_zeros(input.shape[1], w_hh.shape[1])
        hx = zeros, zeros
    steps, (h, c) = [], hx
    for x in input.unbind():
        sums = affine(x, w_ih, b_ih) + affine(h, w_hh, b_hh)  # (N, 4H)
        h, c = lstm_cell(x, (h, c), w_ih, w_hh, b_ih, b_hh)
        i, f, g, o = sums.chunk(4, 1)
        steps.append((i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid(), c, h))
    return LstmGates(*(torch.stack(kind) for kind in zip(*steps, strict=True)))


def shares_left(forget):
    """Π_{k=s+1…T} f_k for each s: what the memory at the end still holds of what was written at step s.

    forget: f_1 … f_T (T, …)   returns: (T, …), 1 at the last step

    >>> shares_left(torch.tensor([0.5, 0.5, 0.25]))
    tensor([0.1250, 0.2500, 1.0000])
    """
    check_floating(forget, "forget", ANY_DIMS, "(T, …)")
    require(forget.ndim >= 1 and len(forget) >= 1, "forget", shape(forget), "(T, …) with at least one time step")
    later = torch.cat([forget[1:], torch.ones_like(forget[:1])])
    return later.flip(0).cumprod(0).flip(0)


def gated_sum(forget, written, initial=None):
    """c_T = (Π_{k=1…T} f_k) c_0 + Σ_s (Π_{k=s+1…T} f_k) u_s: the recursion c_t = f_t c_{t−1} + u_t, unrolled — Eq. 8.1.

    forget: f_1 … f_T (T, …)   written: u_1 … u_T, of the same shape; in an LSTM u = i ⊙ g   initial: c_0 (…), or None for 0
    returns: c_T (…)

    >>> gated_sum(torch.tensor([1.0, 0.5, 1.0]), torch.tensor([4.0, 1.0, 0.0]))
    tensor(3.)
    """
    shares = shares_left(forget)
    check_floating(written, "written", (forget.ndim,), f"{tuple(forget.shape)}, as forget")
    require(written.shape == forget.shape, "written", shape(written), f"{tuple(forget.shape)}, as forget")
    total = (shares * written).sum(0)
    return total if initial is None else total + forget[0] * shares[0] * initial


def direct_path(forget):
    """∂c_T/∂c_t along the cell alone, where the gates count as constants: Π_{k=t+1…T} f_k for t = 0 … T — Eq. 8.3.

    forget: f_1 … f_T (T, …)   returns: (T + 1, …): the diagonal of the Jacobian for each t, 1 at t = T

    >>> direct_path(torch.tensor([0.5, 1.0, 0.25]))
    tensor([0.1250, 0.2500, 0.2500, 1.0000])
    """
    shares = shares_left(forget)
    return torch.cat([forget[:1] * shares[:1], shares])


class StepJacobian(NamedTuple):
    """The four blocks of ∂(h', c')/∂(h, c) for one example, each (H, H)."""

    h_by_h: torch.Tensor
    h_by_c: torch.Tensor
    c_by_h: torch.Tensor
    c_by_c: torch.Tensor


def lstm_step_jacobian(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """∂c'/∂c = diag f,  ∂c'/∂h = A,  ∂h'/∂c = diag(p ⊙ f),  ∂h'/∂h = diag(p)·A + diag(tanh c' ⊙ o(1 − o))·W_o — Eq. 8.4.

    p = o ⊙ (1 − tanh²c') and A = diag(g ⊙ i(1 − i))·W_i + diag(c ⊙ f(1 − f))·W_f + diag(i ⊙ (1 − g²))·W_g, with W_i, W_f, W_g,
    W_o the quarters of w_hh.
    input: x (D,)   hx: the pair (h, c), each (H,), of one example   the weights: as in ``lstm_cell``   returns: StepJacobian
    """
    check_floating(input, "input", (1,), "(D,), one example")
    h, c = hx
    for name, state in (("hx[0]", h), ("hx[1]", c)):
        check_floating(state, name, (1,), f"({w_hh.shape[1]},), one example")
    new_c = lstm_cell(input[None], (h[None], c[None]), w_ih, w_hh, b_ih, b_hh)[1][0]
    sums = affine(input, w_ih, b_ih) + affine(h, w_hh, b_hh)
    i, f, o = (sums.chunk(4)[n].sigmoid() for n in (0, 1, 3))
    g = sums.chunk(4)[2].tanh()
    by_i, by_f, by_g, by_o = w_hh.chunk(4)  # (H, H) each
    of_c = (g * i * (1 - i))[:, None] * by_i + (c * f * (1 - f))[:, None] * by_f + (i * (1 - g**2))[:, None] * by_g
    p = o * (1 - new_c.tanh() ** 2)
    of_h = p[:, None] * of_c + (new_c.tanh() * o * (1 - o))[:, None] * by_o
    return StepJacobian(of_h, torch.diag(p * f), of_c, torch.diag(f))


def cell_gradients(upstream, input, hx, w_ih, w_hh, b_ih=None, b_hh=None, through_gates=True):
    """∂⟨upstream, c_T⟩/∂c_t for t = 0 … T: what a wish about the last cell is worth at every cell before it.

    upstream: (N, H)   input: (T, N, D)   hx: the pair (h_0, c_0), each (N, H), or None for zeros   the rest: as in ``lstm_cell``
    through_gates: False counts the gates as constants, which leaves Eq. 8.3   returns: (T + 1, N, H)

    >>> layer = torch.nn.LSTM(3, 5)
    >>> cell_gradients(torch.ones(2, 5), torch.randn(7, 2, 3), None, *layer.parameters()).shape
    torch.Size([8, 2, 5])
    """
    check_floating(input, "input", (3,), "(T, N, D)")
    size = (input.shape[1], w_hh.shape[1])
    check_floating(upstream, "upstream", (2,), f"{size}: (N, H)")
    require(tuple(upstream.shape) == size, "upstream", shape(upstream), f"{size}: (N, H)")
    h, c = (input.new_zeros(size),) * 2 if hx is None else (state.detach() for state in hx)
    input, *weights = (None if part is None else part.detach() for part in (input, w_ih, w_hh, b_ih, b_hh))
    cells = [c.clone().requires_grad_()]
    with torch.enable_grad():
        for x in input.unbind():
            seen = h if through_gates else h.detach()
            i, f, g, o = (affine(x, weights[0], weights[2]) + affine(seen, weights[1], weights[3])).chunk(4, 1)
            cells.append(f.sigmoid() * cells[-1] + i.sigmoid() * g.tanh())
            h = o.sigmoid() * cells[-1].tanh()
        return torch.stack(torch.autograd.grad((upstream * cells[-1]).sum(), cells))


def forget_bias(steps):
    """b = ln(τ − 1), so that σ(b) = 1 − 1/τ: so started, a gate keeps for some τ steps — Eq. 8.5 (Tallec & Ollivier 2018).

    Of what is written, (1 − 1/τ)^τ is left τ steps later, about 1/e for large τ. An input gate with the bias −b starts at 1/τ.
    steps: τ > 1   returns: float

    >>> forget_bias(2), round(forget_bias(100), 3)
    (0.0, 4.595)
    """
    good = isinstance(steps, Real) and not isinstance(steps, bool) and 1 < steps < math.inf
    require(good, "steps", repr(steps), "a number of steps greater than 1")
    return math.log(steps - 1)
