"""The `mmlearn` command. Each command parses its options here and leaves the work to mmlearn.course."""

import signal
import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
    from rich.console import Console
    from rich.text import Text
except ImportError as problem:  # the one moment when `mmlearn doctor` itself cannot start
    sys.exit(f"mmlearn needs the package {problem.name}, which is not installed here. Run:  python -m mmlearn.course.doctor")

from mmlearn.course.clone import CHAPTERS, SOLUTIONS, choose, find_clone, notebooks
from mmlearn.course.errors import CourseError
from mmlearn.course.settings import check_profile

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Multimodal deep learning from the equations up: open, run, check and build the course's notebooks.",
    epilog="Begin with  [bold]mmlearn lab[/bold]. Something is wrong?  [bold]mmlearn doctor[/bold]",
)
console = Console()

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="CHAPTERS", help="Numbers or names; all when left out.", show_default=False),
]


def examples(lines):
    """The examples below a command's help text, {what is typed: what it does}."""
    width = max(map(len, lines))
    return "[bold]Examples[/bold]\n" + "\n".join(f"  {typed:<{width}}   [dim]{does}[/dim]" for typed, does in lines.items())


def say(text, style=""):
    """Print text as it is: no markup, no colours for numbers, no line breaks of ours."""
    console.print(Text(text, style=style), soft_wrap=True)


@app.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        {
            "mmlearn lab": "the list of chapters",
            "mmlearn lab 04": "one chapter",
            "mmlearn lab 04 --no-browser --port 9999 --ip 0.0.0.0": "Jupyter's options",
        }
    ),
)
def lab(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[CHAPTER] [JUPYTER OPTIONS]", help="A chapter, first; the rest is Jupyter's.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
    port: Annotated[int | None, typer.Option(help="Port of the server; the next free one when it is taken.")] = None,
):
    """Open JupyterLab on the chapters, or on one of them."""
    from mmlearn.course.jupyter import become, lab_command
    from mmlearn.course.trust import trust_built_chapters

    root, options, notebook = find_clone(), arguments or [], None
    if options and not options[0].startswith("-"):
        name, *options = options
        notebook = next(iter(choose([name], root).values()))
    trust_built_chapters(root)
    become(lab_command(root, notebook, browser, port, options))


@app.command("list", epilog=examples({"mmlearn list": "all chapters", "mmlearn list --written": "those that can be opened"}))
def list_chapters(written: Annotated[bool, typer.Option("--written", help="Leave out what is planned.")] = False):
    """List the chapters and what you can do after each."""
    from mmlearn.course.tables import chapter_tables

    existing = notebooks(find_clone())
    for table in chapter_tables(existing, written):
        console.print(table)
    say(f"{len(existing)} written. Open one:  mmlearn lab {next(iter(existing)).number if existing else 'CHAPTER'}")


@app.command(
    epilog=examples(
        {
            "mmlearn run 04 05 --profile smoke --jobs 2": "two at once, tiny sizes",
            "mmlearn run --solutions": "all, exercises solved",
            "mmlearn run convolution --force --output out": "again, and elsewhere",
        }
    )
)
def run(
    names: Names = None,
    profile: Annotated[str, typer.Option(help="smoke, laptop or gpu.")] = "laptop",
    jobs: Annotated[int, typer.Option(min=1, help="How many chapters at once, each on one thread.")] = 1,
    output: Annotated[
        Path | None, typer.Option(help="Folder for notebooks and report.", show_default="mmlearn-runs/PROFILE")
    ] = None,
    solutions: Annotated[bool, typer.Option("--solutions", help="Run the solved notebooks.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run also what has passed and is unchanged.")] = False,
):
    """Run chapters from top to bottom; write executed notebooks, pages and a report.

    What has passed before and is unchanged since (notebook, profile, package, torch) is skipped.
    The exit code is 1 when a cell fails.
    """
    from mmlearn.course.progress_bars import CellBars
    from mmlearn.course.runner import Runs

    profile, folder, root = check_profile(profile), SOLUTIONS if solutions else CHAPTERS, find_clone()
    chapters = choose(names or [], root, folder)
    if not chapters:
        raise CourseError(f"there is no notebook in {root / folder}; mmlearn build writes chapters/ from solutions/")
    output = output or root / "mmlearn-runs" / (f"{profile}-solutions" if solutions else profile)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being terminated ends as cleanly as Ctrl-C
    with CellBars(console, [chapter.name for chapter in chapters]) as bars:
        results = Runs(profile, output, jobs, on_cell=bars.advance, on_result=bars.finish).run(chapters, force)
    failed = [result for result in results if result.status == "failed"]
    for result in failed:
        say(f"{result.chapter}: {result.cell}: {result.error}", "red")
    if (output / "index.html").exists():
        say(f"Report: {(output / 'index.html').resolve()}")
    if cut_off := [result.chapter for result in results if result.status == "interrupted"]:
        done = ", ".join(result.chapter for result in results if result.chapter not in cut_off) or "nothing"
        say(f"Interrupted. Done: {done}. Not done: {', '.join(cut_off)}. The same command goes on there.")
        raise typer.Exit(130)
    raise typer.Exit(1 if failed else 0)


