"""Derivatives measured instead of derived: the test that every hand-written gradient has to pass."""

import math

import torch

from mmlearn.ops.arguments import require


def numerical_gradient(function, input, grad_output=None, step=1e-6):
    """∂⟨grad_output, f(x)⟩/∂x_i ≈ (f(x + h·e_i) − f(x − h·e_i)) / 2h, number by number: the central difference — Eq. 2.18.

    Its error falls as h², until rounding, which grows as 1/h, takes over: in float64 a step near 1e-6 is a good compromise.
    function: takes input, returns a tensor   input: float64 of any shape (float32 has too few digits for a small step)
    grad_output: f(x)'s shape; None means ones   step: h, in the input's unit   returns: input's shape
    Raises ValueError when input is not float64.

    >>> numerical_gradient(lambda x: x**2, torch.tensor([1.0, 3.0], dtype=torch.float64)).round(decimals=6)
    tensor([2., 6.], dtype=torch.float64)
    """
    expected = "a float64 tensor, or rounding drowns the difference: call .double()"
    require(isinstance(input, torch.Tensor), "input", type(input).__name__, expected)
    require(input.dtype == torch.float64, "input", str(input.dtype).removeprefix("torch."), expected)
    gradient = input.new_zeros(input.shape)
    with torch.no_grad():
        for i in range(input.numel()):
            nudge = input.new_zeros(input.shape)
            nudge.view(-1)[i] = step
            change = (function(input + nudge) - function(input - nudge)) / (2 * step)
            gradient.view(-1)[i] = change.sum() if grad_output is None else (change * grad_output).sum()
    return gradient


def central_difference_error(step, value, third, epsilon=2.0**-52):
    """h²/6 · |f‴| + ε|f|/h: what cutting off the Taylor series and what rounding cost a central difference — Eq. 2.19.

    The first is exact as h → 0, the second an order of magnitude: rounding is not a smooth function.
    step: h   value: f(x)   third: f‴(x)   epsilon: relative precision of a number, 2⁻⁵² in float64, 2⁻²³ in float32

    >>> f"{central_difference_error(1e-5, value=1.0, third=1.0):.1e}"
    '3.9e-11'
    """
    require(step > 0, "step", repr(step), "a number > 0")
    return step**2 / 6 * abs(third) + epsilon * abs(value) / step


def best_step(value, third, epsilon=2.0**-52):
    """h* = (3ε|f| / |f‴|)^(1/3): where the error of a central difference is least — Eq. 2.20.

    Setting the derivative of Eq. 2.19 by h, h/3 · |f‴| − ε|f|/h², to zero gives it. Arguments as there; third may not be 0,
    because then the larger the step, the better.

    >>> f"{best_step(value=1.0, third=1.0):.1e}"
    '8.7e-06'
    """
    require(third != 0, "third", repr(third), "a number other than 0: without a third derivative no step is too large")
    return math.cbrt(3 * epsilon * abs(value) / abs(third))
