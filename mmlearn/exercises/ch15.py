"""Chapter 15, fusion: blocks, a mean of what is there, a staircase, two gradients, numbers of parameters, experts, and a bug hunt."""

import copy
import math

import torch
from torch import nn

from .case import Case
from .exercise import Exercise
from .task import Mistake
from .value import ValueExercise

__all__ = [
    "RepairedProduct",
    "contributions",
    "expert_product",
    "gate_gradients",
    "learned_numbers",
    "mean_of_present",
    "product_gradients",
    "staircase",
]


def _contributions(weight, features):
    sizes = [f.shape[1] for f in features]
    blocks = weight.split(sizes, dim=1)
    return torch.stack([f @ block.T for f, block in zip(features, blocks, strict=True)])


def _from_equal_pieces(weight, features):
    pieces = weight.tensor_split(len(features), dim=1)
    return torch.stack([f @ piece.T for f, piece in zip(features, pieces, strict=True)])


def _with_blocks(pick):
    """The contributions, with the block of modality m taken by ``pick(weight, sizes, m)``."""

    def wrong(weight, features):
        sizes = [f.shape[1] for f in features]
        return torch.stack([f @ pick(weight, sizes, m).T for m, f in enumerate(features)])

    return wrong


def _running(weight, features):
    return _contributions(weight, features).cumsum(0)


def _block_cases(draw):
    yield Case(draw.integers(1, 3), [draw.integers(1, 2), draw.integers(1, 1)], label="one output; two numbers and one")
    yield Case(draw.integers(2, 4), [draw.integers(3, 2), draw.integers(3, 2)], label="blocks of one size")
    yield Case(draw.normal(3, 7), [draw.normal(4, 2), draw.normal(4, 5)], label="blocks of different sizes")
    yield Case(draw.normal(5, 9), [draw.normal(2, 4), draw.normal(2, 2), draw.normal(2, 3)], label="three modalities")


contributions = Exercise(
    chapter="15",
    name="contributions",
    title="Who says what in a concatenation",
    minutes=15,
    difficulty=1,
    equation="Eq. 15.1",
    oracle=_contributions,
    solution=_contributions,
    cases=_block_cases,
    shapes={"weight": "O D"},
    mistakes=[
        Mistake(
            _from_equal_pieces,
            "the weight is cut into equal pieces: modality $m$ owns as many columns as it has features",
            "`[f.shape[1] for f in features]` are the sizes; `weight.split(sizes, dim=1)` cuts at the right places.",
        ),
        Mistake(
            _with_blocks(lambda w, sizes, m: w[:, : sizes[m]]),
            "every modality is given the *first* columns: its own begin where those of the modalities before it end",
        ),
        Mistake(
            _with_blocks(lambda w, sizes, m: w[:, w.shape[1] - sum(sizes[: m + 1]) : w.shape[1] - sum(sizes[:m])]),
            "the blocks are counted from the right: the first modality stands first in the long vector, so it owns the first columns",
        ),
        Mistake(
            lambda weight, features: _contributions(weight, features).sum(0),
            "this is the sum of the contributions, what the layer gives (without its bias); return each of them: (M, N, O)",
        ),
        Mistake(_running, "these are running sums: each row should hold one modality's contribution alone"),
        Mistake(
            lambda weight, features: _contributions(weight, features).transpose(0, 1),
            "the first two axes are exchanged: modality first, then example: (M, N, O)",
        ),
        Mistake(
            lambda weight, features: _contributions(weight, features) / len(features),
            "the contributions are divided by the number of modalities: a concatenation adds, it does not average",
        ),
    ],
    hints=[
        "The long vector is $[f_1; f_2; …]$. Which columns of $W$ does the first number of $f_2$ meet?",
        "Cut the weight along its columns: `blocks = weight.split([f.shape[1] for f in features], dim=1)`.",
        "Each contribution is `f @ block.T`, (N, O); `torch.stack` puts them into (M, N, O).",
    ],
    afterword="`Concat.blocks()` gives the same cut as views into the weight. The size of a block's contribution tells how loudly its modality speaks, not how useful it is.",
)  # fmt: skip


def _mean_of_present(h, scores, present):
    weights = scores.exp()[:, None] * present  # (M, N): 0 where absent
    weights = weights / weights.sum(0)
    h = torch.where(present[..., None], h, torch.zeros_like(h))  # 0 · NaN would be NaN
    return (weights[..., None] * h).sum(0)


