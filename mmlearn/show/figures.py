"""A figure in a notebook: a small PNG in an <img> that carries its alt text, in JupyterLab, on the site and on Colab alike."""

import base64
import html
import io
import sys

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from mmlearn.show.canvas import is_canvas
from mmlearn.show.style import CARD, CSS_DPI, SCALE

_SAYS_NOTHING = {"alt", "figure", "graph", "image", "picture", "plot"}


def figure(fig, alt, width=None, caption=None):
    """Display a matplotlib figure with its text alternative, and close it.

    alt: what the figure shows, in a sentence or two, for a reader who cannot see it (str, required).
    width: in CSS pixels; by default the figure's own size, 100 to the inch. It shrinks where the page is narrower.
    caption: a line under the figure.
    """
    page = to_html(fig, alt, width, caption)
    close(fig)
    publish(page, plain(alt, caption))


def to_html(fig, alt, width=None, caption=None):
    """The HTML that ``figure`` displays, as a string; the figure stays open."""
    check_alt(alt)
    return picture(drawn(fig), alt, width, caption)


def drawn(fig):
    """A figure's pixels, two for each CSS pixel each way, cut to its contents unless it is a canvas. returns: (H, W, 3) uint8."""
    if is_canvas(fig):
        agg = FigureCanvasAgg(fig)
        agg.draw()
        return np.asarray(agg.buffer_rgba())[..., :3]
    file = io.BytesIO()
    ground = fig.get_facecolor()
    sharp = {"dpi": CSS_DPI * SCALE, "bbox_inches": "tight", "pad_inches": 0.12}
    fig.savefig(file, format="png", facecolor=CARD, pil_kwargs={"compress_level": 1}, **sharp)
    fig.set_facecolor(ground)
    return np.asarray(Image.open(file).convert("RGB"))


def picture(pixels, alt, width=None, caption=None, narrowest=0, quick=False):
    """An <img> with its alt text, in a <figure> when there is a caption.

    pixels: (H, W, 3) uint8. narrowest: CSS pixels below which it does not shrink. quick: a larger file in less time.
    """
    data = base64.b64encode(png(pixels, quick)).decode()
    width = round(width or pixels.shape[1] / SCALE)
    style = "display:block;max-width:100%;height:auto;border-radius:6px" + (f";min-width:{narrowest}px" if narrowest else "")
    image = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}" width="{width}" style="{style}">'
    if caption is None:
        return image
    return f'<figure style="margin:0">{image}<figcaption style="max-width:{width}px">{html.escape(caption)}</figcaption></figure>'


def png(pixels, quick=False):
    """The same bytes for the same pixels: no date, no software; a palette where 256 colours do. pixels: (H, W, 3) uint8."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if not quick:
        few = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        error = np.abs(np.asarray(few.convert("RGB"), dtype=np.int16) - pixels).max(-1)
        if error.mean() < 1 and np.quantile(error, 0.999) <= 40:  # everything but photographs in colour
            image = few
    file = io.BytesIO()
    image.save(file, "PNG", **({"compress_level": 3} if quick else {"optimize": True}))
    return file.getvalue()


def check_alt(alt):
    """Refuse a missing text alternative, and say how to write one."""
    if not isinstance(alt, str) or not alt.strip() or alt.strip().lower().rstrip(".") in _SAYS_NOTHING:
        raise ValueError(
            f"alt must say what the figure shows, for a reader who cannot see it; got {alt!r}. Write the finding, "
            "not 'a plot of': "
            'alt="Training loss falls from 2.3 to 0.1 in ten epochs; validation loss turns up after the sixth."'
        )


def close(fig):
    """Make pyplot forget a figure, if pyplot ever knew it."""
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(fig)


def plain(alt, caption=None):
    """What a terminal prints in place of the figure."""
    return f"[figure] {alt.strip()}" + (f" {caption}" if caption else "")


def publish(page, text, **more):
    """Display HTML with its plain-text form in a notebook; print the text anywhere else. more: further mime types."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import display

    if InteractiveShell.initialized():
        display({"text/html": page, "text/plain": text, **more}, raw=True)
    else:
        print(text)
