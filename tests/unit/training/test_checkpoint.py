import os

import pytest
import torch

from mmlearn.training.checkpoint import CheckpointMismatch, check_same_model, check_same_run, load_checkpoint, save_checkpoint

STATE = {
    "model": {"weight": torch.arange(6.0).view(2, 3).t(), "steps": torch.tensor(3), "empty": torch.zeros(0, 2)},
    "optimizer": {"state": {0: {"exp_avg": torch.ones(2, dtype=torch.bfloat16)}}, "param_groups": [{"betas": (0.9, 0.999)}]},
    "history": [{"epoch": 1, "loss": 0.1 + 0.2, "worst": float("inf")}],
    "best": None,
    "flag": True,
}


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_what_was_saved_comes_back_to_the_last_bit_and_type(tmp_path):
    save_checkpoint(tmp_path / "new folder" / "run.safetensors", STATE)
    assert same(load_checkpoint(tmp_path / "new folder" / "run.safetensors"), STATE)


def test_tied_weights_are_saved(tmp_path):
    weight = torch.ones(3)
    save_checkpoint(tmp_path / "run.safetensors", {"a": weight, "b": weight})
    assert same(load_checkpoint(tmp_path / "run.safetensors"), {"a": weight, "b": weight})


def test_no_file_is_no_checkpoint(tmp_path):
    assert load_checkpoint(tmp_path / "run.safetensors") is None


def test_what_json_cannot_hold_is_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, {"epoch": 1})
    with pytest.raises(TypeError, match=r"state\.loss is a function"):
        save_checkpoint(path, {"loss": lambda: None})
    assert load_checkpoint(path) == {"epoch": 1}


@pytest.mark.parametrize("damage", ["cut off", "first byte", "header", "last byte", "empty", "other"])
def test_a_damaged_file_is_named_and_set_aside_and_the_previous_one_is_used(tmp_path, damage):
    path = tmp_path / "run.safetensors"
    for epoch in (1, 2):
        save_checkpoint(path, STATE | {"epoch": epoch})
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other":
        path.write_text("this is no checkpoint")
    else:
        flip(path, {"first byte": 0, "header": 60, "last byte": -1}[damage])
    broken = path.read_bytes()
    with pytest.warns(UserWarning, match=r"run\.safetensors is damaged .*set aside as run\.safetensors\.damaged"):
        assert load_checkpoint(path)["epoch"] == 1
    assert (tmp_path / "run.safetensors.damaged").read_bytes() == broken
    assert not path.exists()


def test_with_both_files_damaged_there_is_no_checkpoint_but_no_file_is_lost(tmp_path):
    path = tmp_path / "run.safetensors"
    for epoch in (1, 2):
        save_checkpoint(path, {"epoch": epoch})
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="damaged"):
        assert load_checkpoint(path) is None
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_death_at_any_point_of_writing_leaves_a_whole_checkpoint(tmp_path, monkeypatch, call, at):
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, {"epoch": 1})
    original, calls = getattr(os, call), []

    def die(*arguments):
        calls.append(arguments)
        if len(calls) == at:
            raise SystemExit("killed")
        return original(*arguments)

    monkeypatch.setattr(os, call, die)
    try:
        save_checkpoint(path, {"epoch": 2})
    except SystemExit:
        assert load_checkpoint(path) == {"epoch": 1}
    monkeypatch.undo()
    save_checkpoint(path, {"epoch": 3})
    assert load_checkpoint(path) == {"epoch": 3}


def test_nothing_is_ever_unpickled(tmp_path):
    path = tmp_path / "run.safetensors"
    torch.save({"epoch": 1}, path)
    with pytest.warns(UserWarning, match="damaged"):
        assert load_checkpoint(path) is None


def test_a_setting_that_differs_is_named():
    check_same_run("run", {"lr": 0.1, "seed": 0}, {"lr": 0.1, "seed": 0})
    with pytest.raises(CheckpointMismatch, match=r"run was written with lr=0\.1, now lr=0\.2"):
        check_same_run("run", {"lr": 0.1, "seed": 0}, {"lr": 0.2, "seed": 0})


def test_an_entry_that_differs_is_named():
    model = torch.nn.Linear(3, 2)
    check_same_model("run", model.state_dict(), model)
    with pytest.raises(CheckpointMismatch, match=r"for weight the checkpoint has \(2, 4\), the model \(2, 3\)"):
        check_same_model("run", torch.nn.Linear(4, 2).state_dict(), model)
    with pytest.raises(CheckpointMismatch, match=r"for bias the checkpoint has no such entry, the model \(2,\)"):
        check_same_model("run", torch.nn.Linear(3, 2, bias=False).state_dict(), model)
