"""What an operation accepts: every wrong argument becomes a ValueError that names it, what was given and what was expected."""

from numbers import Integral

import torch

ANY_DIMS = range(65)


def require(condition, argument, got, expected):
    """Raise ``ValueError: <argument>: expected <expected>; got <got>`` unless the condition holds.

    >>> require(False, "stride", -1, "a whole number ≥ 1")
    Traceback (most recent call last):
    ...
    ValueError: stride: expected a whole number ≥ 1; got -1
    """
    if not condition:
        raise ValueError(f"{argument}: expected {expected}; got {got}")


def shape(tensor):
    """The tensor's shape in the words of an error message.

    >>> shape(torch.zeros(2, 3))
    'shape (2, 3)'
    """
    return f"shape {tuple(tensor.shape)}"


def is_whole(value):
    """Is it a whole number, Python's or NumPy's? True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_whole(value, argument, minimum=1):
    """A whole number that is at least the minimum."""
    require(is_whole(value) and value >= minimum, argument, repr(value), f"a whole number ≥ {minimum}")


def pair(value, argument, minimum=1):
    """One whole number or two of them (height, width) → a pair of ints, each ≥ minimum.

    >>> pair(3, "kernel_size"), pair((1, 2), "stride")
    ((3, 3), (1, 2))
    """
    both = (value,) if is_whole(value) else value
    good = isinstance(both, (tuple, list)) and len(both) in (1, 2) and all(is_whole(n) and n >= minimum for n in both)
    require(good, argument, repr(value), f"a whole number ≥ {minimum}, or two of them (height, width)")
    return int(both[0]), int(both[-1])


def check_size(size, argument, layout):
    """The size of an image batch or of a weight: four whole numbers."""
    good = isinstance(size, (tuple, list)) and len(size) == 4 and all(is_whole(n) and n >= 0 for n in size)
    require(good, argument, repr(size), f"four whole numbers {layout}")


def places(size, kernel_size, stride, dilation, argument="kernel_size"):
    """How many places a kernel has along one axis of a padded input; a ValueError when it does not fit at all."""
    reach = dilation * (kernel_size - 1) + 1
    got = f"{kernel_size} with dilation {dilation}, which reaches over d(k−1)+1 = {reach}"
    require(size >= reach, argument, got, f"a kernel that fits into the padded input of {size}")
    return (size - reach) // stride + 1


def resolve_padding(padding, kernel_size, stride, dilation):
    """Zeros to add on each side, in the order of torch.nn.functional.pad: (left, right, top, bottom).

    padding: a whole number ≥ 0, two of them (height, width), 'valid' (none) or 'same' (output as large as the input, stride 1
    only; when d(k−1) is odd, the extra zero goes to the right and the bottom, as in torch).

    >>> resolve_padding("same", (3, 4), (1, 1), (1, 1))
    (1, 2, 1, 1)
    """
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        require(stride == (1, 1), "padding", f"'same' with stride {stride}", "'same' only with stride 1")
        total_h, total_w = (d * (k - 1) for d, k in zip(dilation, kernel_size, strict=True))
        return (total_w // 2, total_w - total_w // 2, total_h // 2, total_h - total_h // 2)
    require(not isinstance(padding, str), "padding", repr(padding), "a whole number ≥ 0, two of them, 'valid' or 'same'")
    ph, pw = pair(padding, "padding", minimum=0)
    return (pw, pw, ph, ph)


def check_floating(tensor, argument, dims, layout):
    """A floating-point tensor of one of the given numbers of dimensions, or a ValueError that shows the layout."""
    require(isinstance(tensor, torch.Tensor), argument, type(tensor).__name__, f"a torch.Tensor {layout}")
    got = f"{str(tensor.dtype).removeprefix('torch.')} of {shape(tensor)}"
    require(tensor.is_floating_point(), argument, got, f"floating-point numbers {layout}; convert with .float()")
    require(tensor.dim() in dims, argument, got, layout)


def check_alike(reference, like, **others):
    """Tensors of the dtype and on the device of ``like``, which the message calls by the name ``reference``; None is skipped."""
    for argument, tensor in others.items():
        if tensor is not None:
            require(isinstance(tensor, torch.Tensor), argument, type(tensor).__name__, "a torch.Tensor")
            got, expected = (f"{str(t.dtype).removeprefix('torch.')} on {t.device}" for t in (tensor, like))
            require(got == expected, argument, got, f"{expected}, as {reference} is")


def check_bias(bias, outputs):
    """bias is None or one number per output channel (or feature)."""
    if bias is not None:
        check_floating(bias, "bias", (1,), f"({outputs},)")
        require(len(bias) == outputs, "bias", shape(bias), f"({outputs},): one number per output channel")


def check_groups(groups, channels, whose):
    """groups divides the number of channels."""
    check_whole(groups, "groups")
    require(channels % groups == 0, "groups", groups, f"a divisor of the {channels} {whose} channels")


def check_grad_output(grad_output, output_shape):
    """grad_output has the shape of the output that it is the gradient of."""
    expected = f"the output's shape {tuple(output_shape)}"
    check_floating(grad_output, "grad_output", ANY_DIMS, f"of {expected}")
    require(tuple(grad_output.shape) == tuple(output_shape), "grad_output", shape(grad_output), expected)
