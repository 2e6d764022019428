"""Chapter 10, attention and the transformer: attention, its gradient, masks, heads, a bug hunt, rotary places and patches."""

import math

import torch
import torch.nn.functional as F

from .case import Case
from .exercise import Exercise
from .task import Mistake

__all__ = [
    "attention",
    "attention_gradients",
    "may_attend",
    "multi_head",
    "patches",
    "repaired_attention",
    "rotate",
]


def _attention(query, key, value):
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # (…, L, S)
    return scores.softmax(-1) @ value  # (…, L, d_v)


def _attention_variant(scale=lambda q, k: math.sqrt(q.shape[-1]), dim=-1, weights=lambda s, dim: s.softmax(dim), after=False):
    def attention(query, key, value):
        scores, size = query @ key.mT, scale(query, key)
        if after:
            return weights(scores, dim) / size @ value
        return weights(scores / size, dim) @ value

    return attention


def _scaled_by_values(query, key, value):
    return (query @ key.mT / math.sqrt(value.shape[-1])).softmax(-1) @ value


def _attention_cases(draw):
    yield Case(draw.integers(1, 4), draw.integers(2, 4), draw.integers(2, 1), label="one query, two keys")
    yield Case(draw.normal(3, 4), draw.normal(5, 4), draw.normal(5, 2), label="three queries, five keys")
    yield Case(draw.normal(2, 3, 4, 6), draw.normal(2, 3, 7, 6), draw.normal(2, 3, 7, 5), label="a batch with heads")


attention = Exercise(
    chapter="10",
    name="attention",
    title="A soft lookup",
    minutes=15,
    difficulty=1,
    equation="Eq. 10.1",
    oracle=_attention,
    cases=_attention_cases,
    solution=_attention,
    mistakes=[
        Mistake(_attention_variant(scale=lambda q, k: 1), "the scores are not divided by $\\sqrt{d}$"),
        Mistake(_attention_variant(scale=lambda q, k: q.shape[-1]), "the scores are divided by $d$; it is its root that keeps their size"),
        Mistake(_scaled_by_values, "the scores are divided by the root of the *value's* width: $d$ is the width of queries and keys, whose product it tames"),
        Mistake(_attention_variant(scale=lambda q, k: math.sqrt(k.shape[-2])), "the scores are divided by the root of the number of keys: $d$ is the number of features, the *last* size of `query`"),
        Mistake(_attention_variant(scale=lambda q, k: 1 / math.sqrt(q.shape[-1])), "the scores are multiplied by $\\sqrt{d}$ in place of divided by it"),
        Mistake(_attention_variant(dim=-2), "the softmax runs over the queries: here each *key* hands out shares of itself, and the weights of a query need not add up to 1", "`dim=-1` is the axis of the keys."),
        Mistake(_attention_variant(after=True), "the softmax comes before the division: then the weights of a query add up to $1/\\sqrt{d}$"),
        Mistake(_attention_variant(weights=lambda s, dim: s), "the softmax is missing: these are scores, not weights"),
        Mistake(_attention_variant(weights=lambda s, dim: F.one_hot(s.argmax(dim), s.shape[dim]).to(s)), "this takes the best key alone, as a dictionary would; attention takes from all, by their softmax"),
    ],
    hints=[
        "Three steps: scores $(…, L, S)$, weights of the same shape, then $(…, L, V)$.",
        "`key.mT` exchanges the last two axes: `query @ key.mT` holds every query's product with every key.",
        "`scores = query @ key.mT / math.sqrt(query.shape[-1])`, then `scores.softmax(-1) @ value`.",
    ],
    afterword="There is no parameter in it. What a transformer learns is where queries, keys and values come from.",
)  # fmt: skip


def _gradients(grad_output, query, key, value):
    scale = 1 / math.sqrt(query.shape[-1])
    weights = (query @ key.mT * scale).softmax(-1)  # P (…, L, S)
    grad_weights = grad_output @ value.mT  # dP (…, L, S)
    inner = (grad_weights * weights).sum(-1, keepdim=True)  # (…, L, 1)
    grad_scores = weights * (grad_weights - inner)  # dS (…, L, S)
    return grad_scores @ key * scale, grad_scores.mT @ query * scale, weights.mT @ grad_output


