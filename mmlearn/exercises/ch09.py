"""Chapter 09, word vectors: the embedding's gradient, PMI, skip-gram, analogies, byte pairs, packing, and a bug hunt."""

from collections import Counter
from itertools import pairwise

import torch

from mmlearn.models import bpe
from mmlearn.ops.divergence import skip_gram_negative_sampling_backward

from .case import Case
from .exercise import Exercise
from .task import Mistake

__all__ = [
    "complete_analogy",
    "embedding_gradient",
    "learn_merges",
    "pack",
    "pmi",
    "repaired_step",
    "skip_gram_gradient",
]


def _embedding_gradient(grad_output, ids, words):
    gradient = grad_output.new_zeros(words, grad_output.shape[-1])
    return gradient.index_add(0, ids.flatten(), grad_output.flatten(0, -2))


def _embedding_variant(change=lambda grad, ids: grad, add=True, rows=lambda ids, words: words):
    def gradient(grad_output, ids, words):
        flat, grad = ids.flatten(), grad_output.flatten(0, -2)
        table = grad.new_zeros(rows(flat, words), grad.shape[1])
        if add:
            return table.index_add(0, flat, change(grad, flat))
        for place, word in enumerate(flat.tolist()):
            table[word] = grad[place]
        return table

    return gradient


def _embedding_cases(draw):
    yield Case(draw.integers(2, 3), torch.tensor([2, 0]), 4, label="every word once")
    yield Case(draw.integers(3, 2), torch.tensor([1, 3, 1]), 4, label="a word twice")
    yield Case(draw.normal(2, 3, 2), torch.tensor([[0, 4, 4], [4, 1, 0]]), 6, label="two texts")
    yield Case(draw.normal(4, 5, 3), draw.integers(4, 5, low=0, high=6, dtype=torch.int64), 9, label="four texts")


embedding_gradient = Exercise(
    chapter="09",
    name="embedding_gradient",
    title="The gradient of a lookup",
    minutes=15,
    difficulty=1,
    equation="Eq. 9.3",
    oracle=_embedding_gradient,
    cases=_embedding_cases,
    mistakes=[
        Mistake(_embedding_variant(add=False), "where a word comes twice, the later place overwrites the earlier one: the gradients of its places add up", "`table[ids] += grad` reads, adds and writes once for each place, and repeated places are written over: use `index_add` or a loop."),
        Mistake(_embedding_variant(change=lambda grad, ids: grad / torch.bincount(ids)[ids, None]), "a word's gradients are averaged over its places; they add up, like those of every shared weight"),
        Mistake(_embedding_variant(change=lambda grad, ids: grad / len(ids)), "divided by the number of places: the mean belongs to the loss, and the upstream gradient holds it already"),
        Mistake(_embedding_variant(change=lambda grad, ids: torch.ones_like(grad)), "these are counts, how often each word occurs; what is added is the upstream gradient of its places"),
        Mistake(_embedding_variant(rows=lambda ids, words: int(ids.max()) + 1), "the gradient has the shape of the table, with a row of zeros for every word that did not occur"),
        Mistake(_embedding_variant(change=lambda grad, ids: -grad), "the sign is flipped: this is the gradient, not the step against it"),
    ],
    hints=[
        "Begin with zeros of the table's shape, `(words, D)`, and go through the places one by one: whose row does each belong to?",
        "A loop is fine: `gradient[word] += grad_output[place]`. Flatten the ids to `(L,)` and the upstream gradient to `(L, D)` first.",
        "`gradient.index_add(0, ids.flatten(), grad_output.flatten(0, -2))` adds each row to the row that its id names, repeated ids included.",
    ],
    afterword="The same sum as $O^\\top \\bar Y$ (Eq. 9.2), without the one-hot matrix.",
)  # fmt: skip


def _pmi(counts):
    joint = counts / counts.sum()
    return (joint / torch.outer(joint.sum(1), joint.sum(0))).log()


def _pmi_cases(draw):
    yield Case(torch.tensor([[2.0, 1.0], [1.0, 4.0]], dtype=torch.float64), label="two words")
    yield Case(draw.integers(2, 3, low=1, high=9), label="two words, three neighbours")
    yield Case(torch.tensor([[3.0, 0.0], [1.0, 4.0]], dtype=torch.float64), label="a pair that never comes")
    yield Case(draw.integers(5, 5, low=1, high=60), label="five words")


