"""Chapter 03, training: first weights, momentum, AdamW repaired, BatchNorm both ways, a sweep of rates, clipping, loss curves."""

import math
from functools import partial

import torch

from mmlearn import ops

from .case import Case
from .exercise import Exercise
from .loss_curves import ANSWERS, CAUSES, loss_curves
from .task import Mistake
from .value import ValueExercise

__all__ = [
    "CAUSES",
    "batch_norm_backward",
    "batch_norm_step",
    "causes",
    "clip_by_norm",
    "first_variance",
    "learning_rate_sweep",
    "loss_curves",
    "momentum_step",
    "repaired_adamw",
]


def _first_variance(shape, slope=0.0):
    return ops.kaiming_variance(shape, a=slope)


def _first_variance_solution(shape, slope=0.0):
    fan_in = math.prod(shape[1:])  # what an output adds up: channels times the kernel's cells
    kept = (1 + slope**2) / 2  # the share of the square that the activation lets through
    return 1 / (fan_in * kept)


def _variance_cases(draw):
    yield Case((10, 50))
    yield Case((64, 32))
    yield Case((10, 50), 0.5)
    yield Case((20, 8), 1.0, label="a linear layer")
    yield Case((32, 16, 3, 3))
    yield Case((8, 3, 5, 5), 0.1)
    yield Case((6, 4, 7), 0.01)


first_variance = Exercise(
    chapter="03",
    name="first_variance",
    title="The first weights",
    minutes=15,
    difficulty=1,
    equation="Eq. 3.3",
    oracle=_first_variance,
    cases=_variance_cases,
    solution=_first_variance_solution,
    mistakes=[
        Mistake(
            lambda shape, slope=0.0: 2 / ((1 + slope**2) * shape[0] * math.prod(shape[2:])),
            "this is the fan-out: the first number of a weight's shape counts its outputs, what follows is what one output adds up",
            "It would keep the gradient's size instead of the signal's.",
        ),
        Mistake(
            lambda shape, slope=0.0: 2 / ((1 + slope**2) * shape[1]),
            "the kernel's cells are forgotten: an output pixel adds up channels times cells",
        ),
        Mistake(
            lambda shape, slope=0.0: math.sqrt(_first_variance(shape, slope)),
            "this is the standard deviation: its square is asked for",
        ),
        Mistake(
            lambda shape, slope=0.0: 1 / math.prod(shape[1:]),
            "right for a linear layer; a rectifier lets only a part of the square through, and the variance makes up for it",
        ),
        Mistake(
            lambda shape, slope=0.0: 2 / math.prod(shape[1:]),
            "`slope` is forgotten: right for a plain ReLU, too large for one that lets something through below zero",
        ),
        Mistake(
            lambda shape, slope=0.0: 2 / ((1 + slope) * math.prod(shape[1:])),
            "the slope enters squared: the signal below zero is multiplied by $a$, its square by $a^2$",
        ),
        Mistake(
            lambda shape, slope=0.0: 4 / ((1 + slope**2) * (shape[0] + shape[1]) * math.prod(shape[2:])),
            "this divides by the mean of fan-in and fan-out, as Eq. 3.2 does; Eq. 3.3 divides by the fan-in",
        ),
    ],
    hints=[
        "How many products does one output add up? For a weight of shape (O, C, kh, kw) it is not C.",
        "With $z$ symmetric about 0, half of $E[z^2]$ comes from $z > 0$ and passes unchanged, half from $z < 0$ and is multiplied by $a^2$. Which share of $E[z^2]$ remains?",
        "The share is $(1 + a^2)/2$, so $n \\cdot \\mathrm{Var}(w) \\cdot (1+a^2)/2$ must be 1; $n$ is `math.prod(shape[1:])`.",
    ],
    afterword="`torch.nn.Linear` and `torch.nn.Conv2d` do not start like this: they draw uniformly with the variance 1/(3n), a sixth of He's.",
)


