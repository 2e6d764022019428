"""The photographs of clothes: what the reader makes of the real files, and what it says of missing and damaged ones."""

import shutil

import pytest
import torch
from PIL import Image

from mmlearn.data.clothing import CLASSES, clothing


def made(folder):
    for part in ("train", "validation", "test"):
        for n, name in enumerate(CLASSES):
            (folder / part / name).mkdir(parents=True)
            Image.new("RGB", (40 + n, 60), (20 * n, 0, 0)).save(folder / part / name / "a.jpg")
    return folder


def test_the_real_photographs_in_their_published_parts(real):
    splits = clothing(real("clothing_dataset_small"), size=32)
    assert splits.classes == CLASSES
    for part in (splits.train, splits.validation, splits.test):
        assert part.images.shape[1:] == (3, 32, 32)
        assert 0 <= part.images.min() < part.images.max() <= 1
        assert len(part.labels.unique()) == 10
    every = torch.cat([part.images for part in (splits.train, splits.validation, splits.test)])
    assert len(every.flatten(1).unique(dim=0)) == len(every)  # no photograph is in two parts


def test_the_folder_of_all_data_sets_will_do(tmp_path, monkeypatch):
    made(tmp_path / "clothing_dataset_small")
    monkeypatch.setenv("MMLEARN_DATA", str(tmp_path))
    splits = clothing(size=16)
    assert splits.train.images.shape == (10, 3, 16, 16)
    assert splits.test.labels.tolist() == list(range(10))
    torch.testing.assert_close(splits.train.images[9, 0].mean(), torch.tensor(180 / 255), atol=0.03, rtol=0)


def test_without_files_the_reader_is_told_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("MMLEARN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"is not on this machine.*\nGet it from https.*licence.*MMLEARN_DATA"):
        clothing()


def test_a_missing_class_and_a_damaged_file_are_named(tmp_path):
    folder = made(tmp_path / "here")
    (folder / "test" / "hat" / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"hat.a\.jpg cannot be read as a picture"):
        clothing(folder)
    shutil.rmtree(folder / "test" / "hat")
    with pytest.raises(FileNotFoundError, match=r"hat holds no \*\.jpg"):
        clothing(folder)
