import pytest

from mmlearn.training import History


def history(monitor, values):
    return History(monitor, [{"epoch": number, monitor: value} for number, value in enumerate(values, start=1)])


def test_a_loss_is_best_when_small_and_an_accuracy_when_large():
    assert history("validation_loss", [3.0, 1.0, 2.0]).best["epoch"] == 2
    assert history("validation_accuracy", [0.1, 0.9, 0.8]).best["epoch"] == 2
    assert history("train_error", [0.3, 0.2]).best["epoch"] == 2


def test_waiting_counts_from_the_first_of_equal_bests():
    assert history("validation_loss", [2.0, 1.0, 1.0, 1.0]).waited == 2
    assert history("validation_loss", [2.0, 1.0]).waited == 0
    assert History("validation_loss").waited == 0


def test_columns_are_read_by_name():
    assert history("validation_loss", [2.0, 1.0])["validation_loss"] == [2.0, 1.0]
    with pytest.raises(KeyError, match="no column 'accuracy' in the history: it has epoch, validation_loss"):
        history("validation_loss", [2.0])["accuracy"]


def test_an_empty_history_has_no_best_epoch():
    with pytest.raises(ValueError, match="no epoch has been completed"):
        History("train_loss").best  # noqa: B018
    assert "no epoch completed" in repr(History("train_loss"))
