"""Scenes of the world as pictures: what is where, what is in front, what is said and asked about it."""

import html
import math

import numpy as np

from mmlearn.show.arrays import finite
from mmlearn.show.canvas import Box, canvas, outline, write
from mmlearn.show.figures import check_alt, figure, picture, publish
from mmlearn.show.pieces import as_rgb, count_of, draw_pixels, listed, tag, whole_pixels, width_of, with_halo, wrapped
from mmlearn.show.style import INK

_GAP = 10  # CSS pixels between neighbours
_TOLD = 12  # scenes that an alt text describes one by one
_LINE = "1px solid rgba(128,128,128,0.45)"


def scenes(
    scenes, columns=None, *, boxes=False, masks=False, depth=False, captions=False, titles=None, alt=None, width=700, caption=None
):
    """Display scenes side by side.

    scenes: a Scenes. columns: pictures in a row. titles: a string for each, above it.
    boxes: the boxes, labelled. masks: the outlines of the visible pixels. depth: 1 at the nearest object, 2 at the next, …
    captions: True for the scenes' own sentences, or a string for each, below it.
    alt: by default each scene in words, with the numbers of what is drawn into it.
    Raises ValueError without a scene, and when titles or captions are not one for each.
    """
    count = check_scenes(scenes)
    written = _sentences(captions, scenes, count)
    titles = None if titles is None else [str(title) for title in titles]
    if titles is not None and len(titles) != count:
        raise ValueError(f"titles must name every scene: got {len(titles)} titles for {count_of(count, 'scene')}")
    alt = describe(scenes, boxes, masks, depth, written, titles) if alt is None else alt
    check_alt(alt)

    columns = min(columns or _columns(count, boxes or masks or depth, written), count)
    space = min((width - _GAP) / columns - _GAP, 320)
    side = whole_pixels(space, scenes.resolution)
    pitch = (width - _GAP) / columns if written else max(side + _GAP, _GAP + max(width_of(t, 12.5) for t in titles or [""]))
    pitch = min(pitch, (width - _GAP) / columns, max(side + _GAP, 240) if written else 1e9)
    lines = [wrapped(text, pitch - _GAP, 12) for text in written or []]
    head = 22 if titles else 0
    rows = math.ceil(count / columns)
    feet = [max((len(line) for line in lines[row * columns : (row + 1) * columns]), default=0) * 16 for row in range(rows)]
    feet = [foot + 6 if foot else 0 for foot in feet]
    fig, axes = canvas(_GAP + columns * pitch, _GAP + sum(head + side + foot + _GAP for foot in feet))
    top, rgb = _GAP + head, as_rgb(scenes.image)
    for n in range(count):
        row, column = divmod(n, columns)
        if n and column == 0:
            top += side + feet[row - 1] + _GAP + head
        left = _GAP + column * pitch + (pitch - _GAP - side) / 2
        box = draw_pixels(axes, rgb[n], round(left), round(top), side)
        draw_marks(axes, scenes, n, box, boxes, masks, depth)
        if titles:
            write(axes, box.middle[0], top - 11, titles[n], 12.5, INK)
        for index, line in enumerate(lines[n] if lines else []):
            write(axes, box.middle[0], box.bottom + 13 + 16 * index, line, 12, INK)
    figure(fig, alt, caption=caption)


def draw_marks(axes, scenes, n, box, boxes=False, masks=False, depth=False):
    """Boxes with labels, outlines of masks and depth numbers of scene n over its picture at ``box``."""
    scale = (box.right - box.left) / scenes.resolution
    corner = np.array([box.left, box.top])
    frames, labels = {}, []
    for thing in scenes.objects(n):
        slot = thing["slot"]
        mask = scenes.mask[n, slot].cpu().numpy()
        if not mask.any():  # wholly hidden
            continue
        if masks:
            with_halo(axes, [corner + scale * line for line in edges(mask)])
        x1, y1, x2, y2 = (scale * value for value in scenes.box[n, slot].tolist())
        frame = Box(box.left + x1, box.top + y1, box.left + x2, box.top + y2)
        frames[_name(thing), slot] = frame
        if boxes:
            outline(axes, frame, INK, 3.2)
            outline(axes, frame, "white", 1.5, dashed=masks)
        if depth:
            rows, across = np.nonzero(mask)
            y, x = corner[1] + scale * (rows.mean() + 0.5), corner[0] + scale * (across.mean() + 0.5)
            tag(axes, x, y, str(int(scenes.depth[n, slot]) + 1), 12, "white", INK, "center")
    for (label, _), frame in frames.items() if boxes else ():
        size = 11 if box.right - box.left >= 200 else 9.5
        others = [other for other in frames.values() if other is not frame]
        place = _free_place(frame, width_of(label, size) + 8, size + 6, box, others, labels)
        labels.append(place)
        tag(axes, place.left, place.middle[1], label, size)


