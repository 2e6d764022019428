"""Retrieval scores: how often the right item is among the first K, and what luck and duplicates make of it."""

import math

import torch


def recall_at_k(similarity, relevant=None, k=(1, 5, 10), ties="mean"):
    """R@K = the share of queries with a relevant item among the K most similar — Eq. 18.12.

    similarity: (Q, M), larger is more similar
    relevant: (Q, M) bool, or (Q,) int64, the number of each query's one item; None: query i wants item i (Q = M)
    k: a whole number, or several, each from 1 to M
    ties: items with the same similarity are in no order. "mean" gives the expected score over all their orders, "worst" puts the
        relevant ones last, "best" first. Only "mean" gives a constant similarity what guessing has; argmax and topk do not.
    returns: a float for one k, else a dict {k: float}
    Raises ValueError on NaN, on a query without any relevant item, and where k exceeds M.

    >>> similarity = torch.tensor([[0.9, 0.1, 0.3], [0.2, 0.8, 0.8], [0.5, 0.4, 0.1]])
    >>> recall_at_k(similarity, k=(1, 2, 3))   # (1 + ½ + 0)/3, (1 + 1 + 0)/3
    {1: 0.5, 2: 0.6666666666666666, 3: 1.0}
    """
    similarity, relevant = _checked(similarity, relevant)
    several = isinstance(k, (tuple, list, range))
    wanted = tuple(k) if several else (k,)
    M = similarity.shape[1]
    for number in wanted:
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= M:
            raise ValueError(f"k must be a whole number from 1 to the {M} items; got {number!r}")
    if ties not in ("mean", "worst", "best"):
        raise ValueError(f"ties must be 'mean', 'worst' or 'best'; got {ties!r}")
    best = similarity.where(relevant, -torch.inf).amax(1, keepdim=True)  # (Q, 1): of the relevant items
    above = (similarity > best).sum(1)  # (Q,): what must come before it
    level = similarity == best
    tied, right = level.sum(1), (level & relevant).sum(1)  # (Q,), (Q,): tied with it, and how many of these are relevant
    if ties == "worst":
        above, tied = above + tied - right, right
    elif ties == "best":
        tied = right
    found = {number: _hit(number - above, tied, right).mean().item() for number in wanted}
    return found if several else found[k]


def chance_recall(items, k, relevant=1):
    """1 − C(M − r, K)/C(M, K): what a random order finds; K/M for one relevant item — Eq. 18.13.

    items: M   relevant: r of them   returns: float

    >>> round(chance_recall(500, 1), 6), round(chance_recall(10, 3, relevant=2), 6)   # 1/500, 1 − C(8, 3)/C(10, 3)
    (0.002, 0.533333)
    """
    if not (1 <= relevant <= items and 1 <= k <= items):
        raise ValueError(f"1 ≤ relevant ≤ items and 1 ≤ k ≤ items; got items={items}, k={k}, relevant={relevant}")
    return 1 - math.comb(items - relevant, k) / math.comb(items, k)


def recall_ceiling(groups, k=1):
    """(1/N) Σᵢ min(1, K/mᵢ): the best R@K where the mᵢ items of a group cannot be told apart — Eq. 18.14.

    groups: (N,) numbers or words, equal for items that nobody can tell apart   returns: float

    >>> recall_ceiling(["a red star", "a red star", "a blue ring", "a white heart"])   # (½ + ½ + 1 + 1)/4
    0.75
    """
    groups = groups.tolist() if isinstance(groups, torch.Tensor) else list(groups)
    if not groups:
        raise ValueError("groups is empty: there is nothing to find")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ValueError(f"k must be a whole number ≥ 1; got {k!r}")
    counts = {}
    for group in groups:
        counts[group] = counts.get(group, 0) + 1
    return sum(min(1.0, k / counts[group]) for group in groups) / len(groups)


def _hit(left, tied, right):
    """The chance (Q,) float64 that one of ``right`` items is among the first ``left`` of ``tied`` in random order."""
    left, tied, right = left.double().clamp(min=0), tied.double(), right.double()
    left = torch.minimum(left, tied)
    wrong = tied - right  # all ``left`` places go to wrong ones: C(wrong, left)/C(tied, left)
    possible = wrong >= left
    miss = (
        torch.lgamma(wrong + 1)
        - torch.lgamma((wrong - left).clamp(min=0) + 1)
        - torch.lgamma(tied + 1)
        + torch.lgamma(tied - left + 1)
    ).exp()
    one = right == 1  # without rounding in the usual case
    return torch.where(left == 0, 0.0, torch.where(~possible, 1.0, torch.where(one, left / tied, 1 - miss)))


def _checked(similarity, relevant):
    similarity = torch.as_tensor(similarity).detach()
    if similarity.ndim != 2 or 0 in similarity.shape:
        raise ValueError(f"similarity must be (Q, M), queries by items; got shape {tuple(similarity.shape)}")
    if similarity.isnan().any():
        rows = similarity.isnan().any(1).nonzero().flatten().tolist()
        raise ValueError(f"similarity holds NaN, in {len(rows)} queries, the first of them {rows[0]}: NaN has no rank")
    Q, M = similarity.shape
    if relevant is None:
        if Q != M:
            raise ValueError(f"without relevant, query i wants item i; got {Q} queries and {M} items: give relevant")
        relevant = torch.arange(Q)
    relevant = torch.as_tensor(relevant).to(similarity.device)
    if relevant.dtype != torch.bool:
        inside = relevant.shape == (Q,) and not relevant.is_floating_point() and bool(((relevant >= 0) & (relevant < M)).all())
        if not inside:
            raise ValueError(f"relevant must be ({Q}, {M}) bool or ({Q},) item numbers from 0 to {M - 1}; got {relevant!r}")
        relevant = torch.nn.functional.one_hot(relevant.long(), M).bool()
    if relevant.shape != similarity.shape:
        raise ValueError(f"relevant must be ({Q}, {M}) bool, as similarity is; got {tuple(relevant.shape)}")
    without = (~relevant.any(1)).nonzero().flatten().tolist()
    if without:
        raise ValueError(f"{len(without)} queries have no relevant item, the first of them {without[0]}: leave them out")
    return similarity.double(), relevant
