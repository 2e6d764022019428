"""Chapter 18, alignment: one clock, canonical correlation, two bug hunts, the contrastive loss, its temperature, recall, names."""

import torch
import torch.nn.functional as F

from .case import Case
from .exercise import Exercise
from .task import Mistake

__all__ = [
    "by_temperature",
    "canonical_correlations",
    "class_cosines",
    "contrastive_loss",
    "interpolate",
    "recall",
    "repaired_agreement",
    "repaired_cca",
]


def _interpolate(values, times, new_times):
    after = torch.searchsorted(times, new_times).clamp(1, len(times) - 1)  # (M,)
    before = after - 1
    weight = (new_times - times[before]) / (times[after] - times[before])
    return values[before] + weight * (values[after] - values[before])


def _interpolate_variant(weight=lambda w: w, between=lambda a, b, w: a + w * (b - a), ticks=lambda t: t):
    def interpolate(values, times, new_times):
        after = torch.searchsorted(times, new_times).clamp(1, len(times) - 1)
        before = after - 1
        w = (new_times - times[before]) / ticks(times[after] - times[before])
        return between(values[before], values[after], weight(w))

    return interpolate


def _even_ticks(values, times, new_times):
    """As if the measurements were evenly spread between the first and the last."""
    return _interpolate(values, torch.linspace(times[0].item(), times[-1].item(), len(times), dtype=times.dtype), new_times)


def _time_cases(draw):
    def times(*numbers):
        return torch.tensor(numbers, dtype=torch.float64)

    yield Case(times(0, 10), times(0, 2), times(0.5, 1, 1.5), label="two measurements")
    yield Case(times(4, 8, 0), times(0, 1, 4), times(0.5, 1, 2.5, 4), label="uneven ticks")
    yield Case(times(1, 2, 4, 8), times(10, 10.5, 13, 13.2), times(13.1, 10.2, 12, 10), label="the clock does not start at 0")
    ticks = draw.uniform(8, low=0.1, high=2).cumsum(0)
    yield Case(draw.normal(8), ticks, ticks[0] + draw.uniform(12) * (ticks[-1] - ticks[0]), label="random")


interpolate = Exercise(
    chapter="18",
    name="interpolate",
    title="On another clock",
    minutes=15,
    difficulty=1,
    equation="Eq. 18.1",
    oracle=_interpolate,
    cases=_time_cases,
    shapes={"values": "T", "new_times": "M"},
    solution=_interpolate,
    mistakes=[
        Mistake(_interpolate_variant(weight=lambda w: 1 - w), "the two weights are exchanged: close to $t_k$ the value must be close to $x_k$"),
        Mistake(_interpolate_variant(weight=lambda w: w.round()), "this takes the nearest measurement, which jumps half way; Eq. 18.1 goes along a straight line"),
        Mistake(_interpolate_variant(weight=lambda w: torch.zeros_like(w)), "this holds the last measurement until the next comes; Eq. 18.1 moves towards the next"),
        Mistake(_interpolate_variant(weight=lambda w: torch.full_like(w, 0.5)), "this is the mean of both neighbours, wherever the moment lies between them"),
        Mistake(_even_ticks, "the measurements are treated as evenly spaced: use their `times`"),
        Mistake(_interpolate_variant(ticks=torch.ones_like), "the weight is not divided by $t_{k+1} - t_k$, so that it leaves 0 … 1 where the ticks are not one second apart"),
        Mistake(_interpolate_variant(between=lambda a, b, w: w * (b - a)), "$x_k$ itself is missing: this is the change since $t_k$ alone"),
        Mistake(lambda values, times, new_times: _interpolate(values, times - times[0], new_times), "the clock is moved to 0 and the new times are not"),
    ],
    hints=[
        "Which two measurements enclose a moment? `torch.searchsorted(times, new_times)` counts the measurements before it.",
        "`after = torch.searchsorted(times, new_times).clamp(1, len(times) - 1)` and `before = after - 1`. The clamp serves a moment that coincides with the first measurement.",
        "`weight = (new_times - times[before]) / (times[after] - times[before])`, then `values[before] + weight * (values[after] - values[before])`.",
    ],
    afterword="A straight line is a claim about what nobody measured. `data.align` says how long its longest one is.",
)  # fmt: skip


def _covariances(x, y, centre=lambda t: t - t.mean(0)):
    x, y = centre(x), centre(y)
    return x.T @ x / len(x), y.T @ y / len(y), x.T @ y / len(x)


