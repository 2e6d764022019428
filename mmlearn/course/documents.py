"""The documents beside the notebooks that name the course's address or list its chapters."""

import re

from mmlearn.course.clone import CHAPTERS, SOLUTIONS, notebooks
from mmlearn.course.contents import CONTENTS
from mmlearn.course.settings import colab_badge

BEGIN, END = "<!-- chapters:begin -->", "<!-- chapters:end -->"
_OWNER_AND_NAME = r"[\w-]+/[\w.-]*[\w-]"


def wanted_documents(root, address):
    """What README.md, CONTRIBUTING.md and CITATION.cff must contain, as far as they exist: {path: text}."""
    rewrite = {"README.md": _readme, "CONTRIBUTING.md": _addresses, "CITATION.cff": _citation}
    existing = {root / name: function for name, function in rewrite.items() if (root / name).is_file()}
    return {path: function(path.read_text(encoding="utf-8"), address, root) for path, function in existing.items()}


def problems(root):
    """One line for each place that the build fills in and does not find."""
    needed = {
        "README.md": (f"{BEGIN}.*{END}", f"the table of chapters has no place; put the lines {BEGIN} and {END} where it belongs"),
        "CITATION.cff": (
            r"^repository-code:",
            "it has no line that begins with repository-code: for the course's address; add one",
        ),
    }
    existing = {name: (root / name).read_text(encoding="utf-8") for name in needed if (root / name).is_file()}
    return [
        f"{name}: {needed[name][1]}"
        for name, text in existing.items()
        if not re.search(needed[name][0], text, re.DOTALL | re.MULTILINE)
    ]


def chapter_table(written, address):
    """The table of contents in Markdown, with links to the chapters that are written."""
    lines, part = [], None
    for chapter in CONTENTS:
        if chapter.part != part:
            part = chapter.part
            lines += ["", f"**Part {part}**", "", "| | Chapter | Afterwards you can … | |", "|---|---|---|---|"]
        if chapter in written:
            title, colab = f"[{chapter.title}]({CHAPTERS}/{chapter.name}.ipynb)", colab_badge(chapter, address)
        else:
            title, colab = chapter.title, "planned"
        lines.append(f"| {chapter.number} | {title} | {chapter.can} | {colab} |")
    return "\n".join(lines).strip("\n")


def filled(text, name, content, document):
    """The document's text with the content between the lines <!-- name:begin --> and <!-- name:end -->.

    Raises ValueError, which names the document and says what to add, where it lacks one of them.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"{document} has no place for the {name}: put the lines {begin} and {end} where it belongs")
    return f"{before}{begin}\n{content}\n{end}{after}"


def _readme(text, address, root):
    table = chapter_table(notebooks(root, SOLUTIONS), address)
    text = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.DOTALL)
    return _addresses(text, address, root)


def _addresses(text, address, root):
    """Put the course's address into the lines that clone it, install it or open it in Colab."""
    text = re.sub(rf"(git clone |git\+)https://github\.com/{_OWNER_AND_NAME}", lambda found: found[1] + address, text)
    path = address.removeprefix("https://github.com/")
    return re.sub(rf"(colab\.research\.google\.com/github/){_OWNER_AND_NAME}(?=/blob/)", lambda found: found[1] + path, text)


def _citation(text, address, root):
    return re.sub(r"^repository-code:.*$", f'repository-code: "{address}"', text, flags=re.MULTILINE)