def _gradients_variant(
    inner=lambda dp, p: (dp * p).sum(-1, keepdim=True),
    scales=(True, True),
    outer=lambda p, centred: p * centred,
    value=lambda p, dp, do: p.mT @ do,
    inside=True,
):
    def attention_gradients(grad_output, query, key, value_):
        s = 1 / math.sqrt(query.shape[-1])
        p = (query @ key.mT * (s if inside else 1)).softmax(-1)
        dp = grad_output @ value_.mT
        ds = outer(p, dp - inner(dp, p))
        first, second = (s if used else 1 for used in scales)
        return ds @ key * first, ds.mT @ query * second, value(p, dp, grad_output)

    return lambda grad_output, query, key, value: attention_gradients(grad_output, query, key, value)


def _exchanged(grad_output, query, key, value):
    grad_query, grad_key, grad_value = _gradients(grad_output, query, key, value)
    return grad_query, grad_value, grad_key


def _gradient_cases(draw):
    yield Case(draw.integers(1, 1), draw.integers(1, 4), draw.integers(2, 4), draw.integers(2, 1), label="one query, two keys")
    yield Case(draw.normal(3, 2), draw.normal(3, 4), draw.normal(5, 4), draw.normal(5, 2), label="three queries, five keys")
    yield Case(
        draw.normal(2, 3, 4, 5),
        draw.normal(2, 3, 4, 6),
        draw.normal(2, 3, 7, 6),
        draw.normal(2, 3, 7, 5),
        label="a batch with heads",
    )


attention_gradients = Exercise(
    chapter="10",
    name="attention_gradients",
    title="Attention, backwards",
    minutes=30,
    difficulty=3,
    equation="Eq. 10.5",
    oracle=_gradients,
    cases=_gradient_cases,
    returns=("∂L/∂Q", "∂L/∂K", "∂L/∂V"),
    solution=_gradients,
    mistakes=[
        Mistake(_gradients_variant(inner=lambda dp, p: 0), "the softmax's Jacobian is not diagonal: $dS = P \\odot dP$ forgets that a weight can only grow at the others' expense", "Subtract, row by row, the sum of $P \\odot dP$."),
        Mistake(_gradients_variant(inner=lambda dp, p: (dp * p).sum(-2, keepdim=True)), "the sum runs over the queries; each query has a softmax of its own, over the keys: `sum(-1, keepdim=True)`"),
        Mistake(_gradients_variant(inner=lambda dp, p: dp.sum(-1, keepdim=True)), "the sum in the middle is of $dP$ alone: it is a mean under the weights, $\\sum_j P_{ij}\\,dP_{ij}$"),
        Mistake(_gradients_variant(inner=lambda dp, p: dp.mean(-1, keepdim=True)), "the mean in the middle is a plain one: it is taken under the weights, $\\sum_j P_{ij}\\,dP_{ij}$"),
        Mistake(_gradients_variant(outer=lambda p, centred: centred), "the factor $P$ in front is missing: $dS = P \\odot (dP - \\ldots)$"),
        Mistake(_gradients_variant(scales=(False, False)), "the factor $1/\\sqrt{d}$ is missing in $dQ$ and $dK$: the scores were divided by $\\sqrt{d}$"),
        Mistake(_gradients_variant(scales=(True, False)), "$dK$ lacks the factor $1/\\sqrt{d}$"),
        Mistake(_gradients_variant(scales=(False, True)), "$dQ$ lacks the factor $1/\\sqrt{d}$"),
        Mistake(_gradients_variant(value=lambda p, dp, do: dp.mT @ do), "$dV$ is made with $dP$: what weighed the values on the way forward was $P$"),
        Mistake(_exchanged, "the gradients are right and in another order: return $dQ$, $dK$, $dV$"),
        Mistake(_gradients_variant(inside=False), "the weights themselves are computed without $1/\\sqrt{d}$"),
    ],
    hints=[
        "Backwards through $O = PV$ first: two matrix products, as for a linear layer: $dV = P^\\top dO$ and $dP = dO\\,V^\\top$.",
        "Then through the softmax, row by row: `weights * (grad_weights - inner)` with `inner = (grad_weights * weights).sum(-1, keepdim=True)`.",
        "Then through the scores $QK^\\top/\\sqrt{d}$: $dQ = dS\\,K/\\sqrt{d}$ and $dK = dS^\\top Q/\\sqrt{d}$.",
    ],
    afterword="`inner` is also the row sum of $O \\odot dO$, which needs no matrix of size $L \\times S$. FlashAttention (Dao et al. 2022) uses that.",
)  # fmt: skip


