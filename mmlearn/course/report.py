"""The page that shows how a run went: one file, readable in light and dark, by eye and by screen reader."""

import html

_STYLE = """
:root {
  color-scheme: light dark;
  --text: #1b1f24; --quiet: #57606a; --back: #ffffff; --line: #d0d7de; --blue: #0072b2; --red: #b3261e; --green: #1a6b3c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6edf3; --quiet: #9da7b1; --back: #0f1419; --line: #30363d; --blue: #56b4e9; --red: #ff8a80; --green: #6fd08c;
  }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 68rem; margin: 2rem auto; }
main { padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; }
p, caption { color: var(--quiet); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding-bottom: .5rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid var(--line); }
tbody th { font-weight: inherit; }
thead th, .passed, .failed { font-weight: 600; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.passed { color: var(--green); }
.failed { color: var(--red); }
a { color: var(--blue); }
code { font: .85em/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
svg { display: block; margin-left: auto; fill: var(--blue); }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{headline} · mmlearn run</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{headline}</h1>
<p>Profile {profile} · {seconds} s of computing · last run {when}</p>
<div class="scroll" role="region" aria-label="Results" tabindex="0">
<table>
<caption>Each chapter links to its executed notebook.</caption>
<thead><tr><th scope="col">Chapter</th><th scope="col">Status</th><th scope="col" class="number">Seconds</th>
<th scope="col" class="number">Cells</th><th scope="col">What failed</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</main>
</body>
</html>
"""


def report(results, profile):
    """The page for a list of results (chapter, title, status, seconds, cells, cell, error, page, note, when), as HTML."""
    failed = sum(result.status == "failed" for result in results)
    slowest = max([result.seconds for result in results], default=0)
    return _PAGE.format(
        headline=f"{failed} of {_count(len(results))} failed" if failed else f"{_count(len(results))} passed",
        style=_STYLE,
        profile=html.escape(profile),
        seconds=f"{sum(result.seconds for result in results):.1f}",
        when=html.escape(max((result.when for result in results), default="never").replace("T", " ")[:16]),
        rows="\n".join(_row(result, slowest) for result in results),
    )


def _count(number):
    return f"{number} chapter{'' if number == 1 else 's'}"


def _row(result, slowest):
    link = f"{result.chapter}.html" if result.page else f"{result.chapter}.ipynb"
    status = {"passed": "✓ passed", "failed": "✗ failed"}[result.status]
    where = f"{html.escape(result.cell)}<br><code>{html.escape(result.error)}</code>" if result.status == "failed" else ""
    note = f"<br>{html.escape(result.note)}" if result.note else ""
    return (
        f'<tr><th scope="row"><a href="{html.escape(link)}">{result.chapter[:2]} {html.escape(result.title)}</a></th>'
        f'<td class="{result.status}">{status}</td><td class="number">{result.seconds:.1f}{_bar(result, slowest)}</td>'
        f'<td class="number">{result.cells}</td><td>{where}{note}</td></tr>'
    )


def _bar(result, slowest):
    """The seconds as a bar, as long as the slowest chapter's at most."""
    width = 80 * result.seconds / slowest if slowest else 0
    label = f"{result.seconds:.1f} of the slowest chapter's {slowest:.1f} seconds"
    return (
        f'<svg role="img" aria-label="{label}" width="80" height="6" viewBox="0 0 80 6">'
        f'<rect x="{80 - width:.1f}" width="{width:.1f}" height="6" rx="2"/></svg>'
    )
