"""Train with the course's own gradients: couple an operation to its hand-written backward.

With ``import mmlearn.ops as F``, ``loss.backward()`` runs the equations that the chapters derive, not torch's own formulas:

    @differentiated_by(relu_backward)
    def relu(input): ...
"""

import contextlib
import contextvars
import functools
import inspect

import torch

from mmlearn.ops.arguments import require

_use_hand_written = contextvars.ContextVar("use_hand_written", default=True)


@contextlib.contextmanager
def torch_gradients():
    """Within this block autograd differentiates the operations line by line: an independent judge of the hand-written gradients.

    >>> x = torch.tensor([1.0, -1.0], requires_grad=True)
    >>> with torch_gradients():
    ...     y = (2 * x).sum()  # any mmlearn.ops in here would be differentiated by torch
    """
    token = _use_hand_written.set(False)
    try:
        yield
    finally:
        _use_hand_written.reset(token)


class _ByHand(torch.autograd.Function):
    """Calls ``operation(**arguments)``; the vector–Jacobian product is ``gradient(grad_output, **arguments)``."""

    @staticmethod
    def forward(operation, gradient, constants, names, *tensors):
        return operation(**constants, **dict(zip(names, tensors, strict=True)))

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.gradient, ctx.constants, ctx.names, *tensors = inputs
        ctx.offered = inspect.signature(ctx.gradient).parameters
        ctx.save_for_backward(*tensors, output if "output" in ctx.offered else None)

    @staticmethod
    def backward(ctx, grad_output):
        *tensors, output = ctx.saved_tensors
        arguments = {**ctx.constants, **dict(zip(ctx.names, tensors, strict=True))}
        needed = [name for name, needs in zip(ctx.names, ctx.needs_input_grad[4:], strict=True) if needs]
        if "output" in ctx.offered:
            arguments["output"] = output
        if "output_mask" in ctx.offered:
            arguments["output_mask"] = tuple(name in needed for name in ("input", "weight", "bias"))
        grads = ctx.gradient(grad_output, **arguments)
        found = grads._asdict() if hasattr(grads, "_asdict") else {ctx.names[0]: grads}
        for name in needed:
            expected = f"a tensor that needs no gradient, as {ctx.gradient.__name__} has none for it; call .detach()"
            require(found.get(name) is not None, name, "requires_grad=True", expected)
        return (None, None, None, None, *(found.get(name) for name in ctx.names))


def differentiated_by(gradient):
    """Decorator: autograd uses ``gradient(grad_output, *inputs, …)`` for this operation.

    gradient returns a tensor (the gradient of the first argument) or a NamedTuple with one field per tensor argument. Being made
    of differentiable operations itself, it can be differentiated again. When it takes an ``output``, that is what the operation
    returned, so that it need not be computed again; when it takes an ``output_mask``, that says which of (input, weight, bias)
    need a gradient.
    """

    def decorate(operation):
        signature = inspect.signature(operation)

        @functools.wraps(operation)
        def wrapped(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            tensors = {name: value for name, value in bound.arguments.items() if isinstance(value, torch.Tensor)}
            needed = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors.values())
            if not (needed and _use_hand_written.get()):
                return operation(**bound.arguments)
            constants = {name: value for name, value in bound.arguments.items() if name not in tensors}
            return _ByHand.apply(operation, gradient, constants, tuple(tensors), *tensors.values())

        return wrapped

    return decorate
