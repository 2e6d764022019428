"""Chapter 12, variational autoencoders: the bound, a divergence, two gradients, many draws, the water level, experts, and a hunt."""

import math

import torch
import torch.nn.functional as F

from mmlearn import ops
from mmlearn.models.probabilistic_pca import linear_rate_distortion
from mmlearn.ops.evidence import evidence_gap, evidence_lower_bound, importance_weighted_bound

from .case import Case
from .exercise import Exercise
from .task import Mistake

__all__ = [
    "bound_and_gap",
    "expert_product",
    "gaussian_kl",
    "importance_weighted",
    "repaired_loss",
    "two_gradients",
    "water_filling",
]


def _bound(prior, likelihood, q):
    log_joint = (prior * likelihood).log()
    return evidence_lower_bound(log_joint, q), evidence_gap(log_joint, q)


def _bound_solution(prior, likelihood, q):
    joint = prior * likelihood
    posterior = joint / joint.sum()
    return (q * (joint / q).log()).sum(), (q * (q / posterior).log()).sum()


def _bound_variant(joint=lambda p, l: p * l, norm=lambda j: j / j.sum(), turned=False, log=torch.log, sign=1, entropy=1):
    def wrong(prior, likelihood, q):
        top = joint(prior, likelihood)
        posterior = norm(top)
        elbo = (q * (log(top) - entropy * log(q))).sum()
        gap = (posterior * log(posterior / q)).sum() if turned else (q * log(q / posterior)).sum()
        return elbo, sign * gap

    return wrong


def _tables(draw, K):
    prior, q = ((t := draw.uniform(K, low=0.1)) / t.sum() for _ in range(2))
    return prior, draw.uniform(K, low=0.05, high=0.95), q


def _bound_cases(draw):
    double = torch.float64
    coins = torch.tensor([0.5, 0.5], dtype=double), torch.tensor([0.9, 0.2], dtype=double)
    yield Case(*coins, torch.tensor([0.25, 0.75], dtype=double), label="two coins")
    yield Case(*_tables(draw, 3))
    yield Case(*_tables(draw, 6))


bound_and_gap = Exercise(
    chapter="12",
    name="bound_and_gap",
    title="The bound and the gap",
    minutes=15,
    difficulty=1,
    equation="Eq. 12.2, 12.3",
    oracle=_bound,
    solution=_bound_solution,
    cases=_bound_cases,
    returns=("ELBO", "gap"),
    shapes={"q": "K"},
    noise=1e-12,
    mistakes=[
        Mistake(_bound_variant(joint=lambda p, l: l), "the prior is missing: $p(x, z) = p(z)\\,p(x \\mid z)$"),
        Mistake(_bound_variant(turned=True), "the gap is the divergence the other way round: it is the mean over $q$ of $\\log(q / \\text{posterior})$"),
        Mistake(_bound_variant(norm=lambda j: j), "the gap compares $q$ with the joint; divide it by its sum, $p(x)$, to get the posterior"),
        Mistake(_bound_variant(norm=lambda j: torch.softmax(j, 0)), "the joint is already a table of probabilities: to get the posterior divide by its sum, without a softmax"),
        Mistake(_bound_variant(entropy=0), "$-\\log q(z)$ is missing in the ELBO: without it the best $q$ would be a single value"),
        Mistake(_bound_variant(log=torch.log2), "these are bits; the chapter counts in nats, with the natural logarithm"),
        Mistake(_bound_variant(sign=-1), "the gap has the wrong sign: $\\log(q/\\text{posterior})$, not its inverse; a divergence is never negative"),
        Mistake(
            lambda prior, likelihood, q: ((q * (prior * likelihood).log()).sum() - (q * q.log()).sum(), (prior * likelihood).sum().log()),
            "the second number is $\\log p(x)$; the gap is what it has more than the ELBO",
        ),
        Mistake(
            lambda prior, likelihood, q: ((q * (likelihood * q / prior).log()).sum(), _bound(prior, likelihood, q)[1]),
            "the divergence from the prior is added to the mean of $\\log p(x \\mid z)$; it must be subtracted",
        ),
    ],
    hints=[
        "First the joint: `prior * likelihood`. Its sum is $p(x)$, and divided by its sum it is the posterior.",
        "A mean over $q$ of anything is `(q * anything).sum()`.",
        "ELBO: the mean of `(joint / q).log()`. Gap: the mean of `(q / posterior).log()`.",
    ],
    afterword="Add the two: $\\log p(x)$, whatever $q$ was.",
)  # fmt: skip


