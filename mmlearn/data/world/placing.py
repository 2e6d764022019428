"""Where the objects of a scene lie, and which is in front of which."""

import torch

from .arguments import whole_numbers
from .chance import Chance

_CANDIDATES, _ATTEMPTS = 24, 200  # places tried for an object; times a scene is begun
_TOGETHER = 1024  # scenes tried at a time, so that what is impossible is known soon


def placed(seed, split, index, present, radius, overlap, x, y):
    """Centres (N, K) inside the image that keep the objects apart; x or y may be given.

    The objects of a scene are placed one after the other, the largest first, each at the first of its candidates that is clear of
    those placed before. A scene in which one finds none begins anew with other candidates; the other scenes keep theirs. Raises
    ValueError when a scene has failed 200 times.
    """
    found_x, found_y = torch.zeros_like(radius), torch.zeros_like(radius)
    for waiting in torch.arange(len(index)).split(_TOGETHER):
        for attempt in range(_ATTEMPTS):
            chance = Chance(seed, split, index[waiting].numpy())
            given = [None if places is None else places[waiting] for places in (x, y)]
            tried_x, tried_y, done = _attempt(chance, attempt, present[waiting], radius[waiting], 1 - overlap, *given)
            found_x[waiting[done]], found_y[waiting[done]] = tried_x[done], tried_y[done]
            waiting = waiting[~done]
            if not len(waiting):
                break
        else:
            full = waiting[0]
            radii = ", ".join(f"{value:.3f}" for value in radius[full][present[full]].tolist())
            raise ValueError(
                f"no room for {present[full].sum()} objects of radii {radii} (in image widths) with overlap={overlap}: scene "
                f"{index[full]} failed {_ATTEMPTS} times; take fewer objects, sizes='small' or more overlap, at most 0.5"
            )
    return found_x, found_y


def _attempt(chance, attempt, present, radius, apart, x, y):
    """One attempt at placing: x, y (N, K), and (N,) bool, whether every object of the scene found a place."""
    N, K = present.shape
    scenes = torch.arange(N)
    room = (1 - 2 * radius)[..., None]
    candidates = [
        radius[..., None] + room * chance.uniform(f"{axis} {attempt}", K, _CANDIDATES)
        if places is None
        else places[..., None].expand(-1, -1, _CANDIDATES)
        for axis, places in (("x", x), ("y", y))
    ]  # (N, K, candidates) each
    x, y, there = torch.zeros_like(radius), torch.zeros_like(radius), torch.zeros_like(present)
    done = torch.ones(N, dtype=torch.bool)
    for slot in radius.argsort(dim=1, descending=True, stable=True).unbind(1):  # (N,): the slot of each scene's next object
        here = present[scenes, slot]
        across, down = (places[scenes, slot] for places in candidates)  # (N, candidates)
        least = apart * (radius + radius[scenes, slot, None])  # (N, K)
        dx, dy = across[:, :, None] - x[:, None], down[:, :, None] - y[:, None]  # (N, candidates, K)
        clear = ((dx * dx + dy * dy >= (least * least)[:, None]) | ~there[:, None]).all(2)
        first = clear.int().argmax(1)
        x[scenes, slot], y[scenes, slot] = across[scenes, first].where(here, 0), down[scenes, first].where(here, 0)
        there[scenes, slot] = here
        done &= clear.any(1) | ~here
    return x, y, done


def layers(depth, present):
    """Ranks (N, K) of the objects by depth, 0 the nearest; −1 where there is none."""
    depth = whole_numbers(depth, "depth", 2)
    if depth.shape != present.shape:
        raise ValueError(f"depth must be {tuple(present.shape)}, as shape is; got {tuple(depth.shape)}")
    near_first = depth.where(present, torch.iinfo(torch.int64).max).argsort(dim=1, stable=True)
    ordered, there = depth.gather(1, near_first), present.gather(1, near_first)
    if ((ordered[:, 1:] == ordered[:, :-1]) & there[:, 1:]).any():
        raise ValueError("two objects of a scene have the same depth: give each another one, the nearest the smallest")
    return near_first.argsort(dim=1).where(present, -1)
