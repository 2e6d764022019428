"""What a notebook would receive: every figure that a test shows, as the bundle of mime types it publishes."""

import base64
import html
import io
import re

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def published(monkeypatch):
    """The list of published mime bundles, filled while the test runs, as if inside IPython."""
    import IPython.display
    from IPython.core.interactiveshell import InteractiveShell

    bundles = []

    def display(bundle, raw=False):
        assert raw
        bundles.append(bundle)

    monkeypatch.setattr(InteractiveShell, "initialized", classmethod(lambda cls: True))
    monkeypatch.setattr(IPython.display, "display", display)
    return bundles


@pytest.fixture
def pixels():
    """A function: the picture inside a page of HTML as an array (H, W, 3)."""

    def decode(page):
        data = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', page)[1])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    return decode


@pytest.fixture
def alt_of():
    """A function: the alternative text of an interactive figure's picture."""
    return lambda figure: html.unescape(re.search(r'alt="([^"]*)"', figure.html)[1])


@pytest.fixture
def note_of():
    """A function: the sentence below an interactive figure, which a screen reader reads when it changes, without its tags."""
    return lambda figure: html.unescape(re.sub("<[^>]*>", "", re.search(r"<p aria-live.*?</p>", figure.html)[0]))
