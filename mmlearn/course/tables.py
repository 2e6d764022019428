"""The tables that `mmlearn list` and `mmlearn progress` print."""

from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

from mmlearn.course.contents import CONTENTS

_BAR = 10


def chapter_tables(existing, only_written=False):
    """One table for each part of the course: number, chapter, what the reader can do. `existing`: the chapters written."""
    for part, chapters in groupby(CONTENTS, key=lambda chapter: chapter.part):
        table = Table(title=f"Part {part}", title_justify="left", title_style="bold", box=box.SIMPLE, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(width=34)
        table.add_column()
        for chapter in chapters:
            name = Text.assemble(chapter.title, "\n", (chapter.slug, "cyan"))
            if chapter in existing:
                table.add_row(chapter.number, name, chapter.can)
            elif not only_written:
                table.add_row(chapter.number, name, f"{chapter.can} (planned)", style="dim")
        if table.row_count:
            yield table


def progress_table(rows):
    """One line for each chapter with exercises: how many are solved, and which are open. `rows`: mmlearn.exercises' summary()."""
    table = Table(box=box.SIMPLE)
    for heading in ("Chapter", "", "Solved", "Open"):
        table.add_column(heading, no_wrap=heading in ("", "Solved"))
    for number, entries in groupby(rows, key=lambda row: row["chapter"]):
        entries = list(entries)
        still_open = [row for row in entries if row["status"] != "passed"]
        solved = len(entries) - len(still_open)
        filled = round(_BAR * solved / len(entries))
        bar = Text.assemble(("━" * filled, "green"), ("─" * (_BAR - filled), "dim"))
        table.add_row(_title(number), bar, f"{solved} of {len(entries)}", ", ".join(map(_name_and_tries, still_open)))
    return table


def _title(number):
    return next((f"{number} {chapter.title}" for chapter in CONTENTS if chapter.number == number), number)


def _name_and_tries(row):
    return f"{row['name']} (tried {row['attempts']}×)" if row["attempts"] else row["name"]


def next_step(rows):
    """What to do next, in one sentence: the first exercise in book order that is not solved."""
    if not rows:
        return "No exercise is known yet. Open a chapter:  mmlearn lab"
    for row in rows:
        if row["status"] != "passed":
            return f"Next: {row['title']} ({row['name']}, chapter {row['chapter']}):  mmlearn lab {row['chapter']}"
    return "Every exercise is solved. The next chapters:  mmlearn list"
