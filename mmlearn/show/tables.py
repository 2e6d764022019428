"""Tables that a screen reader can walk through: a caption, header cells with their scope, numbers aligned."""

import html
import numbers

from mmlearn.show.figures import publish

_LINE = "1px solid rgba(128,128,128,0.45)"


def table(rows, header, *, caption, highlight=(), digits=3):
    """Display rows as an accessible table; in a terminal, as aligned text.

    rows: a list of sequences as long as header; the first cell of each names its row. Numbers are printed to so many significant
    digits; True and False as "✓ yes" and "✗ no". caption: what the table shows (str, required).
    highlight: indices of the rows to set off.
    """
    publish(*render(rows, header, caption, highlight, digits))


def render(rows, header, caption, highlight=(), digits=3):
    """The table as (HTML, plain text)."""
    if not isinstance(caption, str) or not caption.strip():
        raise ValueError(
            f"caption must say what the table shows, such as 'Seconds for one batch, by implementation'; got {caption!r}"
        )
    header = [str(name) for name in header]
    rows = [[_as_python(value) for value in row] for row in rows]
    for index, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"row {index} has {len(row)} cells and the header {len(header)}: {row}")
    highlight = {index % len(rows) if rows else index for index in ([highlight] if isinstance(highlight, int) else highlight)}
    cells = [[_cell(value, digits) for value in row] for row in rows]
    numeric = [
        bool(rows) and all(_is_number(row[column]) or row[column] is None for row in rows) for column in range(len(header))
    ]
    return _page(cells, header, numeric, caption, highlight), _text(cells, header, numeric, caption, highlight)


def _as_python(value):
    """A NumPy or torch scalar as the Python number it holds."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _is_number(value):
    return isinstance(value, numbers.Number) and not isinstance(value, bool)


def _cell(value, digits):
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "✓ yes" if value else "✗ no"
    if not _is_number(value):
        return str(value)
    if value != value or abs(value) == float("inf"):
        return {"nan": "NaN", "inf": "∞", "-inf": "−∞"}[str(float(value))]
    if isinstance(value, numbers.Integral):
        return f"{value:,}".replace(",", "\u2009").replace("-", "−")
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    before = len(str(int(size))) if size >= 1 else 0 if size >= 0.1 else -1 if size >= 0.01 else -2
    return f"{value:.{max(0, digits - before)}f}".replace("-", "−") if size else "0"


def _page(cells, header, numeric, caption, highlight):
    def style(column, strong=False):
        align = "right" if numeric[column] else "left"
        return f"text-align:{align};padding:4px 12px;vertical-align:top" + (";font-weight:bold" if strong else "")

    out = ['<table style="border-collapse:collapse;font-variant-numeric:tabular-nums;margin:4px 0">']
    out.append(f'<caption style="text-align:left;padding:4px 12px;font-weight:bold">{html.escape(caption)}</caption>')
    out.append(f'<thead><tr style="border-bottom:{_LINE}">')
    out += [f'<th scope="col" style="{style(column, True)}">{html.escape(name)}</th>' for column, name in enumerate(header)]
    out.append("</tr></thead><tbody>")
    for index, row in enumerate(cells):
        marked = index in highlight
        out.append('<tr style="background:rgba(0,114,178,0.16)">' if marked else "<tr>")
        for column, text in enumerate(row):
            tag, scope = ("th", ' scope="row"') if column == 0 else ("td", "")
            weight = "" if marked or column else ";font-weight:normal"
            out.append(f'<{tag}{scope} style="{style(column, marked)}{weight}">{html.escape(text)}</{tag}>')
        out.append("</tr>")
    out.append("</tbody></table>")
    return "".join(out)


def _text(cells, header, numeric, caption, highlight):
    widths = [max(len(row[column]) for row in [header, *cells]) for column in range(len(header))]

    def line(row):
        return "  ".join(
            text.rjust(width) if right else text.ljust(width) for text, width, right in zip(row, widths, numeric, strict=True)
        )

    body = [line(row) + ("  ←" if index in highlight else "") for index, row in enumerate(cells)]
    return "\n".join(text.rstrip() for text in [caption, line(header), "  ".join("─" * width for width in widths), *body])
