"""Published weights under our names: state dicts of torchvision and transformers, ready for ``load_state_dict``.

model = ViT(224, 3, 1000, patch=16, features=768, heads=12, layers=12)
model.load_state_dict(vit_from_torchvision(torchvision.models.vit_b_16(weights="DEFAULT").state_dict()))
"""

import re

import torch


def resnet18_from_torchvision(state):
    """The weights of torchvision.models.resnet18 for ``ResNet18``.

    state: its state_dict   returns: dict of the same tensors, layer3.1.conv2.weight as blocks.2.1.conv2.weight
    Raises ValueError on the weights of another network.
    """
    _expect(state, "layer4.1.conv2.weight", "torchvision.models.resnet18")
    return {re.sub(r"^layer(\d)", lambda found: f"blocks.{int(found[1]) - 1}", name): tensor for name, tensor in state.items()}


def vit_from_torchvision(state):
    """The weights of torchvision.models.VisionTransformer (vit_b_16, …) for ``ViT``.

    The convolution that embeds patches, (D, C, p, p), becomes the linear layer that it is, (D, C·p·p).
    """
    _expect(state, "encoder.pos_embedding", "torchvision.models.VisionTransformer")
    renamed = {
        "conv_proj": "projection",
        "encoder.pos_embedding": "places",
        "encoder.layers.encoder_layer_": "encoder.layers.",
        "encoder.ln": "encoder.norm",
        "heads.head": "fc",
        ".ln_1": ".norm1",
        ".ln_2": ".norm2",
        ".self_attention": ".self_attn",
        ".mlp.0": ".linear1",
        ".mlp.3": ".linear2",
    }
    ours = _renamed(state, renamed)
    return {**ours, "projection.weight": ours["projection.weight"].flatten(1)}


def encoder_block_from_bert(state):
    """The weights of a transformers BertLayer for ``EncoderBlock(…, norm_first=False, eps=1e-12)``.

    The three projections, apart in BERT, are put one below the other.
    """
    _expect(state, "attention.self.query.weight", "a BertLayer, such as model.encoder.layer[0]")
    renamed = {
        "attention.output.dense": "self_attn.out_proj",
        "attention.output.LayerNorm": "norm1",
        "intermediate.dense": "linear1",
        "output.dense": "linear2",
        "output.LayerNorm": "norm2",
    }
    ours = _renamed({name: tensor for name, tensor in state.items() if not name.startswith("attention.self")}, renamed)
    for kind in ("weight", "bias"):
        parts = [state[f"attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
        ours[f"self_attn.in_proj_{kind}"] = torch.cat(parts)  # (3D, D) or (3D,)
    return ours


def _renamed(state, names):
    def rename(name):
        for old, new in names.items():
            name = name.replace(old, new)
        return name

    return {rename(name): tensor for name, tensor in state.items()}


def _expect(state, name, what):
    if name not in state:
        got = ", ".join(list(state)[:3]) + ", …" if state else "an empty one"
        raise ValueError(f"the state dict must be that of {what}, with {name!r}; got {got}")
