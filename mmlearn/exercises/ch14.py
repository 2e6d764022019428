"""Chapter 14, multimodal data: bits, three gates, interaction, a batch with holes, a p-value, a leak hunt, class weights."""

import math
from itertools import combinations
from typing import NamedTuple

import torch

from .case import Case
from .exercise import Exercise
from .hunt import LEAKS, hunt_kinds, hunt_pictures
from .refusal import or_refused
from .task import Mistake
from .value import ValueExercise

__all__ = [
    "class_weights",
    "collate",
    "gates",
    "hunt_pictures",
    "interaction",
    "leaking",
    "mutual_information",
    "p_value",
]


def _apart_from_refusals(wrong, refusable, diagnosis, why_more=""):
    """A mistake in what is not to be refused, named whatever the answer does with the inputs that are ``refusable(*inputs)``.

    On these, `wrong` stops with an error of its own: then `partly` compares the others alone. Of two such mistakes that agree
    wherever the first is wrong, the first must come first.
    """

    def apart(*inputs):
        if refusable(*inputs):
            raise LookupError("what happens here is another mistake's matter")
        return wrong(*inputs)

    return Mistake(apart, diagnosis, why_more, partly=True)


def _mutual_information(joint):
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    some = joint > 0
    return (joint[some] * (joint[some] / independent[some]).log2()).sum()


def _bits_case(counts, label):
    counts = torch.tensor(counts, dtype=torch.float64)
    return Case(counts / counts.sum(), label=label)


def _bits_cases(draw):
    yield _bits_case([[3.0, 1.0], [1.0, 3.0]], "the umbrella")
    yield _bits_case([[1.0, 3.0], [3.0, 9.0]], "independent")
    yield _bits_case([[1.0, 1.0], [0.0, 2.0]], "one entry is 0")
    yield _bits_case([[1.0, 0.0], [0.0, 1.0]], "each tells the other")
    yield _bits_case([[4.0, 1.0, 1.0], [0.0, 1.0, 1.0]], "three labels")
    yield _bits_case([[1.0, 3.0], [0.0, 0.0], [2.0, 2.0]], "a symbol that never occurs")
    table = draw.uniform(4, 3)
    yield Case(table / table.sum(), label="random")


def _call_bits(answer, joint):
    """A plain number will do, too."""
    bits = answer(joint)
    plain = isinstance(bits, (int, float)) and not isinstance(bits, bool)
    return torch.tensor(float(bits), dtype=joint.dtype) if plain else bits


def _entropy(p):
    return -torch.special.xlogy(p, p).sum(-1) / math.log(2)


def _average_entropy(weigh):
    """H(Y) less an average of the rows' entropies that ``weigh(entropies (A,), P(a) (A,))`` gets wrong."""

    def wrong(joint):
        share = joint.sum(1)  # (A,)
        rows = _entropy(joint / share.clamp(min=1e-300)[:, None])
        return _entropy(joint.sum(0)) - weigh(rows, share)

    return wrong


def _with_marginals(marginals):
    """Eq. 14.2 with another product in the denominator; entries of 0 are left out."""

    def wrong(joint):
        independent, some = marginals(joint).expand_as(joint), joint > 0
        return (joint[some] * (joint[some] / independent[some]).log2()).sum()

    return wrong


def _without_weights(joint):
    some = joint > 0
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return (joint[some] / independent[some]).log2().sum()


def _with_nan(joint):
    return (joint * (joint / (joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True))).log2()).sum()


_KEEP = "`joint.sum(1, keepdim=True)` is a column, `joint.sum(0, keepdim=True)` a row; their product is the table."

mutual_information = Exercise(
    chapter="14",
    name="mutual_information",
    title="Mutual information",
    minutes=15,
    difficulty=1,
    equation="Eq. 14.2",
    oracle=_mutual_information,
    cases=_bits_cases,
    call=_call_bits,
    shapes={"joint": "A Y"},
    float32=False,
    tolerance=1e-6,
    noise=1e-7,  # so that log(… + 1e-9) passes, where entries are 0
    solution=_mutual_information,
    mistakes=[
        Mistake(
            _with_nan,
            "an entry that is 0 gives 0 · log 0, which the computer calls NaN: such terms count as 0, leave them out",
            "`some = joint > 0` picks the entries that count; index the table and the product of the marginals with it.",
        ),
        Mistake(
            lambda joint: _with_nan(joint) * math.log(2),
            "two things: an entry that is 0 gives 0 · log 0, which the computer calls NaN, so leave such terms out; and bits need `log2`",
        ),
        Mistake(
            lambda joint: _mutual_information(joint) * math.log(2),
            "these are nats: the logarithm is the natural one; bits need `log2`",
        ),
        Mistake(
            lambda joint: _entropy(joint.flatten()),
            "this is the entropy of the pair, $H(A,Y)$: the marginals $P(a)\\,P(y)$ are missing under the fraction line",
        ),
        Mistake(
            lambda joint: _entropy(joint.sum(0)),
            "this is $H(Y)$, all that there is to know about the label; subtract what is left when $a$ is known",
        ),
        Mistake(
            lambda joint: _entropy(joint.sum(0)) - _mutual_information(joint),
            "this is $H(Y \\mid A)$, what is *left* to ask; mutual information is what was told: $H(Y) - H(Y \\mid A)$",
        ),
        Mistake(
            lambda joint: _entropy(joint.sum(1)) - _entropy(joint.sum(0)) + _mutual_information(joint),
            "this is $H(A) - H(Y \\mid A)$: what was left to ask about the label is taken off the entropy of $A$; take it off $H(Y)$",
            "`joint.sum(0)` adds over $a$ and leaves $P(y)$; `joint.sum(1)` leaves $P(a)$.",
        ),
        Mistake(
            lambda joint: _entropy(joint.sum(0)) - _entropy(joint.sum(1)) + _mutual_information(joint),
            "this is $H(Y) - H(A \\mid Y)$: what is left to ask about $A$ is taken off the entropy of the label; take off $H(Y \\mid A)$",
        ),
        Mistake(
            lambda joint: -_mutual_information(joint),
            "the sign is flipped: mutual information is never negative",
            "In Eq. 14.2 the joint probability stands above the fraction line, and there is no minus before the sum.",
        ),
        Mistake(
            _with_marginals(lambda joint: joint.sum(0)[:, None] * joint.sum(1)[None]),
            "the marginals are exchanged: `joint.sum(0)` adds over $a$, so it is $P(y)$ and belongs to the columns",
            "On a square table that runs and gives a wrong number. " + _KEEP,
        ),
        Mistake(
            _with_marginals(lambda joint: joint.sum(1) * joint.sum(0)),
            "$P(a)$ and $P(y)$ are multiplied number by number; every $a$ has to meet every $y$",
            _KEEP,
        ),
        Mistake(
            _without_weights,
            "the logarithms are added with equal weights: each counts $P(a,y)$ times",
        ),
        Mistake(
            _average_entropy(lambda rows, share: rows.sum()),
            "the entropies $H(Y \\mid a)$ are added up; $H(Y \\mid A)$ is their average, each weighted with $P(a)$",
        ),
        Mistake(
            _average_entropy(lambda rows, share: rows.mean()),
            "the entropies $H(Y \\mid a)$ are averaged as if all $a$ were equally frequent: weight each with $P(a)$",
        ),
    ],
    hints=[
        "You need three things for every cell: $P(a,y)$, which is `joint`, and the two marginals. Which axis do you add over to get $P(a)$?",
        "`joint.sum(1, keepdim=True)` is $P(a)$ as a column, `joint.sum(0, keepdim=True)` is $P(y)$ as a row. Their product has the shape of the table.",
        "Take only the cells where `joint > 0`: there, add up `joint * (joint / independent).log2()`.",
    ],
    afterword="Transpose a table and compute again: the picture tells as much about the label as the label about the picture.",
)


