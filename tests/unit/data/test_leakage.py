import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from mmlearn import data
from mmlearn.data import world
from mmlearn.data.leakage import (
    Leaks,
    difference_hash,
    find_leaks,
    find_text_leaks,
    group_leaks,
    pixel_hash,
    same_files,
    split_by_group,
)


def read(path):
    with Image.open(path) as image:
        pixels = np.array(image if image.mode == "L" else image.convert("RGB"))
    pixels = torch.from_numpy(pixels).float() / 255
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def jpeg(image, quality):
    buffer = io.BytesIO()
    Image.fromarray((image.permute(1, 2, 0).numpy() * 255).round().astype("uint8")).save(buffer, "JPEG", quality=quality)
    return read(buffer)


def resized(image, factor):
    size = [round(factor * side) for side in image.shape[1:]]
    return interpolate(image[None], size, mode="bilinear", antialias=True)[0]


CHANGES = {
    "half the size": lambda image: resized(image, 0.5),
    "larger": lambda image: resized(image, 1.6),
    "re-encoded": lambda image: jpeg(image, 50),
    "smaller and re-encoded": lambda image: jpeg(resized(image, 0.8), 80),
    "brighter": lambda image: (1.1 * image).clamp(0, 1),
    "darker": lambda image: 0.8 * image,
    "noisier": lambda image: (image + 0.02 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1),
}


def scenes(n, split="train", **options):
    return world.sample(n, seed=0, split=split, **options).image


def pairs(leaks, *kinds):
    return [(leak.train, leak.test) for leak in leaks if not kinds or leak.kind in kinds]


def test_planted_copies_are_found_and_nothing_else():
    train, test = scenes(300), scenes(100, "test")
    test[[3, 50]] = train[[20, 299]]
    test[7] = 0.9 * train[100]
    leaks = find_leaks(train, test)
    assert pairs(leaks, "exact") == [(20, 3), (299, 50)]
    assert pairs(leaks, "near") == [(100, 7)]
    assert leaks.test_rows == [3, 7, 50]
    assert str(leaks) == "300 training and 100 test rows: 3 pairs (2 exact, 1 near); 3.0% of the test rows leaked"
    assert not find_leaks(train, scenes(100, "test"))


@pytest.mark.parametrize("change", CHANGES)
def test_a_scene_is_recognised_after_a_change_that_leaves_it_the_same_picture(change):
    train = scenes(200)
    leaks = find_leaks(train, [CHANGES[change](image) for image in train[:50]])
    assert pairs(leaks) == [(n, n) for n in range(50)]


@pytest.mark.parametrize("change", CHANGES)
def test_a_photograph_is_recognised_after_a_change_that_leaves_it_the_same_picture(change):
    train = [data.photo(name) for name, photo in data.PHOTOS.items() if "colour" in photo.shows]
    leaks = find_leaks(train, [CHANGES[change](image) for image in train])
    assert pairs(leaks) == [(n, n) for n in range(len(train))]


def test_distinct_photographs_are_not_taken_for_one_another():
    photos = [data.photo(name) for name in data.PHOTOS]
    assert pairs(find_leaks(photos, photos)) == [(n, n) for n in range(len(photos))]
    views = [data.photo("motorcycle_left"), data.photo("motorcycle_right")]  # one scene, two places to stand
    assert not find_leaks(views[:1], views[1:])


def test_mirror_images_are_looked_for_on_request():
    train = scenes(100)
    test = torch.cat([train[:5].flip(-1), scenes(20, "test")])
    assert not find_leaks(train, test)
    leaks = find_leaks(train, test, mirrored=True)
    assert pairs(leaks) == pairs(leaks, "mirrored") == [(n, n) for n in range(5)]