def _kl(mean, log_var, prior_mean, prior_log_var):
    return ops.gaussian_kl(mean, log_var, prior_mean, prior_log_var)


def _kl_solution(mean, log_var, prior_mean, prior_log_var):
    ratio = (log_var - prior_log_var).exp()
    away = (mean - prior_mean) ** 2 / prior_log_var.exp()
    return (ratio - 1 - ratio.log() + away).sum(1) / 2


def _kl_variant(turned=False, twice=1.0, scaled=True, reduce=lambda t: t.sum(1), half=0.5, squared=True, one=1.0, log=1.0):
    def wrong(mean, log_var, prior_mean, prior_log_var):
        if turned:
            mean, log_var, prior_mean, prior_log_var = prior_mean, prior_log_var, mean, log_var
        ratio = (twice * (log_var - prior_log_var)).exp()
        away = (mean - prior_mean) ** 2 if squared else (mean - prior_mean)
        away = away / (twice * prior_log_var).exp() if scaled else away
        return half * reduce(ratio - one - log * twice * (log_var - prior_log_var) + away)

    return wrong


def _kl_cases(draw):
    column = lambda *numbers: torch.tensor([list(numbers)], dtype=torch.float64)  # noqa: E731
    yield Case(column(1.0), column(0.0), column(0.0), column(0.0), label="moved by 1")
    yield Case(column(0.0), column(math.log(4.0)), column(0.0), column(0.0), label="twice as wide as N(0, 1)")
    yield Case(column(1.0), column(0.0), column(0.0), column(math.log(4.0)), label="a prior of variance 4")
    yield Case(*(draw.normal(3, 2) for _ in range(4)))
    yield Case(*(draw.normal(5, 4) for _ in range(4)))


gaussian_kl = Exercise(
    chapter="12",
    name="gaussian_kl",
    title="The divergence of two Gaussians",
    minutes=15,
    difficulty=2,
    equation="Eq. 12.5",
    oracle=_kl,
    solution=_kl_solution,
    cases=_kl_cases,
    shapes={"mean": "N D"},
    noise=1e-12,
    mistakes=[
        Mistake(_kl_variant(twice=2.0), "`log_var` is taken for $\\log\\sigma$: it is $\\log\\sigma^2$, so that $\\sigma^2$ is `log_var.exp()`"),
        Mistake(_kl_variant(turned=True), "the two Gaussians are exchanged: this is KL(prior‖q)"),
        Mistake(_kl_variant(scaled=False), "the squared distance of the means is not divided by the prior's variance $s^2$"),
        Mistake(
            lambda mean, log_var, prior_mean, prior_log_var: _kl(mean, log_var, prior_mean, prior_log_var)
            + ((mean - prior_mean) ** 2 * ((-log_var).exp() - (-prior_log_var).exp())).sum(1) / 2,
            "the squared distance of the means is divided by $\\sigma^2$; it is the prior's $s^2$ that belongs there",
        ),
        Mistake(_kl_variant(half=1.0), "the factor ½ is missing"),
        Mistake(_kl_variant(reduce=lambda t: t.mean(1)), "averaged over the numbers of the code; independent numbers add up"),
        Mistake(_kl_variant(reduce=lambda t: t), "one number for each example is asked for: add up the numbers of its code"),
        Mistake(_kl_variant(reduce=lambda t: t.sum(1).mean()), "averaged over the examples: one number for each is asked for"),
        Mistake(_kl_variant(log=-1.0), "the sign of the logarithm is wrong: a $q$ narrower than the prior must cost something"),
        Mistake(_kl_variant(one=0.0), "the $-1$ is missing: the divergence of a Gaussian from itself must be 0"),
        Mistake(
            lambda mean, log_var, prior_mean, prior_log_var: ops.gaussian_kl(mean, log_var),
            "this is the special case of the prior $N(0,1)$; use the prior that is given",
        ),
    ],
    hints=[
        "Two ratios are all you need: $\\sigma^2/s^2$, which is `(log_var - prior_log_var).exp()`, and $(\\mu - m)^2/s^2$.",
        "For one number: ½ (ratio − 1 − log ratio + squared distance / $s^2$). Its logarithm is `log_var - prior_log_var`, without an exponential.",
        "At the end `.sum(1) / 2`: the numbers of a code add up, the examples stay apart.",
    ],
    afterword="With both Gaussians equal it is 0; try it. Nearly equal ones lose digits in ratio − 1: `torch.expm1` keeps them.",
)  # fmt: skip


