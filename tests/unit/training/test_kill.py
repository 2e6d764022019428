"""A run that dies by SIGKILL, and one that never did, end with the same numbers."""

import json
import signal
import subprocess
import sys

import pytest

from mmlearn.training.checkpoint import load_checkpoint

RUN = """
import json, os, signal, sys
import torch, torch.nn.functional as F
from torch import nn
from mmlearn.training import fit

path, where, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
calls = {"loss": 0, "replace": 0}

def counted(name, function):
    def call(*arguments, **keywords):
        calls[name] += 1
        if name == where and calls[name] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **keywords)
    call.__name__ = function.__name__
    return call

os.replace = counted("replace", os.replace)
torch.set_num_threads(1)
torch.manual_seed(0)
inputs = torch.randn(60, 2)
labels = (inputs.sum(dim=1) > 0).long()
model = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
history = fit(
    model, (inputs[:40], labels[:40]), (inputs[40:], labels[40:]), epochs=6, batch_size=10, lr=0.01, clip=1.0, patience=5,
    loss=counted("loss", F.cross_entropy), checkpoint=path, progress=False,
    scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6),
)
weights = [tensor.tolist() for tensor in model.state_dict().values()]
epochs = [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in history.epochs]
print(json.dumps([epochs, weights]))
"""


def run(path, where="never", count=0):
    return subprocess.run([sys.executable, "-c", RUN, path, where, str(count)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory):
    result = run(tmp_path_factory.mktemp("whole") / "run.safetensors")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("where", "count", "saved"),
    [
        ("loss", 21, 3),  # (4 training + 2 validation steps) an epoch: in the middle of epoch 4
        ("replace", 4, 2),  # the second checkpoint has been moved to .previous, the third not yet to its name
    ],
)
def test_after_a_kill_the_run_goes_on_to_the_very_same_numbers(tmp_path, never_killed, where, count, saved):
    path = tmp_path / "run.safetensors"
    assert run(path, where, count).returncode == -signal.SIGKILL
    assert len(load_checkpoint(path)["history"]) == saved
    resumed = run(path)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout) == never_killed
