"""Chapter 14's figure: dial how a label's bits are shared between two inputs, and watch the ceilings move before any training."""

import math
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
from matplotlib.patches import Rectangle

from mmlearn.show.canvas import POINTS, Box, canvas, hatch, outline, write
from mmlearn.show.ceilings import CEILINGS, PARTS, names_of, percent
from mmlearn.show.pieces import as_rgb, draw_pixels, listed, rules, width_of, wrapped, write_many
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive

OFF = "off"
_BITS = {"eps_r": "redundancy", "eps_s": "synergy", "eps_image": "unique_a", "eps_text": "unique_b"}
_PART_NAMES, _LEVEL_NAMES = names_of(("image", "text"))
_WIDTH, _LEFT, _RIGHT = 720, 14, 706
_ADDITIVE = "the sum of least cross-entropy; another sum may be right more often"
_FILL = {"majority": "#8b9299", "a": COLOURS.blue, "b": COLOURS.vermilion, "additive": COLOURS.indigo, "both": INK}


def information_dial(eps_r=0.1, eps_s=0.2, eps_image=None, eps_text=None, *, example=0, seed=0):
    """Display where a dialled label's bits are, the accuracies that can be reached, and an example, with a control for each ε.

    The label is a tuple of bits of world.dial, each flipped with its probability ε: the shape, which both inputs show
    (redundancy); whether the sentence says the right colour, which only the two together show (synergy); if you like the size,
    which the picture alone shows, and the time, which the sentence alone says. None leaves these two out.

    Nothing is trained. A bit flipped with probability ε has 1 − h(ε) bits left, the independent bits' parts add up, and the
    accuracies multiply: 1 − ε for a bit that the model sees, ½ for one that it does not. Of the additive models it is the one of
    least cross-entropy, which misses all of the synergy; another one may be right more often (``data.best_additive_accuracy``).
    The handle's ``state`` holds eps {bit: ε}, parts {part: bits}, total (H(Y), bits), accuracy {ceiling: share}, and the example.
    """
    import ipywidgets

    steps = [(OFF, OFF), *((f"{step / 20:.2f}", step / 20) for step in range(11))]
    slider = {"min": 0, "max": 0.5, "step": 0.01}
    _check(eps_r=eps_r, eps_s=eps_s, eps_image=eps_image, eps_text=eps_text)
    own = {}
    for name, value, words in (("eps_image", eps_image, "ε image's own"), ("eps_text", eps_text, "ε text's own")):
        value = OFF if value is None else value  # a selection cannot begin at None
        choices = steps if value in [choice for _, choice in steps] else sorted([*steps, (f"{value:g}", value)], key=_order)
        own[name] = ipywidgets.SelectionSlider(options=choices, value=value, description=words)
    controls = {
        "eps_r": ipywidgets.FloatSlider(value=eps_r, description="ε redundant", **slider),
        "eps_s": ipywidgets.FloatSlider(value=eps_s, description="ε synergy", **slider),
        **own,
        "example": ipywidgets.IntSlider(value=example, min=0, max=19, description="example"),
    }

    def compute(example, **eps):
        eps = {name: None if value == OFF else value for name, value in eps.items()}
        return dialled(**eps) | {"shown": _example(example, seed, *(eps[name] for name in _BITS))}

    return interactive(_draw, _describe, note=_explain, compute=compute, arrange=_arrange, **controls)


def dialled(eps_r=None, eps_s=None, eps_image=None, eps_text=None):
    """Parts and ceilings of world.dial in closed form: {"eps", "parts", "total", "accuracy"}; bits, and shares in [0, 1]."""
    given = zip(_BITS, (eps_r, eps_s, eps_image, eps_text), strict=True)
    eps = {name: float(value) for name, value in given if value is not None}
    parts = dict.fromkeys(PARTS, 0.0) | {_BITS[name]: 1 - noise(value) for name, value in eps.items()}
    seen = {
        "majority": (),
        "a": ("eps_r", "eps_image"),
        "b": ("eps_r", "eps_text"),
        "additive": ("eps_r", "eps_image", "eps_text"),
    }
    seen["both"] = tuple(_BITS)
    accuracy = {
        level: math.prod(1 - value if name in bits else 0.5 for name, value in eps.items()) for level, bits in seen.items()
    }
    return {"eps": eps, "parts": parts, "total": len(eps), "accuracy": accuracy}


def noise(eps):
    """h(ε) = −ε log₂ ε − (1 − ε) log₂(1 − ε): the bits that flipping with probability ε costs (Shannon 1948).

    >>> noise(0), noise(0.5)
    (0.0, 1.0)
    """
    return -sum(p * math.log2(p) for p in (eps, 1 - eps) if p > 0) + 0.0


