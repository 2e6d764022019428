import math

import numpy as np
import pytest
import torch

from mmlearn.data.world.attributes import MAX_OBJECTS, SHAPES, SIZES
from mmlearn.data.world.outlines import SQUARE
from mmlearn.data.world.render import rendered
from mmlearn.data.world.scan import check_scan, scan
from mmlearn.data.world.scenes import Scenes


def to_circle(angle, x, y, radius):
    """The distance from (0.5, 1) to a circle, by hand: the smaller root of |o + t d|² = r²."""
    along = (x - 0.5) * math.cos(angle) + (y - 1) * -math.sin(angle)
    missed_by = (x - 0.5) ** 2 + (y - 1) ** 2 - along**2
    return along - math.sqrt(radius**2 - missed_by) if missed_by < radius**2 and along > 0 else math.inf


def test_the_rays_fan_out_evenly_from_left_to_right(scenes_of):
    angle = scan(scenes_of([]), rays=4).angle
    torch.testing.assert_close(angle, torch.tensor([7, 5, 3, 1]) * math.pi / 8)


@pytest.mark.parametrize(("x", "y", "size"), [(0.5, 0.5, "large"), (0.2, 0.3, "small"), (0.8, 0.8, "large"), (0.2, 0.7, "large")])
def test_the_distance_to_a_circle_is_that_of_the_formula(x, y, size, scenes_of):
    measured = scan(scenes_of([(f"{size} red circle", x, y)]), rays=181)
    expected = [to_circle(angle, x, y, SIZES[size]) for angle in measured.angle.tolist()]
    np.testing.assert_allclose(measured.distance[0].numpy(), expected, atol=1e-5)
    assert np.isfinite(expected).sum() >= 10
    assert torch.equal(measured.hit[0] == 0, measured.distance[0].isfinite())


def test_the_distance_to_a_square_is_to_its_nearest_side(scenes_of):
    """A square straight ahead: the lower side is at y + s, so a ray at angle φ travels (1 − y − s) / sin φ."""
    half = SQUARE * SIZES["large"]
    measured = scan(scenes_of([("large red square", 0.5, 0.6)]), rays=101)
    below = 1 - 0.6 - half
    expected = below / measured.angle.double().sin()
    inside = (below / measured.angle.double().tan()).abs() < half
    torch.testing.assert_close(measured.distance[0, inside].double(), expected[inside], rtol=0, atol=1e-5)
    assert not measured.distance[0, ~inside].isfinite().any()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_hits_lie_on_the_edge_of_the_rendered_mask(shape, scenes_of):
    """256 pixels: walking along a ray, the first pixel of the mask is where the range finder says."""
    places = [(0.5, 0.5), (0.2, 0.4), (0.8, 0.3), (0.3, 0.8)]
    scenes = rendered(scenes_of(*[[(f"{size} red {shape}", x, y)] for x, y in places for size in SIZES]), 256)
    measured = scan(scenes, rays=90)
    cos, sin = measured.angle.cos(), measured.angle.sin()

    def mask_at(distance):  # (N, R) → (N, R) bool
        column = ((0.5 + distance * cos) * 256).floor().long()
        row = ((1 - distance * sin) * 256).floor().long()
        inside = (column >= 0) & (column < 256) & (row >= 0) & (row < 256)
        found = scenes.mask[torch.arange(len(scenes))[:, None], 0, row.clamp(0, 255), column.clamp(0, 255)]
        return found & inside

    marched = torch.arange(0, 1.2, 1 / 1024)
    first = torch.stack([mask_at(torch.full_like(measured.distance, step)) for step in marched.tolist()], dim=2)  # (N, R, steps)
    seen = first.any(dim=2)
    walked = marched[first.int().argmax(dim=2)]
    both = seen & (measured.hit == 0)
    assert both.sum() > 40
    # A ray that grazes a corner or an edge may find a pixel that the outline only touches, or pass between two pixels.
    assert ((seen != (measured.hit == 0)).sum() / both.sum()) < 0.03
    error = (walked - measured.distance)[both].abs()
    assert error.median() < 1 / 256
    assert (error < 3 / 256).float().mean() > 0.97


def test_the_first_object_along_the_ray_hides_the_others_whatever_their_depth(scenes_of):
    """The far one is painted over nothing, the near one is at the back of the picture: the range finder meets the near one."""
    far, near = ("large red circle", 0.4, 0.3), ("small red circle", 0.5, 0.7)
    measured = scan(scenes_of([far, near]), rays=101)
    assert measured.hit[0, 50] == 1
    assert measured.distance[0, 50].item() == pytest.approx(0.3 - SIZES["small"], abs=1e-5)
    assert 0 in measured.hit[0]


def test_the_scan_of_a_scene_is_the_nearest_of_the_scans_of_its_objects(many):
    scenes = many(40)
    together = scan(scenes)
    alone = torch.full((40, MAX_OBJECTS, 64), torch.inf)
    for slot in range(MAX_OBJECTS):
        only = scenes[:]
        present = torch.zeros_like(only.present)
        present[:, slot] = only.present[:, slot]
        alone[:, slot] = scan(Scenes(**{**vars(only), "present": present})).distance
    assert torch.equal(together.distance, alone.amin(dim=1))
    hit = together.hit >= 0
    assert torch.equal(alone.gather(1, together.hit.clamp(min=0)[:, None])[:, 0][hit], together.distance[hit])


