import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from mmlearn import data
from mmlearn.data import world
from mmlearn.data.audio import write_wav
from mmlearn.data.collate import collate
from mmlearn.data.folder import inspect_folder, read_folder


def save(path, image):
    """A (3, H, W) float image as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy()).save(path)


def lines(path, rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def scenes():
    return world.sample(4, seed=0, size=24)


@pytest.fixture
def folder(tmp_path, scenes):
    """Four scenes in imagefolder's layout, one of them in a folder below."""
    root = tmp_path / "scenes"
    names = ["0.png", "1.png", "2.png", "below/3.png"]
    for name, image in zip(names, scenes.image, strict=True):
        save(root / name, image)
    rows = [
        {"file_name": name, "caption": caption, "count": n}
        for n, (name, caption) in enumerate(zip(names, scenes.captions(), strict=True))
    ]
    lines(root / "metadata.jsonl", rows)
    return root


def spoil(folder):
    """One of each fault; returns what each is to be called."""
    good = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(good[: len(good) // 2])
    save(folder / "cut.jpg", data.photo("coffee", size=64))
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:-200])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("not a picture", encoding="utf-8")
    (folder / "lonely.png").write_bytes((folder / "1.png").read_bytes())
    (folder / "notes.txt").write_text("notes", encoding="utf-8")
    (folder / ".hidden.png").write_bytes(b"")
    write_wav(folder / "sound.wav", torch.zeros(1, 1600) + 0.1)
    (folder / "cut.wav").write_bytes((folder / "sound.wav").read_bytes()[:100])
    added = [
        {"file_name": name, "caption": "x"} for name in ("cut.png", "cut.jpg", "empty.png", "text.png", "sound.wav", "cut.wav")
    ]
    added += [{"file_name": "gone.png", "caption": "nothing"}, {"file_name": "0.png", "caption": "again"}]
    added += [
        {"caption": "no name"},
        "{broken\n",
        {"file_name": "../secret.png", "caption": "x"},
        {"file_name": "notes.txt", "caption": "x"},
    ]
    old = (folder / "metadata.jsonl").read_text(encoding="utf-8")
    lines(folder / "metadata.jsonl", [old, *added])
    return {
        "cut.png": "cut off or damaged",
        "cut.jpg": "cut off or damaged",
        "empty.png": "empty: it has 0 bytes",
        "text.png": "not an image",
        "cut.wav": "cut off",
        "lonely.png": "has no caption",
        "gone.png": "has a caption, but the file is not there",
        "metadata.jsonl line 12": "'0.png' is named twice",
        "metadata.jsonl line 13": 'has no "file_name"',
        "metadata.jsonl line 14": "is not JSON",
        "metadata.jsonl line 15": "points outside of the folder",
        "metadata.jsonl line 16": "neither an image nor a sound",
    }


def test_records_have_the_pixels_captions_and_other_keys_in_the_order_of_the_captions(folder, scenes):
    read = read_folder(folder)
    assert [record["file_name"] for record in read] == ["0.png", "1.png", "2.png", "below/3.png"]
    assert [record["caption"] for record in read] == scenes.captions()
    assert [record["count"] for record in read] == [0, 1, 2, 3]
    images = torch.stack([record["image"] for record in read])
    assert (images - scenes.image).abs().max() <= 0.5 / 255 + 1e-6
    assert read.skipped == ()
    assert read_folder(folder, size=8)[0]["image"].shape == (3, 8, 8)


