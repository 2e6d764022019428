"""Chapter 19, balance: a race, OGM-GE, gradient blending, a hunt in modality dropout, a missing-modality curve, Taori, Shapley."""

import math
from itertools import combinations

import torch

from .case import Case
from .exercise import Exercise
from .task import Mistake

__all__ = [
    "blending_weights",
    "effective_robustness",
    "missing_curve",
    "modulation",
    "repaired_dropout",
    "shapley",
    "slower_share",
]


def _number(answer, *inputs):
    """A plain number will do where a 0-d tensor is expected."""
    given = answer(*inputs)
    plain = isinstance(given, (int, float)) and not isinstance(given, bool)
    return torch.tensor(float(given), dtype=torch.float64) if plain else given


def _slower_share(share, start, signals):
    fast, slow = signals
    return start * (share / start) ** (slow / fast)


def _slower_cases(draw):
    yield Case(torch.tensor([0.01, 0.04, 0.16], dtype=torch.float64), 0.01, (2.0, 1.0), label="half as strong")
    yield Case(torch.tensor([0.5, 4.0], dtype=torch.float64), 0.5, (1.0, 1.0), label="equally strong")
    yield Case(torch.tensor([0.2, 1.6], dtype=torch.float64), 0.2, (3.0, 1.0), label="a third as strong")
    yield Case(0.05 + 5 * draw.uniform(4), 0.05, (2.5, 0.75), label="random")


slower_share = Exercise(
    chapter="19",
    name="slower_share",
    title="What the slower one has learnt",
    minutes=10,
    difficulty=1,
    equation="Eq. 19.2",
    oracle=_slower_share,
    cases=_slower_cases,
    solution=_slower_share,
    mistakes=[
        Mistake(lambda share, start, signals: start * (share / start) ** (signals[0] / signals[1]), "the exponent is upside down: the slower one's signal stands above the line, $s_b/s_a$, so that it lags behind"),
        Mistake(lambda share, start, signals: share * signals[1] / signals[0], "this is proportional growth, as if both grew at constant speeds. They grow as fast as they are already strong: logarithms are proportional"),
        Mistake(lambda share, start, signals: start * (share / start) ** ((signals[1] / signals[0]) ** 2), "the signals are squared; in $\\dot c_u = 2\\,g\\,s_u\\,c_u$ the signal stands once"),
        Mistake(lambda share, start, signals: start + (share - start) * signals[1] / signals[0], "this shares the *growth* in proportion to the signals; it is the growth's logarithm that is shared so"),
        Mistake(lambda share, start, signals: share ** (signals[1] / signals[0]), "the start is missing: what grows by a power is the ratio to it, $c_a/c_a(0)$"),
        Mistake(lambda share, start, signals: (share / start) ** (signals[1] / signals[0]), "the factor $c_b(0)$ in front is missing: this is by how much the slower one has grown"),
        Mistake(lambda share, start, signals: start * torch.exp(share / start * signals[1] / signals[0]), "$e$ to the power of a ratio; what stands in the exponent is the ratio of the signals, and the base is $c_a/c_a(0)$"),
        Mistake(lambda share, start, signals: torch.log(share / start) * signals[1] / signals[0], "this is $\\ln\\big(c_b/c_b(0)\\big)$: take its exponential, times $c_b(0)$"),
    ],
    hints=[
        "Write down $\\ln\\big(c_u(t)/c_u(0)\\big)$ for both modalities. Which factor do they share?",
        "Divide one line by the other: what is left is $s_b/s_a$. Then solve for $c_b$.",
        "`start * (share / start) ** (slow / fast)`, with `fast, slow = signals`.",
    ],
    afterword="Nothing in it knows the loss. Stop the race at any $c_a$, and $c_b$ is settled.",
)  # fmt: skip


def _modulation(image_logits, text_logits, labels, alpha):
    def score(logits):
        return logits.softmax(1).gather(1, labels[:, None]).sum()

    image, text = score(image_logits), score(text_logits)
    ratio = torch.stack([image / text, text / image])
    return torch.where(ratio > 1, 1 - torch.tanh(alpha * ratio), 1.0)


def _modulation_variant(
    score=lambda z, y: z.softmax(1).gather(1, y[:, None]).sum(),
    ratio=lambda a, b: a / b,
    slow=lambda rho, alpha: 1 - torch.tanh(alpha * rho),
    when=lambda rho: rho > 1,
):
    def modulation(image_logits, text_logits, labels, alpha):
        image, text = score(image_logits, labels), score(text_logits, labels)
        rho = torch.stack([ratio(image, text), ratio(text, image)])
        return torch.where(when(rho), slow(rho, alpha), torch.ones_like(rho))

    return modulation


