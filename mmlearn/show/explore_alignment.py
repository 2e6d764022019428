"""Chapter 18's figure: the similarity matrix of a small batch while a contrastive model trains."""

import math
from itertools import pairwise

import numpy as np
import torch

from mmlearn.data.retrieval import recall_at_k
from mmlearn.show.canvas import Box, canvas, cell_box, draw_cells, outline, rule, write
from mmlearn.show.pieces import as_rgb, draw_pixels, width_of
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED, SEQUENTIAL, SIGNED
from mmlearn.show.widgets import interactive

VIEWS = ("cosines", "picture asks: which text?", "text asks: which picture?", "gradient, N · ∂L/∂S")
_WIDTH, _TOP, _SIDE = 720, 64, 288  # CSS pixels: of the card, above the matrix, of the matrix
_MOST = 16  # pairs: more of them would be too small to read


def similarity_explorer(images, texts, scales, steps, pictures, captions, *, moment=None, view=VIEWS[0], query=1):
    """Display a batch's similarities at several moments of training, with controls for the moment, the view and one picture.

    images, texts: (S, N, D) unit rows, the N pairs of the batch at S moments, 2 ≤ N ≤ 16   scales: (S,), the model's 1/τ
    steps: S rising whole numbers, the training steps taken by then   pictures: (N, 3, H, H) in [0, 1]   captions: N strings
    moment: one of the steps; None for the last   view: one of VIEWS   query: the picture whose shares are listed, from 1
    The handle's ``state`` holds values (N, N), shares (N,) of the query, loss, chance = log N, and recall in both directions.
    Raises ValueError where the shapes do not belong together or a setting is not offered.
    """
    import ipywidgets

    images, texts = (torch.as_tensor(z).detach().cpu().double() for z in (images, texts))
    scales, steps = [float(s) for s in scales], [int(step) for step in steps]
    _check(images, texts, scales, steps, pictures, captions)
    moment = steps[-1] if moment is None else moment
    rgb, N = as_rgb(pictures), len(captions)

    def compute(moment, view, query):
        at = steps.index(moment)
        return batch_at(images[at], texts[at], scales[at], view, query - 1) | {
            "step": moment,
            "rgb": rgb,
            "captions": list(captions),
        }

    if moment not in steps:
        raise ValueError(f"moment must be one of the steps {steps}; got {moment!r}")
    if view not in VIEWS:
        raise ValueError(f"view must be one of {', '.join(map(repr, VIEWS))}; got {view!r}")
    if isinstance(query, bool) or not isinstance(query, int) or not 1 <= query <= N:
        raise ValueError(f"query must be a whole number from 1 to {N}; got {query!r}")
    controls = {
        "moment": ipywidgets.SelectionSlider(options=steps, value=moment, description="training step"),
        "view": ipywidgets.Dropdown(options=VIEWS, value=view, description="shown"),
        "query": ipywidgets.IntSlider(value=query, min=1, max=N, description="picture"),
    }
    return interactive(_draw, _describe, note=_explain, compute=compute, **controls)


def batch_at(a, b, scale, view, query):
    """Everything about the batch at one moment. a, b: (N, D), unit rows; query: a row, from 0."""
    cosines = a @ b.T  # (N, N)
    scores, N = scale * cosines, len(a)
    rows, columns = scores.softmax(1), scores.softmax(0)
    gradient = (rows + columns) / 2 - torch.eye(N, dtype=a.dtype)  # N · ∂L/∂S
    values = dict(zip(VIEWS, (cosines, rows, columns, gradient), strict=True))[view]
    loss = -(rows.diagonal().log() + columns.diagonal().log()).mean().item() / 2
    return {
        "values": values.numpy(),
        "view": view,
        "shares": rows[query].numpy(),
        "query": query,
        "loss": loss,
        "chance": math.log(N),
        "recall": (recall_at_k(cosines, k=1), recall_at_k(cosines.T, k=1)),
        "scale": scale,
    }


def _check(images, texts, scales, steps, pictures, captions):
    if images.ndim != 3 or images.shape != texts.shape or not 2 <= images.shape[1] <= _MOST:
        raise ValueError(
            f"images and texts must both be (S, N, D) with 2 to {_MOST} pairs; got {tuple(images.shape)} and {tuple(texts.shape)}"
        )
    S, N = images.shape[:2]
    if len(scales) != S or len(steps) != S or any(a >= b for a, b in pairwise(steps)):
        raise ValueError(f"scales and steps must name {S} moments, steps rising; got {len(scales)} scales and the steps {steps}")
    if len(captions) != N or pictures.ndim != 4 or tuple(pictures.shape[:2]) != (N, 3):
        got = f"{tuple(pictures.shape)} and {len(captions)} captions"
        raise ValueError(f"each of the {N} pairs needs a picture (3, H, H) and a caption; got {got}")


