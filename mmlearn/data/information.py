"""How much one thing tells about another, in bits: entropy and mutual information of tables of probabilities (Shannon 1948).

A table P[a, b, y] holds the probability of every combination of two inputs, a and b, and a label y.
"""

import math
from typing import NamedTuple

import torch


class Information(NamedTuple):
    """Bits about the label: in the first input alone I(A;Y), in the second I(B;Y), in both together I(A,B;Y)."""

    a: float
    b: float
    both: float


def entropy(p):
    """H = −Σ p·log₂ p, in bits — Eq. 14.1 (Shannon 1948). 0·log 0 counts as 0.

    p: probabilities of any shape, summing to 1   returns: a float
    Raises ValueError where ``p`` is no distribution.

    >>> entropy([0.5, 0.5]), entropy([[0.25, 0.25], [0.25, 0.25]])
    (1.0, 2.0)
    """
    return _entropy(check_distribution(p))


def conditional_entropy(joint):
    """H(Y|X) = H(X,Y) − H(X), in bits: what remains unknown about the last axis when the others are known.

    joint: (…, Y) probabilities   returns: a float

    >>> conditional_entropy([[0.25, 0.25], [0.0, 0.5]])
    0.5
    """
    joint = check_distribution(joint, axes=2, at_least=True)
    return max(0.0, _entropy(joint) - _entropy(joint.sum(-1)))


def mutual_information(joint):
    """I(X;Y) = Σ P(x,y)·log₂ P(x,y)/(P(x)P(y)), in bits — Eq. 14.2.

    joint: (X, Y) probabilities   returns: a float, at least 0
    Raises ValueError for any other number of axes: the information in a table P[a, b, y] is ``information(table)``.

    >>> mutual_information([[0.5, 0.0], [0.0, 0.5]]), mutual_information([[0.25, 0.25], [0.25, 0.25]])
    (1.0, 0.0)
    """
    joint = check_distribution(joint, axes=2)
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)  # (X, Y)
    here = joint > 0
    return max(0.0, float((joint[here] * (joint[here] / apart[here]).log2()).sum()))


def information(table):
    """I(A;Y), I(B;Y) and I(A,B;Y) of a table P[a, b, y], in bits: an Information.

    >>> xor = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4
    >>> information(xor)
    Information(a=0.0, b=0.0, both=1.0)
    """
    table = check_table(table)
    return Information(
        mutual_information(table.sum(1)), mutual_information(table.sum(0)), mutual_information(table.flatten(0, 1))
    )


def check_table(table):
    """The table P[a, b, y] as float64 (A, B, Y), summing to 1; a ValueError says what is wrong with any other one."""
    return check_distribution(table, axes=3, what="a table P[a, b, y]")


def check_distribution(p, axes=None, *, at_least=False, what="a distribution"):
    """``p`` as float64, divided by its sum, which may differ from 1 by 10⁻⁶; ValueError where it is no distribution."""
    p = torch.as_tensor(p, dtype=torch.float64)
    if axes and not (p.dim() == axes or (at_least and p.dim() > axes)):
        words = f"{'at least ' if at_least else ''}{axes} axes"
        hint = {(2, 3): ": for P[a, b, y] call information(table)", (3, 2): ": a label without a second input is P[a, None, y]"}
        raise ValueError(f"{what} has {words}; got shape {tuple(p.shape)}{hint.get((axes, p.dim()), '')}")
    if not p.numel():
        raise ValueError(f"{what} has at least one entry; got shape {tuple(p.shape)}")
    if not p.isfinite().all():
        raise ValueError(f"{what} holds probabilities; got {int((~p.isfinite()).sum())} entries that are NaN or infinite")
    if p.min() < 0:
        raise ValueError(f"{what} holds probabilities, at least 0; got {p.min():.4g}")
    total = float(p.sum())
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise ValueError(f"{what} sums to 1; got {total:.6g}: divide counts by their sum, table / table.sum()")
    return p / total


def _entropy(p):
    return max(0.0, -float(torch.special.xlogy(p, p).sum()) / math.log(2))