@app.command(
    epilog=examples(
        {
            "mmlearn build": "write what is stale",
            "mmlearn build --check": "name what is stale",
            "mmlearn build --execute 04 05": "run two solutions first, then build",
        }
    )
)
def build(
    names: Names = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 when something is stale.")] = False,
    execute: Annotated[bool, typer.Option("--execute", help="First run the named solutions and store their outputs.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite chapters that somebody has worked in.")] = False,
):
    """Write chapters/ from solutions/, and the course's address and list of chapters where they are shown.

    For authors. The same sources give the same bytes, every time.
    """
    from mmlearn.course import build as builder
    from mmlearn.course import documents

    if names and not execute:
        raise CourseError("the build writes all chapters together; name chapters only with --execute")
    if check and (execute or force):
        raise CourseError("--check writes nothing, so it goes with neither --execute nor --force")
    root = find_clone()
    if check:
        problems = builder.check(root)
        for problem in problems:
            say(problem, "red")
        if not problems:
            say("chapters/ and the documents agree with solutions/")
        raise typer.Exit(1 if problems else 0)
    written = builder.build(root, force)
    if execute:
        _execute(root, choose(names or [], root, SOLUTIONS))
        written += [path for path in builder.build(root, force) if path not in written]
    for path in written:
        say(f"wrote {path.relative_to(root)}")
    if not written:
        say("nothing to do: chapters/ and the documents agree with solutions/")
    for problem in builder.superfluous(root) + documents.problems(root):
        say(f"note: {problem}", "yellow")


def _execute(root, chapters):
    from mmlearn.course.execute import execute_in_place
    from mmlearn.course.progress_bars import CellBars

    with CellBars(console, [chapter.name for chapter in chapters]) as bars:
        for chapter, path in chapters.items():
            execute_in_place(path, root, lambda done, total, name=chapter.name: bars.advance(name, done, total))


@app.command(epilog=examples({"mmlearn doctor": "a dozen checks in a few seconds"}))
def doctor():
    """Look for what can be wrong with this installation, and say what to do about it.

    The exit code is 1 when something must be mended, 0 when there are warnings at most.
    """
    from mmlearn.course.doctor import main as examine

    raise typer.Exit(examine(lambda text, style: say(text, style)))


@app.command(epilog=examples({"mmlearn progress": "a bar for each chapter"}))
def progress():
    """Show which exercises you have solved, chapter by chapter, and what comes next."""
    from mmlearn.course.tables import next_step, progress_table
    from mmlearn.exercises.progress import summary

    rows = summary()
    if rows:
        console.print(progress_table(rows))
    say(next_step(rows))


def main():
    """The entry point: a mistake of the reader's ends in one line and exit code 2, Ctrl-C in 130."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that knows no ✓ shows ? and goes on
    try:
        app(prog_name="mmlearn")
    except CourseError as mistake:
        Console(stderr=True).print(Text(f"mmlearn: {mistake}", style="red"), soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
