"""Modalities that are not there: who has what, and how to train for it.

The rule everywhere: an absent value is zeros, and a flag says that it is absent. Zeros alone would be a lie: a silent recording
is zeros, too.
"""

from dataclasses import replace

import torch


def presence(samples, modalities):
    """Who has what: modality → (N,) bool. Absent is a key that a sample lacks, or whose value is None.

    samples: N dicts   Raises ValueError for a modality that no sample has ever heard of: probably a misspelt name.

    >>> presence([{"image": 1, "text": "a cat"}, {"image": None, "text": "a dog"}], ["image", "text"])
    {'image': tensor([ True, False]), 'text': tensor([True, True])}
    """
    samples = list(samples)
    known = sorted({key for sample in samples for key in sample})
    unknown = [name for name in modalities if name not in known]
    if unknown:
        raise ValueError(
            f"no sample has a key {', '.join(map(repr, unknown))}; there are {', '.join(map(repr, known)) or 'none'}"
        )
    return {name: torch.tensor([sample.get(name) is not None for sample in samples]) for name in modalities}


def fill_absent(values, present):
    """Zeros where a sample lacks the modality, whatever stood there, NaN included.   values: (N, …)   present: (N,) bool

    >>> fill_absent(torch.tensor([[1.0, 2.0], [float("nan"), 3.0]]), torch.tensor([True, False]))
    tensor([[1., 2.],
            [0., 0.]])
    """
    return values.where(present.reshape(-1, *(1,) * (values.ndim - 1)), 0)


def kept_at_random(present, p, *, generator=None, keep_one=True):
    """Which modalities stay when each goes with probability p, and one at least stays with each example.

    present: (N, M) bool, what the examples have   p: the probability, or (M,) of them   generator: None for torch's own
    keep_one: an example that would lose all it has keeps one of them, drawn evenly. What was absent stays absent.
    returns: (N, M) bool, on the device of ``present``

    >>> kept_at_random(torch.tensor([[True, True], [False, True]]), 1.0).sum(1)
    tensor([1, 1])
    """
    has = present.cpu()
    keep = has & (torch.rand(has.shape, generator=generator) >= torch.as_tensor(p))
    if keep_one:
        rescued = torch.rand(has.shape, generator=generator).masked_fill(~has, -1).argmax(dim=1, keepdim=True)  # (N, 1)
        keep = keep | (torch.zeros_like(keep).scatter(1, rescued, True) & has & ~keep.any(dim=1, keepdim=True))
    return keep.to(present.device)


def probability_of_loss(p, M):
    """p − p^M/M: how often each of M modalities is gone, if each goes with probability p and one at least stays — Eq. 19.7.

    All go with probability p^M; then one of the M, drawn evenly, is given back.

    >>> probability_of_loss(0.5, 2)
    0.375
    """
    return p - p**M / M


def drop_modalities(batch, p, seed, modalities=None, keep_one=True):
    """Modality dropout (Neverova et al. 2016): the batch with modalities taken away at random, as they may be when it matters.

    batch: mmlearn.data.collate.Batch   p: probability of each sample's each modality, or modality → probability
    seed: a whole number, or a torch.Generator to go on with from batch to batch
    modalities: which keys of the batch may go; needed with a number for p, so that labels stay
    keep_one: a sample that would lose all it has of ``modalities`` keeps one of them, drawn evenly. With M modalities of
    probability p each then goes with probability p − p^M/M.
    returns: a new Batch; what is dropped is zeros (or ""), its mask and its presence False. What was absent stays absent.
    Raises ValueError: unknown names, p outside [0, 1], with keep_one a sample that has none of the modalities to begin with.
    """
    if not isinstance(p, dict):
        if modalities is None:
            raise ValueError(
                f"name the modalities that may be dropped, out of {', '.join(map(repr, batch.values))}: labels should stay"
            )
        p = dict.fromkeys(modalities, p)
    elif modalities is not None and set(modalities) != set(p):
        raise ValueError(
            f"p names {', '.join(map(repr, p))} and modalities names {', '.join(map(repr, modalities))}: give one of them"
        )
    for name, chance in p.items():
        if name not in batch.present:
            raise ValueError(f"the batch has no {name!r}; it has {', '.join(map(repr, batch.present))}")
        if not 0 <= chance <= 1:
            raise ValueError(f"p must be a probability in [0, 1]; got {chance!r} for {name!r}")
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)

    has = torch.stack([batch.present[name].cpu() for name in p], dim=1)  # (N, M)
    if keep_one and not has.any(dim=1).all():
        rows = (~has.any(dim=1)).nonzero().flatten().tolist()
        raise ValueError(f"samples {rows[:10]} have none of {', '.join(map(repr, p))}: leave them out, or pass keep_one=False")
    keep = kept_at_random(has, torch.tensor(list(p.values())), generator=generator, keep_one=keep_one)

    values, mask, present = dict(batch.values), dict(batch.mask), dict(batch.present)
    for name, kept in zip(p, keep.unbind(dim=1), strict=True):
        kept = present[name] = kept.to(batch.present[name].device)
        if isinstance(values[name], list):
            values[name] = [text if stays else "" for text, stays in zip(values[name], kept.tolist(), strict=True)]
        else:
            values[name] = fill_absent(values[name], kept)
        if name in mask:
            mask[name] = mask[name] & kept[:, None]
    return replace(batch, values=values, mask=mask, present=present)