def edges(mask):
    """The border of a mask along the edges of its pixels, as closed or open runs of straight lines in pixels.

    mask: (H, W) bool; returns a list of (2, 2): x, y of the two ends of each straight run
    """
    padded = np.pad(mask, 1)
    runs = []
    for across, turned in ((padded, False), (padded.T, True)):
        step = across[1:] != across[:-1]  # (H + 1, W): between row r − 1 and row r
        for r, row in enumerate(step):
            change = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
            for start, end in change.reshape(-1, 2):
                line = np.array([[start - 1, r], [end - 1, r]], dtype=float)
                runs.append(line[:, ::-1] if turned else line)
    return runs


def describe(scenes, boxes=False, masks=False, depth=False, captions=None, titles=None):
    """Each scene in words, with the numbers of what is drawn into its picture."""
    count = len(scenes)
    places = scenes[: min(count, _TOLD)].captions("position")
    parts = [f"{count_of(count, 'rendered scene')} of {scenes.resolution} by {scenes.resolution} pixels."]
    for n, place in enumerate(places):
        name = f"{n + 1}" + (f" ({titles[n]})" if titles else "")
        text = f"{name}: {place}." if count > 1 or titles else f"{place[0].upper()}{place[1:]}."
        things = scenes.objects(n)
        if boxes:
            text += _each("Boxes as x1, y1, x2, y2 in pixels", scenes, n, things, lambda slot, n=n: _box_text(scenes, n, slot))
        if masks:
            text += _each("Visible pixels, outlined", scenes, n, things, lambda slot, n=n: str(int(scenes.mask[n, slot].sum())))
        if depth and len(things) > 1:
            text += f" From near to far: {listed(_name(thing) for thing in things)}."
        if captions:
            text += f" Caption: “{captions[n]}”."
        parts.append(text)
    if count > _TOLD:
        parts.append(f"And {count_of(count - _TOLD, 'more scene')}.")
    return " ".join(parts)


def questions(scenes, questions, limit=6, *, width=150, caption=None):
    """Display pictures beside the questions about them and their answers, as a table.

    questions: a Questions about ``scenes``. limit: at most so many pictures; the caption says how many are left out.
    width: of a picture in CSS pixels.
    Raises ValueError without a question, and when a question is about a scene that is not there.
    """
    if not len(questions):
        raise ValueError("questions must hold at least one question: ask scenes.questions()")
    asked = list(dict.fromkeys(questions.scene.tolist()))
    if max(asked) >= len(scenes):
        raise ValueError(
            f"a question is about scene {max(asked)}, and there are {count_of(len(scenes), 'scene')}: "
            "give the scenes that the questions were asked of"
        )
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit must be a whole number of pictures, at least 1; got {limit!r}")
    shown = asked[:limit]
    caption = caption or _left_out(questions, asked, shown)
    places = scenes[shown].captions("position")
    rows = [[place for place, row in enumerate(questions.scene.tolist()) if row == n] for n in shown]
    names = ("picture", "kind", "question", "answer")
    text = [caption, "  ".join(names)]
    page = ['<table style="border-collapse:collapse;margin:4px 0">']
    page.append(f'<caption style="text-align:left;padding:4px 12px;font-weight:bold">{html.escape(caption)}</caption><thead><tr>')
    page += [f'<th scope="col" style="text-align:left;padding:4px 12px;border-bottom:{_LINE}">{name}</th>' for name in names]
    page.append("</tr></thead>")
    for image, place, mine in zip(as_rgb(scenes[shown].image), places, rows, strict=True):
        text.append(f"[picture] {place}")
        page.append(f'<tbody style="border-bottom:{_LINE}">')
        for index, q in enumerate(mine):
            cells = (questions.kind[q], questions.text[q], questions.answer[q])
            page.append("<tr>")
            if index == 0:
                thumb = picture(_enlarged(image, 2 * width), f"{place[0].upper()}{place[1:]}.", width)
                page.append(f'<td rowspan="{len(mine)}" style="padding:6px 12px;vertical-align:top">{thumb}</td>')
            for column, cell in enumerate(cells):
                weight = ";font-weight:bold" if column == 2 else ""
                page.append(f'<td style="text-align:left;padding:4px 12px{weight}">{html.escape(cell)}</td>')
            page.append("</tr>")
            text.append("  ".join(("", *cells)))
        page.append("</tbody>")
    page.append("</table>")
    publish("".join(page), "\n".join(text))


