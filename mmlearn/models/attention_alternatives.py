"""Other attention weights with the same result: how far weights that were read off a network are fixed by what it computed."""

from typing import NamedTuple

import torch

from mmlearn.ops.arguments import check_floating, require, shape


class MassRange(NamedTuple):
    """The mass of some tokens: as it is, and the least and the most among weights with the same result, which are (T,) each."""

    mass: float
    least: float
    most: float
    least_weights: torch.Tensor
    most_weights: torch.Tensor


def mass_range(weights, value, tokens):
    """min and max of Σ_{j∈C} a_j over a ≥ 0 with Σ a_j = 1 and Vᵀa = Vᵀp: weights with the same result — Eq. 10.14.

    weights: p (T,), of one query in one head, from 0 to 1 and adding up to 1   value: V (T, d), of this head
    tokens: C, bool (T,), True on the tokens whose mass is asked for   returns: MassRange

    With T > d + 1 there are other such weights, unless p lies on the border (Brunner et al. 2020); with T ≤ d + 1 and values in
    general position p is the only one. A linear programme finds the two ends.

    >>> first = torch.tensor([True, False, False])
    >>> found = mass_range(torch.tensor([0.5, 0.25, 0.25]), torch.tensor([[1.0], [0.0], [2.0]]), first)
    >>> round(found.least, 6), round(found.most, 6)
    (0.0, 1.0)
    """
    from scipy.optimize import linprog

    check_floating(weights, "weights", (1,), "(T,)")
    T = len(weights)
    check_floating(value, "value", (2,), f"({T}, d), as weights is {tuple(weights.shape)}")
    require(len(value) == T, "value", shape(value), f"({T}, d), as weights is {tuple(weights.shape)}")
    good = isinstance(tokens, torch.Tensor) and tokens.dtype == torch.bool and tokens.shape == weights.shape
    require(good, "tokens", shape(tokens) if isinstance(tokens, torch.Tensor) else repr(tokens), f"bool ({T},)")
    p, V, inside = weights.detach().double().cpu(), value.detach().double().cpu(), tokens.cpu().double()
    fits = bool((p >= -1e-6).all()) and abs(p.sum().item() - 1) < 1e-4
    require(fits, "weights", f"numbers that add up to {p.sum().item():.3g}", "numbers ≥ 0 that add up to 1")
    p = p.clamp(min=0) / p.clamp(min=0).sum()
    size = V.abs().max().clamp(min=1e-12)
    rows = torch.cat([V.T / size, torch.ones(1, T, dtype=torch.float64)])  # (d + 1, T)
    right = rows @ p
    ends = []
    for sign in (1, -1):
        found = linprog((sign * inside).numpy(), A_eq=rows.numpy(), b_eq=right.numpy(), bounds=(0, None), method="highs")
        ends.append(torch.from_numpy(found.x.copy()) if found.success else p)
    masses = [(inside @ a).item() for a in ends]
    return MassRange((inside @ p).item(), min(masses[0], (inside @ p).item()), max(masses[1], (inside @ p).item()), *ends)
