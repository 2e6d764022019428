"""Chapter 09's figure: word vectors in a plane, with the words nearest to a chosen one listed and marked."""

import itertools

import numpy as np
import torch

from mmlearn.ops.subspace import principal_axes
from mmlearn.ops.word_vectors import nearest, unit_rows
from mmlearn.show.canvas import POINTS, Box, canvas, number, outline, write
from mmlearn.show.pieces import listed, rules, width_of, write_many
from mmlearn.show.style import CARD, COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive

ALIKE, BESIDE = "alike: cosine", "beside it: σ(product)"
PLANES = {"axes 1 and 2": (0, 1), "axes 1 and 3": (0, 2), "axes 2 and 3": (1, 2)}

_MAP, _LIST = Box(14, 40, 458, 440), Box(486, 62, 706, 440)
_GROUPS = (COLOURS.blue, COLOURS.vermilion, COLOURS.green, COLOURS.mauve, COLOURS.indigo)
_TEXT = 11.5  # CSS pixels of a word on the map
_MOST = 12  # neighbours in the list


def embedding_plane(vectors, words, *, contexts=None, groups=None, pairs=(), word=None, count=None):
    """Display word vectors in the plane of two of their principal axes, and the words nearest to one of them, with controls.

    Near means a large cosine, in all D dimensions and not in the plane, which shows a part of the variance only: the figure says
    how much. With ``contexts``, the vectors of words as neighbours, the list can also hold the words that the model expects
    beside the chosen one: σ(product) is the probability that it gives a pair of being real and not drawn.

    vectors: (V, D), D at least 2   words: V strings   contexts: (V, D) or None
    groups: {name: words} to colour, five at most   pairs: (word, word) to join by a line, such as singular and plural
    word: the one chosen first, None for the first of words   count: neighbours listed, 1 to 12; None: 7
    The handle's ``state`` holds word, found [(word, value)], place (V, 2), share (of the variance in this plane), by and plane.
    Raises ValueError on tables that do not fit the words, and on a word that is none of them.
    """
    import ipywidgets

    words, groups = list(words), {name: list(members) for name, members in (groups or {}).items()}
    tables = {"vectors": vectors} | ({} if contexts is None else {"contexts": contexts})
    for name, table in tables.items():
        tables[name] = _table(name, table, words)
    if len(groups) > len(_GROUPS):
        raise ValueError(f"groups can be {len(_GROUPS)} at most, as there are so many colours; got {len(groups)}")
    chosen = words[0] if word is None else word
    named = [chosen, *itertools.chain(*groups.values()), *itertools.chain(*pairs)]
    for member in named:
        if member not in words:
            raise ValueError(f"{member!r} is none of the {len(words)} words: {', '.join(words[:6])}, …")
    most = min(_MOST, len(words) - 1)
    count = min(7, most) if count is None else count
    if not 1 <= count <= most:
        raise ValueError(f"count must be 1 to {most} neighbours; got {count!r}")
    places, shares = places_on_axes(tables["vectors"])
    planes = {name: axes for name, axes in PLANES.items() if max(axes) < places.shape[1]}
    controls = {
        "word": ipywidgets.Dropdown(options=sorted(words), value=chosen, description="word"),
        "count": ipywidgets.IntSlider(value=count, min=1, max=most, description="neighbours"),
        "by": ipywidgets.Dropdown(options=[ALIKE, BESIDE] if "contexts" in tables else [ALIKE], value=ALIKE, description="near"),
        "plane": ipywidgets.Dropdown(options=list(planes), value=next(iter(planes)), description="plane"),
    }

    def compute(word, count, by, plane):
        axes = list(planes[plane])
        found = neighbours(tables, words, word, count, by)
        state = {"word": word, "found": found, "by": by, "plane": plane, "place": places[:, axes], "share": shares[axes].sum()}
        return state | {"words": words, "groups": groups, "pairs": list(pairs)}

    return interactive(_draw, _describe, note=_explain, compute=compute, arrange=_arrange, **controls)


