"""Chapter 16, bilinear fusion: the bilinear form, the tensor of products, low rank, sizes, ranks, sketches, a bug hunt."""

import math
from functools import reduce

import torch
import torch.nn.functional as F

from .case import Case
from .exercise import Exercise
from .task import Mistake
from .value import ValueExercise

__all__ = [
    "best_rank",
    "bilinear_form",
    "compact_product",
    "examples_needed",
    "low_rank",
    "repaired_fusion",
    "sizes",
    "tensor_of_products",
]


def _bilinear_form(x, y, weight, bias):
    return torch.einsum("ni,kij,nj->nk", x, weight, y) + bias


def _bilinear_cases(draw):
    yield Case(
        draw.integers(1, 2), draw.integers(1, 2), draw.integers(1, 2, 2), draw.integers(1), label="one example, one output"
    )
    yield Case(draw.integers(2, 2), draw.integers(2, 3), draw.integers(1, 2, 3), draw.integers(1), label="two examples")
    yield Case(draw.normal(4, 3), draw.normal(4, 5), draw.normal(2, 3, 5), draw.normal(2), label="two outputs")


def _each(x, y, weight, bias):
    """The wrong answers that need x and y of one size stop elsewhere."""
    if x.shape[1] != y.shape[1]:
        raise LookupError("no such product here")
    return x, y, weight, bias


def _exchanged(x, y, weight, bias):
    x, y, weight, bias = _each(x, y, weight, bias)
    return torch.einsum("ni,kij,nj->nk", y, weight, x) + bias


bilinear_form = Exercise(
    chapter="16",
    name="bilinear_form",
    title="A weight for every product",
    minutes=10,
    difficulty=1,
    equation="Eq. 16.1",
    oracle=_bilinear_form,
    cases=_bilinear_cases,
    shapes={"x": "N D", "y": "N E", "weight": "K D E"},
    solution=_bilinear_form,
    mistakes=[
        Mistake(lambda x, y, weight, bias: _bilinear_form(x, y, weight, 0 * bias), "the bias is missing"),
        Mistake(
            lambda x, y, weight, bias: torch.einsum("ni,kij,mj->nk", x, weight, y) + bias,
            "each picture meets the texts of *all* examples: the letter of the example must be the same at `x` and at `y`",
        ),
        Mistake(
            lambda x, y, weight, bias: torch.einsum("ni,kij->nk", x, weight) + torch.einsum("nj,kij->nk", y, weight) + bias,
            "the two are added: this is no product, and no better than a linear layer on the concatenation",
        ),
        Mistake(
            lambda x, y, weight, bias: torch.einsum("ni,kij,nj->k", x, weight, y).expand(len(x), -1) + bias,
            "the scores are summed over the batch: `n` must stand behind the arrow, too",
        ),
        Mistake(
            lambda x, y, weight, bias: (_bilinear_form(x, y, weight, 0 * bias)) + bias.sum(),
            "every output gets the sum of all biases",
        ),
        Mistake(
            _exchanged,
            "the axes of the weight are exchanged: in $x^\\top W_k\\,y$ the picture meets the *rows* of $W_k$, axis 1 of `weight`",
            partly=True,
        ),
        Mistake(
            lambda x, y, weight, bias: torch.einsum("ni,kii,ni->nk", *(_each(x, y, weight, bias)[i] for i in (0, 2, 1))) + bias,
            "only products of features with the same number are weighed, the diagonal of $W_k$: every $x_i$ meets every $y_j$",
            partly=True,
        ),
    ],
    hints=[
        "For one example and one output it is a sum over $i$ and $j$ of three numbers multiplied. Give each axis a letter.",
        "The letters: `n` example, `i` feature of $x$, `j` feature of $y$, `k` output. What stands behind the arrow is not summed over.",
        '`torch.einsum("ni,kij,nj->nk", x, weight, y) + bias`',
    ],
    afterword="`torch.nn.Bilinear` is this function with its weights.",
)


def _tensor_of_products(x, y):
    x, y = F.pad(x, (1, 0), value=1.0), F.pad(y, (1, 0), value=1.0)
    return (x[:, :, None] * y[:, None, :]).flatten(1)


def _products_of(x, y, ones=(True, True), last=False, order="nij"):
    where = (0, 1) if last else (1, 0)
    x = F.pad(x, where, value=1.0) if ones[0] else x
    y = F.pad(y, where, value=1.0) if ones[1] else y
    return torch.einsum(f"ni,nj->{order}", x, y).flatten(1)