def test_digits_are_alike_without_being_copies_and_a_higher_bar_tells_them_apart():
    splits = data.digits()
    everything = len(splits.train) * len(splits.test)
    assert 1e-4 < len(find_leaks(splits.train.images, splits.test.images)) / everything < 1e-2
    strict = find_leaks(splits.train.images, splits.test.images, correlation=0.99)
    assert len(strict) / everything < 2e-5
    assert all(splits.train.labels[leak.train] == splits.test.labels[leak.test] for leak in strict)
    planted = find_leaks(splits.train.images, (0.9 * splits.train.images[:100]), correlation=0.99)
    assert {(n, n) for n in range(100)} <= set(pairs(planted))


def test_grey_is_compared_with_colour_in_grey():
    colour = [data.photo("chelsea"), data.photo("coffee")]
    grey = [data.photo("coffee", grey=True), data.photo("camera")]
    assert pairs(find_leaks(colour, grey)) == [(1, 0)]


def test_even_greys_are_copies_only_when_they_are_equal():
    greys = torch.tensor([0.0, 0.5, 0.5]).view(3, 1, 1, 1).expand(3, 1, 8, 8)
    assert pairs(find_leaks(greys[:2], greys[1:])) == [(1, 0), (1, 1)]


def test_the_hash_of_pixels_knows_the_shape_and_forgives_rounding():
    image = scenes(1)[0]
    assert pixel_hash(image) == pixel_hash((image * 255).round() / 255) == pixel_hash(image.double())
    assert pixel_hash(image) != pixel_hash(image.mT)
    assert pixel_hash(torch.zeros(1, 2, 8)) != pixel_hash(torch.zeros(1, 4, 4))


def test_the_difference_hash_ignores_brightness_and_contrast_and_flips_when_mirrored():
    images = scenes(20)
    bits = difference_hash(images)
    assert bits.shape == (20, 64)
    assert (difference_hash(0.5 * images + 0.2) != bits).float().mean() < 0.01
    mirrored = difference_hash(images.flip(-1)).view(20, 8, 8).flip(-1)
    assert (mirrored == bits.view(20, 8, 8)).float().mean() < 0.01
    ramp = torch.linspace(0, 1, 18).expand(1, 1, 16, 18)
    assert difference_hash(ramp).all()
    assert not difference_hash(ramp.flip(-1)).any()


def test_nothing_leaks_from_or_into_an_empty_part():
    images = scenes(2)
    assert pairs(find_leaks(images[:0], images)) == pairs(find_leaks(images, [])) == []
    assert str(Leaks((), (2, 0))) == "2 training and 0 test rows: no pair; 0.0% of the test rows leaked"


def test_the_two_parts_of_coco_share_no_picture_and_planted_ones_are_found(real):
    train = [read(path) for path in sorted(real("coco_mini/train2017").glob("*.jpg"))]
    test = [read(path) for path in sorted(real("coco_mini/val2017").glob("*.jpg"))]
    assert not find_leaks(train, test, mirrored=True)
    changed = [change(image) for image, change in zip(train, CHANGES.values(), strict=False)]
    assert pairs(find_leaks(train, test + changed)) == [(n, len(test) + n) for n in range(len(CHANGES))]


def test_near_copies_among_real_faces_are_shots_of_one_person_taken_in_a_row(real):
    paths = sorted(real("orl_faces/orl_faces").glob("*/*.pgm"))
    people = [path.parent.name for path in paths]
    leaks = find_leaks([read(path) for path in paths[::2]], [read(path) for path in paths[1::2]])
    assert len(leaks) > 0
    assert all(people[::2][leak.train] == people[1::2][leak.test] for leak in leaks)


def test_the_same_bytes_are_found_under_another_name(tmp_path):
    for name, content in (("a.bin", b"one"), ("b.bin", b"two"), ("c.bin", b"one")):
        (tmp_path / name).write_bytes(content)
    assert same_files([tmp_path / "a.bin", tmp_path / "b.bin"], [tmp_path / "c.bin"]) == [
        (tmp_path / "a.bin", tmp_path / "c.bin")
    ]
    assert same_files([tmp_path / "b.bin"], [tmp_path / "c.bin"]) == []


