import io
import sys

import pytest

from mmlearn.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def train(stdout, monkeypatch, shown=True, steps=3):
    monkeypatch.setattr(sys, "stdout", stdout)
    bar = Progress(shown, epochs=2, steps=steps, done=0)
    for epoch in (1, 2):
        bar.epoch(epoch)
        for _ in range(3):
            bar.step(0.5)
        bar.record({"train_loss": 0.5, "train_accuracy": 0.7, "validation_loss": 0.25, "validation_accuracy": 0.75, "lr": 0.1})
    bar.finish("2 epochs done")
    return stdout.getvalue()


@pytest.mark.parametrize("steps", [3, None])
@pytest.mark.parametrize("stdout", [io.StringIO, Terminal])
def test_one_line_stays_and_says_how_it_ended(monkeypatch, stdout, steps):
    said = train(stdout(), monkeypatch, steps=steps)
    last = said.split("\r")[-1]
    assert last.startswith("2 epochs done (")
    assert last.endswith(" s): train_loss 0.5000, validation_loss 0.2500, validation_accuracy 0.7500\n")
    assert said.count("\n") == 1


def test_a_log_file_gets_that_line_alone(monkeypatch):
    assert "\r" not in train(io.StringIO(), monkeypatch)


def test_silence_when_asked_for(monkeypatch):
    assert train(Terminal(), monkeypatch, shown=False) == ""


def test_a_notebook_stores_one_output_with_the_last_line(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    source = (
        "import torch\nfrom mmlearn.training import fit\n"
        "fit(torch.nn.Linear(2, 2), (torch.zeros(8, 2), torch.zeros(8, dtype=torch.long)), epochs=3);"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=tmp_path)
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert output.data["text/plain"].startswith("3 epochs done (")
    assert "\r" not in output.data["text/plain"]
