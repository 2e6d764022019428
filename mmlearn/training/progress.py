"""A progress bar while a model trains, and one line when it is done."""

import sys
import time

from tqdm import tqdm


class Progress:
    """A tqdm bar on stdout over all steps of all epochs, replaced by one line at the end; nothing with ``shown=False``.

    In a notebook the line is one output that is updated in place, so that the stored output is its last state. Where
    nobody watches (a log file, a pipe), the bar is written once a minute.
    """

    def __init__(self, shown, *, epochs, steps, done):
        self.epochs, self.shown, self.numbers = epochs, shown, ""
        self.started = time.perf_counter()
        self.notebook_line = _NotebookLine() if shown and _in_notebook() else None
        watched = self.notebook_line is not None or sys.stdout.isatty()
        self.bar = tqdm(
            total=epochs * steps if steps else None,
            initial=done * steps if steps else 0,
            file=self.notebook_line or sys.stdout,
            mininterval=0.2 if watched else 60,
            delay=0 if watched else 60,
            ncols=100 if self.notebook_line or not watched else None,
            bar_format="{desc}{bar:20}| {elapsed}<{remaining}{postfix}",
            leave=False,
            disable=not shown,
        )

    def epoch(self, number):
        self.bar.set_description(f"epoch {number}/{self.epochs}", refresh=False)

    def step(self, loss):
        if self.shown:
            self.bar.set_postfix_str(self.numbers or f"train_loss {loss:.4f}", refresh=False)
            self.bar.update()

    def record(self, values):
        """Show the losses and metrics of a completed epoch."""
        names = [name for name in values if name.startswith("validation_")]
        names = ["train_loss", *(names or (name for name in values if name.startswith("train_") and name != "train_loss"))]
        self.numbers = ", ".join(f"{name} {values[name]:.4f}" for name in names)

    def finish(self, reason):
        """Replace the bar by the line that stays."""
        self.close()
        if self.shown:
            line = f"{reason} ({time.perf_counter() - self.started:.1f} s)" + (f": {self.numbers}" if self.numbers else "")
            print(line) if self.notebook_line is None else self.notebook_line.write(line)

    def close(self):
        self.bar.close()


class _NotebookLine:
    """A file for tqdm to write to: shows the last line written, in one output of the notebook that is replaced each time."""

    def __init__(self):
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text):
        if line := text.strip():
            self.handle.update({"text/plain": line}, raw=True)

    def flush(self):
        pass


def _in_notebook():
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
