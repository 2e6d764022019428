"""Train the course's own small encoders and write them to data/models, in the form that transformers reads.

    .venv/bin/python tools/make_models.py            train both, write data/models and the checksums into data/README.md
    .venv/bin/python tools/make_models.py --check    train nothing; name what differs from the checksums, exit with 1 then

Two runs on one machine give the same bytes; another processor or another version of torch rounds differently, and training makes
much of little. So the committed files are checked against their sums, not against a second training.
"""

import argparse
import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.atomic import replace_folder, write_atomically
from mmlearn.course.documents import filled
from mmlearn.data import digits, world
from mmlearn.data.text import SPECIAL

DATA = Path(__file__).resolve().parent.parent / "data"
SEED = 1313  # of the scenes; no chapter draws from it
SIZE = 32
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
IMAGE = {"embedding_size": 16, "hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 1, 1], "layer_type": "basic"}
TEXT = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 64,
}
AMOUNT = {"scenes": 40_000, "image_epochs": 7, "captions": 24_000, "text_epochs": 4}
MASK = "<mask>"
_TOKEN = r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:\.\d+)?|[^\w\s]|_"  # what mmlearn.data.text.tokens cuts at


def image_encoder(scenes, epochs, lr=4e-3, batch=64, others=16, say=print):
    """A ResNet that tells colour, shape and size of one object, and digits: a transformers ResNetModel in eval mode.

    Every step sees ``batch`` scenes, half of the steps mirrored, and ``others`` training digits of ``digits(seed=0)``.
    """
    from transformers import ResNetConfig, ResNetModel

    drawn = world.sample(scenes, seed=SEED, size=SIZE, objects=1)
    labels = torch.stack([drawn.colour[:, 0], drawn.shape[:, 0], drawn.size[:, 0]], 1)  # (N, 3)
    written = digits(seed=0, size=SIZE).train
    torch.manual_seed(SEED)
    model = ResNetModel(ResNetConfig(**IMAGE))
    heads = nn.ModuleList([nn.Linear(IMAGE["hidden_sizes"][-1], count) for count in (8, 8, 2, 10)])

    def loss(rows, step):
        pick = torch.randint(len(written), (others,))
        pictures = drawn.image[rows]
        pictures = torch.cat([pictures.flip(-1) if step % 2 else pictures, written.images[pick].expand(-1, 3, -1, -1)])
        features = model((pictures - MEAN[0]) / STD[0]).pooler_output.flatten(1)  # (N, 128)
        own = [F.cross_entropy(head(features[:batch]), labels[rows, k]) for k, head in enumerate(heads[:3])]
        return sum(own) + 0.5 * F.cross_entropy(heads[3](features[batch:]), written.labels[pick])

    _train([*model.parameters(), *heads.parameters()], loss, scenes, epochs, lr, batch, model, say)
    return model.eval()


