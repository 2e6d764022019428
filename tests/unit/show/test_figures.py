import io
import subprocess
import sys

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from mmlearn import show
from mmlearn.show.figures import png


@pytest.fixture
def fig():
    fig, ax = plt.subplots()
    ax.plot([1, 2, 3], [1, 4, 9])
    yield fig
    plt.close(fig)


@pytest.mark.parametrize("alt", ["", "  ", None, "plot", "Figure.", 3])
def test_a_figure_without_a_text_alternative_is_refused_and_told_how_to_write_one(fig, alt):
    with pytest.raises(ValueError, match="alt must say what the figure shows"):
        show.figure(fig, alt)


def test_the_output_holds_html_and_text_but_no_bare_image(fig, published):
    show.figure(fig, alt="Squares of 1, 2 and 3.")
    (bundle,) = published
    assert set(bundle) == {"text/html", "text/plain"}
    assert '<img alt="Squares of 1, 2 and 3."' in bundle["text/html"]
    assert bundle["text/plain"] == "[figure] Squares of 1, 2 and 3."


def test_a_shown_figure_is_closed(fig, published):
    assert plt.fignum_exists(fig.number)
    show.figure(fig, alt="Squares of 1, 2 and 3.")
    assert not plt.fignum_exists(fig.number)


def test_to_html_displays_nothing_and_leaves_the_figure_open(fig, published):
    show.to_html(fig, alt="Squares of 1, 2 and 3.")
    assert not published
    assert plt.fignum_exists(fig.number)


def test_alt_and_caption_are_escaped(fig):
    page = show.to_html(fig, alt='p < 0.05 & "q"', caption="<script>")
    assert 'alt="p &lt; 0.05 &amp; &quot;q&quot;"' in page
    assert "<script>" not in page


def test_the_same_figure_gives_the_same_bytes_without_metadata(fig):
    one, other = (show.to_html(fig, alt="Squares of 1, 2 and 3.") for _ in range(2))
    assert one == other
    assert "Software" not in one


def test_a_png_keeps_no_metadata_and_its_colours(pixels, fig):
    picture = pixels(show.to_html(fig, alt="Squares of 1, 2 and 3."))
    image = Image.open(io.BytesIO(png(picture)))
    assert image.info == {}
    assert abs(int(picture[0, 0, 0]) - 252) <= 1  # the card, opaque


def test_the_picture_has_two_dots_for_each_css_pixel(fig, pixels):
    page = show.to_html(fig, alt="Squares of 1, 2 and 3.")
    wide = pixels(page).shape[1]
    assert f'width="{round(wide / 2)}"' in page


def test_a_line_plot_is_small(fig):
    assert len(show.to_html(fig, alt="Squares of 1, 2 and 3.")) < 60_000


def test_outside_a_notebook_the_text_alternative_is_printed(fig, capsys):
    show.figure(fig, alt="Squares of 1, 2 and 3.")
    assert capsys.readouterr().out == "[figure] Squares of 1, 2 and 3.\n"


def test_importing_show_loads_neither_torch_nor_matplotlib():
    code = "import sys, mmlearn.show; print([name for name in ('torch', 'matplotlib', 'ipywidgets') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
