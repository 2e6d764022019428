"""A figure with controls: sliders, check boxes and fields that redraw a picture and its text alternative."""

import html

from mmlearn.show.figures import check_alt, close, drawn, picture, plain, publish
from mmlearn.show.style import in_style

_LEGIBLE = 520  # CSS pixels: a narrower page scrolls the picture sideways, so that the numbers in it stay readable


def interactive(draw, alt, *, note=None, compute=None, adjust=None, arrange=None, **controls):
    """Display a figure with controls, and return its handle.

    draw: takes the controls' values by name, returns a matplotlib figure. It runs at every change: keep it under 150 ms.
    alt: what the figure shows: a function of the same values, or a string if it is true of all of them. note: a line of text
    below the figure, likewise. controls: an ipywidgets widget, or a short form: (lowest, highest) or (lowest, highest, step) for
    a slider, True or False for a check box, a list for a drop-down menu. Give each slider a value to start from that teaches.

    compute: values → a dict, which draw, alt and note then take in place of the values and the handle keeps as ``state``.
    adjust: adjust(widgets, changed) runs before each redraw and may set other controls. arrange: widgets → their layout.

        show.interactive(lambda rank: …, lambda rank: f"The picture kept with rank {rank} …", rank=(1, 8))

    Beside the live widget the output holds the first picture as HTML, for pages that cannot run it.
    """
    handle = Interactive(draw, alt, note, compute, adjust, arrange, controls)
    handle.show()
    return handle


class Interactive:
    """The handle of an interactive figure, to read it and to drive it from code.

    set(**values): move controls. value: their values. state: what the figure was computed from. html: the picture with its alt
    text and note. widgets: the controls by name. box: the whole as one ipywidgets widget.
    """

    def __init__(self, draw, alt, note, compute, adjust, arrange, controls):
        import ipywidgets

        self._draw, self._alt, self._note = draw, alt, note
        self._compute, self._adjust = compute or dict, adjust
        self.widgets = {name: _control(name, control) for name, control in controls.items()}
        self._quiet = False
        self._shown_in = None
        self._refresh(None, quick=False)
        self._page = ipywidgets.HTML(self.html)
        for name, widget in self.widgets.items():
            widget.observe(lambda change, name=name: self._on_change(name), names="value")
        layout = arrange(self.widgets) if arrange else tidy(self.widgets)
        self.box = ipywidgets.VBox([layout, self._page], layout=ipywidgets.Layout(max_width="740px"))

    @property
    def value(self):
        return {name: widget.value for name, widget in self.widgets.items()}

    def set(self, **values):
        """Move controls as a reader would, all at once; a value that a control cannot take raises a ValueError."""
        if unknown := [name for name in values if name not in self.widgets]:
            raise ValueError(f"no control named {', '.join(unknown)}; there are {', '.join(self.widgets)}")
        for name, value in values.items():
            self._quiet = True
            try:
                self.widgets[name].value = value
                if self._adjust:
                    self._adjust(self.widgets, name)
            except Exception as error:
                raise ValueError(f"{name} cannot be {value!r}: {error}") from error
            finally:
                self._quiet = False
            if self.widgets[name].value != value:
                raise ValueError(f"{name} cannot be {value!r}: the control allows {_range(self.widgets[name])}")
        self._refresh(None)
        self._page.value = self.html
        return self

    def show(self):
        """Display the figure with its controls (once more)."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        fallback = f"{self.html}<p><em>Run this cell to move the controls.</em></p>"
        self._shown_in = _cell()
        publish(fallback, self._text, **{"application/vnd.jupyter.widget-view+json": view})

    def _ipython_display_(self):
        if self._shown_in is None or self._shown_in != _cell():  # the cell that made it has shown it already
            self.show()

    def _on_change(self, name):
        if self._quiet:
            return
        try:
            self._refresh(name)
            self._page.value = self.html
        except Exception as error:  # a callback's exception would vanish into the server's log
            message = f"{type(error).__name__}: {error}"
            self._page.value = f'<p role="alert">This setting cannot be drawn. {html.escape(message)}</p>'

    def _refresh(self, changed, quick=True):
        """Draw the controls' present values."""
        if self._adjust:
            self._quiet = True
            try:
                self._adjust(self.widgets, changed)
            finally:
                self._quiet = False
        self.state = self._compute(**self.value)
        alt = self._alt(**self.state) if callable(self._alt) else self._alt
        note = self._note(**self.state) if callable(self._note) else self._note
        check_alt(alt)
        with in_style():
            fig = self._draw(**self.state)
            page = picture(drawn(fig), alt, narrowest=_LEGIBLE, quick=quick)
        close(fig)
        self.html = _framed(page, note)
        self._text = plain(alt, note)


def _framed(page, note):
    """The picture, scrolled sideways where it must be, above its note; the grid keeps both as narrow as the page."""
    text = f'<p aria-live="polite" style="margin:6px 2px;line-height:1.45">{html.escape(note)}</p>' if note else ""
    columns = "display:grid;grid-template-columns:minmax(0,1fr)"
    return f'<div style="{columns}"><div style="overflow-x:auto">{page}</div>{text}</div>'


def tidy(widgets):
    """The controls in one or two columns, as the page's width allows."""
    import ipywidgets

    return ipywidgets.HBox(list(widgets.values()), layout=ipywidgets.Layout(flex_flow="row wrap"))


def _control(name, control):
    """A widget from its short form, described in words."""
    import ipywidgets

    if not isinstance(control, ipywidgets.Widget):
        made = ipywidgets.interactive.widget_from_abbrev(control, control)
        if made is None:
            raise ValueError(f"{name} must be a widget, (lowest, highest), a truth value or a list of choices; got {control!r}")
        control = made
    if not control.description:
        control.description = name.replace("_", " ")
    if not control.layout.width:
        control.layout.width = "340px"
        control.style.description_width = "120px"
    return control


def _range(widget):
    if hasattr(widget, "min"):
        return f"{widget.min} to {widget.max}"
    return ", ".join(map(repr, getattr(widget, "options", ()))) or "another kind of value"


def _cell():
    """Which cell of the notebook is running; None outside IPython."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell.execution_count if shell else None
