from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest

from mmlearn import show

ALT = "Loss falls to 0.1 in three epochs."


def history(*losses):
    return SimpleNamespace(
        epochs=[
            {"epoch": i, "train_loss": loss, "validation_loss": loss + 0.1, "validation_accuracy": 1 - loss / 3, "seconds": 0.5}
            for i, loss in enumerate(losses, 1)
        ]
    )


@pytest.mark.parametrize(
    "runs",
    [
        history(2.0, 0.5, 0.1),
        history(2.0),
        history(2.0, float("nan"), float("nan")),
        history(*[1.0] * 40),
        {"SGD": history(2.0, 1.0), "Adam": history(2.0, 0.1, 0.01)},
        {f"run {i}": history(2.0, i / 9) for i in range(9)},
        [{"train_loss": 1.0}, {"train_loss": 0.5}],
    ],
)
def test_histories_of_every_kind_are_shown_and_closed(runs, published):
    before = plt.get_fignums()
    show.curves(runs, alt=ALT)
    assert f'<img alt="{ALT}"' in published[0]["text/html"]
    assert plt.get_fignums() == before


def test_keys_choose_what_is_drawn(published):
    show.curves(history(2.0, 1.0), "train_loss", alt=ALT)
    show.curves(history(2.0, 1.0), "train_loss", alt=ALT, log=True)
    show.curves(history(2.0, 1.0), alt=ALT)
    assert len({bundle["text/html"] for bundle in published}) == 3


@pytest.mark.parametrize(
    ("runs", "keys", "message"),
    [
        (history(1.0), ["test_loss"], "no 'test_loss' in the history; it holds 'epoch'"),
        (history(), [], "holds no epoch"),
        ({"a": history()}, [], "history of 'a' holds no epoch"),
        (3.0, [], "must be a History"),
        (history(float("nan")), ["train_loss"], "NaN from the first epoch"),
        ([{"epoch": 1}], [], "name what to draw"),
    ],
)
def test_what_cannot_be_drawn_is_named(runs, keys, message):
    with pytest.raises(ValueError, match=message):
        show.curves(runs, *keys, alt=ALT)


def test_alt_is_required():
    with pytest.raises(ValueError, match="alt must say"):
        show.curves(history(1.0), alt="")
