import math

import pytest
import torch

from mmlearn.data.world import SHAPES
from mmlearn.data.world.outlines import CROSS, DIAMOND, OUTLINES, RING, SQUARE, STAR, TRIANGLE

TIP = 1 / math.cos(math.radians(18))
DROP = TIP * (1 - math.cos(math.radians(36))) / 2  # how far the star's centre lies below its object's
ON_THE_OUTLINE = {  # points (x, y), y downwards, of the right half
    "circle": [(1, 0), (0.6, 0.8), (0, -1)],
    "square": [(SQUARE, SQUARE), (SQUARE, 0.1), (0.2, -SQUARE)],
    "triangle": [(0, -1), (1, TRIANGLE), (0.5, (TRIANGLE - 1) / 2), (0, TRIANGLE)],
    "diamond": [(0, 1), (DIAMOND, 0), (DIAMOND / 2, -0.5)],
    "cross": [(1, CROSS), (CROSS, CROSS), (CROSS, -1), (0, 1)],
    "star": [
        (radius * math.sin(math.radians(36 * corner)), DROP - radius * math.cos(math.radians(36 * corner)))
        for corner, radius in enumerate([TIP, STAR * TIP] * 3)
    ],
    "ring": [(1, 0), (RING, 0), (0, -RING), (0.6, 0.8)],
    "heart": [(1, 0.0857864 - 0.4142136), (0.4142136, 0.0857864 - 1), (0, 0.0857864 - 0.8284271), (0, 0.0857864 + 0.8284271)],
}
INSIDE = {"ring": (0.76, 0)}
OUTSIDE = {"ring": (0, 0), "star": (0.7, -0.5), "heart": (0, -0.85), "cross": (0.7, 0.7), "diamond": (0.7, 0.7)}


def distance(name, points):
    x, y = torch.as_tensor(points, dtype=torch.float64).unbind(-1)
    return OUTLINES[name](x, y)


def test_every_shape_has_an_outline():
    assert tuple(OUTLINES) == SHAPES


@pytest.mark.parametrize("name", SHAPES)
def test_the_distance_is_zero_on_the_outline_negative_inside_and_positive_outside(name):
    torch.testing.assert_close(
        distance(name, ON_THE_OUTLINE[name]), torch.zeros(len(ON_THE_OUTLINE[name])).double(), atol=1e-6, rtol=0
    )
    assert distance(name, INSIDE.get(name, (0, 0))) < -0.1
    assert distance(name, OUTSIDE.get(name, (0.95, -0.95))) > 0.05


@pytest.mark.parametrize("name", SHAPES)
def test_the_distance_changes_as_fast_as_the_point_moves_and_never_faster(name):
    generator = torch.Generator().manual_seed(0)
    points = (3 * torch.rand(20_000, 2, generator=generator, dtype=torch.float64) - 1.5).requires_grad_()
    slope = torch.autograd.grad(distance(name, points).sum(), points)[0].norm(dim=1)
    assert slope.max() < 1 + 1e-9
    assert (slope > 1 - 1e-9).double().mean() > 0.999


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_fills_its_square_in_height_or_width_and_does_not_leave_it(name):
    axis = torch.linspace(-1.2, 1.2, 961, dtype=torch.float64)
    inside = OUTLINES[name](axis, axis[:, None]) <= 1e-9
    for covered in (inside.any(0), inside.any(1)):
        assert axis[covered].abs().max() <= 1 + 1e-9
    reach = max((axis[covered].max() - axis[covered].min()).item() / 2 for covered in (inside.any(0), inside.any(1)))
    assert reach == pytest.approx(SQUARE if name == "square" else 1, abs=0.01)
    assert torch.equal(inside, inside.flip(1))  # left and right are alike


def test_no_two_shapes_look_alike():
    axis = torch.linspace(-1, 1, 200)
    inside = torch.stack([outline(axis, axis[:, None]) <= 0 for outline in OUTLINES.values()]).flatten(1)
    shared = (inside[:, None] & inside).sum(2) / (inside[:, None] | inside).sum(2)
    assert (shared - torch.eye(len(SHAPES))).max() < 0.85
