"""Chapter 01, tensors: windows as a view, broadcasting and its bug, einsum, an honest stopwatch, standardising, blur, mirror."""

import math
from dataclasses import dataclass, field, replace
from itertools import zip_longest

import torch
import torch.nn.functional as F

from mmlearn import data, ops

from .case import Case
from .compare import kind_of
from .exercise import Exercise
from .refusal import or_refused
from .task import Mistake

__all__ = [
    "broadcast_shape",
    "gaussian_weights",
    "mean_squared_error",
    "mirror",
    "scores",
    "seconds_per_call",
    "standardise",
    "window_view",
]


# How an image may lie in memory: the shape of x that holds an image of H rows and W columns, and the image in x.
_VIEWS = {
    "x": (lambda H, W: (H, W), lambda x: x),
    "x.T": (lambda H, W: (W, H), lambda x: x.T),
    "x[2:]": (lambda H, W: (H + 2, W), lambda x: x[2:]),
    "x[:, ::2]": (lambda H, W: (H, 2 * W), lambda x: x[:, ::2]),
    "x[1:, 1::2]": (lambda H, W: (H + 1, 2 * W), lambda x: x[1:, 1::2]),
}


def _call_window_view(answer, image, kernel_size, step=1, image_is="x"):
    """The windows, and whether they lie in the image's memory. `image_is` names the view of x that the answer is given.

    There is room behind x: wrong strides then read 99, which says more than torch's error does.
    """
    shape, look = _VIEWS[image_is]
    rows, columns = shape(*image.shape)
    x = image.new_full((32 * rows, columns), 99)[:rows]
    view = look(x).copy_(image)
    windows = answer(view, kernel_size, step)
    if windows is None:
        return None  # a forgotten `return`, or an empty body
    memory = view.untyped_storage()
    begins = windows.data_ptr() - memory.data_ptr() if isinstance(windows, torch.Tensor) else -1
    return windows, 0 <= begins < memory.nbytes()


def _window_view(image, kernel_size, step=1):
    return image.unfold(0, kernel_size, step).unfold(1, kernel_size, step)


