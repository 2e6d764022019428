"""Derivatives measured instead of derived: the test that every hand-written gradient has to pass."""

import torch

from mmlearn.ops.arguments import require


def numerical_gradient(function, input, grad_output=None, step=1e-6):
    """∂⟨grad_output, f(x)⟩/∂x_i ≈ (f(x + h·e_i) − f(x − h·e_i)) / 2h, number by number: the central difference.

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