def places_on_axes(vectors, axes=3):
    """Unit vectors along their principal axes, and the share of the variance along each: arrays (V, axes) and (axes,).

    The sign of each axis is chosen so that the word farthest out lies on its positive side.
    """
    units = unit_rows(vectors)
    mean, variances, directions = principal_axes(units)
    places = (units - mean) @ directions[:axes].T
    far = places.gather(0, places.abs().argmax(0, keepdim=True))  # (1, axes)
    return (places * far.sign()).numpy(), (variances / variances.sum())[:axes].numpy()


def neighbours(tables, words, word, count, by):
    """[(word, value)], the nearest first: cosines of the vectors, or σ of its products with the contexts."""
    chosen = words.index(word)
    if by == ALIKE:
        numbers, values = (each[0] for each in nearest(tables["vectors"], chosen, count))
    else:
        values, numbers = torch.sigmoid(tables["contexts"] @ tables["vectors"][chosen]).topk(count)
    return [(words[n], value) for n, value in zip(numbers.tolist(), values.tolist(), strict=True)]


def _table(name, table, words):
    if not isinstance(table, torch.Tensor) or table.dim() != 2 or len(table) != len(words) or table.shape[1] < 2:
        got = f"shape {tuple(table.shape)}" if isinstance(table, torch.Tensor) else type(table).__name__
        raise ValueError(f"{name} must be a tensor ({len(words)}, D), a row for each word and D at least 2; got {got}")
    table = table.detach().cpu().double()
    if not table.isfinite().all():
        raise ValueError(f"{name} must be finite numbers; got NaN or infinity: did the training diverge?")
    return table


def _draw(word, found, by, plane, place, share, words, groups, pairs):
    fig, axes = canvas(720, 474)
    points = _on_map(place)
    colour = {each: _GROUPS[n] for n, members in enumerate(groups.values()) for each in members}
    near = [name for name, _ in found]
    at = dict(zip(words, points, strict=True))
    rules(axes, [(tuple(at[one]), tuple(at[other])) for one, other in pairs], HAIRLINE, 1.2, zorder=1)
    rules(axes, [(tuple(at[word]), tuple(at[name])) for name in near], "#e3a27a", 1.1, zorder=1.5)
    for each, (x, y) in at.items():
        big = each == word or each in near
        style = {"markersize": (8 if each == word else 6 if big else 4) * POINTS, "color": colour.get(each, MUTED)}
        axes.plot(x, y, "o", zorder=4 if big else 2, markeredgecolor="white", markeredgewidth=0.6 * POINTS, **style)
    _name_words(axes, at, [word, *near, *(each for each in words if each != word and each not in near)], 1 + len(near), colour)
    outline(axes, _MAP, HAIRLINE, 1)
    write(axes, _MAP.left, 18, f"{len(words)} words, {plane}", 14.5, INK, "left", "bold")
    write(axes, _MAP.right, 18, f"{100 * share:.0f} % of the variance", 11.5, MUTED, "right")
    _legend(axes, groups)
    _list(axes, word, found, by, colour)
    return fig


def _on_map(place):
    """Places (V, 2) → CSS pixels (V, 2), as large as the map allows, one scale for both axes."""
    low, high = place.min(0), place.max(0)
    room = np.array([_MAP.right - _MAP.left - 90, _MAP.bottom - _MAP.top - 44])
    scale = (room / np.maximum(high - low, 1e-9)).min()
    return np.array(_MAP.middle) + (place - (low + high) / 2) * (scale, -scale)