def _modulation_cases(draw):
    third, half = [math.log(3), 0.0], [0.0, 0.0]
    yield Case(
        torch.tensor([third], dtype=torch.float64),
        torch.tensor([half], dtype=torch.float64),
        torch.tensor([0]),
        0.5,
        label="the image leads: 3/4 against 1/2",
    )
    yield Case(
        torch.tensor([third, half], dtype=torch.float64),
        torch.tensor([third, third], dtype=torch.float64),
        torch.tensor([1, 0]),
        1.0,
        label="the text leads",
    )
    equal = torch.tensor([third, half], dtype=torch.float64)
    yield Case(equal, equal.clone(), torch.tensor([0, 1]), 0.5, label="equally good: nobody leads")
    for place, alpha in enumerate((0.3, 0.8)):
        labels = draw.integers(6, low=0, high=3, dtype=torch.int64)
        yield Case(draw.normal(6, 3), 2 * draw.normal(6, 3), labels, alpha, label=f"six examples, {place + 1}")


modulation = Exercise(
    chapter="19",
    name="modulation",
    title="OGM-GE's two factors",
    minutes=20,
    difficulty=2,
    equation="Eq. 19.4",
    oracle=_modulation,
    cases=_modulation_cases,
    shapes={"image_logits": "N K", "text_logits": "N K"},
    solution=_modulation,
    mistakes=[
        Mistake(_modulation_variant(ratio=lambda a, b: b / a), "the ratio is inverted, or the two factors are exchanged: here the modality that lags behind is slowed. First the image's factor, from image over text"),
        Mistake(_modulation_variant(when=lambda rho: rho <= 1), "the condition is inverted: the one with $\\rho > 1$ is slowed, the other one keeps its gradient"),
        Mistake(_modulation_variant(when=lambda rho: rho == rho), "both modalities are slowed: where $\\rho \\le 1$ the factor is 1"),
        Mistake(_modulation_variant(when=lambda rho: rho >= 1), "at $\\rho = 1$ nobody leads, so nobody is slowed: the condition is $\\rho > 1$, not $\\ge$"),
        Mistake(_modulation_variant(slow=lambda rho, alpha: 1 - alpha * torch.tanh(rho)), "$\\alpha$ stands outside of the tanh; it belongs inside, $\\tanh(\\alpha\\rho)$"),
        Mistake(_modulation_variant(slow=lambda rho, alpha: torch.tanh(alpha * rho)), "this is $\\tanh(\\alpha\\rho)$: the larger the lead, the larger the factor. Take it off 1"),
        Mistake(_modulation_variant(slow=lambda rho, alpha: 1 + torch.tanh(alpha * rho)), "the sign: with a plus the leader is made faster still"),
        Mistake(_modulation_variant(slow=lambda rho, alpha: 1 - torch.tanh(alpha * (rho - 1))), "the tanh is taken of the *lead*, $\\rho - 1$. That would be without a jump at $\\rho = 1$, and is not what the paper has: $\\tanh(\\alpha\\rho)$"),
        Mistake(_modulation_variant(score=lambda z, y: z.softmax(1).amax(1).sum()), "the score is that of the modality's favourite class, right or wrong: take the probability of the *label*"),
        Mistake(_modulation_variant(score=lambda z, y: z.softmax(0).gather(1, y[:, None]).sum()), "the softmax runs over the examples; it belongs on the classes, `dim=1`"),
        Mistake(_modulation_variant(score=lambda z, y: z.gather(1, y[:, None]).sum()), "these are the logits of the labels: the score is their probability, after a softmax"),
        Mistake(_modulation_variant(score=lambda z, y: (z.argmax(1) == y).double().sum()), "this counts right answers; the score adds up the probabilities of the labels"),
        Mistake(_modulation_variant(score=lambda z, y: z.log_softmax(1).gather(1, y[:, None]).sum()), "the scores are log-probabilities, so their ratio is upside down (and of another size): add the probabilities"),
    ],
    hints=[
        "The score of a modality: softmax of its own logits, then each example's probability of its label, added up.",
        "`logits.softmax(1).gather(1, labels[:, None]).sum()`. The ratio of the image is its score over the text's; the text's is the inverse.",
        "`torch.where(ratio > 1, 1 - torch.tanh(alpha * ratio), 1.0)` for both ratios, stacked.",
    ],
    afterword="At $\\rho = 1$ the factor jumps from 1 to $1 - \\tanh\\alpha$: two modalities that are equally good take turns at being slowed.",
)  # fmt: skip


