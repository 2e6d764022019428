"""What every fusion agrees on: shapes, presence, masks, and the words of each refusal."""

import pytest
import torch

from mmlearn.data.missing import presence
from mmlearn.models.fusion import Fusion

DIMS = {"image": 3, "text": 2}
NAN = float("nan")


class Seen(Fusion):
    """Keeps what ``fuse`` is given, and returns the first modality."""

    def fuse(self, features, present, masks=None):
        self.seen = features, present, masks
        return features[self.names[0]]


class SeenTokens(Seen):
    takes_tokens = True


class Pair(Seen):
    fewest = most = 2


def vectors(n=4):
    return {"image": torch.ones(n, 3), "text": torch.ones(n, 2)}


def flags(*rows):
    return torch.tensor(rows, dtype=torch.bool)


def test_the_order_is_that_of_dims_whatever_the_inputs_order():
    fusion = Seen(DIMS, 3)
    fusion({"text": torch.ones(4, 2), "image": torch.ones(4, 3)})
    features, present, _ = fusion.seen
    assert fusion.names == tuple(features) == tuple(present) == ("image", "text")


def test_absent_features_are_zeros_and_flagged():
    fusion = Seen(DIMS, 3)
    inputs = vectors()
    inputs["image"][1] = NAN
    fusion(inputs, present={"image": flags(1, 0, 1, 1)})
    features, present, _ = fusion.seen
    assert features["image"].tolist() == [[1.0] * 3, [0.0] * 3, [1.0] * 3, [1.0] * 3]
    assert features["text"].eq(1).all()
    assert present["image"].tolist() == [True, False, True, True]
    assert present["text"].all()


def test_nan_of_a_present_modality_is_not_hidden():
    fusion = Seen(DIMS, 3)
    inputs = vectors()
    inputs["image"][1] = NAN
    assert fusion(inputs)[1].isnan().all()


def test_what_presence_returns_is_understood():
    samples = [{"image": 1, "text": "a"}, {"image": None, "text": "b"}, {"image": 2}]
    fusion = Seen(DIMS, 3)
    fusion(vectors(3), present=presence(samples, ["image", "text"]))
    assert {name: flag.tolist() for name, flag in fusion.seen[1].items()} == {
        "image": [True, False, True],
        "text": [True, True, False],
    }


def test_a_modality_that_did_not_come_is_absent_whatever_the_flag_says():
    fusion = Seen(DIMS, 3)
    fusion({"image": torch.ones(4, 3)}, present=torch.ones(4, 2, dtype=torch.bool))
    features, present, _ = fusion.seen
    assert not present["text"].any()
    assert features["text"].shape == (4, 2)
    assert features["text"].eq(0).all()


def test_tokens_masks_and_a_modality_without_any():
    fusion = SeenTokens(DIMS, 3)
    image = torch.ones(2, 3, 3)
    image[1, 2] = NAN
    fusion({"image": image}, masks={"image": flags([1, 1, 1], [1, 1, 0])})
    features, present, masks = fusion.seen
    assert features["image"][1, 2].tolist() == [0.0, 0.0, 0.0]
    assert features["text"].shape == (2, 1, 2)
    assert masks["text"].tolist() == [[False], [False]]
    assert present["image"].tolist() == [True, True]
    assert not present["text"].any()


def test_a_vector_is_one_token_and_padding_alone_is_no_modality():
    fusion = SeenTokens(DIMS, 3)
    fusion({"image": torch.ones(2, 3), "text": torch.ones(2, 4, 2)}, masks={"text": flags([1, 1, 0, 0], [0, 0, 0, 0])})
    features, present, masks = fusion.seen
    assert features["image"].shape == (2, 1, 3)
    assert present["text"].tolist() == [True, False]
    assert masks["image"].all()
    with pytest.raises(ValueError, match="nothing for example 0"):
        fusion({"text": torch.ones(1, 4, 2)}, masks={"text": flags([0, 0, 0, 0])})