def _momentum_step(parameter, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + gradient
    return parameter - lr * velocity, velocity


def _momentum_cases(draw):
    def case(*shape, numbers=draw.integers, lr=0.5, momentum=0.5, label=""):
        return Case(numbers(*shape), numbers(*shape), numbers(*shape), lr, momentum, label=label)

    yield case(1)
    yield Case(draw.integers(2), draw.integers(2), torch.zeros(2, dtype=torch.float64), 0.5, 0.5, label="the first step")
    yield case(3, momentum=0.0, label="without momentum")
    yield case(2, 2, lr=0.1, momentum=0.9)
    yield case(3, 4, numbers=draw.normal, lr=0.01, momentum=0.9)


def _nesterov(parameter, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + gradient
    return parameter - lr * (gradient + momentum * velocity), velocity


momentum_step = Exercise(
    chapter="03",
    name="momentum_step",
    title="A step with momentum",
    minutes=10,
    difficulty=1,
    equation="Eq. 3.5",
    oracle=_momentum_step,
    cases=_momentum_cases,
    returns=("parameter", "velocity"),
    solution=_momentum_step,
    mistakes=[
        Mistake(
            lambda parameter, gradient, velocity, lr, momentum: (
                parameter - lr * (momentum * velocity + (1 - momentum) * gradient),
                momentum * velocity + (1 - momentum) * gradient,
            ),
            "this velocity is a running *mean*: Eq. 3.5 adds the whole gradient, not $1-\\beta$ of it",
            "With the mean, the effective step is $\\eta$ whatever $\\beta$; both are in use, so a learning rate means little without its rule.",
        ),
        Mistake(
            lambda parameter, gradient, velocity, lr, momentum: (
                parameter - lr * velocity,
                momentum * velocity + gradient,
            ),
            "the step uses the old velocity: renew it first",
        ),
        Mistake(
            lambda parameter, gradient, velocity, lr, momentum: (
                parameter - momentum * velocity - lr * gradient,
                momentum * velocity + lr * gradient,
            ),
            "the learning rate is inside the velocity: Eq. 3.5 has it outside",
            "The two agree as long as the rate stays the same; when a schedule lowers it, an inner rate keeps the old long steps going.",
        ),
        Mistake(
            lambda parameter, gradient, velocity, lr, momentum: (
                parameter + lr * (momentum * velocity + gradient),
                momentum * velocity + gradient,
            ),
            "this climbs: the step goes against the velocity, which points up",
        ),
        Mistake(_nesterov, "this is Nesterov's momentum, which looks one step ahead; here the step is the velocity itself"),
        Mistake(
            lambda parameter, gradient, velocity, lr, momentum: (parameter - lr * gradient, momentum * velocity + gradient),
            "the velocity is kept, but the step uses the gradient alone",
        ),
        Mistake(
            lambda *arguments: _momentum_step(*arguments)[::-1],
            "both results are right and in the wrong order: return the parameter first, then the velocity",
        ),
    ],
    hints=[
        "Two lines: first the new velocity from the old one and the gradient, then the new parameter from the new velocity.",
        "The velocity forgets a part, $\\beta v$, and takes in the gradient as it is.",
        "`velocity = momentum * velocity + gradient`, then `parameter - lr * velocity`. Return both, the parameter first.",
    ],
)


def _adamw(decay="before", right_powers=True, eps_outside=True):
    """A step of AdamW, or one with errors. decay: where it goes, "before" the step (right), "after" it, "inside" the gradient, ""."""

    def step(parameter, gradient, m, v, t, lr, beta1, beta2, eps, weight_decay):
        if decay == "inside":
            gradient = gradient + weight_decay * parameter
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - (beta2 if right_powers else beta1) ** t)
        root = torch.sqrt(v_hat) + eps if eps_outside else torch.sqrt(v_hat + eps)
        shrink = 1 - lr * weight_decay
        if decay == "before":
            parameter = shrink * parameter
        parameter = parameter - lr * m_hat / root
        return shrink * parameter if decay == "after" else parameter, m, v

    return step


def _repaired_adamw(parameter, gradient, m, v, t, lr, beta1, beta2, eps, weight_decay):
    return _adamw()(parameter, gradient, m, v, t, lr, beta1, beta2, eps, weight_decay)


def _repaired_adamw_solution(parameter, gradient, m, v, t, lr, beta1, beta2, eps, weight_decay):
    m = beta1 * m + (1 - beta1) * gradient  # the gradient alone: no decay in m and v
    v = beta2 * v + (1 - beta2) * gradient**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)  # each mean has forgotten at its own pace
    parameter = parameter - lr * weight_decay * parameter  # the decay, beside the step
    return parameter - lr * m_hat / (torch.sqrt(v_hat) + eps), m, v  # ε outside the root


def _adamw_cases(draw):
    def case(n, t, numbers=draw.integers, betas=(0.5, 0.5), eps=1e-8, weight_decay=0.0, size=1.0, label=""):
        gradient, m = size * numbers(n), size * numbers(n)
        v = size**2 * (1 + numbers(n).abs())  # m and v of earlier steps
        if t == 1:
            m, v = torch.zeros_like(m), torch.zeros_like(v)
            gradient = gradient + size * (gradient == 0)
        return Case(numbers(n), gradient, m, v, t, 0.1, *betas, eps, weight_decay, label=label)

    yield case(1, 1, label="the first step, the author's settings")
    yield case(2, 3, label="the third step, the author's settings")
    yield case(2, 3, weight_decay=0.5, label="with weight decay")
    yield case(2, 3, betas=(0.5, 0.9), label="two different betas")
    yield case(2, 3, eps=0.1, label="a large ε")
    yield case(2, 1, betas=(0.9, 0.999), size=1e-6, label="tiny gradients")
    yield case(5, 7, draw.normal, betas=(0.9, 0.999), weight_decay=0.1, eps=1e-3, label="all of it")


