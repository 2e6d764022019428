"""Chapter 17, interaction: cross-attention, mass on a region, which designs only add, learned queries, a gate, absent keys, a hunt."""

import math

import torch

from .case import Case
from .exercise import Exercise
from .task import Mistake
from .value import ValueExercise

__all__ = [
    "absent_keys",
    "cross_attention",
    "gate_gradients",
    "mass_on_region",
    "only_add",
    "query_pooling",
    "repaired_look",
]


def _softmax_where(scores, allowed):
    """Weights over the allowed keys; zeros for a row without any."""
    nothing = ~allowed.any(-1, keepdim=True)
    weights = scores.masked_fill(~(allowed | nothing), -torch.inf).softmax(-1)
    return weights.masked_fill(nothing, 0)


def _cross_attention(query, memory, mask, w_q, w_k, w_v):
    scores = (query @ w_q) @ (memory @ w_k).mT / math.sqrt(w_q.shape[1])  # (N, L, P)
    nothing = ~mask.any(1)[:, None, None]  # (N, 1, 1)
    weights = scores.masked_fill(~mask[:, None] & ~nothing, -torch.inf).softmax(-1)
    return query + (weights @ (memory @ w_v)).masked_fill(nothing, 0)


def _cross_variant(
    residual=lambda query, memory: query,
    scale=lambda w_q, memory: math.sqrt(w_q.shape[1]),
    allow=lambda mask: mask,
    late=False,
    dim=-1,
    nothing_is_zero=True,
):
    def cross_attention(query, memory, mask, w_q, w_k, w_v):
        scores = (query @ w_q) @ (memory @ w_k).mT / scale(w_q, memory)
        allowed = allow(mask)[:, None].expand_as(scores)
        if late:
            weights = scores.softmax(dim) * allowed
        elif dim == -2:
            weights = scores.softmax(-2) * allowed
        else:
            weights = _softmax_where(scores, allowed)
            if not nothing_is_zero:
                weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
        return residual(query, memory) + weights @ (memory @ w_v)

    return lambda query, memory, mask, w_q, w_k, w_v: cross_attention(query, memory, mask, w_q, w_k, w_v)


def _even_over_nothing(query, memory, mask, w_q, w_k, w_v):
    """A large negative score in place of −∞: a softmax over nothing is even, not NaN."""
    scores = (query @ w_q) @ (memory @ w_k).mT / math.sqrt(w_q.shape[1])
    return query + scores.masked_fill(~mask[:, None], -1e9).softmax(-1) @ (memory @ w_v)


def _score_times_mask(query, memory, mask, w_q, w_k, w_v):
    scores = (query @ w_q) @ (memory @ w_k).mT / math.sqrt(w_q.shape[1])
    return query + (scores * mask[:, None]).softmax(-1) @ (memory @ w_v)


def _values_of_the_memory(query, memory, mask, w_q, w_k, w_v):
    return _cross_attention(query, memory, mask, w_q, w_k, torch.eye(len(w_v), dtype=w_v.dtype))


def _cross_cases(draw):
    def weights(D, d):
        return draw.normal(D, d), draw.normal(D, d), draw.normal(D, D)

    yield Case(
        draw.normal(1, 1, 2),
        draw.normal(1, 2, 2),
        torch.ones(1, 2, dtype=torch.bool),
        *weights(2, 3),
        label="one word, two patches",
    )
    yield Case(
        draw.normal(2, 3, 4),
        draw.normal(2, 5, 4),
        torch.ones(2, 5, dtype=torch.bool),
        *weights(4, 2),
        label="three words, five patches",
    )
    seen = torch.arange(4) < torch.tensor([4, 2, 1])[:, None]
    yield Case(draw.normal(3, 2, 4), draw.normal(3, 4, 4), seen, *weights(4, 3), label="some patches are not there")
    seen = torch.arange(4) < torch.tensor([4, 0, 3])[:, None]
    yield Case(draw.normal(3, 2, 4), draw.normal(3, 4, 4), seen, *weights(4, 3), label="the second picture is missing")


_MISSING = "where the whole picture is missing, the softmax is taken over nothing, and that is NaN: add nothing there"

