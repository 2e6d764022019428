"""Information measured on samples: what counts say too much, and whether a score could be luck."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch


class PermutationTest(NamedTuple):
    """A score, the scores under shuffled labels (permutations,) float64, and how often chance does as well."""

    score: float
    shuffled: torch.Tensor
    p_value: float


def empirical_table(a, b, y, sizes=None):
    """The share of each combination in a sample: (A, B, Y) float64, summing to 1.

    a, b, y: (N,) whole numbers from 0   sizes: (A, B, Y); None takes the largest numbers that occur, plus 1
    Raises ValueError where they differ in length, are empty, or a number does not fit the sizes.

    >>> empirical_table([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0])[0]
    tensor([[0.2500, 0.0000],
            [0.0000, 0.2500]], dtype=torch.float64)
    """
    columns = {name: torch.as_tensor(given).cpu() for name, given in (("a", a), ("b", b), ("y", y))}
    shapes = {name: tuple(column.shape) for name, column in columns.items()}
    if len(set(shapes.values())) > 1 or len(shapes["a"]) != 1 or not shapes["a"][0]:
        raise ValueError(f"a, b and y must be (N,), one number each for every example; got {shapes}")
    for name, column in columns.items():
        if column.is_floating_point() or column.dtype == torch.bool:
            raise ValueError(f"{name} must be whole numbers; got {column.dtype}: .long() makes them so")
    largest = tuple(int(column.max()) for column in columns.values())
    sizes = tuple(top + 1 for top in largest) if sizes is None else tuple(sizes)
    for (name, column), top, size in zip(columns.items(), largest, sizes, strict=True):
        if column.min() < 0 or top >= size:
            raise ValueError(f"{name} must be numbers from 0 to {size - 1}; got {int(column.min())} to {top}")
    a, b, y = (column.long() for column in columns.values())
    cell = (a * sizes[1] + b) * sizes[2] + y
    return cell.bincount(minlength=math.prod(sizes)).view(sizes).double() / len(a)


def mutual_information_bias(symbols, labels, count):
    """(|A| − 1)(|Y| − 1) / (2N ln 2): bits by which I(A;Y) computed from N examples is too high, to first order in 1/N.

    Counts of finite samples look dependent even where nothing is: entropies come out too low (Miller 1955), the joint one most,
    so their difference comes out too high (Panzeri & Treves 1996). The formula counts the cells that can occur, here all
    |A|·|Y|. symbols: |A|   labels: |Y|   count: N   returns: bits

    >>> round(mutual_information_bias(4, 4, 100), 4)
    0.0649
    """
    for name, value in (("symbols", symbols), ("labels", labels), ("count", count)):
        if isinstance(value, bool) or value != int(value) or value < 1:
            raise ValueError(f"{name} must be a whole number, at least 1; got {value!r}")
    return (symbols - 1) * (labels - 1) / (2 * count * math.log(2))


def permutation_test(score: Callable, labels, permutations=99, *, seed=0):
    """p = (1 + #{shuffled ≥ score}) / (1 + permutations): could the score be luck? — Eq. 14.8 (Ojala & Garriga 2010).

    The score is computed again with the labels shuffled, which leaves nothing to be found.

    score         a function of labels (N,) that gives a number, the higher the better, such as the accuracy of given predictions,
                  or of a model that it trains on them
    permutations  how often to shuffle; no p-value is below 1/(permutations + 1)
    returns       PermutationTest(score, shuffled, p_value). Where labels carry nothing, p ≤ α happens with probability at most α.
    Raises ValueError where a score is NaN, or there is nothing to shuffle.

    >>> labels = torch.arange(100) % 2
    >>> permutation_test(lambda these: (these == labels).double().mean(), labels, 19).p_value
    0.05
    """
    labels = torch.as_tensor(labels)
    if labels.dim() != 1 or len(labels) < 2:
        raise ValueError(f"labels must be (N,), at least two; got shape {tuple(labels.shape)}")
    if isinstance(permutations, bool) or not isinstance(permutations, int) or permutations < 1:
        raise ValueError(f"permutations must be a whole number, at least 1; got {permutations!r}")
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(labels), generator=generator) for _ in range(permutations)]
    found = float(score(labels))
    shuffled = torch.tensor([float(score(labels[order.to(labels.device)])) for order in orders], dtype=torch.float64)
    if math.isnan(found) or shuffled.isnan().any():
        raise ValueError("score gave NaN: it must give a number for every order of the labels")
    return PermutationTest(found, shuffled, (1 + int((shuffled >= found).sum())) / (1 + permutations))
