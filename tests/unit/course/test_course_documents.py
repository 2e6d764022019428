"""README.md, CONTRIBUTING.md and CITATION.cff carry the course's one address and its list of chapters."""

from mmlearn.course.build import build, check
from mmlearn.course.contents import CONTENTS, find
from mmlearn.course.documents import chapter_table

ADDRESS = "https://github.com/somebody/somecourse"
README = """# Course
git clone https://github.com/old/name.git
git clone https://github.com/old/name
pip install "mmlearn-course @ git+https://github.com/old/name"
[first chapter](https://colab.research.google.com/github/old/name/blob/main/chapters/04-convolution.ipynb)
See https://github.com/other/project.
<!-- chapters:begin -->
old table
<!-- chapters:end -->
end
"""


def test_readme_gets_the_address_and_the_table_and_keeps_the_rest(clone):
    readme = clone.root / "README.md"
    readme.write_text(README)
    clone.solution("04")
    build(clone.root)
    text = readme.read_text()
    assert text.count(f"git clone {ADDRESS}\n") == 2
    assert f"git+{ADDRESS}" in text
    assert "old/name" not in text
    assert "old table" not in text
    assert "See https://github.com/other/project." in text
    assert text.startswith("# Course\n")
    assert text.endswith("<!-- chapters:end -->\nend\n")
    assert check(clone.root) == []


def test_the_table_links_what_is_written_and_lists_what_is_planned():
    lines = chapter_table([find("04")], ADDRESS).splitlines()
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in lines if line[2:4].isdigit()}
    assert list(rows) == [chapter.number for chapter in CONTENTS]
    assert "(chapters/04-convolution.ipynb)" in rows["04"]
    assert "somebody/somecourse/blob/main/chapters/04-convolution.ipynb" in rows["04"]
    assert "[![Open chapter 04 in Colab]" in rows["04"]
    assert all("planned" in row and "](" not in row for number, row in rows.items() if number != "04")


def test_a_stale_document_is_named(clone):
    (clone.root / "README.md").write_text(README)
    (clone.root / "CONTRIBUTING.md").write_text("git clone https://github.com/old/name\n")
    (clone.root / "CITATION.cff").write_text('title: x\nrepository-code: "https://github.com/old/name"\n')
    assert {line.split(":")[0] for line in check(clone.root)} == {"README.md", "CONTRIBUTING.md", "CITATION.cff"}
    build(clone.root)
    assert check(clone.root) == []
    assert (clone.root / "CITATION.cff").read_text() == f'title: x\nrepository-code: "{ADDRESS}"\n'


def test_a_document_without_the_places_to_fill_is_named(clone):
    (clone.root / "README.md").write_text("# Course\n")
    (clone.root / "CITATION.cff").write_text("title: x\n")
    readme, citation = check(clone.root)
    assert "<!-- chapters:begin -->" in readme
    assert "repository-code:" in citation
