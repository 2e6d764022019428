"""One step of an optimiser as a pure function: parameter, gradient and state in, new parameter and new state out.

    parameter, state = adam(parameter, gradient)                # the first step makes the state
    parameter, state = adam(parameter, gradient, state)         # every further step takes it and returns the next

Nothing is changed in place, and no gradient flows through a step. Names, defaults and numbers are those of torch.optim.
"""

from numbers import Real
from typing import NamedTuple

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_alike, check_floating, is_whole, require, shape


class SgdState(NamedTuple):
    """The velocity, of the parameter's shape; None without momentum."""

    momentum_buffer: torch.Tensor | None


class RmspropState(NamedTuple):
    """Running means of g² and, when centred, of g; the velocity with momentum. Each of the parameter's shape, or None."""

    square_avg: torch.Tensor
    grad_avg: torch.Tensor | None
    momentum_buffer: torch.Tensor | None


class AdamState(NamedTuple):
    """The number of steps taken, the running means of g and g², and with amsgrad the largest mean of g² so far, else None."""

    step: int
    exp_avg: torch.Tensor
    exp_avg_sq: torch.Tensor
    max_exp_avg_sq: torch.Tensor | None


class SgdStep(NamedTuple):
    """What sgd_momentum returns."""

    parameter: torch.Tensor
    state: SgdState


class RmspropStep(NamedTuple):
    """What rmsprop returns."""

    parameter: torch.Tensor
    state: RmspropState


class AdamStep(NamedTuple):
    """What adam and adamw return."""

    parameter: torch.Tensor
    state: AdamState


def _check(parameter, gradient, state, kind, **numbers):
    """The tensors have one shape, the state is of its kind, and each of the numbers is at least zero."""
    check_floating(parameter, "parameter", ANY_DIMS, "of any shape")
    expected = f"a gradient of parameter's shape {tuple(parameter.shape)}; None means that no backward pass has reached it"
    require(gradient is not None, "gradient", None, expected)
    check_floating(gradient, "gradient", ANY_DIMS, f"of parameter's shape {tuple(parameter.shape)}")
    require(gradient.shape == parameter.shape, "gradient", shape(gradient), f"parameter's shape {tuple(parameter.shape)}")
    check_alike("parameter", parameter, gradient=gradient)
    expected = f"None in the first step, then the {kind.__name__} that the last step returned"
    require(state is None or isinstance(state, kind), "state", type(state).__name__, expected)
    for argument, kept in () if state is None else state._asdict().items():
        if isinstance(kept, torch.Tensor):
            got = f"{argument} of {shape(kept)}"
            require(kept.shape == parameter.shape, "state", got, f"the state of a parameter of {shape(parameter)}")
    for argument, value in numbers.items():
        require(isinstance(value, Real) and value >= 0, argument, repr(value), "a number ≥ 0")


def _check_kept(state, field, needed, option):
    """A state from steps with the option and one from steps without it cannot be mixed."""
    there = state is None or getattr(state, field) is not None
    require(there or not needed, "state", f"{field}=None", f"a state from steps with {option} too; begin anew with state=None")


def _decayed(parameter, gradient, weight_decay, maximize):
    """g, or −g to climb, plus the gradient of ½λ‖θ‖²."""
    gradient = -gradient if maximize else gradient
    return gradient + weight_decay * parameter if weight_decay else gradient


@torch.no_grad()
def sgd_momentum(
    parameter, gradient, state=None, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False
):
    """v ← β·v + (1 − dampening)·g,  θ ← θ − η·v — Eq. 3.5 (Polyak 1964).

    nesterov: θ ← θ − η(g + β·v), which looks one step ahead along the velocity (Nesterov 1983; Sutskever et al. 2013).
    Numbers and defaults of torch.optim.SGD: momentum β is 0 unless given, and the first velocity is g itself.
    parameter θ, gradient g: one shape   state: None or SgdState   lr: η   weight_decay: λ, g ← g + λθ   maximize: climbs
    returns: SgdStep(parameter, state)

    >>> theta, state = sgd_momentum(torch.tensor([1.0]), torch.tensor([2.0]), lr=0.1, momentum=0.9)
    >>> sgd_momentum(theta, torch.tensor([2.0]), state, lr=0.1, momentum=0.9)
    SgdStep(parameter=tensor([0.4200]), state=SgdState(momentum_buffer=tensor([3.8000])))
    """
    _check(parameter, gradient, state, SgdState, lr=lr, momentum=momentum, weight_decay=weight_decay)
    require(isinstance(dampening, Real), "dampening", repr(dampening), "a number")
    plain = not nesterov or (momentum > 0 and dampening == 0)
    got = f"True with momentum={momentum} and dampening={dampening}"
    require(plain, "nesterov", got, "True only with a momentum and no dampening")
    gradient = _decayed(parameter, gradient, weight_decay, maximize)
    if not momentum:
        return SgdStep(parameter - lr * gradient, SgdState(None))
    velocity = None if state is None else state.momentum_buffer
    velocity = gradient.clone() if velocity is None else momentum * velocity + (1 - dampening) * gradient
    direction = gradient + momentum * velocity if nesterov else velocity
    return SgdStep(parameter - lr * direction, SgdState(velocity))


