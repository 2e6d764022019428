"""Feature extractors behind one interface: a network of torchvision, transformers or the course, and what it makes of a batch.

encoder = load_features("world-resnet")               # the course's own, offline
encoder = load_features("resnet18")                   # torchvision's, by name when online
encoder = load_features("google-bert/bert-base-uncased")   # transformers', by name when online, or a folder's path
encoder.features(pictures)                            # (N, D)
encoder.tokens(pictures)                              # Tokens(values (N, T, D), mask (N, T))
encoder.at(pictures, "layers.1")                      # what a layer gives, whatever its name is in ``encoder.layers()``
"""

from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.data import shipped
from mmlearn.models import padding
from mmlearn.models.backbones import family_of
from mmlearn.models.freeze import frozen
from mmlearn.models.hooks import hooked

POOLS = ("first", "mean", "own")


class Tokens(NamedTuple):
    """``values`` (N, T, D), one vector for each patch or piece of text; ``mask`` (N, T) bool, False on padding."""

    values: torch.Tensor
    mask: torch.Tensor


class Features(nn.Module):
    """A backbone as a feature extractor: ``features`` (N, D), ``tokens`` (N, T, D) with a mask, hooks for any layer.

    backbone    a torchvision ResNet, VGG or VisionTransformer; a transformers model with ``last_hidden_state``, such as
                BERT or ViT; or a CLIPModel, of which ``part`` says which half
    part        "image" or "text", needed for a CLIPModel
    tokenizer   a transformers tokenizer, needed where texts are given as strings
    mean, std   of each channel: what a picture in [0, 1] is standardised with
    size        pixels to which pictures are resized; None leaves them
    pool        "first" takes the class token, "mean" the mean of the tokens that are no padding, "own" what the network itself
                takes; None: "mean" for BERT and its like, else "own"

    A batch is pictures (N, 3, H, W) floats in [0, 1], a list of strings, or ids (N, T) with their mask, (ids, mask).
    ``model(*batch)`` is ``features``: so ``nn.Sequential(encoder, nn.Linear(encoder.width, K))`` classifies.
    """

    def __init__(self, backbone, *, part=None, tokenizer=None, mean=None, std=None, size=None, pool=None):
        super().__init__()
        if pool not in (None, *POOLS):
            raise ValueError(f"pool must be one of {', '.join(map(repr, POOLS))} or None; got {pool!r}")
        self.backbone, self.tokenizer, self.size = backbone, tokenizer, size
        self.family = family_of(backbone, part)
        self.pool = pool or ("mean" if self.family.default_pool is None else self.family.default_pool)
        self.width = self.family.width(backbone)
        if (mean is None) != (std is None):
            raise ValueError("mean and std belong together: give both or neither")
        if mean is not None:
            self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
            self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        else:
            self.mean = self.std = None

    @property
    def sense(self):
        """What it takes: "image" or "text"."""
        return self.family.sense

    def forward(self, *batch):
        return self.features(batch[0] if len(batch) == 1 else batch)

    def features(self, batch):
        """One vector for each example: (N, D). A text of padding alone has features of zero."""
        inputs, mask = self._inputs(batch)
        return self._pooled(*self.family.run(self.backbone, inputs, mask), mask)

    def tokens(self, batch):
        """One vector for each patch, place on the last feature map, or piece of text: Tokens(values (N, T, D), mask (N, T)).

        A class token is left out of a picture's tokens. Padding is zero.
        """
        inputs, mask = self._inputs(batch)
        values, _ = self.family.run(self.backbone, inputs, mask)
        values = values[:, self.family.class_tokens :]
        mask = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device) if mask is None else mask
        return Tokens(values.masked_fill(~mask[..., None], 0), mask)

    def layers(self):
        """The names of the backbone's stages or blocks, from the input to the output: what ``at`` is mostly asked for."""
        return self.family.layers(self.backbone)

    def at(self, batch, *names, pooled=True, grad=False):
        """What the named modules give for a batch: one tensor, or a list of them where several names are given.

        names: of any module of the backbone, as ``backbone.named_modules()`` has them   grad: keep the graph
        pooled: (N, D) each, the mean over space or tokens, or the class token with pool="first"; else the raw tensor
        Raises ValueError on an unknown name, with the nearest.
        """
        inputs, mask = self._inputs(batch)
        with torch.set_grad_enabled(grad), hooked(self.backbone, names, grad=grad) as seen:
            self.family.run(self.backbone, inputs, mask)
        found = [self._layer_pooled(seen[name], mask) if pooled else seen[name] for name in names]
        return found[0] if len(names) == 1 else found

    def freeze(self):
        """No gradient, and eval mode for good: dropout off, and the running statistics of BatchNorm stay. Returns itself."""
        frozen(self)
        return self

    def _layer_pooled(self, output, mask):
        if output.ndim == 4:
            return output.mean((2, 3))  # (N, C, H, W) → (N, C)
        if output.ndim == 2:
            return output
        if output.ndim != 3:
            raise ValueError(f"a layer gave {tuple(output.shape)}, which is neither (N, C, H, W) nor (N, T, D): say pooled=False")
        return self._mean(output, mask) if self.pool != "first" and not self.family.class_tokens else output[:, 0]

    def _pooled(self, values, own, mask):
        if self.pool == "own":
            return own
        if self.pool == "first":
            return values[:, 0]
        return self._mean(values[:, self.family.class_tokens :], mask)

    def _mean(self, values, mask):
        return values.mean(1) if mask is None else padding.pool(values, mask, "mean")  # (N, D)

    def _inputs(self, batch):
        """(pictures, None) or (ids, mask), on the backbone's device."""
        device = next(self.backbone.parameters()).device
        if self.sense == "image":
            return self._pictures(batch).to(device), None
        ids, mask = self._encoded(batch)
        return ids.to(device), mask.to(device)

    def _pictures(self, images):
        if isinstance(images, (tuple, list)) and len(images) == 1:
            (images,) = images
        wanted = "pictures must be floats (N, 3, H, W) in [0, 1]"
        if not isinstance(images, torch.Tensor):
            raise TypeError(f"{wanted}; got {type(images).__name__}: this is an image encoder")
        if not images.is_floating_point():
            raise TypeError(f"{wanted}; got {images.dtype} {tuple(images.shape)}: call mmlearn.data.to_float(images)")
        if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
            raise ValueError(f"{wanted}, N ≥ 1; got {tuple(images.shape)}: one picture becomes a batch with images[None]")
        x = images.expand(-1, 3, -1, -1)  # grey pictures have three equal channels
        if self.size is not None and tuple(x.shape[-2:]) != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True).clamp(0, 1)
        return x if self.mean is None else (x - self.mean.to(x)) / self.std.to(x)

    def _encoded(self, batch):
        wanted = "texts must be a list of strings or (ids (N, T), mask (N, T))"
        if isinstance(batch, str):
            raise TypeError(f"{wanted}; got the string {batch!r}: put it in a list, [{batch!r}]")
        if isinstance(batch, (tuple, list)) and len(batch) == 2 and all(isinstance(part, torch.Tensor) for part in batch):
            ids, mask = batch[0], batch[1].bool()
            if ids.ndim != 2 or ids.is_floating_point() or mask.shape != ids.shape or ids.numel() == 0:
                raise ValueError(f"{wanted}, not empty; got {ids.dtype} {tuple(ids.shape)} and {tuple(mask.shape)}")
            return ids, mask
        if isinstance(batch, torch.Tensor) or not batch or not all(isinstance(text, str) for text in batch):
            raise TypeError(f"{wanted}, not empty; got {type(batch).__name__}: this is a text encoder")
        if self.tokenizer is None:
            raise ValueError("this text encoder has no tokenizer: build it with tokenizer=…, or give (ids, mask)")
        encoded = self.tokenizer(list(batch), padding=True, return_tensors="pt")
        longest = self.family.longest(self.backbone)
        if encoded["input_ids"].shape[1] > longest:
            row = encoded["attention_mask"].sum(1).argmax().item()
            raise ValueError(f"text {row} has {encoded['input_ids'].shape[1]} pieces, and the encoder reads {longest}: cut it")
        return encoded["input_ids"], encoded["attention_mask"].bool()