def _tensor_cases(draw):
    yield Case(draw.integers(1, 1), draw.integers(1, 2), label="one feature, two features")
    yield Case(draw.integers(2, 2), draw.integers(2, 3), label="two examples")
    yield Case(draw.normal(3, 4), draw.normal(3, 2), label="random")


tensor_of_products = Exercise(
    chapter="16",
    name="tensor_of_products",
    title="All products, and the 1",
    minutes=10,
    difficulty=1,
    equation="Eq. 16.2",
    oracle=_tensor_of_products,
    cases=_tensor_cases,
    shapes={"x": "N D", "y": "N E"},
    solution=_tensor_of_products,
    mistakes=[
        Mistake(
            lambda x, y: _products_of(x, y, ones=(False, False)),
            "the 1s are missing: then nothing that one modality says alone is in it, and no bias",
        ),
        Mistake(lambda x, y: _products_of(x, y, ones=(True, False)), "`y` has no 1: what $x$ says alone is missing"),
        Mistake(lambda x, y: _products_of(x, y, ones=(False, True)), "`x` has no 1: what $y$ says alone is missing"),
        Mistake(
            lambda x, y: torch.einsum("ni,nj->nij", F.pad(x, (1, 0)), F.pad(y, (1, 0))).flatten(1),
            "a 0 stands in front of the features where the 1 belongs: `F.pad` takes `value=1.0`",
        ),
        Mistake(lambda x, y: _products_of(x, y, last=True), "the 1 stands behind the features; in Eq. 16.2 it comes first"),
        Mistake(
            lambda x, y: _products_of(x, y, order="nji"),
            "rows and columns are exchanged: the features of $x$ number the rows, so $y$'s change fastest",
        ),
        Mistake(
            lambda x, y: torch.cat([torch.ones_like(x[:, :1]), x, y], 1),
            "these are the features side by side: no product is in it",
        ),
        Mistake(
            lambda x, y: _products_of(x, y, ones=(False, False)) + 1,
            "1 is *added* to the products; it must be *appended* to the features, before they are multiplied",
        ),
        Mistake(
            lambda x, y: torch.cat([torch.ones_like(x[:, :1]), _products_of(x, y, ones=(False, False))], 1),
            "the 1 is appended to the products: then there is a bias, but no modality comes through alone",
        ),
    ],
    hints=[
        "Append the 1s first: `F.pad(x, (1, 0), value=1.0)` puts one in front of each row.",
        "A column times a row is a table of all products: `x[:, :, None] * y[:, None, :]`.",
        "At the end `flatten(1)`: the batch stays.",
    ],
    afterword="Read a row of the result as a grid: its first column is $x$, its first row is $y$, its corner the 1.",
)


def _low_rank(features, factors):
    product = 1
    for x, w in zip(features, factors, strict=True):
        product = product * torch.einsum("nd,rkd->nrk", F.pad(x, (1, 0), value=1.0), w)
    return product.sum(1)


def _ranks_of(
    pad=lambda x: F.pad(x, (1, 0), value=1.0),
    join=lambda projected: reduce(torch.mul, projected).sum(1),
    cut=lambda w: w,
):
    def wrong(features, factors):
        pairs = zip(features, factors, strict=True)
        return join([torch.einsum("nd,rkd->nrk", pad(x), cut(w)) for x, w in pairs])

    return wrong


def _low_rank_cases(draw):
    def case(n, dims, rank, outputs, label, numbers):
        return Case([numbers(n, D) for D in dims], [numbers(rank, outputs, D + 1) for D in dims], label=label)

    yield case(1, (1, 1), 1, 1, "one feature each, rank 1", draw.integers)
    yield case(2, (2, 1), 2, 1, "rank 2", draw.integers)
    yield case(3, (2, 4), 3, 2, "two outputs", draw.normal)
    yield case(3, (2, 4, 3), 2, 5, "three modalities", draw.normal)