cross_attention = Exercise(
    chapter="17",
    name="cross_attention",
    title="Cross-attention",
    minutes=20,
    difficulty=2,
    equation="Eq. 17.1",
    oracle=_cross_attention,
    cases=_cross_cases,
    shapes={"query": "N L D", "memory": "N P D"},
    solution=_cross_attention,
    mistakes=[
        Mistake(_cross_variant(nothing_is_zero=False), _MISSING, "`nothing = ~mask.any(1)[:, None, None]` says where; let the softmax run there over anything, and put zeros after it."),
        Mistake(_even_over_nothing, "where the whole picture is missing, each patch gets the same weight: add nothing there", "With a large negative number in place of $-\\infty$, a softmax over nothing is even and not NaN. That is worse: nothing complains."),
        Mistake(_score_times_mask, "the mask multiplies the scores: a score of 0 is one like any other, and gets weight $e^0$", "A weight of 0 needs a score of $-\\infty$: `masked_fill`."),
        Mistake(_values_of_the_memory, "`w_v` changes nothing: what is taken is the value `memory @ w_v`, not the token itself"),
        Mistake(lambda query, memory, mask, w_q, w_k, w_v: _cross_attention(query, memory, mask, w_k, w_q, w_v), "`w_q` and `w_k` are exchanged: the queries are `query @ w_q`, the keys `memory @ w_k`"),
        Mistake(_cross_variant(residual=lambda query, memory: 0), "what was taken comes back alone: Eq. 17.1 adds it to the query"),
        Mistake(_cross_variant(allow=lambda mask: torch.ones_like(mask)), "`mask` changes nothing: no query may look at a key where it is False"),
        Mistake(_cross_variant(allow=lambda mask: ~mask), "True and False are exchanged: True means that the token is *there*"),
        Mistake(_cross_variant(late=True), "the mask comes after the softmax: the weights on what is there no longer add up to 1"),
        Mistake(_cross_variant(dim=-2), "the softmax runs over the queries; each query shares its look among the *keys*, the last axis"),
        Mistake(_cross_variant(scale=lambda w_q, memory: 1), "the scores are not divided by $\\sqrt d$, $d$ the width of `query @ w_q`"),
        Mistake(_cross_variant(scale=lambda w_q, memory: math.sqrt(w_q.shape[0])), "the scores are divided by $\\sqrt D$: queries and keys meet in $d$ features, the last size of `w_q`"),
    ],
    hints=[
        "Three things come from two places: queries from `query`, keys *and* values from `memory`. Write down the three shapes.",
        "`scores = (query @ w_q) @ (memory @ w_k).mT / math.sqrt(w_q.shape[1])` is $(N, L, P)$; `mask[:, None]` is $(N, 1, P)$ and fits to it.",
        "`weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1)`, then `.nan_to_num()` where a picture is missing, and `query + weights @ (memory @ w_v)`.",
    ],
    afterword="No line asks how many words or patches there are, or that there be as many of the one as of the other.",
)  # fmt: skip


def _mass_on_region(weights, share):
    return (weights * share).sum(-1), share.mean(-1), share.amax(-1)


def _mass_variant(mass=lambda p, c: (p * c).sum(-1), area=lambda c: c.mean(-1), most=lambda c: c.amax(-1)):
    return lambda weights, share: (mass(weights, share), area(share), most(share))


def _mass_cases(draw):
    half = torch.tensor([0.5, 0.25, 0.25, 0.0], dtype=torch.float64)
    yield Case(half[None], torch.tensor([[1.0, 0.5, 0.0, 0.0]], dtype=torch.float64), label="four patches")
    yield Case(draw.normal(3, 9).softmax(-1), draw.uniform(3, 9) * 0.9, label="nine patches")
    yield Case(draw.normal(2, 3, 6).softmax(-1), draw.uniform(2, 3, 6) * 0.8, label="two heads")


