"""Shapes, strides and counts: what torch itself does with memory is the judge."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn import ops

LENGTHS = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@given(LENGTHS, LENGTHS, LENGTHS)
def test_broadcasting_is_torchs(a, b, c):
    try:
        expected = tuple(torch.broadcast_shapes(a, b, c))
    except RuntimeError:
        with pytest.raises(ValueError, match="do not broadcast: axis -"):
            ops.broadcast_shape(a, b, c)
    else:
        assert ops.broadcast_shape(a, b, c) == expected == (torch.zeros(a) + torch.zeros(b) + torch.zeros(c)).shape


def test_the_axis_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(4, 1\) do not broadcast: axis -2 has lengths 2 and 4"):
        ops.broadcast_shape((2, 3), (4, 1))


@given(LENGTHS)
def test_strides_of_a_fresh_tensor_are_torchs(shape):
    assert ops.contiguous_strides(shape) == torch.zeros(shape).stride()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple), st.randoms(use_true_random=False))
def test_an_element_lies_where_its_strides_say_in_every_view(shape, random):
    memory = torch.arange(ops.contiguous_strides(shape)[0] * shape[0])
    axes = list(range(len(shape)))
    random.shuffle(axes)
    view = memory.view(shape).permute(axes)
    view = view[tuple(slice(random.randrange(n), None, random.choice([1, 2])) for n in view.shape)]
    index = tuple(random.randrange(n) for n in view.shape)
    assert memory[ops.element_offset(index, view.stride(), view.storage_offset())] == view[index]


def test_an_index_needs_one_number_for_each_axis():
    with pytest.raises(ValueError, match="index: expected one for each of 3 strides; got 2 numbers"):
        ops.element_offset((1, 2), (12, 4, 1))


def test_matmul_flops_are_what_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        torch.zeros(5, 2, 3) @ torch.zeros(5, 3, 4)
    assert counter.get_total_flops() == ops.matmul_flops(2, 3, 4, batch=5) == 240
