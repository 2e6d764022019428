"""Train with the course's own gradients: couple an operation to its hand-written backward.

With ``import mmlearn.ops as F``, ``loss.backward()`` runs the equations that the chapters derive, not torch's own formulas:

    @differentiated_by(relu_backward)
    def relu(input): ...
"""

import functools
import inspect

import torch

__all__ = ["differentiated_by"]


class _ByHand(torch.autograd.Function):
    """Calls ``forward(**arguments)``; the vector–Jacobian product is ``backward(grad_output, **arguments)``."""

    @staticmethod
    def forward(operation, gradient, constants, names, *tensors):
        return operation(**constants, **dict(zip(names, tensors, strict=True)))

    @staticmethod
    def setup_context(ctx, inputs, output):
        operation, ctx.gradient, ctx.constants, ctx.names, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx, grad_output):
        tensors = dict(zip(ctx.names, ctx.saved_tensors, strict=True))
        grads = ctx.gradient(grad_output, **ctx.constants, **tensors)
        found = grads._asdict() if hasattr(grads, "_asdict") else {ctx.names[0]: grads}
        return (None, None, None, None, *(found.get(name) for name in ctx.names))


def differentiated_by(gradient):
    """Decorator: autograd uses ``gradient(grad_output, *inputs, …)`` for this operation.

    gradient returns a tensor (the gradient of the first argument) or a NamedTuple with one field per tensor argument. It recomputes
    what it needs from the inputs, and being made of differentiable operations itself it can be differentiated again.
    """

    def decorate(operation):
        signature = inspect.signature(operation)

        @functools.wraps(operation)
        def wrapped(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            tensors = {name: value for name, value in bound.arguments.items() if isinstance(value, torch.Tensor)}
            if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors.values())):
                return operation(**bound.arguments)
            constants = {name: value for name, value in bound.arguments.items() if name not in tensors}
            return _ByHand.apply(operation, gradient, constants, tuple(tensors), *tensors.values())

        wrapped.gradient = gradient
        return wrapped

    return decorate