def _weights_from(make):
    """The weighted mean with weights (M, N) of ``make(scores, present)``; NaN kept out."""

    def wrong(h, scores, present):
        clean = torch.where(present[..., None], h, torch.zeros_like(h))
        return (make(scores, present.to(h.dtype))[..., None] * clean).sum(0)

    return wrong


def _normalised(weights):
    return weights / weights.sum(0)


def _poisoned(h, scores, present):
    weights = _normalised(scores.exp()[:, None] * present)
    return (weights[..., None] * h).sum(0)


def _score_of_zero(h, scores, present):
    """Absent scores are set to 0; what stands there is weighed as well."""
    return ((scores[:, None] * present).softmax(0)[..., None] * h.nan_to_num()).sum(0)


def _over_the_examples(scores, present):
    return (scores[:, None].exp() * present) / (scores[:, None].exp() * present).sum(1, keepdim=True).clamp_min(1e-300)


def _everything_there(h, scores, present):
    return (scores.softmax(0)[:, None, None] * h.nan_to_num()).sum(0)


def _mean_cases(draw):
    everyone = torch.ones(2, 1, dtype=torch.bool)
    yield Case(draw.integers(2, 1, 2), torch.zeros(2, dtype=torch.float64), everyone, label="both there, equal scores")
    scores = torch.tensor([1.0, 3.0], dtype=torch.float64).log()
    yield Case(draw.integers(2, 1, 2), scores, everyone, label="both there, weights 1 : 3")
    yield Case(draw.normal(2, 2, 3), scores, torch.tensor([[True, False], [True, True]]), label="one is missing once")
    present = torch.tensor([[True, True, False, False], [True, False, True, False], [False, True, True, True]])
    h = draw.normal(3, 4, 2)
    yield Case(h, draw.normal(3), present, label="three modalities, some missing")
    yield Case(h.where(present[..., None], torch.nan), draw.normal(3), present, label="NaN where one is missing")
    yield Case(draw.normal(3, 4, 2), draw.normal(3), present)


mean_of_present = Exercise(
    chapter="15",
    name="mean_of_present",
    title="A weighted mean of what is there",
    minutes=20,
    difficulty=2,
    equation="Eq. 15.4",
    oracle=_mean_of_present,
    solution=_mean_of_present,
    cases=_mean_cases,
    shapes={"h": "M N D", "scores": "M", "present": "M N"},
    mistakes=[
        Mistake(
            _weights_from(lambda s, p: s.softmax(0)[:, None] * p),
            "the weights of what is missing are dropped, and the others do not grow: they no longer add up to 1, and the result shrinks",
            "Normalise last: exponentials first, 0 where a modality is absent, then divide by the sum over the modalities.",
        ),
        Mistake(_everything_there, "`present` is not used: what is missing is averaged in as zeros"),
        Mistake(
            _poisoned,
            "what is missing is multiplied by 0, and $0 \\cdot \\mathrm{NaN}$ is NaN: put zeros there first, with `torch.where`",
        ),
        Mistake(
            _weights_from(lambda s, p: _normalised(s.abs()[:, None] * p + 1e-300)),
            "the scores are used as weights: a weight is $e^{s_m}$, which is positive whatever the score",
        ),
        Mistake(
            _weights_from(lambda s, p: _normalised(p)),
            "the scores are not used: this is the plain mean of what is there",
        ),
        Mistake(
            _weights_from(lambda s, p: s.exp()[:, None] * p),
            "the weights are not normalised: divide by their sum over the modalities that are there",
        ),
        Mistake(
            _weights_from(lambda s, p: (s[:, None] * p).softmax(0)),
            "the *score* of what is missing is set to 0, and $e^0 = 1$: that is a weight, not none",
            "Set the weight to 0, or the score to $-\\infty$.",
        ),
        Mistake(
            _score_of_zero,
            "the score of what is missing is set to 0, and $e^0 = 1$: its weight is not 0, and what stands in its place is mixed in",
            "Set the weight to 0, or the score to $-\\infty$.",
        ),
        Mistake(
            _weights_from(lambda s, p: s.softmax(0)[:, None] * p / p.sum(0)),
            "divided by how many are there: the weights have to be divided by their own sum, so that they add up to 1",
        ),
        Mistake(
            _weights_from(_over_the_examples),
            "normalised over the examples: the weights of *one* example, over its modalities, add up to 1",
        ),
        Mistake(
            _weights_from(lambda s, p: s.exp()[:, None] * p / (s.exp()[:, None] * p).sum()),
            "normalised over the whole batch: the weights must add up to 1 for each example, over the modalities only",
        ),
    ],
    hints=[
        "The weights need a row for each modality and a column for each example, because each example has its own neighbours: (M, N).",
        "`weights = scores.exp()[:, None] * present` is 0 where a modality is absent. Divide by `weights.sum(0)`.",
        "Before you multiply, put zeros where a modality is absent: `torch.where(present[..., None], h, torch.zeros_like(h))`. Then `(weights[..., None] * h).sum(0)`.",
    ],
    afterword="A softmax with $-\\infty$ in place of the absent scores does the same in one line.",
)  # fmt: skip