_QUARTER = _entropy(torch.tensor([0.25, 0.75], dtype=torch.float64)).item()  # bits in a coin that shows 1 in one of four
_COIN = _QUARTER - 0.5  # what one coin tells about OR
_GATES = torch.tensor([[_COIN, 0.0, 0.0, 0.5], [0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]], dtype=torch.float64)
_TOLD = ((_COIN, _COIN, _QUARTER), (1.0, 1.0, 2.0), (1.0, 1.0, 2.0))  # I(A;Y), I(B;Y), I(A,B;Y) of each row
_ROWS = ("the first row, OR", "the second row, the pair", "the third row, $(a,\\, a \\oplus b)$")
_ROUNDED = 2e-3  # so that 0.31 passes for 0.3113


def _read_gates(answer):
    """Rows of numbers as a float64 tensor, whatever holds them: lists, tuples, arrays, tensors."""
    try:
        return torch.tensor(_plain_rows(answer), dtype=torch.float64)
    except (TypeError, ValueError):
        raise ValueError("the answer is three rows of four numbers, $R$, $U_A$, $U_B$ and $S$ of each label") from None


def _plain_rows(item):
    item = item.tolist() if hasattr(item, "tolist") else item
    if isinstance(item, str):
        raise ValueError("a word in place of a number")
    return [_plain_rows(part) for part in item] if isinstance(item, (list, tuple)) else float(item)


def _is_row(gates, row, *parts):
    return bool((gates[row] - torch.tensor(parts, dtype=torch.float64)).abs().max() < _ROUNDED)


def _with_row(row, *parts):
    """The right answer but for one row, an example of a mistake."""
    gates = _GATES.clone()
    gates[row] = torch.tensor(parts, dtype=torch.float64)
    return gates


def _judge_gates(gates):
    for row, ((a, b, both), name) in enumerate(zip(_TOLD, _ROWS, strict=True)):
        if _is_row(gates, row, *_GATES[row].tolist()):
            continue
        r, of_a, of_b, s = gates[row].tolist()
        sums = (
            ("$R + U_A$", "$I(A;Y)$", r + of_a, a),
            ("$R + U_B$", "$I(B;Y)$", r + of_b, b),
            ("the sum of all four", "$I(A,B;Y)$", r + of_a + of_b + s, both),
        )
        for parts, information, got, right in sums:
            if abs(got - right) > _ROUNDED:
                return (
                    f"look at {name}: {parts} is {got:.3g} in your row, and by Eq. 14.3 it must equal {information}. "
                    "Compute that with your function of exercise 14.1"
                )
        if min(r, of_a, of_b, s) < -_ROUNDED:
            return f"look at {name}: your sums agree with Eq. 14.3, but no part of BROJA's is ever negative"
        return (
            f"look at {name}: your sums agree with Eq. 14.3, the split does not. Which table with the same two marginals has the "
            "least $I_Q(A,B;Y)$?"
        )
    return None


def _smallest_taken():
    """The smaller of $I(A;Y)$ and $I(B;Y)$ taken for the redundancy: in both rows that it can be seen in, or in one."""
    for rows, where in (((1, 2), "the second and the third row"), ((1,), _ROWS[1]), ((2,), _ROWS[2])):
        example = _GATES.clone()
        example[list(rows)] = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64)
        yield Mistake(
            lambda gates, rows=rows: all(_is_row(gates, row, 1, 0, 0, 1) for row in rows),
            f"look at {where}: the smaller of $I(A;Y)$ and $I(B;Y)$ is taken for the redundancy. That makes one bit redundant, "
            "although the two coins have nothing in common",
            "The measure $I_{min}$ of Williams and Beer (2010) says the same, which is why others were looked for. BROJA asks for "
            "the least $I_Q(A,B;Y)$. Which two labels does $a$ leave, which two does $b$, and how many are in both lists?",
            example=example,
        )


def _counted_twice():
    """I(A;Y) + I(B;Y) taken for the redundancy, in one row."""
    for row, ((of_a, of_b, both), name) in enumerate(zip(_TOLD, _ROWS, strict=True)):
        yield Mistake(
            lambda gates, row=row, twice=of_a + of_b: abs(gates[row, 0].item() - twice) < _ROUNDED,
            f"look at {name}: $I(A;Y) + I(B;Y)$ is taken for the redundancy. What both tell is in each of the two, so the sum "
            "counts it twice",
            example=_with_row(row, of_a + of_b, 0, 0, both - of_a - of_b),
        )