low_rank = Exercise(
    chapter="16",
    name="low_rank",
    title="The tensor's scores without the tensor",
    minutes=20,
    difficulty=2,
    equation="Eq. 16.5",
    oracle=_low_rank,
    cases=_low_rank_cases,
    solution=_low_rank,
    mistakes=[
        Mistake(
            _ranks_of(pad=lambda x: x, cut=lambda w: w[..., 1:]),
            "the 1s are missing: the first column of each factor is the weight of the constant",
        ),
        Mistake(
            _ranks_of(pad=lambda x: F.pad(x, (0, 1), value=1.0)),
            "the 1 stands behind the features: the first column of each factor is its weight, so it comes first",
        ),
        Mistake(
            _ranks_of(join=lambda p: reduce(torch.mul, [each.sum(1) for each in p])),
            "the sum over the rank comes before the product: that is a product of sums, a tensor of rank 1 whatever the rank",
        ),
        Mistake(
            _ranks_of(join=lambda p: reduce(torch.mul, p).mean(1)), "the terms are averaged over the rank: Eq. 16.5 adds them"
        ),
        Mistake(
            _ranks_of(join=lambda p: reduce(torch.mul, p).prod(1)), "the terms are multiplied over the rank: Eq. 16.5 adds them"
        ),
        Mistake(
            _ranks_of(join=lambda p: reduce(torch.add, p).sum(1)), "the modalities are added: then there is no product in it"
        ),
        Mistake(_ranks_of(join=lambda p: (p[0] * p[1]).sum(1)), "only the first two modalities take part"),
        Mistake(_ranks_of(join=lambda p: reduce(torch.mul, p)[:, 0]), "only the first term of the sum over the rank arrives"),
        Mistake(_ranks_of(join=lambda p: reduce(torch.mul, p).sum(2)), "the sum runs over the outputs; it runs over the rank"),
    ],
    hints=[
        "Each modality, with its 1, meets its factors on its own: the result is `(N, rank, K)` for each of them.",
        '`torch.einsum("nd,rkd->nrk", x, w)`, with `x = F.pad(x, (1, 0), value=1.0)`. Multiply these over the modalities …',
        "… and only then add over the rank: `product.sum(1)`.",
    ],
    afterword="No tensor was made: a fourth modality costs one more projection, where the tensor grows by a factor of $1 + D_4$.",
)


_DIMS, _OUT, _RANK = (512, 300, 64), 128, 8
_FULL = _OUT * math.prod(D + 1 for D in _DIMS)
_LOW = _OUT * _RANK * sum(D + 1 for D in _DIMS)
_EVEN = math.prod(D + 1 for D in _DIMS) // sum(D + 1 for D in _DIMS)


def _read_sizes(answer):
    try:
        answer = [float(n) for n in answer]
    except (TypeError, ValueError):
        raise ValueError("the answer is three whole numbers, such as (100, 20, 5)") from None
    if len(answer) != 3:
        raise ValueError(f"the answer is three whole numbers; these are {len(answer)}")
    return tuple(answer)


def _judge_sizes(answer):
    names = ("the full tensor's weights", "the low-rank factors' weights", "the largest rank that saves weights")
    for got, right, name in zip(answer, (_FULL, _LOW, _EVEN), names, strict=True):
        if got != right:
            return f"{name}: {got:,.0f} is not right. Multiply what every output needs by the number of outputs, and mind the 1s"
    return None


def _with(place, value):
    right = [_FULL, _LOW, _EVEN]
    right[place] = value
    return tuple(map(float, right))


def _number(place, value, diagnosis):
    return Mistake(lambda answer: answer[place] == value, diagnosis, example=_with(place, float(value)))


