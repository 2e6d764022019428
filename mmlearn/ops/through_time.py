"""What becomes of a gradient on its way back through a recurrence h_t = tanh(a_t + W_hh h_{t−1}), and what truncation takes away.

``states`` are h_1 … h_T, as ``rnn_tanh_recurrence`` returns them: (T, H) for one sequence, (T, N, H) for N of them.
"""

import torch

from mmlearn.ops.arguments import check_alike, check_floating, check_whole, require, shape
from mmlearn.ops.recurrent import before, over_all_times


def state_jacobian(states, w_hh):
    """∂h_T/∂h_0 = J_T ⋯ J_2 J_1 with J_t = diag(1 − h_t²)·W_hh: how the last state answers to the first — Eq. 7.4.

    states: h_1 … h_T (T, H) or (T, N, H)   w_hh: (H, H)   returns: (H, H) or (N, H, H)
    For ∂h_T/∂h_t, give the states from h_{t+1} on.

    >>> state_jacobian(torch.tensor([[0.0], [0.5]]), torch.tensor([[2.0]]))  # (1 − ¼)·2 · 1·2
    tensor([[3.]])
    """
    _check(states, w_hh)
    product = torch.eye(len(w_hh), dtype=w_hh.dtype, device=w_hh.device).expand(*states.shape[1:-1], *w_hh.shape)
    for slope in 1 - states**2:  # (H,) or (N, H)
        product = slope[..., None] * (w_hh @ product)
    return product


def state_jacobian_bounds(states, w_hh):
    """‖∂h_T/∂h_t‖ ≤ Π_{k=t+1…T} max_i(1 − h_{k,i}²) · σ_max(W_hh) — Eq. 7.5 (Pascanu, Mikolov & Bengio 2013).

    The norm of a diagonal matrix is its largest entry, that of W_hh its largest singular value.
    states: h_1 … h_T (T, H) or (T, N, H)   w_hh: (H, H)   returns: for t = 0 … T, (T + 1,) or (T + 1, N); the last is 1

    >>> state_jacobian_bounds(torch.tensor([[0.0], [0.5]]), torch.tensor([[2.0]]))
    tensor([3.0000, 1.5000, 1.0000])
    """
    _check(states, w_hh)
    return _from_the_end((1 - states**2).amax(-1) * torch.linalg.matrix_norm(w_hh, 2))


def expected_growth(states, w_hh):
    """‖∂L/∂h_t‖ / ‖∂L/∂h_T‖ ≈ Π_{k=t+1…T} (‖W_hh‖_F²/H · mean_i (1 − h_{k,i}²)²)^½, for random weights — Eq. 7.6.

    In the mean over W_hh with independent entries of mean 0, for gradients spread evenly over the units; ‖W_hh‖_F²/H stands for
    H times the entries' variance. For recurrent networks: Chen, Pennington & Schoenholz (2018).
    states: h_1 … h_T (T, H) or (T, N, H)   w_hh: (H, H)   returns: for t = 0 … T, (T + 1,) or (T + 1, N); the last is 1

    >>> expected_growth(torch.zeros(2, 2), torch.eye(2) / 2)
    tensor([0.2500, 0.5000, 1.0000])
    """
    _check(states, w_hh)
    return _from_the_end((w_hh.square().sum() / len(w_hh) * (1 - states**2).square().mean(-1)).sqrt())


def gradient_norms(grad, states, w_hh):
    """‖∂L/∂h_t‖ for t = 0 … T, where the loss sees the last state alone, and sends ∂L/∂h_T = grad.

    grad: (H,) or (N, H)   states: h_1 … h_T (T, H) or (T, N, H)   w_hh: (H, H)   returns: (T + 1,) or (T + 1, N)

    >>> gradient_norms(torch.tensor([1.0]), torch.tensor([[0.0], [0.5]]), torch.tensor([[2.0]]))
    tensor([3.0000, 1.5000, 1.0000])
    """
    _check(states, w_hh)
    expected = f"{tuple(states.shape[1:])}, the shape of one state of all sequences"
    require(grad.shape == states.shape[1:], "grad", shape(grad), expected)
    norms = [grad.norm(dim=-1)]
    for state in states.flip(0):
        grad = (grad * (1 - state**2)) @ w_hh
        norms.append(grad.norm(dim=-1))
    return torch.stack(norms[::-1])


def gradient_by_lag(grad_output, states, hx, w_hh):
    """G_ℓ = Σ_{s−t=ℓ} δ_t^(s) h_{t−1}ᵀ, what losses tell W_hh about its use ℓ steps before; Σ_ℓ G_ℓ = ∂L/∂W_hh — Eq. 7.7.

    δ_s^(s) = (1 − h_s²) ⊙ ∂L_s/∂h_s is the loss at time s alone, and δ_{t−1}^(s) = (1 − h_{t−1}²) ⊙ W_hhᵀ δ_t^(s).
    grad_output: ∂L_s/∂h_s (T, N, H), each from its own loss   states: (T, N, H)   hx: h_0 (N, H)   w_hh: (H, H)
    returns: G_0 … G_{T−1} (T, H, H)
    """
    _check(states, w_hh)
    check_floating(states, "states", (3,), "(T, N, H)")
    require(grad_output.shape == states.shape, "grad_output", shape(grad_output), f"{tuple(states.shape)}, as states has")
    require(hx.shape == states.shape[1:], "hx", shape(hx), f"{tuple(states.shape[1:])}, the shape of one state")
    slope, olds = 1 - states**2, before(hx, states)
    delta, by_lag = grad_output * slope, []
    for _ in range(len(states)):
        by_lag.append(over_all_times(delta, olds[: len(delta)]))
        delta = (delta[1:] @ w_hh) * slope[: len(delta) - 1]  # each loss one step further back
    return torch.stack(by_lag)


def kept_share(lag, truncate, steps):
    """(T/k)·max(k − ℓ, 0) / (T − ℓ): the share of all pairs of times ℓ apart that lie in one window of k steps — Eq. 7.8.

    lag: ℓ, 0 … T − 1   truncate: k, which divides T   steps: T

    >>> kept_share(lag=2, truncate=4, steps=12), kept_share(lag=4, truncate=4, steps=12)
    (0.6, 0.0)
    """
    check_whole(lag, "lag", minimum=0)
    check_whole(truncate, "truncate")
    check_whole(steps, "steps")
    require(steps % truncate == 0, "truncate", truncate, f"a divisor of steps = {steps}, so that all windows are whole")
    require(lag < steps, "lag", lag, f"less than steps = {steps}")
    return steps // truncate * max(truncate - lag, 0) / (steps - lag)


def _from_the_end(factors):
    """Factors of the steps 1 … T → their products from t + 1 to T, for t = 0 … T."""
    products = factors.flip(0).cumprod(0).flip(0)
    return torch.cat([products, torch.ones_like(products[:1])])


def _check(states, w_hh):
    check_floating(states, "states", (2, 3), "(T, H) or (T, N, H)")
    require(len(states) >= 1, "states", shape(states), "at least one time step")
    H = states.shape[-1]
    check_floating(w_hh, "w_hh", (2,), "(H, H)")
    require(tuple(w_hh.shape) == (H, H), "w_hh", shape(w_hh), f"({H}, {H}), as states have {H} units")
    check_alike("states", states, w_hh=w_hh)
