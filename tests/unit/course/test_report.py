"""The page that shows how a run went."""

import re
from html.parser import HTMLParser

from mmlearn.course.report import report
from mmlearn.course.runner import Result

PASSED = Result("04-convolution", "Convolution", "passed", 12.5, 30, "2026-03-01T10:00:00+00:00", page="04-convolution.html")
FAILED = Result(
    *("05-convolution-gradients", "Gradients <of>", "failed", 3.0, 20, "2026-03-02T10:00:00+00:00"),
    cell="cell [7] (id abc) 'a < b'",
    error="ValueError: <script>alert(1)</script>",
    note="no page",
)


class Tags(HTMLParser):
    """The tags of a page with their attributes, and whether each is closed in order."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere():
    page = report([PASSED, FAILED], "smoke")
    assert Tags(page).open == []
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert "@import" not in page
    assert "url(" not in page


def test_every_result_is_a_row_with_link_status_seconds_and_cells():
    page = report([PASSED, FAILED], "smoke")
    assert '<a href="04-convolution.html">04 Convolution</a>' in page
    assert '<a href="05-convolution-gradients.ipynb">05 Gradients &lt;of&gt;</a>' in page  # it has no page
    assert re.search(r"✓ passed.*12\.5.*>30<", page)
    assert re.search(r"✗ failed.*3\.0.*>20<.*cell \[7\] \(id abc\)", page)
    assert "1 of 2 chapters failed" in page
    assert "15.5 s of computing · last run 2026-03-02 10:00" in page


def test_text_from_notebooks_is_escaped():
    page = report([FAILED], "smoke")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_can_be_read_without_eyes_and_in_the_dark():
    page = report([PASSED, FAILED], "smoke")
    tags = Tags(page)
    assert tags.all("html") == [{"lang": "en"}]
    assert all(image["role"] == "img" and image["aria-label"] for image in tags.all("svg"))
    assert {heading["scope"] for heading in tags.all("th")} == {"col", "row"}
    assert len(tags.all("caption")) == len(tags.all("main")) == len(tags.all("h1")) == 1
    assert "prefers-color-scheme: dark" in page


def test_no_result_and_no_time_are_no_error():
    assert "0 chapters passed" in report([], "smoke")
    assert "1 chapter passed" in report([Result("04-convolution", "C", "passed", 0, 1)], "smoke")