def _two(f, mean, std, noise):
    return _two_with()(f, mean, std, noise)


def _two_solution(f, mean, std, noise):
    z = (mean + std * noise).detach().requires_grad_()
    values = f(z)
    (through,) = torch.autograd.grad(values.sum(), z)
    values = values.detach()
    baseline = (values.sum() - values) / (len(values) - 1)
    return through, (values - baseline)[:, None] * noise / std


def _others(values):
    return (values.sum() - values) / (len(values) - 1)


def _two_with(
    baseline=_others, score=lambda noise, std: noise / std, through=lambda g, noise, std: g, total=torch.sum, average=False
):
    def both(f, mean, std, noise):
        z = (mean + std * noise).detach().requires_grad_()
        with torch.enable_grad():
            values = f(z)
            (slope,) = torch.autograd.grad(total(values), z)
        values = values.detach()
        pair = through(slope, noise, std), (values - baseline(values))[:, None] * score(noise, std)
        return tuple(each.mean(0) for each in pair) if average else pair

    return both


def _squares(z):
    return z.square().sum(1)


def _waves(z):
    return torch.cos(3 * z).sum(1) + z[:, 0]


def _two_cases(draw):
    one = torch.ones(1, dtype=torch.float64)
    yield Case(_squares, one, one, torch.tensor([[1.0], [-1.0], [2.0]], dtype=torch.float64), label="the sum of squares")
    yield Case(_squares, draw.normal(3), draw.uniform(3, low=0.5, high=2.0), draw.normal(4, 3))
    yield Case(_waves, draw.normal(2), draw.uniform(2, low=0.5, high=2.0), draw.normal(6, 2), label="a wave")


two_gradients = Exercise(
    chapter="12",
    name="two_gradients",
    title="Two gradients of one mean",
    minutes=25,
    difficulty=2,
    equation="Eq. 12.6, 12.7",
    oracle=_two,
    solution=_two_solution,
    cases=_two_cases,
    returns=("through the draw", "by the score"),
    shapes={"noise": "S D"},
    noise=1e-10,
    mistakes=[
        Mistake(_two_with(baseline=lambda v: 0 * v), "the score's estimate has no baseline: subtract the mean of $f$ over the other draws"),
        Mistake(
            _two_with(baseline=lambda v: v.mean()),
            "the baseline of a draw contains the draw itself: that makes the estimate too small by $(S-1)/S$ on average",
            "The mean over the others is `(values.sum() - values) / (S - 1)`.",
        ),
        Mistake(_two_with(score=lambda noise, std: noise), "the score by $\\mu$ is $\\varepsilon/\\sigma$: the division by `std` is missing"),
        Mistake(_two_with(score=lambda noise, std: noise * std), "the score is multiplied by `std`; $(z-\\mu)/\\sigma^2 = \\varepsilon/\\sigma$"),
        Mistake(_two_with(score=lambda noise, std: noise / std**2), "divided by $\\sigma^2$, but $\\varepsilon$ has been divided by $\\sigma$ already: $(z-\\mu)/\\sigma^2 = \\varepsilon/\\sigma$"),
        Mistake(_two_with(through=lambda g, noise, std: g * noise), "through the draw this is the gradient by $\\sigma$: by $\\mu$ the factor is $\\partial z/\\partial\\mu = 1$"),
        Mistake(_two_with(through=lambda g, noise, std: g * std), "through the draw there is a factor `std` too much: $\\partial z/\\partial\\mu = 1$"),
        Mistake(_two_with(total=torch.mean), "the gradient of `f(z).mean()` divides each draw's estimate by their number: differentiate the sum, each row of $z$ belongs to one draw"),
        Mistake(_two_with(average=True), "averaged over the draws: one estimate for each draw is asked for, $(S, D)$"),
        Mistake(
            _two_with(score=lambda noise, std: -noise / std),
            "the score has the wrong sign: where $z$ lies above $\\mu$, a larger $\\mu$ makes it more probable",
        ),
    ],
    hints=[
        "Make $z$ of the noise, detach it, and call `requires_grad_()`: then `torch.autograd.grad(f(z).sum(), z)` gives the slope of $f$ at each draw. As $\\partial z/\\partial\\mu = 1$, that is the first answer.",
        "By the score: $(f - b)\\,\\varepsilon/\\sigma$, one row for each draw; `values[:, None]` makes a column of the values.",
        "The mean over the others: `(values.sum() - values) / (len(values) - 1)`.",
    ],
    afterword="Both have the same mean, $\\nabla\\,\\mathbb{E} f$. The baseline from the other draws costs no further evaluation of $f$ (Mnih and Rezende 2016).",
)  # fmt: skip


