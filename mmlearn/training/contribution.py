"""What each modality contributes to a score: Shapley's share, exact, by scoring every subset of the modalities."""

from itertools import combinations
from math import factorial

import torch

from mmlearn.ops.arguments import require
from mmlearn.training.evaluate import device_of, modes_kept


def subsets(names):
    """Every subset of the names, the empty one first, each a frozenset.

    >>> [sorted(some) for some in subsets(["image", "text"])]
    [[], ['image'], ['text'], ['image', 'text']]
    """
    names = list(names)
    return [frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size)]


def shapley(value, names):
    """φ_u = Σ_{C ∌ u} |C|! (M − |C| − 1)! / M! · (v(C ∪ {u}) − v(C)) — Eq. 19.10 (Shapley 1953).

    value: a dict, frozenset of names → score, or a function of one; all 2^M subsets are asked for, the empty one included. A
    score is a number or a tensor, such as (N,) for N examples    names: the M modalities
    returns: name → φ of the same kind. They add up to v(all) − v(none).
    Raises ValueError for no names, the same name twice, and a dict that lacks a subset.

    >>> both = frozenset({"image", "text"})
    >>> xor = {some: 1.0 if some == both else 0.5 for some in subsets(both)}
    >>> shapley(xor, ["image", "text"])
    {'image': 0.25, 'text': 0.25}
    """
    names = list(names)
    require(bool(names), "names", "no modality", "one or more")
    require(len(set(names)) == len(names), "names", ", ".join(map(repr, names)), "each modality once")
    scores = {}
    for some in subsets(names):
        if callable(value):
            scores[some] = value(some)
        else:
            told = " and ".join(map(repr, sorted(some))) or "no modality at all, frozenset()"
            require(some in value, "value", f"no score of {told}", f"the scores of all {2 ** len(names)} subsets")
            scores[some] = value[some]
    M = len(names)
    weight = [factorial(size) * factorial(M - size - 1) / factorial(M) for size in range(M)]
    shares = {}
    for name in names:
        without = subsets(other for other in names if other != name)
        shares[name] = sum(weight[len(some)] * (scores[some | {name}] - scores[some]) for some in without)
    return shares


def subset_accuracies(model, inputs, present, labels, names, *, batch_size=256):
    """The accuracy of a model on the same examples with every subset of the modalities: frozenset → accuracy in [0, 1].

    model(*inputs, present=present) → logits (N, K), as ``MultimodalModel`` does; present: (N, M) bool, its columns in the order
    of ``names``. A subset takes from each example what is not in it. An example that has nothing left, as every one has with
    the empty subset, is answered with the class most frequent among ``labels``, since a model need not take it.
    Raises ValueError where shapes do not belong together.
    """
    names = list(names)
    N, M = len(labels), len(names)
    fits = present.dtype == torch.bool and tuple(present.shape) == (N, M)
    require(fits, "present", f"{present.dtype} of shape {tuple(present.shape)}", f"bool ({N}, {M}): {', '.join(names)}")
    guess = labels.bincount().argmax()
    found = {}
    for some in subsets(names):
        kept = present & torch.tensor([name in some for name in names], device=present.device)
        answers = guess.repeat(N)
        rows = kept.any(1)
        if rows.any():
            kept_inputs = [tensor[rows] for tensor in inputs]
            answers[rows] = predictions(model, kept_inputs, kept[rows], batch_size).to(answers.device)
        found[some] = (answers == labels).double().mean().item()
    return found


def predictions(model, inputs, present, batch_size=256):
    """The class with the largest logit for each example, (N,), with dropout off: model(*inputs, present=present) → (N, K)."""
    device, answers = device_of(model), []
    with modes_kept(model), torch.no_grad():
        model.eval()
        for start in range(0, len(present), batch_size):
            here = slice(start, start + batch_size)
            parts = [tensor[here].to(device) for tensor in inputs]
            answers.append(model(*parts, present=present[here].to(device)).argmax(1))
    return torch.cat(answers).to(present.device)


def shapley_in_bits(decomposition):
    """φ_A = U_A + (R + S)/2, φ_B = U_B + (R + S)/2: Shapley's shares of the bits about a label — Eq. 19.11.

    decomposition: what has redundancy, unique_a, unique_b and synergy, such as ``mmlearn.data.decompose(table)``
    """
    shared = (decomposition.redundancy + decomposition.synergy) / 2
    return decomposition.unique_a + shared, decomposition.unique_b + shared
