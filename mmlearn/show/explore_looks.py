"""Chapter 17's figure: where each word of a phrase looks in the picture, and how much of that lies on which thing."""

import math

import numpy as np
import torch
from matplotlib.collections import LineCollection

from mmlearn.show.canvas import POINTS, Box, canvas, draw_cells, outline, write
from mmlearn.show.pieces import as_rgb, draw_pixels, width_of, with_halo
from mmlearn.show.scene_grids import edges
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive

ALL = "mean of the heads"
_WIDTH, _HEIGHT = 720, 340
_SIDE = 216  # CSS pixels of a picture


def look_explorer(pictures, mask, phrases, maps, *, things=("named thing", "other thing"), example=0, word=1, head=ALL):
    """Display where a word of a phrase looks in its picture, with controls for the picture, the word and the head.

    pictures: (N, 3, H, H) in [0, 1]   mask: (N, K, H, H) bool, the things that ``things`` names, outlined
    phrases: N lists of words   maps: (N, heads, T, P) weights of T ≥ each phrase's words on P patches in a square grid
    word: its position in the phrase   head: from 1, or ALL
    The handle's ``state`` holds words, grid (g, g), masses and areas (one number a thing), among what is drawn; the mass is
    that of ``mmlearn.ops.region_mass``, patch by patch in proportion to what the thing covers.
    Raises ValueError where the shapes do not belong together or a setting is not offered.
    """
    import ipywidgets

    maps, mask = torch.as_tensor(maps).detach().cpu().double(), torch.as_tensor(mask).cpu()
    grid = _check(pictures, mask, phrases, maps, things)
    N, heads = maps.shape[:2]
    share = mask.double().unflatten(3, (grid, -1)).unflatten(2, (grid, -1)).mean((3, 5)).flatten(2)  # (N, K, P)
    rgb = as_rgb(pictures)

    def compute(example, word, head):
        weights = maps[example].mean(0)[word] if head == ALL else maps[example, head - 1, word]  # (P,)
        return {
            "rgb": rgb[example],
            "mask": mask[example].numpy(),
            "words": [*phrases[example]],
            "word": word,
            "head": head,
            "grid": weights.view(grid, grid).numpy(),
            "things": things,
            "masses": (weights * share[example]).sum(-1).tolist(),
            "areas": share[example].mean(-1).tolist(),
        }

    def adjust(widgets, changed):
        widgets["word"].max = len(phrases[widgets["example"].value]) - 1

    def slider(name, value, high, description):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
            raise ValueError(f"{name} must be a whole number from 0 to {high}; got {value!r}")
        return ipywidgets.IntSlider(value=value, min=0, max=high, description=description)

    choices = [ALL, *range(1, heads + 1)]
    if head not in choices:
        raise ValueError(f"head must be one of {', '.join(map(repr, choices))}; got {head!r}")
    controls = {"example": slider("example", example, N - 1, "picture")}
    controls["word"] = slider("word", word, len(phrases[example]) - 1, "word")
    controls["head"] = ipywidgets.Dropdown(options=choices, value=head, description="head")
    return interactive(_draw, _describe, note=_explain, compute=compute, adjust=adjust, **controls)


def _check(pictures, mask, phrases, maps, things):
    """The patches in a row of the grid; raises ValueError where something does not fit."""
    N, longest = len(phrases), max(map(len, phrases), default=0)
    if N == 0 or min(map(len, phrases)) == 0:
        raise ValueError("phrases must hold at least one phrase, and each at least one word")
    grid = math.isqrt(maps.shape[-1]) if maps.ndim == 4 else 0
    if maps.ndim != 4 or len(maps) != N or maps.shape[2] < longest or grid == 0 or grid**2 != maps.shape[3]:
        raise ValueError(
            f"maps must be ({N}, heads, T, P) with T at least the {longest} words of the longest phrase and P a square number; "
            f"got {tuple(maps.shape)}"
        )
    H = pictures.shape[-1]
    if tuple(pictures.shape) != (N, 3, H, H) or H % grid:
        raise ValueError(f"pictures must be ({N}, 3, H, H), H a multiple of {grid} patches; got {tuple(pictures.shape)}")
    if tuple(mask.shape) != (N, len(things), H, H):
        raise ValueError(f"mask must be ({N}, {len(things)}, {H}, {H}), one for each of {things}; got {tuple(mask.shape)}")
    return grid


def _draw(rgb, mask, words, word, head, grid, things, masses, areas):
    fig, axes = canvas(_WIDTH, _HEIGHT)
    write(axes, 14, 18, f"Where “{words[word]}” looks", 14.5, INK, "left", "bold")
    write(axes, _WIDTH - 14, 18, f"head {head}" if head != ALL else ALL, 12.5, MUTED, "right")
    x = 14
    for place, text in enumerate(words):
        wide = width_of(text, 14) + 14
        frame = Box(x, 38, x + wide, 62)
        outline(axes, frame, COLOURS.mauve if place == word else HAIRLINE, 2.6 if place == word else 0.8)
        write(axes, *frame.middle, text, 14, INK)
        x += wide + 6
    top, scale = 92, _SIDE / mask.shape[-1]
    picture = draw_pixels(axes, rgb, 40, top, _SIDE)
    side, most = _SIDE / len(grid), max(grid.max(), 1e-9)
    shown = np.where(grid < 0.005, 0, grid)  # quiet, for a field of zeros drowns the few numbers that matter
    texts = [[f"{100 * value:.0f}" for value in row] for row in shown]
    cells = draw_cells(axes, shown, 300, top, side, limits=(-1.15 * most, 1.15 * most), texts=texts, quiet_zeros=True)
    for box, paint in ((picture, with_halo), (cells, _thin)):  # thin, for the numbers lie under the outlines
        corner = np.array([box.left, box.top])
        paint(axes, [corner + scale * line for each in mask if each.any() for line in edges(each)])
    write(axes, 536, top + 14, "percent of the", 12, MUTED, "left")
    write(axes, 536, top + 31, "word's weight", 12, MUTED, "left")
    for n, (thing, mass, area) in enumerate(zip(things, masses, areas, strict=True)):
        write(axes, 536, top + 66 + 56 * n, thing, 12.5, INK, "left", "bold")
        write(axes, 536, top + 84 + 56 * n, f"{100 * mass:.0f} % of the weight,", 12, INK, "left")
        write(axes, 536, top + 101 + 56 * n, f"{100 * area:.0f} % of the area", 12, MUTED, "left")
    return fig


def _thin(axes, lines):
    axes.add_collection(LineCollection(lines, colors=INK, linewidths=1.1 * POINTS, zorder=4))


def _explain(words, word, things, masses, areas, **_):
    parts = [
        f"{mass:.0%} of its weight to the {thing}, which covers {area:.0%} of the picture"
        for thing, mass, area in zip(things, masses, areas, strict=True)
    ]
    return f"“{words[word]}” gives {' and '.join(parts)}."


def _describe(words, head, grid, **state):
    rows = "; ".join(" ".join(f"{100 * value:.0f}" for value in row) for row in grid)
    which = f"Head {head}." if head != ALL else "Mean of the heads."
    return f"“{' '.join(words)}”. {which} {_explain(words=words, **state)} Percent on each patch, row by row: {rows}."
