"""What differs between networks that make features: how they are called, where their tokens and their own pooled vector are."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn


class Family(NamedTuple):
    """One kind of backbone.

    run: (backbone, inputs, mask) → (tokens (N, T, D), what the network itself pools to (N, D))
    class_tokens: how many of the first tokens are no patch   default_pool: None for the mean of the tokens
    """

    sense: str
    run: Callable
    width: Callable
    layers: Callable
    class_tokens: int = 0
    default_pool: str | None = "own"
    longest: Callable = lambda backbone: None


def family_of(backbone, part=None):
    """The Family of a backbone. Raises TypeError on one that is not known, ValueError where ``part`` is missing or wrong."""
    kind = getattr(getattr(backbone, "config", None), "model_type", None)
    if kind == "clip" and hasattr(backbone, "visual_projection"):
        if part not in ("image", "text"):
            raise ValueError(f"a CLIP model has two halves: say part='image' or part='text'; got {part!r}")
        return _CLIP_IMAGE if part == "image" else _CLIP_TEXT
    found = _of_kind(backbone, kind)
    if part not in (None, found.sense):
        raise ValueError(f"{type(backbone).__name__} reads {found.sense}s; got part={part!r}")
    return found


def _of_kind(backbone, kind):
    name, module = type(backbone).__name__, type(backbone).__module__
    if module.startswith("torchvision"):
        known = {"ResNet": _RESNET, "VGG": _VGG, "VisionTransformer": _VISION_TRANSFORMER}
        if name in known:
            return known[name]
    elif kind in _HALVES:
        return _HALVES[kind]
    elif kind is not None:
        embedded = getattr(backbone, "get_input_embeddings", lambda: None)
        try:
            reads_text = isinstance(embedded(), nn.Embedding)
        except (NotImplementedError, AttributeError):
            reads_text = False
        if reads_text:
            return _TEXT
        return _MAPS if kind in ("resnet", "convnext", "regnet", "mobilenet_v2") else _PATCHES
    raise TypeError(
        f"{name} is no backbone that is known: give torchvision's ResNet, VGG or VisionTransformer, or a transformers model"
    )


def blocks(backbone):
    """The names of the entries of the longest ModuleList, the first of several: the blocks of any transformer."""
    lists = {name: module for name, module in backbone.named_modules() if isinstance(module, nn.ModuleList)}
    name = max(lists, key=lambda each: len(lists[each]))
    return [f"{name}.{n}" for n in range(len(lists[name]))]


def _flat(maps):
    return maps.flatten(2).mT  # (N, C, H, W) → (N, T, C)


def _run_resnet(net, x, mask):
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    maps = net.layer4(net.layer3(net.layer2(net.layer1(x))))  # (N, C, h, w)
    return _flat(maps), net.avgpool(maps).flatten(1)


def _run_vgg(net, x, mask):
    maps = net.features(x)  # (N, 512, h, w)
    return _flat(maps), maps.mean((2, 3))


def _vgg_stages(net):
    return [f"features.{n}" for n, layer in enumerate(net.features) if isinstance(layer, nn.MaxPool2d)]


def _run_vision_transformer(net, x, mask):
    x = net._process_input(x)  # torchvision's own forward calls it, too
    tokens = net.encoder(torch.cat([net.class_token.expand(len(x), -1, -1), x], 1))  # (N, 1 + T, D)
    return tokens, tokens[:, 0]


def _run_maps(net, x, mask):
    maps = net(x).last_hidden_state  # (N, C, h, w)
    return _flat(maps), maps.mean((2, 3))


def _map_stages(net):
    return blocks(net.encoder) and [f"encoder.{name}" for name in blocks(net.encoder)]


def _run_patches(net, x, mask):
    tokens = net(x).last_hidden_state  # (N, 1 + T, D)
    return tokens, tokens[:, 0]


def _run_text(net, ids, mask):
    tokens = net(input_ids=ids, attention_mask=mask.long()).last_hidden_state  # (N, T, D)
    return tokens, tokens[:, 0]


def _run_clip_vision(net, x, mask):
    tokens = getattr(net, "vision_model", net).post_layernorm(net(x).last_hidden_state)  # (N, 1 + T, D)
    return tokens, tokens[:, 0]


def _run_clip_words(net, ids, mask):
    output = net(input_ids=ids, attention_mask=mask.long())
    return output.last_hidden_state, output.pooler_output


def _run_clip_image(net, x, mask):
    vision = net.vision_model
    tokens = net.visual_projection(
        vision.post_layernorm(vision(x).last_hidden_state)
    )  # (N, 1 + T, D), the class token's as CLIP's
    return tokens, tokens[:, 0]


def _run_clip_text(net, ids, mask):
    output = net.text_model(input_ids=ids, attention_mask=mask.long())
    return net.text_projection(output.last_hidden_state), net.text_projection(output.pooler_output)


def _clip_blocks(half):
    return lambda net: [f"{half}.{name}" for name in blocks(net.get_submodule(half))]


def _hidden(net):
    return net.config.hidden_size


_RESNET = Family("image", _run_resnet, lambda net: net.fc.in_features, lambda net: ["layer1", "layer2", "layer3", "layer4"])
_VGG = Family("image", _run_vgg, lambda net: 512, _vgg_stages)
_VISION_TRANSFORMER = Family("image", _run_vision_transformer, lambda net: net.hidden_dim, lambda net: [
    f"encoder.layers.{name}" for name, _ in net.encoder.layers.named_children()
], class_tokens=1)  # fmt: skip
_MAPS = Family("image", _run_maps, lambda net: net.config.hidden_sizes[-1], _map_stages)
_PATCHES = Family("image", _run_patches, _hidden, blocks, class_tokens=1)
_TEXT = Family("text", _run_text, _hidden, blocks, default_pool=None, longest=lambda net: net.config.max_position_embeddings)
_CLIP_IMAGE = Family(
    "image", _run_clip_image, lambda net: net.config.projection_dim, _clip_blocks("vision_model"), class_tokens=1
)
_CLIP_TEXT = Family(
    "text",
    _run_clip_text,
    lambda net: net.config.projection_dim,
    _clip_blocks("text_model"),
    longest=lambda net: net.config.text_config.max_position_embeddings,
)
_HALVES = {
    "clip_vision_model": Family("image", _run_clip_vision, _hidden, blocks, class_tokens=1),
    "clip_text_model": Family("text", _run_clip_words, _hidden, blocks, longest=lambda net: net.config.max_position_embeddings),
}
