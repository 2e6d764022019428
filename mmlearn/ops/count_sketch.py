"""Count sketches: many numbers added into few, with random signs, so that inner products survive on average.

Charikar, Chen & Farach-Colton (2002) used them for counting, Weinberger et al. (2009) as features; Pham & Pagh (2013) saw that
the sketch of an outer product is the circular convolution of the sketches, and never formed the product.
"""

import math

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_floating, check_whole, require, shape


def draw_tables(features, sketch, generator):
    """The two tables of a count sketch: hashes (features,) in 0 … sketch − 1, and signs (features,) of ±1."""
    hashes = torch.randint(sketch, (features,), generator=generator)
    return hashes, 2 * torch.randint(2, (features,), generator=generator) - 1


def count_sketch(x, hashes, signs, sketch):
    """ψ(x)_j = Σ_{i: h(i) = j} s(i)·x_i — Eq. 16.8 (Charikar, Chen & Farach-Colton 2002).

    x: (…, D)   hashes: h (D,) int64 in 0 … sketch − 1   signs: s (D,), ±1   returns: (…, sketch)

    >>> count_sketch(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1, 0, 1]), torch.tensor([1, -1, -1]), 2)
    tensor([-2., -2.])
    """
    check_floating(x, "x", ANY_DIMS[1:], "(…, D)")
    check_whole(sketch, "sketch")
    D = x.shape[-1]
    for name, table in (("hashes", hashes), ("signs", signs)):
        require(table.shape == (D,), name, shape(table), f"({D},), one for each feature of x")
    inside = hashes.dtype == torch.int64 and bool(((hashes >= 0) & (hashes < sketch)).all())
    require(inside, "hashes", f"{hashes.dtype}: {hashes.tolist()[:9]}", f"int64 from 0 to {sketch - 1}")
    return x.new_zeros(*x.shape[:-1], sketch).index_add(-1, hashes, x * signs.to(x.dtype))


def count_sketch_moments(x, y, sketch):
    """E⟨ψ(x), ψ(y)⟩ = ⟨x, y⟩, Var = (‖x‖²‖y‖² + ⟨x, y⟩² − 2·Σ x_i²y_i²)/d — Eq. 16.9. Returns (mean, variance).

    Over hashes and signs drawn independently, d = sketch.   x, y: (…, D)   returns: two tensors (…)
    """
    pairs, swapped, inner = _off_diagonal(x, y)
    return inner, (pairs + swapped) / sketch


def sketch_of_product(sketches):
    """ψ(x) ∗ ψ(y) ∗ …, the count sketch of x ⊗ y ⊗ …, through the FFT — Eq. 16.10 (Pham & Pagh 2013).

    sketches: M tensors (…, d), each by tables of its own   returns: (…, d)
    The tables of the product: h(i, j) = (h₁(i) + h₂(j)) mod d and s(i, j) = s₁(i)·s₂(j).
    """
    require(len(sketches) > 0, "sketches", "nothing", "one tensor (…, d) or more")
    d = sketches[0].shape[-1]
    for m, sketch in enumerate(sketches):
        check_floating(sketch, f"sketches[{m}]", ANY_DIMS[1:], f"(…, {d})")
        require(sketch.shape == sketches[0].shape, f"sketches[{m}]", shape(sketch), f"{tuple(sketches[0].shape)}, as the first")
    dtype = sketches[0].dtype
    wide = torch.promote_types(dtype, torch.float32)  # there is no FFT of bfloat16
    return torch.fft.irfft(math.prod(torch.fft.rfft(sketch.to(wide)) for sketch in sketches), n=d).to(dtype)


def product_sketch_moments(x, y, x2, y2, sketch):
    """Mean ⟨x, x'⟩⟨y, y'⟩ and variance of ⟨ψ(x⊗y), ψ(x'⊗y')⟩ over all tables of Eq. 16.10 — Eq. 16.11. Returns (mean, variance).

    With S_x = ‖x‖²‖x'‖² − t, C_x = ⟨x, x'⟩² − t, t = Σ x_i²x'_i², and S_y, C_y the same of y and y':
    Var = [⟨x,x'⟩²·(S_y + C_y) + ⟨y,y'⟩²·(S_x + C_x) + S_x·S_y + C_x·C_y]/d + gcd(2, d)·(S_x·C_y + C_x·S_y)/d².
    x, x2: (…, D)   y, y2: (…, E)   sketch: d   returns: two tensors (…)
    """
    s_x, c_x, inner_x = _off_diagonal(x, x2)
    s_y, c_y, inner_y = _off_diagonal(y, y2)
    one = inner_x**2 * (s_y + c_y) + inner_y**2 * (s_x + c_x) + s_x * s_y + c_x * c_y
    two = math.gcd(2, sketch) * (s_x * c_y + c_x * s_y)
    return inner_x * inner_y, one / sketch + two / sketch**2


def _off_diagonal(x, y):
    """Σ_{i≠j} x_i²y_j², Σ_{i≠j} x_i·y_i·x_j·y_j and ⟨x, y⟩."""
    same = (x * y).square().sum(-1)
    inner = (x * y).sum(-1)
    return x.square().sum(-1) * y.square().sum(-1) - same, inner**2 - same, inner