def check_scenes(scenes):
    """How many scenes there are, or an error that says what is there instead."""
    if not all(hasattr(scenes, part) for part in ("image", "present", "box")):
        raise ValueError(
            f"scenes must be a Scenes, as mmlearn.data.world.sample draws them; got {type(scenes).__name__}: "
            "plain pictures are shown by show.images"
        )
    if not len(scenes):
        raise ValueError("scenes must hold at least one scene; got none")
    finite(scenes.image[:1], "scenes.image", {4: "(N, 3, H, H)"})
    return len(scenes)


def _sentences(captions, scenes, count):
    if captions is False or captions is None:
        return None
    if captions is True:
        return scenes.captions()
    if isinstance(captions, str) or len(captions) != count:
        got = "one string" if isinstance(captions, str) else f"{len(captions)} captions"
        raise ValueError(f"captions must be True, or a string for every scene: got {got} for {count_of(count, 'scene')}")
    return [str(text) for text in captions]


def _columns(count, marked, written):
    """As few rows as stay readable, filled evenly."""
    most = 3 if written or marked else 4 if count <= 8 else 6
    rows = math.ceil(count / min(most, count))
    return math.ceil(count / rows)


def _free_place(frame, wide, high, picture, frames, labels):
    """Where a label fits: beside its box, or inside, where it covers least of the other objects and labels."""

    def inside(x):
        return min(max(x, picture.left + 1), picture.right - wide - 1)

    starts, middle = (inside(frame.left - 1), inside(frame.right + 1 - wide)), frame.middle[1] - high / 2
    places = [(x, y) for y in (frame.top - high - 2, frame.bottom + 2) for x in starts]
    places += [(inside(frame.right + 2), middle), (inside(frame.left - 2 - wide), middle)]
    places += [(x, y) for y in (frame.top + 2, frame.bottom - high - 2) for x in starts]
    best, least = None, math.inf
    for rank, (x, y) in enumerate(places):
        place = Box(x, y, x + wide, y + high)
        outside = max(0, picture.top - y) + max(0, y + high - picture.bottom)
        covered = 3 * sum(_shared(place, label) for label in labels) + sum(_shared(place, other) for other in frames)
        cost = 1000 * outside + covered + 0.7 * _shared(place, frame) + 20 * rank
        if cost < least:
            best, least = place, cost
    return best


def _shared(one, other):
    wide = min(one.right, other.right) - max(one.left, other.left)
    high = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(wide, 0) * max(high, 0)


def _name(thing):
    return f"{thing['colour']} {thing['shape']}"


def _each(what, scenes, n, things, value):
    """A sentence with a value for each visible object, and which are wholly hidden."""
    seen = [thing for thing in things if scenes.mask[n, thing["slot"]].any()]
    hidden = [_name(thing) for thing in things if thing not in seen]
    values = "; ".join(f"{_name(thing)} {value(thing['slot'])}" for thing in seen)
    return f" {what}: {values or 'none'}." + (f" Wholly hidden: {listed(hidden)}." if hidden else "")


def _box_text(scenes, n, slot):
    return ", ".join(f"{value:.0f}" for value in scenes.box[n, slot].tolist())


def _left_out(questions, asked, shown):
    about = sum(row in set(shown) for row in questions.scene.tolist())
    text = f"{count_of(about, 'question')} about {count_of(len(shown), 'picture')}, with their answers"
    if len(shown) < len(asked):
        more = count_of(len(questions) - about, "question")
        text += f" (not shown: {more} about {count_of(len(asked) - len(shown), 'picture')})"
    return text


def _enlarged(rgb, side):
    """A picture with each pixel as a square of dots, up to so many dots wide: (H, W, 3) in [0, 1] → (H', W', 3) uint8."""
    factor = max(1, side // rgb.shape[0])
    return (rgb * 255).round().astype(np.uint8).repeat(factor, 0).repeat(factor, 1)
