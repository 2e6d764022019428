"""The arithmetic of shapes: which shape comes out, where an element lies in memory, and what a product costs."""

from math import prod

from mmlearn.ops.arguments import require


def broadcast_shape(*shapes):
    """n_d = the common length of axis d, counted from the right, of all shapes where it is not 1; else 1 — Eq. 1.3.

    shapes: tuples of axis lengths   returns: tuple, the shape of an elementwise operation on tensors of these shapes
    An axis that a shape lacks on its left counts as 1. Raises ValueError where two lengths differ and neither is 1.

    >>> broadcast_shape((8, 1, 5), (7, 1))
    (8, 7, 5)
    """
    axes = max((len(shape) for shape in shapes), default=0)
    lined_up = [(1,) * (axes - len(shape)) + tuple(shape) for shape in shapes]  # on the right
    result = []
    for axis, lengths in enumerate(zip(*lined_up, strict=True)):
        others = {length for length in lengths if length != 1}
        if len(others) > 1:
            given = " and ".join(str(tuple(shape)) for shape in shapes)
            raise ValueError(
                f"{given} do not broadcast: axis {axis - axes} has lengths {' and '.join(map(str, sorted(others)))}; "
                "they must be equal, or one of them 1"
            )
        result.append(others.pop() if others else 1)
    return tuple(result)


def contiguous_strides(shape):
    """s_d = n_{d+1} · n_{d+2} ⋯: elements between neighbours along axis d, when the last axis lies densest — Eq. 1.1.

    shape: tuple of axis lengths   returns: tuple of strides in elements, as ``torch.Tensor.stride`` counts them

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(prod(max(length, 1) for length in shape[axis + 1 :]) for axis in range(len(shape)))


def element_offset(index, strides, offset=0):
    """o + Σ_d i_d s_d: where the element i lies in a tensor's memory, counted in elements — Eq. 1.2.

    index, strides: one number per axis   offset: where the tensor begins, as ``torch.Tensor.storage_offset``

    >>> element_offset((1, 2, 3), (12, 4, 1))
    23
    """
    require(len(index) == len(strides), "index", f"{len(index)} numbers", f"one for each of {len(strides)} strides")
    return offset + sum(i * s for i, s in zip(index, strides, strict=True))


def matmul_flops(m, k, n, batch=1):
    """2 · m · n · k operations for each of ``batch`` products (m × k)(k × n): a product and an addition per triple — Eq. 1.4.

    >>> matmul_flops(2, 3, 4)
    48
    """
    return 2 * m * n * k * batch
