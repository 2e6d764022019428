import numpy as np
import pytest
import torch

from mmlearn import show
from mmlearn.show.canvas import cell_number, number

ALT = "A matrix of small whole numbers."


@pytest.mark.parametrize("M", [torch.eye(3), torch.zeros(2, 5), [1, 2, 3], torch.randn(36, 64), torch.randn(4, 300), [[7]]])
def test_matrices_of_every_size_are_shown_no_wider_than_asked(M, published, pixels):
    show.matrix(M, alt=ALT)
    assert pixels(published[0]["text/html"]).shape[1] <= 2 * 700


def test_a_highlight_is_a_mask_or_a_list_of_cells(published):
    mask = torch.zeros(3, 3, dtype=torch.bool)
    mask[1, 2] = True
    show.matrix(torch.eye(3), highlight=mask, alt=ALT)
    show.matrix(torch.eye(3), highlight=[(1, 2)], alt=ALT)
    show.matrix(torch.eye(3), alt=ALT)
    assert published[0] == published[1] != published[2]


def test_a_cell_outside_the_grid_is_named():
    with pytest.raises(ValueError, match=r"cell \(3, 0\), outside the grid's 3 rows"):
        show.matrix(torch.eye(3), highlight=[(3, 0)], alt=ALT)


@pytest.mark.parametrize(
    ("M", "labels", "message"),
    [(torch.eye(3), ["a"], "row_labels must hold 3"), (torch.rand(2, 2, 2), None, r"\(C,\) or \(R, C\)")],
)
def test_what_does_not_fit_is_named(M, labels, message):
    with pytest.raises(ValueError, match=message):
        show.matrix(M, row_labels=labels, alt=ALT)


def test_nan_is_named():
    with pytest.raises(ValueError, match="M holds 1 NaN"):
        show.matrix([[1.0, np.nan]], alt=ALT)


def test_an_equation_of_grids_is_shown(published):
    x, kernel = torch.arange(16.0).reshape(4, 4), torch.tensor([[1.0, -1.0]])
    y = torch.nn.functional.conv2d(x[None, None], kernel[None, None])[0, 0]
    show.equation_of_grids(
        [x, kernel, y], ["⋆", "="], labels=["input", "kernel", "output"], highlight=[[(0, 0), (0, 1)], None, [(0, 0)]], alt=ALT
    )
    assert f'<img alt="{ALT}"' in published[0]["text/html"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"symbols": ["="]}, "take 2 symbols"),
        ({"symbols": ["⋆", "="], "labels": ["a"]}, "labels must hold 3"),
        ({"symbols": ["⋆", "="], "highlight": [None]}, "each of the 3 grids"),
    ],
)
def test_an_equation_that_does_not_add_up_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        show.equation_of_grids([torch.eye(2)] * 3, alt=ALT, **arguments)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (-0.0, "0"), (-3, "−3"), (0.5, "0.50"), (1e-5, "1e−5"), (-2.5e7, "−2.5e7")]
)
def test_numbers_are_printed_with_a_true_minus(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(2.0, "2"), (-0.004, "0.00"), (-1.256, "−1.26"), (-0.0, "0")])
def test_numbers_in_cells_line_up(value, text):
    assert cell_number(value) == text
