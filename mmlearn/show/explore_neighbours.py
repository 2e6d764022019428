"""Chapter 13's figure: which scenes a layer takes for alike."""

import numpy as np
import torch

from mmlearn.show.canvas import Box, canvas, outline, write
from mmlearn.show.pieces import as_rgb, draw_pixels
from mmlearn.show.style import COLOURS, INK, MUTED
from mmlearn.show.widgets import interactive

NEAREST = 6
_WIDTH, _HEIGHT, _SIDE, _SMALL = 720, 250, 150, 84


def neighbours_explorer(pictures, features, attributes, *, scene=0, layer=None):
    """Display one scene and its nearest neighbours in the features of a layer, with controls for both.

    pictures: (N, 3, H, H) in [0, 1], N ≥ 8   features: {name of the layer: (N, D)}, in the order of the list
    attributes: {"colour": N words, "shape": N words, …}, what is compared with the neighbours'
    scene: the number of the picture that is asked about   layer: a name, by default the last
    Near is what has the greatest cosine, after each feature was standardised over these pictures. The handle's ``state`` holds
    rows (6,), cosines (6,), shared {attribute: how many of the 6 have the scene's} and expected {attribute: by chance}.
    Raises ValueError where the sizes do not belong together or a setting is not offered.
    """
    import ipywidgets

    N = len(pictures)
    _check(pictures, features, attributes)
    layer = list(features)[-1] if layer is None else layer
    if layer not in features:
        raise ValueError(f"layer must be one of {', '.join(map(repr, features))}; got {layer!r}")
    if isinstance(scene, bool) or not isinstance(scene, int) or not 0 <= scene < N:
        raise ValueError(f"scene must be a whole number from 0 to {N - 1}; got {scene!r}")
    cosines = {name: _cosines(torch.as_tensor(found).detach().cpu().double()) for name, found in features.items()}
    rgb, words = as_rgb(pictures), {name: list(of_each) for name, of_each in attributes.items()}

    def compute(scene, layer):
        row = cosines[layer][scene].clone()
        row[scene] = -2  # not its own neighbour
        near, rows = row.topk(NEAREST)
        has = {name: [of_each[other] == of_each[scene] for other in rows.tolist()] for name, of_each in words.items()}
        others = {name: sum(word == of_each[scene] for word in of_each) - 1 for name, of_each in words.items()}
        return {
            "scene": scene,
            "layer": layer,
            "rgb": rgb,
            "rows": rows.numpy(),
            "cosines": near.numpy(),
            "has": has,
            "words": words,
            "shared": {name: sum(flags) for name, flags in has.items()},
            "expected": {name: NEAREST * count / (N - 1) for name, count in others.items()},
        }

    controls = {
        "scene": ipywidgets.IntSlider(value=scene, min=0, max=N - 1, description="scene"),
        "layer": ipywidgets.Dropdown(options=list(features), value=layer, description="layer"),
    }
    return interactive(_draw, _describe, note=_explain, compute=compute, **controls)


def _cosines(features):
    """Between all pictures, of standardised features: (N, D) → (N, N)."""
    centred = features - features.mean(0)
    scaled = centred / centred.std(0).clamp(min=1e-12)
    return (scaled @ scaled.mT) / (scaled.norm(dim=1)[:, None] * scaled.norm(dim=1)).clamp(min=1e-12)


def _check(pictures, features, attributes):
    N = len(pictures)
    if pictures.ndim != 4 or pictures.shape[1] != 3 or N < NEAREST + 2:
        raise ValueError(f"pictures must be (N, 3, H, H), N ≥ {NEAREST + 2}; got {tuple(pictures.shape)}")
    for name, found in features.items():
        if found.ndim != 2 or len(found) != N:
            raise ValueError(f"features[{name!r}] must be ({N}, D), a row for each picture; got {tuple(found.shape)}")
    for name, of_each in attributes.items():
        if len(of_each) != N:
            raise ValueError(f"attributes[{name!r}] must hold {N} words, one for each picture; got {len(of_each)}")
    if not features or not attributes:
        raise ValueError("features and attributes must each hold at least one entry")


def _named(words, row):
    return " ".join(of_each[row] for of_each in words.values())


def _draw(scene, layer, rgb, rows, cosines, has, words, **_):
    fig, axes = canvas(_WIDTH, _HEIGHT)
    write(axes, 14, 18, f"Scene {scene}", 14.5, INK, "left", "bold")
    write(axes, _WIDTH - 14, 18, layer, 12.5, MUTED, "right")
    draw_pixels(axes, rgb[scene], 14, 40, _SIDE)
    write(axes, 14 + _SIDE / 2, 40 + _SIDE + 16, _named(words, scene), 11.5)
    write(axes, 186, 18, "its nearest neighbours, and their cosine", 12.5, MUTED, "left")
    for place, (row, cosine) in enumerate(zip(rows, cosines, strict=True)):
        left = 186 + place * (_SMALL + 4)
        box = draw_pixels(axes, rgb[row], left, 70, _SMALL)
        if all(flags[place] for flags in has.values()):
            outline(axes, Box(box.left, box.top, box.right, box.bottom), COLOURS.mauve, 2.6)
        write(axes, left + _SMALL / 2, 56, f"{cosine:.2f}", 12, MUTED)
        for line, (name, of_each) in enumerate(words.items()):
            alike = has[name][place]
            write(axes, left + _SMALL / 2, 70 + _SMALL + 14 + 17 * line, of_each[row], 11.5, INK if alike else MUTED,
                  weight="bold" if alike else "normal")  # fmt: skip
    write(axes, 186, _HEIGHT - 16, "bold: the same as the scene's   framed: every word is", 11.5, MUTED, "left")
    return fig


def _explain(shared, expected, **_):
    parts = [f"{count} have its {name} (by chance {expected[name]:.1f})" for name, count in shared.items()]
    return f"Of the {NEAREST} neighbours " + ", ".join(parts) + "."


def _describe(scene, layer, rows, cosines, words, shared, expected, **_):
    near = "; ".join(f"{_named(words, row)}, {cosine:.2f}" for row, cosine in zip(np.asarray(rows), cosines, strict=True))
    return f"Scene {scene}, {_named(words, scene)}. Nearest in {layer}: {near}. {_explain(shared, expected)}"
