"""easy-VQA: what the reader makes of the real files, and of small, missing and damaged ones."""

import json

import pytest
import torch
from PIL import Image

from mmlearn.data.easy_vqa import easy_vqa


@pytest.fixture
def small(tmp_path):
    folder = tmp_path / "easy_vqa" / "data"
    (folder / "test" / "images").mkdir(parents=True)
    lines = [["what colour is it?", "red", 7], ["is there a circle?", "no", 2], ["is it red?", "yes", 7]]
    (folder / "test" / "questions.json").write_text(json.dumps(lines), encoding="utf-8")
    (folder / "answers.txt").write_text("no\nred\nyes\n", encoding="utf-8")
    for number, colour in ((2, (0, 0, 255)), (7, (255, 0, 0))):
        Image.new("RGB", (64, 64), colour).save(folder / "test" / "images" / f"{number}.png")
    return tmp_path


def test_the_real_test_part_holds_9673_questions_about_1000_pictures(real):
    asked = easy_vqa(real("easy_vqa"))
    assert asked.images.shape == (1000, 3, 64, 64)
    assert len(asked) == len(asked.label) == len(asked.picture) == 9673
    assert asked.texts[0] == "what is the red shape?"
    assert asked.classes[asked.label[0]] == "triangle"
    assert sorted(asked.picture.unique().tolist()) == list(range(1000))
    assert len(asked.classes) == 13


def test_questions_find_their_pictures(small):
    asked = easy_vqa(small)
    assert asked.texts == ("what colour is it?", "is there a circle?", "is it red?")
    assert [asked.classes[k] for k in asked.label] == ["red", "no", "yes"]
    assert asked.picture.tolist() == [1, 0, 1]
    assert asked.images[1, :, 0, 0].tolist() == [1, 0, 0]
    assert asked.about([1]).tolist() == [0, 2]
    assert asked.about(torch.tensor([0])).tolist() == [1]
    assert easy_vqa(small / "easy_vqa").texts == asked.texts


def test_without_files_it_says_what_to_put_where(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"easy-VQA is not on this machine: looked for easy_vqa/data/test/questions.json"):
        easy_vqa(tmp_path)


def test_a_missing_picture_a_damaged_list_and_another_part_are_named(small):
    data = small / "easy_vqa" / "data"
    (data / "test" / "images" / "2.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 pictures are missing in .*: 2\.png"):
        easy_vqa(small)
    (data / "test" / "questions.json").write_text('[["is it?", "perhaps", 7]]', encoding="utf-8")
    with pytest.raises(ValueError, match=r"is damaged: .*Fetch both again"):
        easy_vqa(small)
    (data / "test" / "questions.json").write_text("[[", encoding="utf-8")
    with pytest.raises(ValueError, match="is damaged"):
        easy_vqa(small)
    with pytest.raises(ValueError, match="part must be 'train' or 'test'; got 'validation'"):
        easy_vqa(small, "validation")