sizes = ValueExercise(
    chapter="16",
    name="sizes",
    title="How many numbers?",
    minutes=10,
    difficulty=1,
    oracle=tuple(map(float, (_FULL, _LOW, _EVEN))),
    read=_read_sizes,
    accepts=_judge_sizes,
    solution=f"""
ones = (513, 301, 65)
full = {_OUT} * 513 * 301 * 65  # a weight for each entry of the tensor, for each output
low = {_OUT} * {_RANK} * (513 + 301 + 65)
largest = (513 * 301 * 65) // (513 + 301 + 65)  # rank · sum < product
sizes = (full, low, largest)
""",
    mistakes=[
        _number(0, _OUT * math.prod(_DIMS), "the full tensor's weights: the constant 1 of each modality is missing, so 513 · 301 · 65"),
        _number(0, math.prod(D + 1 for D in _DIMS), "the full tensor's weights: this is one output's tensor; there are 128"),
        _number(0, _OUT * sum(D + 1 for D in _DIMS), "the full tensor's weights: this is the *sum* of the sizes; every feature meets every other"),
        _number(1, _OUT * _RANK * sum(_DIMS), "the low-rank factors' weights: the constant 1 of each modality is missing"),
        _number(1, _RANK * sum(D + 1 for D in _DIMS), "the low-rank factors' weights: each output has factors of its own, 128 of them"),
        _number(1, _OUT * sum(D + 1 for D in _DIMS), "the low-rank factors' weights: this is rank 1; the rank is 8"),
        _number(1, _OUT * _RANK * math.prod(D + 1 for D in _DIMS), "the low-rank factors' weights: the sizes are multiplied; a factor has one number for each feature of *one* modality"),
        _number(2, _EVEN + 1, "the largest rank: at this rank there are already more weights than in the tensor"),
        _number(2, _FULL // _LOW, "the largest rank: you have divided by the weights at rank 8; divide by those of rank 1"),
    ],
    hints=[
        "The tensor of one output has $(1+512)(1+300)(1+64)$ entries. How many outputs are there?",
        "One term of the sum over the rank needs $1 + D_m$ numbers of each modality $m$, for each output.",
        "For the third: the largest $r$ with $r \\sum_m (1+D_m) < \\prod_m (1+D_m)$.",
    ],
    afterword="More than a billion weights would be five gigabytes, and fusion is one layer. `TensorFusion` refuses to build it and says so.",
)  # fmt: skip


def _best_rank(weight, rank):
    u, s, v = torch.linalg.svd(weight, full_matrices=False)
    return u[:, :rank] * s[:rank] @ v[:rank]


def _svd_variant(change):
    def wrong(weight, rank):
        u, s, v = torch.linalg.svd(weight, full_matrices=False)
        return change(weight, rank, u, s, v)

    return wrong


def _square(weight, value):
    if weight.shape[0] != weight.shape[1]:
        raise LookupError("no such product here")
    return value()


def _rank_cases(draw):
    yield Case(torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64)), 1, label="a diagonal matrix")
    yield Case(draw.normal(3, 3), 2, label="three by three")
    yield Case(draw.normal(4, 3), 1, label="four by three")
    yield Case(draw.normal(5, 6), 3, label="five by six")


best_rank = Exercise(
    chapter="16",
    name="best_rank",
    title="The best matrix of rank r",
    minutes=15,
    difficulty=2,
    oracle=_best_rank,
    cases=_rank_cases,
    tolerance=1e-4,
    solution=_best_rank,
    mistakes=[
        Mistake(_svd_variant(lambda w, r, u, s, v: u[:, :r] @ v[:r]), "the singular values are left out: all directions weigh the same"),
        Mistake(
            _svd_variant(lambda w, r, u, s, v: u[:, -r:] * s[-r:] @ v[-r:]),
            "these are the *smallest* singular values: `svd` sorts them from large to small, so keep the first",
        ),
        Mistake(
            _svd_variant(lambda w, r, u, s, v: u[:, r:] * s[r:] @ v[r:]),
            "this is what is lost: the first `rank` directions are to be kept, not left out",
        ),
        Mistake(
            _svd_variant(lambda w, r, u, s, v: u[:, : r + 1] * s[: r + 1] @ v[: r + 1]),
            "one direction too many: `[:rank]` has `rank` of them",
        ),
        Mistake(
            _svd_variant(lambda w, r, u, s, v: _square(w, lambda: u[:, :r] * s[:r] @ v[:, :r].T)),
            "`torch.linalg.svd` returns $V^\\top$: its *rows* are the directions, `v[:rank]`",
            partly=True,
        ),
        Mistake(
            _svd_variant(lambda w, r, u, s, v: u[:, :r] * s[:r].sqrt() @ v[:r]),
            "the root of the singular values is taken: that belongs to each of two factors, and the product needs both",
        ),
        Mistake(lambda weight, rank: torch.cat([weight[:, :rank], torch.zeros_like(weight[:, rank:])], 1), "these are the first columns, not the best directions"),
        Mistake(lambda weight, rank: weight, "the rank changes nothing: this is the whole matrix"),
    ],
    hints=[
        "The singular value decomposition writes $W = \\sum_s \\sigma_s\\, u_s v_s^\\top$, the largest $\\sigma$ first. Which terms stay?",
        "`u, s, v = torch.linalg.svd(weight, full_matrices=False)`: columns of `u`, numbers `s`, rows of `v`.",
        "`u[:, :rank] * s[:rank] @ v[:rank]`",
    ],
    afterword="No matrix of that rank is nearer (Eckart and Young 1936). Whether it also *classifies* best is another question: section 4.",
)  # fmt: skip


