"""Padded batches of word numbers: what a network that reads accepts, and summaries of a sequence that padding does not change."""

import torch

from mmlearn.ops.arguments import require

POOLS = ("last", "first", "mean", "max")


def check_tokens(ids, mask, vocabulary_size, longest=None):
    """The mask of a batch of texts, all True where it is None; raises unless both are as ``Vocabulary.encode`` gives them.

    ids: (N, T) int64 from 0 to V − 1   mask: (N, T) bool, True on a token, or None   longest: the greatest T, or None for any
    returns: (N, T) bool
    Raises ValueError (TypeError for a wrong dtype) that says what was given and what to do.
    """
    wanted = "ids must be whole numbers (N, T), N and T at least 1"
    if ids.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{wanted}; got {ids.dtype} {tuple(ids.shape)}: vocabulary.encode(texts) gives them")
    if ids.ndim != 2:
        advice = ": one text becomes a batch with ids[None]" if ids.ndim == 1 else ""
        raise ValueError(f"{wanted}; got {tuple(ids.shape)}{advice}")
    if ids.numel() == 0:
        what = "no texts" if len(ids) == 0 else "texts of length zero"
        raise ValueError(f"{wanted}; got {what}, {tuple(ids.shape)}: vocabulary.encode makes an empty text one <pad>")
    if longest is not None and ids.shape[1] > longest:
        raise ValueError(f"this network has places for {longest} tokens; got {ids.shape[1]}: build it with length={ids.shape[1]}")
    low, high = ids.min().item(), ids.max().item()
    if low < 0 or high >= vocabulary_size:
        wrong = low if low < 0 else high
        raise ValueError(
            f"ids run from 0 to {vocabulary_size - 1} in this network; got {wrong}: "
            "build it with vocabulary_size=len(vocabulary), of the vocabulary that encoded the texts"
        )
    if mask is None:
        return torch.ones_like(ids, dtype=torch.bool)
    return check_mask(mask, ids.shape)


def check_mask(mask, shape):
    """A bool mask of this shape (N, T), True on a token; raises ValueError otherwise, and returns it."""
    if mask.dtype != torch.bool or tuple(mask.shape) != tuple(shape):
        advice = ": give mask.bool(), True on a token" if mask.dtype != torch.bool else ""
        raise ValueError(f"mask must be bool {tuple(shape)}, True on a token; got {mask.dtype} {tuple(mask.shape)}{advice}")
    return mask


def lengths_of(mask):
    """How many tokens each text has, (N,) int64. Raises ValueError where a token stands behind padding.

    >>> lengths_of(torch.tensor([[True, True, False], [False, False, False]]))
    tensor([2, 0])
    """
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        row = (mask[:, 1:] & ~mask[:, :-1]).any(1).nonzero()[0].item()
        raise ValueError(f"mask must be True on the tokens and False behind them; in row {row} a token follows padding")
    return mask.sum(1)


def pool(sequence, mask, how):
    """One vector for each sequence: its 'last' or 'first' token's, or the 'mean' or the 'max' of all its tokens.

    sequence: (N, T, D)   mask: (N, T) bool, True on a token   returns: (N, D); zeros for a row of padding alone

    >>> pool(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]]), "mean")
    tensor([[2.]])
    """
    require(how in POOLS, "pool", repr(how), " or ".join(map(repr, POOLS)))
    some = mask.any(1, keepdim=True)  # (N, 1)
    inside = mask[..., None]  # (N, T, 1)
    if how == "mean":
        return sequence.where(inside, 0).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)  # (N, D)
    if how == "max":
        return sequence.where(inside, -torch.inf).amax(1).where(some, 0)  # (N, D)
    place = mask.long().argmax(1) if how == "first" else (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(1)
    return sequence[torch.arange(len(sequence), device=mask.device), place].where(some, 0)  # (N, D)