def _may_attend(lengths, size, causal):
    place = torch.arange(size)
    real = place < lengths[:, None, None]  # (N, 1, T): is the key a token?
    allowed = real.expand(-1, size, -1)  # (N, T, T)
    return allowed & (place <= place[:, None]) if causal else allowed.clone()


def _mask_variant(
    real=lambda place, lengths: place < lengths[:, None, None],
    past=lambda place: place <= place[:, None],
    joined=torch.logical_and,
    change=lambda mask: mask,
    causal_used=True,
):
    def may_attend(lengths, size, causal):
        place = torch.arange(size)
        mask = real(place, lengths).expand(len(lengths), size, size)
        return change(joined(mask, past(place)) if causal and causal_used else mask.clone())

    return may_attend


def _mask_cases(draw):
    yield Case(torch.tensor([2]), 2, False, label="a full text")
    yield Case(torch.tensor([2]), 3, False, label="one place of padding")
    yield Case(torch.tensor([3]), 3, True, label="causal, no padding")
    yield Case(torch.tensor([1, 4, 3]), 4, False, label="three texts")
    yield Case(torch.tensor([2, 5, 1, 0]), 5, True, label="causal, with padding and an empty text")


may_attend = Exercise(
    chapter="10",
    name="may_attend",
    title="Who may look at whom",
    minutes=15,
    difficulty=2,
    equation="Eq. 10.6",
    oracle=_may_attend,
    cases=_mask_cases,
    float32=False,
    solution=_may_attend,
    mistakes=[
        Mistake(_mask_variant(change=lambda mask: ~mask), "True and False are exchanged: here True means *may* attend (`torch.nn.MultiheadAttention` has it the other way round)"),
        Mistake(_mask_variant(real=lambda place, lengths: place <= lengths[:, None, None]), "one place of padding is let in: a text of length $n$ has the places $0 \\ldots n-1$"),
        Mistake(_mask_variant(real=lambda place, lengths: place[:, None] < lengths[:, None, None]), "the mask closes the *rows* of padding: what must not be looked at are padded keys, which are columns"),
        Mistake(_mask_variant(past=lambda place: place >= place[:, None]), "the triangle is the wrong one: this looks at the future only"),
        Mistake(_mask_variant(past=lambda place: place < place[:, None]), "a token may look at itself: otherwise the first one may look at nothing"),
        Mistake(_mask_variant(joined=torch.logical_or), "padding *and* the future are forbidden: both conditions must hold, `&`"),
        Mistake(_mask_variant(real=lambda place, lengths: torch.ones_like(place < lengths[:, None, None])), "`lengths` changes nothing: nobody may look at a key from `lengths[n]` on"),
        Mistake(_mask_variant(causal_used=False), "`causal` changes nothing: with it, query $i$ may look at the keys $0 \\ldots i$ alone"),
        Mistake(_mask_variant(real=lambda place, lengths: (place < lengths[:, None, None]) & (place[:, None] < lengths[:, None, None])), "rows of padding are closed, too. It is the *columns* that protect the text; what padded queries compute is thrown away later"),
    ],
    hints=[
        "`place = torch.arange(size)` numbers the keys. Compare it with `lengths[:, None, None]` and look at the shape.",
        "A condition about keys is constant down each column. The causal one compares a key's place with the query's: `place <= place[:, None]`.",
        "`(place < lengths[:, None, None]).expand(-1, size, -1)`, and for `causal` that `& (place <= place[:, None])`.",
    ],
    afterword="A text of length 0 has no key: its rows are all False, and a plain softmax over them is 0/0. The course's functions return zeros there.",
)  # fmt: skip


