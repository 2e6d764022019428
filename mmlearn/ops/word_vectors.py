"""Arithmetic with word vectors: who is near, what completes an analogy, how far four words are from a parallelogram."""

import torch

from mmlearn.ops.arguments import check_floating, check_whole, require


def unit_rows(vectors):
    """Each row divided by its length; a row of zeros stays one.   vectors: (V, D)   returns: (V, D)

    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    check_floating(vectors, "vectors", (2,), "(V, D)")
    length = vectors.norm(dim=1, keepdim=True)
    return vectors / length.where(length > 0, 1)


def _rows(vectors, **words):
    """Numbers of words as tensors (N,), each checked to be a row of vectors."""
    found = []
    for name, numbers in words.items():
        numbers = torch.as_tensor(numbers, device=vectors.device)
        got = f"{str(numbers.dtype).removeprefix('torch.')} of shape {tuple(numbers.shape)}"
        require(not numbers.is_floating_point() and numbers.dim() <= 1, name, got, "the number of a word, or (N,) of them")
        numbers = numbers.reshape(-1)
        if numbers.numel():
            low, high = int(numbers.min()), int(numbers.max())
            good = low >= 0 and high < len(vectors)
            require(good, name, f"{low} to {high}", f"numbers from 0 to {len(vectors) - 1}, as vectors has {len(vectors)} rows")
        found.append(numbers)
    return torch.broadcast_tensors(*found)


def nearest(vectors, words, count=1):
    """The words with the largest cosine to each given word, the word itself left out: (numbers (N, count), cosines (N, count)).

    vectors: (V, D)   words: a number, or (N,) of them   count: 1 to V − 1

    >>> nearest(torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 1.0]]), 0)
    (tensor([[1]]), tensor([[0.8944]]))
    """
    units = unit_rows(vectors)
    (words,) = _rows(vectors, words=words)
    check_whole(count, "count")
    require(count < len(vectors), "count", count, f"at most {len(vectors) - 1}, the number of other words")
    cosines = units[words] @ units.T  # (N, V)
    cosines = cosines.scatter(1, words[:, None], -torch.inf)
    best = cosines.topk(count, dim=1)
    return best.indices, best.values


def analogy(vectors, a, b, c, exclude_inputs=True):
    """argmax_d cos(v̂_d, v̂_b − v̂_a + v̂_c): "a is to b as c is to d", v̂ of length 1 — Eq. 9.12 (Mikolov, Yih & Zweig 2013).

    vectors: (V, D)   a, b, c: numbers of words, or (N,) of them   returns: d, (N,) int64
    exclude_inputs: a, b and c themselves may not be the answer, as is usual; False lets them

    >>> vectors = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    >>> analogy(vectors, a=0, b=1, c=2)
    tensor([3])
    """
    units = unit_rows(vectors)
    a, b, c = _rows(vectors, a=a, b=b, c=c)
    scores = (units[b] - units[a] + units[c]) @ units.T  # (N, V); the length of the target changes no order
    if exclude_inputs:
        require(len(vectors) > 3, "vectors", f"{len(vectors)} rows", "more than three, so that an answer is left")
        scores = scores.scatter(1, torch.stack([a, b, c], 1), -torch.inf)
    return scores.argmax(1)


def parallelogram_gap(vectors, a, b, c, d):
    """‖(v_b − v_a) − (v_d − v_c)‖² / (‖v_b − v_a‖² + ‖v_d − v_c‖²), 0 for a parallelogram — Eq. 9.13.

    Two offsets that have nothing to do with each other (orthogonal ones) give 1.
    vectors: (V, D)   a, b, c, d: numbers of words, or (N,) of them   returns: (N,)

    >>> parallelogram_gap(torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0], [5.0, 6.0]]), 0, 1, 2, 3)
    tensor([1.])
    """
    check_floating(vectors, "vectors", (2,), "(V, D)")
    a, b, c, d = _rows(vectors, a=a, b=b, c=c, d=d)
    first, second = vectors[b] - vectors[a], vectors[d] - vectors[c]  # (N, D)
    return (first - second).square().sum(1) / (first.square().sum(1) + second.square().sum(1))