_GATES_SOLUTION = """
quarter = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))  # H(Y) of OR: 0.811 bits
one_coin = quarter - 0.5  # I(A;Y) of OR: a = 1 settles it, a = 0 leaves one bit
gates = torch.tensor(
    [
        [one_coin, 0.0, 0.0, 0.5],  # OR is AND with 0 and 1 exchanged
        [0.0, 1.0, 1.0, 0.0],  # each coin tells its own half
        [0.0, 1.0, 1.0, 0.0],  # who knows a and a ⊕ b knows b: the pair again, its labels renamed
    ]
)
"""

gates = ValueExercise(
    chapter="14",
    name="gates",
    title="Three gates, by hand",
    minutes=25,
    difficulty=3,
    equation="Eq. 14.3",
    oracle=_GATES,
    accepts=_judge_gates,
    read=_read_gates,
    solution=_GATES_SOLUTION,
    mistakes=[
        Mistake(
            _GATES * math.log(2),
            "these are nats: take the logarithms to base 2",
        ),
        Mistake(
            lambda gates: _is_row(gates, 0, *(_GATES[0] * math.log(2)).tolist()),
            "the row of OR is in nats: take the logarithms to base 2",
            example=_with_row(0, *(_GATES[0] * math.log(2)).tolist()),
        ),
        Mistake(
            lambda gates: _is_row(gates, 2, 0, 1, 0, 1),
            "in the third row the second coin looks worthless, and it is not: compute $I(B;Y)$",
            "Whether they differ needs both coins, true. But the label shows $a$ as well, and who sees $b$ can cross out two of the "
            "four labels. Which two? By Eq. 14.3 that must appear in $R + U_B$.",
            example=_with_row(2, 0, 1, 0, 1),
        ),
        *_smallest_taken(),
        Mistake(
            lambda gates: _is_row(gates, 0, 0, 0, 0, _QUARTER),
            "OR is called all synergy; but a coin that shows 1 settles it alone, so each coin tells something",
            "What does $I(A;Y)$ say? By Eq. 14.3 it must appear in $R + U_A$.",
            example=_with_row(0, 0, 0, 0, _QUARTER),
        ),
        Mistake(
            lambda gates: _is_row(gates, 0, 0, 0, 0, 1),
            "the row of OR holds the values of XOR: there one coin alone tells nothing, here a 1 settles it",
            example=_with_row(0, 0, 0, 0, 1),
        ),
        Mistake(
            lambda gates: _is_row(gates, 0, 0, _COIN, _COIN, _QUARTER - 2 * _COIN),
            "what each coin tells about OR is counted as its own. The coins are independent, yet they tell the *same* thing about "
            "the label: a 1 settles it",
            "The sums agree with Eq. 14.3; now use Eq. 14.4. There is a $Q$ in which the coins are as equal as the marginals allow, "
            "as for AND.",
            example=_with_row(0, 0, _COIN, _COIN, _QUARTER - 2 * _COIN),
        ),
        *_counted_twice(),
        Mistake(
            lambda gates: _is_row(gates, 1, 0, 0, 0, 2) or _is_row(gates, 1, 0, 0, 0, 1),
            "the pair is called all synergy; but each coin, alone, tells its half of the label",
            "Synergy is what remains hidden from either one.",
            example=_with_row(1, 0, 0, 0, 2),
        ),
    ],
    hints=[
        "Begin with the three numbers that need no definition: $I(A;Y)$, $I(B;Y)$ and $I(A,B;Y)$, for each label. Your function of exercise 14.1 computes them. Eq. 14.3 then leaves one unknown.",
        "For OR, exchange 0 and 1 in both coins and in the label: it becomes AND, which the text has solved. For the pair: can any $Q$ with the same marginals know less than both halves of the label?",
        "For the third label write down what $b = 0$ and $b = 1$ leave of the four values of $(a,\\, a \\oplus b)$. Then ask which label of the other rows it is, under other names.",
    ],
    afterword="The last two labels are one label under two names: from $a$ and $a \\oplus b$ you can compute $b$. Information does not care what a label is called.",
)


def _interaction(logits):
    rows, columns = logits.mean(1, keepdim=True), logits.mean(0, keepdim=True)
    return logits - rows - columns + logits.mean()


def _interaction_cases(draw):
    yield Case(torch.tensor([[2.0, -2.0], [-2.0, 2.0]], dtype=torch.float64), label="nothing but interaction")
    yield Case(torch.tensor([[0.0, 2.0], [4.0, 6.0]], dtype=torch.float64), label="additive")
    yield Case(4 * torch.tensor([[0.0, 0.0], [0.0, 1.0]], dtype=torch.float64), label="AND")
    yield Case(6 * draw.integers(2, 3), label="two rows, three columns")
    yield Case(draw.normal(5, 4), label="random")


def _additive_part(logits):
    return logits.mean(1, keepdim=True) + logits.mean(0, keepdim=True) - logits.mean()