def _weighted(log_weights):
    return importance_weighted_bound(log_weights)


def _weighted_solution(log_weights):
    return torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])


def _weighted_cases(draw):
    yield Case(torch.tensor([[0.0, math.log(3.0)]], dtype=torch.float64), label="weights 1 and 3")
    yield Case(draw.integers(3, 2))
    yield Case(draw.normal(2, 5))
    yield Case(draw.normal(4, 6) - 2000, label="weights too small for a float64")
    yield Case(draw.normal(3, 4))


importance_weighted = Exercise(
    chapter="12",
    name="importance_weighted",
    title="Many draws",
    minutes=15,
    difficulty=2,
    equation="Eq. 12.13",
    oracle=_weighted,
    solution=_weighted_solution,
    cases=_weighted_cases,
    shapes={"log_weights": "N K"},
    mistakes=[
        Mistake(lambda log_weights: log_weights.mean(1), "this is the mean of the logarithms, the ELBO ($K = 1$); Eq. 12.13 is the logarithm of the mean"),
        Mistake(lambda log_weights: log_weights.exp().mean(1).log(), "right on paper, but $e^{-2000}$ is 0 in any float: take the largest logarithm out first, or use `torch.logsumexp`"),
        Mistake(lambda log_weights: torch.logsumexp(log_weights, 1), "this is the logarithm of the sum: subtract $\\log K$ for the mean"),
        Mistake(lambda log_weights: torch.logsumexp(log_weights, 1) - math.log(len(log_weights)), "divided by the number of examples; $K$, the number of draws, is the second size"),
        Mistake(lambda log_weights: torch.logsumexp(log_weights, 1) / log_weights.shape[1], "the logarithm is divided by $K$; it is the sum inside that must be: subtract $\\log K$"),
        Mistake(lambda log_weights: log_weights.max(1).values, "this is the largest weight alone"),
        Mistake(lambda log_weights: torch.logsumexp(log_weights, 0) - math.log(len(log_weights)), "averaged over the examples: the draws are along the second axis"),
        Mistake(lambda log_weights: (torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])).mean(), "averaged over the examples as well: one bound for each is asked for"),
    ],
    hints=[
        "The logarithm of a mean: $\\log\\frac1K\\sum_k e^{\\log w_k}$.",
        "Take the largest out: with $m = \\max_k \\log w_k$ it is $m + \\log\\frac1K\\sum_k e^{\\log w_k - m}$, and the largest power is $e^0$.",
        "`torch.logsumexp(log_weights, 1)` does that; subtract `math.log(K)`.",
    ],
)  # fmt: skip


def _water(eigenvalues, beta, variance):
    return tuple(linear_rate_distortion(eigenvalues, beta * variance))


def _water_solution(eigenvalues, beta, variance):
    level = beta * variance
    above = eigenvalues[eigenvalues > level]
    return (above / level).log().sum() / 2, eigenvalues.clamp(max=level).sum(), len(above)


def _water_variant(
    half=0.5, log=torch.log, level=lambda b, v: b * v, error=lambda e, t: e.clamp(max=t).sum(), clamp=True, count=None
):
    def wrong(eigenvalues, beta, variance):
        theta = level(beta, variance)
        ratio = log(eigenvalues / theta)
        rate = half * (ratio.clamp(min=0) if clamp else ratio).sum()
        return rate, error(eigenvalues, theta), count(eigenvalues, theta) if count else int((eigenvalues > theta).sum())

    return wrong


