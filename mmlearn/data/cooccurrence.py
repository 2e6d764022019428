"""A word's company: which words stand near it, counted, and compared with what chance would bring.

>>> ids, mask = torch.tensor([[0, 1, 2]]), torch.ones(1, 3, dtype=torch.bool)
>>> counts = cooccurrence(window_pairs(ids, mask, window=1), words=3)
>>> counts
tensor([[0., 1., 0.],
        [1., 0., 1.],
        [0., 1., 0.]], dtype=torch.float64)
"""

import torch


def window_pairs(ids, mask, window):
    """Every word with every neighbour at most ``window`` places away in the same text: (P, 2) int64, (word, neighbour).

    Each two words that are near each other come twice, once in each role. Padding is nobody's neighbour.
    ids: (N, T) int64   mask: (N, T) bool, True on a token, as ``Vocabulary.encode`` gives them   window: whole, at least 1

    >>> window_pairs(torch.tensor([[5, 8, 9, 0]]), torch.tensor([[True, True, True, False]]), window=1).tolist()
    [[5, 8], [8, 9], [8, 5], [9, 8]]
    """
    if ids.dim() != 2 or ids.shape != mask.shape or mask.dtype != torch.bool or ids.is_floating_point():
        got = f"{ids.dtype} {tuple(ids.shape)} and {mask.dtype} {tuple(mask.shape)}"
        raise ValueError(f"ids must be whole numbers (N, T) and mask bool of the same shape; got {got}: give what encode returns")
    if not isinstance(window, int) or isinstance(window, bool) or window < 1:
        raise ValueError(f"window must be a whole number of places, at least 1; got {window!r}")
    forward = []
    for apart in range(1, min(window, ids.shape[1] - 1) + 1):
        both = mask[:, :-apart] & mask[:, apart:]  # (N, T − apart)
        forward.append(torch.stack([ids[:, :-apart][both], ids[:, apart:][both]], 1))
    pairs = torch.cat([ids.new_zeros(0, 2), *forward])
    return torch.cat([pairs, pairs.flip(1)])  # (P, 2)


def cooccurrence(pairs, words):
    """#(w, c) = Σ_i Σ_{0<|j|≤m} [word i is w and word i+j is c]: how often c stands near w — Eq. 9.4.

    pairs: (P, 2) int64, as ``window_pairs`` lists them   words: V, how many words there are   returns: (V, V) float64
    """
    if pairs.dim() != 2 or pairs.shape[1] != 2 or pairs.is_floating_point():
        raise ValueError(f"pairs must be whole numbers (P, 2); got {pairs.dtype} {tuple(pairs.shape)}: window_pairs gives them")
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= words):
        got = f"{int(pairs.min())} to {int(pairs.max())}"
        raise ValueError(f"the words of pairs run from 0 to {words - 1}, as words is {words}; got {got}: give a greater words")
    return torch.bincount(pairs[:, 0] * words + pairs[:, 1], minlength=words**2).double().reshape(words, words)


def pmi(counts):
    """PMI(w, c) = log P(w, c) / (P(w)·P(c)), the pointwise mutual information in nats — Eq. 9.5 (Church & Hanks 1990).

    counts: (V, C), not negative; P(w) and P(c) are the sums of its rows and columns, divided by the sum of all
    returns: (V, C) float64; −∞ for a pair that was never seen. Raises ValueError where there is nothing to count.

    >>> pmi(torch.tensor([[2.0, 0.0], [1.0, 1.0]])).exp()
    tensor([[1.3333, 0.0000],
            [0.6667, 2.0000]], dtype=torch.float64)
    """
    counts = torch.as_tensor(counts, dtype=torch.float64)
    if counts.dim() != 2 or (counts < 0).any() or not counts.isfinite().all() or counts.sum() == 0:
        raise ValueError(f"counts must be a table (V, C) of numbers ≥ 0 with a sum above 0; got shape {tuple(counts.shape)}")
    by_chance = torch.outer(counts.sum(1), counts.sum(0)) / counts.sum()  # (V, C): what independent words would have
    return (counts / by_chance).log().where(counts > 0, -torch.inf)