def _blending_weights(train, validation):
    gain = validation[:, 0] - validation[:, 1]  # (K,)
    overfitting = (validation - train)[:, 1] - (validation - train)[:, 0]
    raw = gain.clamp(min=0) / overfitting**2
    return raw / raw.sum()


def _blending_variant(
    gain=lambda t, v: v[:, 0] - v[:, 1],
    over=lambda t, v: (v - t)[:, 1] - (v - t)[:, 0],
    join=lambda g, o: g.clamp(min=0) / o**2,
    norm=lambda raw: raw / raw.sum(),
):
    return lambda train, validation: norm(join(gain(train, validation), over(train, validation)))


def _blending_cases(draw):
    def case(label, *rows):
        rows = torch.tensor(rows, dtype=torch.float64)  # train before, train after, validation before, validation after
        return Case(rows[:, :2], rows[:, 2:], label=label)

    yield case("two heads", [1.5, 1.0, 1.5, 1.25], [1.5, 0.5, 1.5, 1.0])
    yield case("a gap before training", [1.5, 0.75, 1.75, 1.25], [1.5, 0.5, 2.0, 1.25])
    yield case("one head got worse", [1.5, 0.25, 1.5, 2.0], [1.5, 0.5, 1.5, 0.75], [1.5, 1.0, 1.25, 1.0])
    train, validation = draw.uniform(4, 2, low=0.2, high=0.5), draw.uniform(4, 2, low=0.7, high=1.2)
    train[:, 0], validation[:, 0] = draw.uniform(4, low=1.4, high=1.5), draw.uniform(4, low=1.5, high=1.7)
    yield Case(train, validation, label="four heads")


blending_weights = Exercise(
    chapter="19",
    name="blending_weights",
    title="Gradient blending",
    minutes=20,
    difficulty=2,
    equation="Eq. 19.6",
    oracle=_blending_weights,
    cases=_blending_cases,
    shapes={"train": "K 2", "validation": "K 2"},
    solution=_blending_weights,
    mistakes=[
        Mistake(_blending_variant(over=lambda t, v: v[:, 1]), "in place of the gain in overfitting stands the raw validation loss: a head is then punished for a hard task, not for overfitting"),
        Mistake(_blending_variant(over=lambda t, v: (v - t)[:, 1]), "this is the *gap* between the losses after training. What counts is how much it has widened: subtract the gap before"),
        Mistake(_blending_variant(over=lambda t, v: (v - t)[:, 1] + (v - t)[:, 0]), "the gap before training is added; subtract it"),
        Mistake(_blending_variant(over=lambda t, v: t[:, 0] - t[:, 1]), "in place of the gain in overfitting stands what was gained on the training part: a head that learns much would be punished for it"),
        Mistake(_blending_variant(gain=lambda t, v: t[:, 0] - t[:, 1]), "the gain is measured on the training part; what counts is what holds elsewhere, so take the validation losses"),
        Mistake(_blending_variant(gain=lambda t, v: v[:, 1] - v[:, 0]), "the gain has the wrong sign: it is the loss before minus the loss after"),
        Mistake(_blending_variant(gain=lambda t, v: v[:, 0]), "$G$ is the validation loss before training; subtract the one after"),
        Mistake(_blending_variant(join=lambda g, o: g.clamp(min=0) / o.abs()), "the overfitting is not squared: $\\lambda_h \\propto G_h/O_h^2$"),
        Mistake(_blending_variant(join=lambda g, o: o**2 / g), "the fraction is upside down: the more overfitting, the *less* weight"),
        Mistake(_blending_variant(join=lambda g, o: g**2 / o**2), "the gain is squared, too: $\\lambda_h \\propto G_h/O_h^2$"),
        Mistake(_blending_variant(join=lambda g, o: g / o**2), "a head whose validation loss rose gets a negative weight: training would then make it worse on purpose. Count such a gain as 0"),
        Mistake(_blending_variant(join=lambda g, o: g.abs() / o**2), "a head whose validation loss rose is rewarded for it: a gain below 0 counts as 0, not as its size"),
        Mistake(_blending_variant(norm=lambda raw: raw), "the weights do not add up to 1: divide by their sum"),
        Mistake(_blending_variant(norm=lambda raw: raw.softmax(0)), "a softmax makes them add up to 1 and changes their ratios: divide by the sum"),
    ],
    hints=[
        "Two numbers for each head. $G$: by how much the validation loss fell. $O$: by how much the gap *validation − training* grew.",
        "`gap = validation - train` has a column before and a column after; `gap[:, 1] - gap[:, 0]` is $O$.",
        "`raw = gain.clamp(min=0) / overfitting**2`, then `raw / raw.sum()`.",
    ],
    afterword="The same rule weighs measurements of one quantity with different errors: by the inverse of their variance.",
)  # fmt: skip


