"""What every notebook must keep to, beyond what ruff sees. One line for each problem; exit status 1 when there is one.

.venv/bin/python tools/lint_notebooks.py                               all notebooks of solutions/ and chapters/
.venv/bin/python tools/lint_notebooks.py solutions/04-convolution.ipynb
"""

import ast
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 30
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
GENERATED = ("badge", "parameters", "setup")
CLOSING = ("what to remember", "references")
OPENING = {
    r"you can\b|able to": "what the reader can do afterwards",
    r"you need": "what the reader needs",
    r"minute|hour": "how long it takes",
    r"\bcpu\b|laptop": "how long it takes on a CPU",
    r"\bgpu\b": "how long it takes on a GPU",
}

# Written in pieces, so that this file does not contain what it looks for.
HOSTS = ("pypi" + ".org", "python" + "hosted.org", "anaconda" + ".org", "download.py" + "torch.org", "pypi" + ".tuna")
HOST = re.compile("|".join(map(re.escape, HOSTS)))
FOLDERS = "|".join(("home", "root", "work", "tmp", "Users", "var/folders"))
MACHINE_PATH = re.compile(rf"(?:(?<![\w.+/~])|file://)/(?:{FOLDERS})/[\w.-]")
MARKDOWN_IMAGE = re.compile(r"!\[([^\]]*)\]\(")
MARKER = re.compile(r"###\s*(BEGIN|END)\b")
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Images(HTMLParser):
    """Collects the alt texts of <img> tags; None where there is none."""

    def __init__(self, text):
        super().__init__()
        self.alts = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.alts.append(dict(attributes).get("alt"))


def tags(cell):
    return cell["metadata"].get("tags", [])


def source(cell):
    return "".join(cell["source"])


def text(value):
    return "".join(value) if isinstance(value, list) else value


def without_alt(html):
    return sum(not (alt or "").strip() for alt in Images(html).alts)


def output_problems(cell):
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            yield f"stored error: {output['ename']}: {output['evalue']}"
        data = output.get("data", {})
        for kind in data:
            if kind.startswith("image/"):
                yield f"an output of type {kind}, which cannot carry alt text: show it with mmlearn.show"
        if count := without_alt(text(data.get("text/html", ""))):
            yield f"{count} image(s) without alt text in the output"


def markdown_problems(cell):
    if count := without_alt(source(cell)):
        yield f"{count} <img> without alt text"
    for alt in MARKDOWN_IMAGE.findall(source(cell)):
        if not alt.strip():
            yield "a Markdown image without alt text: write ![what it shows](…)"


def code_problems(cell):
    from IPython.core.inputtransformer2 import TransformerManager

    if (lines := len(source(cell).splitlines())) > MOST_LINES:
        yield f"{lines} lines of code; {MOST_LINES} at most: split the cell"
    try:
        ast.parse(TransformerManager().transform_cell(source(cell)))
    except SyntaxError as error:
        yield f"does not parse: {error.msg} (line {error.lineno})"


def cell_problems(cell):
    if cell["cell_type"] == "code":
        yield from code_problems(cell)
    elif cell["cell_type"] == "markdown":
        yield from markdown_problems(cell)
    yield from output_problems(cell)
    content = source(cell) + json.dumps(cell.get("outputs", []), ensure_ascii=False)
    if found := MACHINE_PATH.search(content):
        yield f"a path of one machine: {content[found.start() : found.start() + 40]!r}"
    if found := HOST.search(content):
        yield f"the address of a package registry: {found.group()!r}"


def id_problems(cells):
    ids = [cell.get("id", "") for cell in cells]
    for place, name in enumerate(ids):
        if not CELL_ID.fullmatch(name):
            yield place, f"cell id {name!r} is missing or malformed"
        elif name in ids[:place]:
            yield place, f"cell id {name!r} is used twice"


