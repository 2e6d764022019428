"""Chapter 16's figure: the log-odds that a task asks for, what a rank can hold of them, and what that rank gets and costs."""

import numpy as np
import torch

from mmlearn.show.canvas import POINTS, canvas, draw_cells, number, outline, rule, write
from mmlearn.show.canvas import Box as _Box
from mmlearn.show.style import COLOURS, INK, MUTED, SIGNED
from mmlearn.show.widgets import interactive

_WIDTH, _HEIGHT = 720, 360
_SIDE = 168  # CSS pixels of a matrix
_CHART = _Box(456, 62, 704, 232)
_FEWEST, _MOST = 8, 2048  # features that the slider offers


def rank_explorer(log_odds, ceilings, measured=None, *, features=64, rank=1):
    """Display a task's log-odds, their best approximation by a constant and a rank, and what that rank gets and costs.

    log_odds   task → (A, B): what a fusion's logit should be for each pair
    ceilings   task → {rank: an object with accuracy and bits}, as ``mmlearn.data.interaction_rank.rank_ceilings`` gives them, for
               the ranks 0, 1, 2, … up to the same one in every task
    measured   task → {rank: (mean, spread)}, accuracies in [0, 1] of trained models, or None
    features   numbers in which each of two modalities comes; weights are counted for one output
    rank       where the slider begins

    The handle's ``state`` holds wanted and kept (A, B), lost: the share of the variance over the pairs that is not kept,
    accuracy, bits, trained: (mean, spread) or None, weights and all_weights.
    Raises ValueError where the tasks differ or a setting is not offered.
    """
    import ipywidgets

    log_odds = {name: torch.as_tensor(z).detach().cpu().double().numpy() for name, z in log_odds.items()}
    measured = dict(measured or {})
    _check(log_odds, ceilings, measured)
    highest = max(next(iter(ceilings.values())))
    if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank <= highest:
        raise ValueError(f"rank must be a whole number from 0 to {highest}; got {rank!r}")
    if isinstance(features, bool) or not isinstance(features, int) or not _FEWEST <= features <= _MOST:
        raise ValueError(f"features must be a whole number from {_FEWEST} to {_MOST}; got {features!r}")

    def compute(task, rank, features):
        wanted = log_odds[task]
        kept = best_approximation(wanted, rank)
        reached, trained = ceilings[task], measured.get(task, {})
        return {
            "task": task,
            "rank": rank,
            "features": features,
            "wanted": wanted,
            "kept": kept,
            "lost": float(((wanted - kept) ** 2).sum() / max(((wanted - wanted.mean()) ** 2).sum(), 1e-12)),
            "accuracy": reached[rank].accuracy,
            "bits": reached[rank].bits,
            "trained": trained.get(rank),
            "weights": 2 * rank * (1 + features) + 1,
            "all_weights": (1 + features) ** 2,
            "curve": [reached[r].accuracy for r in range(highest + 1)],
            "dots": sorted(trained.items()),
        }

    controls = {
        "task": ipywidgets.Dropdown(options=list(log_odds), description="task"),
        "rank": ipywidgets.IntSlider(value=rank, min=0, max=highest, description="rank r"),
        "features": ipywidgets.IntSlider(value=features, min=_FEWEST, max=_MOST, step=8, description="features each"),
    }
    return interactive(_draw, _describe, note=_explain, compute=compute, **controls)


def best_approximation(matrix, rank):
    """Its mean, plus the nearest matrix of that rank to the rest (Eckart & Young 1936): a bias and products.   (A, B) → (A, B)"""
    mean = matrix.mean()
    u, s, v = np.linalg.svd(matrix - mean, full_matrices=False)
    return mean + u[:, :rank] * s[:rank] @ v[:rank]


def _check(log_odds, ceilings, measured):
    if not log_odds:
        raise ValueError("log_odds must hold one task or more")
    for name, z in log_odds.items():
        if z.ndim != 2 or not np.isfinite(z).all():
            raise ValueError(f"log_odds[{name!r}] must be finite numbers (A, B); got shape {z.shape}")
    if set(ceilings) != set(log_odds) or not set(measured) <= set(log_odds):
        raise ValueError(
            f"ceilings must be of the tasks {', '.join(log_odds)}, and measured of some of them; got {', '.join(ceilings)} and "
            f"{', '.join(measured) or 'none'}"
        )
    ranks = [sorted(reached) for reached in ceilings.values()]
    if any(some != list(range(len(ranks[0]))) for some in ranks):
        raise ValueError(f"ceilings must be of the ranks 0, 1, 2, … up to the same one; got {ranks}")