interaction = Exercise(
    chapter="14",
    name="interaction",
    title="Is it additive?",
    minutes=15,
    difficulty=2,
    oracle=_interaction,
    cases=_interaction_cases,
    shapes={"logits": "A B"},
    solution=_interaction,
    mistakes=[
        Mistake(
            lambda logits: logits - logits.mean(1, keepdim=True),
            "only the row means are taken off: what the text says on its own is still in it",
        ),
        Mistake(
            lambda logits: logits - logits.mean(0, keepdim=True),
            "only the column means are taken off: what the picture says on its own is still in it",
        ),
        Mistake(
            lambda logits: logits - logits.mean(1, keepdim=True) - logits.mean(0, keepdim=True),
            "the mean of all is taken off twice, for it is in the row means *and* in the column means: add it back once",
        ),
        Mistake(
            lambda logits: logits - logits.mean(1, keepdim=True) - logits.mean(0, keepdim=True) - logits.mean(),
            "the sign of the mean of all is wrong: the additive part holds it with a minus, so it comes back with a plus",
        ),
        Mistake(
            lambda logits: logits - logits.mean(),
            "only the mean of all is taken off: the rows and the columns still have their own",
        ),
        Mistake(
            lambda logits: logits - logits[:, :1] - logits[:1] + logits[0, 0],
            "this measures from the corner $z(0,0)$, not from the means: it is zero for the same models, but all of it depends on "
            "that one cell",
            "$z(a,b) - z(a,0) - z(0,b) + z(0,0)$ is a good test of additivity. To say *how much* interaction sits in each cell, take "
            "the means, which prefer no cell.",
        ),
        Mistake(
            _additive_part,
            "this is the additive part; asked for is what remains of the logits without it",
        ),
        Mistake(
            lambda logits: logits - logits.mean(1, keepdim=True) * logits.mean(0, keepdim=True),
            "the row means are multiplied with the column means; in an additive model they are added",
        ),
        Mistake(
            lambda logits: logits - logits.mean(1) - logits.mean(0) + logits.mean(),
            "the row means are laid along a row: entry $(a,b)$ loses the mean of row $b$",
            "`logits.mean(1)` has shape $(A)$, and broadcasting puts it along the last axis. `keepdim=True` keeps it a column.",
        ),
        Mistake(
            lambda logits: logits - logits.sum(1, keepdim=True) - logits.sum(0, keepdim=True) + logits.sum(),
            "sums are taken off where means should be",
        ),
    ],
    hints=[
        "The row means form a column: `logits.mean(1, keepdim=True)`, shape $(A, 1)$. What is the shape of the column means?",
        "The additive part is `rows + columns - logits.mean()`. Mind the sign of each when you subtract it.",
        "Test yourself: add up any $f(a) + g(b)$, and all that remains must be 0. And the rows and columns of what remains always have mean 0.",
    ],
    afterword="Statisticians have called this a two-way analysis of variance for a hundred years. In section 6 it looks inside trained networks.",
)


def _collate(samples):
    images = [sample["image"] for sample in samples]
    words = [sample["words"] for sample in samples]
    has_image = torch.tensor([image is not None for image in images])
    has_text = torch.tensor([ids is not None for ids in words])
    if not has_image.any():
        raise ValueError("no sample has an image, so their size is unknown")
    blank = torch.zeros_like(next(image for image in images if image is not None))
    lengths = torch.tensor([0 if ids is None else len(ids) for ids in words])
    is_word = torch.arange(int(lengths.max())) < lengths[:, None]  # (N, T)
    ids = torch.zeros(is_word.shape, dtype=torch.int64)
    if is_word.any():
        ids[is_word] = torch.cat([row for row in words if row is not None])
    images = torch.stack([blank if image is None else image for image in images])
    return images, has_image, ids, is_word, has_text


def _collate_cases(draw):
    def image():
        return draw.integers(1, 1, 2, low=1, high=9)

    def words(length):
        return draw.integers(length, low=2, high=30, dtype=torch.int64)

    def case(label, *samples):
        return Case([{"image": image, "words": words} for image, words in samples], label=label)

    yield case("nothing is missing", (image(), words(2)), (image(), words(2)))
    yield case("texts of different lengths", (image(), words(3)), (image(), words(1)))
    yield case("a text is missing", (image(), words(2)), (image(), None))
    yield case("an image is missing", (image(), words(1)), (None, words(1)))
    yield case("the first image is missing", (None, words(1)), (image(), words(2)))
    yield case("an empty text: it is there, and has no words", (image(), words(0)), (image(), words(2)))
    with_zero = [torch.tensor(ids) for ids in ([5, 0, 7], [0])]
    yield case("a word whose id is 0", (image(), with_zero[0]), (image(), with_zero[1]))
    black = torch.zeros(1, 1, 2, dtype=torch.float64)
    yield case("a black image: it is there, and all its values are 0", (black, words(1)), (image(), words(1)))
    yield case("all texts are missing", (image(), None), (image(), None))
    yield case("no sample has an image: expects a ValueError", (None, words(2)), (None, words(1)))
    images = draw.uniform(3, 3, 4, 5)
    texts = words(4), None, words(6), words(2), words(1)
    yield case("all of it", *zip((images[0], images[1], None, images[2], None), texts, strict=True))


def _no_image(samples):
    return all(sample["image"] is None for sample in samples)


def _call_collate(answer, samples):
    return or_refused(answer, samples) if _no_image(samples) else answer(samples)


class _Batch(NamedTuple):
    images: torch.Tensor
    has_image: torch.Tensor
    words: torch.Tensor
    is_word: torch.Tensor
    has_text: torch.Tensor


def _batch_with(diagnosis, why_more="", **wrong):
    """The mistake of a right batch but for ``name=function(batch)``."""

    def collate(samples):
        batch = _Batch(*_collate(samples))
        return batch._replace(**{name: change(batch) for name, change in wrong.items()})

    return _apart_from_refusals(collate, _no_image, diagnosis, why_more)


def _turned(*names):
    """Masks the wrong way round."""
    return {name: lambda batch, name=name: ~getattr(batch, name) for name in names}


def _rows(there, *names):
    """Parts of the batch with the rows of those samples alone that are ``there``."""
    return {name: lambda batch, name=name: getattr(batch, name)[getattr(batch, there)] for name in names}


def _dropping(*needed):
    """The mistake of leaving out the samples that lack one of the ``needed`` keys."""

    def collate(samples):
        return _collate([sample for sample in samples if all(sample[key] is not None for key in needed)])

    lacking = {1: f'those without `"{needed[0]}"`', 2: "those that lack something"}[len(needed)]
    diagnosis = f"you left samples out, {lacking}; a batch keeps all N: put zeros in, and let the masks say what is missing"
    return _apart_from_refusals(collate, _no_image, diagnosis, "What the others do have would be lost to training.")


_ORDER = ", ".join(f"`{name}`" for name in _Batch._fields)


def _in_order(order, what):
    """The mistake of the right results in another order, as numbers from 0."""

    def collate(samples):
        batch = _collate(samples)
        return tuple(batch[place] for place in order)

    return _apart_from_refusals(collate, _no_image, f"{what}: the order is {_ORDER}")


def _exchanged():
    """Each two of the five results exchanged, then three orders that seem natural: by modality, values first, flags first."""
    places = ("1st", "2nd", "3rd", "4th", "5th")
    for one, other in combinations(range(5), 2):
        order = list(range(5))
        order[one], order[other] = other, one
        yield _in_order(order, f"your {places[one]} and {places[other]} results look exchanged")
    for order in ((0, 2, 3, 1, 4), (0, 2, 1, 4, 3), (1, 4, 0, 2, 3)):
        yield _in_order(order, "these are the right results in another order")


