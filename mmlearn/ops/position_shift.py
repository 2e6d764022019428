"""What moving along a text does to sinusoidal positions: every pair turns, wherever one starts."""

from numbers import Real

import torch

from mmlearn.ops.arguments import check_whole, is_whole, require


def shift_rotation(steps, features, base=10000.0, dtype=None):
    """p_{t+k} = R_k p_t for every t: R_k turns the pair (sin, cos) of frequency ω_i by ω_i k — Eq. 10.11 (Vaswani et al. 2017).

    steps: k, any whole number   features: D, even   base: as given to sinusoidal_positions
    returns: R_k (D, D), with the blocks [[cos ω_i k, sin ω_i k], [−sin ω_i k, cos ω_i k]] on its diagonal

    >>> shift_rotation(1, 2)
    tensor([[ 0.5403,  0.8415],
            [-0.8415,  0.5403]])
    """
    require(is_whole(steps), "steps", repr(steps), "a whole number")
    check_whole(features, "features")
    require(features % 2 == 0, "features", features, "an even number: each frequency has a sine and a cosine")
    require(isinstance(base, Real) and base > 0, "base", repr(base), "a number > 0")
    dtype = torch.get_default_dtype() if dtype is None else dtype
    angles = steps * base ** (-torch.arange(0, features, 2, dtype=dtype) / features)  # ω_i k (D/2,)
    cos, sin = angles.cos(), angles.sin()
    blocks = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)  # (D/2, 2, 2)
    return torch.block_diag(*blocks)