def _draw(values, view, shares, query, loss, chance, rgb, captions, step, **_):
    N = len(values)
    size = _SIDE / N
    fig, axes = canvas(_WIDTH, _TOP + _SIDE + 84)
    write(axes, 14, 20, f"after {step:,} steps: {view}", 14.5, INK, "left", "bold")
    left = 52
    for j in range(N):
        write(axes, left + (j + 0.5) * size, _TOP - 12, str(j + 1), 11, MUTED)
    limits, cmap = {VIEWS[0]: ((-1, 1), SIGNED), VIEWS[3]: ((-1, 1), SIGNED)}.get(view, ((0, 1), SEQUENTIAL))
    texts = [[f"{round(100 * float(value))}".replace("-", "−") for value in row] for row in values] if size >= 23 else None
    box = draw_cells(axes, values, left, _TOP, size, cmap=cmap, limits=limits, texts=texts)
    for i, picture in enumerate(rgb):
        draw_pixels(axes, picture, left - size - 3, _TOP + i * size + 1, size - 2)
    outline(axes, cell_box(box, size, query, 0, 1, N), COLOURS.mauve, 2.2, dashed=True)
    if texts:
        write(axes, left, box.bottom + 14, "numbers: hundredths", 11, MUTED, "left")
    _list(axes, shares, query, captions, size)
    _scale(axes, loss, chance, box.bottom + 48)
    return fig


def _list(axes, shares, query, captions, size):
    """The texts beside the rows' numbers, each with the share that the query gives it."""
    x, bar = 366, 570
    write(axes, x, _TOP - 12, f"shares of picture {query + 1}", 12, COLOURS.mauve, "left")
    for j, (caption, share) in enumerate(zip(captions, shares, strict=True)):
        y = _TOP + (j + 0.5) * size
        words = f"{j + 1}  {caption}"
        while width_of(words, 12) > bar - x - 8:
            words = words[:-2].rstrip("…") + "…"
        write(axes, x, y, words, 12, INK, "left", "bold" if j == query else "normal")
        outline(axes, Box(bar, y - 6, bar + 100, y + 6), HAIRLINE, 0.8)
        axes.fill_between([bar, bar + 100 * share], y - 6, y + 6, color=COLOURS.blue if j == query else COLOURS[1], lw=0)
        write(axes, bar + 106, y, f"{100 * share:.0f} %", 11, MUTED, "left")


def _scale(axes, loss, chance, y):
    """The loss on a line from 0 to what guessing costs, and beyond."""
    left, right = 150, 620
    most = max(chance, loss) * 1.05
    write(axes, 14, y, f"loss {loss:.2f} nats", 13, INK, "left", "bold")
    rule(axes, (left, y), (right, y), MUTED, 1.2)
    for value, words in ((0.0, "0"), (chance, f"log N = {chance:.2f}: guessing")):
        x = left + (right - left) * value / most
        rule(axes, (x, y - 6), (x, y + 6), INK, 1.2)
        write(axes, x, y + 20, words, 11, MUTED, "center" if value == 0 else "right" if x > 500 else "center")
    x = left + (right - left) * loss / most
    axes.plot([x], [y], "o", color=COLOURS.mauve, ms=6, zorder=5)


def _explain(loss, chance, recall, shares, query, scale, **_):
    right = shares[query]
    return (
        f"Loss {loss:.2f}, where guessing costs log N = {chance:.2f} and a loss of 0 is never wrong. The nearest text is the "
        f"right one for {recall[0]:.0%} of the pictures, the nearest picture for {recall[1]:.0%} of the texts. "
        f"Picture {query + 1} gives its own text {right:.0%}; guessing would give {1 / len(shares):.0%}. Scale s = {scale:.1f}."
    )


def _describe(values, view, captions, step, **state):
    diagonal = np.diagonal(values)
    others = (values.sum() - diagonal.sum()) / (values.size - len(values))
    rows = "; ".join(" ".join(f"{round(100 * float(value))}" for value in row) for row in values)
    return (
        f"After {step} training steps, {view}: {len(values)} pictures down, their {len(values)} texts across. "
        f"Mean on the diagonal {diagonal.mean():.2f}, elsewhere {others:.2f}. {_explain(**state)} "
        f"Texts: {', '.join(captions)}. Hundredths, row by row: {rows}."
    )
