"""The tables of `mmlearn list` and `mmlearn progress`."""

import io

from rich.console import Console

from mmlearn.course.contents import find
from mmlearn.course.tables import chapter_tables, next_step, progress_table


def printed(*tables):
    console = Console(file=io.StringIO(), width=120)
    for table in tables:
        console.print(table)
    return console.file.getvalue()


def row(name, status, attempts=0, chapter="04"):
    return {"chapter": chapter, "name": name, "title": name.title(), "status": status, "attempts": attempts}


def test_all_chapters_are_listed_by_part_and_planned_ones_say_so():
    text = printed(*chapter_tables([find("04")]))
    assert text.count("(planned)") == 37
    assert "Part II · Encoders" in text
    assert "smart-try-on" in text


def test_only_written_chapters_are_listed_when_asked():
    text = printed(*chapter_tables([find("04")], only_written=True))
    assert "convolution" in text
    assert "planned" not in text
    assert "Part I ·" not in text


def test_progress_counts_the_solved_and_names_the_open_exercises():
    rows = [row("loops", "passed", 1), row("im2col", "failed", 3), row("stride", "untouched"), row("dw", "passed", 2, "05")]
    first, second = (line for line in printed(progress_table(rows)).splitlines() if line.strip()[:2] in ("04", "05"))
    assert "04 Convolution, three ways" in first
    assert "1 of 3" in first
    assert "im2col (tried 3×), stride" in first
    assert first.count("━") == 3
    assert "1 of 1" in second
    assert second.count("━") == 10


def test_a_chapter_outside_the_table_of_contents_is_shown_by_its_number():
    assert "99" in printed(progress_table([row("x", "passed", 1, "99")]))


def test_the_next_step_is_the_first_exercise_that_is_not_solved():
    rows = [row("loops", "passed", 1), row("im2col", "untouched"), row("stride", "failed", 2)]
    assert next_step(rows) == "Next: Im2Col (im2col, chapter 04):  mmlearn lab 04"
    assert "Every exercise is solved" in next_step(rows[:1])
    assert "mmlearn lab" in next_step([])
