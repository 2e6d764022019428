"""Where a token stands, told to an attention that does not see it: sinusoids to be added, or rotations of queries and keys."""

from numbers import Real

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_floating, check_grad_output, check_whole, require, shape
from mmlearn.ops.by_hand import differentiated_by


def _frequencies(features, base, dtype, device=None):
    """ω_i = base^(−2i/D) for i = 0 … D/2 − 1: radians from one position to the next, (D/2,)."""
    require(isinstance(base, Real) and base > 0, "base", repr(base), "a number > 0")
    return base ** (-torch.arange(0, features, 2, dtype=dtype, device=device) / features)


def sinusoidal_positions(length, features, base=10000.0, dtype=None, device=None):
    """p_{t,2i} = sin(ω_i t) and p_{t,2i+1} = cos(ω_i t), with ω_i = base^(−2i/D) — Eq. 10.10 (Vaswani et al. 2017).

    length: T ≥ 0   features: D, even   dtype: a floating-point torch.dtype, None for torch's default
    returns: (T, D), a row for each t = 0 … T−1
    From one position to another k steps on, each pair (sin, cos) turns by the angle ω_i k, wherever it starts.

    >>> sinusoidal_positions(3, 2)
    tensor([[ 0.0000,  1.0000],
            [ 0.8415,  0.5403],
            [ 0.9093, -0.4161]])
    """
    check_whole(length, "length", minimum=0)
    check_whole(features, "features")
    require(features % 2 == 0, "features", features, "an even number: each frequency has a sine and a cosine")
    dtype = torch.get_default_dtype() if dtype is None else dtype
    require(isinstance(dtype, torch.dtype) and dtype.is_floating_point, "dtype", dtype, "a floating-point torch.dtype or None")
    wide = torch.promote_types(dtype, torch.float32)  # in bfloat16 neighbours would share a place from 256 on
    steps = torch.arange(length, dtype=wide, device=device)
    angles = steps[:, None] * _frequencies(features, base, wide, device)  # (T, D/2)
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1).to(dtype)


def rotary_positions_backward(grad_output, input, positions=None, base=10000.0, interleaved=True):
    """dX: the gradient, turned back by the same angles, as a rotation is undone by its transpose.

    grad_output: (…, T, D)   the rest: as given to rotary_positions   returns: (…, T, D)
    """
    positions, interleaved = _check_rotary(input, positions, interleaved)
    check_grad_output(grad_output, input.shape)
    return _rotate(grad_output, -positions, base, interleaved)


@differentiated_by(rotary_positions_backward)
def rotary_positions(input, positions=None, base=10000.0, interleaved=True):
    """(x_a, x_b) → (x_a cos ω_i t − x_b sin ω_i t, x_a sin ω_i t + x_b cos ω_i t) — Eq. 10.12 (Su et al. 2021).

    Pair i of the token at t is turned by the angle ω_i t.

    To be applied to queries and to keys: the product of a query at t and a key at s then depends on t − s alone.
    input: (…, T, D), D even   positions: t, (T,) or (N, …, T) that broadcasts to (…, T); None means 0 … T−1
    interleaved: True pairs the neighbours x_{2i}, x_{2i+1}, as the paper does; False pairs x_i with x_{i+D/2}, as Llama's weights
    in transformers expect. The two differ by a permutation of the features.   returns: (…, T, D)

    >>> rotary_positions(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    tensor([[1.0000, 0.0000],
            [0.5403, 0.8415]])
    """
    positions, interleaved = _check_rotary(input, positions, interleaved)
    return _rotate(input, positions, base, interleaved)


def _rotate(input, positions, base, interleaved):
    D = input.shape[-1]
    angles = positions[..., None] * _frequencies(D, base, positions.dtype, input.device)  # (…, T, D/2)
    cos, sin = angles.cos().to(input.dtype), angles.sin().to(input.dtype)
    a, b = (input[..., ::2], input[..., 1::2]) if interleaved else input.chunk(2, -1)
    pair = a * cos - b * sin, a * sin + b * cos
    return torch.stack(pair, -1).flatten(-2) if interleaved else torch.cat(pair, -1)


def _check_rotary(input, positions, interleaved):
    """The positions as a tensor on input's device, and interleaved, checked."""
    check_floating(input, "input", ANY_DIMS[2:], "(…, T, D)")
    require(
        input.shape[-1] >= 2 and input.shape[-1] % 2 == 0, "input", shape(input), "(…, T, D) with an even number D of features"
    )
    require(isinstance(interleaved, bool), "interleaved", repr(interleaved), "True or False")
    wide = torch.promote_types(input.dtype, torch.float32)
    if positions is None:
        return torch.arange(input.shape[-2], dtype=wide, device=input.device), interleaved
    expected = f"a tensor of real numbers that broadcasts to {tuple(input.shape[:-1])}, as input is {tuple(input.shape)}"
    require(isinstance(positions, torch.Tensor), "positions", type(positions).__name__, expected)
    require(not (positions.is_complex() or positions.dtype == torch.bool), "positions", positions.dtype, expected)
    require(positions.dim() >= 1 and _broadcasts(positions.shape, input.shape[:-1]), "positions", shape(positions), expected)
    return positions.to(input.device, wide), interleaved


def _broadcasts(size, target):
    """Does a tensor of this size broadcast to the target's shape without making it larger?"""
    if len(size) > len(target):
        return False
    return all(n in (1, m) for n, m in zip(reversed(size), reversed(target), strict=False))