@lru_cache(maxsize=512)
def _example(number, seed, *eps):
    """Example ``number`` of the dialled task, and which bits of its label were flipped."""
    from mmlearn.data import world

    task = world.dial(*eps, n=1, seed=seed, start=number, size=48)
    clean = world.dial(*(value if value is None else 0.0 for value in eps), n=1, seed=seed, start=number, size=16)
    words, true = (each.classes[int(each.label[0])].split(", ") for each in (task, clean))
    thing = task.scenes.objects(0)[0]
    return SimpleNamespace(
        rgb=as_rgb(task.image)[0],
        picture=f"{thing['size']} {thing['colour']} {thing['shape']}",
        text=task.text[0],
        label=words,
        flipped=[word != before for word, before in zip(words, true, strict=True)],
    )


def _draw(eps, parts, total, accuracy, shown):
    fig, axes = canvas(_WIDTH, 446)
    _bits(axes, parts, total)
    rules(axes, [((_LEFT, 196), (_RIGHT, 196)), ((458, 210), (458, 434))], HAIRLINE)
    _ceilings(axes, accuracy)
    _shown(axes, shown)
    return fig


def _bits(axes, parts, total):
    """The label as one bar of bits, and over and under it what the image, the text and both tell."""
    scale = (_RIGHT - _LEFT) / total
    bar = Box(_LEFT, 66, _RIGHT, 98)
    plural = "s" if total > 1 else ""
    write(axes, _LEFT, 17, f"Where the label's {total} bit{plural} are", 14.5, INK, "left", "bold")
    hatch(axes, bar)
    edges = {}
    x = bar.left
    for part, colour in PARTS.items():
        end = x + parts[part] * scale
        edges[part] = (x, end)
        if end - x > 0.3:
            axes.add_patch(Rectangle((x, bar.top), end - x, bar.bottom - bar.top, fc=colour, ec="#fcfcfa", lw=POINTS, zorder=2))
            if end - x > 40:
                write(axes, (x + end) / 2, bar.middle[1], f"{parts[part]:.2f}", 13, "white", weight="bold").set_zorder(3)
        x = end
    outline(axes, bar, MUTED, 0.8)
    if bar.right - x > 70:
        text = write(axes, (x + bar.right) / 2, bar.middle[1], f"noise {total - sum(parts.values()):.2f}", 12, MUTED)
        text.set_bbox({"facecolor": "#fcfcfa", "edgecolor": "none", "pad": 1.5})
    _bracket(
        axes, edges["unique_a"][0], edges["redundancy"][1], 60, -1, "image", parts["unique_a"] + parts["redundancy"], COLOURS.blue
    )
    tells = parts["redundancy"] + parts["unique_b"]
    _bracket(axes, edges["redundancy"][0], edges["unique_b"][1], 104, 1, "text", tells, COLOURS.vermilion)
    _bracket(axes, bar.left, x, 134, 1, "both", sum(parts.values()), INK)
    names = [(_PART_NAMES[part], colour) for part, colour in PARTS.items()]
    places, start = [], _LEFT
    for (name, colour), value in zip(names, parts.values(), strict=True):
        axes.add_patch(Rectangle((start, 174), 12, 12, fc=colour, zorder=2))
        places.append((start + 18, 180, f"{name} {value:.2f}", "left"))
        start += 34 + width_of(f"{name} 0.00", 12)
    axes.add_patch(Rectangle((start, 174), 12, 12, fc="#eff1f3", ec="#b9bec4", lw=0.6, zorder=2))
    places.append((start + 18, 180, f"noise {total - sum(parts.values()):.2f}", "left"))
    write_many(axes, places, 12, INK)


def _bracket(axes, start, end, y, side, name, bits, colour):
    """A bracket over (side −1) or under (side 1) a piece of the bar, with what it tells."""
    if end - start > 1:
        rules(axes, [((start + 1, y), (start + 1, y + 5 * side)), ((end - 1, y), (end - 1, y + 5 * side))], colour, 1.4)
        rules(axes, [((start + 1, y + 5 * side), (end - 1, y + 5 * side))], colour, 1.4)
    text = f"{'both tell' if name == 'both' else f'the {name} tells'} {bits:.2f} bits"
    half = width_of(text, 12.5) / 2
    x = min(max((start + end) / 2, _LEFT + half), _RIGHT - half)
    write(axes, x, y + 15 * side, text, 12.5, colour)