_SHARES = torch.full((4, 4), 1 / 24, dtype=torch.float64).fill_diagonal_(1 / 8)  # P(a, b) of matching, its label settled by a = b
_RIGHT = torch.eye(4, dtype=torch.bool)


def _read_staircase(answer):
    """(2, 4) float64 out of two lists, tuples, arrays or tensors."""
    try:
        rows = [[float(number) for number in (row.tolist() if hasattr(row, "tolist") else row)] for row in answer]
        table = torch.tensor(rows, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        table = None
    if table is None or table.shape != (2, 4):
        raise ValueError("the answer is a pair `(f, g)` of two lists of four numbers, one for each colour")
    if not table.isfinite().all():
        raise ValueError("NaN or infinity is among the numbers: $f(a) + g(b)$ has to be compared with 0")
    return table


def _says_yes(answer):
    return answer[0][:, None] + answer[1] > 1e-9


def _share_right(answer):
    return float(_SHARES[_says_yes(answer) == _RIGHT].sum())


def _judge_staircase(answer):
    share = _share_right(answer)
    if share > 0.75 - 1e-9:
        return None
    missed = int((~_says_yes(answer)).diagonal().sum())
    advice = f"{missed} of the four pairs of one colour get a *no*" if missed else "all four pairs of one colour get their *yes*"
    return (
        f"your rule is right on {100 * share:.1f} % of the examples. {advice}, and "
        f"{int((_says_yes(answer) & ~_RIGHT).sum())} of the twelve other pairs get a *yes*; which six have to?"
    )


def _column(*rows):
    return torch.tensor(rows, dtype=torch.float64)


staircase = ValueExercise(
    chapter="15",
    name="staircase",
    title="The best that a sum can do",
    minutes=15,
    difficulty=2,
    oracle=_column([0.5, 1.5, 2.5, 3.5], [0.0, -1.0, -2.0, -3.0]),
    solution="staircase = ([0.5, 1.5, 2.5, 3.5], [0.0, -1.0, -2.0, -3.0])  # f(a) + g(b) = a − b + 1/2: yes where a ≥ b",
    accepts=_judge_staircase,
    read=_read_staircase,
    mistakes=[
        Mistake(
            lambda answer: bool(((answer[0][:, None] + answer[1]).diagonal().abs() <= 1e-9).all())
            and bool(_says_yes(answer).any()),
            "on the four pairs of one colour your sum is exactly 0, and 0 is not above 0: they all get a *no*",
            "Shift one of the lists a little.",
            example=_column([0.0, 1.0, 2.0, 3.0], [0.0, -1.0, -2.0, -3.0]),
        ),
        Mistake(
            lambda answer: not _says_yes(answer).any(),
            "this rule always says *no*: it is right exactly where the colours differ, half of the time",
            example=_column([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
        ),
        Mistake(
            lambda answer: bool(_says_yes(answer).all()),
            "this rule always says *yes*: it is right exactly where the colours are the same, half of the time",
            example=_column([1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]),
        ),
        Mistake(
            lambda answer: bool((answer[1] == answer[1][0]).all()) or bool((answer[0] == answer[0][0]).all()),
            "one of the lists is constant: the rule looks at one modality alone, and one alone tells nothing here",
            example=_column([1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]),
        ),
        Mistake(
            lambda answer: _share_right(-answer) > 0.75 - 1e-9,
            "the staircase is upside down: *yes* and *no* are exchanged. Change the sign of both lists",
            example=_column([-0.5, -1.5, -2.5, -3.5], [0.0, 1.0, 2.0, 3.0]),
        ),
    ],
    hints=[
        "Number the colours 0 to 3. Which simple sum of a function of $a$ and a function of $b$ is largest above a diagonal, or below it?",
        "$a - b$ is such a sum. It is 0 where the colours are the same. Where should these four pairs fall?",
        "$f(a) = a + \\frac12$ and $g(b) = -b$: *yes* where $a \\ge b$. All four pairs of one colour are right, and six of the twelve others.",
    ],
    afterword="Cross-entropy does not like this rule: it is sure of itself, and wrong on a quarter. All logits 0 cost less.",
)  # fmt: skip


def _product_gradients(grad, factors):
    M = len(factors)
    others = [[factors[k] for k in range(M) if k != m] for m in range(M)]
    one = torch.ones_like(factors[0])
    return torch.stack([grad * (torch.stack(rest).prod(0) if rest else one) for rest in others])


def _by_division(grad, factors):
    return grad * factors.prod(0) / factors


def _with_others(combine):
    """grad · combine(the other factors (M − 1, N, D)) for each modality."""

    def wrong(grad, factors):
        M = len(factors)
        return torch.stack([grad * combine(factors[[k for k in range(M) if k != m]]) for m in range(M)])

    return wrong


def _product_cases(draw):
    def case(*shape, label="", zeros=0):
        factors = draw.integers(*shape, low=1, high=5)
        if zeros:
            factors[0, 0, 0] = 0
        if zeros > 1:
            factors[-1, -1, -1] = factors[0, -1, -1] = 0
        return Case(draw.integers(*shape[1:], low=1, high=4), factors, label=label)

    yield case(2, 1, 2, label="two factors")
    yield case(3, 1, 2, label="three factors")
    yield case(2, 2, 3, label="a factor is 0", zeros=1)
    yield case(3, 2, 3, label="two factors of one product are 0", zeros=2)
    yield Case(draw.normal(4, 3), draw.normal(4, 4, 3), label="four factors")


product_gradients = Exercise(
    chapter="15",
    name="product_gradients",
    title="The gradient of a product",
    minutes=15,
    difficulty=2,
    equation="Eq. 15.6",
    oracle=_product_gradients,
    solution="""
def product_gradients(grad, factors):
    result = []
    for m in range(len(factors)):
        others = torch.cat([factors[:m], factors[m + 1 :]])  # (M − 1, N, D)
        result.append(grad * others.prod(0))
    return torch.stack(result)
""",
    cases=_product_cases,
    shapes={"grad": "N D", "factors": "M N D"},
    mistakes=[
        Mistake(
            _by_division,
            "the whole product is divided by each factor: where a factor is 0, that is $0/0$, NaN; and a factor near 0 loses all digits",
            "Multiply the other factors instead: `torch.cat([factors[:m], factors[m + 1 :]]).prod(0)`.",
        ),
        Mistake(
            lambda grad, factors: torch.where(factors == 0, 0, grad * factors.prod(0) / torch.where(factors == 0, 1, factors)),
            "a factor that is 0 gets the gradient 0 here, and would never learn to be anything else. Its gradient is the product of the *others*",
        ),
        Mistake(
            lambda grad, factors: grad * factors.prod(0).expand_as(factors),
            "the factor itself is still in its product: $\\partial (uv)/\\partial u = v$, not $uv$",
        ),
        Mistake(
            _with_others(lambda rest: rest.sum(0)),
            "the other factors are added: with two modalities there is only one other and nobody notices, with three it must be their product",
        ),
        Mistake(
            lambda grad, factors: grad * factors,
            "each factor is multiplied by itself: with two modalities, $\\partial (uv)/\\partial u$ is $v$, the *other* one",
        ),
        Mistake(
            lambda grad, factors: grad * factors.roll(1, 0),
            "only one neighbour is multiplied: right for two modalities; with more, *all* the others count",
        ),
        Mistake(
            lambda grad, factors: grad * factors.flip(0),
            "each factor gets the one that stands opposite: right for two modalities; with more, *all* the others count",
        ),
        Mistake(
            _with_others(lambda rest: rest.mean(0)),
            "the other factors are averaged: with two modalities there is only one other; with three it must be their product",
        ),
        Mistake(
            lambda grad, factors: _product_gradients(torch.ones_like(grad), factors),
            "the upstream gradient is missing: the chain rule multiplies by it",
        ),
        Mistake(
            lambda grad, factors: grad.expand_as(factors),
            "this is the gradient of a *sum*: each term gets the upstream gradient as it is",
        ),
    ],
    hints=[
        "For $h = u\\,v\\,w$ (numbers): what is $\\partial h/\\partial u$?",
        "The product of all factors but one, times the upstream gradient. Do not divide: a factor may be 0.",
        "For each m: `torch.cat([factors[:m], factors[m + 1 :]]).prod(0)`.",
    ],
    afterword="A sum hands each modality the same gradient. A product hands each the gradient scaled by what the *others* say: a silent modality silences its partner's learning.",
)  # fmt: skip


def _gate_gradients(grad, a, b, s):
    z = torch.sigmoid(s)
    return grad * z, grad * (1 - z), grad * (a - b) * z * (1 - z)


def _gate_variant(to_a=lambda z: z, to_b=lambda z: 1 - z, apart=lambda a, b: a - b, slope=lambda z: z * (1 - z)):
    def wrong(grad, a, b, s):
        z = torch.sigmoid(s)
        return grad * to_a(z), grad * to_b(z), grad * apart(a, b) * slope(z)

    return wrong


def _gate_cases(draw):
    one = lambda *numbers: torch.tensor([numbers], dtype=torch.float64)  # noqa: E731
    yield Case(one(1.0), one(3.0), one(1.0), one(math.log(3.0)), label="z = 3/4")
    yield Case(
        one(1.0, 2.0), one(2.0, 2.0), one(2.0, -1.0), one(0.0, 0.0), label="an open gate; where both agree it learns nothing"
    )
    yield Case(*(draw.normal(3, 4) for _ in range(4)))
    yield Case(*(draw.normal(5, 2) for _ in range(3)), 3 * draw.normal(5, 2))


gate_gradients = Exercise(
    chapter="15",
    name="gate_gradients",
    title="What a gate learns from",
    minutes=20,
    difficulty=2,
    equation="Eq. 15.8",
    oracle=_gate_gradients,
    solution=_gate_gradients,
    cases=_gate_cases,
    returns=("∂L/∂a", "∂L/∂b", "∂L/∂s"),
    shapes={"grad": "N D"},
    mistakes=[
        Mistake(
            _gate_variant(slope=lambda z: 1),
            "the third result is $\\partial L/\\partial z$; for $\\partial L/\\partial s$ the slope of the sigmoid is missing: $z(1-z)$",
        ),
        Mistake(_gate_variant(slope=lambda z: z), "the slope of the sigmoid is $z(1 - z)$, not $z$"),
        Mistake(
            lambda grad, a, b, s: (*_gate_gradients(grad, a, b, s)[:2], grad * (1 - torch.sigmoid(s)) * (a - b)),
            "$a - h = (1-z)(a-b)$ is right, and a factor $z$ is missing: Eq. 15.8 says $g\\,z\\,(a - h)$",
        ),
        Mistake(
            lambda grad, a, b, s: (grad * s, grad * (1 - s), grad * (a - b)),
            "the score $s$ is taken for the gate: $z = \\sigma(s)$, and $\\sigma'(s) = z(1-z)$",
        ),
        Mistake(
            _gate_variant(apart=lambda a, b: b - a),
            "the sign of the gate's gradient is flipped: opening it gives more of $a$ and less of $b$, so $h$ grows by $a - b$",
        ),
        Mistake(
            _gate_variant(apart=lambda a, b: a),
            "the gate appears twice: it lets $a$ in *and* keeps $b$ out. The second term is missing",
        ),
        Mistake(_gate_variant(apart=lambda a, b: a + b), "$b$ is weighted by $1 - z$, whose derivative is $-1$: $a - b$, not $a + b$"),
        Mistake(
            _gate_variant(to_a=lambda z: 1 - z, to_b=lambda z: z),
            "the gradients of $a$ and $b$ are exchanged: $a$ came in with weight $z$",
        ),
        Mistake(
            _gate_variant(to_a=lambda z: 1, to_b=lambda z: 1),
            "each modality gets the upstream gradient whole, as in a sum; it came in with its weight, so it learns with it",
        ),
        Mistake(
            lambda grad, a, b, s: _gate_gradients(torch.ones_like(grad), a, b, s),
            "the upstream gradient is missing: the chain rule multiplies by it",
        ),
    ],
    hints=[
        "Write $h = z\\,a + (1-z)\\,b$ with $z = \\sigma(s)$. Three partial derivatives, each times the upstream gradient.",
        "$\\partial h/\\partial z = a - b$, and $\\sigma'(s) = z(1-z)$.",
        "`grad * z`, `grad * (1 - z)`, `grad * (a - b) * z * (1 - z)`.",
    ],
    afterword="Where $a = b$ the gate learns nothing, and where it is nearly shut or wide open, next to nothing.",
)  # fmt: skip


_COUNTS = (64, 68, 70, 132, 92)  # Concat, Sum, WeightedMean, Gated, FiLM for 10 and 5 features, out_dim 4


def _is(position, number):
    """A mistake in one of the five numbers: (predicate, an answer it holds for)."""
    example = (*_COUNTS[:position], number, *_COUNTS[position + 1 :])
    return lambda answer: answer[position] == number, example


def _miscounted(position, number, diagnosis):
    wrong, example = _is(position, number)
    return Mistake(wrong, diagnosis, example=example)


def _read_counts(answer):
    values = answer.tolist() if hasattr(answer, "tolist") else answer
    if not isinstance(values, (list, tuple)) or len(values) != 5:
        raise ValueError("the answer is five whole numbers, for Concat, Sum, WeightedMean, Gated and FiLM")
    try:
        numbers = tuple(int(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("the answer is five whole numbers, for Concat, Sum, WeightedMean, Gated and FiLM") from None
    if any(number != value for number, value in zip(numbers, values, strict=True)):
        raise ValueError("a number of parameters is a whole number")
    return numbers


learned_numbers = ValueExercise(
    chapter="15",
    name="learned_numbers",
    title="How many numbers does each learn?",
    minutes=15,
    difficulty=1,
    oracle=_COUNTS,
    read=_read_counts,
    solution="""
concat = (10 + 5) * 4 + 4  # one layer, one bias
each = (10 + 1) * 4 + (5 + 1) * 4  # two layers, two biases
learned_numbers = (concat, each, each + 2, each + (10 + 5 + 1) * 4, (10 + 1) * 4 + 2 * (5 + 1) * 4)
""",
    mistakes=[
        _miscounted(0, 60, "Concat: the weight is counted, the bias is not"),
        _miscounted(0, 68, "Concat: it is *one* layer on the long vector, so it has one bias, not one for each modality"),
        _miscounted(1, 60, "Sum: the two weights are counted, the biases are not"),
        _miscounted(1, 64, "Sum: each modality has a linear layer of its own, and each of these a bias"),
        _miscounted(2, 76, "WeightedMean: it learns one score for each modality, not one for each feature"),
        _miscounted(2, 69, "WeightedMean: it learns a score for *each* modality, although only their difference counts"),
        _miscounted(3, 196, "Gated: of two modalities only one has a gate of its own; the other is given the rest, $1 - z$"),
        _miscounted(3, 84, "Gated: the gate is not one number but one for each of the `out_dim` numbers that come out"),
        _miscounted(3, 128, "Gated: the layer that computes the gate has a bias, too"),
        _miscounted(3, 64, "Gated: this is the gate alone; the two layers that make $h_1$ and $h_2$ are missing"),
        _miscounted(4, 68, "FiLM: the second modality gives a scale *and* a shift: its layer has twice as many outputs"),
        _miscounted(4, 84, "FiLM: the biases of all its layers are not counted in full: a layer with 8 outputs has 8 of them"),
        _miscounted(4, 112, "FiLM: scale and shift come from the text, which has 5 features; you counted them from the picture"),
    ],
    hints=[
        "A linear layer from $d$ to $D$ numbers has $(d + 1)\\,D$ parameters, the bias among them.",
        "Concat has one such layer, Sum two. WeightedMean has what Sum has, and a score for each modality.",
        "Gated has a layer from all features to `out_dim` on top of Sum's. FiLM: one from the picture's to `out_dim`, one from the text's to `2 * out_dim`.",
    ],
    afterword="`sum(p.numel() for p in fusion.parameters())` counts what is registered, and only that. Section 8 is about the difference.",
)  # fmt: skip


def _expert_product(log_p, log_prior):
    product = log_p.sum(0) - (len(log_p) - 1) * log_prior  # (N, K)
    return product - product.logsumexp(1, keepdim=True)


def _experts_with(combine, normalise=True):
    def wrong(log_p, log_prior):
        product = combine(log_p, log_prior)
        return product - product.logsumexp(1, keepdim=True) if normalise else product

    return wrong


def _expert_cases(draw):
    def case(M, N, K, label="", even=False):
        prior = torch.zeros(K, dtype=torch.float64) if even else draw.normal(K)
        return Case(draw.normal(M, N, K).log_softmax(2), prior.log_softmax(0), label=label)

    yield case(2, 1, 2, "two experts, an even prior", even=True)
    yield case(1, 2, 3, "one expert: heard as it is")
    yield case(2, 2, 3, "two experts, an uneven prior")
    yield case(3, 2, 4, "three experts")
    yield case(4, 3, 3)


expert_product = Exercise(
    chapter="15",
    name="expert_product",
    title="Multiply what experts say",
    minutes=20,
    difficulty=2,
    equation="Eq. 15.12",
    oracle=_expert_product,
    solution=_expert_product,
    cases=_expert_cases,
    shapes={"log_p": "M N K", "log_prior": "K"},
    mistakes=[
        Mistake(
            _experts_with(lambda p, q: p.sum(0)),
            "the prior is counted M times, once inside each expert: take it out M − 1 times",
        ),
        Mistake(
            _experts_with(lambda p, q: p.sum(0) - len(p) * q),
            "the prior is taken out M times: one of them must stay. With one expert nothing should change",
        ),
        Mistake(
            _experts_with(lambda p, q: p.sum(0) - q),
            "the prior is taken out once: right for two experts; of M experts, M − 1 repeat it",
        ),
        Mistake(
            _experts_with(lambda p, q: p.sum(0) + (len(p) - 1) * q),
            "the sign of the prior is flipped: it is counted too many times already, so divide it out",
        ),
        Mistake(
            _experts_with(lambda p, q: p.sum(0) - (len(p) - 1) * q, normalise=False),
            "the product is not normalised: probabilities must add up to 1 over the classes; subtract the log-sum-exp",
        ),
        Mistake(
            lambda log_p, log_prior: (log_p.sum(0) - (len(log_p) - 1) * log_prior).log_softmax(0),
            "normalised over the examples: the probabilities of *one* example, over its classes, add up to 1",
        ),
        Mistake(
            _experts_with(lambda p, q: p.sum(0) - q, normalise=False),
            "not normalised, and the prior is taken out once: M experts have it M times, and one of these stays",
        ),
        Mistake(
            _experts_with(lambda p, q: p.logsumexp(0) - math.log(len(p))),
            "this is the mean of the probabilities, a vote: a *product* adds logarithms",
        ),
        Mistake(
            _experts_with(lambda p, q: p.mean(0)),
            "the logarithms are averaged: that takes the M-th root of the product, as if the experts had said the same thing M times",
        ),
        Mistake(
            lambda log_p, log_prior: _expert_product(log_p, log_prior).exp(),
            "these are probabilities; the logarithm of them is asked for",
        ),
    ],
    hints=[
        "In logarithms the product is a sum, and dividing by the prior is subtracting its logarithm.",
        "Of M experts each has the prior in it once. It should be in the result once: subtract it M − 1 times.",
        "`product - product.logsumexp(1, keepdim=True)` makes the probabilities add up to 1.",
    ],
    afterword="Exact if the modalities are independent of each other once the class is known. If they repeat each other, the product is too sure of itself.",
)  # fmt: skip


class _Published(nn.Module):
    """The published class of section 8."""

    def __init__(self, dims, out_dim, rank):
        super().__init__()
        self.factors = [nn.Parameter(torch.randn(rank, d + 1, out_dim) / (d + 1) ** 0.5) for d in dims]
        self.mix = torch.full((rank, 1, 1), rank**-0.5, requires_grad=True)
        self.bias = nn.Parameter(torch.zeros(out_dim))

    def forward(self, features):
        product = 1
        for f, factor in zip(features, self.factors, strict=True):
            with_one = torch.cat([f, torch.ones_like(f[:, :1])], dim=1)
            product = product * (with_one @ factor)
        return (self.mix * product).sum(0) + self.bias


class _RepairedProduct(nn.Module):
    def __init__(self, dims, out_dim, rank):
        super().__init__()
        self.factors = nn.ParameterList(torch.randn(rank, d + 1, out_dim) / (d + 1) ** 0.5 for d in dims)
        self.mix = nn.Parameter(torch.full((rank, 1, 1), rank**-0.5))
        self.bias = nn.Parameter(torch.zeros(out_dim))

    def forward(self, features):
        product = 1
        for f, factor in zip(features, self.factors, strict=True):
            with_one = torch.cat([f, torch.ones_like(f[:, :1])], dim=1)
            product = product * (with_one @ factor)  # (rank, N, out_dim)
        return (self.mix * product).sum(0) + self.bias


class _OnlyFactors(_Published):
    def __init__(self, dims, out_dim, rank):
        super().__init__(dims, out_dim, rank)
        self.factors = nn.ParameterList(self.factors)


class _OnlyMix(_Published):
    def __init__(self, dims, out_dim, rank):
        super().__init__(dims, out_dim, rank)
        self.mix = nn.Parameter(self.mix.detach())


class _Buffers(_Published):
    def __init__(self, dims, out_dim, rank):
        super().__init__(dims, out_dim, rank)
        factors, mix = self.factors, self.mix
        del self.factors, self.mix
        for m, factor in enumerate(factors):
            self.register_buffer(f"factor{m}", factor.detach())
        self.register_buffer("mix", mix.detach())

    @property
    def factors(self):
        return [value for name, value in self.named_buffers() if name.startswith("factor")]

    @factors.setter
    def factors(self, value):
        self.__dict__["_listed"] = value

    @factors.deleter
    def factors(self):
        del self.__dict__["_listed"]


class _Copies(_RepairedProduct):
    """Registered are copies; forward uses others."""

    def __init__(self, dims, out_dim, rank):
        super().__init__(dims, out_dim, rank)
        self.used = [factor.detach().clone().requires_grad_() for factor in self.factors]

    def forward(self, features):
        product = 1
        for f, factor in zip(features, self.used, strict=True):
            product = product * (torch.cat([f, torch.ones_like(f[:, :1])], dim=1) @ factor.to(f.dtype))
        return (self.mix * product).sum(0) + self.bias


class _Frozen(_RepairedProduct):
    def __init__(self, dims, out_dim, rank):
        super().__init__(dims, out_dim, rank)
        self.factors.requires_grad_(False)


class _NoOnes(_RepairedProduct):
    def forward(self, features):
        product = 1
        for f, factor in zip(features, self.factors, strict=True):
            product = product * (f @ factor[:, : f.shape[1]])
        return (self.mix * product).sum(0) + self.bias


class _Added(_RepairedProduct):
    def forward(self, features):
        total = 0
        for f, factor in zip(features, self.factors, strict=True):
            total = total + torch.cat([f, torch.ones_like(f[:, :1])], dim=1) @ factor
        return (self.mix * total).sum(0) + self.bias


def _examined(answer, sizes, out_dim, rank):
    """What an optimiser, a file and an input see of a freshly built answer, by name."""
    generator = torch.Generator().manual_seed(rank)
    features = [torch.randn(5, d, generator=generator) for d in sizes]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model, twin = answer(sizes, out_dim, rank), answer(sizes, out_dim, rank)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    learned = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    result = model(features)
    if learned:
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        (result.square().mean() + result.mean()).backward()
        optimiser.step()
    still = sum(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    twin.load_state_dict(copy.deepcopy(model.state_dict()))
    with torch.no_grad():
        same = torch.allclose(twin(features), model(features), atol=1e-5)
        zeros = [torch.zeros_like(f) for f in features]
        first, second = [features[0], *zeros[1:]], [zeros[0], *features[1:]]
        alone = model(first) - model(zeros)
        apart = model(features) - model(first) - model(second) + model(zeros)
        return {
            "shape of the result": tuple(result.shape),
            "numbers that an optimiser sees": learned,
            "parameters that a step does not move": int(still),
            "a twin that loads the state says the same": bool(same),
            "one modality comes through alone": bool(alone.abs().max() > 1e-4),
            "two say more than their sum": bool(apart.abs().max() > 1e-4),
        }


RepairedProduct = Exercise(
    chapter="15",
    name="RepairedProduct",
    title="Repair the product",
    minutes=15,
    difficulty=2,
    oracle=_RepairedProduct,
    solution=_RepairedProduct,
    cases=lambda draw: [Case((3, 2), 4, 2, label="two modalities"), Case((2, 3, 4), 3, 5, label="three modalities")],
    call=lambda RepairedProduct, dims, out_dim, rank: _examined(RepairedProduct, dims, out_dim, rank),
    float32=False,
    mistakes=[
        Mistake(
            _Published,
            "this is the published class: factors and mixture are still hidden from the optimiser",
            "Ask `[name for name, _ in model.named_parameters()]`: what is missing?",
        ),
        Mistake(_OnlyFactors, "the factors are registered now. One more tensor is not: `requires_grad=True` makes it differentiable, `nn.Parameter` makes it known"),
        Mistake(_OnlyMix, "the mixture is registered now, the factors are not: a plain list hides what is in it; `nn.ParameterList` does not"),
        Mistake(_Buffers, "buffers are saved and moved with the module, and never trained: these tensors should learn, so they are parameters"),
        Mistake(_Copies, "what is registered is a copy: `forward` uses other tensors, so the optimiser trains what nobody reads"),
        Mistake(_Frozen, "the factors are registered and frozen: `requires_grad` must stay True"),
        Mistake(_NoOnes, "the constant 1 behind the features is gone: without it, one modality that says 0 silences all"),
        Mistake(_Added, "the factors are added now: that is a sum, and section 3 says where it ends"),
    ],
    hints=[
        "`sum(p.numel() for p in model.parameters())`: count by hand what it should be, and compare.",
        "`nn.Module` finds what is assigned to an attribute as an `nn.Parameter` or a module. It does not look into lists.",
        "`self.factors = nn.ParameterList([...])` and `self.mix = nn.Parameter(...)`.",
    ],
    afterword="The same happens with layers in a plain list: `nn.ModuleList` is the cure. A test that trains for a step and asks which parameters moved finds both; this course runs it over every fusion.",
)  # fmt: skip