def _repaired(features, present, p, u, training):
    kept = present & (u >= p) if training else present.clone()
    lost = present.any(1) & ~kept.any(1)  # (N,)
    rescued = u.masked_fill(~present, -1).argmax(1)  # (N,): of what it has, the one with the largest u
    kept[lost, rescued[lost]] = True
    return features.where(kept[..., None], 0), kept


def _published(features, present, p, u, training, rescue="batch", nan=True, always=True):
    """The published function with some of its errors left in."""
    kept = present & (u >= p) if training or always else present.clone()
    if rescue == "batch":
        kept = kept if kept.any() else present.clone()
    elif rescue == "example":
        lost = present.any(1) & ~kept.any(1)
        rescued = u.masked_fill(~present, -1).argmax(1)
        kept[lost, rescued[lost]] = True
    return (features * kept[..., None] if nan else features.where(kept[..., None], 0)), kept


def _left(**errors):
    settings = {"rescue": "example", "nan": False, "always": False} | errors
    return lambda features, present, p, u, training: _published(features, present, p, u, training, **settings)


def _wrong_rescue(choose):
    """Right but for which modality an example gets back."""

    def dropout(features, present, p, u, training):
        kept = present & (u >= p) if training else present.clone()
        kept = choose(kept, present, u)
        return features.where(kept[..., None], 0), kept

    return dropout


def _everything_back(kept, present, u):
    return torch.where(kept.any(1, keepdim=True), kept, present)


def _first_back(kept, present, u):
    first = torch.zeros_like(kept).scatter(1, present.int().argmax(1, keepdim=True), True) & present
    return kept | (first & ~kept.any(1, keepdim=True))


def _from_nowhere(kept, present, u):
    best = torch.zeros_like(kept).scatter(1, u.argmax(1, keepdim=True), True)
    return kept | (best & ~kept.any(1, keepdim=True) & present.any(1, keepdim=True))


def _scaled(features, present, p, u, training):
    features, kept = _repaired(features, present, p, u, training)
    return (features / (1 - p) if training else features), kept


def _early(features, present, p, u, training):
    """In evaluation everything goes back as it came."""
    return _repaired(features, present, p, u, True) if training else (features, present)


def _dropout_cases(draw):
    def tensor(values, dtype=torch.float64):
        return torch.tensor(values, dtype=dtype)

    one = tensor([[[1.0], [2.0]]])
    yield Case(one, tensor([[True, True]], torch.bool), 0.5, tensor([[0.25, 0.75]]), True, label="one goes")
    yield Case(one, tensor([[True, True]], torch.bool), 0.5, tensor([[0.25, 0.75]]), False, label="no training: nothing goes")
    two = tensor([[[1.0], [2.0]], [[3.0], [4.0]]])
    yield Case(
        two,
        torch.ones(2, 2, dtype=torch.bool),
        0.5,
        tensor([[0.125, 0.375], [0.875, 0.625]]),
        True,
        label="one example would lose both",
    )
    yield Case(
        one, tensor([[True, True]], torch.bool), 0.5, tensor([[0.125, 0.375]]), True, label="a batch of one that would lose both"
    )
    absent = tensor([[[1.0], [math.nan]], [[3.0], [4.0]]])
    yield Case(
        absent,
        tensor([[True, False], [True, True]], torch.bool),
        0.5,
        tensor([[0.625, 0.875], [0.75, 0.125]]),
        True,
        label="a modality is absent, and NaN stands there",
    )
    yield Case(
        absent,
        tensor([[True, False], [True, True]], torch.bool),
        0.5,
        tensor([[0.625, 0.875], [0.75, 0.625]]),
        False,
        label="no training, and NaN stands where a modality is absent",
    )
    yield Case(
        absent,
        tensor([[True, False], [True, True]], torch.bool),
        0.5,
        tensor([[0.125, 0.875], [0.75, 0.125]]),
        True,
        label="the only modality would go",
    )
    present = tensor(
        [[True, True, True], [True, False, True], [False, True, True], [True, True, True], [True, True, False]], torch.bool
    )
    u = torch.cat([draw.uniform(3, 3), 0.4 * draw.uniform(2, 3)])
    features = draw.normal(5, 3, 2).where(present[..., None], math.nan)
    yield Case(features, present, 0.5, u, True, label="three modalities")
    yield Case(draw.normal(5, 3, 2), present, 0.75, u, True, label="three modalities, no NaN")


