import pytest
import torch

from mmlearn.data.collate import collate
from mmlearn.data.missing import drop_modalities, fill_absent, presence

NAMES = ["image", "sound", "text"]


def batch_of(n, absent=()):
    samples = [{"image": torch.ones(3, 2, 2), "sound": torch.ones(4), "text": "words", "label": 1} for _ in range(n)]
    for number, name in absent:
        samples[number][name] = None
    return collate(samples, shapes={"text": ""})


def test_presence_is_what_collate_finds():
    samples = [{"image": torch.ones(1), "text": None}, {"text": "x"}, {"image": torch.zeros(1), "text": ""}]
    found = presence(samples, ["image", "text"])
    assert found["image"].tolist() == [True, False, True]
    assert found["text"].tolist() == [False, True, True]
    batch = collate(samples)
    assert all(torch.equal(found[name], batch.present[name]) for name in found)
    with pytest.raises(ValueError, match="no sample has a key 'imgae'; there are 'image', 'text'"):
        presence(samples, ["imgae"])


def test_absent_values_are_zeros_whatever_stood_there():
    values = torch.tensor([[[1.0], [float("nan")]], [[float("inf")], [2.0]]])
    assert fill_absent(values, torch.tensor([False, False])).abs().sum() == 0
    assert torch.equal(fill_absent(values, torch.tensor([False, True]))[1], values[1])


def test_each_modality_goes_with_the_predicted_probability_and_none_loses_all():
    p, M = 0.4, 3
    dropped = drop_modalities(batch_of(4000), p, seed=0, modalities=NAMES)
    present = torch.stack([dropped.present[name] for name in NAMES], dim=1)
    assert present.any(dim=1).all()
    expected = 1 - (p - p**M / M)
    assert present.float().mean(0).tolist() == pytest.approx([expected] * M, abs=0.025)  # three standard errors
    free = drop_modalities(batch_of(4000), p, seed=0, modalities=NAMES, keep_one=False)
    present = torch.stack([free.present[name] for name in NAMES], dim=1)
    assert present.float().mean(0).tolist() == pytest.approx([1 - p] * M, abs=0.025)
    assert (~present.any(dim=1)).float().mean().item() == pytest.approx(p**M, abs=0.012)


def test_the_survivor_is_drawn_evenly_from_what_the_sample_has():
    batch = batch_of(3000, absent=[(n, "text") for n in range(3000)])
    dropped = drop_modalities(batch, 1.0, seed=1, modalities=NAMES)
    left = {name: dropped.present[name].float().mean().item() for name in NAMES}
    assert left["text"] == 0
    assert left["image"] + left["sound"] == pytest.approx(1)
    assert left["image"] == pytest.approx(0.5, abs=0.03)


def test_what_goes_is_zeros_empty_words_and_a_mask_without_data_and_the_labels_stay():
    batch = batch_of(40)
    dropped = drop_modalities(batch, 0.5, seed=0, modalities=NAMES)
    for number in range(40):
        assert dropped["image"][number].sum() == 12 * dropped.present["image"][number]
        assert dropped["sound"][number].sum() == dropped.mask["sound"][number].sum() == 4 * dropped.present["sound"][number]
        assert dropped["text"][number] == ("words" if dropped.present["text"][number] else "")
    assert torch.equal(dropped["label"], batch["label"])
    assert dropped.present["label"].all()
    assert batch.present["image"].all()
    assert batch["image"].sum() == 480


def test_the_seed_decides_and_a_generator_goes_on():
    def flags(seed):
        return drop_modalities(batch_of(50), 0.5, seed, NAMES).present["image"].tolist()

    assert flags(0) == flags(0) != flags(1)
    generator = torch.Generator().manual_seed(0)
    assert flags(generator) == flags(0)
    assert flags(generator) != flags(0)


def test_every_modality_can_have_its_own_probability():
    dropped = drop_modalities(batch_of(50), {"image": 0.0, "text": 1.0}, seed=0)
    assert dropped.present["image"].all()
    assert not dropped.present["text"].any()
    assert dropped.present["sound"].all()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"p": 0.5}, "name the modalities that may be dropped, out of 'image', 'sound', 'text', 'label'"),
        ({"p": 0.5, "modalities": ["video"]}, "the batch has no 'video'; it has 'image'"),
        ({"p": 1.5, "modalities": ["text"]}, r"p must be a probability in \[0, 1\]; got 1.5 for 'text'"),
        ({"p": {"text": float("nan")}}, "got nan for 'text'"),
        ({"p": {"text": 0.5}, "modalities": ["image"]}, "give one of them"),
        ({"p": 0.5, "modalities": ["text"]}, r"samples \[1\] have none of 'text'.*keep_one=False"),
    ],
)
def test_dropping_what_cannot_be_dropped_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        drop_modalities(batch_of(3, absent=[(1, "text")]), seed=0, **arguments)