def _filled(fill):
    """The images of a batch, where the missing ones hold ``fill(images that are there)``."""

    def images(batch):
        return batch.images.where(batch.has_image[:, None, None, None], fill(batch.images[batch.has_image]))

    return images


def _pushed_right(batch):
    """Words with the padding before them."""
    lengths = batch.is_word.sum(1).tolist()
    rows = zip(batch.words, lengths, strict=True)
    return torch.stack([row.roll(len(row) - length) for row, length in rows])


def _cut(part):
    """A part of the batch, cut to the shortest text that is there."""

    def change(batch):
        lengths = batch.is_word.sum(1)[batch.has_text].tolist()
        return getattr(batch, part)[:, : min(lengths, default=0)]

    return change


def _size_of_the_first(samples):
    if _no_image(samples):
        raise ValueError("no image")
    torch.zeros(samples[0]["image"].shape)
    return _collate(samples)


def _unless_no_image(otherwise):
    """All right, except for a batch without any image: ``otherwise()`` is what happens then."""
    return lambda samples: otherwise() if _no_image(samples) else _collate(samples)


collate = Exercise(
    chapter="14",
    name="collate",
    title="A batch with holes",
    minutes=25,
    difficulty=2,
    oracle=_collate,
    cases=_collate_cases,
    call=_call_collate,
    returns=("images", "has_image", "words", "is_word", "has_text"),
    solution=_collate,
    mistakes=[
        _dropping("image", "words"),
        _dropping("image"),
        _dropping("words"),
        _batch_with(
            "`images` holds only those that are there, so its rows belong to other samples than the rows of `words`; a batch keeps "
            "all N: put zeros in for a missing image",
            **_rows("has_image", "images"),
        ),
        _batch_with(
            "`words` and `is_word` hold only the texts that are there, so their rows belong to other samples than those of `images`; "
            "a batch keeps all N: put zeros in for a missing text",
            **_rows("has_text", "words", "is_word"),
        ),
        _batch_with(
            "`images` and `words` hold only what is there, so their rows belong to different samples; a batch keeps all N: put "
            "zeros in for what is missing",
            **_rows("has_image", "images"),
            **_rows("has_text", "words", "is_word"),
        ),
        *_exchanged(),
        _batch_with(
            "`has_image` is the wrong way round: True means that the image is there",
            "`… is not None` is True for what is there, `… is None` for what is missing.",
            **_turned("has_image"),
        ),
        _batch_with(
            "`has_text` is the wrong way round: True means that the text is there",
            "`… is not None` is True for what is there, `… is None` for what is missing.",
            **_turned("has_text"),
        ),
        _batch_with(
            "`has_image` and `has_text` are the wrong way round: True means that the image, or the text, is there",
            "`… is not None` is True for what is there, `… is None` for what is missing.",
            **_turned("has_image", "has_text"),
        ),
        _batch_with(
            "`is_word` is the wrong way round: True means a word, False padding",
            "(`nn.MultiheadAttention` wants it the other way, as `key_padding_mask`. Always read which one is meant.)",
            **_turned("is_word"),
        ),
        _batch_with(
            "all three masks are the wrong way round: True means that something is there, an image, a text, a word",
            "`… is not None` is True for what is there, `… is None` for what is missing.",
            **_turned("has_image", "is_word", "has_text"),
        ),
        _batch_with(
            "`has_image` is read off the pixels: a black picture passes for a missing one",
            'Ask the sample, before anything is filled in: `sample["image"] is not None`.',
            has_image=lambda batch: batch.images.flatten(1).any(1),
        ),
        _batch_with(
            "the texts are padded with −1; the exercise asks for zeros",
            "An `nn.Embedding` stops with an error at −1. With 0 it looks something up, and the mask takes it out again.",
            words=lambda batch: batch.words.where(batch.is_word, -1),
        ),
        _batch_with(
            "`is_word` is read off the ids, `words != 0`: a word whose id is 0 passes for padding. Make it from the lengths",
            "`torch.arange(T) < lengths[:, None]` compares every place with the length of its row.",
            is_word=lambda batch: batch.words != 0,
        ),
        _batch_with(
            "`has_text` is made from the length: a text without words is there, and empty; a missing one is `None`",
            "Somebody who said nothing, and somebody who was not asked: that is the difference that masks are for.",
            has_text=lambda batch: batch.is_word.any(1),
        ),
        _batch_with(
            "`has_text` is read off the ids, `words != 0`: a text without words, or with no other word than the id 0, passes for a "
            "missing one, which is `None`",
            'Ask the sample: `sample["words"] is not None`.',
            has_text=lambda batch: batch.words.any(1),
        ),
        _batch_with(
            "`has_image` is read off the pixels, and a black picture passes for a missing one; `has_text` is read off the words, and "
            "an empty text passes for a missing one",
            "Ask the sample, before anything is filled in: `… is not None`.",
            has_image=lambda batch: batch.images.flatten(1).any(1),
            has_text=lambda batch: batch.is_word.any(1),
        ),
        _batch_with(
            "`is_word` and `has_text` are read off the ids, `words != 0`: a word whose id is 0 passes for padding, and a text without "
            "words for a missing one",
            "`is_word` comes from the lengths, `has_text` from the samples: `… is not None`.",
            is_word=lambda batch: batch.words != 0,
            has_text=lambda batch: batch.words.any(1),
        ),
        _batch_with(
            "the padding stands before the words; put it behind them",
            words=_pushed_right,
            is_word=lambda batch: batch.is_word.flip(1),
        ),
        _batch_with(
            "the texts are cut to the shortest one: words are lost. Pad the others to the longest",
            words=_cut("words"),
            is_word=_cut("is_word"),
        ),
        _batch_with(
            "missing images are filled with ones, that is, white ones; the exercise asks for zeros",
            images=_filled(lambda images: torch.ones_like(images[0])),
        ),
        _batch_with(
            "missing images are filled with NaN: one multiplication by a mask, and it is everywhere, since 0 · NaN is NaN. Fill with zeros",
            images=_filled(lambda images: torch.full_like(images[0], torch.nan)),
        ),
        _batch_with(
            "missing images are filled with the mean of the others: that invents a picture, and it depends on who else is in the batch",
            images=_filled(lambda images: images.mean(0)),
        ),
        Mistake(
            _size_of_the_first,
            "the size is taken from the first sample, whose image may be the missing one: look for the first that is there",
        ),
        Mistake(
            _unless_no_image(lambda: next(iter(()))),
            "when no sample has an image, `next` stops with a StopIteration, which says nothing to the caller: ask first, and raise a "
            "`ValueError` with a sentence",
        ),
        Mistake(
            _unless_no_image(lambda: None),
            "when no sample has an image, your function returns None, and something else breaks later: `raise ValueError(…)`",
        ),
    ],
    hints=[
        "The three flags first: `has_image` and `has_text` are lists of `… is not None`, made tensors. If no image is there, raise the `ValueError` now.",
        "`torch.zeros_like` of any image that is there gives the blank one. For the texts: lengths, with 0 for a missing one; T is the largest; `ids = torch.zeros(N, T, dtype=torch.int64)`.",
        "For each text that is there, `ids[n, :length] = text`. The mask comes from the lengths: `torch.arange(T) < lengths[:, None]`, shape $(N, T)$.",
    ],
    afterword="An empty text and a missing one look alike in `words` and in `is_word`; only `has_text` tells them apart.",
)


