"""Rare classes: weights for the loss, a sampler for the batches, or a correction of the logits. Choose one of them, not two."""

import torch


def class_counts(labels, classes):
    """n_k, how many examples each class has: (K,) int64.

    labels: (N,) whole numbers in 0 … K−1   classes: K, or the K names, for clearer errors
    Raises ValueError for labels outside the classes, and for a class without a single example: nothing can be weighed against it.

    >>> class_counts(torch.tensor([0, 0, 0, 1]), ("cat", "dog"))
    tensor([3, 1])
    """
    names = (
        [f"class {k}" for k in range(classes)]
        if isinstance(classes, int)
        else [f"{k} ({name})" for k, name in enumerate(classes)]
    )
    labels = torch.as_tensor(labels)
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex() or not len(labels) or not names:
        raise ValueError(
            f"labels must be (N,) whole numbers, at least one, of at least one class; got {labels.dtype} {tuple(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= len(names):
        raise ValueError(f"labels must lie in 0 to {len(names) - 1}; got {labels.min()} to {labels.max()}")
    counts = labels.long().bincount(minlength=len(names))
    empty = [names[k] for k in (counts == 0).nonzero().flatten().tolist()]
    if empty:
        raise ValueError(f"no example of {', '.join(empty)}: collect some, leave the class out, or split with stratification")
    return counts


def class_weights(labels, classes):
    """w_k = N / (K n_k) — Eq. 14.9: each class weighs as much as any other, and an example 1 on average (King & Zeng 2001).

    For ``cross_entropy(logits, targets, weight=class_weights(…))``. returns: (K,) float32; scikit-learn's class_weight="balanced"

    >>> class_weights(torch.tensor([0, 0, 0, 1]), 2)
    tensor([0.6667, 2.0000])
    """
    counts = class_counts(labels, classes)
    return (counts.sum() / (len(counts) * counts.double())).float()


def effective_number_weights(labels, classes, beta=0.999):
    """w_k ∝ (1 − β)/(1 − β^n_k), scaled to the sum K (Cui et al. 2019): less extreme than 1/n_k where classes are large.

    (1 − β^n)/(1 − β) counts how many of n examples still bring something new. β = 0: all weights 1; β → 1: 1/n_k.
    returns: (K,) float32   Raises ValueError unless 0 ≤ β < 1.

    >>> effective_number_weights(torch.tensor([0] * 1000 + [1] * 10), 2)
    tensor([0.0310, 1.9690])
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must lie in [0, 1); got {beta!r}")
    counts = class_counts(labels, classes).double()
    weights = (1 - beta) / (1 - beta**counts)
    return (len(weights) * weights / weights.sum()).float()


def balanced_sampler(labels, seed, num_samples=None):
    """A sampler for ``DataLoader(…, sampler=…)`` that draws every class equally often, with replacement.

    It has its own generator, so that the seed alone decides, epoch after epoch. The classes are 0 to the largest label.
    num_samples: draws in an epoch; None: N. Of a rare class the same examples come again and again: mind overfitting.
    """
    labels = torch.as_tensor(labels)
    weights = class_weights(labels, int(labels.max()) + 1 if len(labels) else 1)[labels.long()]  # (N,)
    generator = torch.Generator().manual_seed(seed)
    return torch.utils.data.WeightedRandomSampler(weights.double(), num_samples or len(weights), generator=generator)


def shift_prior(logits, train_prior, test_prior=None, tau=1.0):
    """ℓ_k + τ (log q_k − log p_k): logits learnt where classes have frequencies p, used where they have q (Saerens et al. 2002).

    logits: (…, K)   train_prior, test_prior: (K,) probabilities or counts; None for q: all classes equally frequent, which is the
    logit adjustment of Menon et al. (2021), for a balanced accuracy   tau: how much of it, 1 by theory
    returns: (…, K); where the logits' softmax is P(k | x) under p, the result's is that under q.
    Raises ValueError for a prior that is not K positive numbers.

    >>> shift_prior(torch.tensor([2.0, 1.0]), train_prior=[9, 1]).softmax(0)
    tensor([0.2320, 0.7680])
    """
    K = logits.shape[-1]
    p = _log_prior(train_prior, K, "train_prior").to(logits)
    q = _log_prior(torch.ones(K) if test_prior is None else test_prior, K, "test_prior").to(logits)
    return logits + tau * (q - p)


def _log_prior(prior, K, argument):
    """(K,) logarithms of probabilities."""
    prior = torch.as_tensor(prior).double()
    if prior.shape != (K,) or not (prior.isfinite().all() and (prior > 0).all()):
        raise ValueError(f"{argument} must be {K} positive numbers, one for each logit; got {prior.tolist()}")
    return (prior / prior.sum()).log()
