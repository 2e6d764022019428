"""What may be drawn: tensors, arrays and nested lists of finite numbers, with the right number of axes."""

import numpy as np


def finite(values, name, shapes):
    """A float64 copy of values, or a ValueError that says what to do.

    shapes: {number of axes: their names}, such as {2: "(H, W)"}.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be numbers in a rectangular array; got {type(values).__name__}: {str(values)[:60]}"
        ) from None
    expected = " or ".join(shapes.values())
    if array.ndim not in shapes:
        raise ValueError(f"{name} must be {expected}; got {array.ndim} axes, shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} must hold at least one number; got shape {array.shape}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        what = f"{bad} NaN or infinite value{'s' * (bad > 1)} of {array.size}"
        raise ValueError(f"{name} holds {what}: find where they arise, or show torch.nan_to_num({name})")
    return array


def symmetric_limit(array):
    """The largest magnitude, for a colour scale centred on zero; 1 where everything is zero."""
    return float(np.abs(array).max()) or 1.0