def _root(matrix):
    """Σ^(−1/2), the matrix's."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.rsqrt()) @ vectors.T


def _canonical_correlations(x, y):
    x, y = x - x.mean(0), y - y.mean(0)  # (N, Dx), (N, Dy)
    u, v = torch.linalg.qr(x).Q, torch.linalg.qr(y).Q  # orthonormal columns that span the same
    return torch.linalg.svdvals(u.T @ v)


def _correlations_variant(centre=lambda t: t - t.mean(0), root=_root, change=lambda values: values):
    def canonical_correlations(x, y):
        xx, yy, xy = _covariances(x, y, centre)
        return change(torch.linalg.svdvals(root(xx) @ xy @ root(yy)))

    return canonical_correlations


def _two_counts(x, y):
    """Σxx and Σyy by torch.cov, Σxy divided by N."""
    xy = _covariances(x, y)[2]
    return torch.linalg.svdvals(_root(torch.cov(x.T).reshape(len(xy), -1)) @ xy @ _root(torch.cov(y.T).reshape(xy.shape[1], -1)))


def _pairwise(x, y):
    """The sorted correlations of feature i with feature i."""
    k = min(x.shape[1], y.shape[1])
    both = torch.stack([torch.corrcoef(torch.stack([x[:, i], y[:, i]]))[0, 1] for i in range(k)])
    return both.abs().sort(descending=True).values


def _table_cases(draw):
    def tables(n, dx, dy, label, offset=0.0):
        hidden = draw.normal(n, 2)
        x = hidden @ draw.uniform(2, dx, low=0.3, high=1.5) + 0.6 * draw.normal(n, dx) + offset
        y = hidden @ draw.uniform(2, dy, low=0.3, high=1.5) + 0.6 * draw.normal(n, dy) - offset
        return Case(x, y, label=label)

    yield tables(6, 1, 1, "one feature each")
    yield tables(12, 2, 2, "two features each")
    yield tables(40, 2, 2, "two features each, far from 0", offset=5.0)
    yield tables(60, 3, 2, "three features and two", offset=1.0)
    yield tables(80, 3, 4, "three features and four")


canonical_correlations = Exercise(
    chapter="18",
    name="canonical_correlations",
    title="Which directions agree",
    minutes=25,
    difficulty=2,
    equation="Eq. 18.5",
    oracle=_canonical_correlations,
    cases=_table_cases,
    shapes={"x": "N Dx", "y": "N Dy"},
    tolerance=1e-6,
    float32=False,
    solution=_canonical_correlations,
    mistakes=[
        Mistake(_correlations_variant(centre=lambda t: t), "the columns are not centred: subtract the mean of each first"),
        Mistake(_correlations_variant(centre=lambda t: t - t.mean()), "the mean of *all* numbers is subtracted: each column has a mean of its own, `x.mean(0)`"),
        Mistake(_correlations_variant(centre=lambda t: t - t.mean(1, keepdim=True)), "each row is centred; a covariance needs centred columns, `x.mean(0)`"),
        Mistake(_correlations_variant(root=lambda m: m.abs().sqrt().inverse()), "the square root is taken number by number: $\\Sigma^{1/2}$ is a matrix whose *product* with itself is $\\Sigma$", "The next hunt is for this mistake. `torch.linalg.eigh`, then the root of the eigenvalues."),
        Mistake(_correlations_variant(root=lambda m: m.rsqrt()), "each number of the covariance is put under a root and inverted; $\\Sigma^{-1/2}$ is a matrix, from the eigenvalues"),
        Mistake(_two_counts, "two of the covariances are divided by $N-1$ and the third by $N$ (`torch.cov` takes $N-1$): use one number for all three"),
        Mistake(_correlations_variant(root=lambda m: torch.linalg.cholesky(m).inverse()), "the Cholesky factor is no symmetric root: its inverse stands transposed on the right side, $L_x^{-1}\\Sigma_{xy}L_y^{-\\top}$"),
        Mistake(_correlations_variant(root=torch.linalg.inv), "the covariances are inverted whole, without the root: each appears once on each side, so half of it is enough"),
        Mistake(_correlations_variant(root=lambda m: m.diagonal().rsqrt().diag()), "each feature is divided by its standard deviation alone: the features must not only have variance 1 but also be uncorrelated among themselves"),
        Mistake(_correlations_variant(root=lambda m: torch.eye(len(m), dtype=m.dtype)), "these are the singular values of $\\Sigma_{xy}$ itself, *covariances*: without whitening, large features win"),
        Mistake(_correlations_variant(change=torch.square), "these are $\\rho^2$: the eigenvalues of $\\Sigma_{xx}^{-1}\\Sigma_{xy}\\Sigma_{yy}^{-1}\\Sigma_{yx}$; take the root"),
        Mistake(_correlations_variant(change=lambda values: values.flip(0)), "the largest comes first"),
        Mistake(_pairwise, "feature $i$ of $x$ is compared with feature $i$ of $y$; CCA looks for the best *mixtures* of features"),
    ],
    hints=[
        "Centre the columns. Then three covariance matrices: $\\Sigma_{xx}$, $\\Sigma_{yy}$ and $\\Sigma_{xy}$.",
        "$\\Sigma^{-1/2}$: `values, vectors = torch.linalg.eigh(sigma)`, then `(vectors * values.rsqrt()) @ vectors.T`. Shorter, without any root: the columns of `torch.linalg.qr(x).Q` span what those of `x` span, and are orthonormal.",
        "`torch.linalg.svdvals` of $\\Sigma_{xx}^{-1/2}\\Sigma_{xy}\\Sigma_{yy}^{-1/2}$, or of `qr(x).Q.T @ qr(y).Q` with centred columns.",
    ],
    afterword="With `qr` (hint 2) it reads geometrically: canonical correlations are the cosines of the principal angles between two subspaces. Eq. 11.7 gives their sines.",
)  # fmt: skip


def _directions(x, y, k, centre=lambda t: t - t.mean(0), root=_root, turned=True):
    xx, yy, xy = _covariances(x, y, centre)
    rx, ry = root(xx), root(yy)
    u, _, vh = torch.linalg.svd(rx @ xy @ ry)
    return rx @ u[:, :k], ry @ (vh.T if turned else vh)[:, :k]


def _repaired_cca(x, y, k):
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    xx, yy, xy = x.T @ x / len(x), y.T @ y / len(y), x.T @ y / len(x)

    def inverse_root(matrix):
        values, vectors = torch.linalg.eigh(matrix)
        return vectors @ torch.diag(values**-0.5) @ vectors.T

    rx, ry = inverse_root(xx), inverse_root(yy)
    u, _, vh = torch.linalg.svd(rx @ xy @ ry)
    return rx @ u[:, :k], ry @ vh.T[:, :k]


_WRONG = {"centre": lambda t: t - t.mean(), "root": lambda m: m.abs().sqrt().inverse(), "turned": False}


def _left_in(*errors):
    """The published CCA with these of its errors."""
    options = {name: _WRONG[name] for name in errors}
    return lambda x, y, k: _directions(x, y, k, **options)


def _call_cca(answer, x, y, k):
    """What the directions measure, freed from their signs: |covariance| of the 2k variates with each other."""
    found = answer(x, y, k)
    if not (isinstance(found, (tuple, list)) and len(found) == 2 and all(isinstance(w, torch.Tensor) for w in found)):
        return found
    if tuple(found[0].shape) != (x.shape[1], k) or tuple(found[1].shape) != (y.shape[1], k):
        return tuple(found)
    a, b = (x - x.mean(0)) @ found[0], (y - y.mean(0)) @ found[1]  # (N, k)
    return (a.T @ a / len(a)).abs(), (b.T @ b / len(b)).abs(), (a.T @ b / len(a)).abs()


def _hunt_cases(draw):
    for case in _table_cases(draw):
        x, y = case.args
        if x.shape[1] > 1:
            yield Case(x, y, 2, label=case.label)


_CENTRE = "the mean of all numbers is subtracted in place of each column's own"
_ELEMENTWISE = "the square root is still taken number by number, of a matrix that is not diagonal"
_TURNED = "`torch.linalg.svd` returns $V^\\top$: its rows, not its columns, are the directions"

repaired_cca = Exercise(
    chapter="18",
    name="repaired_cca",
    title="Repair the CCA",
    minutes=25,
    difficulty=3,
    equation="Eq. 18.5",
    oracle=_repaired_cca,
    cases=_hunt_cases,
    call=_call_cca,
    returns=("covariances of the x-variates", "covariances of the y-variates", "covariances of x- with y-variates"),
    tolerance=1e-6,
    noise=1e-8,
    float32=False,
    solution=_repaired_cca,
    mistakes=[
        Mistake(_left_in("centre"), f"two errors found, one left: {_CENTRE}"),
        Mistake(_left_in("root"), f"two errors found, one left: {_ELEMENTWISE}"),
        Mistake(_left_in("turned"), f"two errors found, one left: {_TURNED}"),
        Mistake(_left_in("centre", "root"), "one error found, that of the svd; two are left, in the centring and in the root"),
        Mistake(_left_in("centre", "turned"), "one error found, the root's; two are left, in the centring and in the directions of $y$"),
        Mistake(_left_in("root", "turned"), "one error found, the centring's; two are left, in the root and in the directions of $y$"),
        Mistake(_left_in("centre", "root", "turned"), "all three errors are still in it"),
        Mistake(lambda x, y, k: _directions(x, y, k, centre=lambda t: t), "the centring is gone altogether; each column's own mean must be taken off, `x.mean(dim=0)`"),
        Mistake(lambda x, y, k: _directions(x, y, k, root=lambda m: m.diagonal().rsqrt().diag()), "the root is now that of the variances alone: then the features keep their correlations among each other"),
        Mistake(lambda x, y, k: _directions(x, y, k, root=torch.linalg.inv), "the covariances are inverted without a root"),
    ],
    hints=[
        "Three facts must hold for the variates on the training data: variance 1, no correlation within a side, and across the sides only in pairs. Which do not, and for which of the two sides?",
        "`(rx @ xx @ rx)` must be the identity matrix: print it. And read in torch's documentation what the third result of `torch.linalg.svd` is.",
        "`x.mean(dim=0)`; `values, vectors = torch.linalg.eigh(matrix)` and `vectors @ torch.diag(values ** -0.5) @ vectors.T`; `vh.T[:, :k]`.",
    ],
    afterword="The wrong root passes every test on features that are uncorrelated already, and on one feature. Test with two that are not.",
)  # fmt: skip


def _contrastive_loss(image, text, scale):
    scores = scale * image @ text.T  # (N, N)
    right = torch.arange(len(scores))
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def _both(scores):
    right = torch.arange(len(scores))
    return F.cross_entropy(scores, right), F.cross_entropy(scores.T, right)


def _loss_of(scores=lambda image, text, scale: scale * image @ text.T, join=lambda rows, columns: (rows + columns) / 2):
    return lambda image, text, scale: join(*_both(scores(image, text, scale)))


def _unit(values):
    return values / values.norm(dim=-1, keepdim=True)


def _pair_cases(draw):
    eye = torch.eye(2, dtype=torch.float64)
    yield Case(eye, eye, 1.0, label="two pairs, each its own direction")
    yield Case(eye, torch.tensor([[1.0, 0], [1, 0]], dtype=torch.float64), 2.0, label="two pictures, one text for both")
    yield Case(_unit(draw.normal(3, 2)), _unit(draw.normal(3, 2)), 5.0, label="three pairs")
    yield Case(_unit(draw.normal(6, 4)), _unit(draw.normal(6, 4)), 10.0, label="six pairs")


contrastive_loss = Exercise(
    chapter="18",
    name="contrastive_loss",
    title="Which text belongs to which picture",
    minutes=15,
    difficulty=1,
    equation="Eq. 18.7",
    oracle=_contrastive_loss,
    cases=_pair_cases,
    shapes={"image": "N D"},
    solution=_contrastive_loss,
    mistakes=[
        Mistake(_loss_of(join=lambda rows, columns: rows), "only the rows are asked, picture → text; the columns, text → picture, count as much"),
        Mistake(_loss_of(join=lambda rows, columns: columns), "only the columns are asked, text → picture; the rows, picture → text, count as much"),
        Mistake(_loss_of(join=lambda rows, columns: rows + columns), "the factor ½ is missing: the loss is the mean of both directions"),
        Mistake(_loss_of(join=lambda rows, columns: -(rows + columns) / 2), "the sign is flipped: this is to be made small"),
        Mistake(_loss_of(scores=lambda i, t, s: i @ t.T), "`scale` changes nothing: the scores are $s$ times the cosines"),
        Mistake(_loss_of(scores=lambda i, t, s: i @ t.T / s), "the cosines are divided by the scale: $s = 1/\\tau$ multiplies"),
        Mistake(lambda i, t, s: sum(_both(s * i @ t.T)) / 2 * len(i), "the pairs are added up: the loss is their mean"),
        Mistake(lambda i, t, s: -((s * i @ t.T).log_softmax(1) + (s * i @ t.T).log_softmax(0)).mean() / 2, "the mean runs over all $N^2$ pairs: only the diagonal is to be made probable"),
        Mistake(lambda i, t, s: 1 - ((s * i @ t.T).softmax(1) + (s * i @ t.T).softmax(0)).diagonal().mean() / 2, "this is one minus the probabilities; the loss is minus their *logarithm*"),
        Mistake(lambda i, t, s: -((s * i @ t.T).flatten().log_softmax(0).view(len(i), -1)).diagonal().mean(), "one softmax runs over all $N^2$ scores; each row has one of its own, and each column"),
        Mistake(_loss_of(scores=lambda i, t, s: -s * torch.cdist(i, t)), "these are distances; Eq. 18.7 has cosines, $s\\,\\mathbf a_i\\cdot\\mathbf b_j$"),
    ],
    hints=[
        "One matrix holds it all: $N$ pictures down, $N$ texts across.",
        "Row $i$ is a classification problem with $N$ classes, and the right one is $i$. `F.cross_entropy(scores, torch.arange(N))` is its loss. And the columns?",
        "`(F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2` with `scores = scale * image @ text.T`.",
    ],
    afterword="Every other pair of the batch serves as a wrong answer, at the price of one matrix product.",
)  # fmt: skip


def _by_temperature(image, text, temperature):
    cosines = image @ text.T  # (N, N)
    scores = cosines / temperature
    shares = (scores.softmax(1) + scores.softmax(0)) / (2 * len(image))  # sum to 1
    return (cosines.diagonal().mean() - (shares * cosines).sum()) / temperature**2


def _gradient_of(
    outer=lambda tau: 1 / tau**2,
    shares=lambda s: (s.softmax(1) + s.softmax(0)) / (2 * len(s)),
    right=lambda c: c.diagonal().mean(),
    measure=lambda c, tau: c,
):
    def by_temperature(image, text, temperature):
        cosines = image @ text.T
        scores, what = cosines / temperature, measure(cosines, temperature)
        return (right(what) - (shares(scores) * what).sum()) * outer(temperature)

    return by_temperature


def _temperature_cases(draw):
    for case in _pair_cases(draw):
        image, text, scale = case.args
        yield Case(image, text, 1 / scale if scale > 1 else 0.8, label=case.label)


by_temperature = Exercise(
    chapter="18",
    name="by_temperature",
    title="How sharp should it be",
    minutes=20,
    difficulty=2,
    equation="Eq. 18.9",
    oracle=_by_temperature,
    cases=_temperature_cases,
    shapes={"image": "N D"},
    solution=_by_temperature,
    mistakes=[
        Mistake(_gradient_of(outer=lambda tau: -1 / tau**2), "the sign is flipped: $\\partial s/\\partial\\tau = -1/\\tau^2$ turns *expected minus true* into *true minus expected*"),
        Mistake(_gradient_of(outer=lambda tau: -1.0), "this is $\\partial L/\\partial s$, by the scale; the chain rule adds $\\partial s/\\partial\\tau = -1/\\tau^2$"),
        Mistake(_gradient_of(outer=lambda tau: 1.0), "the factor $1/\\tau^2$ is missing"),
        Mistake(_gradient_of(outer=lambda tau: 1 / tau), "this is the derivative by $\\log \\tau$: the factor is $1/\\tau^2$ for $\\tau$ itself"),
        Mistake(_gradient_of(measure=lambda c, tau: c / tau), "the scores are averaged in place of the cosines: there is a $1/\\tau$ too many"),
        Mistake(_gradient_of(shares=lambda s: s.softmax(1) / len(s)), "only the rows are asked: the columns' softmax has the other half"),
        Mistake(_gradient_of(shares=lambda s: s.softmax(0) / len(s)), "only the columns are asked: the rows' softmax has the other half"),
        Mistake(_gradient_of(shares=lambda s: torch.full_like(s, 1 / s.numel())), "the expected cosine is a plain mean over all pairs; it is taken under the model's shares, $\\pi_{ij}$"),
        Mistake(_gradient_of(shares=lambda s: s.softmax(1) + s.softmax(0)), "the shares do not add up to 1: divide by $2N$"),
        Mistake(_gradient_of(right=lambda c: c.mean()), "the first term is the mean over all pairs; it is the mean over the *true* pairs, the diagonal"),
        Mistake(_gradient_of(right=lambda c: c.diagonal().sum()), "the cosines of the true pairs are added up: take their mean"),
    ],
    hints=[
        "Two numbers: the mean cosine of the true pairs, and the cosine that the model expects, $\\sum_{ij}\\pi_{ij}\\cos_{ij}$.",
        "$\\pi = (P + Q)/2N$: the softmax of the scores by rows and by columns. It adds up to 1.",
        "`(cosines.diagonal().mean() - (shares * cosines).sum()) / temperature**2`",
    ],
    afterword="At the best temperature both numbers are equal: the model then expects just the cosine that true pairs have.",
)  # fmt: skip


def _recall(similarity, k):
    right = similarity.diagonal()[:, None]  # (N, 1)
    above, tied = (similarity > right).sum(1), (similarity == right).sum(1)  # (N,): tied counts the right item itself
    return ((k - above) / tied).clamp(0, 1).mean()


def _recall_of(hits):
    def recall(similarity, k):
        right = similarity.diagonal()[:, None]
        return hits((similarity > right).sum(1), (similarity == right).sum(1), k).double().mean()

    return recall


def _call_recall(answer, similarity, k):
    """Any number will do."""
    found = answer(similarity, k)
    plain = isinstance(found, (int, float)) and not isinstance(found, bool)
    if plain or (isinstance(found, torch.Tensor) and found.ndim == 0 and found.dtype != torch.bool):
        return torch.tensor(float(found), dtype=torch.float64)
    return found


def _recall_cases(draw):
    yield Case(torch.tensor([[3.0, 1, 2], [0, 1, 2], [5, 4, 3]], dtype=torch.float64), 1, label="one of three is first")
    yield Case(torch.tensor([[3.0, 1, 2], [0, 1, 2], [5, 4, 3]], dtype=torch.float64), 2, label="the same, K = 2")
    yield Case(torch.zeros(4, 4, dtype=torch.float64), 1, label="all similarities equal")
    yield Case(torch.zeros(4, 4, dtype=torch.float64), 3, label="all similarities equal, K = 3")
    yield Case(torch.tensor([[2.0, 2, 2], [2, 1, 1], [0, 1, 1]], dtype=torch.float64), 2, label="some ties")
    yield Case(draw.normal(9, 9), 3, label="no ties")
    yield Case(draw.integers(12, 12, low=0, high=4), 4, label="many ties")


recall = Exercise(
    chapter="18",
    name="recall",
    title="Among the first K",
    minutes=20,
    difficulty=2,
    equation="Eq. 18.12",
    oracle=_recall,
    cases=_recall_cases,
    call=_call_recall,
    shapes={"similarity": "N N"},
    float32=False,
    tolerance=1e-5,
    solution=_recall,
    mistakes=[
        Mistake(_recall_of(lambda above, tied, k: above < k), "ties are all decided in your favour: an encoder that maps everything to one point would score 100 %"),
        Mistake(_recall_of(lambda above, tied, k: above + tied <= k), "ties are all decided against you: where the right item is tied with others, it comes first *sometimes*; score the average over all orders"),
        Mistake(lambda similarity, k: (similarity.topk(k, 1).indices == torch.arange(len(similarity))[:, None]).any(1).double().mean(), "`topk` decides ties by the accident of their place; score the average over all orders of tied items"),
        Mistake(lambda similarity, k: (similarity.argsort(1, descending=True, stable=True)[:, :k] == torch.arange(len(similarity))[:, None]).any(1).double().mean(), "sorting leaves tied items in the order of their numbers, which is an accident; score the average over all orders"),
        Mistake(lambda similarity, k: _recall(similarity.T, k), "the columns are asked: a query is a *row*, and its items stand across"),
        Mistake(lambda similarity, k: ((k - (similarity > similarity.diagonal()).sum(1)) / (similarity == similarity.diagonal()).sum(1)).clamp(0, 1).mean(), "the diagonal runs along the rows here: item $j$ is compared with what query $j$ gave its own; query $i$'s right item belongs to row $i$, `similarity.diagonal()[:, None]`"),
        Mistake(_recall_of(lambda above, tied, k: ((k - above) / (tied - 1).clamp(min=1)).clamp(0, 1)), "the right item itself belongs to the tied ones: with one other level with it, it comes first in half of the orders"),
        Mistake(lambda similarity, k: _recall(-similarity, k), "the smallest come first: the largest similarity is the best"),
        Mistake(_recall_of(lambda above, tied, k: ((k - 1 - above) / tied).clamp(0, 1)), "off by one: with nothing above it, the right item is the first, and K = 1 finds it"),
        Mistake(_recall_of(lambda above, tied, k: ((k + 1 - above) / tied).clamp(0, 1)), "off by one: this looks at the first $K + 1$ items"),
        Mistake(lambda similarity, k: _recall(similarity, 1), "`k` changes nothing: this is R@1"),
        Mistake(lambda similarity, k: _recall(similarity, k) * len(similarity), "this is the *number* of queries; recall is their share"),
        Mistake(lambda similarity, k: _recall(similarity, k) / k, "divided by $K$: that is precision, the share of right ones among the $K$; recall asks whether the right one is there"),
        Mistake(_recall_of(lambda above, tied, k: (k - above) / tied), "a share below 0 or above 1: clamp each query's to 0 … 1"),
    ],
    hints=[
        "The right item of query $i$ is item $i$: its similarity is `similarity.diagonal()`. How many items are strictly above it, and how many are level with it?",
        "Of $K$ places, those above take theirs first. The rest, $K -$ above, is shared among the tied ones in random order: with what probability does the right one get one?",
        "`((k - above) / tied).clamp(0, 1).mean()`, where `tied` counts the right item itself.",
    ],
    afterword="For a constant similarity this gives $K/N$, what guessing finds. `argmax` gives whatever the first column happens to be.",
)  # fmt: skip


def _class_cosines(images, prompts):
    images = images / images.norm(dim=-1, keepdim=True)
    prompts = prompts / prompts.norm(dim=-1, keepdim=True)
    classes = prompts.mean(1)  # (K, D)
    classes = classes / classes.norm(dim=-1, keepdim=True)
    return images @ classes.T


def _cosines_of(images=_unit, prompts=_unit, join=lambda p: p.mean(1), classes=_unit):
    return lambda i, p: images(i) @ classes(join(prompts(p))).T


def _prompt_cases(draw):
    eye = torch.eye(2, dtype=torch.float64)
    yield Case(torch.tensor([[3.0, 4.0]], dtype=torch.float64), eye[:, None], label="one wording of two classes")
    yield Case(eye, torch.tensor([[[1.0, 0], [0, 1]], [[0, 2], [0, 2]]], dtype=torch.float64), label="two wordings")
    yield Case(draw.normal(3, 4), draw.normal(2, 3, 4), label="three wordings")
    yield Case(draw.normal(5, 6), draw.normal(4, 2, 6), label="four classes")


class_cosines = Exercise(
    chapter="18",
    name="class_cosines",
    title="Classes by their names",
    minutes=15,
    difficulty=2,
    equation="Eq. 18.15",
    oracle=_class_cosines,
    cases=_prompt_cases,
    shapes={"images": "N D", "prompts": "K P D"},
    solution=_class_cosines,
    mistakes=[
        Mistake(_cosines_of(classes=lambda c: c), "the mean of unit vectors is shorter than 1, the more so the less the wordings agree: give each class's mean length 1 again"),
        Mistake(_cosines_of(prompts=lambda p: p), "the wordings are averaged before they have length 1: the longest vector decides"),
        Mistake(_cosines_of(images=lambda i: i), "the pictures' vectors are not brought to length 1: these are no cosines"),
        Mistake(_cosines_of(prompts=lambda p: F.normalize(p, dim=1)), "`dim=1` of (K, P, D) runs over the *wordings*: each wording needs length 1 along its features, `dim=-1` (`F.normalize` takes 1 unless told)"),
        Mistake(lambda i, p: i @ p.mean(1).T, "nothing is brought to length 1: these are no cosines"),
        Mistake(lambda i, p: torch.einsum("nd,kpd->nkp", _unit(i), _unit(p)).amax(2), "this takes the best wording of each class; average the wordings' vectors"),
        Mistake(_cosines_of(join=lambda p: p[:, 0]), "only the first wording of each class is used"),
        Mistake(_cosines_of(join=lambda p: p.flatten(0, 1)), "each wording is its own class here: average over the wordings, axis 1"),
        Mistake(lambda i, p: _class_cosines(i, p).softmax(1), "these are probabilities; asked for are the cosines"),
        Mistake(lambda i, p: _class_cosines(i, p).T, "the result is the wrong way round: pictures down, classes across"),
    ],
    hints=[
        "`v / v.norm(dim=-1, keepdim=True)` gives every vector along the last axis the length 1.",
        "Three times: the pictures; each wording; and the mean of a class's wordings, whose length is below 1.",
        "`classes = prompts.mean(1)` after the wordings have length 1; bring `classes` to length 1; then `images @ classes.T`.",
    ],
    afterword="A class costs one forward pass of the text encoder. That is how a model can have classes that nobody trained.",
)  # fmt: skip


def _agreement(image, text):
    a = image / image.norm(dim=1, keepdim=True)
    b = text / text.norm(dim=1, keepdim=True)
    return 1 - (a * b).sum(dim=1).mean()


def _agreement_of(cut=False, held=lambda image, text: (image, text), dim=1, join=lambda cosines: 1 - cosines.mean()):
    def agreement(image, text):
        image, text = held(image, text)
        a, b = image / image.norm(dim=dim, keepdim=True), text / text.norm(dim=dim, keepdim=True)
        loss = join((a * b).sum(dim=1))
        return loss.detach() if cut else loss

    return agreement


def _call_agreement(answer, image, text):
    """The loss and what reaches both features; zeros where nothing does."""
    leaves = [image.detach().clone().requires_grad_(), text.detach().clone().requires_grad_()]
    loss = answer(*leaves)
    if isinstance(loss, (int, float)) and not isinstance(loss, bool):
        loss = torch.tensor(float(loss), dtype=image.dtype)
    if not isinstance(loss, torch.Tensor) or loss.ndim:
        return loss
    reached = loss.requires_grad and loss.grad_fn is not None
    grads = torch.autograd.grad(loss, leaves, allow_unused=True) if reached else (None, None)
    filled = (torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, grads, strict=True))
    return loss.detach().to(image.dtype), *filled


def _agreement_cases(draw):
    yield Case(
        torch.tensor([[3.0, 4.0], [0, 2]], dtype=torch.float64),
        torch.tensor([[4.0, 3.0], [0, 1]], dtype=torch.float64),
        label="two pairs",
    )
    yield Case(draw.normal(3, 2), draw.normal(3, 2), label="three pairs")
    yield Case(draw.normal(5, 4), draw.normal(5, 4), label="five pairs")


def _no_text(image, text):
    return image, text.detach()


_CUT = "no gradient reaches the features: `.item()`, `float(…)` and `torch.tensor([…])` make a new number that knows nothing of its origin"
_HELD = "the text's features are still detached: only the pictures move, and the texts never come to meet them"
_COLUMNS = "`dim=0` brings each *feature* to length 1 over the batch: a cosine needs each example's vector at length 1, `dim=1`"

repaired_agreement = Exercise(
    chapter="18",
    name="repaired_agreement",
    title="Repair the agreement",
    minutes=20,
    difficulty=2,
    oracle=_agreement,
    cases=_agreement_cases,
    call=_call_agreement,
    returns=("loss", "gradient of image", "gradient of text"),
    shapes={"image": "N D"},
    tolerance=1e-5,  # so that a number that went through 32 bits is still named
    solution=_agreement,
    mistakes=[
        Mistake(_agreement_of(cut=True, dim=0), "the errors are still in it: " + _CUT, "And the lengths are taken over the wrong axis."),
        Mistake(_agreement_of(cut=True), "the value is right, and " + _CUT, "Ask `loss.requires_grad`."),
        Mistake(_agreement_of(held=_no_text, dim=0), "one error found, two left: " + _HELD, "And the lengths are taken over the wrong axis."),
        Mistake(_agreement_of(held=_no_text), "two errors found, one left: " + _HELD),
        Mistake(_agreement_of(dim=0), "two errors found, one left: " + _COLUMNS),
        Mistake(lambda i, t: 1 - F.cosine_similarity(i, t, dim=0).mean(), "`dim=0` takes the cosine of each *feature* over the batch; a pair is a row, `dim=1`"),
        Mistake(_agreement_of(held=lambda i, t: (i.detach(), t)), "now the pictures' features are detached: only the texts move"),
        Mistake(_agreement_of(join=lambda c: c.mean()), "the sign is gone: the loss must fall when the cosines rise, $1 - \\overline{\\cos}$"),
        Mistake(_agreement_of(join=lambda c: 1 - c.sum()), "the cosines are added up: the published function took their mean"),
        Mistake(_agreement_of(join=lambda c: c.mean() - 1), "the sign is flipped: the loss must fall when the cosines rise"),
        Mistake(lambda i, t: 1 - (i * t).sum(1).mean(), "the vectors are not brought to length 1: a product can grow without any agreement"),
    ],
    hints=[
        "Let `loss.backward()` run and print `image.grad` and `text.grad`. Which is `None` or zero, and at which line does the path end?",
        "`float(x)`, `x.item()`, `x.tolist()`, `x.numpy()` and `torch.tensor([x])` leave the graph. Stay with tensors: one product, one sum along the features.",
        "`a = image / image.norm(dim=1, keepdim=True)`, likewise `b`, without `detach`; then `1 - (a * b).sum(dim=1).mean()`.",
    ],
    afterword="Such a loss is printed, plotted, and even falls a little when the task's own gradient happens to help. Assert `loss.requires_grad`, and that every parameter has moved after a step.",
)  # fmt: skip