def _p_value(score, shuffled):
    return (1 + (shuffled >= score).sum().item()) / (1 + len(shuffled))


def _p_cases(draw):
    def case(score, shuffled, label):
        return Case(score, torch.tensor(shuffled, dtype=torch.float64), label=label)

    yield case(0.75, [0.25, 0.5, 0.5, 1.0], "one of four is better")
    yield case(1.0, [0.25, 0.5, 0.75], "none is better")
    yield case(0.5, [0.25, 0.5, 0.75, 0.5, 0.25, 0.75, 0.25], "some are equal")
    yield case(0.25, [0.5, 0.75], "all are better")
    yield case(0.75, [0.25], "one shuffle")
    yield Case(0.625, draw.integers(30, low=3, high=8) / 8, label="thirty shuffles")


def _two_sided(score, shuffled):
    middle = shuffled.mean()
    return (1 + ((shuffled - middle).abs() >= abs(score - middle)).sum().item()) / (1 + len(shuffled))


p_value = Exercise(
    chapter="14",
    name="p_value",
    title="The p-value of a score",
    minutes=10,
    difficulty=1,
    equation="Eq. 14.8",
    oracle=_p_value,
    cases=_p_cases,
    float32=False,
    solution=_p_value,
    mistakes=[
        Mistake(
            lambda score, shuffled: (shuffled >= score).double().mean().item(),
            "both ones are missing: then $p$ is 0 whenever no shuffle reaches your score, however few you tried",
            "Your own score is one of the possible shuffles; count it among them, above and below the line.",
        ),
        Mistake(
            lambda score, shuffled: (shuffled > score).double().mean().item(),
            "both ones are missing, and a shuffled score that equals yours has to count, too: ≥",
        ),
        Mistake(
            lambda score, shuffled: (1 + (shuffled > score).sum().item()) / (1 + len(shuffled)),
            "a shuffled score that equals yours did as well as you: count it, ≥ in place of >",
            "On a small test part many scores are equal, and leaving them out makes $p$ too small.",
        ),
        Mistake(
            lambda score, shuffled: (1 + (shuffled <= score).sum().item()) / (1 + len(shuffled)),
            "this counts the shuffles that did *worse* or equally well; count those that did as well as you or better",
        ),
        Mistake(
            lambda score, shuffled: (1 + (shuffled < score).sum().item()) / (1 + len(shuffled)),
            "this counts the shuffles that did *worse*; count those that did as well as you or better",
        ),
        Mistake(
            lambda score, shuffled: 1 - _p_value(score, shuffled),
            "this is $1 - p$: near 1 where the score is good, and $p$ should be small there",
        ),
        Mistake(
            lambda score, shuffled: (shuffled < score).double().mean().item(),
            "this is the share of the shuffles that do *worse*, without the ones, near $1 - p$; count those that did as well as you or "
            "better, and your own score with them",
        ),
        Mistake(
            lambda score, shuffled: (1 + (shuffled >= score).sum().item()) / len(shuffled),
            "the 1 below the line is missing: with your own score there are $1 + n$ of them, and $p$ could exceed 1",
        ),
        Mistake(
            lambda score, shuffled: (shuffled >= score).sum().item() / (1 + len(shuffled)),
            "the 1 above the line is missing: your own score reaches itself",
        ),
        Mistake(
            lambda score, shuffled: 1 + (shuffled >= score).sum().item(),
            "this is a number of scores, not yet a share: divide by $1 + n$",
        ),
        Mistake(
            lambda score, shuffled: 1 / (1 + len(shuffled)),
            "this is the smallest value that $p$ can take; how many of the shuffled scores reach yours?",
        ),
        Mistake(
            lambda score, shuffled: 1 / len(shuffled),
            "this depends on the number of shuffles alone; how many of their scores reach yours?",
        ),
        Mistake(
            _two_sided,
            "this is two-sided: it also counts shuffles that are far *below* the mean. Only a high score speaks for the pipeline",
        ),
        Mistake(
            lambda score, shuffled: min(1.0, 2 * _p_value(score, shuffled)),
            "doubled, as for a two-sided test; Eq. 14.8 asks for one side, because only a high score speaks for the pipeline",
        ),
    ],
    hints=[
        "`shuffled >= score` is a tensor of True and False. What does its sum count?",
        "`.sum().item()` makes a number of it. Your own score joins the count above the line, and the total below it.",
        "`(1 + count) / (1 + len(shuffled))`",
    ],
    afterword="With $n$ shuffles $p$ is at least $1/(1+n)$: to claim $p < 0.01$ you need a hundred of them.",
)


_KINDS = hunt_kinds()
_LEAKING = frozenset(n for n, kind in enumerate(_KINDS) if kind in LEAKS)