pmi = Exercise(
    chapter="09",
    name="pmi",
    title="Counted company",
    minutes=10,
    difficulty=1,
    equation="Eq. 9.5",
    oracle=_pmi,
    cases=_pmi_cases,
    mistakes=[
        Mistake(lambda counts: (counts / counts.sum()).log(), "this is $\\log P(w,c)$: what independent words would have is not taken off"),
        Mistake(lambda counts: (counts / counts.sum(1, keepdim=True)).log(), "this is $\\log P(c \\mid w)$: a frequent neighbour is near everybody, so divide by $P(c)$ as well"),
        Mistake(lambda counts: (counts / counts.sum(0, keepdim=True)).log(), "this is $\\log P(w \\mid c)$: divide by $P(w)$ as well"),
        Mistake(lambda counts: (counts / torch.outer(counts.sum(1), counts.sum(0))).log(), "counts were put in for probabilities: the total does not cancel, it remains once"),
        Mistake(lambda counts: _pmi(counts) / torch.tensor(2.0).log().to(counts.dtype), "this is in bits; the logarithm here is the natural one"),
        Mistake(lambda counts: (counts / counts.sum() / (counts.sum(1) * counts.sum(0) / counts.sum() ** 2)).log(), "row sums and column sums are multiplied place by place; $P(w)\\,P(c)$ is a table with an entry for every pair: an outer product"),
        Mistake(lambda counts: _pmi(counts).exp(), "this is the ratio itself; PMI is its logarithm"),
        Mistake(lambda counts: _pmi(counts).clamp(min=0), "negative values are cut off: that is *positive* PMI, which comes later; a pair below chance has PMI below 0"),
        Mistake(lambda counts: _pmi(counts).nan_to_num(neginf=0.0), "a pair that never comes has $\\log 0 = -\\infty$; 0 would say that it comes as often as chance has it"),
    ],
    hints=[
        "Three tables: $P(w,c)$, the counts over their sum; $P(w)$, its row sums; $P(c)$, its column sums.",
        "`torch.outer(joint.sum(1), joint.sum(0))` is the table that independent words would have.",
        "`(joint / independent).log()`, and that is all.",
    ],
    afterword="The average of PMI over all pairs, each with its probability, is the mutual information of chapter 14.",
)  # fmt: skip


def _skip_gram_gradient(centre, context, negative):
    one = centre.new_ones(())
    return tuple(skip_gram_negative_sampling_backward(one, centre, context, negative))


def _skip_gram_solution(centre, context, negative):
    N = len(centre)
    right = (torch.sigmoid((context * centre).sum(1)) - 1) / N  # (N,)
    wrong = torch.sigmoid(torch.einsum("nkd,nd->nk", negative, centre)) / N  # (N, K)
    for_centre = right[:, None] * context + torch.einsum("nk,nkd->nd", wrong, negative)
    return for_centre, right[:, None] * centre, wrong[:, :, None] * centre[:, None]


def _skip_gram_variant(right=lambda s: s - 1, wrong=lambda s: s, mean=True, noise=True, average=False, swap=False, terms=False):
    def gradient(centre, context, negative):
        N, K = negative.shape[0] * (1 + terms * negative.shape[1]), negative.shape[1]
        r = right(torch.sigmoid((context * centre).sum(1))) / (N if mean else 1)
        n = (
            wrong(torch.sigmoid(torch.einsum("nkd,nd->nk", negative, centre)))
            / (N if mean else 1)
            / (K if average is True else 1)
        )
        mine, other = r[:, None] * context, r[:, None] * centre
        mine = mine + torch.einsum("nk,nkd->nd", n, negative) * noise / (K if average == "centre" else 1)
        return (other, mine, n[:, :, None] * centre[:, None]) if swap else (mine, other, n[:, :, None] * centre[:, None])

    return gradient


def _skip_gram_cases(draw):
    yield Case(
        draw.integers(1, 2, low=-1, high=2),
        draw.integers(1, 2, low=-1, high=2),
        draw.integers(1, 1, 2, low=-1, high=2),
        label="one pair, one noise word",
    )
    yield Case(draw.normal(1, 3), draw.normal(1, 3), draw.normal(1, 2, 3), label="one pair, two noise words")
    yield Case(draw.normal(2, 3), draw.normal(2, 3), draw.normal(2, 1, 3), label="two pairs")
    yield Case(draw.normal(5, 4), draw.normal(5, 4), draw.normal(5, 3, 4), label="five pairs, three noise words")  # fmt: skip