def _water_cases(draw):
    yield Case(torch.tensor([4.0, 0.5], dtype=torch.float64), 1.0, 1.0, label="one pole above the water")
    yield Case(torch.tensor([4.0, 0.5], dtype=torch.float64), 2.0, 0.1, label="both above")
    yield Case(torch.tensor([4.0, 0.5], dtype=torch.float64), 8.0, 1.0, label="all under water")
    yield Case(draw.uniform(7, low=0.1, high=5.0).sort(descending=True).values, 2.0, 0.7)


water_filling = Exercise(
    chapter="12",
    name="water_filling",
    title="The water level",
    minutes=15,
    difficulty=2,
    equation="Eq. 12.14",
    oracle=_water,
    solution=_water_solution,
    cases=_water_cases,
    returns=("rate", "squared error", "active numbers"),
    mistakes=[
        Mistake(_water_variant(half=1.0), "the factor ½ of the rate is missing"),
        Mistake(_water_variant(clamp=False), "poles under water count in the rate, with negative nats: they cost nothing"),
        Mistake(_water_variant(level=lambda b, v: v), "the level does not know $\\beta$: $\\theta = \\beta\\nu^2$"),
        Mistake(_water_variant(level=lambda b, v: v / b), "the variance is divided by $\\beta$; a dearer nat raises the water: $\\theta = \\beta\\nu^2$"),
        Mistake(_water_variant(error=lambda e, t: e[e <= t].sum()), "poles above the water are rebuilt too well: each of them errs by $\\theta$"),
        Mistake(_water_variant(error=lambda e, t: t * (e > t).sum()), "poles under water are missing in the error: they err by all of $\\lambda$"),
        Mistake(_water_variant(error=lambda e, t: t * torch.ones_like(e).sum()), "every pole is charged $\\theta$; one under water errs by no more than its own $\\lambda$"),
        Mistake(_water_variant(error=lambda e, t: e.clamp(min=t).sum()), "this is the larger of $\\lambda$ and $\\theta$; the error is the smaller"),
        Mistake(_water_variant(log=torch.log2), "the rate is in bits; the chapter counts in nats, with the natural logarithm"),
        Mistake(_water_variant(count=lambda e, t: int((e <= t).sum())), "these are the numbers under water; the others are active"),
    ],
    hints=[
        "The level first: $\\theta = \\beta\\nu^2$. Which eigenvalues stand above it?",
        "Rate: half the sum of $\\log(\\lambda/\\theta)$ over those that do. Error: `eigenvalues.clamp(max=level).sum()`.",
        "`above = eigenvalues[eigenvalues > level]`; its length is the third answer.",
    ],
    afterword="The slope of the squared error against the rate is $-2\\theta$: at each level the last nat buys as much in every direction.",
)  # fmt: skip


def _experts(means, variances, present):
    here = present[..., None]
    precision = torch.where(here, 1 / variances, torch.zeros_like(variances))
    variance = 1 / (1 + precision.sum(0))
    return variance * torch.where(here, precision * means, torch.zeros_like(means)).sum(0), variance


def _experts_solution(means, variances, present):
    here = present[..., None]
    precision = torch.where(here, 1 / variances, 0.0)
    variance = 1 / (1 + precision.sum(0))
    return variance * torch.where(here, precision * means, 0.0).sum(0), variance


def _experts_variant(prior=1.0, ask=True, combine=None, mean_of=None):
    def wrong(means, variances, present):
        here = present[..., None] if ask else torch.ones_like(present)[..., None]
        precision = torch.where(here, 1 / variances, torch.zeros_like(variances))
        variance = combine(variances, precision, here) if combine else 1 / (prior + precision.sum(0))
        weighted = torch.where(here, precision * means, torch.zeros_like(means)).sum(0)
        return (mean_of(means, variances, here, precision) if mean_of else variance * weighted), variance

    return wrong


def _zeroed(means, variances, present):
    """What is missing says 0, with a variance of 1: that is one more prior."""
    here = present[..., None]
    return _experts(
        means.where(here, torch.zeros_like(means)), variances.where(here, torch.ones_like(variances)), torch.ones_like(present)
    )


def _poisoned(means, variances, present):
    """0 · NaN."""
    precision = present[..., None].to(means.dtype) / variances
    variance = 1 / (1 + precision.sum(0))
    return variance * (precision * means).sum(0), variance