mass_on_region = Exercise(
    chapter="17",
    name="mass_on_region",
    title="How much of the look is on the thing?",
    minutes=10,
    difficulty=1,
    equation="Eq. 17.2",
    oracle=_mass_on_region,
    cases=_mass_cases,
    returns=("mass", "area", "most"),
    solution=_mass_on_region,
    mistakes=[
        Mistake(_mass_variant(mass=lambda p, c: (p * (c > 0.5)).sum(-1)), "a patch is counted whole or not at all: here it counts by its share", "A threshold would make the result depend on a number that nobody can justify."),
        Mistake(_mass_variant(mass=lambda p, c: (p * (c > 0)).sum(-1)), "every patch that the thing touches is counted whole: count its share"),
        Mistake(_mass_variant(mass=lambda p, c: (p * c).mean(-1)), "the products are averaged: the weights already add up to 1, so the sum *is* the mean"),
        Mistake(_mass_variant(mass=lambda p, c: (p * c).sum(-1) / c.sum(-1)), "the mass is divided by the size of the thing: then an even look has the same value for all things, and it is no longer a share of the weight"),
        Mistake(_mass_variant(area=lambda c: c.sum(-1)), "the area is the *mean* of the shares, a part of the picture; their sum counts patches"),
        Mistake(_mass_variant(area=lambda c: (c > 0).to(c).mean(-1)), "the area counts each patch that is touched as whole"),
        Mistake(_mass_variant(most=lambda c: torch.ones_like(c[..., 0])), "at most 1 is true, but not tight: no look can have more than the best patch holds"),
        Mistake(_mass_variant(most=lambda c: c.sum(-1)), "the most is that of the single best patch: weights add up to 1, so they cannot be on all patches in full"),
    ],
    hints=[
        "An even look has $p_j = 1/P$ everywhere. What is $\\sum_j p_j c_j$ then?",
        "And if all the weight lies on one patch $k$? Which $k$ is best?",
        "Return `(weights * share).sum(-1)`, `share.mean(-1)`, `share.amax(-1)`.",
    ],
    afterword="The two other numbers are the theory rows of the measurement: below the area a look avoids the thing, and nothing gets above the most.",
)  # fmt: skip


_DESIGNS = {
    "A": ("one word asks one image token", True),
    "B": ("five words ask one image token; their mean goes on", True),
    "C": ("one word asks 36 image tokens", False),
    "D": ("as A, with eight heads", True),
    "E": ("as A, then a hidden layer with a GELU", False),
    "F": ("as A, then a LayerNorm on the sum", False),
    "G": ("one word and one image token ask each other", True),
    "H": ("as A, behind a gate tanh α", True),
    "I": ("four learned queries look at one word and one image token together", False),
}
_ADD = frozenset(name for name, (_, adds) in _DESIGNS.items() if adds)


def _letters(answer):
    """The letters of an answer in one word, whatever holds them: a list, a set, a tuple, or a string."""
    if isinstance(answer, str):
        answer = [letter for letter in answer.upper() if letter.isalpha()]
    try:
        letters = [str(item).strip().upper() for item in answer]
    except TypeError:
        raise ValueError("the answer is a list of letters from A to I, such as `['A', 'C']`") from None
    unknown = sorted(set(letters) - set(_DESIGNS))
    if unknown:
        raise ValueError(f"there is no design {unknown[0]!r}: they are called A to I")
    return "".join(sorted(set(letters)))


def _judge_designs(letters):
    wrong = [name for name in letters if name not in _ADD]
    if wrong:
        return f"design {wrong[0]} can do more than add. Does anything in it multiply what depends on the word with what depends on the picture?"
    missing = sorted(_ADD - set(letters))
    if missing:
        return f"those that you name do only add, and {'one more does' if len(missing) == 1 else f'{len(missing)} more do'}"
    return None


def _designs_like(*letters):
    return lambda answer: answer == "".join(sorted(letters))


