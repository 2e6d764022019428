"""One progress bar for a whole training run, which leaves one line behind wherever it is shown."""

import sys

from tqdm import tqdm


class Progress:
    """A tqdm bar over all steps of all epochs, on stdout; nothing at all with ``shown=False``.

    In a notebook the line is updated in place, so that the stored output is its last state.
    """

    def __init__(self, shown, *, epochs, steps, done):
        self.epochs, self.shown = epochs, shown
        live = sys.stdout.isatty() if hasattr(sys.stdout, "isatty") else False
        notebook = shown and _in_notebook()
        self.bar = tqdm(
            total=epochs * steps if steps else None,
            initial=done * steps if steps else 0,
            file=_NotebookLine() if notebook else sys.stdout,
            mininterval=0.5 if notebook else 0.1 if live else 60,  # a log file gets a line a minute
            ncols=110 if notebook or not live else None,
            bar_format="{desc}{bar:20}| {elapsed}<{remaining}{postfix}",
            disable=not shown,
        )

    def epoch(self, number):
        self.bar.set_description(f"epoch {number}/{self.epochs}", refresh=False)

    def step(self, loss):
        if self.shown:
            self.bar.set_postfix_str(f"train_loss {loss:.4f}", refresh=False)
            self.bar.update()

    def record(self, values):
        """Show the losses and metrics of a completed epoch."""
        shown = {name: value for name, value in values.items() if name.startswith(("train_", "validation_"))}
        if any(name.startswith("validation_") for name in shown):
            shown = {name: value for name, value in shown.items() if name == "train_loss" or name.startswith("validation_")}
        self.bar.set_postfix_str(", ".join(f"{name} {value:.4f}" for name, value in shown.items()), refresh=False)

    def finish(self, reason):
        """Leave the reason why training ended as the head of the line."""
        self.bar.set_description(reason, refresh=False)

    def close(self):
        self.bar.close()


class _NotebookLine:
    """A file for tqdm to write to: shows the last line written, in one output of the notebook that is replaced each time."""

    def __init__(self):
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text):
        if line := text.strip("\r\n"):
            self.handle.update({"text/plain": line.rstrip()}, raw=True)

    def flush(self):
        pass


def _in_notebook():
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
