"""Chapter 11's figure: the plane of an autoencoder's codes, and the picture that the decoder makes of any place in it."""

from collections import Counter

import numpy as np
import torch

from mmlearn.show.canvas import POINTS, Box, canvas, colours_of, outline, write
from mmlearn.show.pieces import draw_pixels, rules, write_many
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED
from mmlearn.show.widgets import interactive

FREE = "where the sliders say"
CODES, DECODED = "where pictures are encoded", "what each place decodes to"
NEAR = 10  # codes that are asked for their label
_TILES = 15  # decoded pictures along each axis, where they are shown
_MOST = 400  # codes that are drawn
_WIDTH, _HEIGHT = 720, 440
_PLANE = Box(40, 50, 400, 410)
_EDGE = 7  # pixels by which a label keeps away from the frame, so that it is not cut


def code_plane(model, images, labels, *, at=None):
    """Display the plane of a two-number code: where the pictures lie, and what the decoder makes of the place that is chosen.

    model: an autoencoder with ``encode`` and ``decode``, whose code has two numbers   images: (N, C, S, S) in [0, 1]
    labels: (N,) whole numbers, which stand in the plane where their pictures are encoded
    at: the place to begin with, two numbers; None: half-way between the middles of the two classes whose middles are nearest

    The handle's ``state`` holds place (2,), decoded (C, S, S), back (2,) (the decoded picture, encoded again), gap (its distance
    from the place), nearest (row of ``images``), distance, votes {label: count among the nearest codes}.
    """
    import ipywidgets

    with torch.no_grad():
        codes = model.encode(images).double()  # (N, 2)
    if codes.dim() != 2 or codes.shape[1] != 2:
        raise ValueError(f"model must have a code of 2 numbers, to be drawn in a plane; its code has shape {tuple(codes.shape)}")
    if len(labels) != len(images):
        raise ValueError(f"labels must name every image: got {len(labels)} labels for {len(images)} images")
    low, high = _limits(codes)
    middles = {int(label): codes[labels == label].median(0).values for label in labels.unique()}
    at = _between(middles) if at is None else torch.as_tensor(at, dtype=torch.float64)
    if at.shape != (2,):
        raise ValueError(f"at must be two numbers, a place in the plane; got shape {tuple(at.shape)}")
    at = at.clamp(low, high)
    scene = _Plane(model, images, labels, codes, low, high)

    def slider(axis, description):
        step = ((high - low)[axis] / 100).item()
        return ipywidgets.FloatSlider(
            value=at[axis].item(),
            min=low[axis].item(),
            max=high[axis].item(),
            step=step,
            description=description,
            readout_format=".2f",
        )

    def adjust(widgets, changed):
        if changed == "to" and widgets["to"].value != FREE:
            place = middles[int(widgets["to"].value.rsplit(" ", 1)[1])]
            widgets["first"].value, widgets["second"].value = place.tolist()
        elif changed in ("first", "second"):
            widgets["to"].value = FREE

    controls = {
        "first": slider(0, "first number"),
        "second": slider(1, "second number"),
        "to": ipywidgets.Dropdown(options=[FREE, *(f"middle of {label}" for label in middles)], value=FREE, description="go to"),
        "shown": ipywidgets.Dropdown(options=[CODES, DECODED], value=CODES, description="show"),
    }
    return interactive(_draw, _describe, note=_explain, compute=scene.at, adjust=adjust, arrange=_arrange, **controls)


class _Plane:
    """What does not change with the place: the model, the pictures, their codes, the decoded tiles."""

    def __init__(self, model, images, labels, codes, low, high):
        self.model, self.images, self.labels, self.codes = model, images, labels, codes
        self.low, self.high, self.tiles = low, high, None

    def decode(self, places):
        """places (M, 2) → pictures (M, C, S, S)"""
        with torch.no_grad():
            return self.model.decode(places.to(self.images.dtype)).reshape(len(places), *self.images.shape[1:])

    def at(self, first, second, to, shown):
        """Everything the figure shows at one place."""
        place = torch.tensor([first, second], dtype=torch.float64)
        decoded = self.decode(place[None])
        with torch.no_grad():
            back = self.model.encode(decoded)[0].double()
        distances = (self.codes - place).norm(dim=1)
        order = distances.argsort()
        nearest = order[0].item()
        votes = Counter(self.labels[order[:NEAR]].tolist())
        if shown == DECODED and self.tiles is None:
            self.tiles = self._mosaic()
        return {
            "place": place,
            "decoded": decoded[0],
            "back": back,
            "gap": (back - place).norm().item(),
            "nearest": nearest,
            "distance": distances[nearest].item(),
            "votes": dict(sorted(votes.items(), key=lambda item: (-item[1], item[0]))),
            "plane": self,
            "shown": shown,
        }

    def _mosaic(self):
        """The decoded pictures of a lattice of places as one, (H, W, 3)."""
        centres = [
            low + (high - low) * (torch.arange(_TILES) + 0.5) / _TILES for low, high in zip(self.low, self.high, strict=True)
        ]
        across, up = torch.meshgrid(centres[0], centres[1].flip(0), indexing="xy")  # the top row first
        pictures = self.decode(torch.stack([across.flatten(), up.flatten()], dim=1))
        H, W = pictures.shape[2] + 2, pictures.shape[3] + 2  # with a pale border, so that neighbours stay apart
        framed = np.ones((_TILES * _TILES, H, W, 3))
        framed[:, 1:-1, 1:-1] = 1 - 0.6 * _rgb(pictures) if pictures.shape[1] == 1 else 0.3 + 0.7 * _rgb(pictures)
        rows = framed.reshape(_TILES, _TILES, H, W, 3)  # row, column, height, width, colour
        return rows.transpose(0, 2, 1, 3, 4).reshape(_TILES * H, _TILES * W, 3)