_BATCH = "the rescue still asks about the *batch*: `kept.any()` is True as soon as any example has kept anything, and an example without any modality passes"
_NAN = (
    "an absent value is still multiplied by 0, and 0 · NaN is NaN: choose with `where`, or `masked_fill`, in place of multiplying"
)
_ALWAYS = "`training` still changes nothing: in evaluation all that is present stays"

repaired_dropout = Exercise(
    chapter="19",
    name="repaired_dropout",
    title="Repair the modality dropout",
    minutes=25,
    difficulty=3,
    oracle=_repaired,
    cases=_dropout_cases,
    returns=("features", "kept"),
    shapes={"features": "N M D"},
    solution=_repaired,
    mistakes=[
        Mistake(_left(rescue="batch"), f"two errors found, one left: {_BATCH}"),
        Mistake(_left(nan=True), f"two errors found, one left: {_NAN}"),
        Mistake(_left(always=True), f"two errors found, one left: {_ALWAYS}"),
        Mistake(_left(rescue="batch", nan=True), "one error found, that of `training`; two are left: who is rescued, and what stands where nothing is"),
        Mistake(_left(rescue="batch", always=True), "one error found, the NaN's; two are left: who is rescued, and when anything is dropped"),
        Mistake(_left(nan=True, always=True), "one error found, the rescue's; two are left: what stands where nothing is, and when anything is dropped"),
        Mistake(_left(rescue="batch", nan=True, always=True), "all three errors are still in it"),
        Mistake(_left(rescue="none"), "the rescue is gone altogether: an example that loses all it has must get one back"),
        Mistake(_wrong_rescue(_everything_back), "an example that would lose everything gets everything back; it gets *one* back, that with the largest `u` of what it has"),
        Mistake(_wrong_rescue(_first_back), "the rescued modality is always the first that is there: then the first one is dropped less often than the others. Take the one with the largest `u`"),
        Mistake(_wrong_rescue(_from_nowhere), "the rescue hands out modalities that the example never had: look for the largest `u` among those that are `present`"),
        Mistake(_early, "in evaluation the features come back as they came, NaN included. Nothing is *dropped* there, but what was absent from the start is still zeros"),
        Mistake(_scaled, "what stays is divided by $1 - p$, as in dropout of single units. There a sum must keep its size; here a modality that is there should look as it will look in the test"),
    ],
    hints=[
        "Call `interview` with one setting changed at a time. Each of its three promises is broken by one error.",
        "One example at a time: `lost = ~kept.any(1)`. Which of its modalities comes back? `u.masked_fill(~present, -1).argmax(1)`.",
        "`features.where(kept[..., None], 0)` does not multiply; and everything that *drops* belongs under `if training:`; the zeros for what is absent do not.",
    ],
    afterword="All three errors train. The first one teaches the bias to answer for examples that show nothing; the second waits for the first missing value; the third makes every test score a lottery.",
)  # fmt: skip


def _missing_curve(right, right_without, order, rates):
    scores = []
    for rate in rates:
        lost = order[: round(rate * len(order))]
        now = right.clone()
        now[lost] = right_without[lost]
        scores.append(now.double().mean())
    return torch.stack(scores)


def _curve_variant(
    count=lambda rate, n: round(rate * n),
    pick=lambda order, k: order[:k],
    ends=lambda r, w: (r, w),
    mean=lambda x: x.double().mean(),
):
    def curve(right, right_without, order, rates):
        scores = []
        for rate in rates:
            lost = pick(order, count(rate, len(order)))
            now, other = ends(right, right_without)
            now = now.clone()
            now[lost] = other[lost]
            scores.append(mean(now))
        return torch.stack(scores)

    return curve


def _expected_line(right, right_without, order, rates):
    rates = torch.tensor(rates, dtype=torch.float64)
    return (1 - rates) * right.double().mean() + rates * right_without.double().mean()


def _left_out(right, right_without, order, rates):
    """The examples that lack the modality are thrown away."""
    rows = [order[round(rate * len(order)) :] for rate in rates]
    return torch.stack([right[row].double().mean() if len(row) else right_without.double().mean() for row in rows])


def _only_the_lost(right, right_without, order, rates):
    rows = [order[: round(rate * len(order))] for rate in rates]
    return torch.stack([right_without[row].double().mean() if len(row) else right.double().mean() for row in rows])


def _both_right(right, right_without, order, rates):
    return _missing_curve(right, right & right_without, order, rates)


