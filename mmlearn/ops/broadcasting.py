"""Broadcasting as an operation of its own: a copy forward, and so a sum backward."""

from mmlearn.ops.arguments import ANY_DIMS, check_floating, check_grad_output, require, shape
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.shapes import broadcast_shape


def broadcast_to_backward(grad_output, input, size=None):
    """dX = Σ dY over all copies of each number: the axes that were put in front, and those stretched from length 1 — Eq. 2.9.

    grad_output: (the shape broadcast to)   input, size: as given to broadcast_to   returns: input's shape
    """
    check_grad_output(grad_output, broadcast_shape(input.shape, grad_output.shape))
    in_front = grad_output.dim() - input.dim()
    lengths = (1,) * in_front + tuple(input.shape)
    stretched = [axis for axis, length in enumerate(lengths) if length == 1 and grad_output.shape[axis] != 1]
    summed = grad_output.sum(stretched, keepdim=True) if stretched else grad_output
    return summed.reshape(input.shape)


@differentiated_by(broadcast_to_backward)
def _broadcast_to(input, size):
    return input.expand(size)


def broadcast_to(input, size):
    """The input with axes put in front and axes of length 1 stretched. A drop-in for torch.broadcast_to.

    input: any shape   size: the shape wanted   returns: that shape, a view

    >>> import torch
    >>> broadcast_to(torch.tensor([[1.0], [2.0]]), (2, 3))
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    check_floating(input, "input", ANY_DIMS, "of any shape")
    size = tuple(size)
    require(broadcast_shape(input.shape, size) == size, "input", shape(input), f"a shape that stretches to {size}")
    return _broadcast_to(input, size)