def _examples_needed(examples, accuracy, target):
    for i in range(len(examples)):
        if accuracy[i] >= target:
            if i == 0:
                return float(examples[0])
            share = (target - accuracy[i - 1]) / (accuracy[i] - accuracy[i - 1])
            return float(examples[i - 1] * (examples[i] / examples[i - 1]) ** share)
    return math.inf


def _needed_variant(between="log", first=None, never=None, last=False, above=False):
    def wrong(examples, accuracy, target):
        reached = [i for i in range(len(examples)) if (accuracy[i] > target if above else accuracy[i] >= target)]
        if not reached:
            return math.inf if never is None else never(examples)
        i = reached[0]
        if last:
            below = [k for k in range(len(examples)) if accuracy[k] < target]
            i = below[-1] + 1 if below else 0
            if i == len(examples):
                return math.inf
        if i == 0:
            return float(examples[0]) if first is None else first
        share = (target - accuracy[i - 1]) / (accuracy[i] - accuracy[i - 1])
        low, high = float(examples[i - 1]), float(examples[i])
        return {"log": low * (high / low) ** share, "line": low + share * (high - low), "high": high, "low": low}[between]

    return wrong


def _needed_cases(draw):
    numbers = torch.tensor([100.0, 200.0, 400.0, 800.0], dtype=torch.float64)

    def case(accuracy, target, label):
        return Case(numbers.clone(), torch.tensor(accuracy, dtype=torch.float64), target, label=label)

    yield case([0.5, 0.7, 0.9, 1.0], 0.8, "half way between 200 and 400")
    yield case([0.5, 0.7, 0.9, 1.0], 0.9, "exactly at 400")
    yield case([0.95, 0.96, 0.97, 0.98], 0.9, "from the first number on")
    yield case([0.5, 0.6, 0.7, 0.8], 0.9, "never")
    yield case([0.5, 0.92, 0.88, 0.97], 0.9, "reached, lost, reached again")


examples_needed = Exercise(
    chapter="16",
    name="examples_needed",
    title="How many examples?",
    minutes=15,
    difficulty=2,
    oracle=_examples_needed,
    cases=_needed_cases,
    float32=False,
    tolerance=1e-6,
    solution=_examples_needed,
    mistakes=[
        Mistake(_needed_variant(between="line"), "you interpolate on the number itself; the axis is logarithmic, where half way between 200 and 400 is 283"),
        Mistake(_needed_variant(between="high"), "this is the first *measured* number that reaches the target: interpolate between it and the one before"),
        Mistake(_needed_variant(between="low"), "this is the last number that misses the target: interpolate between it and the next"),
        Mistake(_needed_variant(last=True), "this is where the curve crosses the target for the last time; asked is the first"),
        Mistake(lambda *given: math.log(_examples_needed(*given)), "this is the logarithm of the answer: take the exponential in the end"),
        Mistake(_needed_variant(never=lambda n: float(n[-1])), "a curve that never reaches the target needs more than were tried: return `math.inf`, not the last number"),
        Mistake(_needed_variant(never=lambda n: None), "a curve that never reaches the target gets None: return `math.inf`, which compares and sorts"),
        Mistake(_needed_variant(first=0.0), "a curve that starts above the target gets 0; nothing below the first number was measured, so return that"),
    ],
    hints=[
        "Go along the curve to the first number whose accuracy reaches the target. Three cases: it is the first of all, there is none, or it has a number before it.",
        "On a logarithmic axis, a share $t$ of the way from $n_1$ to $n_2$ is $n_1 (n_2/n_1)^t$.",
        "`share = (target - accuracy[i - 1]) / (accuracy[i] - accuracy[i - 1])`, then `examples[i - 1] * (examples[i] / examples[i - 1]) ** share`.",
    ],
    afterword="One number from a curve hides where it came from. Show the curve beside it.",
)  # fmt: skip


def _sketch(x, hashes, signs, sketch):
    return x.new_zeros(len(x), sketch).index_add(1, hashes, x * signs)


def _convolved(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch, join=None, signs=True):
    first = _sketch(x, hashes_x, signs_x if signs else signs_x.abs(), sketch)
    second = _sketch(y, hashes_y, signs_y if signs else signs_y.abs(), sketch)
    if join is not None:
        return join(first, second, sketch)
    return torch.fft.irfft(torch.fft.rfft(first) * torch.fft.rfft(second), n=sketch)