def _draw(task, rank, wanted, kept, curve, dots, weights, all_weights, features, accuracy, bits, **_):
    fig, axes = canvas(_WIDTH, _HEIGHT)
    most = float(np.abs(wanted).max())
    cell = _SIDE / max(wanted.shape)
    for left, title, values in ((20, "the log-odds of yes", wanted), (230, f"a constant and rank {rank}", kept)):
        write(axes, left, 34, title, 13.5, INK, "left", "bold")
        draw_cells(axes, values, left, 62, cell, cmap=SIGNED, limits=(-most, most))
        write(axes, left, 62 + cell * wanted.shape[0] + 16, "rows: picture, columns: text", 11, MUTED, "left")
    _chart(axes, rank, curve, dots)
    _bars(axes, weights, all_weights, features)
    return fig


def _chart(axes, rank, curve, dots):
    box, last = _CHART, len(curve) - 1
    write(axes, box.left - 20, 34, "accuracy by rank", 13.5, INK, "left", "bold")

    def place(r, value):
        return box.left + r / max(last, 1) * (box.right - box.left), box.bottom - (value - 0.5) / 0.5 * (box.bottom - box.top)

    for value in (0.5, 0.75, 1.0):
        y = place(0, value)[1]
        rule(axes, (box.left, y), (box.right, y), MUTED, 0.8, 0.35)
        write(axes, box.left - 6, y, f"{value:.0%}", 10.5, MUTED, "right")
    xs, ys = zip(*(place(r, max(value, 0.5)) for r, value in enumerate(curve)), strict=True)
    axes.plot(xs, ys, color=COLOURS.blue, linewidth=2 * POINTS, zorder=3)
    for r, (mean, spread) in dots:
        x, y = place(r, max(mean, 0.5))
        half = spread / 0.5 * (box.bottom - box.top)
        axes.plot([x, x], [y - half, y + half], color=COLOURS.vermilion, linewidth=1.6 * POINTS, zorder=4)
        axes.plot([x], [y], "o", color=COLOURS.vermilion, markersize=5.5 * POINTS, zorder=5)
    axes.plot([xs[rank]], [ys[rank]], "o", color="none", markeredgecolor=INK, markersize=13 * POINTS, zorder=6)
    for r in range(last + 1):
        write(
            axes, xs[r], box.bottom + 14, str(r), 10.5, INK if r == rank else MUTED, "center", "bold" if r == rank else "normal"
        )
    write(axes, box.left, box.bottom + 32, "line: theory", 11, COLOURS.blue, "left")
    if dots:
        write(axes, box.left + 92, box.bottom + 32, "dots: trained, ± spread", 11, COLOURS.vermilion, "left")


def _bars(axes, weights, all_weights, features):
    """How many weights, on a logarithmic axis that stays as it is: a decade is as wide for any number of features."""
    left, right, top = 196, 690, 298
    most = np.log10((1 + _MOST) ** 2)
    for exponent in range(0, int(most) + 1, 2):
        x = left + (right - left) * exponent / most
        rule(axes, (x, top - 10), (x, top + 34), MUTED, 0.8, 0.35)
        write(axes, x, top + 45, f"{10**exponent:,}", 10.5, MUTED, "center")
    for n, (name, count, colour) in enumerate(
        (("low rank", weights, COLOURS.vermilion), ("every product", all_weights, COLOURS.blue))
    ):
        y = top + 24 * n
        end = left + (right - left) * np.log10(count) / most if count > 1 else left + 2
        write(axes, 20, y, name, 12, INK, "left")
        write(axes, 178, y, f"{count:,}", 12, INK, "right")
        box = _Box(left, y - 7, end, y + 7)
        axes.fill([box.left, box.right, box.right, box.left], [box.top, box.top, box.bottom, box.bottom], color=colour, lw=0)
        outline(axes, box, colour, 0.8)
    write(axes, 20, top - 24, f"weights for one output, {features} features each (logarithmic)", 12, MUTED, "left")


def _explain(task, rank, accuracy, bits, trained, weights, all_weights, **_):
    said = f"trained models got {trained[0]:.1%} ± {trained[1]:.1%}" if trained else "no model of this rank was trained"
    return (
        f"{task}, rank {rank}: in theory {accuracy:.1%} and {number(bits, 3)} bits; {said}. "
        f"{weights:,} weights, {weights / all_weights:.2g} times those of every product."
    )


def _describe(wanted, kept, lost, curve, **state):
    listed = ", ".join(f"{r}: {value:.0%}" for r, value in enumerate(curve))
    return (
        f"{_explain(**state)} "
        f"Beside the {wanted.shape[0]} by {wanted.shape[1]} log-odds stands their mean plus the best approximation of this rank; "
        f"it leaves out {lost:.0%} of their variance. Accuracy in theory by rank: {listed}."
    )