def _expert_cases(draw):
    double = torch.float64
    column = lambda *numbers: torch.tensor(numbers, dtype=double)[:, None, None]  # noqa: E731
    yield Case(column(4.0, -1.0), column(1.0, 0.5), torch.ones(2, 1, dtype=torch.bool), label="both are there")
    yield Case(column(4.0, -1.0), column(1.0, 0.5), torch.tensor([[True], [False]]), label="one is missing")
    yield Case(draw.normal(2, 3, 2), draw.uniform(2, 3, 2, low=0.2, high=3.0), torch.ones(2, 3, dtype=torch.bool))
    present = torch.tensor([[True, True, False, False], [True, False, True, False], [False, True, True, False]])
    means, variances = draw.normal(3, 4, 2), draw.uniform(3, 4, 2, low=0.2, high=3.0)
    yield Case(means, variances, present, label="three experts, some missing")
    means, variances = (t.where(present[..., None], torch.nan) for t in (means, variances))
    yield Case(means, variances, present, label="NaN where an expert is missing")
    yield Case(draw.normal(2, 4, 3), draw.uniform(2, 4, 3, low=0.2, high=3.0), torch.tensor([[True] * 4, [True, False] * 2]))


expert_product = Exercise(
    chapter="12",
    name="expert_product",
    title="A product of experts",
    minutes=20,
    difficulty=2,
    equation="Eq. 12.15",
    oracle=_experts,
    solution=_experts_solution,
    cases=_expert_cases,
    returns=("mean", "variance"),
    shapes={"means": "M N D", "present": "M N"},
    mistakes=[
        Mistake(_experts_variant(prior=0.0), "the prior is missing: it is one more expert, with mean 0 and precision 1"),
        Mistake(_experts_variant(ask=False), "`present` is not used: an expert who has seen nothing must have no influence"),
        Mistake(_zeroed, "a missing expert is set to mean 0 and variance 1: that makes it as sure as the prior, and the product too narrow; its precision must be 0"),
        Mistake(_poisoned, "what is missing is multiplied by 0, and $0 \\cdot \\mathrm{NaN}$ is NaN: choose with `torch.where` instead"),
        Mistake(
            _experts_variant(combine=lambda variances, precision, here: 1 + torch.where(here, variances, torch.zeros_like(variances)).sum(0)),
            "the variances are added: a product adds *precisions*, $1/\\sigma^2$, and is narrower than each of its factors",
        ),
        Mistake(
            _experts_variant(mean_of=lambda means, variances, here, precision: torch.where(here, means, torch.zeros_like(means)).sum(0) / (1 + here.sum(0))),
            "the means are averaged as equals: who is more precise must weigh more",
        ),
        Mistake(
            _experts_variant(mean_of=lambda means, variances, here, precision: torch.where(here, precision * means, torch.zeros_like(means)).sum(0) / precision.sum(0).clamp(min=1e-300)),
            "the mean forgets the prior, which pulls it towards 0: multiply by the product's variance",
        ),
        Mistake(
            _experts_variant(mean_of=lambda means, variances, here, precision: torch.where(here, precision * means, torch.zeros_like(means)).sum(0)),
            "the weighted means are added, and not multiplied by the product's variance",
        ),
        Mistake(
            lambda means, variances, present: (_experts(means, variances, present)[0], 1 / _experts(means, variances, present)[1]),
            "the second answer is the precision; the variance is its inverse",
        ),
        Mistake(
            lambda means, variances, present: (_experts(means, variances, present)[0], _experts(means, variances, present)[1].sqrt()),
            "the second answer is $\\sigma$; the variance $\\sigma^2$ is asked for",
        ),
    ],
    hints=[
        "Begin with the precisions, `1 / variances`, and 0 where an expert is missing: `torch.where(present[..., None], 1 / variances, 0.0)`.",
        "The product's precision is 1 (the prior) plus their sum over the experts, the first axis. Its inverse is the variance.",
        "The mean: variance × the sum of precision × mean, with `torch.where` again, so that NaN in a missing place stays out.",
    ],
    afterword="`mmlearn.models.product_of_experts` does the same with logarithms, so that no precision overflows.",
)  # fmt: skip


def _loss(x, mean, log_var, noise, decode):
    logits = decode(mean + torch.exp(log_var / 2) * noise)
    each = F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
    return (each + ops.gaussian_kl(mean, log_var)).mean()


