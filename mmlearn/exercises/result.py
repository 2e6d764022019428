"""What a check, a hint or a solution shows: plain text in a terminal, accessible HTML or Markdown in a notebook."""

import html
import re
from dataclasses import dataclass

# Symbol, word and colour of each status. The colours are Okabe and Ito's (2008), told apart by colour-blind readers and visible
# on white and on black; the word says the same without colour.
LOOK = {
    "passed": ("✓", "Passed", "#009E73"),
    "failed": ("✗", "Not yet", "#D55E00"),
    "untouched": ("○", "Not attempted yet", "#808080"),
    "broken": ("!", "The check could not run", "#808080"),
}


@dataclass(frozen=True)
class Result:
    """The outcome of one check.

    status     "passed", "failed", "untouched" (nothing handed in yet) or "broken" (the check itself failed: our fault)
    message    one line: what happened
    diagnosis  the probable reason, in words
    detail     the evidence: the case, expected and got, the student's line
    mistake    the catalogued `Mistake` that was recognised, or None
    """

    status: str
    message: str
    diagnosis: str = ""
    detail: str = ""
    title: str = ""
    more: str = ""
    printed: str = ""
    next_step: str = ""
    mistake: object = None

    @property
    def passed(self):
        return self.status == "passed"

    def __bool__(self):
        return self.passed

    def __str__(self):
        symbol, word, _ = LOOK[self.status]
        lines = [f"{symbol} {word}" + (f" · {self.title}" if self.title else "")]
        lines += [_indent(text) for text in (_sentence(self.message), _sentence(self.diagnosis), self.more) if text]
        lines += ["", _indent(self.detail)] if self.detail else []
        lines += ["", _indent("Your code printed:\n" + _indent(self.printed))] if self.printed else []
        lines += ["", _indent(self.next_step)] if self.next_step else []
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        symbol, word, colour = LOOK[self.status]
        title = f" · {_inline(self.title)}" if self.title else ""
        body = [f'<p style="margin:0 0 .3em"><span aria-hidden="true" style="font-weight:bold">{symbol}</span> '
                f"<strong>{word}</strong>{title}</p>"]  # fmt: skip
        body += [f'<p style="margin:.3em 0">{_inline(_sentence(self.message))}</p>'] if self.message else []
        body += [f'<p style="margin:.3em 0"><strong>{_inline(_sentence(self.diagnosis))}</strong></p>'] if self.diagnosis else []
        body += [f'<p style="margin:.3em 0">{_inline(self.more)}</p>'] if self.more else []
        body += [_block("Details", self.detail)] if self.detail else []
        body += [_block("Your code printed", self.printed)] if self.printed else []
        body += [f'<p style="margin:.5em 0 0">{_inline(self.next_step)}</p>'] if self.next_step else []
        box = f"border-left:6px solid {colour};background:{colour}1f;color:inherit;padding:.6em 1em;max-width:60em"
        return f'<div role="status" style="{box}">{"".join(body)}</div>'


@dataclass(frozen=True)
class Note:
    """Markdown to show: a hint, a solution, a question back."""

    markdown: str

    def __str__(self):
        return self.markdown

    __repr__ = __str__

    def _repr_markdown_(self):
        return self.markdown


def _inline(text):
    """Escaped text in which `code` becomes <code>, *words* <em>; $…$ is left for the notebook's MathJax."""
    parts = re.split(r"(`[^`\n]+`|\$[^$\n]+\$)", html.escape(text))  # inside code and formulas a star is a star
    parts[::2] = [re.sub(r"(?<![\w*])\*([^*\s](?:[^*\n]*[^*\s])?)\*(?![\w*])", r"<em>\1</em>", words) for words in parts[::2]]
    return "".join(f"<code>{part[1:-1]}</code>" if part.startswith("`") else part for part in parts)


def _sentence(text):
    """With a capital at the front, if a word stands there and not a symbol, and a full stop at the end."""
    if re.match(r"a |[a-z]{2,}(?!\w|\.\w|[(\[=])", text):  # U, Σ or X-edges would name another thing than u, σ and x-edges
        text = text[0].upper() + text[1:]
    return text and text + ("" if text[-1] in ".?!:" else ".")


def _block(summary, text):
    """Preformatted text that scrolls sideways, reachable by keyboard."""
    style = "margin:.3em 0;padding:0;background:transparent;color:inherit;line-height:1.35;white-space:pre;overflow-x:auto"
    return (
        f'<details open style="margin:.4em 0"><summary style="cursor:pointer">{summary}</summary>'
        f'<pre tabindex="0" style="{style}">{html.escape(text)}</pre></details>'
    )


def _indent(text, by=2):
    return "\n".join(" " * by + line if line else line for line in text.splitlines())
