"""im2col and its adjoint, and the size of a convolution's output."""

import itertools

import pytest
import torch

import mmlearn.ops as F

GEOMETRIES = [
    (2, 1, 0, 1),
    ((3, 2), (1, 2), (1, 0), (2, 1)),
    (1, 1, 0, 2),
    (3, 2, 2, 3),
]  # (kernel_size, dilation, padding, stride)


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_output_size_is_that_of_torch():
    grid = itertools.product(range(1, 9), range(1, 5), range(1, 4), range(3), range(1, 4))
    compared = 0
    for size, kernel_size, stride, padding, dilation in grid:
        reach = dilation * (kernel_size - 1) + 1
        if reach > size + 2 * padding:
            with pytest.raises(ValueError, match="kernel_size"):
                F.conv_output_size(size, kernel_size, stride, padding, dilation)
            continue
        image, kernel = torch.empty(1, 1, size, 1, device="meta"), torch.empty(1, 1, kernel_size, 1, device="meta")
        expected = torch.nn.functional.conv2d(image, kernel, None, (stride, 1), (padding, 0), (dilation, 1)).shape[2]
        assert F.conv_output_size(size, kernel_size, stride, padding, dilation) == expected
        compared += 1
    assert compared > 300


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_unfold_and_fold_are_adjoint(geometry):
    x = numbers(2, 3, 7, 6)
    columns = numbers(*F.unfold(x, *geometry).shape, seed=1)
    left, right = (F.unfold(x, *geometry) * columns).sum(), (x * F.fold(columns, (7, 6), *geometry)).sum()
    torch.testing.assert_close(left, right)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_folding_what_was_unfolded_multiplies_each_pixel_by_the_number_of_its_patches(geometry):
    x = numbers(2, 3, 7, 6)
    patches = F.fold(F.unfold(torch.ones_like(x), *geometry), (7, 6), *geometry)
    torch.testing.assert_close(F.fold(F.unfold(x, *geometry), (7, 6), *geometry), patches * x)
    assert torch.equal(patches, patches.round())


def test_patches_side_by_side_are_put_back_where_they_were():
    x = numbers(2, 3, 6, 4)
    assert torch.equal(F.fold(F.unfold(x, 2, stride=2), (6, 4), 2, stride=2), x)


def test_each_column_is_the_patch_under_the_kernel():
    x = numbers(1, 2, 5, 6)
    columns = F.unfold(x, (2, 3), stride=(1, 2)).view(2, 2, 3, 4, 2)  # [c, u, v, i, j]
    for i, j in itertools.product(range(4), range(2)):
        assert torch.equal(columns[..., i, j], x[0, :, i : i + 2, 2 * j : 2 * j + 3])


def test_taps_are_views_that_cost_no_memory():
    x = numbers(1, 1, 5, 5)
    assert all(tap.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() for tap in F.taps(x, (2, 2), (1, 1), (1, 1)))