def _curve_cases(draw):
    def bools(*values):
        return torch.tensor(values, dtype=torch.bool)

    yield Case(bools(1, 1, 1, 0), bools(0, 1, 0, 1), torch.tensor([3, 0, 2, 1]), [0.0, 0.5, 1.0], label="four examples")
    yield Case(bools(1, 1, 1, 1, 0), bools(0, 1, 0, 0, 1), torch.tensor([1, 4, 0, 2, 3]), [0.2, 0.4, 0.6], label="five examples")
    right, without = draw.uniform(20) < 0.85, draw.uniform(20) < 0.4
    order = draw.distinct(20, dtype=torch.int64)
    yield Case(right, without, order, [0.0, 0.12, 0.21, 0.33, 0.41, 0.5, 0.62, 0.78, 0.93, 1.0], label="twenty examples")


missing_curve = Exercise(
    chapter="19",
    name="missing_curve",
    title="A curve of missing text",
    minutes=15,
    difficulty=2,
    oracle=_missing_curve,
    cases=_curve_cases,
    float32=False,
    solution=_missing_curve,
    mistakes=[
        Mistake(_expected_line, "this is the line that is *expected*, Eq. 19.8; the exercise asks for what happens to these examples, in this order"),
        Mistake(_curve_variant(pick=lambda order, k: torch.arange(k)), "`order` is not used: the first examples of the list lose the text, not the first ones of `order`"),
        Mistake(_curve_variant(pick=lambda order, k: order.argsort()[:k]), "`order` is inverted: it lists the examples, the first to lose the text first"),
        Mistake(_curve_variant(pick=lambda order, k: order[len(order) - k :]), "the *last* ones of `order` lose the text; it begins with the first to lose it"),
        Mistake(_curve_variant(ends=lambda r, w: (w, r)), "the two are exchanged: this is the curve for the rate 1 − rate. At rate 0 nobody lacks the text, and `right` counts"),
        Mistake(_left_out, "the examples without text are left out of the mean; they count, with `right_without`"),
        Mistake(_only_the_lost, "this is the accuracy on the examples *without* text; the mean runs over all of them"),
        Mistake(_both_right, "an example without text counts only if it was right with the text, too; without it, `right_without` alone decides"),
        Mistake(_curve_variant(count=lambda rate, n: math.ceil(rate * n)), "the number of examples is rounded up; `round` it"),
        Mistake(_curve_variant(count=lambda rate, n: int(rate * n)), "the number of examples is cut off; `round` it"),
        Mistake(_curve_variant(mean=lambda x: x.double().sum()), "these are numbers of right answers: divide by N"),
        Mistake(_curve_variant(mean=lambda x: 1 - x.double().mean()), "this is the share of *wrong* answers"),
    ],
    hints=[
        "At each rate, which examples lack the text? The first `round(rate * N)` of `order`.",
        "Take a copy of `right` and put `right_without` into the places of those examples. Then the mean.",
        "`now = right.clone(); now[lost] = right_without[lost]; now.double().mean()`, for each rate; `torch.stack` at the end.",
    ],
    afterword="Nothing had to be evaluated twice at each rate: two passes over the test settle the whole curve, since an example does not care what its neighbours lack.",
)  # fmt: skip


def _effective(clean, shifted, baseline_clean, baseline_shifted):
    x, y = torch.logit(baseline_clean), torch.logit(baseline_shifted)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    expected = torch.sigmoid(y.mean() + slope * (torch.logit(clean) - x.mean()))
    return shifted - expected


def _effective_variant(to=torch.logit, back=torch.sigmoid, fit=None, end=lambda shifted, expected, clean: shifted - expected):
    def line(x, y):
        slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
        return slope, y.mean() - slope * x.mean()

    fit = fit or line

    def effective(clean, shifted, baseline_clean, baseline_shifted):
        slope, offset = fit(to(baseline_clean), to(baseline_shifted))
        return end(shifted, back(slope * to(clean) + offset), clean)

    return effective


def _exchanged_line(x, y):
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return 1 / slope, x.mean() - y.mean() / slope


def _through_zero(x, y):
    return (x * y).sum() / x.square().sum(), 0.0


def _unit_slope(x, y):
    return 1.0, (y - x).mean()


def _fit_of_x_on_y(clean, shifted, baseline_clean, baseline_shifted):
    return _effective(shifted, clean, baseline_shifted, baseline_clean)