def _window_solution(image, kernel_size, step=1):
    H, W = image.shape
    k = kernel_size
    down, across = image.stride()
    size = ((H - k) // step + 1, (W - k) // step + 1, k, k)
    stride = (step * down, step * across, down, across)
    return torch.as_strided(image, size, stride, image.storage_offset())


def _window_cases(draw):
    outside = "outside the image memory holds 99"
    yield Case(torch.arange(12, dtype=torch.float64).view(3, 4), 2, label=f"a fresh image; {outside}")
    yield Case(draw.distinct(3, 4), 2, image_is="x.T", label=outside)
    yield Case(draw.distinct(3, 4), 2, image_is="x[2:]", label=outside)
    yield Case(draw.distinct(3, 4), 2, image_is="x[:, ::2]", label=outside)
    yield Case(draw.distinct(5, 7), 3, label=outside)
    yield Case(draw.distinct(5, 6), 2, step=2, label=outside)
    yield Case(draw.distinct(4, 6), 2, step=3, label=outside)
    yield Case(draw.normal(8, 6), 3, step=2, image_is="x[1:, 1::2]", label=outside)


def _by_strides(
    stride=lambda k, s, down, across, W: (s * down, s * across, down, across),
    places=lambda n, k, s: (n - k) // s + 1,
    offset=torch.Tensor.storage_offset,
):
    """A wrong view: the strides, the number of windows along an axis, or the offset are chosen by these functions."""

    def windows(image, kernel_size, step=1):
        (H, W), k = image.shape, kernel_size
        size = (places(H, k, step), places(W, k, step), k, k)
        return torch.as_strided(image, size, stride(k, step, *image.stride(), W), offset(image))

    return windows


def _as_if_fresh(k, s, down, across, W):
    return s * W, s, W, 1


window_view = Exercise(
    chapter="01",
    name="window_view",
    title="Windows as a view",
    minutes=20,
    difficulty=2,
    oracle=_window_view,
    call=_call_window_view,
    cases=_window_cases,
    returns=("windows", "is a view"),
    shapes={"image": "H W"},
    solution=_window_solution,
    mistakes=[
        Mistake(
            lambda image, kernel_size, step=1: _window_view(image, kernel_size, step).clone(),
            "this is a copy: the values are right, but they lie in memory of their own",
            "`stack`, `contiguous`, `F.unfold` and often `reshape` write every pixel once for each window that it is in. A view reads it where it lies.",
        ),
        Mistake(
            lambda image, kernel_size, step=1: _window_view(image.contiguous(), kernel_size, step),
            "this is a copy whenever the image is itself a view: `.contiguous()` and `.reshape(…)` then move its pixels",
            "Leave the image where it is, and take its own strides: `image.stride()`.",
        ),
        Mistake(
            _by_strides(_as_if_fresh),
            "the strides of a fresh image, (W, 1), are assumed: a transposed or sliced image has others",
            "`image.stride()` gives the step down and the step across.",
        ),
        Mistake(
            _by_strides(offset=lambda image: 0),
            "the offset is set to 0: an image that was sliced from another begins later in memory",
            "`image.storage_offset()` says where it begins.",
        ),
        Mistake(
            _by_strides(_as_if_fresh, offset=lambda image: 0),
            "a fresh image is assumed: a view has strides of its own, `image.stride()`, and an offset of its own, `image.storage_offset()`",
        ),
        Mistake(
            _by_strides(lambda k, s, down, across, W: (s * down, s * across, s * down, s * across)),
            "the step is taken inside the windows, too: it moves the window, while the pixels in it stay neighbours",
            "Multiply the first two strides by `step`, and leave the last two alone.",
        ),
        Mistake(
            _by_strides(lambda k, s, down, across, W: (down, across, s * down, s * across)),
            "the step stands at the wrong axes: it belongs to the first two strides, from window to window",
        ),
        Mistake(
            _by_strides(lambda k, s, down, across, W: (down, across, down, across)),
            "there are as many windows as there should be, but each begins 1 pixel after the one before it, not `step` pixels",
            "One step along the first axis goes `step` rows down: multiply the first two strides by `step`.",
        ),
        Mistake(
            _by_strides(places=lambda n, k, s: n - k + 1),
            "the windows are `step` pixels apart, as they should be, but there are too many of them: $H' = (H - k) // s + 1$",
            "The last ones reach beyond the image, and there torch stops with an error, or shows you what happens to lie in memory.",
        ),
        Mistake(
            lambda image, kernel_size, step=1: _window_view(image, kernel_size),
            "`step` is forgotten: there is a window at every pixel",
        ),
        Mistake(
            lambda image, kernel_size, step=1: _window_view(image, kernel_size, kernel_size),
            "the windows lie side by side, `kernel_size` pixels apart: they should begin `step` pixels apart, and may overlap",
        ),
        Mistake(
            _by_strides(lambda k, s, down, across, W: (k * down, k * across, down, across)),
            "the windows are `kernel_size` pixels apart, and so reach beyond the image: they should begin `step` pixels apart",
        ),
        Mistake(
            _by_strides(places=lambda n, k, s: (n - k) // s),
            "off by one: the last row and the last column of windows are missing",
            "The quotient is the number of *steps*. There is one window more than there are steps.",
        ),
        Mistake(
            _by_strides(places=lambda n, k, s: (n - k + 1) // s),
            "off by one for some steps: divide first, then add 1",
            "$(H - k + 1) // s$ drops a last window that still fits; $(H - k) // s + 1$ counts it.",
        ),
        Mistake(
            _by_strides(lambda k, s, down, across, W: (s * across, s * down, across, down)),
            "the strides of rows and columns are exchanged: `image.stride()` gives the step down first, then the step across",
        ),
        Mistake(
            _by_strides(lambda k, s, down, across, W: (s * down, s * across, across, down)),
            "each window is transposed: the third axis goes down, the fourth across",
        ),
        Mistake(
            _by_strides(lambda k, s, down, across, W: (s * across, s * down, down, across)),
            "the windows are in the wrong places: the first axis goes down the image, the second across",
        ),
        Mistake(
            lambda image, kernel_size, step=1: _window_view(image, kernel_size, step).permute(2, 3, 0, 1),
            "the axes within a window come first; they should come last: $(H', W', k, k)$",
        ),
    ],
    hints=[
        "Each axis of the result needs a stride: by how much does the address grow from `windows[i, j]` to `windows[i + 1, j]`, and by how much from `windows[i, j, u, v]` to `windows[i, j, u + 1, v]`?",
        "One pixel down is `image.stride(0)`, one pixel across is `image.stride(1)`; a step between windows is `step` times as far. For a fresh image they are W and 1, for another one they are not.",
        "Size `((H - k) // step + 1, (W - k) // step + 1, k, k)`, stride `(step * down, step * across, down, across)`, offset `image.storage_offset()`.",
    ],
    afterword="`image.unfold(0, k, s).unfold(1, k, s)` does the same. Pixels in several windows share one place in memory, so read from such a view and do not write into it.",
)


class _Shape(str):
    """A shape in words that a message shows unquoted: "your result is (5, 1), expected (5, 7)"."""

    __repr__ = str.__str__


def _in_words(shape):
    if shape is None:
        return None
    return _Shape(tuple(shape) if isinstance(shape, (tuple, list)) else kind_of(shape))


def _call_broadcast_shape(answer, a, b):
    try:
        ops.broadcast_shape(a, b)
    except ValueError:
        return or_refused(lambda: _in_words(answer(a, b)))
    return _in_words(answer(a, b))


def _broadcast_solution(a, b):
    axes = max(len(a), len(b))
    a, b = (1,) * (axes - len(a)) + tuple(a), (1,) * (axes - len(b)) + tuple(b)
    for m, n in zip(a, b, strict=True):
        if m != n and 1 not in (m, n):
            raise ValueError(f"lengths {m} and {n} do not fit")
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))


def _broadcast_cases(draw):
    yield Case((2, 3), (2, 3), label="equal shapes")
    yield Case((5, 1), (1, 7), label="each stretches the other")
    yield Case((2, 3), (3,), label="a shorter shape")
    yield Case((4,), (3, 2, 4))
    yield Case((8, 3, 32, 32), (3, 1, 1), label="images and a number for each channel")
    yield Case((8, 3, 32, 32), (3,), label="images and three numbers")
    yield Case((2, 3), (2,), label="the left ends agree, the right ends do not")
    yield Case((4, 6), (2, 6), label="4 is a multiple of 2")
    yield Case((), (3,), label="a single number")
    yield Case((0,), (1,), label="no example, and a length of 1")
    yield Case((5, 0), (3, 5, 1))
    yield Case((0, 2), (3, 2), label="no example, and three")
    for _ in range(3):
        whole = [draw.number(2, 6) for _ in range(4)]
        a, b = (tuple(n if draw.number(0, 1) else 1 for n in whole) for _ in range(2))
        yield Case(a, b[draw.number(0, 3) :])


def _joined(a, b, join, fill=1):
    """The shapes lined up on the right, and ``join(m, n)`` of each pair of lengths."""
    axes = max(len(a), len(b))
    a, b = (fill,) * (axes - len(a)) + tuple(a), (fill,) * (axes - len(b)) + tuple(b)
    return tuple(join(m, n) for m, n in zip(a, b, strict=True))


def _fitting(m, n):
    if m != n and 1 not in (m, n):
        raise ValueError
    return _first_unless_1(m, n)


def _larger_if_fitting(m, n):
    return max(m, n, _fitting(m, n))


def _first_unless_1(m, n):
    return n if m == 1 else m


def _left_out_unless_fitting(m, n):
    return _first_unless_1(m, n) if m == n or 1 in (m, n) else None


def _misaligned(pairs, diagnosis, more=""):
    """Pairs of the wrong lengths, in every style: which of the two is taken, and whether unequal ones are refused."""
    unchecked = "Also, lengths that differ must be refused with a `ValueError`, unless one of them is 1."
    larger = "Also, of 0 and 1 take 0, the length that is not 1."

    def wrong(join):
        return lambda a, b: tuple(n for n in (join(*pair) for pair in pairs(a, b)) if n is not None)

    yield Mistake(wrong(_fitting), diagnosis, more)
    yield Mistake(wrong(_larger_if_fitting), diagnosis, f"{more} {larger}".strip())
    for join in (max, _first_unless_1, lambda m, n: _first_unless_1(n, m), _left_out_unless_fitting):
        yield Mistake(wrong(join), diagnosis, f"{more} {unchecked}".strip())


def _only_b_stretches(m, n):
    if n not in (1, m):
        raise ValueError
    return m


def _recycled(m, n):
    if max(m, n) % min(m, n):
        raise ValueError
    return max(m, n)


def _only_equal_ranks(a, b):
    if len(a) != len(b):
        raise ValueError
    return _joined(a, b, _fitting)


def _only_equal_lengths(m, n):
    if m != n:
        raise ValueError
    return m


def _instead_of_raising(value):
    def answer(a, b):
        try:
            return _joined(a, b, _fitting)
        except ValueError:
            return value

    return answer


def _asserted_shape(a, b):
    assert _instead_of_raising(None)(a, b) is not None
    return ops.broadcast_shape(a, b)


broadcast_shape = Exercise(
    chapter="01",
    name="broadcast_shape",
    title="The rule",
    minutes=10,
    difficulty=1,
    equation="Eq. 1.3",
    oracle=ops.broadcast_shape,
    call=_call_broadcast_shape,
    cases=_broadcast_cases,
    float32=False,
    solution=_broadcast_solution,
    mistakes=[
        *_misaligned(
            lambda a, b: zip_longest(a, b, fillvalue=1),
            "aligned on the left: shapes are lined up on the right, and the shorter one is filled with 1 on its left",
        ),
        *_misaligned(
            lambda a, b: zip(a, b, strict=False),
            "aligned on the left, and `zip` stops at the end of the shorter shape: line them up on the right, and fill the shorter one with 1 on its left",
        ),
        *_misaligned(
            lambda a, b: list(zip(a[::-1], b[::-1], strict=False))[::-1],
            "`zip` stops at the end of the shorter shape, so the longer one loses its axes on the left",
            "Fill the shorter one with 1, or use `itertools.zip_longest(…, fillvalue=1)`.",
        ),
        Mistake(
            lambda a, b: _joined(a, b, max),
            "the longer length is taken without a look: where lengths differ and neither is 1, raise a `ValueError`",
        ),
        Mistake(
            lambda a, b: tuple(_fitting(m, n) for m, n in zip_longest(a[::-1], b[::-1], fillvalue=1)),
            "the result is the wrong way round: turned to line up on the right, it has to be turned back, `[::-1]`",
        ),
        Mistake(
            _only_equal_ranks,
            "shapes with different numbers of axes are refused; the shorter one is filled with 1 on its left",
        ),
        Mistake(
            lambda a, b: _joined(a, b, _only_equal_lengths),
            "a length of 1 is refused: it fits every length, and is stretched to it",
        ),
        Mistake(
            lambda a, b: _joined(a, b, _only_b_stretches),
            "only the second shape is stretched: a length of 1 may stand in either",
        ),
        Mistake(
            lambda a, b: _joined(a, b, _larger_if_fitting),
            "a length of 0 with a length of 1 gives 0, not 1: take the length that is not 1, rather than the larger",
            "A batch without examples stays without examples. `torch.zeros(0) + torch.ones(1)` has shape (0,).",
        ),
        Mistake(
            lambda a, b: _joined(a, b, _recycled),
            "a length that divides the other is accepted: only a length of 1 is repeated",
            "R repeats a shorter vector until it is long enough. PyTorch and NumPy do not.",
        ),
        Mistake(
            lambda a, b: tuple(torch.broadcast_shapes(a, b)),
            "torch raises a `RuntimeError` where shapes do not fit; the exercise asks for a `ValueError`",
            "Catch the one and raise the other; or write the rule yourself, which is three lines.",
        ),
        Mistake(
            _asserted_shape,
            "an `assert` raises an `AssertionError`; the exercise asks for a `ValueError`",
            "An `assert` is for what cannot happen, and `python -O` leaves it out. What a caller hands in may well be wrong.",
        ),
        Mistake(
            _instead_of_raising(None),
            "None comes back where the shapes do not fit: write `raise ValueError(…)`",
            "Who calls the function would take None for a shape and stumble later, far away from the cause.",
        ),
        Mistake(
            _instead_of_raising(ValueError()),
            "the error is returned, not raised: write `raise ValueError(…)`",
        ),
    ],
    hints=[
        "First make both shapes equally long: `(1,) * missing + shape`. Then they can be compared pair by pair.",
        "For a pair of lengths there are four cases: equal; the first is 1; the second is 1; none of these, which is the error.",
        "Of a pair that fits, take `n if m == 1 else m`, and not `max(m, n)`: think of lengths 0 and 1.",
    ],
    afterword="`np.broadcast_shapes` is this function. No case of it asks what an axis *means*: that is left to you.",
)


def _call_mean_squared_error(answer, prediction, target):
    if prediction.numel() == target.numel():
        return answer(prediction, target)
    return or_refused(answer, prediction, target)


def _mean_squared_error(prediction, target):
    if prediction.numel() != target.numel():
        raise ValueError(f"{len(prediction)} predictions and {len(target)} targets")
    return F.mse_loss(prediction.flatten(), target.flatten())


def _loss_solution(prediction, target):
    prediction, target = prediction.flatten(), target.flatten()
    if len(prediction) != len(target):
        raise ValueError(f"{len(prediction)} predictions and {len(target)} targets")
    return ((prediction - target) ** 2).mean()


def _loss_cases(draw):
    def case(N, prediction, target, label=""):
        return Case(draw.integers(N, *prediction), draw.integers(N, *target, low=1, high=9), label=label)

    yield case(3, (), ())
    yield case(3, (1,), ())
    yield case(3, (), (1,))
    yield case(4, (1,), (1,))
    yield case(1, (1,), (), "a single example")
    yield case(1, (), (), "a single example")
    yield Case(draw.integers(6), draw.integers(4), label="6 predictions, 4 targets")
    yield Case(draw.integers(6, 1), draw.integers(4), label="6 predictions, 4 targets")
    yield Case(draw.integers(9), draw.integers(1), label="9 predictions, 1 target")
    yield Case(draw.normal(20, 1), draw.normal(20))


def _mean_square(gap):
    return (gap**2).mean()


def _loss(reduce=_mean_square, line_up=torch.flatten, checked=True):
    """A wrong loss: both sides lined up, counted when `checked`, subtracted, reduced."""

    def loss(prediction, target):
        if checked and len(prediction) != len(target):
            raise ValueError
        return reduce(line_up(prediction) - line_up(target))

    return loss


def _wrong_losses(diagnosis, more="", **how):
    """The mistake in an answer that counts its examples, and in one that does not."""
    missing = "Also, nothing is raised yet when the numbers of examples differ."
    yield Mistake(_loss(**how), diagnosis, more)
    yield Mistake(_loss(**how, checked=False), diagnosis, f"{more} {missing}".strip())


def _refuses_other_shapes(prediction, target):
    if prediction.shape != target.shape:
        raise ValueError
    return _mean_square(prediction - target)


def _length_after_squeeze(prediction, target):
    prediction, target = prediction.squeeze(), target.squeeze()
    if len(prediction) != len(target):
        raise ValueError
    return _mean_square(prediction - target)


def _asserted_loss(prediction, target):
    assert prediction.numel() == target.numel()
    return _mean_squared_error(prediction, target)


def _refused_with(value):
    def loss(prediction, target):
        return _mean_squared_error(prediction, target) if len(prediction) == len(target) else value

    return loss


def _all_pairs(prediction, target):
    """What a half repaired loss still gives for some shapes; where the numbers of examples differ, that is another matter."""
    if len(prediction) != len(target):
        raise TypeError
    return _mean_square(prediction.flatten()[:, None] - target.flatten())


_ALL_PAIRS = "shapes $(N, 1)$ and $(N,)$ have met as $(N, N)$: every prediction is compared with every target"

mean_squared_error = Exercise(
    chapter="01",
    name="mean_squared_error",
    title="The broadcasting bug",
    minutes=10,
    difficulty=1,
    oracle=_mean_squared_error,
    call=_call_mean_squared_error,
    cases=_loss_cases,
    solution=_loss_solution,
    mistakes=[
        *_wrong_losses(_ALL_PAIRS, "Bring both to $(N,)$ before you subtract.", line_up=lambda x: x),
        Mistake(
            _all_pairs,
            "in this call your subtraction still meets as $(N, N)$: one of the two is $(N, 1)$. Flatten both",
            "`flatten()` makes $(N,)$ of $(N, 1)$, and leaves $(N,)$ as it is.",
            partly=True,
        ),
        Mistake(
            lambda prediction, target: _mean_square(prediction - target[:, None]),
            "`target[:, None]` mends one pair of shapes and spoils the others: a prediction $(N,)$ meets it as $(N, N)$",
            "Bring both to $(N,)$, whatever they were.",
        ),
        Mistake(
            lambda prediction, target: _mean_square(prediction.flatten()[:, None] - target.flatten()[None]),
            "the new axis stands at the wrong end: $(N, 1)$ and $(1, N)$ meet as $(N, N)$",
        ),
        Mistake(
            _loss(checked=False),
            "the numbers of examples are not compared: raise a `ValueError` when they differ",
            "Torch stops with an error of its own at 6 and 4, and stretches 1 to 9 without a word.",
        ),
        Mistake(
            lambda prediction, target: _mean_square(prediction.reshape(target.shape) - target),
            "a wrong number of examples ends in torch's `RuntimeError`: compare the numbers yourself and raise a `ValueError`",
        ),
        Mistake(
            _length_after_squeeze,
            "`squeeze()` removes *every* axis of length 1, and for $N = 1$ that is the examples', too",
            "Nothing is left that has a length. `flatten()` always gives $(N,)$.",
        ),
        Mistake(
            _refuses_other_shapes,
            "predictions $(N, 1)$ with targets $(N,)$ are refused: bring both to $(N,)$, then compare their lengths",
        ),
        Mistake(
            _asserted_loss,
            "an `assert` raises an `AssertionError`; the exercise asks for a `ValueError`",
        ),
        Mistake(
            _refused_with(None),
            "None comes back when the numbers of examples differ: write `raise ValueError(…)`",
        ),
        *_wrong_losses("the squares are summed; the loss is their mean", reduce=lambda gap: (gap**2).sum()),
        *_wrong_losses("these are absolute errors: square the differences", reduce=lambda gap: gap.abs().mean()),
        *_wrong_losses(
            "the root is taken: the *mean squared* error is what stands under it", reduce=lambda gap: (gap**2).mean().sqrt()
        ),
        *_wrong_losses(
            "the mean is squared: square each difference first, then take the mean",
            "Errors of +1 and −1 would cancel out.",
            reduce=lambda gap: gap.mean() ** 2,
        ),
        *_wrong_losses("this is one number for each example: the loss is their mean", reduce=lambda gap: gap**2),
    ],
    hints=[
        "Bring prediction and target to the same shape, $(N,)$, whichever of the two shapes each has.",
        "`flatten()` makes $(N,)$ of $(N, 1)$ and of $(N,)$. `squeeze()` does so only if $N$ is not 1.",
        "Then compare the two lengths and raise a `ValueError`; only then `((prediction - target) ** 2).mean()`.",
    ],
    afterword="`assert prediction.shape == target.shape` in front of every loss would have cost one line and found the bug at once.",
)


def _scores(words, regions):
    return words @ regions.mT


def _scores_solution(words, regions):
    return torch.einsum("ntd,nsd->nts", words, regions)


def _scores_cases(draw):
    yield Case(draw.integers(1, 2, 2), draw.integers(1, 3, 2))
    yield Case(draw.integers(2, 1, 3), draw.integers(2, 2, 3), label="two examples")
    yield Case(draw.integers(2, 2, 2), draw.integers(2, 2, 2), label="all lengths are 2")
    yield Case(draw.integers(3, 3, 1), draw.integers(3, 2, 1), label="a single feature")
    yield Case(draw.normal(3, 4, 6), draw.normal(3, 5, 6))


def _einsum(letters):
    return lambda words, regions: torch.einsum(letters, words, regions)


scores = Exercise(
    chapter="01",
    name="scores",
    title="Every word with every region",
    minutes=10,
    difficulty=2,
    oracle=_scores,
    cases=_scores_cases,
    shapes={"words": "N T D", "regions": "N S D"},
    solution=_scores_solution,
    mistakes=[
        Mistake(
            _einsum("ntd,msd->nts"),
            "words meet the regions of all examples, added up: both batch axes need the same letter",
            "A letter that stands only once on the left, and not on the right, is summed over.",
        ),
        Mistake(
            _einsum("ntd,msd->nmts"),
            "words meet the regions of every example: give both batch axes the same letter, so that example $n$ meets example $n$ alone",
            "All pairs of examples are what chapter 18 compares. Here it is $N$ times too many.",
        ),
        Mistake(_einsum("ntd,nsd->nst"), "the result is transposed: the words come before the regions, $(N, T, S)$"),
        Mistake(
            _einsum("ntd,nsd"),
            "without an arrow einsum sums every letter that appears twice, $n$ too, and sorts the rest. Write `->` and the axes of the result",
        ),
        Mistake(
            _einsum("ntd,nsd->ts"),
            "the examples are added up: $n$ is missing on the right of the arrow",
            "Without an arrow the same happens: einsum then sums every letter that appears twice.",
        ),
        Mistake(
            _einsum("ntd,nsd->nt"),
            "the regions are added up: $s$ is missing on the right of the arrow",
        ),
        Mistake(
            _einsum("ntd,nsd->ns"),
            "the words are added up: $t$ is missing on the right of the arrow",
        ),
        Mistake(
            _einsum("ntd,nsd->ntsd"),
            "the features are multiplied and not yet added up: leave $d$ out on the right of the arrow",
        ),
        Mistake(
            _einsum("ntd,nse->nts"),
            "the features carry two letters, so each side is summed alone: give both the same, and feature meets feature",
            "What comes out is the sum of a word's features times the sum of a region's.",
        ),
        Mistake(
            lambda words, regions: (words * regions).sum(-1),
            "word $t$ meets region $t$ alone, where there are as many of both: give words and regions letters of their own",
        ),
        Mistake(
            lambda words, regions: words @ regions.reshape(len(regions), regions.shape[2], -1),
            "`reshape` cuts memory anew and mixes regions with features: to exchange two axes, permute them",
            "`regions.mT` exchanges the last two. In an einsum nothing needs to be exchanged: the letters say which axis is which.",
        ),
        Mistake(
            lambda words, regions: F.cosine_similarity(words[:, :, None], regions[:, None], dim=-1),
            "these are cosines: the inner product, divided by both lengths; here it is not divided",
        ),
        Mistake(
            lambda words, regions: _scores(words, regions) / words.shape[-1] ** 0.5,
            "divided by $\\sqrt D$: attention will do that in chapter 10, the scores here are plain inner products",
        ),
        Mistake(
            lambda words, regions: _scores(words, regions) / words.shape[-1],
            "divided by $D$: an inner product is the sum over the features, not their mean",
        ),
        Mistake(
            lambda words, regions: _scores(words, regions).softmax(-1),
            "a softmax turns scores into weights; the exercise asks for the scores",
        ),
    ],
    hints=[
        "Which axes does the result have? Each of them is a letter on the right of the arrow, in this order.",
        "One axis is in both inputs and not in the result: it is summed over. One is in both inputs and in the result: there, example meets example.",
        'Words are `"ntd"`, regions `"nsd"`. The rest is the arrow and three letters.',
    ],
    afterword="`words @ regions.mT` gives the same numbers. The letters say why.",
)


@dataclass
class Device:
    """The chapter's simulated device, with other costs in seconds; a device that `waits` is like a CPU: it has no queue."""

    work: float = 1.0
    asking: float = 0.01
    first: float = 5.0
    waits: bool = False
    now: float = field(default=0.0, init=False, repr=False)
    done_at: float = field(default=0.0, init=False, repr=False)
    launches: int = field(default=0, init=False, repr=False)
    readings: int = field(default=0, init=False, repr=False)

    def launch(self):
        self.now += self.asking
        self.done_at = max(self.done_at, self.now) + self.work + (0.0 if self.launches else self.first)
        self.launches += 1
        if self.waits:
            self.synchronize()

    def synchronize(self):
        self.now = max(self.now, self.done_at)

    def clock(self):
        self.readings += 1
        return self.now


class _AnotherClock:
    """Stands for a number that `clock` had no part in, and that may differ from run to run."""

    def __repr__(self):
        return "a number that does not come from `clock`"


_ANOTHER_CLOCK = _AnotherClock()


def _call_seconds_per_call(answer, device, calls=10):
    device = replace(device)  # cold again
    seconds = answer(device.launch, device.synchronize, device.clock, calls)
    unmeasured = device.readings == 0 and isinstance(seconds, (int, float, torch.Tensor))
    return _ANOTHER_CLOCK if unmeasured else seconds


def _seconds_per_call(work, synchronize, clock, calls=10):
    work()
    synchronize()
    start = clock()
    for _ in range(calls):
        work()
    synchronize()
    return (clock() - start) / calls


def _clock_cases(draw):
    yield Case(Device(), label="the chapter's device")
    yield Case(Device(), calls=1)
    yield Case(Device(work=2.0, asking=0.5, first=3.0), calls=3)
    yield Case(Device(work=0.125, asking=0.5), calls=4, label="asking takes longer than the work")
    yield Case(Device(first=0.0), calls=2, label="no slow first call")
    yield Case(Device(waits=True), calls=3, label="no queue: each call waits")


def _stopwatch(warm_up=True, before=True, each=False, after=True, from_the_start=False, rounds=None, share=lambda calls: calls):
    """A wrong stopwatch: what it leaves out or does too much of."""

    def seconds_per_call(work, synchronize, clock, calls=10):
        start = clock()
        if warm_up:
            work()
        if before:
            synchronize()
        start = start if from_the_start else clock()
        for _ in range(rounds or calls):
            work()
            if each:
                synchronize()
        if after:
            synchronize()
        return (clock() - start) / share(calls)

    return seconds_per_call


seconds_per_call = Exercise(
    chapter="01",
    name="seconds_per_call",
    title="An honest stopwatch",
    minutes=15,
    difficulty=2,
    oracle=_seconds_per_call,
    call=_call_seconds_per_call,
    cases=_clock_cases,
    float32=False,
    solution=_seconds_per_call,
    mistakes=[
        Mistake(
            _stopwatch(warm_up=False, before=False, after=False),
            "this times the asking: the clock is stopped while the work is still in the queue, and nothing has warmed up",
            "Call `work()` once and wait, before the clock starts; wait again before you read it at the end.",
        ),
        Mistake(
            _stopwatch(after=False),
            "nobody waits at the end: the clock is stopped when the work has been asked for, not when it is done",
            "`synchronize()` belongs before each of the two readings of the clock.",
        ),
        Mistake(
            _stopwatch(warm_up=False),
            "there is no warm-up: the slow first call is counted among the others",
        ),
        Mistake(
            _stopwatch(before=False),
            "the clock starts with a full queue: wait for the warm-up before the first reading, or its time is counted",
        ),
        Mistake(
            _stopwatch(each=True),
            "`synchronize()` is called after each piece of work: the device idles while the next one is asked for, and the asking is counted every time",
            "Wait once, after the loop. A real program does not wait in between either.",
        ),
        Mistake(
            _stopwatch(warm_up=False, each=True),
            "there is no warm-up, and `synchronize()` in the loop lets the device idle: wait once, after the loop",
        ),
        Mistake(
            _stopwatch(from_the_start=True),
            "the warm-up is timed: read the clock after it",
        ),
        Mistake(
            _stopwatch(from_the_start=True, share=lambda calls: calls + 1),
            "the warm-up is timed, as if it were a call like the others: read the clock after it, and divide by `calls`",
        ),
        Mistake(
            _stopwatch(share=lambda calls: 1),
            "this is the time of all calls together: divide by `calls`",
        ),
        Mistake(
            _stopwatch(share=lambda calls: calls + 1),
            "divided by `calls + 1`: the warm-up is not timed, so it does not count",
        ),
        Mistake(
            _stopwatch(rounds=10, share=lambda calls: 10),
            "the argument `calls` is ignored: there are always ten",
        ),
        Mistake(
            lambda work, synchronize, clock, calls=10: 0.0,
            "your function must use the `clock` that it is given: `clock()` is never read",
            "A clock of your computer, such as `time.perf_counter`, knows nothing of the simulated device.",
        ),
    ],
    hints=[
        "Draw the queue over time: where is it empty, where does the clock start, where does it stop? What is still in the queue at that moment?",
        "Twice something is asked for and must be done before the clock is read: the warm-up, and the calls.",
        "`work()`, wait, read the clock; then `calls` times `work()`; wait, read the clock; divide.",
    ],
    afterword="With `torch.cuda.synchronize` and `time.perf_counter` your function times a real GPU. What is left of the asking, a share of 1/calls, is why one times many calls.",
)


def _standardise(train, test):
    found = data.statistics(train, dims=(0, 2, 3))
    return tuple(data.standardise(part, found.mean, found.std) for part in (train, test))


def _standardise_solution(train, test):
    mean = train.mean((0, 2, 3), keepdim=True)  # (1, C, 1, 1)
    std = train.std((0, 2, 3), keepdim=True, correction=0)
    std = torch.where(std > 0, std, torch.ones_like(std))
    return (train - mean) / std, (test - mean) / std


def _standardise_cases(draw):
    def case(N, M, C, H, W, numbers=draw.integers, label=""):
        level = 10 * torch.arange(C, dtype=torch.float64).view(C, 1, 1)
        return Case(numbers(N, C, H, W) + level, numbers(M, C, H, W) + level + 2, label=label)

    def constant(case):
        for part in case.args:
            part[:, 1] = 3
        return case

    yield case(2, 1, 1, 1, 3)
    yield case(2, 1, 2, 1, 2, label="two channels")
    yield case(3, 2, 2, 2, 2, label="a brighter test")
    yield constant(case(2, 2, 2, 1, 3, label="the second channel never changes"))
    yield case(6, 4, 3, 4, 5, draw.normal)


_PER_CHANNEL = (0, 2, 3)


def _standardised(
    dims=_PER_CHANNEL,
    of_test=lambda train, test: train,
    of_train=lambda train, test: train,
    centre=1,
    power=1,
    correction=0,
    safe=True,
):
    """A wrong answer: which data the statistics come from, over which axes, and how they are used."""

    def scaled(part, source):
        mean = source.mean(dims, keepdim=True)
        std = source.std(dims, keepdim=True, correction=correction) ** power
        return (part - centre * mean) / (torch.where(std > 0, std, 1) if safe else std)

    def standardise(train, test):
        return scaled(train, of_train(train, test)), scaled(test, of_test(train, test))

    return standardise


def _both(train, test):
    return torch.cat([train, test])


_UNBIASED = "`std` divides by n − 1 unless it is told otherwise: write `std(…, correction=0)`"
_CONSTANT = "a channel that never changes has σ = 0, and 0/0 is NaN: divide by 1 there"


def _wrong_statistics(diagnosis, more="", constant=(True, False), **how):
    """The mistake alone, and together with the two that like to come along: n − 1, and NaN for a constant channel."""
    for correction in (0, 1):
        for safe in constant:
            also = "; ".join([_UNBIASED] * correction + [_CONSTANT] * (not safe))
            words = f"{more} Also, {also}.".strip() if also else more
            yield Mistake(_standardised(**how, correction=correction, safe=safe), diagnosis, words)


def _aligned(mean_shape, std_shape, dims=_PER_CHANNEL, of_test=lambda train, test: train, correction=0):
    """Statistics in another shape than (1, C, 1, 1), which line up with other axes of the images."""

    def scaled(part, source):
        mean, std = source.mean(dims), source.std(dims, correction=correction)
        if not std.all() or part.shape[1] == 1:
            raise TypeError  # what becomes of σ = 0 is another matter, and a single channel meets every axis rightly
        return (part - mean_shape(mean)) / std_shape(std)

    return lambda train, test: (scaled(train, train), scaled(test, of_test(train, test)))


def _wrong_axis(diagnosis, more, *shapes, **how):
    """The mistake in these shapes of mean and σ, with n and with n − 1, whatever is done about σ = 0."""
    for mean_shape, std_shape in shapes:
        yield Mistake(_aligned(mean_shape, std_shape, **how), diagnosis, more, partly=True)
        wrong = _aligned(mean_shape, std_shape, **how, correction=1)
        yield Mistake(wrong, diagnosis, f"{more} Also, {_UNBIASED}.", partly=True)


def _as_it_is(numbers):
    return numbers


def _as_column(numbers):
    return numbers[..., None]


def _of_each_image(numbers):
    return numbers[:, None, None, None]


def _of_each_channel(numbers):
    return numbers[:, None, None]


_COLUMNS = "the C means have met the image's *columns*: write `keepdim=True`, so that they are $(1, C, 1, 1)$"

_OWN_MEANS = "every image has a mean of its own: take it over all training images, too, `dim=(0, 2, 3)`"

standardise = Exercise(
    chapter="01",
    name="standardise",
    title="Standardise, with the right statistics",
    minutes=15,
    difficulty=2,
    equation="Eq. 1.5",
    oracle=_standardise,
    cases=_standardise_cases,
    returns=("train", "test"),
    shapes={"train": "N C H W", "test": "N C H W"},
    tolerance=1e-4,  # an answer that adds a small ε to σ, up to about 1e-5, passes
    solution=_standardise_solution,
    mistakes=[
        *_wrong_statistics(
            "the test images are standardised by their own statistics: the mean and σ of the *training* images belong to the model",
            "By its own mean a brighter test looks as bright as ever.",
            of_test=lambda train, test: test,
        ),
        *_wrong_statistics(
            "the statistics come from training and test images together: so the model knows something of the test",
            of_train=_both,
            of_test=_both,
        ),
        *_wrong_statistics(
            "one mean and one σ for all channels: each channel has its own",
            "Average over images, rows and columns, `dim=(0, 2, 3)`, with `keepdim=True`.",
            dims=(0, 1, 2, 3),
            constant=(True,),  # all channels together do change
        ),
        *_wrong_statistics(
            "every pixel has a mean of its own, `dim=0`: a channel has one mean, over all its images, rows and columns",
            dims=(0,),
        ),
        *_wrong_statistics("divided by the variance: σ is its root", power=2),
        *_wrong_statistics("the mean is not subtracted", centre=0),
        *_wrong_axis(
            _COLUMNS,
            "Aligned on the right, $(C,)$ belongs to the width. That is an error, unless there happen to be as many columns as channels.",
            (_as_it_is, _as_it_is),
            (_as_it_is, _of_each_channel),
            (_of_each_channel, _as_it_is),
        ),
        *_wrong_axis(
            "means of shape $(C, 1)$ have met the *rows*: with a single row the result grew. Means must be $(1, C, 1, 1)$",
            "Shapes are aligned on the right, so $(C, 1)$ belongs to height and width. Write `keepdim=True`, or `[:, None, None]`.",
            (_as_column, _as_column),
            (_as_column, _of_each_channel),
            (_of_each_channel, _as_column),
        ),
        *_wrong_axis(
            "means of shape $(C, 1, 1, 1)$ have met the *images*: with a single image the result grew. Means must be $(1, C, 1, 1)$",
            "Shapes are aligned on the right, so the first of four axes belongs to the images. Write `keepdim=True`.",
            (_of_each_image, _of_each_image),
        ),
        Mistake(
            _standardised(power=0),
            "only the mean is subtracted: divide by σ as well",
        ),
        *_wrong_statistics(
            _OWN_MEANS,
            "Then a bright image stays brighter than a dark one.",
            dims=(2, 3),
            of_test=lambda train, test: test,
        ),
        *_wrong_statistics(
            _OWN_MEANS,
            "Such means are $(N, C, 1, 1)$, and those of the training images do not fit another number of test images.",
            dims=(2, 3),
        ),
        *_wrong_axis(
            _OWN_MEANS,
            "Also, such means are $(N, C)$ and have met rows and columns: write `keepdim=True`.",
            (_as_it_is, _as_it_is),
            dims=(2, 3),
        ),
        *_wrong_axis(
            _OWN_MEANS,
            "Also, such means are $(N, C)$ and have met rows and columns: write `keepdim=True`.",
            (_as_it_is, _as_it_is),
            dims=(2, 3),
            of_test=lambda train, test: test,
        ),
        Mistake(
            lambda train, test: (_standardise(train, test)[0], test),
            "the test images are returned as they came: the model expects them in the training images' units",
        ),
        Mistake(
            _standardised(safe=False),
            "a channel that never changes has σ = 0, and 0/0 is NaN: let it become zeros",
            "Where σ is 0 divide by 1, for instance with `torch.where(std > 0, std, 1)`.",
        ),
        Mistake(
            _standardised(correction=1),
            "your σ is a little too large: `std` divides by n − 1 unless it is told otherwise, write `std(…, correction=0)`",
            "n − 1 estimates the spread of a population from a sample. Here the training data's own spread shall become 1. With thousands of pixels nobody sees the difference.",
        ),
        Mistake(
            _standardised(correction=1, safe=False),
            f"two things are left: {_UNBIASED}; and {_CONSTANT}",
        ),
    ],
    hints=[
        "Which of the four axes does the mean run over, so that one number is left for each channel? Keep the others with `keepdim=True`, and it broadcasts.",
        "`mean = train.mean((0, 2, 3), keepdim=True)` is $(1, C, 1, 1)$; likewise `train.std(…, correction=0)`. There is no third line for the test images: they use the same two.",
        "σ = 0 in a channel means that $x - \\mu$ is 0, too. Divide by 1 there: `torch.where(std > 0, std, torch.ones_like(std))`.",
    ],
    afterword="Many libraries divide by σ + ε instead. Mind that ε has the data's unit: 1e-5 is nothing beside pixels between 0 and 1, and much beside a distance of micrometres written in metres.",
)


def _call_gaussian_weights(answer, sigma, radius):
    weights = answer(sigma, radius)  # in float32 or float64, as it likes
    return weights.double() if isinstance(weights, torch.Tensor) and weights.is_floating_point() else weights


def _gaussian_weights(sigma, radius):
    return ops.gaussian_kernel(sigma, 2 * radius + 1, torch.float64)


def _gaussian_solution(sigma, radius):
    u = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-(u**2) / (2 * sigma**2))
    return weights / weights.sum()


