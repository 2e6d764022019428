import unicodedata

import numpy as np
import pytest
import torch

from mmlearn import data
from mmlearn.data import world
from mmlearn.data.cleaning import (
    check_images,
    clean_captions,
    clean_readings,
    clean_text,
    fit_limits,
    inspect_readings,
    text_problems,
)

NAN, INF = float("nan"), float("inf")


def sensors(n=1000, seed=0):
    """Temperature near 20 ± 2, pressure near 1,000 ± 10."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 2, generator=generator) * torch.tensor([2.0, 10.0]) + torch.tensor([20.0, 1000.0])


def test_limits_are_the_robust_ones_and_do_not_move_when_a_fifth_of_the_readings_is_wrong():
    from scipy.stats import median_abs_deviation

    train = sensors()
    limits = fit_limits(train)
    np.testing.assert_allclose(limits.median, np.median(train, axis=0), rtol=1e-6)
    np.testing.assert_allclose(limits.high - limits.median, 3.5 / 0.6745 * median_abs_deviation(train, axis=0), rtol=1e-4)
    assert (limits.high - limits.median).tolist() == pytest.approx([7.0, 35.0], rel=0.1)  # 3.5 σ
    spoilt = train.clone()
    spoilt[:200] = torch.tensor([-999.0, NAN])
    moved = fit_limits(spoilt)
    assert (moved.median - limits.median).abs().tolist() < [1.0, 1.0]
    assert (moved.high - moved.low)[0] < 1.6 * (limits.high - limits.low)[0]


def test_a_feature_that_hardly_varies_is_judged_by_its_spread_and_one_that_never_does_by_equality():
    mostly = torch.tensor([5.0] * 90 + [4.0, 6.0] * 5).unsqueeze(1)
    assert not inspect_readings(mostly, fit_limits(mostly, threshold=4)).outlier.any()
    constant = torch.full((50, 1), 5.0)
    assert inspect_readings(torch.tensor([[5.0], [5.1]]), fit_limits(constant)).outlier.flatten().tolist() == [False, True]


def test_the_report_counts_each_fault_of_each_feature_and_changes_nothing():
    x = sensors(20, seed=1)
    x[3, 0], x[4, 1], x[5, 1], x[6, 0] = NAN, INF, -INF, 400.0
    before = x.clone()
    report = inspect_readings(x, fit_limits(sensors()), names=["temperature", "pressure"])
    assert report.counts == {
        "temperature": {"nan": 1, "infinite": 0, "outlier": 1},
        "pressure": {"nan": 0, "infinite": 2, "outlier": 0},
    }
    assert report.bad.nonzero().tolist() == [[3, 0], [4, 1], [5, 1], [6, 0]]
    assert str(report) == "20 rows of 2 readings; temperature: 1 nan, 1 outlier; pressure: 2 infinite"
    assert str(inspect_readings(sensors(5))) == "5 rows of 2 readings; nothing wrong"
    assert torch.equal(x.nan_to_num(7), before.nan_to_num(7))


def test_each_treatment_does_what_it_says_and_nothing_else():
    limits = fit_limits(sensors())
    x = sensors(6, seed=2)
    x[1, 0], x[4, 1] = NAN, 5000.0
    dropped = clean_readings(x, limits, missing="drop", outliers="drop")
    assert dropped.kept.tolist() == [0, 2, 3, 5]
    assert torch.equal(dropped.values, x[[0, 2, 3, 5]])
    treated = clean_readings(x, limits, missing="fill", outliers="clip")
    assert treated.values[1, 0] == limits.median[0]
    assert treated.values[4, 1] == limits.high[1]
    assert torch.equal(treated.values[[0, 2, 3, 5]], x[[0, 2, 3, 5]])
    assert clean_readings(x, limits, missing="keep", outliers="fill").values[4, 1] == limits.median[1]
    kept = clean_readings(x, missing="keep")
    assert kept.values.isnan().sum() == 1
    assert kept.values[4, 1] == 5000
    assert x[4, 1] == 5000


def test_a_row_of_a_sequence_is_dropped_as_a_whole():
    x = sensors(24).view(6, 4, 2).clone()
    x[2, 3, 1] = INF
    done = clean_readings(x, missing="drop")
    assert done.kept.tolist() == [0, 1, 3, 4, 5]
    assert done.values.shape == (5, 4, 2)


def test_test_data_are_judged_by_training_data():
    strange = sensors(100, seed=3) + torch.tensor([100.0, 0.0])  # a broken sensor: every reading is wrong
    assert inspect_readings(strange, fit_limits(sensors())).outlier[:, 0].all()
    assert inspect_readings(strange, fit_limits(strange)).outlier[:, 0].float().mean() < 0.05


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: clean_readings(x), "feature 0: 1 nan.*Choose missing= one of 'drop', 'fill', 'keep'"),
        (
            lambda x: clean_readings(x, fit_limits(sensors()), missing="drop", outliers="raise"),
            "feature 1: 1 outlier.*Choose outliers=",
        ),
        (lambda x: clean_readings(x, missing="fill"), r"need limits: pass fit_limits\(train\)"),
        (lambda x: clean_readings(x, missing="drop", outliers="clip"), "need limits"),
        (lambda x: clean_readings(x, missing="ignore"), "missing must be one of 'raise', 'drop', 'fill', 'keep'; got 'ignore'"),
        (lambda x: clean_readings(x, missing="clip"), "got 'clip'"),
        (lambda x: inspect_readings(x, names=["a"]), "the readings have 2 features; got 1 names"),
        (lambda x: inspect_readings(x, fit_limits(x[:, :1])), "2 names and 1 limits"),
        (lambda x: inspect_readings(x.long()), "readings must be floats"),
        (lambda x: inspect_readings(x[:, 0]), r"got torch.float32 \(3,\)"),
        (lambda x: fit_limits(x[:1] * NAN), r"features \[0, 1\] have no finite reading"),
        (lambda x: fit_limits(x[:0]), "have no finite reading"),
    ],
)
def test_readings_are_never_treated_without_being_asked(call, says):
    with pytest.raises(ValueError, match=says):
        call(torch.tensor([[20.0, 1000.0], [NAN, 1000.0], [20.0, 5000.0]]))


def test_one_spelling_for_each_caption():
    two = "a cafe\u0301", "a café"
    assert two[0] != two[1]
    assert clean_text(two[0]) == clean_text(two[1])
    assert clean_text("\ufeffa\u00a0red\r\n  circle\x07\u200b ") == "a red circle"
    assert (
        clean_text("a family \U0001f468\u200d\U0001f469\u200d\U0001f467") == "a family \U0001f468\u200d\U0001f469\u200d\U0001f467"
    )
    assert clean_text("می\u200cخواهم") == "می\u200cخواهم"
    for text in ("", " \t", "a  b\u2028c", "ﬁne 5 µm"):
        once = clean_text(text)
        assert clean_text(once) == once
        assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a cafe\u0301", "not in Unicode NFC"),
        ("a\x00cat", "control characters"),
        ("a cat\u200b", "invisible characters"),
        ("a cat\n", "white space"),
        (" \u200b", "empty"),
        ("a dr\ufffdm", "lost in decoding"),
        ("un cafÃ© noir", 'meant to be "un café noir"'),
        ("itâ€™s", 'meant to be "it’s"'),
    ],
)
def test_each_problem_is_named(text, problem):
    assert any(problem in said for said in text_problems(text))


def test_clean_captions_have_no_problems_and_are_not_changed():
    captions = [*world.sample(200, seed=0).captions(), "Ein Mädchen, 3 Äpfel – für 2,50 €.", "東京の猫", "Ça va?"]
    assert clean_captions(captions) == (captions, {})


def test_what_was_wrong_with_captions_is_returned():
    cleaned, found = clean_captions(["a cat", "a  dog", ""])
    assert cleaned == ["a cat", "a dog", ""]
    assert found == {1: ["white space"], 2: ["empty"]}
    with pytest.raises(TypeError, match="caption 1 is NoneType None"):
        clean_captions(["a cat", None])


def test_real_images_pass_and_come_back_as_they_are():
    for images in (data.digits().train.images, data.photo("chelsea", size=64)[None], world.sample(4, seed=0).image):
        assert check_images(images) is images
    check_images(torch.zeros(1, 1, 8, 8))
    check_images(torch.ones(1, 3, 8, 8) * (1 + 1e-6))  # a rounding
    check_images((torch.arange(64).view(1, 1, 8, 8) % 2) / 255)  # almost black, but in steps of a byte


PHOTO = data.photo("coffee", size=16)[None]


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (PHOTO * 255, ValueError, "got values from .* to .*, which looks like bytes: divide by 255"),
        (PHOTO * 65535, ValueError, "16-bit pixels"),
        (PHOTO / 255, ValueError, "divided by 255 twice"),
        (PHOTO * 2 - 1, ValueError, r"looks like \[−1, 1\]"),
        ((PHOTO - PHOTO.mean()) / PHOTO.std(), ValueError, "looks standardised"),
        (PHOTO * 1.2 - 0.1, ValueError, r"images.clamp\(0, 1\)"),
        ((PHOTO * 255).byte(), TypeError, r"got uint8 \(1, 3, 16, 16\): call images.float\(\) / 255"),
        ((PHOTO * 255).byte().permute(0, 2, 3, 1), TypeError, "mmlearn.data.to_float"),
        (PHOTO.long(), TypeError, "got torch.int64"),
        (PHOTO.permute(0, 2, 3, 1), ValueError, "channels come second"),
        (PHOTO[0], ValueError, r"one image becomes a batch with images\[None\]"),
        (PHOTO[:, :2], ValueError, r"got \(1, 2, 16, 16\)$"),
        (PHOTO[:0], ValueError, "empty batch"),
        (PHOTO.index_fill(3, torch.tensor(2), NAN), ValueError, "1 of 1 hold NaN or infinity"),
    ],
)
def test_images_in_another_unit_or_layout_are_refused_with_the_probable_mistake(images, error, says):
    with pytest.raises(error, match=says):
        check_images(images)
