"""tools/make_models.py and what it wrote: two small encoders that transformers reads offline, and that know what they should."""

import json
import re
import runpy
from pathlib import Path

import pytest
import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from mmlearn.data import digits, world
from mmlearn.data.probe import ridge_probe
from mmlearn.models.features import load_features
from mmlearn.training.extract import extract

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "data" / "models"
TOOL = runpy.run_path(str(ROOT / "tools" / "make_models.py"))
TINY = {"scenes": 64, "image_epochs": 1, "captions": 64, "text_epochs": 1}
NAMES = ("world-bert", "world-resnet")


@pytest.fixture(scope="module")
def trained():
    return TOOL["made"](TINY, say=lambda line: None)


@pytest.fixture
def data(tmp_path):
    (tmp_path / "README.md").write_text("before\n<!-- models:begin -->\n<!-- models:end -->\nafter\n")
    return tmp_path


def test_what_is_committed_is_what_the_checksums_say_and_small(capsys):
    assert TOOL["main"](["--check"]) == 0
    assert capsys.readouterr().out == "the models are those of the checksums\n"
    for name in NAMES:
        assert (MODELS / name / "model.safetensors").stat().st_size < 3e6


def test_the_committed_networks_are_those_of_the_settings(trained):
    for name in NAMES:
        made, committed = (
            AutoModel.from_pretrained(MODELS / name, local_files_only=True),
            json.loads(trained[f"{name}/config.json"]),
        )
        ignored = ("transformers_version", "dtype")
        ours = {key: value for key, value in made.config.to_dict().items() if key in committed and key not in ignored}
        assert ours == {key: value for key, value in committed.items() if key in ours}


def test_two_trainings_on_one_machine_give_the_same_bytes(trained):
    assert TOOL["made"](TINY, say=lambda line: None) == trained


def test_the_files_and_their_checksums_are_written_whole(data, trained, capsys):
    TOOL["write"](data, trained)
    assert TOOL["main"](["--check", "--data", str(data)]) == 0
    text = (data / "README.md").read_text()
    assert text.startswith("before\n<!-- models:begin -->\n| file |")
    assert text.endswith("<!-- models:end -->\nafter\n")
    assert sorted(path.name for path in data.iterdir()) == ["README.md", "models"]
    AutoModel.from_pretrained(data / "models" / "world-bert", local_files_only=True)
    (data / "models" / "world-bert" / "config.json").write_text("{}")
    (data / "models" / "world-resnet" / "config.json").unlink()
    (data / "models" / "mine.txt").write_text("mine")
    capsys.readouterr()
    assert TOOL["main"](["--check", "--data", str(data)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "models/world-resnet/config.json: missing",
        "models/mine.txt: not a file of the models",
        "models/world-bert/config.json: differs from its checksum",
    ]
    TOOL["write"](data, trained)
    assert TOOL["main"](["--check", "--data", str(data)]) == 0


def test_without_a_place_for_the_checksums_nothing_is_written(data, trained):
    (data / "README.md").write_text("nothing")
    with pytest.raises(ValueError, match="put the lines <!-- models:begin"):
        TOOL["write"](data, trained)
    assert not (data / "models").exists()


def test_a_failure_in_the_middle_leaves_the_old_files(data, trained, monkeypatch):
    TOOL["write"](data, trained)
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    rename, calls = Path.rename, []

    def failing(self, target):
        calls.append(self)
        if len(calls) == 2:
            raise OSError("the disk has gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="the disk has gone"):
        TOOL["write"](data, trained)
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_the_readmes_code_for_transformers_gives_both_encoders(monkeypatch):
    monkeypatch.chdir(ROOT)
    readme = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "data/models" in block]
    names = {}
    exec(block, names)
    words = names["tokenizer"](["a red circle is left of a blue star"], return_tensors="pt")
    assert names["text_encoder"](**words).last_hidden_state.shape == (1, 11, 64)
    assert names["picture_encoder"](torch.rand(1, 3, 32, 32)).pooler_output.shape == (1, 128, 1, 1)


def test_the_tokenizer_numbers_words_as_the_world_does():
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "world-bert", local_files_only=True)
    scenes = world.sample(200, seed=0, size=16)
    texts = [*scenes.captions(), *scenes.questions().text, "What's in the T-shirt, 3.5 unheard-of STARS?", ""]
    ours = world.vocabulary().encode(texts, start=True, end=True)
    theirs = tokenizer(texts, padding=True, return_tensors="pt")
    assert torch.equal(theirs["input_ids"], ours.ids)
    assert torch.equal(theirs["attention_mask"].bool(), ours.mask)
    assert tokenizer.mask_token_id == len(world.vocabulary())


def test_a_picture_prepared_by_transformers_gives_the_same_features():
    processor = AutoImageProcessor.from_pretrained(MODELS / "world-resnet", local_files_only=True)
    image = world.sample(3, seed=0, size=32, objects=1).image
    bytes_ = (255 * image).round().byte()
    prepared = processor(images=list(bytes_), return_tensors="pt")["pixel_values"]
    encoder = load_features("world-resnet").eval()
    theirs = encoder.backbone(prepared).pooler_output.flatten(1)
    torch.testing.assert_close(encoder(bytes_.float() / 255), theirs, rtol=1e-4, atol=1e-4)


def test_the_image_encoder_tells_new_scenes_and_new_digits():
    encoder = load_features("world-resnet")
    train, test = (world.sample(600, seed=5, split=split, size=32, objects=1) for split in ("train", "test"))
    x, new = extract(encoder, train.image), extract(encoder, test.image)
    for attribute, least in {"colour": 0.97, "shape": 0.75, "size": 0.9}.items():
        labels, known = getattr(train, attribute)[:, 0], getattr(test, attribute)[:, 0]
        assert ridge_probe(x, labels).accuracy(new, known) > least
    written = digits(seed=0, size=32)
    probe = ridge_probe(extract(encoder, written.train.images), written.train.labels)
    assert probe.accuracy(extract(encoder, written.test.images), written.test.labels) > 0.95


def test_the_text_encoder_finds_a_masked_word():
    """By its place: after “a large” comes a colour, and a colour is what it expects there."""
    encoder = load_features("world-bert").eval()
    tokenizer = encoder.tokenizer
    tokens = encoder.tokens(["a large <mask> circle"]).values[0]  # <start> a large <mask> circle <end>
    scores = tokens[3] @ encoder.backbone.embeddings.word_embeddings.weight.mT
    best = tokenizer.convert_ids_to_tokens(scores.topk(3).indices.tolist())
    assert set(best) <= set(world.COLOURS)