only_add = ValueExercise(
    chapter="17",
    name="only_add",
    title="Which of them can only add?",
    minutes=15,
    difficulty=3,
    equation="Eq. 17.3",
    oracle="".join(sorted(_ADD)),
    accepts=_judge_designs,
    read=_letters,
    solution=f"only_add = {sorted(_ADD)!r}",
    mistakes=[
        Mistake(_designs_like(*(set(_DESIGNS) - _ADD)), "these are the ones that can do more; asked for are those that can only add", example=sorted(set(_DESIGNS) - _ADD)),
        Mistake(lambda letters: len(letters) == len(_DESIGNS), "these are all of them, and some multiply", "Look for a softmax over more than one key, and for anything that is not linear *after* the sum.", example=sorted(_DESIGNS)),
        Mistake(lambda letters: "C" in letters, "in C the softmax runs over 36 keys: the weight of a patch depends on the word, and it multiplies the patch's value", example=["A", "B", "C"]),
        Mistake(lambda letters: "E" in letters, "in E a hidden layer follows the sum: a GELU of $f(a) + g(b)$ is no sum of a function of $a$ and one of $b$", example=["A", "E"]),
        Mistake(lambda letters: "F" in letters, "in F the LayerNorm divides the sum by its standard deviation, which depends on both", "A small interaction, and a real one: $\\frac{f + g}{\\mathrm{std}(f + g)}$.", example=["A", "F"]),
        Mistake(lambda letters: "I" in letters, "in I there are two keys, the word and the picture: the softmax weighs one against the other, and so each weight depends on both", example=["A", "I"]),
        Mistake(_designs_like(*(_ADD - {"B"})), "B is missing: five queries, but one key; each of them gets the same", "The softmax runs over the keys, and there is one.", example=sorted(_ADD - {"B"})),
        Mistake(_designs_like(*(_ADD - {"D"})), "D is missing: eight softmaxes over one key each are eight ones", example=sorted(_ADD - {"D"})),
        Mistake(_designs_like(*(_ADD - {"G"})), "G is missing: each of the two looks has one key", example=sorted(_ADD - {"G"})),
        Mistake(_designs_like(*(_ADD - {"H"})), "H is missing: the gate is a learned number, the same for all inputs, so it changes the size of a summand and no more", example=sorted(_ADD - {"H"})),
    ],
    hints=[
        "Ask of each: does the result have the form $f(\\text{word}) + g(\\text{picture})$? A softmax over one key is 1.",
        "Count the *keys* of each softmax, not the queries and not the heads. Then look at what comes after the sum.",
        "Two designs have more than one key. Two have something that is not linear after the sum.",
    ],
    afterword="A transformer block has its hidden layer after every look, which is why E is what people build, and why the softmax often gets the credit for what the hidden layer did.",
)  # fmt: skip


def _query_pooling(queries, tokens, mask, w_k, w_v):
    scores = queries @ (tokens @ w_k).mT / math.sqrt(w_k.shape[1])  # (N, R, T)
    weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1)
    return (weights @ (tokens @ w_v)).flatten(1)  # (N, R·D)


def _pooling_variant(
    dim=-1, allow=lambda mask: mask, late=False, end=lambda y: y.flatten(1), scale=lambda w_k: w_k.shape[1], learned=True
):
    def query_pooling(queries, tokens, mask, w_k, w_v):
        q = queries if learned else queries.mean(0, keepdim=True).expand_as(queries)
        scores = q @ (tokens @ w_k).mT / math.sqrt(scale(w_k))
        allowed = allow(mask)[:, None]
        if dim == -2:
            weights = scores.softmax(-2) * allowed
        elif late:
            weights = scores.softmax(-1) * allowed
        else:
            weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
        return end(weights @ (tokens @ w_v))

    return lambda queries, tokens, mask, w_k, w_v: query_pooling(queries, tokens, mask, w_k, w_v)


def _pooling_cases(draw):
    yield Case(
        draw.normal(1, 2),
        draw.normal(1, 3, 4),
        torch.ones(1, 3, dtype=torch.bool),
        draw.normal(4, 2),
        draw.normal(4, 3),
        label="one query",
    )
    yield Case(
        draw.normal(3, 2),
        draw.normal(2, 5, 4),
        torch.ones(2, 5, dtype=torch.bool),
        draw.normal(4, 2),
        draw.normal(4, 3),
        label="three queries",
    )
    mask = torch.arange(6) < torch.tensor([6, 2, 4, 1])[:, None]
    yield Case(
        draw.normal(3, 5), draw.normal(4, 6, 2), mask, draw.normal(2, 5), draw.normal(2, 3), label="tokens of four lengths"
    )


