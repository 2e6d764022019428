"""The table of contents, and how a chapter is found in it."""

import pytest

from mmlearn.course.contents import CONTENTS, find
from mmlearn.course.errors import CourseError, nearest, unknown


def test_the_course_has_38_chapters_numbered_in_order_with_slugs_of_their_own():
    assert [chapter.number for chapter in CONTENTS] == [f"{number:02d}" for number in range(1, 39)]
    assert len({chapter.slug for chapter in CONTENTS}) == 38
    assert all(chapter.title and chapter.part and chapter.can for chapter in CONTENTS)


@pytest.mark.parametrize(
    "given",
    ["04", "4", 4, "convolution", "04-convolution", "04-convolution.ipynb", "chapters/04-convolution.ipynb", "Convolution"],
)
def test_a_chapter_is_found_by_number_slug_or_file(given):
    assert find(given).name == "04-convolution"


def test_a_beginning_is_enough_when_only_one_chapter_has_it():
    assert find("trans").slug == "transformer"
    assert find("05-conv").slug == "convolution-gradients"


def test_a_beginning_that_fits_several_chapters_is_refused_with_the_candidates():
    with pytest.raises(CourseError, match="04-convolution, 05-convolution-gradients"):
        find("conv")


@pytest.mark.parametrize(
    ("given", "meant"), [("convolutoin", "04-convolution"), ("07-rmn", "07-rnn"), ("atention-transformer", "10-transformer")]
)
def test_an_unknown_chapter_gets_the_nearest_names(given, meant):
    with pytest.raises(CourseError, match=meant):
        find(given)


def test_no_name_at_all_is_unknown():
    with pytest.raises(CourseError, match="unknown chapter ''"):
        find("")


def test_a_number_beyond_the_last_chapter_gets_the_range():
    with pytest.raises(CourseError, match="01-tensors … 38-capstone"):
        find("99")


def test_nearest_looks_over_upper_case():
    assert nearest("LABTOP", ["smoke", "laptop"]) == ["laptop"]


def test_unknown_names_all_valid_names_when_they_are_few_and_none_when_there_are_none():
    assert "Valid: smoke, laptop" in str(unknown("profile", "xyz", ["smoke", "laptop"]))
    assert "none yet" in str(unknown("profile", "xyz", []))
