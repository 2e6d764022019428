"""Small arrays with their numbers: one matrix, or several with operator signs between them."""

import numpy as np

from mmlearn.show.arrays import finite, symmetric_limit
from mmlearn.show.canvas import canvas, cell_texts, draw_cells, frame_cells, text_width, write
from mmlearn.show.figures import check_alt, figure
from mmlearn.show.style import INK, MUTED

_GAP = 14  # CSS pixels around everything


def matrix(M, row_labels=None, col_labels=None, highlight=None, *, alt, title=None, width=700, digits=2, caption=None):
    """Display a matrix as coloured cells with its numbers; zeros stay quiet, cells too small for a number show only its colour.

    M: (R, C), or (C,) for one row. row_labels, col_labels: a string for each row or column.
    highlight: cells to frame, as a mask of M's shape or a list of (row, column).
    """
    check_alt(alt)
    array = np.atleast_2d(finite(M, "M", {1: "(C,)", 2: "(R, C)"}))
    rows, columns = array.shape
    row_labels = _labels(row_labels, rows, "row_labels")
    col_labels = _labels(col_labels, columns, "col_labels")
    left = _GAP + (max(text_width(label, 12) for label in row_labels) + 8 if row_labels else 0)
    longest = max(map(len, col_labels), default=0)
    size = max(2.0, min(44.0, (width - left - _GAP) / columns, 620 / rows))
    size = int(size) if size >= 4 else size
    upright = longest * 7.2 > size  # labels wider than their column are turned
    top = _GAP + (26 if title else 0) + ((longest * 7.2 + 8 if upright else 22) if col_labels else 0)
    used = max(left + columns * size + _GAP, text_width(title or "", 13) + 2 * _GAP)
    fig, axes = canvas(used, top + rows * size + _GAP)
    if title:
        write(axes, _GAP, _GAP + 7, title, 13.5, INK, "left")
    limit = symmetric_limit(array)
    box = draw_cells(
        axes, array, left, top, size, limits=(-limit * 1.6, limit * 1.6), texts=cell_texts(array, digits), quiet_zeros=True
    )
    for r, label in enumerate(row_labels):
        write(axes, left - 8, top + (r + 0.5) * size, label, 12, MUTED, "right")
    for c, label in enumerate(col_labels):
        text = write(axes, left + (c + 0.5) * size, top - (6 if upright else 11), label, 12, MUTED)
        if upright:
            text.set(rotation=90, va="bottom", rotation_mode="default")
    frame_cells(axes, box, size, _cells(highlight, array.shape, "highlight"))
    figure(fig, alt, caption=caption)


def equation_of_grids(grids, symbols=(), labels=None, highlight=None, *, alt, width=700, digits=2, caption=None):
    """Display small arrays beside one another with operator signs between them, such as input ⋆ kernel = output.

    grids: a list of (R, C) arrays. symbols: one sign fewer than grids. labels: a line under each grid.
    highlight: for each grid None or the cells to frame, as a mask or a list of (row, column): a window and what it gives.
    """
    check_alt(alt)
    arrays = [np.atleast_2d(finite(grid, f"grids[{index}]", {1: "(C,)", 2: "(R, C)"})) for index, grid in enumerate(grids)]
    if len(symbols) != max(len(arrays) - 1, 0):
        raise ValueError(
            f"symbols must stand between the grids: {len(arrays)} grids take {len(arrays) - 1} symbols, got {list(symbols)}"
        )
    labels = _labels(labels, len(arrays), "labels")
    highlight = highlight or [None] * len(arrays)
    if len(highlight) != len(arrays):
        raise ValueError(f"highlight must hold cells or None for each of the {len(arrays)} grids; got {len(highlight)}")
    between = 44
    columns = sum(array.shape[1] for array in arrays)
    tallest = max(array.shape[0] for array in arrays)
    size = int(max(12, min(40, (width - 2 * _GAP - between * len(symbols)) / columns, 480 / tallest)))
    wide = [array.shape[1] * size for array in arrays]
    slots = [max(w, text_width(label, 11.5)) for w, label in zip(wide, labels or [""] * len(arrays), strict=True)]
    fig, axes = canvas(2 * _GAP + sum(slots) + between * len(symbols), 2 * _GAP + tallest * size + (24 if labels else 0))
    x, middle = _GAP, _GAP + tallest * size / 2
    for index, array in enumerate(arrays):
        left, top = x + (slots[index] - wide[index]) / 2, middle - array.shape[0] * size / 2
        limit = 1.6 * symmetric_limit(array)  # paler than a picture: here the numbers are what is read
        box = draw_cells(axes, array, left, top, size, limits=(-limit, limit), texts=cell_texts(array, digits))
        frame_cells(axes, box, size, _cells(highlight[index], array.shape, f"highlight[{index}]"))
        if labels:
            write(axes, x + slots[index] / 2, _GAP + tallest * size + 15, labels[index], 12, MUTED)
        x += slots[index]
        if index < len(symbols):
            write(axes, x + between / 2, middle, symbols[index], 32 if symbols[index] == "⋆" else 22, INK).set_va("center")
            x += between
    figure(fig, alt, caption=caption)


def _labels(labels, count, name):
    labels = [] if labels is None else [str(label) for label in labels]
    if labels and len(labels) != count:
        raise ValueError(f"{name} must hold {count} strings; got {len(labels)}")
    return labels


def _cells(highlight, shape, name):
    """The framed cells as a list of (row, column)."""
    if highlight is None:
        return []
    given = highlight.detach().cpu().numpy() if hasattr(highlight, "detach") else np.asarray(highlight)
    if given.dtype == bool:
        if given.shape != shape:
            raise ValueError(
                f"{name} must be a mask of shape {shape} or a list of (row, column); got a mask of shape {given.shape}"
            )
        return [tuple(cell) for cell in np.argwhere(given)]
    cells = [tuple(int(i) for i in cell) for cell in given.reshape(-1, 2)]
    for row, column in cells:
        if not (0 <= row < shape[0] and 0 <= column < shape[1]):
            raise ValueError(f"{name} names cell ({row}, {column}), outside the grid's {shape[0]} rows and {shape[1]} columns")
    return cells