@torch.no_grad()
def rmsprop(
    parameter, gradient, state=None, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, *, maximize=False
):
    """s ← α·s + (1 − α)·g²,  θ ← θ − η·g/(√s + ε) — Eq. 3.7 (Tieleman and Hinton 2012; centered: Graves 2013).

    Numbers and defaults of torch.optim.RMSprop. centered: s − m² takes the place of s, with m the running mean of g.
    With momentum β: v ← β·v + g/(√s + ε),  θ ← θ − η·v.
    parameter θ, gradient g: one shape   state: None or RmspropState   weight_decay: λ, g ← g + λθ   maximize: climbs
    returns: RmspropStep(parameter, state)
    """
    _check(parameter, gradient, state, RmspropState, lr=lr, eps=eps, weight_decay=weight_decay, momentum=momentum)
    require(isinstance(alpha, Real) and 0 <= alpha <= 1, "alpha", repr(alpha), "a number from 0 to 1")
    _check_kept(state, "grad_avg", centered, "centered=True")
    _check_kept(state, "momentum_buffer", momentum > 0, "momentum")
    zeros = torch.zeros_like(parameter)
    square_avg, grad_avg, velocity = RmspropState(zeros, zeros, zeros) if state is None else state
    gradient = _decayed(parameter, gradient, weight_decay, maximize)
    square_avg = alpha * square_avg + (1 - alpha) * gradient**2
    grad_avg = alpha * grad_avg + (1 - alpha) * gradient if centered else None
    spread = square_avg - grad_avg**2 if centered else square_avg
    direction = gradient / (spread.sqrt() + eps)
    velocity = momentum * velocity + direction if momentum else None
    return RmspropStep(parameter - lr * (velocity if momentum else direction), RmspropState(square_avg, grad_avg, velocity))


def _adam_direction(parameter, gradient, state, betas, eps, amsgrad):
    """(m̂/(√v̂ + ε), the new state): the bias-corrected step of Adam, before the learning rate."""
    zeros = torch.zeros_like(parameter)
    step, exp_avg, exp_avg_sq, largest = AdamState(0, zeros, zeros, zeros) if state is None else state
    (beta1, beta2), step = betas, step + 1
    exp_avg = beta1 * exp_avg + (1 - beta1) * gradient  # m
    exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * gradient**2  # v
    largest = torch.maximum(largest, exp_avg_sq) if amsgrad else None
    mean = exp_avg / (1 - beta1**step)  # m̂: m starts at zero, so its first values are too small
    square = (largest if amsgrad else exp_avg_sq) / (1 - beta2**step)  # v̂
    return mean / (square.sqrt() + eps), AdamState(step, exp_avg, exp_avg_sq, largest)


def _check_adam(parameter, gradient, state, lr, betas, eps, weight_decay, amsgrad):
    _check(parameter, gradient, state, AdamState, lr=lr, eps=eps, weight_decay=weight_decay)
    good = isinstance(betas, (tuple, list)) and len(betas) == 2 and all(isinstance(b, Real) and 0 <= b < 1 for b in betas)
    require(good, "betas", repr(betas), "two numbers from 0 to below 1")
    _check_kept(state, "max_exp_avg_sq", amsgrad, "amsgrad=True")
    require(state is None or is_whole(state.step), "state", "step of " + type(getattr(state, "step", 0)).__name__, "a whole step")


@torch.no_grad()
def adam(
    parameter, gradient, state=None, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, maximize=False
):
    """θ ← θ − η·m̂/(√v̂ + ε) with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ) — Eq. 3.8 (Kingma and Ba 2015).

    m ← β₁m + (1−β₁)g and v ← β₂v + (1−β₂)g² are running means; they start at 0, which the divisions correct in step t.
    Numbers and defaults of torch.optim.Adam. weight_decay λ is added to the gradient, g ← g + λθ, and is then divided by √v̂ too;
    adamw keeps it apart. amsgrad: the largest v so far takes the place of v (Reddi, Kale and Kumar 2018).
    parameter θ, gradient g: one shape   state: None or AdamState   maximize: climbs   returns: AdamStep(parameter, state)

    >>> adam(torch.tensor([1.0, 1.0]), torch.tensor([1e-3, -50.0]), lr=0.1).parameter  # the first step is lr, whatever the slope
    tensor([0.9000, 1.1000])
    """
    _check_adam(parameter, gradient, state, lr, betas, eps, weight_decay, amsgrad)
    gradient = _decayed(parameter, gradient, weight_decay, maximize)
    direction, state = _adam_direction(parameter, gradient, state, betas, eps, amsgrad)
    return AdamStep(parameter - lr * direction, state)


@torch.no_grad()
def adamw(
    parameter, gradient, state=None, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False
):
    """θ ← (1 − ηλ)·θ − η·m̂/(√v̂ + ε): Adam, the decay apart from the gradient — Eq. 3.9 (Loshchilov and Hutter 2019).

    Numbers and defaults of torch.optim.AdamW; the rest as in ``adam``. returns: AdamStep(parameter, state)

    >>> adamw(torch.tensor([1.0]), torch.tensor([0.0]), lr=0.1, weight_decay=0.5).parameter
    tensor([0.9500])
    """
    _check_adam(parameter, gradient, state, lr, betas, eps, weight_decay, amsgrad)
    gradient = -gradient if maximize else gradient
    direction, state = _adam_direction(parameter, gradient, state, betas, eps, amsgrad)
    return AdamStep((1 - lr * weight_decay) * parameter - lr * direction, state)