def test_it_reads_what_hugging_face_reads(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    theirs = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    ours = read_folder(folder)
    assert sorted(theirs["caption"]) == sorted(record["caption"] for record in ours)
    by_caption = {row["caption"]: np.asarray(row["image"].convert("RGB")) for row in theirs}
    for record in ours:
        pixels = (record["image"] * 255).round().byte().permute(1, 2, 0).numpy()
        assert np.array_equal(pixels, by_caption[record["caption"]])


def test_records_become_batches(folder):
    batches = list(DataLoader(read_folder(folder, size=16), batch_size=3, collate_fn=collate))
    assert [tuple(batch["image"].shape) for batch in batches] == [(3, 3, 16, 16), (1, 3, 16, 16)]
    assert batches[1]["file_name"] == ["below/3.png"]


@pytest.mark.parametrize("kind", ["metadata.csv", "captions.csv", "captions.jsonl", "list.json", "mapping.json", "coco.json"])
def test_captions_are_read_from_every_usual_kind_of_file(folder, scenes, kind):
    rows = [{"file_name": record["file_name"], "caption": record["caption"]} for record in read_folder(folder)]
    (folder / "metadata.jsonl").unlink()
    name, choice = kind, "find"
    if kind.endswith(".csv"):
        text = "file_name,caption\n" + "".join(f'{row["file_name"]},"{row["caption"]}"\n' for row in rows)
    elif kind.endswith(".jsonl"):
        text = "\n".join(json.dumps({"file_name": row["file_name"], "text": row["caption"]}) for row in rows)
    else:
        name = choice = "captions.json" if kind == "list.json" else kind
        annotations = [{"image_id": n, "caption": text} for n, row in enumerate(rows) for text in (row["caption"], "another")]
        images = [{"id": n, "file_name": row["file_name"]} for n, row in enumerate(rows)]
        text = json.dumps(
            {
                "list.json": rows,
                "mapping.json": {row["file_name"]: row["caption"] for row in rows},
                "coco.json": {"images": images, "annotations": annotations},
            }[kind]
        )
    (folder / name).write_text("\ufeff" + text, encoding="utf-8")  # as some editors save it
    read = read_folder(folder, captions=choice)
    assert [record["caption"] for record in read] == scenes.captions()
    if kind == "coco.json":
        assert read[0]["captions"] == (scenes.captions()[0], "another")


def test_files_alone_are_read_without_captions(folder):
    (folder / "metadata.jsonl").unlink()
    assert [sorted(record) for record in read_folder(folder, captions=None)] == [["file_name", "image"]] * 4
    report = inspect_folder(folder)
    assert report.without_caption == report.images == ("0.png", "1.png", "2.png", "below/3.png")
    with pytest.raises(FileNotFoundError, match=r"has none of metadata.jsonl, .*captions=None reads the files alone"):
        read_folder(folder)


def test_the_report_counts_and_lists_every_fault(folder):
    faults = spoil(folder)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    report = inspect_folder(folder)
    found = {problem.file: problem.what for problem in report.problems}
    assert found.keys() == faults.keys()
    for name, what in faults.items():
        assert what in found[name], name
        assert str(folder) not in found[name]
    assert report.without_caption == ("lonely.png",)
    assert report.without_file == ("gone.png",)
    assert report.other == ("notes.txt",)
    assert report.duplicates == (("1.png", "lonely.png"),)
    assert (len(report.images), report.sounds, report.captions) == (9, ("cut.wav", "sound.wav"), 16)
    said = str(report)
    for line in ("damaged: 5", "files without a caption: 1", "captions without a file: 1", "captions that cannot be used: 5"):
        assert line in said
    assert "1.png = lonely.png" in said
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_good_folder_has_a_short_report(folder):
    assert str(inspect_folder(folder)) == f"{folder}: 4 images, 0 sounds, 4 captions\n  nothing wrong"


def test_other_sizes_and_modes_are_listed(folder):
    Image.open(folder / "1.png").convert("L").save(folder / "1.png")
    save(folder / "2.png", torch.rand(3, 24, 30))
    report = inspect_folder(folder)
    assert report.sizes == {(24, 24): ["0.png", "1.png", "below/3.png"], (30, 24): ["2.png"]}
    assert report.modes == {"RGB": ["0.png", "2.png", "below/3.png"], "L": ["1.png"]}
    assert report.problems == ()
    assert "another size than the usual 24×24: 1\n    2.png: 30×24" in str(report)
    assert "another mode than the usual RGB: 1\n    1.png: L" in str(report)


def test_the_same_picture_in_another_format_is_a_duplicate(folder):
    Image.open(folder / "2.png").save(folder / "copy.bmp")
    assert inspect_folder(folder).duplicates == (("2.png", "copy.bmp"),)


def test_one_error_names_every_problem_and_nothing_is_skipped_unasked(folder):
    faults = spoil(folder)
    with pytest.raises(ValueError, match="12 things are wrong in") as caught:
        read_folder(folder)
    for name, what in faults.items():
        assert name in str(caught.value)
        assert what in str(caught.value)
    assert "skip_damaged=True" in str(caught.value)


def test_what_is_skipped_on_request_is_returned(folder, scenes):
    faults = spoil(folder)
    read = read_folder(folder, skip_damaged=True)
    assert {problem.file for problem in read.skipped} == faults.keys()
    assert [record["file_name"] for record in read] == ["0.png", "1.png", "2.png", "below/3.png", "sound.wav"]
    assert read[4]["sound"].shape == (1, 1600)
    assert read[0]["caption"] == scenes.captions()[0]


def test_a_long_list_of_problems_is_cut_and_counted(folder):
    for n in range(30):
        (folder / f"empty{n:02}.png").write_bytes(b"")
    with pytest.raises(ValueError, match="60 things are wrong") as caught:
        read_folder(folder)
    assert "… and 40 more" in str(caught.value)
    assert len(read_folder(folder, skip_damaged=True).skipped) == 60


def test_a_sound_at_another_rate_is_named_and_converted_on_request(folder):
    write_wav(folder / "slow.wav", torch.zeros(1, 800) + 0.1, rate=8000)
    lines(folder / "metadata.jsonl", [{"file_name": "slow.wav", "caption": "silence"}])
    for file in folder.rglob("*.png"):
        file.unlink()
    with pytest.raises(ValueError, match=r"slow.wav: has 8000 samples a second, and 16000 are expected"):
        read_folder(folder)
    assert read_folder(folder, resample=True)[0]["sound"].shape == (1, 1600)
    assert read_folder(folder, rate=8000)[0]["sound"].shape == (1, 800)
    assert inspect_folder(folder).problems == ()


@pytest.mark.parametrize("caption", [None, "", "  "])
def test_an_empty_caption_is_none(folder, caption):
    lines(folder / "metadata.jsonl", [{"file_name": "0.png", "caption": caption}, {"file_name": "1.png", "caption": "x"}])
    assert inspect_folder(folder).without_caption == ("0.png", "2.png", "below/3.png")


def test_a_folder_whose_parts_have_the_captions_says_so(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="the folders scenes below it do: read one of them"):
        read_folder(tmp_path)


def test_two_files_with_captions_need_a_choice(folder):
    (folder / "captions.json").write_text('{"0.png": "x"}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"has metadata.jsonl and captions.json: say which one with captions='metadata.jsonl'"):
        inspect_folder(folder)
    assert read_folder(folder, captions="captions.json", skip_damaged=True)[0]["caption"] == "x"


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("captions.json", b"{", ValueError, r"captions.json is not JSON: .*line 1"),
        ("captions.json", b"3", ValueError, "must hold a list of rows"),
        (
            "captions.csv",
            b"name,caption\nx,y\n",
            ValueError,
            r"no column \"file_name\" in its first line; it has \['name', 'caption'\]",
        ),
        ("captions.csv", b"", ValueError, "it has None"),
        ("captions.csv", "file_name,caption\n0.png,é\n".encode("latin-1"), ValueError, "is not UTF-8 text .* at byte 24"),
        ("captions.xml", b"<a/>", ValueError, "read from .jsonl, .csv or .json; got captions.xml"),
    ],
)
def test_captions_that_cannot_be_read_are_refused(folder, name, content, error, says):
    (folder / name).write_bytes(content)
    with pytest.raises(error, match=says):
        inspect_folder(folder, captions=name)


