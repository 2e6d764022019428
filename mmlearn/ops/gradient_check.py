"""Derivatives measured instead of derived: the test that every hand-written gradient has to pass."""

import torch

__all__ = ["numerical_gradient"]


def numerical_gradient(function, input, grad_output=None, step=1e-6):
    """∂⟨grad_output, f(x)⟩/∂x_i ≈ (f(x + h·e_i) − f(x − h·e_i)) / 2h, number by number: the central difference, with an error of h².

    function: takes input, returns a tensor   input: float64 of any shape (float32 has too few digits for a small step)
    grad_output: f(x)'s shape; None means ones   step: h, in the input's unit   returns: input's shape
    Raises ValueError when input is not float64.

    >>> numerical_gradient(lambda x: x**2, torch.tensor([1.0, 3.0], dtype=torch.float64)).round(decimals=6)
    tensor([2., 6.], dtype=torch.float64)
    """
    if input.dtype != torch.float64:
        raise ValueError(f"input: expected float64, or rounding drowns the difference; got {input.dtype}: call .double()")
    gradient = torch.zeros_like(input)
    with torch.no_grad():
        for i in range(input.numel()):
            nudge = torch.zeros_like(input)
            nudge.view(-1)[i] = step
            change = (function(input + nudge) - function(input - nudge)) / (2 * step)
            gradient.view(-1)[i] = change.sum() if grad_output is None else (change * grad_output).sum()
    return gradient