def _limits(codes):
    """The corner values of the plane: nearly all codes, and a margin."""
    ends = codes.quantile(torch.tensor([0.005, 0.995], dtype=torch.float64), dim=0)  # (2, 2)
    margin = 0.06 * (ends[1] - ends[0]).clamp(min=1e-3)
    return ends[0] - margin, ends[1] + margin


def _between(middles):
    """Half-way between the two classes whose middles are nearest to each other; the middle itself where there is one class."""
    places = list(middles.values())
    if len(places) == 1:
        return places[0]
    _, pair = min((((a - b).norm().item()), (i, j)) for i, a in enumerate(places) for j, b in enumerate(places) if i < j)
    return (places[pair[0]] + places[pair[1]]) / 2


def _rgb(pictures):
    """(M, C, S, S) → (M, S, S, 3) in [0, 1]; grey pictures stay black and white."""
    array = pictures.detach().cpu().double().clamp(0, 1).numpy()
    grey = colours_of(array[:, 0], "gray", 0, 1) if array.shape[1] == 1 else None
    return array.transpose(0, 2, 3, 1) if grey is None else grey


def _draw(place, decoded, back, gap, nearest, distance, votes, plane, shown):
    fig, axes = canvas(_WIDTH, _HEIGHT)
    write(axes, _PLANE.left, 17, "The plane of codes", 14.5, INK, "left", "bold")
    words = "each picture is a dot" if shown == DECODED else "each picture is written as its label"
    write(axes, _PLANE.left, 37, f"{words}, where it is encoded", 12, MUTED, "left")
    if shown == DECODED:
        extent = (_PLANE.left, _PLANE.right, _PLANE.bottom, _PLANE.top)
        axes.imshow(plane.tiles, extent=extent, aspect="auto", interpolation="nearest", zorder=0.5)
    outline(axes, _PLANE, HAIRLINE, 1.2)
    _codes(axes, plane, dots=shown == DECODED)
    x, y = _pixel(plane, place)
    rules(axes, [((_PLANE.left, y), (_PLANE.right, y)), ((x, _PLANE.top), (x, _PLANE.bottom))], COLOURS.vermilion, 0.9, 0.7)
    axes.scatter([x], [y], s=(14 * POINTS) ** 2, facecolor="none", edgecolor=COLOURS.vermilion, linewidth=2.2 * POINTS, zorder=6)
    _scales(axes, plane)

    left, side = 424, 176
    write(axes, left, 17, "Decoded from this place", 14.5, INK, "left", "bold")
    write(axes, left, 37, f"({place[0]:.2f}, {place[1]:.2f})".replace("-", "−"), 12, MUTED, "left")
    draw_pixels(axes, _rgb(decoded[None])[0], left, 50, side)
    outline(axes, Box(left, 50, left + side, 50 + side), HAIRLINE, 1.2)
    _bars(axes, votes, left + side + 18)
    small, top = 112, 276
    rebuilt = plane.decode(plane.codes[nearest : nearest + 1])
    pair = {"nearest picture": plane.images[nearest : nearest + 1], "rebuilt from its code": rebuilt}
    for column, (title, picture) in enumerate(pair.items()):
        at = left + column * (small + 36)
        write(axes, at, top - 14, title, 12, MUTED, "left")
        draw_pixels(axes, _rgb(picture)[0], at, top, small)
        outline(axes, Box(at, top, at + small, top + small), HAIRLINE, 1.2)
    label = plane.labels[nearest].item()
    write(axes, left, top + small + 19, f"its label is {label}, its code {distance:.2f} away", 12, INK, "left")
    return fig