def _multi_head(x, w_q, w_k, w_v, w_o):
    q = torch.einsum("ntd,hde->nhte", x, w_q)  # (N, h, T, d)
    k = torch.einsum("ntd,hde->nhte", x, w_k)
    v = torch.einsum("ntd,hde->nhte", x, w_v)
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)  # (N, h, T, T)
    return torch.einsum("nhqk,nhke,hed->nqd", weights, v, w_o)  # (N, T, D)


def _heads_variant(
    scale=lambda q, x, h: q.shape[-1], dim=-1, change=lambda q, k, v, o: (q, k, v, o), merge=lambda y: y.sum(1), averaged=False
):
    def multi_head(x, w_q, w_k, w_v, w_o):
        h = len(w_q)
        w_q, w_k, w_v, w_o = change(w_q, w_k, w_v, w_o)
        q, k, v = (torch.einsum("ntd,hde->nhte", x, w) for w in (w_q, w_k, w_v))
        weights = (q @ k.mT / math.sqrt(scale(q, x, h))).softmax(dim)
        weights = weights.mean(1, keepdim=True).expand_as(weights) if averaged else weights
        return merge(torch.einsum("nhte,hed->nhtd", weights @ v, w_o))

    return multi_head


def _first_head(q, k, v, o):
    return q[:1].expand_as(q), k[:1].expand_as(k), v, o


def _head_cases(draw):
    def weights(heads, D, d):
        return *(draw.normal(heads, D, d) for _ in range(3)), draw.normal(heads, d, D)

    yield Case(draw.normal(1, 2, 4), *weights(1, 4, 4), label="one head")
    yield Case(draw.normal(1, 3, 4), *weights(2, 4, 2), label="two heads")
    yield Case(draw.normal(3, 5, 6), *weights(3, 6, 4), label="three heads that do not fill D")


multi_head = Exercise(
    chapter="10",
    name="multi_head",
    title="Several heads",
    minutes=20,
    difficulty=2,
    equation="Eq. 10.7",
    oracle=_multi_head,
    cases=_head_cases,
    shapes={"x": "N T D"},
    solution=_multi_head,
    mistakes=[
        Mistake(_heads_variant(scale=lambda q, x, h: x.shape[-1]), "the scores are divided by $\\sqrt{D}$: within a head, queries have $d$ features, the last size of `w_q`"),
        Mistake(_heads_variant(scale=lambda q, x, h: 1), "the scores are not divided by $\\sqrt{d}$"),
        Mistake(_heads_variant(scale=lambda q, x, h: h * q.shape[-1]), "the scores are divided by $\\sqrt{h\\,d}$: each head has only its own $d$ features"),
        Mistake(_heads_variant(dim=1), "the softmax runs over the heads: each query shares its attention among the *keys*, in every head anew"),
        Mistake(_heads_variant(dim=-2), "the softmax runs over the queries; it belongs on the last axis, the keys"),
        Mistake(_heads_variant(merge=lambda y: y.mean(1)), "the heads are averaged: Eq. 10.7 is their sum"),
        Mistake(_heads_variant(merge=lambda y: y[:, 0]), "only the first head arrives"),
        Mistake(_heads_variant(change=_first_head), "all heads attend as the first one does"),
        Mistake(_heads_variant(averaged=True), "the attention weights are averaged over the heads: each head mixes its own values under its own weights"),
        Mistake(_heads_variant(change=lambda q, k, v, o: (k, q, v, o)), "queries and keys are exchanged: then $P_{ij}$ says how much $j$ looks at $i$"),
    ],
    hints=[
        "Give every letter one meaning: `n` example, `t` token, `d` feature of the token, `h` head, `e` feature within the head.",
        '`q = torch.einsum("ntd,hde->nhte", x, w_q)`, and so for keys and values. The weights are `(N, h, T, T)`.',
        'At the end one einsum mixes, projects and sums over the heads: `"nhqk,nhke,hed->nqd"`. A letter that is missing behind the arrow is summed over.',
    ],
    afterword="`MultiHeadAttention` in `mmlearn.models.transformer` computes the same, with the heads' matrices stacked into one.",
)  # fmt: skip