def _compact_product(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch):
    first = x.new_zeros(len(x), sketch).index_add(1, hashes_x, x * signs_x)
    second = y.new_zeros(len(y), sketch).index_add(1, hashes_y, y * signs_y)
    return torch.fft.irfft(torch.fft.rfft(first) * torch.fft.rfft(second), n=sketch)


def _joined_by(join):
    return lambda *given: _convolved(*given, join=join)


def _second_for_both(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch):
    if x.shape[1] != y.shape[1]:
        raise LookupError("no such sketch here")
    return _convolved(x, y, hashes_x, signs_x, hashes_x, signs_x, sketch)


def _assigned(x, hashes, signs, sketch):
    sketched = x.new_zeros(len(x), sketch)
    for i in range(x.shape[1]):
        sketched[:, hashes[i]] = x[:, i] * signs[i]
    return sketched


def _overwritten(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch):
    first, second = _assigned(x, hashes_x, signs_x, sketch), _assigned(y, hashes_y, signs_y, sketch)
    return torch.fft.irfft(torch.fft.rfft(first) * torch.fft.rfft(second), n=sketch)


def _draw_signs(draw, n):
    return 2 * draw.integers(n, low=0, high=2) - 1


def _compact_cases(draw):
    def case(n, D, E, sketch, label, numbers):
        x, y = numbers(n, D), numbers(n, E)
        hashes = [draw.integers(size, low=0, high=sketch, dtype=torch.int64) for size in (D, E)]
        hashes[0][-1] = hashes[0][0]  # at least two features share a place
        return Case(x, y, hashes[0], _draw_signs(draw, D), hashes[1], _draw_signs(draw, E), sketch, label=label)

    yield case(1, 3, 3, 4, "three features each, four places", draw.integers)
    yield case(2, 3, 2, 5, "an odd number of places", draw.integers)
    yield case(3, 6, 6, 8, "random, even", draw.normal)
    yield case(3, 7, 4, 9, "random, odd", draw.normal)


compact_product = Exercise(
    chapter="16",
    name="compact_product",
    title="All products in a few numbers",
    minutes=25,
    difficulty=3,
    equation="Eq. 16.10",
    oracle=_compact_product,
    cases=_compact_cases,
    tolerance=1e-4,
    noise=1e-9,
    shapes={"x": "N D", "y": "N E"},
    solution=_compact_product,
    mistakes=[
        Mistake(_joined_by(lambda a, b, d: a * b), "the sketches are multiplied place by place: the product belongs between their *transforms*"),
        Mistake(_joined_by(lambda a, b, d: torch.fft.irfft(torch.fft.rfft(a) * torch.fft.rfft(b))), "for an odd number of places one number is missing: `irfft` cannot know the length, give it `n=sketch`"),
        Mistake(_joined_by(lambda a, b, d: torch.fft.irfft(torch.fft.rfft(a) * torch.fft.rfft(b).conj(), n=d)), "one transform is conjugated: that is a correlation, and its places are $h_1(i) - h_2(j)$"),
        Mistake(_joined_by(lambda a, b, d: torch.fft.irfft(torch.fft.rfft(a) + torch.fft.rfft(b), n=d)), "the transforms are added: that is the sum of the two sketches, with no product in it"),
        Mistake(_joined_by(lambda a, b, d: torch.fft.irfft(torch.fft.rfft(a, n=2 * d) * torch.fft.rfft(b, n=2 * d), n=2 * d)[:, :d]), "the convolution is not circular: what runs over the end must begin again in front, $(h_1 + h_2) \\bmod d$"),
        Mistake(lambda *given: _convolved(*given, signs=False), "the signs are not used: then collisions only add up, and the result is biased"),
        Mistake(_second_for_both, "`y` is sketched with the tables of `x`: then $x_i y_j$ and $x_j y_i$ always share a place", partly=True),
        Mistake(_overwritten, "features that share a place overwrite each other: a sketch *adds* them, which is what `index_add` is for"),
    ],
    hints=[
        "Three steps: sketch `x`, sketch `y`, convolve the two circularly.",
        "`x.new_zeros(len(x), sketch).index_add(1, hashes_x, x * signs_x)` adds each feature, with its sign, into its place.",
        "A circular convolution is a product of transforms: `torch.fft.irfft(torch.fft.rfft(first) * torch.fft.rfft(second), n=sketch)`.",
    ],
    afterword="With one modality twice, this is scikit-learn's `PolynomialCountSketch` of degree 2.",
)  # fmt: skip