def _of_kind(*words):
    """The test pictures whose kind contains one of the words."""
    return frozenset(n for n, kind in enumerate(_KINDS) if any(word in kind for word in words))


def _numbers(answer):
    """The whole numbers that an answer holds, as a set, whatever holds them; None when it holds anything else."""
    answer = answer.tolist() if hasattr(answer, "tolist") else answer
    if not isinstance(answer, (list, tuple, set, frozenset, range)):
        return None
    items = [item.item() if hasattr(item, "item") and getattr(item, "shape", None) == () else item for item in answer]
    if any(isinstance(item, bool) or not isinstance(item, (int, float)) or not float(item).is_integer() for item in items):
        return None
    return frozenset(int(item) for item in items)


def _names(which):
    """A predicate of the answer's numbers, for a `Mistake`; never true where the answer holds no numbers."""

    def holds(answer):
        numbers = _numbers(answer)
        return bool(numbers) and which(numbers)

    return holds


def _judge_leaking(answer):
    numbers = _numbers(answer)
    if hasattr(answer, "test_rows"):
        return "this is the whole report; the numbers of the test pictures are its `.test_rows`"
    if numbers is None:
        return "the answer is a list with the numbers of test pictures, such as `[3, 8]`"
    if not numbers:
        return "your list is empty, and some of the test pictures do leak"
    outside = sorted(numbers - set(range(len(_KINDS))))
    if outside:
        return f"there is no test picture {outside[0]}: they are numbered from 0 to {len(_KINDS) - 1}"
    missing = len(_LEAKING - numbers)
    if missing:  # whoever names one that does not leak is told so before, by the mistakes
        return f"those that you name do leak, and {'one more does' if missing == 1 else f'{missing} more do'}"
    return None


_LEAKING_SOLUTION = """
from mmlearn import data
from mmlearn.exercises import ch14

train_pictures, test_pictures = ch14.hunt_pictures()
leaking = data.find_leaks(train_pictures, test_pictures, mirrored=True).test_rows
"""

_ELSEWHERE, _PLACES, _BACKGROUND = _of_kind("elsewhere"), _of_kind("places"), _of_kind("same background") - _of_kind("elsewhere")
_STRANGERS = _of_kind("stranger")

leaking = ValueExercise(
    chapter="14",
    name="leaking",
    title="Which test pictures leak?",
    minutes=20,
    difficulty=2,
    oracle=_LEAKING,
    accepts=_judge_leaking,
    solution=_LEAKING_SOLUTION,
    mistakes=[
        Mistake(
            _names(lambda numbers: len(numbers) == len(_KINDS)),
            "these are all of them; some show scenes that the training part has not got",
            example=list(range(len(_KINDS))),
        ),
        Mistake(
            _names(lambda numbers: numbers == _of_kind("copied")),
            "only the exact copies are found: a picture that was saved again, brightened, resized or mirrored shows the same scene, "
            "and none of its bytes is the same",
            "This is what comparing files, or their hashes, finds. The difference hash finds more.",
            example=sorted(_of_kind("copied")),
        ),
        Mistake(
            _names(lambda numbers: numbers == _LEAKING - _of_kind("mirrored")),
            "the mirrored ones are missing: `find_leaks` looks for them only with `mirrored=True`",
            "A network that is trained with mirroring, as most are, has seen them, too.",
            example=sorted(_LEAKING - _of_kind("mirrored")),
        ),
        Mistake(
            _names(lambda numbers: numbers == set(LEAKS.values())),
            "these are the numbers of the *training* pictures; asked for are the test pictures that they leak into",
            "Each pair of the report has both: `leak.train` and `leak.test`.",
            example=sorted(LEAKS.values()),
        ),
        Mistake(
            _names(lambda numbers: numbers == {n + 1 for n in _LEAKING}),
            "counted from 1: the first test picture has the number 0",
            example=sorted(n + 1 for n in _LEAKING),
        ),
        Mistake(
            _names(lambda numbers: numbers == set(range(len(_KINDS))) - _LEAKING),
            "these are the clean ones; asked for are those that leak",
            example=sorted(set(range(len(_KINDS))) - _LEAKING),
        ),
        Mistake(
            _names(lambda numbers: bool(numbers & _ELSEWHERE)),
            "among yours is one that shares its objects with a training picture and not their places: that is another scene",
            "Draw a line from object to object in both. Mirroring turns all of them round together; moving does not.",
            example=sorted(_LEAKING | _ELSEWHERE),
        ),
        Mistake(
            _names(lambda numbers: bool(numbers & _PLACES)),
            "among yours is one with objects at the same places as in a training picture, but other objects: that is another scene",
            "Brightening moves all colours alike; no change of a file makes a yellow star a blue one, or a heart a triangle.",
            example=sorted(_LEAKING | _PLACES),
        ),
        Mistake(
            _names(lambda numbers: bool(numbers & _BACKGROUND)),
            "among yours is one that shares nothing but the background with a training picture: that is another scene",
            "(If all pictures of one class had that background, it would be a leak of another kind.)",
            example=sorted(_LEAKING | _BACKGROUND),
        ),
        Mistake(
            _names(lambda numbers: bool(numbers & _STRANGERS)),
            "among yours is one that looks copied, because it is blurred or was saved badly; but the training part has no such scene",
            example=sorted(_LEAKING | _STRANGERS),
        ),
    ],
    hints=[
        "Print the pairs of the report: `for leak in data.find_leaks(train_pictures, test_pictures, mirrored=True): print(leak)`. Show both pictures of each with `show.images`.",
        "Compare what a file's history cannot change: which objects there are, and how they lie to each other. What it can change: sharpness, brightness, colour noise, left and right.",
        "The report's pairs show the same scene, every one, and there are no others: its `.test_rows` are the numbers.",
    ],
    afterword="The hash found them because a saved, brightened or shrunk picture keeps its coarse light and dark. Crop one or turn it by ten degrees, and the hash is blind: then compare features (chapter 13).",
)


def _class_weights(labels, classes):
    counts = torch.bincount(labels, minlength=classes)
    if (counts == 0).any():
        raise ValueError(f"no example of class {(counts == 0).nonzero().flatten().tolist()}")
    return len(labels) / (classes * counts)