def test_texts_leak_whatever_their_case_spacing_and_punctuation():
    train = ["A red circle is left of the blue square.", "two stars", "Don't stop", "ﬁne"]
    test = ["a red circle, is left of the  BLUE square", "Two stars!", "dont stop", "fine", "stars two"]
    leaks = find_text_leaks(train, test)
    assert pairs(leaks, "exact") == [(0, 0), (1, 1), (3, 3)]
    assert not pairs(leaks, "near")


def test_the_similarity_of_texts_is_the_jaccard_index_of_their_word_triples():
    train = ["a large red circle is left of a small blue square"]  # 11 words, 9 triples
    test = ["a large red circle is left of a small green square", "a ring"]  # the last word but one: two triples differ
    (leak,) = find_text_leaks(train, test, similarity=0.6)
    assert (leak.train, leak.test, leak.kind) == (0, 0, "near")
    assert leak.similarity == pytest.approx(7 / 11)
    assert not find_text_leaks(train, test, similarity=0.64)
    assert not find_text_leaks(train, [])


def test_a_person_in_two_parts_is_found_and_the_split_by_person_keeps_them_apart(real):
    recordings = [path.stem.split("_") for path in sorted(real("fsdd/recordings").glob("*.wav"))]  # digit, speaker, index
    speakers = [speaker for _, speaker, _ in recordings]
    official = [int(index) < 5 for _, _, index in recordings]
    leaks = group_leaks(
        [speaker for speaker, test in zip(speakers, official, strict=True) if not test],
        [speaker for speaker, test in zip(speakers, official, strict=True) if test],
    )
    assert sorted(leaks) == ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]  # the official split tests no new voice
    parts = split_by_group(speakers, (0.5, 0.25, 0.25), seed=0)
    assert torch.cat(parts).sort().values.tolist() == list(range(3000))
    assert sorted(len(part) for part in parts) in ([500, 1000, 1500], [1000, 1000, 1000])
    named = [[speakers[row] for row in part] for part in parts]
    assert not group_leaks(named[0], named[1] + named[2])
    assert not group_leaks(named[1], named[2])


def test_shares_are_met_as_well_as_groups_allow_and_follow_the_seed():
    groups = torch.randint(0, 200, (5000,), generator=torch.Generator().manual_seed(0)).tolist()
    parts = split_by_group(groups, (0.7, 0.1, 0.2), seed=1)
    assert [len(part) / 5000 for part in parts] == pytest.approx([0.7, 0.1, 0.2], abs=0.01)
    again, other = split_by_group(groups, (0.7, 0.1, 0.2), seed=1), split_by_group(groups, (0.7, 0.1, 0.2), seed=2)
    assert torch.equal(parts[1], again[1])
    assert not torch.equal(parts[1], other[1])
    assert [len(part) for part in split_by_group("abc", (0.9, 0.05, 0.05), seed=0)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: find_leaks(scenes(2) * 255, scenes(2)), ValueError, "divide by 255"),
        (lambda: find_leaks(scenes(2), [scenes(1)[0], torch.zeros(4, 8, 8)]), ValueError, "image 1 of test: images must be"),
        (lambda: find_leaks([torch.zeros(1, 8, 8, dtype=torch.uint8)], []), TypeError, "image 0 of train: .*got uint8"),
        (lambda: find_text_leaks("one caption", ["a"]), TypeError, "train must be a list of strings; got str"),
        (lambda: find_text_leaks(["a"], ["a", None]), TypeError, "test must be a list of strings"),
        (lambda: split_by_group("ab", (0.5, 0.25, 0.25), seed=0), ValueError, "2 groups cannot fill 3 parts"),
        (lambda: split_by_group("ab", (0.5, 0.6), seed=0), ValueError, r"sum to 1; got \(0.5, 0.6\)"),
        (lambda: split_by_group("ab", (1.5, -0.5), seed=0), ValueError, "must be positive"),
    ],
)
def test_what_cannot_be_compared_or_split_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
