"""How long a step of gradient descent may be, and how long a step with momentum really is."""

from numbers import Real

from mmlearn.ops.arguments import require


def learning_rate_bound(curvature, momentum=0.0):
    """η < 2(1 + β)/λ_max: the learning rates with which descent on a quadratic loss comes to rest — Eq. 3.4 (Polyak 1964).

    A step multiplies the distance along a direction of curvature λ by 1 − ηλ; beyond the bound it grows, along the steepest
    direction first. A momentum β widens the range; without it the bound is 2/λ_max.
    curvature: λ_max > 0, the largest eigenvalue of the Hessian   momentum: β, 0 ≤ β < 1   returns: float

    >>> learning_rate_bound(20.0), learning_rate_bound(20.0, momentum=0.5)
    (0.1, 0.15)
    """
    require(isinstance(curvature, Real) and curvature > 0, "curvature", repr(curvature), "the largest curvature, a number > 0")
    _check_momentum(momentum)
    return 2 * (1 + momentum) / curvature


def effective_learning_rate(lr, momentum):
    """η/(1 − β): the step that velocity makes of a gradient that stays the same — Eq. 3.6.

    v ← βv + g tends to g(1 + β + β² + …) = g/(1 − β). lr: η ≥ 0   momentum: β, 0 ≤ β < 1   returns: float

    >>> effective_learning_rate(0.5, momentum=0.75)
    2.0
    """
    require(isinstance(lr, Real) and lr >= 0, "lr", repr(lr), "a number ≥ 0")
    _check_momentum(momentum)
    return lr / (1 - momentum)


def _check_momentum(momentum):
    expected = "a number from 0 to below 1; at 1 nothing would ever come to rest"
    require(isinstance(momentum, Real) and 0 <= momentum < 1, "momentum", repr(momentum), expected)