def test_a_ray_that_meets_nothing_says_so(scenes_of):
    empty = scan(scenes_of([], []), rays=5)
    assert empty.distance.isinf().all()
    assert (empty.hit == -1).all()
    x, y = empty.points()
    assert x.isnan().all()
    assert y.isnan().all()
    assert scan(scenes_of(), rays=5).distance.shape == (0, 5)


def test_a_sensor_inside_an_object_measures_zero(scenes_of):
    measured = scan(scenes_of([("large red circle", 0.5, 0.95)]), rays=9)
    assert measured.distance.max() < 1e-6


def test_the_points_are_where_the_rays_end(scenes_of):
    measured = scan(scenes_of([("large red circle", 0.3, 0.6)]), rays=65)
    x, y = (place.double() for place in measured.points())
    there = measured.hit[0] == 0
    assert there.any()
    radius = torch.hypot(x[0, there] - 0.3, y[0, there] - 0.6)
    torch.testing.assert_close(radius, torch.full_like(radius, SIZES["large"]), rtol=0, atol=1e-5)


def test_a_scan_has_the_same_bits_alone_and_in_any_batch_and_at_any_resolution(many):
    scenes = many(300, seed=1)
    measured = scan(scenes, rays=48)
    assert measured.distance.dtype == torch.float32
    assert measured.hit.dtype == torch.int64
    for row in (0, 7, 255, 256, 299):
        alone = scan(scenes[row], rays=48)
        assert torch.equal(alone.distance[0], measured.distance[row])
        assert torch.equal(alone.hit[0], measured.hit[row])
    assert torch.equal(scan(rendered(scenes[:5], 32), rays=48).distance, measured.distance[:5])


@pytest.mark.parametrize("rays", [0, -3, 2.5, True])
def test_impossible_numbers_of_rays_are_refused(rays, scenes_of):
    with pytest.raises(ValueError, match=f"rays must be a whole number, at least 1; got {rays}"):
        scan(scenes_of([]), rays=rays)


def test_a_scan_without_nan_passes_as_it_is():
    distance = torch.tensor([[0.5, torch.inf], [0.0, 2.0]])
    assert check_scan(distance) is distance


def test_nan_in_a_scan_is_refused_with_count_and_places():
    distance = torch.ones(3, 8)
    distance[0, 2] = distance[2, 7] = torch.nan
    with pytest.raises(ValueError, match=r"2 of 24 distances are NaN, at \[0, 2\], \[2, 7\]: .*fill="):
        check_scan(distance)
    with pytest.raises(ValueError, match=r"20 of 20 distances are NaN, at \[0\], \[1\], \[2\], \[3\], \[4\], …"):
        check_scan(torch.full((20,), torch.nan))


def test_interpolation_agrees_with_numpy_and_leaves_what_was_measured():
    draw = np.random.default_rng(0)
    distance = draw.uniform(0.1, 3, (50, 30))
    gone = draw.random((50, 30)) < 0.4
    gone[:, 11] = False
    broken = np.where(gone, np.nan, distance)
    filled = check_scan(torch.from_numpy(broken), fill="interpolate").numpy()
    rays = np.arange(30)
    expected = [np.interp(rays, rays[~lost], row[~lost]) for row, lost in zip(broken, gone, strict=True)]
    np.testing.assert_allclose(filled, expected, rtol=1e-12)
    assert np.array_equal(filled[~gone], distance[~gone])


def test_beside_a_ray_that_met_nothing_an_interpolated_one_meets_nothing():
    inf, nan = torch.inf, torch.nan
    filled = check_scan(torch.tensor([nan, inf, nan, 1.0, nan, 3.0, nan]), fill="interpolate")
    assert filled.tolist() == [inf, inf, inf, 1.0, 2.0, 3.0, 3.0]


def test_max_fills_with_the_largest_finite_distance_of_the_same_scan():
    inf, nan = torch.inf, torch.nan
    filled = check_scan(torch.tensor([[nan, 1.0, inf], [9.0, nan, 4.0]]), fill="max")
    assert filled.tolist() == [[1.0, 1.0, inf], [9.0, 9.0, 4.0]]


@pytest.mark.parametrize(
    ("distance", "fill", "says"),
    [
        (torch.tensor([[1.0, torch.nan], [torch.nan, torch.nan]]), "interpolate", r"1 of 2 scans \(the first is number 1\)"),
        (torch.tensor([[torch.inf, torch.nan]]), "max", "no finite distance to fill from"),
        (torch.tensor([1.0, -0.5]), None, r"cannot be below 0; 1 of 2 are, the first at \[1\]"),
        (torch.tensor([1, 2]), None, r"floats .* got torch.int64 \(2,\)"),
        (torch.tensor([1.0]), "zero", "got 'zero'"),
    ],
)
def test_what_cannot_be_a_scan_or_be_filled_is_refused(distance, fill, says):
    with pytest.raises(ValueError, match=says):
        check_scan(distance, fill=fill)
