"""Measure, print and write RESULTS.md beside this file: `make bench`. Half a minute, on a machine that does nothing else."""

import os
from pathlib import Path

import torch
from convolution import conv2d, forms
from importing import importing
from layers import layers
from recurrent import attention, sequences
from rich.console import Console
from world import world

SECTIONS = {
    "Convolution": conv2d,
    "Its definitions": forms,
    "The other operations": layers,
    "Recurrent sequences": sequences,
    "Attention": attention,
    "Scenes": world,
    "Import": importing,
}
HEADER = """# Measured side by side

Each operation of `mmlearn.ops` and its rival in `torch.nn.functional` run by turns in one process, in float32 on one thread. The
scenes' rival is a loop that draws each with Pillow, four times as large, and reduces it. The times are medians; the ratio is the
median of the ratios of neighbouring measurements, so that what else the machine did falls on both. Below 1, ours is the faster.
Written by `make bench`.

Machine: {cores} CPU cores; torch {version}.
"""


def seconds(value):
    """A time in the unit that suits it.

    >>> seconds(0.00123), seconds(2.5), seconds(1.2e-5)
    ('1.23 ms', '2.50 s', '12.0 µs')
    """
    for unit, size in {"s": 1, "ms": 1e-3}.items():
        if value >= size:
            return f"{value / size:.1f} {unit}" if value / size >= 10 else f"{value / size:.2f} {unit}"
    return f"{value * 1e6:.1f} µs"


def ratio(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def row(comparison):
    goal = "" if comparison.goal is None else f"≤ {comparison.goal}"
    return [comparison.what, seconds(comparison.ours), seconds(comparison.rival), ratio(comparison.ratio), goal]


def measure(console):
    """Run every section, showing each line when it is known: {section: rows}."""
    torch.set_num_threads(1)
    found = {}
    for title, section in SECTIONS.items():
        console.rule(title)
        found[title] = []
        for comparison in section():
            what, ours, rival, times, goal = cells = row(comparison)
            found[title].append(cells)
            missed = comparison.goal is not None and comparison.ratio > comparison.goal
            console.print(f"{what}\n    ours {ours}, rival {rival}, [{'red' if missed else 'green'}]ratio {times}[/] {goal}")
    return found


def report(found):
    """RESULTS.md, from {section: rows}."""
    lines = [HEADER.format(cores=os.cpu_count(), version=torch.__version__.split("+")[0])]
    for title, rows in found.items():
        lines += [f"## {title}", "", "| what | ours | rival | ratio | goal |", "|---|---:|---:|---:|---:|"]
        lines += [f"| {' | '.join(cells)} |" for cells in rows]
        lines += [""]
    return "\n".join(lines)


if __name__ == "__main__":
    target = Path(__file__).with_name("RESULTS.md")
    target.write_text(report(measure(Console())), encoding="utf-8")
    print(f"written: {target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target}")