skip_gram_gradient = Exercise(
    chapter="09",
    name="skip_gram_gradient",
    title="The gradient of skip-gram",
    minutes=25,
    difficulty=2,
    equation="Eq. 9.7",
    oracle=_skip_gram_gradient,
    cases=_skip_gram_cases,
    returns=("for_centre", "for_context", "for_negative"),
    shapes={"centre": "N D", "negative": "N K D"},
    solution=_skip_gram_solution,
    mistakes=[
        Mistake(_skip_gram_variant(mean=False), "the loss is a mean over the N pairs: every gradient is divided by N"),
        Mistake(_skip_gram_variant(right=lambda s: s), "for the real neighbour the factor is $\\sigma(u_o \\cdot v) - 1$, which is negative: the step makes the product larger"),
        Mistake(_skip_gram_variant(right=lambda s: 1 - s), "the sign of the real neighbour's factor is flipped: $1 - \\sigma$ points where the loss falls"),
        Mistake(_skip_gram_variant(wrong=lambda s: s - 1), "the noise words are treated as real ones: their target is 0, so their factor is $\\sigma(u_k \\cdot v)$"),
        Mistake(_skip_gram_variant(wrong=lambda s: -s), "the noise words' sign is flipped: their loss $-\\log\\sigma(-x)$ grows with $x$"),
        Mistake(_skip_gram_variant(noise=False), "the noise words push the centre, too: its gradient has a sum over them"),
        Mistake(_skip_gram_variant(average="centre"), "the centre takes the mean of its noise terms; Eq. 9.7 has their sum, a factor K larger"),
        Mistake(_skip_gram_variant(average=True), "the loss adds its K noise terms, and this takes their mean; the difference is a factor K"),
        Mistake(_skip_gram_variant(terms=True), "divided by $k + 1$ as well: the loss of a pair is the sum of its $k + 1$ terms, and the mean is over the pairs only"),
        Mistake(_skip_gram_variant(swap=True), "the first two are exchanged: the centre moves along $u_o$, the context along $v$"),
    ],
    hints=[
        "One pair first. With $x = u \\cdot v$, the derivative of $-\\log\\sigma(x)$ by $x$ is $\\sigma(x) - 1$, that of $-\\log\\sigma(-x)$ is $\\sigma(x)$.",
        "$x = u \\cdot v$ has the derivative $u$ by $v$ and $v$ by $u$. The centre is in all $1 + K$ products, so it collects from all of them.",
        "`right = (torch.sigmoid((context * centre).sum(1)) - 1) / N` and `wrong = torch.sigmoid(torch.einsum(\"nkd,nd->nk\", negative, centre)) / N`; the rest are products with vectors.",
    ],
    afterword="Each factor is *prediction minus truth*, like $p - t$ in chapter 02: skip-gram is logistic regression, with both sides to learn.",
)  # fmt: skip


def _unit(vectors):
    return vectors / vectors.norm(dim=1, keepdim=True)


def _analogy(vectors, a, b, c):
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    scores = unit @ (unit[b] - unit[a] + unit[c])
    scores[[a, b, c]] = -torch.inf
    return int(scores.argmax())


def _analogy_variant(
    before=_unit, target=lambda v, a, b, c: v[b] - v[a] + v[c], compare=_unit, out=lambda a, b, c: [a, b, c], score=None
):
    def complete(vectors, a, b, c):
        goal = target(before(vectors), a, b, c)
        scores = -(before(vectors) - goal).norm(dim=1) if score == "distance" else compare(vectors) @ goal
        for word in out(a, b, c):
            scores[word] = -torch.inf
        return int(scores.argmax())

    return complete


def _zeroed(vectors, a, b, c):
    unit = _unit(vectors)
    scores = unit @ (unit[b] - unit[a] + unit[c])
    scores[[a, b, c]] = 0.0
    return int(scores.argmax())