_DECAY = "weight decay is still in the gradient, so it is divided by √v̂ too: that is L2 regularisation, not decoupled decay"
_POWERS = "the bias of `v` is still corrected with the wrong β: it forgets at the pace of β₂"
_EPS = "ε is still inside the root: √(v̂ + ε) is not √v̂ + ε"
_NO_DECAY = "In Eq. 3.9 the old parameter is multiplied by $1 - \\eta\\lambda$, beside the step."
_ADAMW_HUNT = "Run `hunt(repaired_adamw, …)` with one setting changed at a time: the decay, one of the betas, ε."

repaired_adamw = Exercise(
    chapter="03",
    name="repaired_adamw",
    title="Repair AdamW",
    minutes=25,
    difficulty=3,
    equation="Eq. 3.8, 3.9",
    oracle=_repaired_adamw,
    cases=_adamw_cases,
    returns=("parameter", "m", "v"),
    solution=_repaired_adamw_solution,
    mistakes=[
        Mistake(_adamw("inside"), f"two errors found, one left: {_DECAY}", "Which setting brings it to light?"),
        Mistake(_adamw(right_powers=False), f"two errors found, one left: {_POWERS}", "It hides wherever β₁ = β₂."),
        Mistake(_adamw(eps_outside=False), f"two errors found, one left: {_EPS}", "It hides wherever gradients are large."),
        Mistake(
            _adamw("inside", False, True),
            "one error found, ε's; two are left, in the decay and in a bias correction",
            _ADAMW_HUNT,
        ),
        Mistake(
            _adamw("inside", True, False),
            "one error found, the bias correction's; two are left, in the decay and in ε",
            _ADAMW_HUNT,
        ),
        Mistake(
            _adamw("before", False, False),
            "one error found, the decay's; two are left, in a bias correction and in ε",
            _ADAMW_HUNT,
        ),
        Mistake(_adamw("inside", False, False), "all three errors are still in it", _ADAMW_HUNT),
        Mistake(
            lambda parameter, gradient, m, v, t, lr, beta1, beta2, eps, weight_decay: _repaired_adamw(
                parameter, gradient, m, v, t, lr, beta1, beta2, eps, weight_decay / lr
            ),
            "the decay is not multiplied by the learning rate: Eq. 3.9 shrinks by $1 - \\eta\\lambda$",
        ),
        Mistake(_adamw(""), "two errors found; the decay is gone from the gradient and comes back nowhere", _NO_DECAY),
        Mistake(
            _adamw("", False), "the decay is gone from the gradient and comes back nowhere; a bias correction is left", _NO_DECAY
        ),
        Mistake(_adamw("", True, False), "the decay is gone from the gradient and comes back nowhere; ε is left", _NO_DECAY),
        Mistake(
            _adamw("", False, False), "the decay is gone from the gradient and comes back nowhere; two errors are left", _NO_DECAY
        ),
        Mistake(
            _adamw("after"),
            "shrink first, then step: the decay belongs to the old parameter",
            "Here it shrinks the step as well, by $1 - \\eta\\lambda$.",
        ),
    ],
    hints=[
        "Run `hunt` with one changed setting at a time: `weight_decay=0.1`, then `betas=(0.9, 0.999)`, then `eps=0.01`. Each brings out exactly one error.",
        "The decay: where does $\\lambda\\theta$ go in Eq. 3.9, and what is it divided by? The betas: which of the two running means forgets at which pace?",
        "`g = gradient`, without the decay; `v_hat = v / (1 - beta2**t)`; the parameter loses `lr * weight_decay * parameter` and then `lr * m_hat / (torch.sqrt(v_hat) + eps)`.",
    ],
    afterword="The first of the three is what `torch.optim.Adam(weight_decay=…)` does to this day, by design: it is an L2 term. `AdamW` is the decay.",
)


def _batch_norm_backward(grad_output, x, weight, eps=1e-5):
    return tuple(ops.batch_norm_backward(grad_output, x, None, None, weight, torch.zeros_like(weight), training=True, eps=eps))


def _batch_norm_backward_solution(grad_output, x, weight, eps=1e-5):
    sigma = torch.sqrt(x.var(0, correction=0) + eps)  # (C,)
    normalised = (x - x.mean(0)) / sigma  # (N, C)
    dweight = (grad_output * normalised).sum(0)
    dbias = grad_output.sum(0)
    centred = grad_output - grad_output.mean(0) - normalised * (grad_output * normalised).mean(0)
    return weight / sigma * centred, dweight, dbias


