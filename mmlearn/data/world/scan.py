"""A range finder in the middle of the bottom edge: how far it is to the nearest object in each direction.

It looks into the plane of the picture as a robot looks across a floor, from the place (0.5, 1). So the object that comes first
along a ray hides the others, and the depth order of the picture, which object is painted over which, plays no part. The distances
come from the outlines of the shapes, not from pixels: they are the same at every resolution, and what lies beyond the edge of the
picture counts. Colours are unknown to it, and so is all that stands behind something.
"""

import math
from dataclasses import dataclass

import torch

from .attributes import SHAPES
from .outlines import OUTLINES

SENSOR = (0.5, 1.0)  # x, y in image widths
_LOOKS = 192  # along a ray, at most 0.015 radii apart: corners that a ray only grazes may be passed over
_HALVINGS = 16  # of the stretch between two looks: exact to the precision of float32
_CHUNK = 256  # scenes at a time


@dataclass(frozen=True)
class Scan:
    """What the range finder measured, one row a scene.

    distance  (N, R) float32, image widths; inf where nothing is hit
    hit       (N, R) int64, the slot of the object that is hit; −1 where nothing is
    angle     (R,) float32, radians: π is left, π/2 straight up, 0 right; the rays go from left to right
    """

    distance: torch.Tensor
    hit: torch.Tensor
    angle: torch.Tensor

    def __len__(self):
        return len(self.distance)

    def points(self):
        """x, y (N, R) of the hits, in image widths from the left and from the top; NaN where nothing is hit."""
        found = torch.where(self.hit >= 0, self.distance, torch.nan)
        return SENSOR[0] + found * self.angle.cos(), SENSOR[1] - found * self.angle.sin()


def scan(scenes, rays=64):
    """The first hit of each of R rays that fan out evenly over the half plane above the bottom edge, as Scan.

    Ray i has the angle π (1 − (i + ½)/R), counted from the right: each ray is the middle of one of R equal sectors, so that none
    runs along the edge. A sensor inside an object measures 0. The same scene gives the same bits alone and in any batch.

    >>> from mmlearn.data.world import sample
    >>> sample(5, seed=0).scan(rays=32).distance.shape
    torch.Size([5, 32])
    """
    if isinstance(rays, bool) or not isinstance(rays, int) or rays < 1:
        raise ValueError(f"rays must be a whole number, at least 1; got {rays!r}")
    angles = [math.pi * (1 - (ray + 0.5) / rays) for ray in range(rays)]
    device = scenes.x.device
    cos, sin = (torch.tensor([part(angle) for angle in angles], device=device) for part in (math.cos, math.sin))
    distance = torch.full((len(scenes), rays), torch.inf, device=device)
    hit = torch.full((len(scenes), rays), -1, device=device)

    for start in range(0, len(scenes), _CHUNK):
        some = slice(start, start + _CHUNK)
        each = _first_hits(scenes, some, cos, sin)  # (n, K, R)
        if each.shape[1]:
            distance[some], slot = each.min(dim=1)
            hit[some] = torch.where(distance[some].isfinite(), slot, -1)
    return Scan(distance, hit, torch.tensor(angles, device=device))


def _first_hits(scenes, some, cos, sin):
    """(n, K, R): how far it is to each object along each ray, as if it were alone; inf where the ray misses it."""
    present, radius = scenes.present[some], scenes.radius[some]
    unit = torch.where(present, radius, 1)  # lengths are counted in the object's radius, in which its outline is written
    x = (SENSOR[0] - scenes.x[some]) / unit  # (n, K): the sensor as the object sees it
    y = (SENSOR[1] - scenes.y[some]) / unit
    closest = -(x[..., None] * cos - y[..., None] * sin)  # (n, K, R): where the ray passes the object's centre
    reach = 2 - (x * x + y * y)[..., None] + closest * closest  # the outline lies in the circle of radius √2
    near = closest - reach.clamp(min=0).sqrt()
    far = closest + reach.clamp(min=0).sqrt()
    meets = present[..., None] & (reach > 0) & (far > 0)
    distances = torch.full_like(closest, torch.inf)
    for number, name in enumerate(SHAPES):
        row, slot, ray = (meets & (scenes.shape[some] == number)[..., None]).nonzero(as_tuple=True)  # m objects, each with a ray
        if not len(row):
            continue
        place, towards = (x[row, slot], y[row, slot]), (cos[ray], -sin[ray])
        travelled = _march(OUTLINES[name], place, towards, near[row, slot, ray].clamp(min=0), far[row, slot, ray])
        distances[row, slot, ray] = travelled * unit[row, slot]
    return distances


