import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from mmlearn.data import Labelled
from mmlearn.training.batches import batches, check_data, count_batches

CPU = torch.device("cpu")
INPUTS, TARGETS = torch.arange(10.0).view(10, 1), torch.arange(10)


def walk(data, **options):
    return [tuple(tensor.flatten().tolist() for tensor in batch) for batch in batches(data, 4, CPU, **options)]


@pytest.mark.parametrize(
    "data",
    [
        (INPUTS, TARGETS),
        TensorDataset(INPUTS, TARGETS),
        Labelled(INPUTS, TARGETS),
        DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=4),
        [(INPUTS[start : start + 4], TARGETS[start : start + 4]) for start in (0, 4, 8)],
        lambda: iter(DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=4)),
    ],
    ids=["tuple", "TensorDataset", "Labelled", "DataLoader", "list", "function"],
)
def test_all_kinds_of_data_give_the_same_batches(data):
    check_data(data, "train")
    assert walk(data) == [tuple([*map(float, part)] for part in [range(*ends)] * 2) for ends in [(0, 4), (4, 8), (8, 10)]]


def test_shuffling_keeps_rows_together_and_loses_none():
    torch.manual_seed(0)
    seen = walk((INPUTS, TARGETS * 2, TARGETS), shuffle=True)
    rows = [row for batch in seen for row in zip(*batch, strict=True)]
    assert sorted(rows) == [(i, 2 * i, i) for i in range(10)]
    assert rows != sorted(rows)


def test_batches_are_counted_when_they_can_be():
    assert count_batches((INPUTS, TARGETS), 4) == 3
    assert count_batches(DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=5), 4) == 2
    assert count_batches(lambda: iter([]), 4) is None


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        ((INPUTS, TARGETS[:9]), ValueError, "one row for each example"),
        ((INPUTS,), ValueError, "at least two"),
        ((INPUTS[:0], TARGETS[:0]), ValueError, "train holds no examples"),
        (iter([(INPUTS, TARGETS)]), TypeError, "empty after one epoch"),
        (7, TypeError, "got int"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(data, error, says):
    with pytest.raises(error) as caught:
        check_data(data, "train")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        ([], ValueError, "gave no batches"),
        ([(INPUTS[:0], TARGETS[:0])], ValueError, "a batch holds no examples"),
        ([{"image": INPUTS, "label": TARGETS}], TypeError, "a batch must be a tuple .*got dict"),
    ],
)
def test_bad_batches_of_a_loader_are_refused_when_they_come(data, error, says):
    with pytest.raises(error, match=says):
        walk(data)
