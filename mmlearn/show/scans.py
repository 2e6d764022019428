"""A range scan: its rays over the picture, and the distance in each direction."""

from itertools import pairwise

import numpy as np

from mmlearn.show.arrays import finite
from mmlearn.show.canvas import POINTS, Box, canvas, number, write
from mmlearn.show.figures import check_alt, figure
from mmlearn.show.pieces import as_rgb, dots, draw_fan, draw_pixels, rules, write_many
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED

_FARTHEST = 1.2  # image widths at the top of the curve: a corner of the picture is √1.25 ≈ 1.12 away


def scan(scan, scene_image=None, n=0, *, title=None, alt=None, width=700, caption=None):
    """Display one range scan as a fan of rays over the picture, and beside it the distance by angle.

    scan: a Scan. scene_image: (3, H, W), the picture of the same scene; without one the rays stand on an empty ground.
    n: which scene of the scan. Where a ray hits nothing the curve has a gap, and a short stroke at its top.
    Raises ValueError when the scan has no such scene, or the picture another shape.
    """
    distance, angle, hit = one_scan(scan, n)
    if scene_image is not None:
        finite(scene_image, "scene_image", {3: "(3, H, W)"})
        if len(scene_image) != 3:
            raise ValueError(f"scene_image must be (3, H, W), such as scenes.image[{n}]; got {tuple(scene_image.shape)}")
    alt = describe(distance, angle, hit) if alt is None else alt
    check_alt(alt)
    side, head = 256, 34 if title else 12
    fig, axes = canvas(width, head + side + 34)
    if title:
        write(axes, 10, 17, title, 13.5, INK, "left")
    box = Box(10, head, 10 + side, head + side)
    if scene_image is None:
        draw_pixels(axes, np.full((1, 1, 3), 0.35), box.left, box.top, side)
    else:
        draw_pixels(axes, as_rgb(scene_image[None])[0], box.left, box.top, side)
    draw_fan(axes, distance, angle, box)
    draw_distances(axes, distance, angle, hit, Box(box.right + 58, head, width - 14, head + side))
    figure(fig, alt, caption=caption)


def one_scan(scan, n):
    """distance (R,), angle (R,), hit (R,) of scene n as arrays, checked."""
    if not all(hasattr(scan, part) for part in ("distance", "hit", "angle")):
        raise ValueError(f"scan must be a Scan, as scenes.scan() gives it; got {type(scan).__name__}")
    count = len(scan.distance)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not -count <= n < count:
        raise ValueError(f"n must be one of the {count} scenes of the scan, 0 to {count - 1}; got {n!r}")
    distance, angle, hit = (np.asarray(part.detach().cpu()) for part in (scan.distance[n], scan.angle, scan.hit[n]))
    if np.isnan(distance).any():
        raise ValueError(
            f"the scan of scene {n} holds {int(np.isnan(distance).sum())} NaN: mend it with mmlearn.data.world.scan.check_scan"
        )
    return distance.astype(float), angle.astype(float), hit


def draw_distances(axes, distance, angle, hit, box, size=11):
    """Distance against angle, a line for each object that is hit; a stroke on top for each ray that hits nothing."""
    wide, tall = box.right - box.left, box.bottom - box.top
    x = box.left + (1 - angle / np.pi) * wide
    reached = np.isfinite(distance)
    floor = box.top + 12  # the strokes of what is out of reach stand above it
    y = box.bottom - np.where(reached, distance, 0) / _FARTHEST * (box.bottom - floor)
    heights = {value: box.bottom - value / _FARTHEST * (box.bottom - floor) for value in (0, 0.5, 1)}
    places = {
        degrees: box.left + (1 - degrees / 180) * wide for degrees in ((180, 90, 0) if wide < 240 else (180, 135, 90, 45, 0))
    }
    rules(axes, [((box.left, height), (box.right, height)) for height in heights.values()], HAIRLINE)
    rules(axes, [((place, box.bottom), (place, box.bottom + 4)) for place in places.values()], MUTED, 0.8)
    labels = [(box.left - 6, height, f"{value:g}", "right") for value, height in heights.items()]
    labels += [(place, box.bottom + 6 + size / 2, f"{degrees}°", "center") for degrees, place in places.items()]
    write_many(axes, labels, size, MUTED)
    write_many(axes, [(box.left - 6, box.top + 5, "∞", "right")], size + 2, MUTED)
    for start, end in stretches(hit):
        axes.plot(x[start:end], y[start:end], color=COLOURS.vermilion, linewidth=1.4 * POINTS, zorder=3)
    dots(axes, np.stack([x, y], 1)[reached], 2.2, COLOURS.vermilion)
    rules(axes, [((place, box.top + 1), (place, box.top + 9)) for place in x[~reached]])
    rules(axes, [((box.left, box.bottom), (box.right, box.bottom))])
    if tall >= 200:
        write(axes, box.left + 8, box.top + 24, "distance, image widths", size, MUTED, "left")


def stretches(hit):
    """(start, end) of the neighbouring rays that hit the same object, end exclusive.

    >>> stretches(np.array([-1, 2, 2, 0, -1]))
    [(1, 3), (3, 4)]
    """
    cuts = [0, *(int(cut) + 1 for cut in np.flatnonzero(np.diff(hit))), len(hit)]
    return [(start, end) for start, end in pairwise(cuts) if hit[start] >= 0]


def describe(distance, angle, hit):
    """A scan in words, from left to right: what is hit at which angles, and how near it comes."""
    rays, found = len(distance), int(np.isfinite(distance).sum())
    text = f"A range scan with {rays} rays from the middle of the bottom edge; {found} hit something."
    if not found:
        return f"{text} Nothing is in its way."
    parts = []
    degrees = np.degrees(angle)
    for start, end in stretches(hit):
        span = f"{degrees[start]:.0f}°" if end - start == 1 else f"{degrees[start]:.0f}° to {degrees[end - 1]:.0f}°"
        parts.append(f"at {span} something as near as {number(distance[start:end].min())} image widths")
    return f"{text} From left (180°) to right (0°): {'; '.join(parts)}."
