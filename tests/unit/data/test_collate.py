import functools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, default_collate

from mmlearn.data.collate import Batch, collate


def scene(length, label=0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "image": torch.rand(3, 4, 4, generator=generator),
        "sound": torch.rand(length, 2, generator=generator),
        "text": f"a caption of {length}",
        "label": label,
    }


def test_equal_shapes_are_stacked_as_torch_does_it():
    samples = [{"image": torch.rand(3, 4, 4), "label": n, "weight": 0.5 * n, "flag": n > 1} for n in range(3)]
    batch, expected = collate(samples), default_collate(samples)
    assert torch.equal(batch["image"], expected["image"])
    assert torch.equal(batch["label"], expected["label"])
    assert torch.equal(batch["flag"], expected["flag"])
    assert batch["weight"].dtype == torch.float32
    assert batch["weight"].tolist() == [0, 0.5, 1]
    assert batch.mask == {}
    assert all(flags.all() for flags in batch.present.values())
    assert len(batch) == 3


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.booleans())
def test_sequences_are_padded_as_torch_does_it_and_the_mask_gives_them_back(lengths, vectors):
    items = [torch.randn(length, 3) if vectors else torch.arange(1, 1 + length) for length in lengths]
    batch = collate([{"x": item} for item in items])
    assert torch.equal(batch["x"], pad_sequence(items, batch_first=True))
    assert batch.mask["x"].shape == (len(lengths), max(lengths))
    assert batch.mask["x"].sum(1).tolist() == lengths
    for values, mask, item in zip(batch["x"], batch.mask["x"], items, strict=True):
        assert torch.equal(values[mask], item)
    assert batch["x"][~batch.mask["x"]].abs().sum() == 0


def test_a_time_axis_has_a_mask_also_when_no_sample_is_longer_than_another():
    assert collate([scene(5), scene(5)]).mask["sound"].tolist() == [[True] * 5] * 2
    assert sorted(collate([scene(5), scene(7)]).mask) == ["sound"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool, torch.uint8])
def test_the_dtype_of_the_samples_is_that_of_the_batch(dtype):
    batch = collate([{"x": torch.ones(2, dtype=dtype)}, {"x": torch.ones(3, dtype=dtype)}, {}])
    assert batch["x"].dtype == dtype
    assert batch["x"].double().sum() == 5


def test_a_missing_modality_is_zeros_and_flags():
    one, two, three = scene(5), scene(3), scene(4)
    del one["image"], two["sound"]
    three["text"] = three["label"] = None
    batch = collate([one, two, three])
    assert {key: flags.tolist() for key, flags in batch.present.items()} == {
        "sound": [True, False, True],
        "text": [True, True, False],
        "label": [True, True, False],
        "image": [False, True, True],
    }
    assert batch["image"][0].abs().sum() == 0
    assert torch.equal(batch["image"][1], two["image"])
    assert batch.mask["sound"].sum(1).tolist() == [5, 0, 4]
    assert batch["text"] == ["a caption of 5", "a caption of 3", ""]
    assert batch["label"].tolist() == [0, 0, 0]


def test_a_modality_that_is_missing_from_the_whole_batch_needs_a_shape():
    samples = [{"text": "a cat", "image": None}, {"text": "a dog"}]
    with pytest.raises(ValueError, match=r"'image' is missing from all 2 samples.*shapes=\{'image': …\}"):
        collate(samples)
    shapes = {"image": (3, 8, 8), "ids": torch.zeros(4, dtype=torch.int64), "label": 0, "title": ""}
    batch = collate(samples, shapes=shapes)
    assert batch["image"].shape == (2, 3, 8, 8)
    assert batch["image"].abs().sum() == 0
    assert (batch["ids"].shape, batch["ids"].dtype, batch.mask["ids"].any().item()) == ((2, 4), torch.int64, False)
    assert batch["label"].tolist() == [0, 0]
    assert batch["title"] == ["", ""]
    assert not any(batch.present[key].any() for key in shapes)


def test_shapes_give_every_batch_the_same_keys_and_promise_what_is_in_them():
    promised = functools.partial(collate, shapes={"image": (3, 4, 4), "sound": (1, 2)})
    whole, part = promised([scene(5)]), promised([{"text": "x", "label": 1}])
    assert whole.values.keys() == part.values.keys()
    assert whole["image"].shape[1:] == part["image"].shape[1:]
    with pytest.raises(ValueError, match=r"'image' of sample 0 is \(3, 5, 5\), where shapes says \(3, 4, 4\)"):
        promised([{"image": torch.zeros(3, 5, 5)}])


