import html
import re

import ipywidgets
import pytest

from mmlearn import show
from mmlearn.show.canvas import canvas, write

VIEW = "application/vnd.jupyter.widget-view+json"


def draw(rank, bold):
    fig, axes = canvas(200, 80)
    write(axes, 100, 40, f"rank {rank}", weight="bold" if bold else "normal")
    return fig


def describe(rank, bold):
    return f"The words “rank {rank}”{' in bold' if bold else ''}."


@pytest.fixture
def handle(published):
    return show.interactive(draw, describe, note=lambda rank, bold: f"rank < {rank}", rank=(1, 8), bold=False)


def alt(page):
    return html.unescape(re.search(r'alt="([^"]*)"', page)[1])


def test_the_output_is_a_live_widget_with_a_static_picture_beside_it(handle, published):
    (bundle,) = published
    assert set(bundle) == {VIEW, "text/html", "text/plain"}
    assert bundle[VIEW]["model_id"] == handle.box.model_id
    assert handle.html in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert "[figure] The words “rank" in bundle["text/plain"]


def test_moving_a_control_redraws_picture_alt_and_note(handle):
    before = handle.html
    handle.widgets["rank"].value = 7
    assert handle.html != before
    assert alt(handle.html) == "The words “rank 7”."
    assert "rank &lt; 7" in handle.html
    assert handle.box.children[-1].value == handle.html


def test_set_moves_several_controls_and_value_reads_them(handle):
    assert handle.set(rank=3, bold=True).value == {"rank": 3, "bold": True}
    assert alt(handle.html) == "The words “rank 3” in bold."


@pytest.mark.parametrize(
    ("values", "message"),
    [({"rank": 99}, "1 to 8"), ({"size": 1}, "no control named size; there are rank, bold"), ({"rank": "x"}, "rank cannot")],
)
def test_a_setting_that_does_not_exist_is_refused(handle, values, message):
    with pytest.raises(ValueError, match=message):
        handle.set(**values)


def test_every_control_has_a_description(handle):
    assert [widget.description for widget in handle.widgets.values()] == ["rank", "bold"]


def test_a_widget_may_be_given_as_it_is(published):
    slider = ipywidgets.IntSlider(value=2, min=1, max=3, description="how many")
    handle = show.interactive(draw, describe, rank=slider, bold=True)
    assert handle.widgets["rank"] is slider


def test_a_missing_text_alternative_is_refused(published):
    with pytest.raises(ValueError, match="alt must say"):
        show.interactive(draw, "", rank=(1, 8), bold=False)
    assert not published


def test_an_unknown_short_form_is_named(published):
    with pytest.raises(ValueError, match="rank must be a widget"):
        show.interactive(draw, describe, rank=object(), bold=False)


def test_an_error_while_moving_a_control_is_shown_in_place_of_the_picture(published):
    def fragile(rank):
        if rank == 5:
            raise ArithmeticError("rank <5>")
        return draw(rank, False)

    handle = show.interactive(fragile, "The words “rank” and a number.", rank=(1, 8))
    handle.widgets["rank"].value = 5
    assert 'role="alert"' in handle.box.children[-1].value
    assert "ArithmeticError: rank &lt;5&gt;" in handle.box.children[-1].value
    handle.widgets["rank"].value = 6
    assert "<img" in handle.box.children[-1].value


def test_one_control_may_bound_another_without_drawing_twice(published):
    drawn = []

    def adjust(widgets, changed):
        widgets["column"].max = widgets["width"].value - 1

    def count(width, column):
        drawn.append((width, column))
        return draw(column, False)

    width = ipywidgets.IntSlider(value=9, min=1, max=9)
    column = ipywidgets.IntSlider(value=8, min=0, max=8)
    handle = show.interactive(count, "The words “rank” and a number.", adjust=adjust, width=width, column=column)
    width.value = 3
    assert drawn == [(9, 8), (3, 2)]
    assert handle.value == {"width": 3, "column": 2}


def test_compute_hands_its_numbers_to_picture_alt_note_and_state(published):
    handle = show.interactive(
        lambda square: draw(square, False),
        lambda square: f"The words “rank {square}”.",
        compute=lambda n: {"square": n * n},
        n=(4, 4),
    )
    assert handle.state == {"square": 16}
    assert alt(handle.html) == "The words “rank 16”."


def test_outside_a_notebook_the_text_is_printed(capsys):
    show.interactive(draw, describe, rank=(8, 8), bold=False)
    assert capsys.readouterr().out == "[figure] The words “rank 8”.\n"