def _effective_cases(draw):
    def case(clean, shifted, baseline_clean, baseline_shifted, label):
        return Case(
            *(torch.tensor(v, dtype=torch.float64) for v in (clean, shifted, baseline_clean, baseline_shifted)), label=label
        )

    yield case([0.8], [0.75], [0.6, 0.9], [0.5, 0.8], "two baselines")
    yield case([0.9, 0.6], [0.4, 0.5], [0.5, 0.7, 0.85], [0.3, 0.45, 0.7], "two models")
    yield case([0.2], [0.15], [0.1, 0.25, 0.3], [0.15, 0.1, 0.25], "low accuracies")
    yield Case(
        draw.uniform(4, low=0.5, high=0.95),
        draw.uniform(4, low=0.3, high=0.8),
        draw.uniform(6, low=0.4, high=0.95),
        draw.uniform(6, low=0.2, high=0.8),
        label="random",
    )


effective_robustness = Exercise(
    chapter="19",
    name="effective_robustness",
    title="Effective robustness",
    minutes=20,
    difficulty=2,
    equation="Eq. 19.9",
    oracle=_effective,
    cases=_effective_cases,
    tolerance=1e-6,
    solution=_effective,
    mistakes=[
        Mistake(_effective_variant(to=lambda x: x, back=lambda x: x), "the line is fitted to the accuracies themselves; on axes of log-odds baselines fall on a line, and no accuracy above 1 is predicted"),
        Mistake(_effective_variant(back=lambda x: x), "the prediction is still in log-odds: bring it back with `torch.sigmoid` before you subtract"),
        Mistake(_effective_variant(end=lambda shifted, expected, clean: torch.logit(shifted) - torch.logit(expected)), "the difference is taken in log-odds; it is one of accuracies"),
        Mistake(_effective_variant(end=lambda shifted, expected, clean: expected - shifted), "the sign: above the line counts as robust, so it is the accuracy minus the prediction"),
        Mistake(_effective_variant(end=lambda shifted, expected, clean: shifted), "this is the accuracy under the shift itself: subtract what the line predicts"),
        Mistake(_effective_variant(end=lambda shifted, expected, clean: shifted - clean), "this is the drop from clean to shifted; what counts is the distance to the *baselines'* line"),
        Mistake(_effective_variant(end=lambda shifted, expected, clean: expected), "this is the prediction $\\beta(\\mathrm{acc}_1)$: subtract it from the accuracy under the shift"),
        Mistake(lambda clean, shifted, bc, bs: shifted - bs.mean(), "this compares with the baselines' *mean*: a better model would then always count as more robust. Compare with their line at the same clean accuracy"),
        Mistake(_effective_variant(fit=_exchanged_line), "the line is upside down: it predicts clean from shifted accuracies"),
        Mistake(_effective_variant(fit=_through_zero), "the line is forced through zero: subtract both means before you compute the slope"),
        Mistake(_effective_variant(fit=_unit_slope), "the slope is taken to be 1; fit it"),
        Mistake(_fit_of_x_on_y, "clean and shifted are exchanged everywhere"),
        Mistake(_effective_variant(to=torch.log, back=torch.exp), "these are logarithms of the accuracies; the axes are *log-odds*, $\\log\\frac{p}{1-p}$: `torch.logit`"),
    ],
    hints=[
        "Three steps: log-odds of the baselines' accuracies, a straight line through them, its value at the model's clean accuracy.",
        "Least squares: slope $= \\sum (x - \\bar x)(y - \\bar y) / \\sum (x - \\bar x)^2$, and the line passes through $(\\bar x, \\bar y)$.",
        "`expected = torch.sigmoid(y.mean() + slope * (torch.logit(clean) - x.mean()))`, and the result is `shifted - expected`.",
    ],
    afterword="A model that is more accurate everywhere has gained nothing here. Only what the line does not predict counts.",
)  # fmt: skip


def _shapley(value, names):
    M = len(names)
    shares = {}
    for name in names:
        others = [other for other in names if other != name]
        share = 0.0
        for size in range(M):
            weight = math.factorial(size) * math.factorial(M - size - 1) / math.factorial(M)
            for some in combinations(others, size):
                some = frozenset(some)
                share += weight * (value[some | {name}] - value[some])
        shares[name] = share
    return shares


def _shapley_variant(weight=None, change=lambda with_it, without: with_it - without, sizes=lambda M: range(M), empty=True):
    """All subsets of the others, weighted otherwise."""

    def shapley(value, names):
        M = len(names)
        found = {}
        for name in names:
            others = [other for other in names if other != name]
            share = 0.0
            for size in sizes(M):
                factor = (
                    math.factorial(size) * math.factorial(M - size - 1) / math.factorial(M) if weight is None else weight(size, M)
                )
                for some in map(frozenset, combinations(others, size)):
                    without = value[some] if some or empty else 0.0
                    share += factor * change(value[some | {name}], without)
            found[name] = share
        return found

    return shapley