def _bars(axes, votes, left):
    """How many of the nearest codes each label has."""
    write(axes, left, 58, f"{NEAR} nearest", 12, MUTED, "left")
    write(axes, left, 74, "codes, by label", 12, MUTED, "left")
    rows = [(96 + 18 * n, label, count) for n, (label, count) in enumerate(votes.items())]
    write_many(axes, [(left, y, str(label), "left") for y, label, _ in rows], 13, INK)
    write_many(axes, [(left + 22 + 7 * count, y, str(count), "left") for y, _, count in rows], 11, MUTED)
    for y, label, count in rows:
        rules(axes, [((left + 16, y), (left + 16 + 7 * count, y))], COLOURS[label % len(COLOURS)], 9)


def _scales(axes, plane):
    """The ends of both axes and what they are."""
    numbers = [[f"{end[axis]:.1f}".replace("-", "−") for end in (plane.low, plane.high)] for axis in (0, 1)]
    below = _PLANE.bottom + 14
    words = [(_PLANE.left, below, numbers[0][0], "left"), (_PLANE.right, below, numbers[0][1], "right")]
    words += [(_PLANE.middle[0], below, "first number", "center")]
    words += [
        (_PLANE.left - 5, _PLANE.bottom - 6, numbers[1][0], "right"),
        (_PLANE.left - 5, _PLANE.top + 6, numbers[1][1], "right"),
    ]
    write_many(axes, words, 11, MUTED)
    style = {"fontsize": 11 * POINTS, "color": MUTED, "rotation": 90, "family": "DejaVu Sans"}
    axes.text(_PLANE.left - 13, _PLANE.middle[1], "second number", ha="center", va="center", **style)


def _codes(axes, plane, dots):
    """Every label, or a dot, at its code, in the colour of its class: six colours, taken in turn."""
    inside = ((plane.codes >= plane.low) & (plane.codes <= plane.high)).all(1).nonzero().flatten()[:_MOST]
    by_label = {}
    for row in inside.tolist():
        label = int(plane.labels[row])
        by_label.setdefault(label, []).append(_pixel(plane, plane.codes[row]))
    for label, places in by_label.items():
        colour = COLOURS[label % len(COLOURS)]
        if dots:
            axes.scatter(*zip(*places, strict=True), s=(4.5 * POINTS) ** 2, color=colour, linewidths=0, zorder=3)
        else:
            write_many(axes, [(*_off_the_frame(*place), str(label), "center") for place in places], 10.5, colour)


def _off_the_frame(x, y):
    """A label's place, moved inwards where the frame would cut the label."""
    return min(max(x, _PLANE.left + _EDGE), _PLANE.right - _EDGE), min(max(y, _PLANE.top + _EDGE), _PLANE.bottom - _EDGE)


def _pixel(plane, code):
    """Where a code is on the canvas; the second number grows upwards."""
    share = ((code - plane.low) / (plane.high - plane.low)).tolist()
    side = _PLANE.right - _PLANE.left
    return _PLANE.left + share[0] * side, _PLANE.bottom - share[1] * side


def _votes(votes):
    return ", ".join(f"{count} of label {label}" for label, count in votes.items())


def _explain(distance, gap, votes, plane, **_):
    usual = (plane.codes[:, None] - plane.codes).norm(dim=2).fill_diagonal_(torch.inf).min(1).values.quantile(0.95).item()
    lonely = (
        " No picture of these lies near: whatever is decoded here, nobody asked the decoder for it." if distance > usual else ""
    )
    mixed = " Several classes meet here." if len(votes) > 1 and max(votes.values()) <= 0.7 * NEAR else ""
    return f"Encoded again, the decoded picture lands {gap:.2f} from its place.{mixed}{lonely}"


def _describe(place, gap, nearest, distance, votes, plane, shown, **_):
    middles = "; ".join(
        f"{label} around ({m[0]:.1f}, {m[1]:.1f})"
        for label, m in ((int(label), plane.codes[plane.labels == label].median(0).values) for label in plane.labels.unique())
    )
    tiles = " Behind the codes, the decoded pictures of a lattice of places." if shown == DECODED else ""
    return (
        f"A plane with the codes of {len(plane.codes)} pictures, each written as its label: {middles}.{tiles} A cross at "
        f"({place[0]:.2f}, {place[1]:.2f}); the nearest code, {distance:.2f} away, is that of a {plane.labels[nearest].item()}, "
        f"and the {NEAR} nearest are {_votes(votes)}. Beside it the picture that is decoded from this place, which is encoded "
        f"{gap:.2f} away from it, and the nearest picture with its own reconstruction."
    )


def _arrange(widgets):
    """Two columns; one on a narrow page."""
    import ipywidgets

    columns = [("first", "second"), ("to", "shown")]
    boxes = [ipywidgets.VBox([widgets[name] for name in names]) for names in columns]
    return ipywidgets.HBox(boxes, layout=ipywidgets.Layout(flex_flow="row wrap"))
