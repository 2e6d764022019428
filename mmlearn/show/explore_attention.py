"""Chapter 10's figure: where a trained network looks, word by word in a caption and patch by patch in its picture."""

import math

import numpy as np
import torch
from matplotlib.collections import PolyCollection

from mmlearn.show.canvas import Box, canvas, colours_of, draw_cells, frame_cells, outline, write
from mmlearn.show.pieces import as_rgb, draw_pixels, width_of, with_halo, write_many
from mmlearn.show.scene_grids import edges
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED, SIGNED, text_on
from mmlearn.show.widgets import interactive

ALL = "mean of the heads"
_WIDTH, _HEIGHT = 720, 418
_SIDE = 216  # CSS pixels of a picture
_COVERED = 0.25  # a patch belongs to the object when this share of it is the object's


def attention_explorer(
    pictures, mask, sentences, word_maps, patch_maps, *, marked=None, example=0, layer=None, head=1, query_word=0, query_patch=0
):
    """Display where one query looks, in a sentence and in the picture that it describes, with controls for everything.

    pictures: (N, 3, H, W) in [0, 1]   mask: (N, H, W) bool, the object that matters, outlined
    sentences: N lists of words, each with the word that stands for the whole, such as <start>, in front
    word_maps: (layers, N, heads, T, T) weights; what is beyond a sentence's words is left out
    patch_maps: (layers, N, heads, 1 + P, 1 + P), P patches in a square grid, the class token first
    marked: N positions of the word that matters, or None   layer, head: from 1; layer None means the last; head may be ALL
    query_word: its position; query_patch: 0 for the class token, else the patch's number, row by row from 1
    The handle's ``state`` holds words, weights (T,), grid (g, g), class_weight, on_object and area, among what is drawn.
    Raises ValueError where the shapes do not belong together or a setting is not offered.
    """
    import ipywidgets

    word_maps, patch_maps = (torch.as_tensor(maps).detach().cpu().double() for maps in (word_maps, patch_maps))
    grid = _check(pictures, mask, sentences, word_maps, patch_maps, marked)
    layers, N, heads = word_maps.shape[:3]
    covered = _covered(mask, grid)
    rgb, mask = as_rgb(pictures), torch.as_tensor(mask).cpu().numpy()
    layer = layers if layer is None else layer

    def compute(example, layer, head, query_word, query_patch):
        return looked_at(
            [*sentences[example]],
            _of_head(word_maps[layer - 1, example], head),
            _of_head(patch_maps[layer - 1, example], head),
            covered[example],
            query_word,
            query_patch,
        ) | {
            "rgb": rgb[example],
            "mask": mask[example],
            "marked": None if marked is None else int(marked[example]),
            "layer": layer,
            "head": head,
        }

    def adjust(widgets, changed):
        widgets["query_word"].max = len(sentences[widgets["example"].value]) - 1

    def slider(name, value, low, high, description):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high}; got {value!r}")
        return ipywidgets.IntSlider(value=value, min=low, max=high, description=description)

    choices = [*range(1, heads + 1), ALL]
    if head not in choices:
        raise ValueError(f"head must be one of {', '.join(map(repr, choices))}; got {head!r}")
    controls = {
        "example": slider("example", example, 0, N - 1, "scene"),
        "layer": slider("layer", layer, 1, layers, "layer"),
        "head": ipywidgets.Dropdown(options=choices, value=head, description="head"),
    }
    controls["query_word"] = slider("query_word", query_word, 0, len(sentences[example]) - 1, "query: word")
    controls["query_patch"] = slider("query_patch", query_patch, 0, grid**2, "query: patch")
    return interactive(_draw, _describe, note=_explain, compute=compute, adjust=adjust, **controls)


