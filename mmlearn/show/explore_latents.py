"""Chapter 12's figure: a slider for each number of a code, the picture that it decodes to, and where each number leads."""

import math

import numpy as np
import torch

from mmlearn.ops.divergence import gaussian_kl
from mmlearn.show.canvas import Box, canvas, number, outline, write
from mmlearn.show.pieces import as_rgb, draw_pixels
from mmlearn.show.style import COLOURS, INK, MUTED
from mmlearn.show.widgets import interactive

REACH = 3.0  # a standard normal number lies within ± this in 997 of 1000 draws
STEPS = 9  # pictures in a row, from −REACH to REACH
_WIDTH, _TOP = 720, 52
_LARGE = Box(16, _TOP, 196, _TOP + 180)
_ROW_LEFT, _ROW_RIGHT = 318, 712


def latent_explorer(decode, posterior, pictures, labels=None, *, units=None, example=0):
    """Display the picture that a code decodes to, with a slider for each number of the code, and a row of pictures for each.

    A row shows what becomes of the picture if its number alone goes from −3 to 3. The sliders are those numbers of the code on
    which the model spends most nats, on average over the pictures; the others keep the example's value.
    decode: z (N, D) → images (N, C, S, S), such as ``vae.decode``   posterior: (mean, log_var) of the pictures, (N, D) each, such
    as ``vae.encode(pictures)``   pictures: (N, C, S, S) in [0, 1] with C = 1 or 3   labels: their names, N of them, for the words
    units: how many numbers get a slider, at most 8; None for 6, or as many as there are
    example: the place of the picture to start from; moving this control sets the sliders to its code

    The handle's ``state`` holds code (D,), decoded (C, S, S), rows (units, 9, C, S, S), units: the numbers shown, by their places
    in the code, kl (units,): the mean nats of each, nearest: the place among ``pictures`` of the one most like ``decoded``, and
    ends: for each row those of its two ends.
    """
    import ipywidgets

    mean, log_var = (torch.as_tensor(each).detach() for each in posterior)
    units = min(6, mean.shape[-1]) if units is None else units
    _check(mean, pictures, labels, units, example)
    shown, kl = most_used(mean, log_var, units)
    names = [f"z{place + 1}" for place in shown]

    def adjust(widgets, changed):
        if changed == "example":
            place_sliders(widgets)

    def place_sliders(widgets):
        here = mean[widgets["example"].value, shown]
        for name, value in zip(names, here.tolist(), strict=True):
            widgets[name].value = min(REACH, max(-REACH, round(value, 2)))

    def compute(example, **values):
        moved = torch.tensor([values[name] for name in names], dtype=mean.dtype)
        return traversed(decode, mean[example], shown, moved, pictures) | {"kl": kl, "example": example}

    def slider(name, nats):
        label = f"{name}  ({nats:.1f} nats)"
        return ipywidgets.FloatSlider(value=0, min=-REACH, max=REACH, step=0.05, description=label, readout_format=".2f")

    first = {"example": ipywidgets.IntSlider(value=example, min=0, max=len(pictures) - 1, description="start from picture")}
    controls = first | {name: slider(name, nats) for name, nats in zip(names, kl.tolist(), strict=True)}
    place_sliders(controls)
    words = None if labels is None else [str(label) for label in labels]

    def draw(**state):
        return _draw(pictures, **state)

    def describe(**state):
        return _describe(words, **state)

    def explain(**state):
        return _explain(words, **state)

    return interactive(draw, describe, note=explain, compute=compute, adjust=adjust, **controls)


def most_used(mean, log_var, units):
    """The places of the numbers of the code on which most nats are spent, the most first, and the mean nats of each.

    mean, log_var: (N, D)   returns: (places (units,), nats (units,))
    """
    each = gaussian_kl(mean.T[..., None], log_var.T[..., None]).mean(1)  # (D,): one number at a time, averaged over the examples
    places = each.argsort(descending=True)[:units]
    return places, each[places]


@torch.no_grad()
def traversed(decode, start, shown, moved, pictures):
    """Everything the figure shows at one setting, but for what depends on no slider.

    start (D,): the example's code   shown (U,): the numbers with a slider   moved (U,): their values
    """
    code = start.clone()
    code[shown] = moved
    rows = code.repeat(len(shown), STEPS, 1)  # (U, STEPS, D)
    for row, place in enumerate(shown.tolist()):
        rows[row, :, place] = torch.linspace(-REACH, REACH, STEPS)
    images = decode(torch.cat([code[None], rows.flatten(0, 1)])).clamp(0, 1)  # (1 + U·STEPS, C, S, S)
    decoded, rows = images[0], images[1:].unflatten(0, rows.shape[:2])
    found = nearest(torch.cat([decoded[None], rows[:, 0], rows[:, -1]]), pictures)
    ends = list(zip(found[1 : 1 + len(shown)], found[1 + len(shown) :], strict=True))
    return {"code": code, "units": shown, "decoded": decoded, "rows": rows, "nearest": found[0], "ends": ends}