def anatomy_problems(cells):
    """Title, badge, what it is for, parameters, set-up · sections, an interactive figure · the two closing sections."""
    if not cells or cells[0]["cell_type"] != "markdown" or not re.match(r"# \S", source(cells[0])):
        yield "the first cell is not the title (# …)"
    places = {tag: [place for place, cell in enumerate(cells) if tag in tags(cell)] for tag in GENERATED}
    for tag, found in places.items():
        if len(found) != 1:
            yield f"{len(found)} cells tagged {tag!r}; one is needed"
    order = [found[0] for found in places.values() if found]
    if order != sorted(order):
        yield "the tagged cells must come in this order: " + ", ".join(GENERATED)
    opening = " ".join(source(cell) for cell in cells[: max(order, default=0)] if cell["cell_type"] == "markdown").lower()
    for words, meaning in OPENING.items():
        if not re.search(words, opening):
            yield f"before the set-up cell, nothing says {meaning} (no {words})"
    prose = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    headings = re.findall(r"^## +(.+?)\s*$", prose, re.MULTILINE)
    if tuple(heading.lower().rstrip(".") for heading in headings[-2:]) != CLOSING:
        yield f"the last two sections must be ## What to remember and ## References; they are {headings[-2:]}"
    if not re.search(r"^#+ .*open question", prose, re.IGNORECASE | re.MULTILINE):
        yield "no open question (a heading that says so)"
    if not any(WIDGET_VIEW in output.get("data", {}) for cell in cells for output in cell.get("outputs", [])):
        yield "no interactive figure (no cell shows a widget)"


def exercise_problems(cells):
    kinds = [(place, tag) for place, cell in enumerate(cells) for tag in ("exercise", "check") if tag in tags(cell)]
    if not any(tag == "exercise" for _, tag in kinds):
        yield 0, "no exercise"
    for (place, tag), (_, following) in zip(kinds, [*kinds[1:], (0, "end")], strict=True):
        if tag == "exercise" and following != "check":
            yield place, "an exercise that no cell tagged 'check' follows"


def widget_problems(notebook):
    saved = notebook["metadata"].get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for model in saved.values():
        value = model.get("state", {}).get("value")
        outputs = model.get("state", {}).get("outputs", [])
        pages = [text(output.get("data", {}).get("text/html", "")) for output in outputs]
        pages += [value] if isinstance(value, str) else []
        if any(map(without_alt, pages)):
            yield "a saved widget holds an image without alt text"


def solution_problems(cells):
    """An author has run the notebook from top to bottom, once."""
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code" and source(cell).strip()]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not run from top to bottom in a fresh kernel: execution counts {counts}"


def chapter_problems(cells):
    for place, cell in enumerate(cells):
        if MARKER.search(source(cell)):
            yield place, "a solution's or hidden test's marker"
        if {"exercise", "check", "predict"} & set(tags(cell)) and cell.get("outputs"):
            yield place, "outputs in an exercise or check cell"
        if cell.get("outputs") and cell["execution_count"] is None:
            yield place, "outputs without an execution count, which nbval refuses"


def problems(notebook, folder):
    """All problems of a notebook, given as parsed JSON; `folder` is "chapters" or "solutions"."""
    cells = notebook["cells"]
    placed = [(place, problem) for place, cell in enumerate(cells) for problem in cell_problems(cell)]
    placed += [*id_problems(cells), *exercise_problems(cells)]
    whole = [*anatomy_problems(cells), *widget_problems(notebook)]
    if folder == "chapters":
        placed += chapter_problems(cells)
    else:
        whole += solution_problems(cells)
    return whole + [f"cell {place} ({cells[place].get('id', '')}): {problem}" for place, problem in sorted(placed)]


def main(names):
    paths = [Path(name).resolve() for name in names] or sorted([*ROOT.glob("solutions/*.ipynb"), *ROOT.glob("chapters/*.ipynb")])
    found = 0
    for path in paths:
        for problem in problems(json.loads(path.read_text(encoding="utf-8")), path.parent.name):
            print(f"{path.parent.name}/{path.name}: {problem}")
            found += 1
    print(f"{len(paths)} notebooks, {found} problems")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