def _analogy_cases(draw):
    four = torch.tensor([[1.0, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=torch.float64)
    yield Case(four, 0, 1, 2, label="a parallelogram")
    away = torch.tensor([[1.0, 0], [0, 1], [1, 1], [-1, 0.1], [-1, -1], [0, -1]], dtype=torch.float64)
    yield Case(away, 0, 1, 2, label="every other word points away")
    for words, features in ((7, 2), (8, 3), (9, 3), (12, 4), (12, 4), (15, 5)):
        lengths = 0.3 + 3 * draw.uniform(words, 1)
        yield Case(lengths * draw.normal(words, features), *torch.randperm(words, generator=draw.generator)[:3].tolist())


complete_analogy = Exercise(
    chapter="09",
    name="complete_analogy",
    title="a is to b as c is to …",
    minutes=15,
    difficulty=2,
    equation="Eq. 9.12",
    oracle=_analogy,
    cases=_analogy_cases,
    float32=False,
    mistakes=[
        Mistake(_analogy_variant(out=lambda a, b, c: []), "a, b and c may be the answer here; they are near the target because they made it, and are left out"),
        Mistake(_analogy_variant(out=lambda a, b, c: [c]), "only c is left out; a and b may not be the answer either"),
        Mistake(_analogy_variant(before=lambda v: v, out=lambda a, b, c: []), "two things: a, b and c are added at their own lengths, where Eq. 9.12 takes length 1; and they may be the answer, where they should be left out"),
        Mistake(_zeroed, "a, b and c get the score 0, which beats every negative cosine: give them $-\\infty$"),
        Mistake(_analogy_variant(target=lambda v, a, b, c: v[a] - v[b] + v[c]), "a and b are exchanged: the step goes from a *to* b, $\\hat v_b - \\hat v_a$"),
        Mistake(_analogy_variant(target=lambda v, a, b, c: v[b] + v[c]), "a is not taken off: the step goes *from* a to b, $\\hat v_b - \\hat v_a$"),
        Mistake(_analogy_variant(target=lambda v, a, b, c: v[c]), "a and b are not used: this is the nearest neighbour of c"),
        Mistake(_analogy_variant(compare=lambda v: v), "the candidates are not divided by their lengths, so that long vectors win: a cosine does not depend on them"),
        Mistake(_analogy_variant(before=lambda v: v), "a, b and c are added at their own lengths; Eq. 9.12 brings them to length 1 first"),
        Mistake(_analogy_variant(before=lambda v: v, compare=lambda v: v), "nothing is divided by its length: these are products, not cosines"),
        Mistake(_analogy_variant(score="distance", before=lambda v: v), "this is the nearest in distance, with vectors of all lengths; Eq. 9.12 asks for the largest cosine"),
    ],
    hints=[
        "First `unit = vectors / vectors.norm(dim=1, keepdim=True)`: every word on the sphere of radius 1.",
        "The target is `unit[b] - unit[a] + unit[c]`. Its own length changes all cosines by the same factor, so one product with `unit` ranks the candidates.",
        "Set the scores of a, b and c to `-torch.inf` before `argmax`.",
    ],
    afterword="On the sphere, the largest cosine and the smallest distance name the same word.",
)  # fmt: skip


def _joined(pieces, pair):
    out, i = [], 0
    while i < len(pieces):
        both = tuple(pieces[i : i + 2]) == pair
        out.append("".join(pair) if both else pieces[i])
        i += 2 if both else 1
    return out


def _learn_solution(counts, merges):
    words = {word: [*word, "</w>"] for word in counts}
    learned = []
    for _ in range(merges):
        pairs = Counter()
        for word, pieces in words.items():
            for pair in pairwise(pieces):
                pairs[pair] += counts[word]
        best = max(pairs, key=pairs.get)
        learned.append(best)
        for word, pieces in words.items():
            new = []
            for piece in pieces:  # a piece joins the one before it, if that one still waits
                if new and (new[-1], piece) == best:
                    new[-1] = new[-1] + piece
                else:
                    new.append(piece)
            words[word] = new
    return learned


def _learn_variant(weight=lambda count: count, end=("</w>",), again=True, merge=_joined, best=max, once=False):
    def learn(counts, merges):
        words = {word: [*word, *end] for word in counts}
        learned, pairs = [], Counter()
        for step in range(merges):
            if again or step == 0:
                pairs = Counter()
                for word, pieces in words.items():
                    for pair in set(pairwise(pieces)) if once else pairwise(pieces):
                        pairs[pair] += weight(counts[word])
            chosen = best(pairs, key=pairs.get)
            learned.append(chosen)
            pairs = Counter({pair: count for pair, count in pairs.items() if pair != chosen})
            words = {word: merge(pieces, chosen) for word, pieces in words.items()}
        return learned

    return learn


def _first_only(pieces, pair):
    for i, both in enumerate(pairwise(pieces)):
        if both == pair:
            return [*pieces[:i], "".join(pair), *pieces[i + 2 :]]
    return pieces


def _replaced(pieces, pair):
    return " ".join(pieces).replace(" ".join(pair), "".join(pair)).split()


# At every step one pair is ahead of all others, so that there is one right answer.
_MERGE_CASES = [
    ({"aab": 3}, 0),
    ({"abab": 5, "ab": 2, "b": 4}, 1),
    ({"banana": 8, "nana": 33, "add": 6, "bandana": 16}, 3),
    ({"bandana": 21, "an": 20, "dad": 22, "and": 20, "bans": 26, "bananas": 34, "sand": 6, "nana": 33}, 4),
    ({"tar": 27, "stars": 37, "art": 19, "rings": 25, "star": 34}, 6),
    ({"star": 22, "earth": 33, "heart": 22, "stars": 16, "rest": 14, "trash": 14, "tar": 8, "art": 21, "hearts": 10, "the": 4}, 8),
]  # fmt: skip


learn_merges = Exercise(
    chapter="09",
    name="learn_merges",
    title="Learn the merges",
    minutes=30,
    difficulty=3,
    equation="Eq. 9.14",
    oracle=bpe.learn_merges,
    cases=lambda draw: [Case(dict(counts), merges) for counts, merges in _MERGE_CASES],
    float32=False,
    solution=_learn_solution,
    mistakes=[
        Mistake(_learn_variant(weight=lambda count: 1), "each word counts once here; a pair in a frequent word counts as often as the word occurs"),
        Mistake(_learn_variant(once=True), "a pair that stands twice in a word counts once here; $n_{ab}(w)$ is the number of its places"),
        Mistake(_learn_variant(end=()), "the end of the word is missing: each word ends in a piece of its own, `</w>`"),
        Mistake(_learn_variant(again=False), "the pairs are counted once, at the start; every merge changes which pairs there are, so count anew"),
        Mistake(_learn_variant(merge=lambda pieces, pair: pieces), "the chosen pair is not joined in the words, so that no piece ever has more than one character"),
        Mistake(_learn_variant(merge=_first_only), "only the first place of the pair in a word is joined; it may occur again further on, as in *banana*"),
        Mistake(_learn_variant(merge=_replaced), "joined by replacing text: in `an a</w>` the text `n a` is found across two pieces that are not the pair; compare whole pieces"),
        Mistake(_learn_variant(best=min), "this joins the rarest pair"),
    ],
    hints=[
        "Keep each word as a list of pieces: `words = {word: [*word, \"</w>\"] for word in counts}`.",
        "In each round count all pairs of neighbouring pieces with a `Counter`, adding `counts[word]` for each; `max(pairs, key=pairs.get)` is the most frequent.",
        "Join from left to right: append each piece to a new list, unless the last one there and this one are the pair; then lengthen the last one.",
    ],
    afterword="To cut a new word, join the same pairs in the same order. No word is unknown, as long as its characters are known.",
)  # fmt: skip


def _pack(sequences):
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    order = torch.argsort(lengths, descending=True, stable=True)
    steps = range(int(lengths.max()))
    data = torch.cat([torch.stack([sequences[n][t] for n in order.tolist() if len(sequences[n]) > t]) for t in steps])
    return data, torch.tensor([int((lengths > t).sum()) for t in steps]), order


def _pack_variant(
    sort=lambda lengths: torch.argsort(lengths, descending=True, stable=True),
    rows="time",
    sizes="alive",
    order=lambda order: order,
):
    def packed(sequences):
        lengths = torch.tensor([len(sequence) for sequence in sequences])
        by, steps = sort(lengths), range(int(lengths.max()))
        if rows == "padded":
            filled = [
                torch.cat([sequences[n], sequences[n].new_zeros(len(steps) - len(sequences[n]), *sequences[n].shape[1:])])
                for n in by.tolist()
            ]
            data = torch.stack(filled, 1).flatten(0, 1)
        elif rows == "text":
            data = torch.cat([sequences[n] for n in by.tolist()])
        else:
            data = torch.cat([torch.stack([sequences[n][t] for n in by.tolist() if len(sequences[n]) > t]) for t in steps])
        alive = torch.tensor([int((lengths > t).sum()) for t in steps])
        late = torch.tensor([int((lengths >= t).sum()) for t in steps])
        return data, {"alive": alive, "lengths": lengths[by], "late": late}[sizes], order(by)

    return packed  # fmt: skip


def _pack_cases(draw):
    yield Case([draw.integers(2, 2), draw.integers(1, 2)], label="already sorted")
    yield Case([draw.integers(1, 2), draw.integers(3, 2), draw.integers(2, 2)], label="three lengths")
    yield Case([draw.normal(length, 3) for length in (2, 5, 1, 5, 3)], label="two of one length")


pack = Exercise(
    chapter="09",
    name="pack",
    title="Pack a batch",
    minutes=20,
    difficulty=2,
    oracle=_pack,
    cases=_pack_cases,
    returns=("data", "batch_sizes", "order"),
    mistakes=[
        Mistake(_pack_variant(sort=lambda lengths: torch.arange(len(lengths))), "the sequences are not sorted: the longest comes first, so that those still running are always the first ones"),
        Mistake(_pack_variant(sort=lambda lengths: torch.argsort(lengths, stable=True)), "the shortest comes first here; sort by falling length"),
        Mistake(_pack_variant(rows="text"), "the data go sequence by sequence; a recurrent layer needs all first steps together, then all second steps"),
        Mistake(_pack_variant(rows="padded"), "the data still hold zeros for the places behind the ends: packing leaves them out"),
        Mistake(_pack_variant(sizes="lengths"), "these are the lengths; `batch_sizes[t]` says how many sequences are longer than $t$"),
        Mistake(_pack_variant(sizes="late"), "a sequence of length $T_n$ has the steps $0 \\dots T_n - 1$: at step $t$ those with $T_n > t$ are running, not $T_n \\ge t$"),
        Mistake(_pack_variant(order=torch.argsort), "this is the inverse order, which brings the sorted sequences back; asked for is which sequence stands in each place"),
    ],
    hints=[
        "Sort first: `order = torch.argsort(lengths, descending=True, stable=True)`. Equal lengths keep their order with `stable=True`.",
        "At step $t$ collect `sequences[n][t]` of every sequence in that order that is longer than $t$. How many are they? That is `batch_sizes[t]`.",
        "`torch.stack` the vectors of one step, and `torch.cat` the steps.",
    ],
    afterword="`torch.nn.utils.rnn.pack_sequence(…, enforce_sorted=False)` makes the same three and calls the order `sorted_indices`.",
)  # fmt: skip


def _step(words, contexts, centre, context, negative, lr, overwrite=False, moved=False, mean=False):
    """A step of skip-gram, with some of the published one's three errors left in."""
    words, contexts = words.clone(), contexts.clone()
    v, u, n = words[centre], contexts[context], contexts[negative]
    right = torch.sigmoid((u * v).sum(1)) - 1
    wrong = torch.sigmoid(torch.einsum("nkd,nd->nk", n, v)) / (negative.shape[1] if mean else 1)
    for_v = right[:, None] * u + torch.einsum("nk,nkd->nd", wrong, n)

    def change(table, ids, gradient):
        if not overwrite:
            return table.index_add_(0, ids, gradient, alpha=-lr)
        for place, word in enumerate(ids.tolist()):
            gradient[place] = table[word] - lr * gradient[place]
        for place, word in enumerate(ids.tolist()):
            table[word] = gradient[place]
        return table

    change(words, centre, for_v)
    v = words[centre] if moved else v
    change(contexts, context, right[:, None] * v)
    change(contexts, negative.flatten(), (wrong[:, :, None] * v[:, None]).flatten(0, 1))
    return words, contexts


def _repaired(words, contexts, centre, context, negative, lr):
    return _step(words, contexts, centre, context, negative, lr)


def _repaired_solution(words, contexts, centre, context, negative, lr):
    words, contexts = words.clone(), contexts.clone()
    v, u, n = words[centre], contexts[context], contexts[negative]
    right = torch.sigmoid((u * v).sum(1)) - 1  # (N,)
    wrong = torch.sigmoid((n * v[:, None]).sum(2))  # (N, K), a sum over the noise words, not a mean
    for_centre = right[:, None] * u + (wrong[:, :, None] * n).sum(1)
    for_negative = (wrong[:, :, None] * v[:, None]).flatten(0, 1)  # with v as it was before the step
    words.index_add_(0, centre, for_centre, alpha=-lr)  # repeated words collect
    contexts.index_add_(0, context, right[:, None] * v, alpha=-lr)
    contexts.index_add_(0, negative.flatten(), for_negative, alpha=-lr)
    return words, contexts


def _left(**errors):
    return lambda words, contexts, centre, context, negative, lr: _step(words, contexts, centre, context, negative, lr, **errors)


def _averaged(words, contexts, centre, context, negative, lr):
    return _step(words, contexts, centre, context, negative, lr / len(centre))


def _step_cases(draw):
    def ids(*shape, high=6):
        return draw.integers(*shape, low=0, high=high, dtype=torch.int64)

    yield Case(
        draw.normal(3, 2),
        draw.normal(3, 2),
        torch.tensor([1]),
        torch.tensor([0]),
        torch.tensor([[2]]),
        0.5,
        label="one pair, one noise word",
    )
    yield Case(
        draw.normal(5, 2),
        draw.normal(5, 2),
        torch.tensor([1]),
        torch.tensor([0]),
        torch.tensor([[2, 4]]),
        0.5,
        label="one pair, two noise words",
    )
    yield Case(
        draw.normal(4, 2),
        draw.normal(4, 2),
        torch.tensor([1, 1]),
        torch.tensor([0, 2]),
        torch.tensor([[3], [1]]),
        0.5,
        label="a word twice",
    )
    yield Case(draw.normal(6, 3), draw.normal(6, 3), ids(8), ids(8), ids(8, 3), 0.2, label="eight pairs")  # fmt: skip


_OVERWRITE = "where a word comes twice, one of its steps is lost: `table[ids] -= …` writes each row once"
_MOVED = "the contexts step along the centre *after* it has moved: all gradients belong to the vectors before the step"
_MEAN = "the noise words are averaged: the loss of Eq. 9.6 adds them, and with a mean the $\\log k$ of Eq. 9.10 is gone"

repaired_step = Exercise(
    chapter="09",
    name="repaired_step",
    title="Repair it",
    minutes=20,
    difficulty=3,
    equation="Eq. 9.7",
    oracle=_repaired,
    cases=_step_cases,
    returns=("words", "contexts"),
    solution=_repaired_solution,
    mistakes=[
        Mistake(_left(overwrite=True), f"two errors found, one left: {_OVERWRITE}"),
        Mistake(_left(moved=True), f"two errors found, one left: {_MOVED}"),
        Mistake(_left(mean=True), f"two errors found, one left: {_MEAN}"),
        Mistake(_left(overwrite=True, moved=True), "one error found, that of the noise words; two are left, both in how the tables are written"),
        Mistake(_left(overwrite=True, mean=True), "one error found, that of the moved centre; two are left: what happens to repeated words, and how much do the noise words count?"),
        Mistake(_left(moved=True, mean=True), "one error found, that of repeated words; two are left: which vectors do the gradients belong to, and how much do the noise words count?"),
        Mistake(_averaged, "the gradients are averaged over the pairs; the published step adds them, and that is no error of it"),
        Mistake(_left(overwrite=True, moved=True, mean=True), "all three errors are still in it"),
    ],
    hints=[
        "Compare with autograd on three batches: one pair with one noise word; one pair with two; two pairs with the same centre. Which error does each bring to light?",
        "Compute every gradient first, from the tables as they were; then write.",
        "`words.index_add_(0, centre, gradient, alpha=-lr)` subtracts from every named row, repeated ones included. And the noise words' terms are a sum.",
    ],
    afterword="The released word2vec program collects the centre's step in a variable of its own (neu1e) and adds it last, for the second of these reasons.",
)  # fmt: skip