query_pooling = Exercise(
    chapter="17",
    name="query_pooling",
    title="Pool with learned queries",
    minutes=15,
    difficulty=2,
    equation="Eq. 17.5",
    oracle=_query_pooling,
    cases=_pooling_cases,
    shapes={"tokens": "N T D"},
    solution=_query_pooling,
    mistakes=[
        Mistake(_pooling_variant(allow=lambda mask: torch.ones_like(mask)), "`mask` changes nothing: padding is looked at like any token"),
        Mistake(_pooling_variant(late=True), "the mask comes after the softmax: what padding would have got is lost, and the weights add up to less than 1"),
        Mistake(_pooling_variant(allow=lambda mask: ~mask), "True and False are exchanged: this looks at the padding alone"),
        Mistake(_pooling_variant(dim=-2), "the softmax runs over the queries, as if they competed for tokens: each query has a look of its own, over the tokens", "Slot attention (Locatello et al. 2020) does let them compete; the Perceiver does not."),
        Mistake(_pooling_variant(scale=lambda w_k: 1), "the scores are not divided by $\\sqrt d$"),
        Mistake(_pooling_variant(scale=lambda w_k: w_k.shape[0]), "the scores are divided by $\\sqrt D$: queries and keys meet in $d$ features, the last size of `w_k`"),
        Mistake(_pooling_variant(end=lambda y: y.mean(1).repeat(1, y.shape[1])), "the queries' results are averaged: each is kept, one behind the other"),
        Mistake(_pooling_variant(learned=False), "all queries look as their mean does"),
        Mistake(_pooling_variant(end=lambda y: y.mT.flatten(1)), "the numbers are right and in another order: all features of the first query come first"),
    ],
    hints=[
        "`queries` is $(R, d)$, for all examples alike. A product with $(N, d, T)$ is $(N, R, T)$: broadcasting brings the $N$.",
        "The mask is about tokens, the last axis of the scores: `mask[:, None]`.",
        "`weights @ (tokens @ w_v)` is $(N, R, d_v)$; `.flatten(1)` puts the queries one behind the other.",
    ],
    afterword="However many tokens come in, $R$ vectors go out. That is how 256 patches become 32 tokens for a language model.",
)  # fmt: skip


def _gate_gradients(grad_output, part, gate):
    opened = torch.tanh(gate)
    return grad_output * opened, (1 - opened**2) * (grad_output * part).sum()


def _gate_variant(part_factor=torch.tanh, gate_factor=lambda a: 1 - torch.tanh(a) ** 2, total=lambda g, u: (g * u).sum()):
    def gate_gradients(grad_output, part, gate):
        return grad_output * part_factor(gate), gate_factor(gate) * total(grad_output, part)

    return gate_gradients


def _gate_cases(draw):
    def gate(value):
        return torch.tensor(value, dtype=torch.float64)

    yield Case(draw.integers(1, 2), draw.integers(1, 2), gate(0.0), label="the gate is closed")
    yield Case(draw.normal(3, 2), draw.normal(3, 2), gate(0.5), label="half open")
    yield Case(draw.normal(2, 4, 3), draw.normal(2, 4, 3), gate(-1.2), label="open the other way")


gate_gradients = Exercise(
    chapter="17",
    name="gate_gradients",
    title="Who moves first?",
    minutes=15,
    difficulty=2,
    equation="Eq. 17.7",
    oracle=_gate_gradients,
    cases=_gate_cases,
    returns=("∂L/∂part", "∂L/∂gate"),
    solution=_gate_gradients,
    mistakes=[
        Mistake(_gate_variant(gate_factor=lambda a: torch.ones_like(a)), "the derivative of the tanh is missing in $\\partial L/\\partial\\alpha$: $1 - \\tanh^2\\alpha$. At $\\alpha = 0$ it is 1, so the first case does not show it"),
        Mistake(_gate_variant(gate_factor=torch.tanh), "$\\partial L/\\partial\\alpha$ has the factor $\\tanh\\alpha$: that is the value, its derivative is $1 - \\tanh^2\\alpha$. With this gate a closed door would never open"),
        Mistake(_gate_variant(gate_factor=lambda a: 1 - torch.tanh(a)), "the derivative of $\\tanh$ is $1 - \\tanh^2$: the square is missing"),
        Mistake(_gate_variant(part_factor=lambda a: torch.ones_like(a)), "the part stands behind the gate: its gradient is multiplied by $\\tanh\\alpha$"),
        Mistake(_gate_variant(part_factor=lambda a: a), "the part's gradient has the factor $\\alpha$ where it is $\\tanh\\alpha$"),
        Mistake(_gate_variant(part_factor=lambda a: 1 - torch.tanh(a) ** 2), "the part's gradient has the factor $1 - \\tanh^2\\alpha$: that belongs to the gate. For the part, $\\tanh\\alpha$ is a constant factor"),
        Mistake(lambda grad_output, part, gate: _gate_gradients(grad_output, part, gate)[::-1], "the two come in the other order: the part's first, then the gate's"),
        Mistake(_gate_variant(total=lambda g, u: (g * u).mean()), "the products are averaged: one number is used in every place, so its gradient is the *sum*"),
        Mistake(_gate_variant(total=lambda g, u: g.sum()), "$\\partial L/\\partial\\alpha$ does not know the part: $\\partial Y/\\partial\\alpha = (1 - \\tanh^2\\alpha)\\,U$"),
    ],
    hints=[
        "$Y = X + \\tanh(\\alpha)\\,U$. What is $\\partial Y_i/\\partial U_i$? What is $\\partial Y_i/\\partial\\alpha$?",
        "The gate is one number in all places: add up $dY_i\\,\\partial Y_i/\\partial\\alpha$ over all of them.",
        "`grad_output * torch.tanh(gate)` and `(1 - torch.tanh(gate) ** 2) * (grad_output * part).sum()`.",
    ],
    afterword="At $\\alpha = 0$ the first of the two is zero and the second is not: the gate moves first.",
)  # fmt: skip