def looked_at(words, word_weights, patch_weights, covered, query_word, query_patch):
    """Everything about one query of the sentence and one of the picture.

    words: T strings   word_weights: (≥ T, ≥ T)   patch_weights: (1 + P, 1 + P)   covered: (P,) bool, patches of the object
    """
    T, side = len(words), math.isqrt(len(covered))
    weights = word_weights[query_word, :T].numpy()
    row = patch_weights[query_patch]
    return {
        "words": words,
        "weights": weights,
        "query_word": query_word,
        "grid": row[1:].view(side, side).numpy(),
        "class_weight": row[0].item(),
        "covered": covered.view(side, side).numpy(),
        "query_patch": query_patch,
        "on_object": row[1:][covered].sum().item(),
        "area": covered.double().mean().item(),
    }


def _covered(mask, grid):
    """The patches of which enough is the object's: (N, P) bool."""
    share = torch.as_tensor(mask).cpu().double().unflatten(2, (grid, -1)).unflatten(1, (grid, -1)).mean((2, 4))
    return (share > _COVERED).flatten(1)


def _of_head(maps, head):
    return maps.mean(0) if head == ALL else maps[head - 1]


def _check(pictures, mask, sentences, word_maps, patch_maps, marked):
    """The patches in a row of the grid; raises ValueError where something does not fit."""
    N, longest = len(sentences), max((len(words) for words in sentences), default=0)
    if N == 0 or min(len(words) for words in sentences) == 0:
        raise ValueError("sentences must hold at least one sentence, and each at least one word")
    if word_maps.ndim != 5 or word_maps.shape[1] != N or word_maps.shape[3] != word_maps.shape[4] or word_maps.shape[3] < longest:
        raise ValueError(
            f"word_maps must be (layers, {N}, heads, T, T) with T at least the {longest} words of the longest sentence; "
            f"got {tuple(word_maps.shape)}"
        )
    grid = math.isqrt(max(patch_maps.shape[-1] - 1, 0))
    expected = (*word_maps.shape[:3], 1 + grid**2, 1 + grid**2)
    if patch_maps.shape != expected or grid == 0:
        raise ValueError(
            f"patch_maps must be {(*word_maps.shape[:3], '1 + P', '1 + P')}, P a square number, for as many layers, scenes and "
            f"heads as word_maps {tuple(word_maps.shape)}; got {tuple(patch_maps.shape)}"
        )
    H, W = pictures.shape[-2:]
    if tuple(pictures.shape) != (N, 3, H, W) or H % grid or W % grid or H != W:
        raise ValueError(f"pictures must be ({N}, 3, H, H), H a multiple of {grid} patches; got {tuple(pictures.shape)}")
    if tuple(mask.shape) != (N, H, W):
        raise ValueError(f"mask must be ({N}, {H}, {W}), the pixels of the object in each picture; got {tuple(mask.shape)}")
    if marked is not None and len(marked) != N:
        raise ValueError(f"marked must name a word of each of the {N} sentences; got {len(marked)}")
    return grid