def test_the_time_axis_can_be_another_one_or_none():
    stereo = [{"sound": torch.ones(2, 7)}, {"sound": torch.ones(2, 5)}]
    for axis in (1, -1):
        batch = collate(stereo, time_axis={"sound": axis})
        assert batch["sound"].shape == (2, 2, 7)
        assert batch.mask["sound"].sum(1).tolist() == [7, 5]
        assert batch["sound"][1, :, 5:].abs().sum() == 0
    with pytest.raises(ValueError, match=r"\(2, 5\), where sample 0 has \(2, 7\): only axis 0 may differ"):
        collate(stereo)
    with pytest.raises(ValueError, match="all axes must agree"):
        collate([{"x": torch.ones(3)}, {"x": torch.ones(4)}], time_axis={"x": None})
    videos = collate([{"clip": torch.ones(4, 3, 2, 2)}, {"clip": torch.ones(6, 3, 2, 2)}])
    assert videos["clip"].shape == (2, 6, 3, 2, 2)


class Recordings(torch.utils.data.Dataset):
    def __len__(self):
        return 7

    def __getitem__(self, n):
        return scene(3 + n % 3, label=n) | ({"image": None} if n % 2 else {})


@pytest.mark.parametrize("workers", [0, 1])
def test_it_collates_for_a_data_loader(workers):
    batches = list(DataLoader(Recordings(), batch_size=3, collate_fn=collate, num_workers=workers))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert torch.cat([batch["label"] for batch in batches]).tolist() == list(range(7))
    assert [batch["sound"].shape[1] for batch in batches] == [5, 5, 3]
    assert isinstance(batches[0], Batch)


def test_a_batch_moves_and_describes_itself():
    batch = collate([scene(2), {"text": "only words"}])
    shapes = "image: (2, 3, 4, 4), 1 present; sound: (2, 2, 2), 1 present; text: 2 strings; label: (2,), 1 present"
    assert repr(batch) == f"Batch(2 samples; {shapes})"
    moved = batch.to("meta")
    assert moved["image"].device.type == moved.mask["sound"].device.type == moved.present["text"].device.type == "meta"
    assert moved["text"] == batch["text"]
    with pytest.raises(KeyError, match="has no 'video'; it has 'image', 'sound'"):
        batch["video"]


def test_numbers_and_arrays_of_numpy_count_as_torchs():
    batch = collate([{"x": np.array([1.5, 2.5]), "n": np.int64(3), "f": np.float32(0.5), "b": np.True_}])
    assert (batch["x"].dtype, batch["n"].dtype, batch["f"].dtype, batch["b"].dtype) == (
        torch.float64,
        torch.int64,
        torch.float32,
        torch.bool,
    )


@pytest.mark.parametrize(
    ("samples", "error", "says"),
    [
        ([], ValueError, "no sample to make a batch of: got an empty list"),
        ([{}, {}], ValueError, "the 2 samples have no keys"),
        ([{"x": 1}, (1, 2)], TypeError, "sample 1 is tuple"),
        ([{"x": 1}, {"x": "one"}], TypeError, "'x' of sample 1 is a string, where sample 0 has int64 with 0 axes"),
        ([{}, {"x": torch.ones(2)}, {"x": torch.ones(2).int()}], TypeError, "'x' of sample 2 is int32.*sample 1 has float32"),
        ([{"x": 1}, {"x": 0.5}], TypeError, "'x' of sample 1 is float32"),
        (
            [{"x": torch.ones(2)}, {"x": torch.ones(2, 2)}],
            TypeError,
            "float32 with 2 axes, where sample 0 has float32 with 1 axes",
        ),
        (
            [{"x": torch.ones(3, 4, 4)}, {"x": torch.ones(1, 4, 4)}],
            ValueError,
            r"'x' of sample 1 is \(1, 4, 4\).*all axes must agree",
        ),
        ([{"x": torch.ones(3, 2)}, {"x": torch.ones(3, 4)}], ValueError, "only axis 0 may differ"),
        ([{"x": [1, 2]}], TypeError, "'x' of sample 0 is list.*make a list of numbers a tensor"),
        ([{"x": np.array(["a"])}], TypeError, "'x' of sample 0 is ndarray"),
    ],
)
def test_what_makes_no_batch_is_refused_with_sample_and_key(samples, error, says):
    with pytest.raises(error, match=says):
        collate(samples)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shapes": {"y": (3, -1)}}, r"shapes\['y'\] must be whole numbers ≥ 0, or an example; got \(3, -1\)"),
        ({"time_axis": {"x": 2}}, r"time_axis\['x'\] is 2, but a sample's 'x' has shape \(3,\)"),
        ({"time_axis": {"z": 0}}, "time_axis names 'z', which no sample has; there are 'x'"),
    ],
)
def test_options_that_fit_nothing_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        collate([{"x": torch.ones(3)}], **options)