@pytest.mark.parametrize(
    ("dims", "out_dim", "words"),
    [
        ({}, 3, r"dims: expected a dict.*got {}"),
        ([3, 2], 3, "dims: expected a dict"),
        ({"image": 0}, 3, r"dims\['image'\]: expected a whole number"),
        ({"image": 2.5}, 3, r"dims\['image'\]: expected a whole number"),
        (DIMS, 0, "out_dim: expected a whole number ≥ 1; got 0"),
        (DIMS, True, "out_dim"),
    ],
)
def test_what_cannot_be_built_is_refused(dims, out_dim, words):
    with pytest.raises(ValueError, match=words):
        Seen(dims, out_dim)


@pytest.mark.parametrize("dims", [{"image": 3}, {"image": 3, "text": 2, "sound": 1}])
def test_too_few_and_too_many_modalities_are_counted(dims):
    with pytest.raises(ValueError, match=rf"dims: expected 2 modalities for Pair; got {len(dims)}: image"):
        Pair(dims, 3)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([torch.ones(4, 3)], "inputs: expected a dict, modality → features; got list"),
        ({}, r"inputs: expected one or more of 'image', 'text'; got no modality"),
        ({"image": None, "text": None}, "no modality"),
        ({"txt": torch.ones(4, 2)}, r"'txt'|did you mean 'text'\?"),
        ({"image": torch.ones(4, 5)}, r"inputs\['image'\]: expected floats \(N, 3\); got torch.float32 of shape \(4, 5\)"),
        ({"image": torch.ones(4, 7, 3)}, "pool the tokens first, or take an operator with attention"),
        ({"image": torch.ones(4, 3, dtype=torch.int64)}, r"expected floats .* got torch.int64"),
        ({"image": torch.ones(0, 3)}, "inputs: expected one example or more; got an empty batch"),
        ({"image": torch.ones(4, 3), "text": torch.ones(3, 2)}, r"inputs\['text'\]: expected 4, as many.*got 3 examples"),
    ],
)
def test_inputs_that_do_not_fit_are_named(inputs, words):
    with pytest.raises(ValueError, match=words):
        Seen(DIMS, 3)(inputs)


@pytest.mark.parametrize(
    ("present", "words"),
    [
        (torch.ones(4, 2), r"present: expected bool \(4, 2\): an example a row, image, text in this order; got torch.float32"),
        (torch.ones(2, 4, dtype=torch.bool), r"got torch.bool of shape \(2, 4\)"),
        ({"image": torch.ones(4)}, r"present\['image'\]: expected bool \(4,\)"),
        ({"image": torch.ones(3, dtype=torch.bool)}, r"got torch.bool of shape \(3,\)"),
        ({"imag": torch.ones(4, dtype=torch.bool)}, r"present: .*did you mean 'image'\?"),
        (torch.zeros(4, 2, dtype=torch.bool), "nothing for example 0, 1, 2, 3"),
    ],
)
def test_presence_that_does_not_fit_is_named(present, words):
    with pytest.raises(ValueError, match=words):
        Seen(DIMS, 3)(vectors(), present=present)


def test_a_long_list_of_examples_with_nothing_is_cut():
    with pytest.raises(ValueError, match=r"nothing for example 0, 1, 2, 3, 4$|nothing for example 0, 1, 2, 3, 4\b"):
        Seen(DIMS, 3)(vectors(50), present=torch.zeros(50, 2, dtype=torch.bool))


def test_masks_belong_to_operators_that_take_tokens():
    masks = {"image": torch.ones(4, 1, dtype=torch.bool)}
    with pytest.raises(ValueError, match="masks: expected none: Seen takes one vector for each modality"):
        Seen(DIMS, 3)(vectors(), masks=masks)
    with pytest.raises(ValueError, match=r"masks\['image'\]: expected bool \(4, 1\); got torch.bool of shape \(4, 2\)"):
        SeenTokens(DIMS, 3)(vectors(), masks={"image": torch.ones(4, 2, dtype=torch.bool)})


def test_an_operator_must_say_how_it_fuses():
    with pytest.raises(NotImplementedError, match="Fusion must say in fuse"):
        Fusion(DIMS, 3)(vectors())
