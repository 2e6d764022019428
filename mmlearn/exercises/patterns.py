"""Recognise the usual relations between a wrong result and the right one: sign, factor, transpose, flip, border, …"""

import itertools

import torch

from .case import number
from .compare import close, plain

ENOUGH = 1e-5  # relative error at which a relation counts as seen, in float32 too


def pattern(pairs):
    """The relation that holds between got and expected in every pair of tensors, in a few words, or "".

    pairs: list of (got, expected). A relation must show on at least one pair that could contradict it.
    """
    pairs = [(plain(got), plain(expected)) for got, expected in pairs]
    telling = any(_telling(expected) for _, expected in pairs)
    if not telling and len(pairs) < 2:
        return ""
    found = None
    for got, expected in pairs:
        names = list(_relations(got, expected))
        found = names if found is None else [name for name in found if name in names]
        if not found:
            return ""
    if not telling:  # single numbers tell a sign, a factor or an offset, never a layout
        found = [name for name in found if name.startswith(("the sign", "your result"))]
    return found[0] if found else ""


def size_factor(pairs, arguments):
    """The size that a changing factor between got and expected equals in every case, as (its name, too large?), or None.

    pairs: list of (got, expected) · arguments: each case's arguments by name
    """
    ratios = [_ratio(plain(got), plain(expected)) for got, expected in pairs]
    if len(ratios) < 2 or any(r is None or r <= 0 for r in ratios) or max(ratios) - min(ratios) < ENOUGH:
        return None
    sizes = [_sizes(named) for named in arguments]
    for name in sizes[0]:
        values = [one.get(name, 0) for one in sizes]
        if all(abs(r - v) <= ENOUGH * v for r, v in zip(ratios, values, strict=True)):
            return name, True
        if all(abs(r * v - 1) <= ENOUGH for r, v in zip(ratios, values, strict=True)):
            return name, False
    return None


def _relations(got, expected):
    """Yield the names of all relations that hold for one pair, the most telling first."""
    same_shape = got.shape == expected.shape
    if same_shape and _same(got, expected):
        yield "right to about seven digits: somewhere on the way a float32 loses precision (`torch.zeros` without `dtype=`?)"
        return
    if same_shape:
        if not got.any():
            yield "your result is all zeros: is it filled in, and is what you fill in what you return?"
        yield from _arithmetic(got, expected)
    yield from _permuted(got, expected)
    if same_shape:
        yield from _flipped(got, expected)
        yield from _shifted(got, expected)
        yield from _right_somewhere(got, expected)
        if _same(got.abs(), expected.abs()):
            yield "right up to the sign of some values"
    if got.numel() == expected.numel() and _same(got.flatten().sort().values, expected.flatten().sort().values):
        yield "the right numbers in the wrong places"


def _arithmetic(got, expected):
    ratio = _ratio(got, expected)
    if ratio is not None:
        yield "the sign is flipped" if abs(ratio + 1) < ENOUGH else f"your result is {_times(ratio)}"
    if got.numel() and torch.isfinite(got).all() and torch.isfinite(expected).all():
        offset = (got - expected).mean().item()
        if _same(got - offset, expected):
            yield f"your result is {number(round(abs(offset), 4))} too {'large' if offset > 0 else 'small'} everywhere"


def _ratio(got, expected):
    """The constant r with got = r · expected, or None."""
    if got.shape != expected.shape or not expected.any() or not torch.isfinite(got).all() or not torch.isfinite(expected).all():
        return None
    ratio = ((got * expected).sum() / expected.square().sum()).item()
    return ratio if abs(ratio) > ENOUGH and _same(got / ratio, expected) else None


def _times(ratio):
    sign, size = "of the wrong sign and " if ratio < 0 else "", abs(ratio)
    if size > 1:
        return f"{sign}{number(round(size, 4))}× too large"
    return f"{sign}{number(round(1 / size, 4))}× too small"


def _permuted(got, expected):
    if not 2 <= got.ndim <= 4 or got.ndim != expected.ndim:
        return
    for order in itertools.permutations(range(got.ndim)):
        moved = [i for i, j in enumerate(order) if i != j]
        if not moved or tuple(got.shape[i] for i in order) != tuple(expected.shape) or not _same(got.permute(order), expected):
            continue
        if got.ndim == 2:
            yield "transposed: rows and columns are swapped"
        elif len(moved) == 2:
            yield f"dimensions {moved[0]} and {moved[1]} are swapped"
        else:
            yield f"the dimensions are in another order: `.permute{order}` would put it right"


def _flipped(got, expected):
    words = {
        (-1,): "the last dimension (left to right)",
        (-2,): "the dimension before the last (top to bottom)",
        (-2, -1): "the last two dimensions: the right result, turned by 180°",
    }
    dims = [d for d in range(-expected.ndim, 0) if expected.shape[d] > 1][-4:]
    for count in range(1, len(dims) + 1):
        for flipped in itertools.combinations(dims, count):
            if _same(got.flip(flipped), expected):
                yield f"flipped along {words.get(flipped, f'dimensions {flipped}')}"


def _shifted(got, expected):
    for dim in range(expected.ndim):
        size = expected.shape[dim]
        if size >= 3:
            for a, b, words in ((got, expected, "early"), (expected, got, "late")):
                if _same(a.narrow(dim, 0, size - 1), b.narrow(dim, 1, size - 1)):
                    yield f"shifted along dimension {dim}: every value stands one place too {words}"


def _right_somewhere(got, expected):
    if expected.ndim >= 2 and min(expected.shape[-2:]) >= 3 and _same(got[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1]):
        yield "right except at the border: look at the padding and at the first and last windows"
    if expected.ndim == 1 and len(expected) >= 4 and _same(got[1:-1], expected[1:-1]):
        yield "right except at the ends"
    for dim in range(min(expected.ndim, 2)):
        rows = list(zip(got.unbind(dim), expected.unbind(dim), strict=True))
        if len(rows) > 1 and _same(*rows[0]) and not any(_same(*row) for row in rows[1:]):
            yield f"right only at index 0 of dimension {dim}"


def _same(got, expected):
    return close(got, expected, ENOUGH)


def _telling(expected):
    return expected.numel() >= 2 and bool((expected != expected.flatten()[0]).any())


def _sizes(named):
    """The sizes that a factor may equal: of tensors' dimensions, of numbers of values, of whole-number arguments."""
    sizes = {}
    for name, value in named.items():
        if isinstance(value, torch.Tensor):
            sizes.update({f"the size of dimension {d} of `{name}`": n for d, n in enumerate(value.shape)})
            sizes[f"the number of values in `{name}`"] = value.numel()
        elif isinstance(value, int) and not isinstance(value, bool):
            sizes[f"`{name}`"] = value
    return sizes
