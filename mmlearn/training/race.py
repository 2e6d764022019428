"""The race of two modalities in the smallest network that has one: a scalar encoder and a scalar weight for each."""

import torch

from mmlearn.ops.arguments import require


def slower_share(share, start, start_slower, ratio):
    """c_b = c_b(0) · (c_a / c_a(0))^(s_b/s_a): what the slower modality has learnt when the faster one stands at c_a — Eq. 19.2.

    share: c_a, numbers or tensor   start: c_a(0) > 0   start_slower: c_b(0) > 0   ratio: s_b/s_a

    >>> slower_share(4.0, start=0.01, start_slower=0.01, ratio=0.5)
    0.2
    """
    return start_slower * (share / start) ** ratio


def race(signals, start=0.01, *, steps=2000, lr=0.01):
    """Gradient descent on log(1 + e^−c), c = Σ_u c_u with c_u = s_u m_u w_u, from m_u = w_u: c_u at every step, (steps + 1, M).

    signals: M strengths s_u > 0   start: c_u(0) of every modality, above 0
    """
    s = torch.tensor(signals, dtype=torch.float64)
    require(bool((s > 0).all()) and start > 0, "signals, start", f"{signals}, {start}", "numbers above 0")
    m = w = (start / s).sqrt()
    shares = [s * m * w]
    for _ in range(steps):
        pull = torch.sigmoid(-shares[-1].sum())  # −dL/dc
        m, w = m + lr * pull * s * w, w + lr * pull * s * m
        shares.append(s * m * w)
    return torch.stack(shares)