def nearest(images, pictures):
    """For each image the place of the picture with the least squared difference: a list of ints."""
    return torch.cdist(images.flatten(1), pictures.flatten(1)).argmin(1).tolist()


def _check(mean, pictures, labels, units, example):
    if mean.ndim != 2 or len(mean) != len(pictures):
        raise ValueError(
            f"posterior must hold a code for each picture, ({len(pictures)}, D) twice; got {tuple(mean.shape)}: "
            "give vae.encode(pictures)"
        )
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3):
        raise ValueError(f"pictures must be (N, C, S, S) with 1 or 3 channels; got shape {tuple(pictures.shape)}")
    if labels is not None and len(labels) != len(pictures):
        raise ValueError(f"labels must name each of the {len(pictures)} pictures; got {len(labels)}")
    if not 1 <= units <= min(8, mean.shape[1]):
        most = min(8, mean.shape[1])
        raise ValueError(f"units must be from 1 to {most}, so that the code has them and the page shows them; got {units!r}")
    if not 0 <= example < len(pictures):
        raise ValueError(f"example must be from 0 to {len(pictures) - 1}, a place in pictures; got {example!r}")


def _draw(pictures, code, units, decoded, rows, kl, example, **_):
    side = min(40.0, (400 - _TOP) / max(len(rows), 1) - 6)
    pitch = (_ROW_RIGHT - _ROW_LEFT) / STEPS
    height = max(_TOP + len(rows) * (side + 6) + 26, _LARGE.bottom + 108)
    fig, axes = canvas(_WIDTH, height)
    every = _rgb(torch.cat([decoded[None], pictures[example][None], rows.flatten(0, 1)]))
    write(axes, _LARGE.left, 28, "the code's picture", 14.5, INK, "left", "bold")
    draw_pixels(axes, every[0], _LARGE.left, _LARGE.top, _LARGE.right - _LARGE.left)
    outline(axes, _LARGE, COLOURS.vermilion, 2)
    small = draw_pixels(axes, every[1], _LARGE.left, _LARGE.bottom + 18, 72)
    write(axes, small.right + 12, small.middle[1] - 9, "the picture that", 12, MUTED, "left")
    write(axes, small.right + 12, small.middle[1] + 9, "you started from", 12, MUTED, "left")
    write(axes, 214, 28, "one number alone, from −3 to 3", 14.5, INK, "left", "bold")
    for row, (place, nats) in enumerate(zip(units.tolist(), kl.tolist(), strict=True)):
        top = _TOP + row * (side + 6)
        write(axes, 214, top + side / 2 - 8, f"z{place + 1} = {number(code[place])}", 13, INK, "left", "bold")
        write(axes, 214, top + side / 2 + 8, f"{nats:.1f} nats", 11.5, MUTED, "left")
        for step in range(STEPS):
            left = _ROW_LEFT + step * pitch + (pitch - side) / 2
            draw_pixels(axes, every[2 + row * STEPS + step], left, top, side)
        here = round((code[place].item() + REACH) / (2 * REACH) * (STEPS - 1))  # the step nearest to the slider
        middle = _ROW_LEFT + (min(STEPS - 1, max(0, here)) + 0.5) * pitch
        outline(axes, Box(middle - side / 2 - 1.5, top - 1.5, middle + side / 2 + 1.5, top + side + 1.5), COLOURS.vermilion, 2)
    for step in (0, STEPS // 2, STEPS - 1):
        value = -REACH + 2 * REACH * step / (STEPS - 1)
        write(axes, _ROW_LEFT + (step + 0.5) * pitch, _TOP + len(rows) * (side + 6) + 9, number(value), 11.5, MUTED)
    return fig


def _rgb(images):
    """(N, C, S, S) → (N, S, S, 3) in [0, 1]."""
    if images.shape[1] == 3:
        return as_rgb(images)
    return np.repeat(images.float().numpy().transpose(0, 2, 3, 1), 3, axis=3)


def _named(words, place):
    return f"picture {place}" if words is None else f"a picture of {words[place]}"


def _explain(words, code, nearest, **_):
    away = math.sqrt(code.square().sum().item())
    expected = math.sqrt(len(code))
    return (
        f"Of all given pictures, the decoded one is most like {_named(words, nearest)}. "
        f"Its code lies {away:.1f} from the middle; codes drawn from the prior lie about {expected:.1f} away."
    )


def _describe(words, code, units, nearest, ends, kl, example, **_):
    rows = "; ".join(
        f"z{place + 1} ({number(nats, 1)} nats) stands at {number(code[place])} and leads from {_named(words, low)} "
        f"to {_named(words, high)}"
        for place, nats, (low, high) in zip(units.tolist(), kl.tolist(), ends, strict=True)
    )
    return (
        f"The picture decoded from a code of {len(code)} numbers, begun with picture {example}; most like it is "
        f"{_named(words, nearest)}. Beside it a row of {STEPS} pictures for each of {len(units)} numbers, moved alone from −3 "
        f"to 3 (named by the most similar of the given pictures): {rows}."
    )
