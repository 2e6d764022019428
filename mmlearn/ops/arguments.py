"""What an operation accepts: every wrong argument becomes a ValueError that names it, what was given and what was expected."""

import torch

__all__ = ["check_bias", "check_floating", "check_same_dtype", "pair", "require", "resolve_padding"]


def require(condition, argument, got, expected):
    """Raise ``ValueError: <argument>: expected <expected>; got <got>`` unless the condition holds.

    >>> require(False, "stride", -1, "a whole number ≥ 1")
    Traceback (most recent call last):
    ...
    ValueError: stride: expected a whole number ≥ 1; got -1
    """
    if not condition:
        raise ValueError(f"{argument}: expected {expected}; got {got}")


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def pair(value, argument, minimum=1):
    """One whole number or two of them (height, width) → a pair of ints, each ≥ minimum.

    >>> pair(3, "kernel_size"), pair((1, 2), "stride")
    ((3, 3), (1, 2))
    """
    both = (value, value) if _is_whole(value) else value
    if isinstance(both, (tuple, list)) and len(both) == 1:
        both = (both[0], both[0])
    good = isinstance(both, (tuple, list)) and len(both) == 2 and all(_is_whole(n) and n >= minimum for n in both)
    require(good, argument, repr(value), f"a whole number ≥ {minimum}, or two of them (height, width)")
    return tuple(both)


def resolve_padding(padding, kernel_size, stride, dilation):
    """Zeros to add on each side, in the order of torch.nn.functional.pad: (left, right, top, bottom).

    padding: a whole number ≥ 0, two of them (height, width), 'valid' (none) or 'same' (output as large as the input, stride 1 only;
    when d(k−1) is odd, the extra zero goes to the right and the bottom, as in torch).

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
    got = f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
    require(tensor.is_floating_point(), argument, got, f"floating-point numbers {layout}; convert with .float()")
    require(tensor.dim() in dims, argument, got, layout)


def check_same_dtype(reference, **others):
    """All tensors have the dtype and the device of the first (None is skipped)."""
    for argument, tensor in others.items():
        if tensor is None:
            continue
        same = tensor.dtype == reference.dtype and tensor.device == reference.device
        require(same, argument, f"{tensor.dtype} on {tensor.device}", f"{reference.dtype} on {reference.device}, as input has")


def check_bias(bias, outputs):
    """bias is None or one number per output channel (or feature)."""
    if bias is not None:
        check_floating(bias, "bias", (1,), f"({outputs},)")
        require(len(bias) == outputs, "bias", f"shape {tuple(bias.shape)}", f"({outputs},): one number per output channel")
