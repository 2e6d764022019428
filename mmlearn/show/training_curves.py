"""How training went: one panel for each measure, every line labelled where it ends."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from mmlearn.show.figures import check_alt, figure
from mmlearn.show.style import COLOURS, in_style


def curves(history, *keys, alt, labels=None, log=False, width=700, caption=None):
    """Display training curves, labelled at their ends.

    history: a History (``.epochs``: a list of dicts such as {"epoch": 1, "train_loss": 0.9, "validation_loss": 1.0,
    "validation_accuracy": 0.7}), or {name: History} to lay several runs over one another.
    keys: what to draw; by default every loss and accuracy that the history holds (of several runs, the validation ones). Keys
    that end in the same word share a panel. labels: {key: what to call it}. log: a logarithmic axis for losses.
    """
    check_alt(alt)
    runs = _runs(history)
    recorded = list(dict.fromkeys(key for epochs in runs.values() for epoch in epochs for key in epoch))
    measures = [key for key in recorded if key.endswith(("loss", "accuracy"))]
    if len(runs) > 1:
        measures = [key for key in measures if key.startswith("validation")] or measures
    keys = keys or measures
    if missing := [key for key in keys if key not in recorded]:
        raise ValueError(f"curves: no {', '.join(map(repr, missing))} in the history; it holds {', '.join(map(repr, recorded))}")
    if not keys:
        raise ValueError(f"curves: name what to draw; the history holds {', '.join(map(repr, recorded))}")
    panels = {}
    for key in keys:
        panels.setdefault(key.rsplit("_", 1)[-1], []).append(key)
    with in_style():
        import matplotlib.pyplot as plt

        fig, axes = plt.subplots(1, len(panels), figsize=(width / 100, 2.9), squeeze=False)
        for ax, (measure, members) in zip(axes[0], panels.items(), strict=True):
            _panel(ax, measure, members, runs, labels or {}, log)
        figure(fig, alt, caption=caption)


def _runs(history):
    named = history if isinstance(history, dict) else {"": history}
    runs = {}
    for name, run in named.items():
        epochs = getattr(run, "epochs", run)
        if not isinstance(epochs, list | tuple) or not all(isinstance(epoch, dict) for epoch in epochs):
            raise ValueError(
                f"curves: history must be a History, a list of dicts, or {{name: History}}; got {type(run).__name__}"
            )
        if not epochs:
            raise ValueError(f"curves: the history{f' of {name!r}' if name else ''} holds no epoch: train for one at least")
        runs[str(name)] = list(epochs)
    return runs


def _panel(ax, measure, keys, runs, labels, log):
    percent = measure == "accuracy"
    ends = []
    for run_index, (name, epochs) in enumerate(runs.items()):
        for key_index, key in enumerate(keys):
            found = [(epoch.get("epoch", place), epoch.get(key)) for place, epoch in enumerate(epochs, 1)]
            points = [(x, y) for x, y in found if y is not None]
            x, y = np.array(points, dtype=float).reshape(-1, 2).T
            y = y * 100 if percent else y
            finite = np.isfinite(y)
            if not finite.any():
                continue
            colour = COLOURS[(run_index if name else key_index) % len(COLOURS)]
            dashed = key.startswith("train") and len(keys) > 1
            ax.plot(x, np.where(finite, y, np.nan), color=colour, linestyle=(0, (4, 2)) if dashed else "solid")
            last = np.flatnonzero(finite)[-1]
            ax.plot(x[last], y[last], "o", color=colour, markersize=4, clip_on=False)
            part = labels.get(key, key.rsplit("_", 1)[0].replace("_", " "))
            label = ", ".join(filter(None, [name, part if len(keys) > 1 or not name else ""]))
            value = f"{y[last]:.1f} %" if percent else f"{y[last]:.3g}"
            ends.append((x[last], y[last], f"{label}  {value}", colour))
    if not ends:
        raise ValueError(f"curves: {', '.join(keys)} holds no finite number: the loss was NaN from the first epoch")
    ax.set_title(f"{measure.capitalize()}, %" if percent else measure.capitalize())
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    first, last = ax.dataLim.intervalx
    if first == last:  # one epoch
        ax.set_xlim(first - 1, last + 1)
        ax.set_xticks([first])
        if percent:
            ax.set_ylim(0, 100)
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    if log and measure == "loss":
        ax.set_yscale("log")
    elif measure == "loss":
        ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    _label_ends(ax, ends)


def _label_ends(ax, ends):
    """Write each label to the right of its line's end, moved up or down just enough not to touch its neighbours."""
    low, high = ax.get_ylim()
    to_axes = ax.transScale + ax.transLimits
    ax.set_ylim(low, high)
    heights = np.array([to_axes.transform((x, y))[1] for x, y, _, _ in ends])
    gap = 0.085
    order = np.argsort(heights)
    placed = heights[order].copy()
    for _ in range(50):  # push overlapping neighbours apart, keep all inside the panel
        for i in range(len(placed) - 1):
            if (lack := gap - (placed[i + 1] - placed[i])) > 0:
                placed[i] -= lack / 2
                placed[i + 1] += lack / 2
        placed += max(0.0, 0.02 - placed[0])
        placed -= max(0.0, placed[-1] - max(1.0, gap * len(placed)))
    right = max(x for x, _, _, _ in ends)
    for place, index in zip(placed, order, strict=True):
        x, y, text, colour = ends[index]
        moved = x < right or abs(place - heights[index]) > gap / 4
        leader = {"arrowstyle": "-", "color": colour, "lw": 0.5, "alpha": 0.6, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 4}
        style = {"color": colour, "va": "center", "fontsize": 9, "annotation_clip": False}
        ax.annotate(text, (x, y), xytext=(1.06, place), textcoords="axes fraction", arrowprops=leader if moved else None, **style)