def _march(outline, place, towards, near, far):
    """(m,): where m rays first enter an outline between near and far; inf where they do not."""

    def inside(travelled):
        x, y = (start.unsqueeze(-1) + travelled * step.unsqueeze(-1) for start, step in zip(place, towards, strict=True))
        return outline(x, y) <= 0

    step = (far - near) / _LOOKS
    looks = near[:, None] + step[:, None] * torch.arange(_LOOKS + 1, device=near.device)  # (m, looks)
    met = inside(looks)
    first = met.int().argmax(dim=1, keepdim=True)  # the first look inside
    after = looks.gather(1, first)  # (m, 1)
    before = looks.gather(1, (first - 1).clamp(min=0))
    for _ in range(_HALVINGS):
        middle = (before + after) / 2
        entered = inside(middle)
        before, after = torch.where(entered, before, middle), torch.where(entered, middle, after)
    return torch.where(met.any(dim=1), after.squeeze(1), torch.inf)


def check_scan(distance, fill=None):
    """A range scan (…, R) without NaN: returned as it is, or refused, or filled if you ask for it.

    Sensors write NaN for a failed measurement and inf for "nothing in reach" (in the robot operating system ROS this is rule
    REP 117). NaN must not reach a network, where it spoils every weight in one step; inf is a measurement and stays.

    fill: None refuses NaN, saying how many there are and where;
          "interpolate" puts a straight line between the nearest measured neighbours of the same scan; at an end the only
          neighbour is repeated, and beside an inf it becomes inf;
          "max" puts the largest finite distance of the same scan.
    Raises ValueError also on distances below 0, on integers, and on a scan where too little is measured to fill from.

    >>> check_scan(torch.tensor([1.0, torch.nan, 2.0]), fill="interpolate")
    tensor([1.0000, 1.5000, 2.0000])
    """
    distance = torch.as_tensor(distance)
    if not distance.is_floating_point() or not distance.ndim:
        raise ValueError(f"a range scan must be floats (…, R); got {distance.dtype} {tuple(distance.shape)}")
    if fill not in (None, "interpolate", "max"):
        raise ValueError(f'fill must be None, "interpolate" or "max"; got {fill!r}')
    if (distance < 0).any():
        where = (distance < 0).nonzero()
        raise ValueError(f"distances cannot be below 0; {len(where)} of {distance.numel()} are, the first at {_at(where[0])}")
    missing = distance.isnan()
    if not missing.any():
        return distance
    if fill is None:
        where = missing.nonzero()
        shown = ", ".join(_at(place) for place in where[:5]) + (", …" if len(where) > 5 else "")
        raise ValueError(
            f"{len(where)} of {distance.numel()} distances are NaN, at {shown}: "
            'leave these scans out, or fill them with fill="interpolate" or fill="max"'
        )
    scans, gone = distance.reshape(-1, distance.shape[-1]), missing.reshape(-1, distance.shape[-1])
    usable = ~gone if fill == "interpolate" else scans.isfinite()
    lost = (~usable.any(dim=1)).nonzero().flatten().tolist()
    if lost:
        what = "measured" if fill == "interpolate" else "finite"
        raise ValueError(
            f"{len(lost)} of {len(scans)} scans (the first is number {lost[0]}) have no {what} distance to fill from: drop them"
        )
    if fill == "max":
        filled = torch.where(gone, torch.where(usable, scans, 0).amax(dim=1, keepdim=True), scans)
    else:
        filled = _interpolated(scans, gone)
    return filled.reshape(distance.shape)


def _interpolated(scans, gone):
    """(B, R) with each missing distance on the line between its nearest measured neighbours."""
    rays = torch.arange(scans.shape[1], device=scans.device).expand_as(scans)
    left = torch.where(gone, -1, rays).cummax(dim=1).values  # (B, R): the last measured ray up to here, −1 if none
    right = torch.where(gone, scans.shape[1], rays).flip(1).cummin(dim=1).values.flip(1)
    left, right = torch.where(left < 0, right, left), torch.where(right == scans.shape[1], left, right)
    weight = (rays - left).to(scans) / (right - left).clamp(min=1)
    from_left, from_right = scans.gather(1, left), scans.gather(1, right)
    line = from_left * (1 - weight) + from_right * weight
    return torch.where(gone, torch.where(left == right, from_left, line), scans)


def _at(place):
    return f"[{', '.join(str(number) for number in place.tolist())}]"