def _absent_keys(has_image, is_word, has_text, patches):
    image = has_image[:, None].expand(-1, patches)  # (N, P)
    return torch.cat([image, is_word & has_text[:, None]], 1)  # (N, P + T)


def _keys_variant(
    image=lambda has, patches: has[:, None].expand(-1, patches),
    text=lambda is_word, has: is_word & has[:, None],
    change=lambda image, text: torch.cat([image, text], 1),
):
    def absent_keys(has_image, is_word, has_text, patches):
        return change(image(has_image, patches), text(is_word, has_text))

    return absent_keys


def _keys_cases(draw):
    yes = torch.ones(1, dtype=torch.bool)
    yield Case(yes, torch.tensor([[True, True, False]]), yes, 2, label="both are there")
    yield Case(~yes, torch.tensor([[True, True, False]]), yes, 2, label="the picture is missing")
    yield Case(yes, torch.tensor([[True, True, False]]), ~yes, 2, label="the text is missing")
    is_word = torch.arange(5) < torch.tensor([5, 2, 4, 1])[:, None]
    yield Case(
        torch.tensor([True, False, True, True]), is_word, torch.tensor([True, True, False, True]), 3, label="four examples"
    )


absent_keys = Exercise(
    chapter="17",
    name="absent_keys",
    title="Mask a missing modality",
    minutes=10,
    difficulty=1,
    oracle=_absent_keys,
    cases=_keys_cases,
    float32=False,
    solution=_absent_keys,
    mistakes=[
        Mistake(_keys_variant(change=lambda image, text: ~torch.cat([image, text], 1)), "True and False are exchanged: True is what may be looked at"),
        Mistake(_keys_variant(text=lambda is_word, has: is_word), "`has_text` changes nothing: a missing text keeps its words, whatever stands there"),
        Mistake(_keys_variant(image=lambda has, patches: torch.ones(len(has), patches, dtype=torch.bool)), "`has_image` changes nothing: a missing picture is looked at like any other"),
        Mistake(_keys_variant(text=lambda is_word, has: has[:, None].expand_as(is_word)), "padding is let in: where there is a text, only its words count"),
        Mistake(_keys_variant(text=lambda is_word, has: is_word | has[:, None]), "a place counts if it is a word *or* there is a text; both must hold"),
        Mistake(_keys_variant(change=lambda image, text: torch.cat([text, image], 1)), "the text stands in front: the tokens are joined as patches, then words"),
        Mistake(lambda has_image, is_word, has_text, patches: _absent_keys(has_text, is_word, has_image, patches), "`has_image` closes the words and `has_text` the patches: they are exchanged"),
    ],
    hints=[
        "The keys are the patches, then the places of the words: $P + T$ columns. Which flags decide about the first $P$?",
        "`has_image[:, None].expand(-1, patches)` gives each patch its picture's flag.",
        "A word counts if it is one *and* its text is there: `is_word & has_text[:, None]`. Then `torch.cat([…, …], dim=1)`.",
    ],
    afterword="What stands under a False never reaches the result, not even a NaN, if the values there are set to zero as well: $0 \\cdot \\mathrm{NaN}$ is NaN.",
)  # fmt: skip


def _published_look(words, image, sound, has_image, has_sound, w_k, w_v, values=True, late=True, polarity=True):
    """The published layer; each flag leaves one of its errors in."""
    memory = torch.cat([image, sound], 1)  # (N, P + S, D)
    others = torch.cat([sound, image], 1) if values else memory
    there = torch.cat([has_image[:, None].expand(-1, image.shape[1]), has_sound[:, None].expand(-1, sound.shape[1])], 1)[:, None]
    kept = ~there if polarity else there
    scores = words @ (memory @ w_k).mT / math.sqrt(w_k.shape[1])
    weights = scores.softmax(-1) * kept if late else scores.masked_fill(~kept, -torch.inf).softmax(-1)
    return weights @ (others @ w_v)