def _published(x, w_q, w_k, w_v, w_o, heads, mask, cut=False, axis=-1, late=False):
    """The published layer with some of its errors left in."""
    N, T, D = x.shape

    def split(y):
        return y.view(N, heads, T, D // heads) if cut else y.view(N, T, heads, D // heads).transpose(1, 2)

    q, k, v = split(x @ w_q), split(x @ w_k), split(x @ w_v)
    scores = q @ k.mT / math.sqrt(D // heads)
    keys = mask[:, None, None]
    if late:
        weights = scores.softmax(axis) * keys
    else:
        weights = scores.masked_fill(~keys, -torch.inf).softmax(axis)  # NaN down a masked column with axis = −2
    return (weights @ v).transpose(1, 2).reshape(N, T, D) @ w_o


def _repaired(x, w_q, w_k, w_v, w_o, heads, mask):
    N, T, D = x.shape
    q = (x @ w_q).view(N, T, heads, D // heads).transpose(1, 2)  # (N, h, T, d)
    k = (x @ w_k).view(N, T, heads, D // heads).transpose(1, 2)
    v = (x @ w_v).view(N, T, heads, D // heads).transpose(1, 2)
    scores = q @ k.mT / math.sqrt(D // heads)  # (N, h, T, T)
    scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
    weights = scores.softmax(dim=-1)
    return (weights @ v).transpose(1, 2).reshape(N, T, D) @ w_o


def _repair_cases(draw):
    def weights(D):
        return (draw.normal(D, D) for _ in range(4))

    yield Case(draw.normal(1, 2, 2), *weights(2), 1, torch.ones(1, 2, dtype=torch.bool), label="one head, no padding")
    yield Case(draw.normal(1, 3, 2), *weights(2), 1, torch.tensor([[True, True, False]]), label="one head, padding")
    yield Case(draw.normal(2, 3, 4), *weights(4), 2, torch.ones(2, 3, dtype=torch.bool), label="two heads, no padding")
    padded = torch.arange(5) < torch.tensor([5, 2, 4])[:, None]
    yield Case(draw.normal(3, 5, 6), *weights(6), 3, padded, label="three heads, padding")


def _left(**errors):
    return lambda x, w_q, w_k, w_v, w_o, heads, mask: _published(x, w_q, w_k, w_v, w_o, heads, mask, **errors)


def _scaled_by_all(x, w_q, w_k, w_v, w_o, heads, mask):
    """Right but for a scale of √D."""
    return _repaired(x, w_q / math.sqrt(heads), w_k, w_v, w_o, heads, mask)


def _renormalised(x, w_q, w_k, w_v, w_o, heads, mask):
    """The mask after the softmax, over the right axis, and then the rows are not divided by their sum but the tokens are zeroed."""
    return _repaired(x * mask[..., None], w_q, w_k, w_v, w_o, heads, torch.ones_like(mask))


_CUT = "`view(N, heads, T, …)` still cuts each text into pieces of tokens: first `(N, T, heads, d)`, then exchange the two axes"
_AXIS = "the softmax still runs over the queries (where a key is masked, its whole column is −∞, and the softmax of that is NaN)"
_LATE = "the mask still comes after the softmax, so that the weights of a query do not add up to 1"

repaired_attention = Exercise(
    chapter="10",
    name="repaired_attention",
    title="Repair it",
    minutes=25,
    difficulty=3,
    equation="Eq. 10.7",
    oracle=_repaired,
    cases=_repair_cases,
    shapes={"x": "N T D"},
    solution=_repaired,
    mistakes=[
        Mistake(_left(cut=True), f"two errors found, one left: {_CUT}"),
        Mistake(_left(axis=-2), f"two errors found, one left: {_AXIS}"),
        Mistake(_left(late=True), f"two errors found, one left: {_LATE}"),
        Mistake(_left(cut=True, axis=-2), "one error found, the mask's; two are left, in the heads and in the softmax"),
        Mistake(_left(cut=True, late=True), "one error found, the softmax's axis; two are left, in the heads and in the mask"),
        Mistake(_left(axis=-2, late=True), "one error found, the heads'; two are left, both about the weights"),
        Mistake(_left(cut=True, axis=-2, late=True), "all three errors are still in it"),
        Mistake(_scaled_by_all, "the three errors are gone, but the scale has become $1/\\sqrt{D}$; each head has $D/h$ features"),
        Mistake(_renormalised, "padded tokens are set to zero instead of being masked: a zero key has the score 0, which the softmax takes for an ordinary one"),
    ],
    hints=[
        "Call `interview` with one change at a time. Which of its three numbers moves when there are two heads? When there is padding? When the words differ?",
        "Equal values must come back unchanged, for any weights that add up to 1: print `weights.sum(-1)`. Then ask where in the code the mask would have to act so that the sum stays 1.",
        "`.view(N, T, heads, D // heads).transpose(1, 2)`; `scores.masked_fill(~mask[:, None, None], -torch.inf)`; `softmax(dim=-1)`.",
    ],
    afterword="With each of the three, a network still learns something: the linear layers around it make do with what they get.",
)  # fmt: skip


def _rotate(x, positions, base=10000.0):
    D = x.shape[-1]
    omega = base ** (-torch.arange(0, D, 2, dtype=x.dtype) / D)  # (D/2,)
    angle = positions[:, None] * omega  # (T, D/2)
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1).flatten(-2)


def _rotate_variant(
    sign=1,
    omega=lambda D, base, i: base ** (-i / D),
    halves=False,
    places=lambda positions: positions,
    add=False,
    step=2,
):
    def rotate(x, positions, base=10000.0):
        D = x.shape[-1]
        i = torch.arange(0, D, 2, dtype=x.dtype) * (step / 2)
        angle = sign * places(positions)[:, None] * omega(D, base, i)
        a, b = x.chunk(2, -1) if halves else (x[..., ::2], x[..., 1::2])
        first, second = a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()
        if add:
            first, second = a + angle.sin(), b + angle.cos()
        return torch.cat([first, second], -1) if halves else torch.stack([first, second], -1).flatten(-2)

    return rotate


def _reflected(x, positions, base=10000.0):
    """(a cos − b sin, b cos − a sin): no rotation."""
    D = x.shape[-1]
    angle = positions[:, None] * base ** (-torch.arange(0, D, 2, dtype=x.dtype) / D)
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack([a * angle.cos() - b * angle.sin(), b * angle.cos() - a * angle.sin()], -1).flatten(-2)


def _concatenated(x, positions, base=10000.0):
    """Pairs of neighbours, turned rightly, but written one after the other."""
    turned = _rotate(x, positions, base)
    return torch.cat([turned[..., ::2], turned[..., 1::2]], -1)


def _rotate_cases(draw):
    yield Case(
        torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64),
        torch.tensor([0.0, 1.0], dtype=torch.float64),
        label="two places, one pair",
    )
    yield Case(draw.normal(3, 4), torch.arange(3, dtype=torch.float64), label="three places, two pairs")
    yield Case(draw.normal(2, 2, 5, 6), torch.tensor([7.0, 8.0, 2.0, 0.0, 30.0], dtype=torch.float64), base=100.0, label="heads, other places, another base")  # fmt: skip


rotate = Exercise(
    chapter="10",
    name="rotate",
    title="Rotary places",
    minutes=20,
    difficulty=2,
    equation="Eq. 10.12",
    oracle=_rotate,
    cases=_rotate_cases,
    solution=_rotate,
    mistakes=[
        Mistake(_rotate_variant(sign=-1), "it turns the other way: the second number gets $+x_a \\sin$, the first $-x_b \\sin$"),
        Mistake(_rotate_variant(halves=True), "the pairs are $(x_i, x_{i + D/2})$, as some published weights expect; Eq. 10.12 pairs *neighbours*"),
        Mistake(_rotate_variant(omega=lambda D, base, i: torch.ones_like(i)), "all pairs turn equally fast: $\\omega_i$ is missing"),
        Mistake(_rotate_variant(omega=lambda D, base, i: base ** (i / D)), "the exponent's sign: $\\omega_i = b^{-2i/D}$, the first pair is the fastest"),
        Mistake(_rotate_variant(step=1), "the exponent is $-2i/D$ for pair $i$; here it is $-i/D$"),
        Mistake(_rotate_variant(step=4), "the exponent has the factor 2 twice: `torch.arange(0, D, 2)` is $2i$ already"),
        Mistake(_rotate_variant(places=lambda p: torch.arange(len(p), dtype=p.dtype)), "`positions` is ignored: row $t$ of `x` stands at `positions[t]`"),
        Mistake(_rotate_variant(add=True), "this adds sines and cosines, which is Eq. 10.10; rotary places *turn* what is there"),
        Mistake(_reflected, "the second number must be $x_a \\sin + x_b \\cos$: with a minus it is no rotation, and lengths change"),
        Mistake(_concatenated, "the pairs are turned rightly but not put back between each other: `torch.stack([…], -1).flatten(-2)`"),
    ],
    hints=[
        "One angle for each place and each pair: shape $(T, D/2)$.",
        "`omega = base ** (-torch.arange(0, D, 2, dtype=x.dtype) / D)`, `angle = positions[:, None] * omega`.",
        "`a, b = x[..., ::2], x[..., 1::2]`; the turned pairs go back with `torch.stack([…, …], -1).flatten(-2)`.",
    ],
    afterword="Nothing is added and no length changes. Only products of a query and a key feel it, and those feel the distance alone.",
)  # fmt: skip


def _patches(images, patch):
    N, C, H, W = images.shape
    rows, columns = H // patch, W // patch
    x = images.reshape(N, C, rows, patch, columns, patch)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(N, rows * columns, C * patch * patch)


def _patches_variant(order):
    def patches(images, patch):
        N, C, H, W = images.shape
        x = images.reshape(N, C, H // patch, patch, W // patch, patch)
        return x.permute(order).reshape(N, (H // patch) * (W // patch), C * patch * patch)

    return patches


def _straight(images, patch):
    N, C, H, W = images.shape
    return images.reshape(N, (H // patch) * (W // patch), C * patch * patch)


def _patch_cases(draw):
    counting = torch.arange(16, dtype=torch.float64).view(1, 1, 4, 4)
    yield Case(counting, 2, label="4×4, one channel")
    yield Case(draw.integers(1, 2, 2, 4), 2, label="two channels")
    yield Case(draw.normal(2, 3, 6, 9), 3, label="not square")


patches = Exercise(
    chapter="10",
    name="patches",
    title="A picture as a sentence",
    minutes=15,
    difficulty=2,
    equation="Eq. 10.13",
    oracle=_patches,
    cases=_patch_cases,
    shapes={"images": "N C H W"},
    solution=_patches,
    mistakes=[
        Mistake(_straight, "a `reshape` alone cuts the picture into strips of pixels that follow each other in memory, not into squares", "First split both sides, then bring the axes into order, then join."),
        Mistake(_patches_variant((0, 2, 4, 3, 5, 1)), "within a patch the channel comes last; Eq. 10.13 has channel, row, column"),
        Mistake(_patches_variant((0, 4, 2, 1, 3, 5)), "the patches are read column by column; Eq. 10.13 goes row by row"),
        Mistake(_patches_variant((0, 2, 4, 1, 5, 3)), "each patch is transposed: its rows come before its columns"),
        Mistake(_patches_variant((0, 3, 5, 1, 2, 4)), "each row holds the pixels of one *place within* the patches: the two kinds of axes are exchanged"),
        Mistake(lambda images, patch: F.unfold(images, patch, stride=patch), "`F.unfold` puts the patches into columns, $(N, C p^2, T)$: tokens come first here"),
        Mistake(lambda images, patch: F.unfold(images, patch).transpose(1, 2), "these windows overlap: without `stride=patch` there is one at every pixel"),
    ],
    hints=[
        "Split $H$ into $(H/p, p)$ and $W$ into $(W/p, p)$: six axes.",
        "Which two of the six number the patches? They go behind $N$, row first. The other three go behind them: channel, row, column.",
        "`x.reshape(N, C, H // p, p, W // p, p).permute(0, 2, 4, 1, 3, 5)`, then `reshape` to three axes.",
    ],
    afterword="With a linear layer behind it, this is a convolution with kernel $p$ and stride $p$ (section 8 checks it).",
)  # fmt: skip
