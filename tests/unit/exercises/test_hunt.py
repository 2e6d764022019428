"""The hunt's pictures: what is planted is found, what only looks planted is not, and nothing depends on when it is drawn."""

from itertools import pairwise

import torch

from mmlearn import data
from mmlearn.exercises.hunt import DECOYS, LEAKS, STRANGERS, hunt_kinds, hunt_pictures


def test_the_pictures_are_pictures_and_the_same_in_every_call():
    train, test = hunt_pictures()
    assert train.shape == (40, 3, 64, 64)
    assert test.shape == (16, 3, 64, 64)
    for pictures, again in zip((train, test), hunt_pictures(), strict=True):
        assert torch.equal(pictures, again)
        assert pictures.dtype == torch.float32
        assert pictures.min() >= 0
        assert pictures.max() <= 1


def test_find_leaks_finds_what_was_planted_and_where_from():
    train, test = hunt_pictures()
    kinds = hunt_kinds()
    found = data.find_leaks(train, test, mirrored=True)
    assert {(kinds[leak.test], leak.train) for leak in found} == set(LEAKS.items())
    assert found.test_rows == [n for n, kind in enumerate(kinds) if kind in LEAKS]
    assert [leak.kind for leak in found if kinds[leak.test] == "copied"] == ["exact"]
    mirrored = {kinds[leak.test] for leak in found if leak.kind == "mirrored"}
    assert mirrored == {kind for kind in LEAKS if "mirrored" in kind}


def test_the_margin_is_wide_enough_for_another_jpeg_library():
    train, test = hunt_pictures()
    strict = data.find_leaks(train, test, distance=6, correlation=0.97, mirrored=True)
    loose = data.find_leaks(train, test, distance=14, correlation=0.85, mirrored=True)
    assert strict.test_rows == loose.test_rows


def test_there_is_one_of_each_and_the_training_part_holds_no_copies():
    kinds = hunt_kinds()
    assert len(kinds) == len(LEAKS) + sum(map(len, DECOYS.values())) + len(STRANGERS)
    assert set(kinds) == {*LEAKS, *DECOYS, "stranger"}
    sources = [*LEAKS.values(), *(row for rows in DECOYS.values() for row in rows)]
    assert len(set(sources)) == len(sources)
    train, _ = hunt_pictures()
    pairs = data.find_leaks(train, train, mirrored=True)
    assert all(leak.train == leak.test for leak in pairs)


def test_the_order_gives_nothing_away():
    leaks = [kind in LEAKS for kind in hunt_kinds()]
    assert sum(a != b for a, b in pairwise(leaks)) >= 5


def test_a_decoy_shares_what_its_name_says():
    train, test = hunt_pictures()
    kinds = hunt_kinds()

    def share_of_equal_pixels(row, number):
        return (train[row] == test[number]).all(0).float().mean()

    for number, kind in enumerate(kinds):
        if kind in DECOYS:
            nearest = max(share_of_equal_pixels(row, number) for row in DECOYS[kind])
            if "same background" in kind:
                assert 0.5 < nearest < 0.95
            else:
                assert nearest < 0.1


def test_objects_stay_where_they_are_only_in_decoys_at_the_same_places():
    train, test = hunt_pictures()

    def objects(picture):
        """(H, W): what is not grey background."""
        return (picture.amax(0) - picture.amin(0) > 0.3) | (picture.amin(0) > 0.8)

    for number, kind in enumerate(hunt_kinds()):
        if kind in DECOYS:
            pairs = [(objects(train[row]), objects(test[number])) for row in DECOYS[kind]]
            overlap = max((old & new).sum() / (old | new).sum() for old, new in pairs)
            assert (overlap > 0.4) == ("same places" in kind)