def text_encoder(captions, epochs, lr=2e-3, batch=64, share=0.2, say=print):
    """A BERT that finds masked words in the world's captions: a transformers BertModel in eval mode, and its tokenizer."""
    from transformers import BertConfig, BertModel

    tokenizer = make_tokenizer()
    texts = world.sample(captions, seed=SEED, size=16, objects=(1, 3)).captions()
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    ids, mask = encoded["input_ids"], encoded["attention_mask"]
    torch.manual_seed(SEED)
    sizes = TEXT | {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "type_vocab_size": 1}
    config = BertConfig(**sizes, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = BertModel(config, add_pooling_layer=False)
    bias = nn.Parameter(torch.zeros(len(tokenizer)))
    words = (ids >= len(SPECIAL)) & (ids != tokenizer.mask_token_id)

    def loss(rows, step):
        length = int(mask[rows].sum(1).max())
        given, kept, real = ids[rows, :length], mask[rows, :length], words[rows, :length]
        hidden = real & (torch.rand(given.shape) < share)
        masked = given.where(~hidden, torch.tensor(tokenizer.mask_token_id))
        states = model(input_ids=masked, attention_mask=kept).last_hidden_state[hidden]  # (M, D)
        return F.cross_entropy(states @ model.embeddings.word_embeddings.weight.mT + bias, given[hidden])

    _train([*model.parameters(), bias], loss, captions, epochs, lr, batch, model, say)
    whole = BertModel(config)  # with BERT's pooler, which AutoModel looks for: tanh of the first token, nothing learned
    whole.load_state_dict(model.state_dict(), strict=False)
    nn.init.eye_(whole.pooler.dense.weight), nn.init.zeros_(whole.pooler.dense.bias)
    return whole.eval(), make_tokenizer()  # a new one: the one that was used has kept how it padded


def make_tokenizer():
    """The words of ``world.vocabulary()`` under their own numbers, <mask> behind them, as a tokenizer of transformers."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pad, unknown, start, end = SPECIAL
    numbers = {word: number for number, word in enumerate((*world.vocabulary().words, MASK))}
    fast = Tokenizer(models.WordLevel(numbers, unk_token=unknown))
    fast.normalizer = normalizers.Lowercase()
    fast.pre_tokenizer = pre_tokenizers.Split(Regex(_TOKEN), behavior="removed", invert=True)
    around = [(start, numbers[start]), (end, numbers[end])]
    fast.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=around)
    names = {"pad_token": pad, "unk_token": unknown, "cls_token": start, "sep_token": end, "mask_token": MASK}
    longest = TEXT["max_position_embeddings"]
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, model_max_length=longest, model_input_names=["input_ids", "attention_mask"], **names
    )


def _train(parameters, loss, examples, epochs, lr, batch, model, say):
    """AdamW, one learning rate cycle, gradients clipped at 1. ``loss``: (rows, step) → ()"""
    per_epoch = examples // batch
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.02)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * per_epoch, pct_start=0.1)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for step, rows in enumerate(torch.randperm(examples)[: per_epoch * batch].view(-1, batch)):
            value = loss(rows, step)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            cycle.step()
            total += value.item()
        say(f"{type(model).__name__}: epoch {epoch + 1} of {epochs}, loss {total / per_epoch:.3f}")


def made(amount=AMOUNT, say=print):
    """Both encoders trained: {name below models/, with forward slashes: bytes}, sorted."""
    from transformers.utils import logging

    threads, shown = torch.get_num_threads(), logging.is_progress_bar_enabled()
    torch.set_num_threads(1)  # the sums of several threads come in any order
    logging.disable_progress_bar()
    try:
        image = image_encoder(amount["scenes"], amount["image_epochs"], say=say)
        text, tokenizer = text_encoder(amount["captions"], amount["text_epochs"], say=say)
        return _saved(image, text, tokenizer)
    finally:
        torch.set_num_threads(threads)
        if shown:
            logging.enable_progress_bar()


def _saved(image, text, tokenizer):
    """The files of both, as transformers writes them."""
    processor = {"image_processor_type": "ConvNextImageProcessor", "do_resize": False, "size": {"shortest_edge": SIZE}}
    processor |= {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": MEAN, "image_std": STD}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        image.save_pretrained(folder / "world-resnet")
        (folder / "world-resnet" / "preprocessor_config.json").write_text(
            json.dumps(processor, indent=2) + "\n", encoding="utf-8"
        )
        text.save_pretrained(folder / "world-bert")
        tokenizer.save_pretrained(folder / "world-bert")
        return {name: _ended(name, path.read_bytes()) for name, path in _files(folder).items()}


def _ended(name, content):
    """A text file ends with a newline."""
    return content if not name.endswith(".json") or content.endswith(b"\n") else content + b"\n"


def _files(folder):
    """{name below the folder: path} of all files, sorted."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != ".DS_Store"]
    return {path.relative_to(folder).as_posix(): path for path in sorted(found)}


def checksums(files):
    """The table of data/README.md."""
    rows = [f"| `models/{name}` | {len(files[name])} | `{hashlib.sha256(files[name]).hexdigest()}` |" for name in sorted(files)]
    return "\n".join(["| file | bytes | sha256 |", "|---|---|---|", *rows])


def differences(data):
    """One line for everything in which data/models is not what the checksums say."""
    text = (data / "README.md").read_text(encoding="utf-8")
    said = {name: (int(size), total) for name, size, total in re.findall(r"\| `models/(\S+)` \| (\d+) \| `(\w{64})` \|", text)}
    found = {name: path.read_bytes() for name, path in _files(data / "models").items()}
    lines = [f"models/{name}: missing" for name in sorted(said.keys() - found.keys())]
    lines += [f"models/{name}: not a file of the models" for name in sorted(found.keys() - said.keys())]
    for name in sorted(said.keys() & found.keys()):
        if (len(found[name]), hashlib.sha256(found[name]).hexdigest()) != said[name]:
            lines.append(f"models/{name}: differs from its checksum")
    return lines if said else [*lines, "README.md: no checksums of the models"]


def write(data, files):
    """Put the files and their checksums into place, the models whole or not at all."""
    readme = data / "README.md"
    text = filled(readme.read_text(encoding="utf-8"), "models", checksums(files), readme)  # before anything is written
    replace_folder(data / "models", files)
    write_atomically(readme, text)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Train the course's own small encoders and write them to data/models.")
    parser.add_argument("--check", action="store_true", help="train nothing; name what differs and exit with 1")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of models/ and README.md (default: the clone's data)")
    given = parser.parse_args(arguments)
    if given.check:
        lines = differences(given.data)
        print("\n".join(lines) if lines else "the models are those of the checksums")
        return 1 if lines else 0
    try:
        files = made()
        write(given.data, files)
    except ValueError as mistake:
        print(mistake, file=sys.stderr)
        return 2
    print(f"wrote models and README.md ({len(files)} files, {sum(map(len, files.values())) / 1e6:.2f} MB in all)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