def load_features(name, *, part=None, pretrained=True, pool=None, size=None):
    """A Features by name or by path.

    name: one of the course's (``course_encoders()``), there without a network; a torchvision name such as "resnet18", "vgg16",
          "vit_b_16"; a transformers name such as "google-bert/bert-base-uncased", "openai/clip-vit-base-patch32"; or a folder
          that ``save_pretrained`` wrote
    part: "image" or "text" of a CLIP model   pretrained=False: the torchvision network with random weights
    Raises ValueError on an unknown name with the nearest; ConnectionError where a download fails, saying what to do.
    """
    path = Path(name).expanduser()
    if name in course_encoders():
        return _from_transformers(shipped.folder("models") / name, part, pool, size)
    if (path / "config.json").is_file():
        return _from_transformers(path, part, pool, size)
    from torchvision.models import get_model, get_model_weights, list_models  # slow to import

    if name in list_models():
        try:
            weights = get_model_weights(name).DEFAULT if pretrained else None
            backbone = get_model(name, weights=weights)
        except OSError as error:
            raise _offline(name, error) from error
        crop = weights.transforms().crop_size[0] if weights else size
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, which torchvision's weights expect
        return Features(backbone, part=part, mean=mean, std=std, size=size or crop, pool=pool)
    if "/" not in str(name) or str(name).startswith((".", "/", "~")):
        near = get_close_matches(str(name), [*course_encoders(), *list_models()], n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise ValueError(
            f"no encoder is called {name!r}, and no folder with a config.json: {hint}The course's own are "
            f"{', '.join(course_encoders())}; names of transformers have the form owner/name"
        )
    return _from_transformers(name, part, pool, size)


def course_encoders():
    """The names of the encoders that come with the course, sorted.

    >>> course_encoders()
    ('world-bert', 'world-resnet')
    """
    return tuple(sorted(path.parent.name for path in shipped.folder("models").glob("*/config.json")))


def _from_transformers(source, part, pool, size):
    """``AutoModel.from_pretrained``: the same code for a name and for a folder."""
    import json

    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import cached_file

    options = {"local_files_only": True} if isinstance(source, Path) else {}
    try:
        with _quietly():
            backbone = AutoModel.from_pretrained(source, **options)
        family = family_of(backbone, part)
        if getattr(backbone, "pooler", None) is not None and backbone.config.model_type in ("bert", "roberta", "vit", "deit"):
            backbone.pooler = None  # a layer behind the class token, for BERT's second task; no feature here is made with it
        if family.sense == "text":
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            return Features(backbone, part=part, tokenizer=tokenizer, pool=pool)
        settings = cached_file(source, "preprocessor_config.json", **options)
    except OSError as error:
        raise _offline(source, error) from error
    settings = json.loads(Path(settings).read_text(encoding="utf-8"))
    edge = settings.get("crop_size") or settings.get("size") or {}
    edge = edge if isinstance(edge, int) else edge.get("height") or edge.get("shortest_edge")
    return Features(backbone, part=part, mean=settings["image_mean"], std=settings["image_std"], size=size or edge, pool=pool)


@contextmanager
def _quietly():
    """Without the progress bar and the report of weights that are new: what is missing here is not used."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar(), logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _offline(name, error):
    if isinstance(name, Path):
        return FileNotFoundError(f"{name} is not complete: {error}. Write it anew with save_pretrained, or run  make models")
    return ConnectionError(
        f"{name} could not be fetched ({str(error).splitlines()[0][:200]}). Without a network use the course's own encoders, "
        f"{', '.join(course_encoders())}, or the path of a folder that save_pretrained wrote"
    )