def _weight_cases(draw):
    def case(labels, classes, label):
        return Case(torch.tensor(labels), classes, label=label)

    yield case([0, 0, 0, 1], 2, "one of four")
    yield case([1, 0], 2, "equally many")
    yield case([2, 0, 1, 0, 1, 0], 3, "three classes")
    yield case([2, 0, 0], 3, "no example of class 1: expects a ValueError")
    yield case([0, 1, 1], 3, "no example of the last class: expects a ValueError")
    yield Case(torch.cat([torch.arange(5), draw.integers(40, low=0, high=5, dtype=torch.int64)]), 5, label="random")


def _a_class_is_absent(labels, classes):
    return len(labels.unique()) < classes


def _call_weights(answer, labels, classes):
    """Weights in any floating dtype."""
    weights = or_refused(answer, labels, classes) if _a_class_is_absent(labels, classes) else answer(labels, classes)
    return weights.double() if isinstance(weights, torch.Tensor) and weights.is_floating_point() else weights


def _weights_as(formula, diagnosis):
    """The mistake of the weights ``formula(n (K,), N, K)``."""

    def wrong(labels, classes):
        return formula(torch.bincount(labels, minlength=classes).double(), len(labels), classes)

    return _apart_from_refusals(wrong, _a_class_is_absent, diagnosis)


def _unrefused(counts):
    """Eq. 14.9 with ``counts(labels, classes)``, and no refusal."""
    return lambda labels, classes: len(labels) / (classes * counts(labels, classes))


def _short_counts(labels, classes):
    counts = torch.bincount(labels)
    if (counts == 0).any():
        raise ValueError("no example")
    return len(labels) / (classes * counts)


def _none_if_absent(labels, classes):
    return None if _a_class_is_absent(labels, classes) else _class_weights(labels, classes)


def _zero_weight(labels, classes):
    counts = torch.bincount(labels, minlength=classes)
    return torch.where(counts > 0, len(labels) / (classes * counts), 0.0)


_SHORT = "`torch.bincount(labels)` stops at the largest label that occurs, so nobody notices that the last class is absent: give it `minlength=classes`"

class_weights = Exercise(
    chapter="14",
    name="class_weights",
    title="Class weights",
    minutes=10,
    difficulty=1,
    equation="Eq. 14.9",
    oracle=_class_weights,
    cases=_weight_cases,
    call=_call_weights,
    float32=False,
    tolerance=1e-5,
    solution=_class_weights,
    mistakes=[
        _weights_as(
            lambda n, N, K: N / n,
            "the number of classes is missing: with $N / n_k$ the average example weighs $K$, not 1",
        ),
        _weights_as(
            lambda n, N, K: 1 / n,
            "these are the inverse counts: the proportions are right, but the more data, the less an example weighs; multiply by $N / K$",
        ),
        _weights_as(
            lambda n, N, K: n / N,
            "these are the shares of the classes: the rare class should weigh *more*",
        ),
        _weights_as(
            lambda n, N, K: K * n / N,
            "the fraction is upside down: the rare class should weigh more",
        ),
        _weights_as(
            lambda n, N, K: (1 / n) / (1 / n).sum(),
            "these are scaled to the sum 1; by Eq. 14.9 the average *example* weighs 1, and when all classes are equally many, each has weight 1",
        ),
        _weights_as(
            lambda n, N, K: K * (1 / n) / (1 / n).sum(),
            "these are scaled so that the average *class* weighs 1; by Eq. 14.9 it is the average *example*",
        ),
        _weights_as(
            lambda n, N, K: n.max() / n,
            "measured against the largest class; Eq. 14.9 measures against $N / K$, the size that all would have if they were equal",
        ),
        _weights_as(
            lambda n, N, K: 1 - n / N,
            "one minus the share has the right proportions for two classes only; with more of them, the rare ones still weigh too little",
        ),
        _weights_as(
            lambda n, N, K: (N / (K * n)).sqrt(),
            "there is a square root too many: that is a compromise between no weights and Eq. 14.9, and the border moves half way",
        ),
        Mistake(
            _unrefused(lambda labels, classes: torch.bincount(labels, minlength=classes)),
            "a class without an example gets the weight infinity, and the loss will be NaN or worse: raise a `ValueError` that names it",
        ),
        Mistake(
            _unrefused(lambda labels, classes: torch.bincount(labels, minlength=classes).clamp(min=1)),
            "a class without an example is counted as if it had one: its weight is made up. Raise a `ValueError` that names it",
        ),
        Mistake(
            _none_if_absent,
            "for a class without an example your function returns None; whoever called it fails later, elsewhere: `raise ValueError(…)`",
            "A printed warning is easily missed among a thousand lines. An exception is not.",
        ),
        Mistake(
            _zero_weight,
            "a class without an example gets the weight 0 in silence, and will never be learnt: raise a `ValueError` that names it",
        ),
        Mistake(
            _unrefused(lambda labels, classes: labels.unique(return_counts=True)[1]),
            "only the classes that occur are counted: when one is missing, the weights behind it slip to the wrong classes",
            "`torch.bincount(labels, minlength=classes)` has a place for every class.",
        ),
        Mistake(
            _short_counts,
            _SHORT,
        ),
        Mistake(
            _unrefused(lambda labels, classes: torch.bincount(labels)),
            _SHORT + ". And a count of 0 needs a `ValueError`",
        ),
        Mistake(
            lambda labels, classes: torch.tensor(
                [len(labels) / (classes * int((labels == k).sum())) for k in range(classes)], dtype=torch.float64
            ),
            "a class without an example ends in a division by 0: ask for it first, and raise a `ValueError` that names the class",
        ),
    ],
    hints=[
        "How many examples has each class? `torch.bincount` counts; what does it do about a class behind the last that occurs?",
        "`counts = torch.bincount(labels, minlength=classes)`. If one of them is 0, `raise ValueError(…)`, and say which.",
        "`len(labels) / (classes * counts)`",
    ],
    afterword="Add up the weights of all examples: $\\sum_k n_k w_k = N$. So the loss keeps its size, and the learning rate its meaning. (`F.cross_entropy(…, weight=w)` divides by the sum of the weights in the batch; there, only their proportions matter.)",
)