def _norm_cases(draw):
    def spread(N, C):
        return draw.normal(N, C) + torch.arange(N, dtype=torch.float64)[:, None]

    def column(*numbers):
        return torch.tensor(numbers, dtype=torch.float64)[:, None]

    two = torch.tensor([2.0], dtype=torch.float64)
    yield Case(column(3, 0, 0), column(0, 1, 2), two, eps=1 / 3, label="σ² + ε is 1")
    yield Case(draw.integers(4, 1), draw.distinct(4, 1), torch.ones(1, dtype=torch.float64))
    yield Case(draw.integers(4, 3), spread(4, 3), draw.integers(3, low=1, high=4))
    yield Case(draw.integers(5, 2), spread(5, 2), draw.integers(2, low=2, high=4), eps=0.5, label="a large ε")
    yield Case(draw.normal(8, 4), spread(8, 4), draw.normal(4))


def _norm_variant(inner, gamma=True, eps_in="root", correction=0, dweight=None, add_up=(torch.sum, torch.sum)):
    """A backward pass of BatchNorm with other terms: inner(dY, x̂) in place of dY − mean(dY) − x̂·mean(dY ⊙ x̂).

    eps_in: "root", "sum" (outside the root) or "" (nowhere)   add_up: over the batch, for γ and for the shift
    """

    def backward(grad_output, x, weight, eps=1e-5):
        sigma = torch.sqrt(x.var(0, correction=correction) + (eps if eps_in == "root" else 0.0)) + (
            eps if eps_in == "sum" else 0.0
        )
        normalised = (x - x.mean(0)) / sigma
        grad_weight = add_up[0](grad_output * (normalised if dweight is None else dweight(x, normalised)), 0)
        return (weight if gamma else 1) / sigma * inner(grad_output, normalised), grad_weight, add_up[1](grad_output, 0)

    return backward


_SUM = "If the loss is a mean over the batch, the division is in `grad_output` already."


def _whole(grad, normalised):
    return grad - grad.mean(0) - normalised * (grad * normalised).mean(0)


batch_norm_backward = Exercise(
    chapter="03",
    name="batch_norm_backward",
    title="BatchNorm, backwards",
    minutes=35,
    difficulty=3,
    equation="Eq. 3.11",
    oracle=_batch_norm_backward,
    cases=_norm_cases,
    returns=("dx", "dweight", "dbias"),
    shapes={"grad_output": "N C", "x": "N C", "weight": "C"},
    solution=_batch_norm_backward_solution,
    mistakes=[
        Mistake(
            _norm_variant(lambda grad, normalised: grad),
            "the batch's mean and variance are taken for constants: both depend on every $x_i$, so two more paths lead to it",
            "This is right in evaluation, when the running estimates take their place.",
        ),
        Mistake(
            _norm_variant(lambda grad, normalised: grad - grad.mean(0)),
            "the path through the variance is missing: the term with $\\hat x$",
        ),
        Mistake(
            _norm_variant(lambda grad, normalised: grad - normalised * (grad * normalised).mean(0)),
            "the path through the mean is missing: the term $\\frac{1}{n}\\sum_i g_i$, the mean of `grad_output`",
        ),
        Mistake(
            _norm_variant(lambda grad, normalised: grad - grad.sum(0) - normalised * (grad * normalised).sum(0)),
            "sums in place of means: each path is shared by the N numbers of the batch",
        ),
        Mistake(_norm_variant(_whole, gamma=False), "γ is missing: the gradient passes the scale on its way back"),
        Mistake(
            _norm_variant(_whole, correction=1),
            "the variance is divided by N − 1: a batch is normalised with the variance divided by N, `correction=0`",
        ),
        Mistake(_norm_variant(_whole, eps_in=""), "ε is missing: $s$ is the root of the variance plus ε"),
        Mistake(_norm_variant(_whole, eps_in="sum"), "ε is outside the root: $s = \\sqrt{\\sigma^2 + \\varepsilon}$"),
        Mistake(
            _norm_variant(_whole, add_up=(torch.mean, torch.mean)),
            "the gradients by γ and by the shift are divided by N: each is a sum, not a mean",
            _SUM,
        ),
        Mistake(
            _norm_variant(_whole, add_up=(torch.mean, torch.sum)),
            "the gradient by γ is divided by N: it is a sum, not a mean",
            _SUM,
        ),
        Mistake(
            _norm_variant(_whole, add_up=(torch.sum, torch.mean)),
            "the gradient by the shift is divided by N: it is a sum, not a mean",
            _SUM,
        ),
        Mistake(
            _norm_variant(_whole, dweight=lambda x, normalised: x),
            "the gradient by γ multiplies with $x$; γ multiplies $\\hat x$ in the forward pass",
        ),
        Mistake(
            _norm_variant(lambda grad, normalised: grad - grad.mean(0) + normalised * (grad * normalised).mean(0)),
            "the sign of the term with $\\hat x$ is wrong: growing away from the mean makes σ grow, and that shrinks the output",
        ),
    ],
    hints=[
        "Begin with what the forward pass computes: `s = torch.sqrt(x.var(0, correction=0) + eps)` and the normalised `(x - x.mean(0)) / s`.",
        "The two parameters' gradients are sums over the batch: of `grad_output` times the normalised x for γ, of `grad_output` alone for the shift.",
        "dx is `weight / s` times (`grad_output`, minus its mean over the batch, minus the normalised x times the mean of `grad_output` · x̂). All means are over axis 0.",
    ],
    afterword="Add dx up over the batch, and dx·x̂: both sums are zero (the second up to ε). BatchNorm throws the batch's mean and size away, so no gradient can ask for them.",
)