def _gaussian_cases(draw):
    yield Case(1.0, 1)
    yield Case(2.0, 2)
    yield Case(0.5, 2)
    yield Case(1.0, 0, label="one weight")
    yield Case(100.0, 1, label="very wide")
    yield Case(0.1, 1, label="very narrow")
    yield Case(draw.number(11, 39) / 10, 5)


def _bell(
    exponent=lambda u, sigma: -(u**2) / (2 * sigma**2),
    offsets=lambda radius: torch.arange(-radius, radius + 1, dtype=torch.float64),
    share=lambda bell, sigma: bell.sum(),
):
    """Wrong weights: the exponent, the offsets, or what they are divided by."""

    def weights(sigma, radius):
        bell = torch.exp(exponent(offsets(radius), sigma))
        return bell / share(bell, sigma)

    return weights


def _in_whole_numbers(sigma, radius):
    weights = torch.zeros(2 * radius + 1, dtype=torch.int64)
    for i in range(2 * radius + 1):
        weights[i] = math.exp(-((i - radius) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


gaussian_weights = Exercise(
    chapter="01",
    name="gaussian_weights",
    title="The Gaussian's weights",
    minutes=10,
    difficulty=1,
    equation="Eq. 1.6",
    oracle=_gaussian_weights,
    call=_call_gaussian_weights,
    cases=_gaussian_cases,
    float32=False,
    tolerance=1e-5,
    solution=_gaussian_solution,
    mistakes=[
        Mistake(
            _bell(share=lambda bell, sigma: 1),
            "the largest weight is 1, but their *sum* should be: divide by `weights.sum()`",
            "With these weights a blur makes the picture brighter.",
        ),
        Mistake(
            _bell(share=lambda bell, sigma: math.sqrt(2 * math.pi) * sigma),
            "divided by $\\sqrt{2\\pi}\\,\\sigma$: that makes the *integral* 1, and the sum of a few samples only nearly so",
            "Divide by the sum of the weights that you have.",
        ),
        Mistake(
            _bell(share=lambda bell, sigma: bell.norm()),
            "divided by the root of the sum of squares: divide by the sum",
        ),
        Mistake(
            _bell(lambda u, sigma: -(u**2) / sigma**2),
            "the 2 in the exponent is missing: it is $-u^2 / 2\\sigma^2$",
        ),
        Mistake(
            _bell(lambda u, sigma: -(u**2) / (2 * sigma)),
            "the σ in the exponent is not squared: it is $-u^2 / 2\\sigma^2$",
            "Without the square a unit would be left over, and an exponent has none.",
        ),
        Mistake(
            _bell(lambda u, sigma: -(u**2) / 2 * sigma**2),
            "`/ 2 * sigma**2` divides by 2 and *multiplies* by σ²: put the denominator in brackets, `/ (2 * sigma**2)`",
        ),
        Mistake(
            _bell(lambda u, sigma: -u.abs() / (2 * sigma**2)),
            "the offset $u$ is not squared: it is $-u^2 / 2\\sigma^2$",
        ),
        Mistake(
            _bell(lambda u, sigma: -u / (2 * sigma**2)),
            "the offset $u$ is not squared, so the weights rise to one side: it is $-u^2 / 2\\sigma^2$",
        ),
        Mistake(
            _bell(lambda u, sigma: u**2 / (2 * sigma**2)),
            "the minus sign in the exponent is missing: the weights grow towards the ends",
        ),
        Mistake(
            _bell(offsets=lambda radius: torch.arange(-radius, radius, dtype=torch.float64)),
            "the last weight is missing: `arange(-r, r)` stops before $r$, write `arange(-r, r + 1)`",
        ),
        Mistake(
            _bell(offsets=lambda radius: torch.arange(radius, dtype=torch.float64) - radius // 2),
            "there are `radius` weights: the radius is the reach to each side, which makes 2 · radius + 1",
        ),
        Mistake(
            _bell(offsets=lambda radius: torch.arange(radius + 1, dtype=torch.float64)),
            "this is one half of the bell: offsets run from $-r$ to $r$",
        ),
        Mistake(
            _bell(offsets=lambda radius: torch.arange(2 * radius + 1, dtype=torch.float64)),
            "the bell has its peak at the first weight: offsets run from $-r$ to $r$, not from 0 to $2r$",
        ),
        Mistake(
            _bell(offsets=lambda radius: torch.linspace(-1, 1, 2 * radius + 1, dtype=torch.float64)),
            "the offsets run from −1 to 1: they are in pixels, from $-r$ to $r$, as σ is",
        ),
        Mistake(
            _in_whole_numbers,
            "the weights were stored as whole numbers, which cuts them to 0 and 1: `zeros_like` of whole offsets is whole, too",
            "Give the offsets a dtype: `torch.arange(…, dtype=torch.float64)`.",
        ),
        Mistake(
            lambda sigma, radius: torch.outer(_gaussian_weights(sigma, radius), _gaussian_weights(sigma, radius)),
            "these are the weights in two dimensions, $g[u]\\,g[v]$; the exercise asks for $g$ along one axis",
        ),
    ],
    hints=[
        "The offsets first: `torch.arange(-radius, radius + 1)` has 2 · radius + 1 numbers and 0 in the middle.",
        "Then `torch.exp(-(u**2) / (2 * sigma**2))`, with the denominator in brackets.",
        "The fraction's lower part is the sum of all the upper parts: divide by `weights.sum()`.",
    ],
    afterword="An exponential divided by the sum of all of them: `torch.softmax(-(u**2) / (2 * sigma**2), dim=0)` is the same, and returns in chapter 10.",
)


def _mirror(image, boxes):
    x1, y1, x2, y2 = boxes.unbind(-1)
    return image.flip(-1), torch.stack([image.shape[-1] - x2, y1, image.shape[-1] - x1, y2], dim=-1)


def _mirror_solution(image, boxes):
    W = image.shape[-1]
    x1, y1, x2, y2 = boxes.unbind(-1)
    return image.flip(-1), torch.stack([W - x2, y1, W - x1, y2], dim=-1)


def _mirror_cases(draw):
    def boxes(*rows):
        return torch.tensor(rows, dtype=torch.float64).view(-1, 4)

    yield Case(draw.distinct(1, 2, 4), boxes((0, 0, 1, 2)), label="a box at the left edge")
    yield Case(draw.distinct(1, 3, 5), boxes((0, 0, 5, 3)), label="a box around the whole picture")
    yield Case(draw.distinct(1, 5, 3), boxes((1, 2, 3, 5), (0, 1, 2, 2)), label="two boxes, higher than wide")
    yield Case(draw.distinct(3, 2, 4), boxes((1, 0, 2, 1)), label="three channels")
    yield Case(draw.distinct(3, 3, 4), boxes(), label="no box")
    left, top = draw.uniform(4, high=4.0), draw.uniform(4, high=3.0)
    wide, high = 0.5 + draw.uniform(4, high=4.0), 0.5 + draw.uniform(4, high=3.0)
    yield Case(draw.uniform(3, 8, 9), torch.stack([left, top, left + wide, top + high], dim=-1))


def _mirrored(flip=lambda image: image.flip(-1), boxes=lambda x1, y1, x2, y2, H, W: (W - x2, y1, W - x1, y2)):
    """A wrong answer: how the image is flipped, or what becomes of the boxes."""

    def mirror(image, given):
        moved = boxes(*given.unbind(-1), *image.shape[1:])
        return flip(image), torch.stack(moved, dim=-1)

    return mirror


def _upside_down(diagnosis, more, *boxes):
    """Rows turned round in place of columns, with whatever became of the boxes."""
    for moved in boxes:
        yield Mistake(_mirrored(lambda image: image.flip(1), moved), diagnosis, more)


def _box_by_box(image, boxes):
    W = image.shape[-1]
    return image.flip(-1), torch.stack([torch.stack([W - x2, y1, W - x1, y2]) for x1, y1, x2, y2 in boxes])


mirror = Exercise(
    chapter="01",
    name="mirror",
    title="Mirror a picture and its boxes",
    minutes=15,
    difficulty=2,
    oracle=_mirror,
    cases=_mirror_cases,
    returns=("image", "boxes"),
    shapes={"image": "C H W", "boxes": "K 4"},
    solution=_mirror_solution,
    mistakes=[
        Mistake(
            _mirrored(boxes=lambda x1, y1, x2, y2, H, W: (x1, y1, x2, y2)),
            "the boxes have stayed behind: they now lie around what was on the other side",
        ),
        Mistake(
            _mirrored(flip=torch.clone),
            "the boxes are mirrored and the image is not: `image.flip(-1)` turns round its last axis, the columns",
        ),
        Mistake(
            _mirrored(boxes=lambda x1, y1, x2, y2, H, W: (W - x1, y1, W - x2, y2)),
            "left and right edge are not exchanged, so $x_1 > x_2$: what was the right edge is the left one now",
            "The new $x_1$ is $W - x_2$, and the new $x_2$ is $W - x_1$.",
        ),
        Mistake(
            _mirrored(boxes=lambda x1, y1, x2, y2, H, W: (W - x2, y1, x2, y2)),
            "the second line reads the new $x_1$, where it needs the old one: $W - (W - x_2)$ is $x_2$ again",
            "Keep both in variables, `x1, y1, x2, y2 = boxes.unbind(-1)`, before you write.",
        ),
        Mistake(
            _mirrored(boxes=lambda x1, y1, x2, y2, H, W: (W - 1 - x2, y1, W - 1 - x1, y2)),
            "off by one: $W - 1 - x$ mirrors the *number* of a pixel; edges run from 0 to $W$, so an edge goes to $W - x$",
            "The box around the whole picture, $(0, 0, W, H)$, must stay as it is.",
        ),
        Mistake(
            _mirrored(boxes=lambda x1, y1, x2, y2, H, W: (W - 1 - x1, y1, W - 1 - x2, y2)),
            "two things: an edge at $x$ goes to $W - x$, not to $W - 1 - x$; and left and right edge change places, so that $x_1 < x_2$",
        ),
        Mistake(
            _mirrored(boxes=lambda x1, y1, x2, y2, H, W: (H - x2, y1, H - x1, y2)),
            "the boxes are mirrored by the height: an image is $(C, H, W)$, its width is `image.shape[-1]`",
        ),
        Mistake(
            _mirrored(boxes=lambda x1, y1, x2, y2, H, W: (W - x1 - x2, y1, x2, y2)),
            "the third number is taken for the box's width; it is the position of its right edge, $x_2$",
        ),
        *_upside_down(
            "you mirrored top to bottom; left to right is asked",
            "That is the image's last axis, and $x_1$ and $x_2$ of a box.",
            lambda x1, y1, x2, y2, H, W: (x1, H - y2, x2, H - y1),
            lambda x1, y1, x2, y2, H, W: (x1, H - y1, x2, H - y2),
            lambda x1, y1, x2, y2, H, W: (x1, H - 1 - y2, x2, H - 1 - y1),
            lambda x1, y1, x2, y2, H, W: (x1, H - 1 - y1, x2, H - 1 - y2),
            lambda x1, y1, x2, y2, H, W: (x1, W - y2, x2, W - y1),
            lambda x1, y1, x2, y2, H, W: (x1, W - y1, x2, W - y2),
        ),
        *_upside_down(
            "the image is upside down: `flip(1)` turns round its rows, `flip(-1)` its columns",
            "",
            lambda x1, y1, x2, y2, H, W: (W - x2, y1, W - x1, y2),
        ),
        *_upside_down(
            "the image is upside down: `flip(1)` turns round its rows, `flip(-1)` its columns",
            "The boxes are not right yet, either: an edge at $x$ goes to $W - x$, left and right edge change places, and y stays.",
            lambda x1, y1, x2, y2, H, W: (W - x2, H - y2, W - x1, H - y1),
            lambda x1, y1, x2, y2, H, W: (W - x1, H - y1, W - x2, H - y2),
            lambda x1, y1, x2, y2, H, W: (x1, y1, x2, y2),
            lambda x1, y1, x2, y2, H, W: (W - x1, y1, W - x2, y2),
            lambda x1, y1, x2, y2, H, W: (W - 1 - x2, y1, W - 1 - x1, y2),
            lambda x1, y1, x2, y2, H, W: (W - 1 - x1, y1, W - 1 - x2, y2),
        ),
        Mistake(
            _mirrored(lambda image: image.flip(0)),
            "`flip(0)` turns round the channels, so red becomes blue: the columns are the last axis, `flip(-1)`",
        ),
        Mistake(
            _mirrored(lambda image: image.flip(1, 2), lambda x1, y1, x2, y2, H, W: (W - x2, H - y2, W - x1, H - y1)),
            "this is a rotation by 180°: only left and right are exchanged, what is above stays above",
        ),
        Mistake(
            _mirrored(boxes=lambda x1, y1, x2, y2, H, W: (W - x2, H - y2, W - x1, H - y1)),
            "the boxes are mirrored up and down as well: $y_1$ and $y_2$ stay as they are",
        ),
        Mistake(
            _mirrored(boxes=lambda x1, y1, x2, y2, H, W: (x1, H - y2, x2, H - y1)),
            "the boxes are mirrored up and down: a box is $(x_1, y_1, x_2, y_2)$, so x stands at 0 and 2",
        ),
        Mistake(
            _box_by_box,
            "a picture without boxes stops it: there is nothing to stack",
            "Compute with whole columns, `boxes[:, 0]`: they may be empty, and there is no loop.",
        ),
    ],
    hints=[
        "Put the box of one pixel at the left edge, $(0, 0, 1, 1)$, into a picture 4 pixels wide. Where are its two edges afterwards?",
        "An edge at $x$ goes to $W - x$. Which of the two new edges is the left one?",
        "`x1, y1, x2, y2 = boxes.unbind(-1)`, then `torch.stack([W - x2, y1, W - x1, y2], dim=-1)`; the image is `image.flip(-1)`.",
    ],
    afterword="Mirror twice, and everything must be as before: a test that needs no right answer. But the commonest mistakes pass it, too; cut the box out of both pictures and compare the pixels.",
)