def _repaired_look(words, image, sound, has_image, has_sound, w_k, w_v):
    memory = torch.cat([image, sound], dim=1)  # (N, P + S, D)
    there = torch.cat([has_image[:, None].expand(-1, image.shape[1]), has_sound[:, None].expand(-1, sound.shape[1])], dim=1)
    scores = words @ (memory @ w_k).mT / math.sqrt(w_k.shape[1])  # (N, L, P + S)
    weights = scores.masked_fill(~there[:, None], -torch.inf).softmax(-1)
    return weights @ (memory @ w_v)


def _left_in(**errors):
    left = dict.fromkeys(("values", "late", "polarity"), False) | errors
    return lambda words, image, sound, has_image, has_sound, w_k, w_v: _published_look(
        words, image, sound, has_image, has_sound, w_k, w_v, **left
    )


def _zeroed_tokens(words, image, sound, has_image, has_sound, w_k, w_v):
    """Absent tokens set to zero in place of being masked."""
    N = len(words)
    return _repaired_look(
        words, image * has_image[:, None, None], sound * has_sound[:, None, None], *torch.ones(2, N, dtype=torch.bool), w_k, w_v
    )


def _look_cases(draw):
    def both(N):
        return torch.ones(N, dtype=torch.bool), torch.ones(N, dtype=torch.bool)

    yield Case(
        draw.normal(1, 1, 2),
        draw.normal(1, 2, 3),
        draw.normal(1, 2, 3),
        *both(1),
        draw.normal(3, 2),
        draw.normal(3, 2),
        label="both are there",
    )
    yield Case(
        draw.normal(2, 3, 2),
        draw.normal(2, 4, 3),
        draw.normal(2, 2, 3),
        *both(2),
        draw.normal(3, 2),
        draw.normal(3, 4),
        label="both are there, more patches than sounds",
    )
    has_image, has_sound = torch.tensor([True, False, True]), torch.tensor([True, True, False])
    yield Case(
        draw.normal(3, 2, 4),
        draw.normal(3, 5, 3),
        draw.normal(3, 2, 3),
        has_image,
        has_sound,
        draw.normal(3, 4),
        draw.normal(3, 2),
        label="one of them is missing",
    )


_VALUES = "keys and values are joined in different orders: the weight of a patch falls on the value of a sound"
_LATE = "the mask still comes after the softmax: with one modality missing, the weights add up to less than 1"
_POLARITY = "the mask still keeps what is *missing* and drops what is there"

repaired_look = Exercise(
    chapter="17",
    name="repaired_look",
    title="Repair the look",
    minutes=25,
    difficulty=3,
    equation="Eq. 17.1",
    oracle=_repaired_look,
    cases=_look_cases,
    shapes={"words": "N L D"},
    solution=_repaired_look,
    mistakes=[
        Mistake(_left_in(values=True), f"two errors found, one left: {_VALUES}"),
        Mistake(_left_in(late=True), f"two errors found, one left: {_LATE}"),
        Mistake(_left_in(polarity=True), f"two errors found, one left: {_POLARITY}", "Where both are there, that is a softmax over nothing: NaN."),
        Mistake(_left_in(values=True, late=True), "one error found, the mask's polarity; two are left, in its place and in the values"),
        Mistake(_left_in(values=True, polarity=True), "one error found, the mask's place; two are left, in its polarity and in the values"),
        Mistake(_left_in(late=True, polarity=True), "one error found, the values'; two are left, both in the mask"),
        Mistake(_left_in(values=True, late=True, polarity=True), "all three errors are still in it"),
        Mistake(_zeroed_tokens, "missing tokens are set to zero in place of being masked: a zero key has the score 0, which the softmax takes for an ordinary one"),
    ],
    hints=[
        "`interview` asks three questions. Call it after each change: which answer moves?",
        "Where both are there, no mask should change anything, and yet the result is zero. What does `~there` keep? Then follow one patch: in which row of `memory` is its key, in which row is its value?",
        "`values = memory @ w_v`; `scores.masked_fill(~there[:, None], -torch.inf).softmax(-1)`.",
    ],
    afterword="None of the three raises an error, and shapes agree in all of them. `torch.nn.MultiheadAttention` wants True where a key is to be *ignored*, `scaled_dot_product_attention` where it may be seen: that is how a polarity gets lost.",
)  # fmt: skip