def _loss_solution(x, mean, log_var, noise, decode):
    std = torch.exp(log_var / 2)
    z = mean + std * noise
    each = F.binary_cross_entropy_with_logits(decode(z), x, reduction="none")
    distortion = each.flatten(1).sum(1)
    kl = -0.5 * torch.sum(1 + log_var - mean**2 - log_var.exp(), dim=1)
    return (distortion + kl).mean()


def _loss_variant(
    std=lambda v: torch.exp(v / 2), squash=lambda t: t, reduce=lambda t: t.flatten(1).sum(1), beta=1.0, end=torch.mean
):
    def wrong(x, mean, log_var, noise, decode):
        logits = squash(decode(mean + std(log_var) * noise))
        each = reduce(F.binary_cross_entropy_with_logits(logits, x, reduction="none"))
        return end(each + beta * ops.gaussian_kl(mean, log_var))

    return wrong


def _published(x, mean, log_var, noise, decode):
    return _loss_variant(std=torch.exp, squash=torch.sigmoid, reduce=torch.mean)(x, mean, log_var, noise, decode)


class _Decoder:
    """A fixed linear decoder z (N, D) → logits (N, 1, S, S)."""

    def __init__(self, weight, side):
        self.weight, self.side = weight, side

    def __call__(self, z):
        return (z @ self.weight.to(z.dtype)).unflatten(1, (1, self.side, self.side))

    __name__ = "decode"


def _loss_cases(draw):
    def case(N, D, side, label=""):
        x = (draw.uniform(N, 1, side, side) > 0.5).double()
        decode = _Decoder(2 * draw.normal(D, side * side), side)
        return Case(x, draw.normal(N, D), draw.normal(N, D), draw.normal(N, D), decode, label=label)

    yield case(1, 1, 2, "one small picture")
    yield case(2, 3, 3)
    yield case(5, 4, 4)


repaired_loss = Exercise(
    chapter="12",
    name="repaired_loss",
    title="Repair the loss",
    minutes=20,
    difficulty=3,
    equation="Eq. 12.4",
    oracle=_loss,
    solution=_loss_solution,
    cases=_loss_cases,
    shapes={"x": "N 1 S S", "mean": "N D"},
    mistakes=[
        Mistake(_published, "this is the published loss: all three errors are still in it"),
        Mistake(_loss_variant(std=torch.exp, squash=torch.sigmoid), "two errors are left: one in how wide $z$ is drawn, one in what the loss is told by the decoder"),
        Mistake(_loss_variant(std=torch.exp, reduce=torch.mean), "two errors are left: one in how wide $z$ is drawn, one in what is summed and what is averaged"),
        Mistake(_loss_variant(squash=torch.sigmoid, reduce=torch.mean), "two errors are left: one in what the loss is told by the decoder, one in what is summed and what is averaged"),
        Mistake(_loss_variant(std=torch.exp), "one error is left, in how wide $z$ is drawn: ask for the $z$ of a variance of 9"),
        Mistake(_loss_variant(squash=torch.sigmoid), "one error is left, in what the loss is told by the decoder: can this loss ever be near 0?"),
        Mistake(_loss_variant(reduce=torch.mean), "one error is left, in what is summed and what is averaged: what does a picture of 64 fair coins cost?"),
        Mistake(_loss_variant(reduce=torch.sum), "the distortion is summed over the examples as well: average these at the end"),
        Mistake(_loss_variant(std=torch.sqrt), "the square root of `log_var` is not σ: $\\sigma = e^{\\log\\sigma^2/2}$"),
        Mistake(_loss_variant(end=torch.sum), "summed over the examples: the loss is their mean"),
        Mistake(_loss_variant(end=lambda t: t), "one loss for each example: the mean over them is missing"),
        Mistake(_loss_variant(beta=0.0), "the divergence has gone: without it this is an autoencoder with noise"),
    ],
    hints=[
        "`interview` has three rows, one for each error. Which line decides each of them?",
        "`log_var` is $\\log\\sigma^2$, so $\\sigma$ is the exponential of its half. And `binary_cross_entropy_with_logits` wants logits: the sigmoid is in it.",
        "The distortion of an example is a *sum* over its pixels: `reduction=\"none\"`, then `.flatten(1).sum(1)`. The mean over examples comes last.",
    ],
    afterword="The divergence was right. It is worth knowing what is right, too.",
)  # fmt: skip