def _batch_norm_step(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    mean, var = running_mean.clone(), running_var.clone()
    output = ops.batch_norm(x, mean, var, training=training, momentum=momentum, eps=eps)
    return output, mean, var


def _batch_norm_step_solution(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if not training:
        return (x - running_mean) / torch.sqrt(running_var + eps), running_mean, running_var
    mean, var = x.mean(0), x.var(0, correction=0)  # of this batch, (C,)
    output = (x - mean) / torch.sqrt(var + eps)
    running_mean = (1 - momentum) * running_mean + momentum * mean
    running_var = (1 - momentum) * running_var + momentum * x.var(0, correction=1)
    return output, running_mean, running_var


def _running_cases(draw):
    def case(N, C, training, numbers=draw.integers, label="", **options):
        x = numbers(N, C) + torch.arange(N, dtype=torch.float64)[:, None]
        return Case(x, numbers(C), 1 + numbers(C).abs(), training, label=label, **options)

    yield case(3, 1, True, label="training")
    yield case(3, 1, False, label="evaluation")
    yield case(1, 2, False, label="evaluation of a single example")
    yield case(4, 2, True, momentum=0.5)
    yield case(5, 3, True, draw.normal, momentum=0.25, eps=0.5, label="training, a large ε")
    yield case(5, 3, False, draw.normal, eps=0.5, label="evaluation, a large ε")


def _running_variant(
    training_with="batch", evaluation_with="running", update=True, correction=1, swapped=False, moves_in_eval=False, of_output=0
):
    def step(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
        own = momentum if not swapped else 1 - momentum
        renewed = running_mean, running_var
        if update and (training or moves_in_eval) and len(x) > 1:
            renewed = (
                (1 - own) * running_mean + own * x.mean(0),
                (1 - own) * running_var + own * x.var(0, correction=correction),
            )
        which = training_with if training else evaluation_with
        mean, var = (x.mean(0), x.var(0, correction=of_output)) if which == "batch" else (running_mean, running_var)
        return (x - mean) / torch.sqrt(var + eps), *renewed

    return step


batch_norm_step = Exercise(
    chapter="03",
    name="batch_norm_step",
    title="The two modes of BatchNorm",
    minutes=20,
    difficulty=2,
    equation="Eq. 3.10",
    oracle=_batch_norm_step,
    cases=_running_cases,
    returns=("output", "running_mean", "running_var"),
    shapes={"x": "N C", "running_mean": "C", "running_var": "C"},
    solution=_batch_norm_step_solution,
    mistakes=[
        Mistake(
            _running_variant(evaluation_with="batch"),
            "in evaluation the batch's own statistics are used: an example's output then depends on its neighbours",
            "A single example would come out as 0, whatever it is.",
        ),
        Mistake(
            _running_variant(training_with="running"),
            "in training the running estimates are used: then nothing is normalised by what the gradient sees",
        ),
        Mistake(
            _running_variant(swapped=True),
            "momentum is the wrong way round: torch's momentum is the share of the *new* batch",
            "An optimiser's momentum 0.9 keeps nine tenths of the old; BatchNorm's 0.1 keeps nine tenths of the old too.",
        ),
        Mistake(
            _running_variant(correction=0),
            "the running variance is divided by N: as an estimate for data not seen it is divided by N − 1, `correction=1`",
        ),
        Mistake(
            _running_variant(moves_in_eval=True), "evaluation moves the running estimates: the test set leaks into the model"
        ),
        Mistake(_running_variant(update=False), "the running estimates never move: evaluation would use what they started from"),
        Mistake(
            _running_variant(of_output=1),
            "the output is divided by the wrong root: a batch is normalised with its variance divided by N, `correction=0`",
            "N − 1 is for the running estimate alone. Torch's `x.var(0)` divides by N − 1 unless you say `correction=0`.",
        ),
        Mistake(
            _running_variant(of_output=1, correction=0),
            "the two variances are exchanged: divided by N for the output, by N − 1 for the running estimate",
        ),
    ],
    hints=[
        "Two modes. Evaluation uses the running estimates and leaves them alone. Training uses the batch's own mean and variance, and lets the running ones follow.",
        "`(1 - momentum) * running + momentum * new`: torch's momentum is the share of the new batch.",
        "The batch is normalised with `x.var(0, correction=0)`; what goes into the running variance is `x.var(0, correction=1)`.",
    ],
    afterword="In a model, `.train()` and `.eval()` choose the mode. Forgetting `.eval()` raises no error as long as a batch has two examples. What it does to the numbers is the next experiment.",
)


def _sweep(take_step, low, high, steps):
    rates, losses = [], []
    for i in range(steps):
        rate = low * (high / low) ** (i / (steps - 1))
        loss = take_step(rate)
        rates.append(rate)
        losses.append(loss)
        if not loss <= 2 * losses[0]:
            break
    return rates, losses


def _sweep_variant(rate=lambda i, low, high, steps: low * (high / low) ** (i / (steps - 1)), stop=None, keep_last=True):
    stop = stop or (lambda losses: not losses[-1] <= 2 * losses[0])

    def sweep(take_step, low, high, steps):
        rates, losses = [], []
        for i in range(steps):
            rates.append(rate(i, low, high, steps))
            losses.append(take_step(rates[-1]))
            if stop(losses):
                return (rates, losses) if keep_last else (rates[:-1], losses[:-1])
        return rates, losses

    return sweep


def _cut_afterwards(take_step, low, high, steps):
    """Right lists, from too many calls: every rate is tried, and what came after the explosion is thrown away."""
    rates = [low * (high / low) ** (i / (steps - 1)) for i in range(steps)]
    losses = [take_step(rate) for rate in rates]
    used = _until_exploded(losses)
    return rates[:used], losses[:used]


def _until_exploded(losses):
    """How many losses there are up to the first that is more than twice the first one, or not a number; all, if there is none."""
    return next((n for n, loss in enumerate(losses, 1) if not loss <= 2 * losses[0]), len(losses))


def _sweep_cases(draw):
    def case(losses, low, high, label=""):
        tells = f"take_step returns {', '.join(f'{loss:g}' for loss in losses)} in turn"
        return Case(partial(iter, losses), low, high, len(losses), label=f"{label}: {tells}" if label else tells)

    yield case([4.0, 3.0, 2.0], 0.01, 1.0, label="nothing diverges")
    yield case([2.0, 1.0, 0.25, 0.75, 0.5], 1e-4, 1.0, label="a lucky batch in between")
    yield case([2.0, 1.5, 1.0, 3.5, 4.5, 9.0, 9.0], 1e-3, 1.0, label="comes back up")
    yield case([3.0, 2.0, 2.5, math.nan, 1.0], 1e-2, 100.0, label="not a number")
    yield case([3.0, 1.0, 2.0, math.inf, math.nan, 1.0], 1e-3, 10.0, label="infinite")
    yield case([2.3, 2.2, 1.9, 1.4, 1.1, 1.5, 2.9, 4.7, 9.0, 400.0], 1e-5, 10.0)


def _replayed(sweep, take_step, low, high, steps):
    """Call a sweep with steps whose losses are known, and count the calls. take_step: () → an iterator of the losses.

    The two lists come back as tensors: a message then shows them where their lengths differ.
    """
    losses, rates = list(take_step()), []

    def step(rate):
        rates.append(rate)
        return losses[min(len(rates), len(losses)) - 1]

    found = sweep(step, low, high, steps)
    if not (isinstance(found, (tuple, list)) and len(found) == 2 and all(hasattr(part, "__len__") for part in found)):
        return found
    enough = _until_exploded(losses)
    if len(rates) > enough and max(map(len, found)) <= enough:
        before = f"the loss had exploded at call {enough}" if enough < steps else f"there are {steps} rates"
        raise RuntimeError(f"`take_step` was called {len(rates)} times; {before}")
    return tuple(torch.tensor([float(value) for value in part], dtype=torch.float64) for part in found)


learning_rate_sweep = Exercise(
    chapter="03",
    name="learning_rate_sweep",
    title="A sweep of learning rates",
    minutes=20,
    difficulty=2,
    oracle=_sweep,
    cases=_sweep_cases,
    call=_replayed,
    returns=("rates", "losses"),
    float32=False,
    tolerance=1e-6,
    solution=_sweep,
    mistakes=[
        Mistake(
            _sweep_variant(rate=lambda i, low, high, steps: low + (high - low) * i / (steps - 1)),
            "the rates are evenly spaced: nearly all of them are of the size of `high`; multiply by the same factor each time",
        ),
        Mistake(
            _sweep_variant(rate=lambda i, low, high, steps: low * (high / low) ** (i / steps)),
            "the last rate is not `high`: between `steps` rates there are `steps - 1` factors",
        ),
        Mistake(
            _sweep_variant(stop=lambda losses: False), "it never stops: beyond the first divergence the losses say nothing more"
        ),
        Mistake(
            _sweep_variant(stop=lambda losses: not losses[-1] <= 2 * min(losses)),
            "compared with the smallest loss so far: batches differ, and one lucky batch would end the sweep; compare with the first",
        ),
        Mistake(
            _sweep_variant(stop=lambda losses: losses[-1] > 2 * losses[0]),
            "NaN does not stop it: every comparison with NaN is false, so ask for `not loss <= …`",
        ),
        Mistake(
            _sweep_variant(keep_last=False), "the loss that ended the sweep is not kept: keep it, so that one sees where it ended"
        ),
        Mistake(
            _sweep_variant(stop=lambda losses: len(losses) > 1 and not losses[-1] <= 2 * losses[-2]),
            "compared with the loss before: a steady rise would never stop it; compare with the first",
        ),
        Mistake(
            _cut_afterwards,
            "the lists are right, but `take_step` was called on after the loss had exploded: every call trains the network. Stop there",
        ),
    ],
    hints=[
        "From low to high in `steps` rates, each the same factor times the one before. What is the factor, if there are `steps - 1` of them?",
        "`rate = low * (high / low) ** (i / (steps - 1))` for i from 0.",
        "Append first, then decide: `if not loss <= 2 * losses[0]: break` stops for NaN and infinity too.",
    ],
    afterword="`not loss <= limit` and `loss > limit` differ for NaN alone. It is worth a habit.",
)


def _clip_by_norm(gradients, max_norm):
    norm = torch.sqrt(sum((gradient**2).sum() for gradient in gradients))
    factor = min(1.0, max_norm / (norm.item() + 1e-6))
    return [gradient * factor for gradient in gradients], norm


def _clip_cases(draw):
    def zeros(*shape):
        return torch.zeros(*shape, dtype=torch.float64)

    three, four = torch.tensor([3.0], dtype=torch.float64), torch.tensor([4.0], dtype=torch.float64)
    yield Case([three, four], 1.0, label="a triangle of sides 3, 4, 5")
    yield Case([three, four], 4.5, label="each alone is short enough")
    yield Case([three, -four], 100.0, label="short enough")
    yield Case([zeros(2), zeros(1)], 1.0, label="no gradient at all")
    yield Case([draw.integers(2, 3, low=1), draw.integers(3, low=1)], 2.0)
    yield Case([draw.normal(4, 3), draw.normal(3), 50 * draw.normal(2, 2)], 0.5)


def _clip_call(answer, gradients, max_norm):
    """Call an answer, whose norm may be a plain number.

    The results come in a list, not a tuple, of which a message would say that `gradients` is right when one tensor of it is not.
    """
    found = answer(gradients, max_norm)
    if not (isinstance(found, (tuple, list)) and len(found) == 2):
        return found
    shortened, norm = found
    return [shortened, torch.tensor(norm, dtype=gradients[0].dtype) if isinstance(norm, float) else norm]


def _clipped(gradients, max_norm, norm, factor=lambda limit, norm: min(1.0, limit / (norm + 1e-6))):
    return [gradient * factor(max_norm, norm.item()) for gradient in gradients], norm


def _each_alone(gradients, max_norm):
    return [_clip_by_norm([gradient], max_norm)[0][0] for gradient in gradients], _clip_by_norm(gradients, max_norm)[1]


clip_by_norm = Exercise(
    chapter="03",
    name="clip_by_norm",
    title="Clipping by the norm",
    minutes=15,
    difficulty=1,
    equation="Eq. 3.12",
    oracle=_clip_by_norm,
    cases=_clip_cases,
    call=_clip_call,
    returns=("gradients", "norm"),
    tolerance=1e-5,
    noise=1e-9,
    solution=_clip_by_norm,
    mistakes=[
        Mistake(
            _each_alone,
            "each tensor is clipped on its own: that turns the direction; take the norm of all of them together",
        ),
        Mistake(
            lambda gradients, max_norm: (
                [gradient.clamp(-max_norm, max_norm) for gradient in gradients],
                _clip_by_norm(gradients, max_norm)[1],
            ),
            "the numbers are cut off one by one, which turns the direction: shorten the whole vector",
        ),
        Mistake(
            lambda gradients, max_norm: _clipped(
                gradients, max_norm, _clip_by_norm(gradients, 1.0)[1], lambda limit, norm: limit / (norm + 1e-6)
            ),
            "short gradients are made longer: the factor is never more than 1",
        ),
        Mistake(
            lambda gradients, max_norm: _clipped(
                gradients, max_norm, _clip_by_norm(gradients, 1.0)[1], lambda limit, norm: max(1.0, limit / (norm + 1e-6))
            ),
            "the larger of the two factors is taken: long gradients stay long and short ones grow; take the smaller",
        ),
        Mistake(
            lambda gradients, max_norm: _clipped(gradients, max_norm, sum(gradient.norm() for gradient in gradients)),
            "the norms are added up: add their squares and take the root",
        ),
        Mistake(
            lambda gradients, max_norm: _clipped(gradients, max_norm, sum((gradient**2).sum() for gradient in gradients)),
            "this is the squared norm: the root is missing",
        ),
        Mistake(
            lambda gradients, max_norm: _clipped(
                gradients, max_norm, torch.stack([gradient.abs().max() for gradient in gradients]).max()
            ),
            "this is the largest entry, not the norm",
        ),
        Mistake(
            lambda gradients, max_norm: (
                _clip_by_norm(gradients, max_norm)[0],
                _clip_by_norm(_clip_by_norm(gradients, max_norm)[0], 1.0)[1],
            ),
            "the norm is that of the clipped gradients: return the one before, which tells whether training is in trouble",
        ),
    ],
    hints=[
        "One vector of all numbers of all tensors. Its squared norm is the sum of the tensors' squared norms.",
        "`norm = torch.sqrt(sum((g**2).sum() for g in gradients))`; the factor is the limit over the norm, and at most 1.",
        "The small number 10⁻⁶ in Eq. 3.12 keeps 0/0 away. Return a list of the gradients times the factor, and the norm.",
    ],
)


def _swapped(one, other):
    """The right answer with two curves exchanged."""
    letters = sorted(ANSWERS)
    answer = [ANSWERS[letter] for letter in letters]
    i, j = letters.index(one), letters.index(other)
    answer[i], answer[j] = answer[j], answer[i]
    return answer


def _read_causes(answer):
    """Six whole numbers as a list, from a list, tuple or tensor, or from {"A": …}."""
    if isinstance(answer, dict) and sorted(map(str, answer)) == sorted(ANSWERS):
        answer = [answer[letter] for letter in sorted(ANSWERS)]
    answer = answer.tolist() if hasattr(answer, "tolist") else answer
    if not isinstance(answer, (list, tuple)) or len(answer) != len(ANSWERS):
        raise ValueError("give a list of six numbers, the causes of A, B, C, D, E and F")
    causes = [cause for cause in answer if isinstance(cause, (int, float)) and cause in range(1, len(CAUSES) + 1)]
    if len(causes) < len(ANSWERS):
        raise ValueError("give a list of six numbers, each the number of a cause, from 1 to 6")
    if twice := sorted({int(cause) for cause in causes if causes.count(cause) > 1}):
        raise ValueError(f"each cause occurs once; {', '.join(map(str, twice))} occurs more than once")
    return list(map(int, causes))


def _wrong_letters(answer):
    wrong = [letter for letter, cause in zip(sorted(ANSWERS), answer, strict=True) if cause != ANSWERS[letter]]
    return f"wrong at {', '.join(wrong)}" if wrong else None


causes = ValueExercise(
    chapter="03",
    name="causes",
    title="What went wrong?",
    minutes=15,
    difficulty=2,
    oracle=[ANSWERS[letter] for letter in sorted(ANSWERS)],
    read=_read_causes,
    accepts=_wrong_letters,
    mistakes=[
        Mistake(
            _swapped("A", "E"),
            "overfitting and shuffled labels are exchanged: in which of the two did the validation loss ever fall below the start?",
            "Whoever learns too few examples by heart first learns something true. Behind shuffled labels there is nothing true to learn.",
        ),
        Mistake(
            _swapped("B", "C"),
            "the healthy run and dropout are exchanged: with dropout the training loss is measured on a crippled network",
            "The validation loss is measured with all hidden numbers in place, so it can lie below the training loss all the way.",
        ),
        Mistake(
            _swapped("D", "F"),
            "too small and too large are exchanged: small steps are smooth and slow, large ones get stuck high and jump",
        ),
        Mistake(
            _swapped("D", "E"),
            "look at the training loss: large steps keep it up, shuffled labels do not (a network can learn noise by heart)",
        ),
    ],
    hints=[
        "Sort first by the training loss: where does it fall to nearly 0, where slowly, where does it stay high?",
        "Then by the gap. Validation above training and rising: something was learned by heart. Validation below training: the two were measured differently.",
        "$\\ln 10 \\approx 2.3$ is the loss of guessing. Whose validation loss never gets below it?",
    ],
    solution="causes = " + repr([ANSWERS[letter] for letter in sorted(ANSWERS)]),
    afterword="One curve rarely proves a cause. It tells which experiment to make next.",
)