def _normalised(value, names):
    shares = _shapley(value, names)
    return {name: share / sum(shares.values()) for name, share in shares.items()}


def _one_order(value, names):
    return {name: value[frozenset(names[: place + 1])] - value[frozenset(names[:place])] for place, name in enumerate(names)}


def _shapley_cases(draw):
    def game(names, values, label):
        sets = [frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size)]
        return Case(dict(zip(sets, values, strict=True)), list(names), label=label)

    yield game(["image", "text"], [0.5, 0.5, 0.5, 1.0], "matching: only both together help")
    yield game(["image", "text"], [0.25, 1.0, 0.75, 1.0], "redundant, unequal")
    yield game(["image", "text"], [0.25, 0.75, 0.25, 0.5], "the text misleads")
    yield game(["image", "text", "sound"], [0.25, 0.5, 0.375, 0.25, 0.875, 0.5, 0.625, 1.0], "three modalities")
    yield game(["a", "b", "c", "d"], draw.uniform(16).tolist(), "four modalities")


shapley = Exercise(
    chapter="19",
    name="shapley",
    title="Who contributed what",
    minutes=25,
    difficulty=3,
    equation="Eq. 19.10",
    oracle=_shapley,
    cases=_shapley_cases,
    float32=False,
    solution=_shapley,
    mistakes=[
        Mistake(_shapley_variant(weight=lambda size, M: 1.0), "the gains are added without weights: Eq. 19.10 is a mean over orders of arrival"),
        Mistake(_shapley_variant(weight=lambda size, M: 1 / 2 ** (M - 1)), "every subset counts the same: that is the mean over *subsets* (Banzhaf's index), and it need not add up to $v(\\text{all}) - v(\\emptyset)$. With two modalities you do not see it"),
        Mistake(_shapley_variant(sizes=lambda M: [M - 1], weight=lambda size, M: 1.0), "this is what is lost when one modality is taken away from all: a redundant one gets nothing, because the other is still there"),
        Mistake(_shapley_variant(sizes=lambda M: [0], weight=lambda size, M: 1.0), "this is what each modality is worth *alone*: what only both together know belongs to nobody"),
        Mistake(_shapley_variant(weight=lambda size, M: math.factorial(size) * math.factorial(M - size) / math.factorial(M)), "the second factorial is that of the modalities that come *after*: $(M - |\\mathcal C| - 1)!$, since the newcomer is no longer among them"),
        Mistake(_shapley_variant(weight=lambda size, M: math.factorial(M) / (math.factorial(size) * math.factorial(M - size - 1))), "the weight is upside down: $M!$ stands below the line"),
        Mistake(_shapley_variant(weight=lambda size, M: math.factorial(size) * math.factorial(M - size - 1)), "the weights are not divided by $M!$, the number of orders"),
        Mistake(_shapley_variant(change=lambda with_it, without: without - with_it), "the sign: it is the score *with* the modality minus the score without"),
        Mistake(_shapley_variant(change=lambda with_it, without: max(with_it - without, 0.0)), "gains below 0 are cut off; a modality that misleads contributes a negative share"),
        Mistake(_shapley_variant(change=lambda with_it, without: abs(with_it - without)), "the sizes of the gains are added; a modality that misleads contributes a negative share"),
        Mistake(_shapley_variant(empty=False), "the empty set is taken to be worth 0; without any modality one can still guess: `value[frozenset()]`"),
        Mistake(_normalised, "the shares are divided by their sum: they already add up to what all of them are worth together, $v(\\text{all}) - v(\\emptyset)$"),
        Mistake(_one_order, "this is one order of arrival, that of `names`: who comes last gets only what is still missing. Average over all orders"),
    ],
    hints=[
        "For one modality: go through all subsets $\\mathcal C$ of the *others*. `combinations(others, size)` of itertools gives those of one size; `frozenset(…)` looks them up.",
        "The gain is `value[some | {name}] - value[some]`. Its weight depends on the size of the set alone, and there are $M$ sizes, from 0 to $M - 1$.",
        "`math.factorial(size) * math.factorial(M - size - 1) / math.factorial(M)`. With two modalities both weights are ½.",
    ],
    afterword="Add up your shares: together they are always $v(\\text{all}) - v(\\emptyset)$, so nothing is counted twice and nothing is lost.",
)  # fmt: skip