def _name_words(axes, at, order, marked, colour):
    """Names beside their dots: the chosen word and its neighbours first, then whoever finds room."""
    taken, quiet, loud = [], [], []
    dots = [Box(x - 2, y - 2, x + 2, y + 2) for x, y in at.values()]
    for rank, each in enumerate(order):
        x, y = at[each]
        bold = rank < marked
        wide = width_of(each, _TEXT + bold, "bold" if bold else "normal")
        options = [(x + 8, y), (x - 8 - wide, y), (x - wide / 2, y - 12), (x - wide / 2, y + 12)]
        if bold:
            for side in (x + 8, x - 8 - wide):
                options += [(side, y + step) for step in (-13, 13, -26, 26)]
        boxes = {at: Box(at[0] - 1, at[1] - 7, at[0] + wide + 1, at[1] + 7) for at in options}
        # no name covers a dot, but where a marked word would stay without its name
        clear = [at for at, box in boxes.items() if not any(box.overlaps(dot) for dot in dots)]
        for left, middle in clear + bold * options:
            box = boxes[left, middle]
            inside = _MAP.left < box.left and box.right < _MAP.right and _MAP.top < box.top and box.bottom < _MAP.bottom
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                (loud if bold else quiet).append((each, (left, middle, each, "left")))
                break
    for each, entry in quiet:
        write_many(axes, [entry], _TEXT, colour.get(each, MUTED))
    for each, entry in loud:
        written = write(axes, entry[0], entry[1], each, _TEXT + 1, colour.get(each, INK), "left", "bold")
        written.set_bbox({"facecolor": CARD, "edgecolor": "none", "pad": 0.4, "alpha": 0.75})
        written.set_zorder(5)


def _legend(axes, groups):
    x = _MAP.left
    for name, shade in zip(groups, _GROUPS, strict=False):
        axes.plot(x + 4, 458, "o", color=shade, markersize=6 * POINTS)
        write(axes, x + 13, 458, name, 12, shade, "left")
        x += 27 + width_of(name, 12)
    if groups:
        axes.plot(x + 4, 458, "o", color=MUTED, markersize=4 * POINTS)
        write(axes, x + 13, 458, "other words", 12, MUTED, "left")


def _list(axes, word, found, by, colour):
    write(axes, _LIST.left, 18, f"Nearest to “{word}”", 14.5, INK, "left", "bold")
    measure = "cosine of the two vectors" if by == ALIKE else "σ(product with context vector)"
    write(axes, _LIST.left, 42, measure, 11.5, MUTED, "left")
    high = min(28, (_LIST.bottom - _LIST.top) / len(found))
    zero, room = _LIST.left + 84, _LIST.right - _LIST.left - 84 - 44
    for rank, (name, value) in enumerate(found):
        y = _LIST.top + (rank + 0.5) * high
        shade = colour.get(name, MUTED)
        write(axes, zero - 8, y, name, 13, shade, "right")
        end = zero + room * max(value, 0)  # both measures end at 1
        rules(axes, [((zero, y), (end, y))], shade, 8, alpha=0.55, zorder=1)
        write(axes, end + 7, y, number(value), 12, INK, "left")


def _explain(word, found, by, groups, **_):
    of = next((name for name, members in groups.items() if word in members), None)
    if of is None:
        return f"{len(found)} nearest: {listed(name for name, _ in found)}."
    same = sum(name in groups[of] for name, _ in found)
    what = "are alike" if by == ALIKE else "are expected beside it"
    return f"Of the {len(found)} words that {what} most, {same} belong to “{of}” like “{word}” itself."


def _describe(word, found, by, plane, share, words, groups, **_):
    near = listed(f"{name} ({number(value)})" for name, value in found)
    coloured = f", {listed(groups)} in colours" if groups else ""
    measure = "by cosine" if by == ALIKE else "by σ of the product with the context vectors"
    return (
        f"{len(words)} words as dots in the plane of {plane}, which holds {100 * share:.0f} % of the variance{coloured}. "
        f"The {len(found)} nearest to {word}, {measure}: {near}."
    )


def _arrange(widgets):
    """Two columns; one on a narrow page."""
    import ipywidgets

    columns = [("word", "count"), ("by", "plane")]
    boxes = [ipywidgets.VBox([widgets[name] for name in names]) for names in columns]
    return ipywidgets.HBox(boxes, layout=ipywidgets.Layout(flex_flow="row wrap"))