def _published(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch, ones=False, own=False, length=False):
    """The published fusion; the flags say which errors are repaired."""
    if ones:
        x, y = F.pad(x, (1, 0), value=1.0), F.pad(y, (1, 0), value=1.0)
    tables = [hashes_x, signs_x, hashes_y if own else hashes_x, signs_y if own else signs_x]
    hx, sx, hy, sy = tables if ones else [table[1:] for table in tables]
    first, second = _sketch(x, hx, sx, sketch), _sketch(y, hy[: y.shape[1]], sy[: y.shape[1]], sketch)
    product = torch.fft.rfft(first) * torch.fft.rfft(second)
    return torch.fft.irfft(product, n=sketch) if length else torch.fft.irfft(product)


def _repaired(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch):
    return _published(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch, ones=True, own=True, length=True)


def _repaired_solution(x, y, hashes_x, signs_x, hashes_y, signs_y, sketch):
    x, y = F.pad(x, (1, 0), value=1.0), F.pad(y, (1, 0), value=1.0)
    first = x.new_zeros(len(x), sketch).index_add(1, hashes_x, x * signs_x)
    second = y.new_zeros(len(y), sketch).index_add(1, hashes_y, y * signs_y)
    return torch.fft.irfft(torch.fft.rfft(first) * torch.fft.rfft(second), n=sketch)


def _repair_cases(draw):
    def case(n, D, sketch, label):
        hashes = [draw.integers(D + 1, low=0, high=sketch, dtype=torch.int64) for _ in range(2)]
        signs = [_draw_signs(draw, D + 1) for _ in range(2)]
        return Case(draw.normal(n, D), draw.normal(n, D), hashes[0], signs[0], hashes[1], signs[1], sketch, label=label)

    yield case(1, 2, 6, "two features, six places")
    yield case(2, 3, 7, "seven places")
    yield case(3, 5, 16, "sixteen places")


def _left(*errors):
    repaired = {name: name not in errors for name in ("ones", "own", "length")}
    return lambda *given: _published(*given, **repaired)


_ONES = "the 1s are still missing: what one modality says alone does not come through"
_OWN = "`y` is still sketched with the tables of `x`, so that exchanging the two changes nothing"
_LENGTH = "for an odd number of places one number is still missing"

repaired_fusion = Exercise(
    chapter="16",
    name="repaired_fusion",
    title="Repair it",
    minutes=20,
    difficulty=3,
    oracle=_repaired,
    cases=_repair_cases,
    tolerance=1e-4,
    noise=1e-9,
    shapes={"x": "N D", "y": "N D"},
    solution=_repaired_solution,
    mistakes=[
        Mistake(_left("length"), f"two errors found, one left: {_LENGTH}"),
        Mistake(_left("ones"), f"two errors found, one left: {_ONES}"),
        Mistake(_left("own"), f"two errors found, one left: {_OWN}"),
        Mistake(_left("ones", "own"), "one error found, the length's; two are left: ask what happens without a modality, and when the two are exchanged"),
        Mistake(_left("ones", "length"), "one error found, the tables'; two are left: ask what happens without a modality, and with an odd number of places"),
        Mistake(_left("own", "length"), "one error found, the 1s'; two are left: ask what happens when the two are exchanged, and with an odd number of places"),
        Mistake(_left("ones", "own", "length"), "all three errors are still in it"),
        Mistake(
            lambda x, y, *tables: _repaired(x, y, *(table.roll(1) for table in tables[:4]), tables[4]),
            "the 1 is appended behind the features: the first entry of each table is that of the 1",
        ),
    ],
    hints=[
        "Ask it three questions, as `interview` does: does the picture come through when the text is all zeros? Does exchanging the two change anything? Are there as many numbers as places, for odd numbers, too?",
        "The tables have one entry more than there are features, and the published function leaves the first one out. What was it for?",
        "`F.pad(x, (1, 0), value=1.0)` for both, each with tables of its own, and `irfft(…, n=sketch)`.",
    ],
    afterword="Each of the three leaves a network that trains. The fourth error of this kind, tables drawn anew in every call, does not: try it.",
)  # fmt: skip