def test_what_is_not_there_is_said(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is not there"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"0.png is a file, not a folder"):
        inspect_folder(folder / "0.png")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*words.csv with captions"):
        read_folder(folder, captions="words.csv")
    with pytest.raises(ValueError, match=r"size must be a whole number of pixels.*got 0"):
        read_folder(folder, size=0)
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match=r"has nothing that can be used:\n  no file"):
        read_folder(tmp_path / "bare", captions=None)


def test_real_photographs_with_five_captions_each_are_read_from_cocos_files(tmp_path, real):
    coco = real("coco_mini")
    captions = "../annotations/captions_val2017.json"
    report = inspect_folder(coco / "val2017", captions)
    assert (len(report.images), report.captions, report.problems, report.duplicates) == (14, 14, (), ())
    read = read_folder(coco / "val2017", size=64, captions=captions)
    assert len(read) == 14
    assert all(len(record["captions"]) >= 5 and record["caption"] == record["captions"][0] for record in read)
    lake = next(record for record in read if record["file_name"] == "000000205401.jpg")
    assert lake["caption"] == "A plane floating on top of a lake surrounded by mountains."
    shutil.copytree(coco / "val2017", tmp_path / "val2017")
    cut = tmp_path / "val2017" / "000000205401.jpg"
    cut.write_bytes(cut.read_bytes()[:30000])
    with pytest.raises(ValueError, match=r"1 things are wrong.*\n  000000205401.jpg: cut off or damaged"):
        read_folder(tmp_path / "val2017", captions=coco / "annotations" / "captions_val2017.json")