def _draw(words, weights, query_word, marked, rgb, mask, grid, covered, query_patch, class_weight, layer, head, **_):
    fig, axes = canvas(_WIDTH, _HEIGHT)
    which = f"layer {layer}, {f'head {head}' if head != ALL else ALL}"
    write(axes, 14, 18, f"Words: where “{words[query_word]}” looks", 14.5, INK, "left", "bold")
    write(axes, _WIDTH - 14, 18, which, 12.5, MUTED, "right")
    _sentence(axes, words, weights, query_word, marked, Box(14, 40, _WIDTH - 14, 140))
    top = 188
    who = "the class token" if query_patch == 0 else f"patch {query_patch}"
    write(axes, 14, 160, f"Patches: where {who} looks", 14.5, INK, "left", "bold")
    picture = draw_pixels(axes, rgb, 40, top, _SIDE)
    scale = _SIDE / mask.shape[0]
    lines = [np.array([picture.left, picture.top]) + scale * line for line in edges(mask)] if mask.any() else []
    with_halo(axes, lines)
    side, most = _SIDE / len(grid), max(grid.max(), 1e-9)
    texts = [[f"{100 * value:.0f}" for value in row] for row in grid]
    box = draw_cells(axes, grid, 330, top, side, limits=(-1.15 * most, 1.15 * most), texts=texts)
    frame_cells(axes, box, side, [tuple(cell) for cell in np.argwhere(covered)], INK, 2.2)
    if query_patch:
        row, column = divmod(query_patch - 1, len(grid))
        for place in (picture, box):
            left, upper = place.left + column * side, place.top + row * side
            frame = Box(left, upper, left + side, upper + side)
            outline(axes, frame, "white", 3.4)
            outline(axes, frame, COLOURS.mauve, 2.6, dashed=True)
    write(axes, 572, top + 20, "percent of the", 12, MUTED, "left")
    write(axes, 572, top + 37, "query's weight", 12, MUTED, "left")
    write(axes, 572, top + 68, "framed: patches", 12, INK, "left")
    write(axes, 572, top + 85, "on the object", 12, INK, "left")
    write(axes, 572, top + 116, f"class token: {100 * class_weight:.0f}", 12, MUTED, "left")
    if query_patch:
        write(axes, 572, top + 147, "dashed: the query", 12, COLOURS.mauve, "left")
    return fig


def _sentence(axes, words, weights, query, marked, room):
    """The words in boxes as dark as their weight, in as many lines as they take, the percent underneath."""
    size, pitch = 14.0, 42
    x, top, frames, places = room.left, room.top, [], []
    for word in words:
        wide = max(width_of(word, size), width_of("100", size)) + 14
        if x + wide > room.right:
            x, top = room.left, top + pitch
        frames.append(Box(x, top, x + wide, top + 22))
        x += wide + 5
    rgb = colours_of(np.asarray(weights), SIGNED, -1.15, 1.15)
    corners = [[(b.left, b.top), (b.right, b.top), (b.right, b.bottom), (b.left, b.bottom)] for b in frames]
    axes.add_collection(PolyCollection(corners, facecolors=rgb, edgecolors=HAIRLINE, linewidths=0.8, zorder=2), autolim=False)
    white = text_on(rgb)
    for colour in ("white", "black"):
        places = [
            (*frame.middle, word, "center")
            for frame, word, light in zip(frames, words, white, strict=True)
            if (colour == "white") == bool(light)
        ]
        write_many(axes, places, size, colour)
    shares = [
        (frame.middle[0], frame.bottom + 10, f"{100 * value:.0f}", "center") for frame, value in zip(frames, weights, strict=True)
    ]
    write_many(axes, shares, 11, MUTED)
    if marked is not None:
        outline(axes, frames[marked], INK, 2.2)
    outline(axes, frames[query], COLOURS.mauve, 2.6, dashed=True)


def _explain(words, weights, query_word, marked, query_patch, on_object, area, **_):
    first = int(np.argmax(weights))
    text = f"“{words[query_word]}” gives {weights[first]:.0%} of its weight to “{words[first]}”"
    if marked is not None and marked != first:
        text += f" and {weights[marked]:.0%} to “{words[marked]}”"
    who = "The class token" if query_patch == 0 else f"Patch {query_patch}"
    return (
        f"{text}; an equal share would be {1 / len(words):.0%}. {who} gives {on_object:.0%} to the object's patches, "
        f"which are {area:.0%} of the area."
    )


def _describe(words, weights, layer, head, grid, covered, **state):
    listed = ", ".join(f"{word} {weight:.0%}" for word, weight in zip(words, weights, strict=True))
    rows = "; ".join(" ".join(f"{100 * value:.0f}" for value in row) for row in grid)
    places = ", ".join(f"row {r + 1} column {c + 1}" for r, c in np.argwhere(covered))
    which = f"Layer {layer}, {f'head {head}' if head != ALL else ALL}."
    said = _explain(words=words, weights=weights, **state)
    return f"{which} {said} Words: {listed}. Percent on each patch, row by row: {rows}. The object covers {places or 'no patch'}."