def _ceilings(axes, accuracy):
    """Bars of the accuracies; what looking at both inputs together adds to a sum has the colour of synergy."""
    write(axes, _LEFT, 219, "Accuracy that can be reached, before any training", 14.5, INK, "left", "bold")
    left, full = 104, 270  # CSS pixels of 100 %
    rules(
        axes,
        [((left + full * share, 238), (left + full * share, 398)) for share in (0, 0.25, 0.5, 0.75, 1)],
        HAIRLINE,
        zorder=0.5,
    )
    write_many(axes, [(left + full * share, 408, f"{100 * share:g} %", "center") for share in (0, 0.5, 1)], 11, MUTED)
    ends = {}
    for row, level in enumerate(CEILINGS):
        y, wide = 240 + 32 * row, accuracy[level] * full
        axes.add_patch(Rectangle((left, y), wide, 22, fc=_FILL[level], zorder=2))
        star = "*" if level == "additive" and _loses(accuracy) else ""
        write(axes, left - 8, y + 11, _LEVEL_NAMES[level] + star, 12.5, INK, "right")
        value = write(axes, left + wide + 7, y + 11, percent(accuracy[level]), 12.5, INK, "left", "bold")
        value.set_bbox({"facecolor": "#fcfcfa", "edgecolor": "none", "pad": 1})
        ends[level] = (left + wide, y)
    if _loses(accuracy):
        write(axes, _LEFT, 430, f"* {_ADDITIVE}", 11, MUTED, "left")
    (short, upper), (far, lower) = ends["additive"], ends["both"]
    if far - short > 1:
        axes.add_patch(Rectangle((short, lower), far - short, 22, fc=COLOURS.mauve, zorder=2.5))
        rules(axes, [((short, upper + 22), (short, lower))], COLOURS.mauve, 1.2)
        more = f"+{percent(accuracy['both'] - accuracy['additive']).removesuffix(' %')} points"
        if far - short > width_of(more, 11.5) + 8:
            write(axes, (short + far) / 2, lower + 11, more, 11.5, "white").set_zorder(3)


def _loses(accuracy):
    """Whether looking at both together is right more often than the sum; else the sum is as good as any model."""
    return accuracy["both"] - accuracy["additive"] >= 5e-4


def _shown(axes, shown):
    """One example: picture, sentence, and the label with its flipped bits."""
    left, wide = 474, _RIGHT - 474
    write(axes, left, 219, "One example", 14.5, INK, "left", "bold")
    box = draw_pixels(axes, shown.rgb, left, 236, 96)
    y = box.top + 8
    for line in wrapped(f"“{shown.text}”", wide - 108, 13):
        write(axes, box.right + 12, y, line, 13, INK, "left")
        y += 19
    y = box.bottom + 20
    write(axes, left, y, "label", 12.5, MUTED, "left")
    for word, flipped in zip(shown.label, shown.flipped, strict=True):
        write(axes, left + 48, y, word, 13, COLOURS.vermilion if flipped else INK, "left", "bold")
        what = "flipped" if flipped else "true"
        write(axes, left + 56 + width_of(word, 13, "bold"), y, what, 11.5, COLOURS.vermilion if flipped else MUTED, "left")
        y += 22


def _explain(parts, accuracy, **_):
    add, both = accuracy["additive"], accuracy["both"]
    text = f"A sum trained with cross-entropy gets {percent(add)}, both together {percent(both)}."
    if not _loses(accuracy):
        return f"{text} There is no synergy: adding is all it takes."
    lost = f"{parts['synergy']:.2f}" if parts["synergy"] >= 0.005 else "less than 0.01"
    return f"{text} In bits, addition loses {lost} here: all of the synergy (it can never lose more)."


def _describe(eps, parts, total, accuracy, shown):
    pieces = [f"{bits:.2f} {_PART_NAMES[part]}" for part, bits in parts.items()]
    levels = [f"{_LEVEL_NAMES[level]} {percent(share)}" for level, share in accuracy.items()]
    flipped = [word for word, was in zip(shown.label, shown.flipped, strict=True) if was]
    note = f"; additive is {_ADDITIVE}" if _loses(accuracy) else ""
    what = f", of which {listed(flipped)} {'was' if len(flipped) == 1 else 'were'} flipped by the noise" if flipped else ""
    return (
        f"A label of {total} bits, flipped with probabilities {', '.join(f'{value:g}' for value in eps.values())}: "
        f"{listed(pieces)}, and {total - sum(parts.values()):.2f} noise. "
        f"The accuracies that can be reached: {listed(levels)}{note}. "
        f"Example: a {shown.picture}, the sentence “{shown.text}”, and the label “{', '.join(shown.label)}”{what}."
    )


def _check(**eps):
    for name, value in eps.items():
        optional = name in ("eps_image", "eps_text")
        if optional and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 0.5:
            either = ", or None to leave the bit out" if optional else ""
            raise ValueError(f"{name} must be the probability of a flip, from 0 to 0.5{either}; got {value!r}")


def _order(choice):
    return -1 if choice[1] == OFF else choice[1]


def _arrange(widgets):
    """The bits that are always there at the left, those of one input alone at the right; one column on a narrow page."""
    import ipywidgets

    columns = [("eps_r", "eps_s", "example"), ("eps_image", "eps_text")]
    boxes = [ipywidgets.VBox([widgets[name] for name in names]) for names in columns]
    return ipywidgets.HBox(boxes, layout=ipywidgets.Layout(flex_flow="row wrap"))
