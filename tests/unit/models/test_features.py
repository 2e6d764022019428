"""One interface to every backbone: built from a configuration, nothing is downloaded."""

import copy

import pytest
import torch
import torchvision
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTModel,
)

from mmlearn.data import world
from mmlearn.models.features import Features, Tokens, course_encoders, load_features
from mmlearn.models.hooks import hooked

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
NAMES = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}


def clip():
    text, vision = SMALL | {"vocab_size": 50, "max_position_embeddings": 12} | NAMES, SMALL | {"image_size": 32, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=10))


IMAGE = {  # name → (backbone, D, tokens of a 32 × 32 picture, first and last layer)
    "torchvision resnet": (lambda: torchvision.models.resnet18(), 512, 1, ("layer1", "layer4")),
    "torchvision vgg": (lambda: torchvision.models.vgg11(), 512, 1, ("features.2", "features.20")),
    "torchvision vit": (
        lambda: torchvision.models.VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32),
        16,
        16,
        ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1"),
    ),
    "resnet": (
        lambda: ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")),
        16,
        16,
        ("encoder.stages.0", "encoder.stages.1"),
    ),
    "vit": (lambda: ViTModel(ViTConfig(**SMALL, image_size=32, patch_size=8), add_pooling_layer=False), 16, 16, None),
    "clip vision": (lambda: CLIPVisionModel(CLIPVisionConfig(**SMALL, image_size=32, patch_size=8)), 16, 16, None),
}


def built(name):
    torch.manual_seed(0)
    return Features(IMAGE[name][0]()).eval()


def bert(**options):
    torch.manual_seed(0)
    config = BertConfig(**SMALL, vocab_size=50, max_position_embeddings=12, hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    return Features(BertModel(config, add_pooling_layer=False), **options).eval()


PICTURES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
IDS = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0], [0, 0, 0, 0]])
MASK = torch.tensor([[True, True, True, False], [True, True, False, False], [False] * 4])


@pytest.mark.parametrize("name", IMAGE)
def test_pictures_become_features_and_tokens(name):
    _, width, count, layers = IMAGE[name]
    encoder = built(name)
    values, mask = encoder.tokens(PICTURES)
    assert encoder.sense == "image"
    assert encoder.features(PICTURES).shape == encoder(PICTURES).shape == (3, width) == (3, encoder.width)
    assert values.shape == (3, count, width)
    assert mask.shape == (3, count)
    assert mask.all()
    assert layers is None or (encoder.layers()[0], encoder.layers()[-1]) == layers
    assert all(found.shape[0] == 3 and found.ndim == 2 for found in encoder.at(PICTURES, *encoder.layers()))


@pytest.mark.parametrize("name", IMAGE)
def test_a_batch_of_one_is_a_row_of_the_batch_and_grey_is_three_equal_channels(name):
    encoder = built(name)
    torch.testing.assert_close(encoder(PICTURES[1:2]), encoder(PICTURES)[1:2], rtol=1e-4, atol=1e-5)
    grey = PICTURES[:, :1]
    torch.testing.assert_close(encoder(grey), encoder(grey.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("name", ["torchvision resnet", "torchvision vit"])
def test_the_features_are_what_torchvisions_own_head_reads(name):
    encoder = built(name)
    head = encoder.backbone.fc if name.endswith("resnet") else encoder.backbone.heads
    torch.testing.assert_close(head(encoder(PICTURES)), encoder.backbone(PICTURES))


def test_the_features_of_a_resnet_of_transformers_are_its_pooler_output():
    encoder = built("resnet")
    torch.testing.assert_close(encoder(PICTURES), encoder.backbone(PICTURES).pooler_output.flatten(1))


def test_vits_features_are_the_class_token_or_the_mean_of_the_patches():
    backbone = built("vit").backbone
    states = backbone(PICTURES).last_hidden_state
    torch.testing.assert_close(Features(backbone)(PICTURES), states[:, 0])
    torch.testing.assert_close(Features(backbone, pool="first")(PICTURES), states[:, 0])
    torch.testing.assert_close(Features(backbone, pool="mean")(PICTURES), states[:, 1:].mean(1))
    torch.testing.assert_close(Features(backbone).tokens(PICTURES).values, states[:, 1:])


def test_texts_become_features_and_padding_changes_nothing():
    encoder = bert()
    longer = torch.cat([IDS, torch.full((3, 3), 9)], 1), torch.cat([MASK, torch.zeros(3, 3, dtype=torch.bool)], 1)
    values, mask = encoder.tokens((IDS, MASK))
    assert (encoder.sense, encoder.width, values.shape) == ("text", 16, (3, 4, 16))
    assert torch.equal(mask, MASK)
    assert not values[~MASK].any()
    torch.testing.assert_close(encoder((IDS, MASK))[:2], torch.stack([values[0, :3].mean(0), values[1, :2].mean(0)]))
    torch.testing.assert_close(encoder((IDS, MASK))[:2], encoder(longer)[:2])
    torch.testing.assert_close(encoder(IDS, MASK), encoder((IDS, MASK)))
    torch.testing.assert_close(bert(pool="first")((IDS, MASK)), encoder.backbone(IDS, MASK.long()).last_hidden_state[:, 0])
    assert not encoder((IDS, MASK))[2].any()  # a text of padding alone


def test_both_halves_of_clip_are_what_clip_compares():
    model = clip().eval()
    ids = torch.tensor([[2, 5, 6, 3, 3], [2, 7, 3, 3, 3]])
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
    image, text = Features(model, part="image"), Features(model, part="text")
    output = model(input_ids=ids, pixel_values=PICTURES, attention_mask=mask)
    torch.testing.assert_close(nn.functional.normalize(image(PICTURES)), output.image_embeds)
    torch.testing.assert_close(nn.functional.normalize(text((ids, mask))), output.text_embeds)
    assert image.tokens(PICTURES).values.shape == (3, 16, 10)
    assert text.tokens((ids, mask)).values.shape == (2, 5, 10)
    assert len(image.layers()) == len(text.layers()) == 2


def test_the_text_half_of_clip_alone_reads_its_end_token():
    model = CLIPTextModel(CLIPTextConfig(**SMALL, **NAMES, vocab_size=50, max_position_embeddings=12)).eval()
    ids = torch.tensor([[2, 5, 6, 3, 3]])
    mask = torch.tensor([[1, 1, 1, 1, 0]])
    torch.testing.assert_close(Features(model)((ids, mask)), model(input_ids=ids, attention_mask=mask).pooler_output)


def test_pictures_are_resized_and_standardised():
    backbone = built("vit").backbone
    encoder = Features(backbone, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), size=32)
    by_hand = (PICTURES - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    torch.testing.assert_close(encoder(PICTURES), backbone(by_hand).last_hidden_state[:, 0])
    assert encoder(torch.rand(2, 3, 50, 40)).shape == (2, 16)


def hooks(module):
    return sum(len(part._forward_hooks) for part in module.modules())


def test_hooks_give_what_the_layers_give_and_are_gone_afterwards():
    encoder = built("vit")
    states = encoder.backbone(PICTURES, output_hidden_states=True).hidden_states  # of the embedding and of each block
    before = hooks(encoder)  # transformers leaves its own
    first, second = encoder.at(PICTURES, *encoder.layers(), pooled=False)
    torch.testing.assert_close(first, states[1])
    torch.testing.assert_close(encoder.backbone.layernorm(second), encoder.backbone(PICTURES).last_hidden_state)
    torch.testing.assert_close(encoder.at(PICTURES, encoder.layers()[0]), states[1][:, 0])
    assert hooks(encoder) == before
    with hooked(encoder.backbone, encoder.layers()):
        assert hooks(encoder) == before + 2
    with pytest.raises(ZeroDivisionError), hooked(encoder.backbone, encoder.layers()):
        raise ZeroDivisionError
    assert hooks(encoder) == before


def test_the_mean_over_tokens_leaves_padding_out_in_every_layer():
    encoder = bert()
    raw = encoder.at((IDS, MASK), "encoder.layer.0", pooled=False)
    pooled = encoder.at((IDS, MASK), "encoder.layer.0")
    torch.testing.assert_close(pooled[:2], torch.stack([raw[0, :3].mean(0), raw[1, :2].mean(0)]))


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_frozen_it_keeps_its_weights_statistics_and_mode(name):
    encoder = built(name).freeze()
    model = nn.Sequential(encoder, nn.Linear(encoder.width, 2)).train()
    before = copy.deepcopy(encoder.state_dict())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(PICTURES).square().mean().backward()
    optimizer.step()
    assert not any(module.training for module in encoder.modules())
    assert model[1].training
    assert model[1].weight.grad.any()
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())


def test_without_freezing_every_parameter_that_feeds_the_features_gets_a_gradient():
    for name in IMAGE:
        encoder = built(name)
        encoder(PICTURES).square().sum().backward()
        unused = {key for key, parameter in encoder.named_parameters() if parameter.grad is None}
        assert all(any(word in key for word in ("fc.", "classifier", "heads", "pooler")) for key in unused), (name, unused)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: built("vit")(PICTURES[0]), ValueError, r"images\[None\]"),
        (lambda: built("vit")(PICTURES[:0]), ValueError, "N ≥ 1"),
        (lambda: built("vit")((255 * PICTURES).byte()), TypeError, "to_float"),
        (lambda: built("vit")(["a text"]), TypeError, "this is an image encoder"),
        (lambda: bert()(PICTURES), TypeError, "this is a text encoder"),
        (lambda: bert()("a text"), TypeError, "put it in a list"),
        (lambda: bert()([]), TypeError, "not empty"),
        (lambda: bert()(["a text"]), ValueError, "has no tokenizer"),
        (lambda: bert()((IDS, MASK[:, :2])), ValueError, "texts must be"),
        (lambda: built("vit").at(PICTURES, "layer.7"), ValueError, "did you mean"),
        (lambda: Features(clip()), ValueError, "say part='image' or part='text'"),
        (lambda: bert(part="image"), ValueError, "BertModel reads texts"),
        (lambda: bert(pool="max"), ValueError, "pool must be one of"),
        (lambda: Features(nn.Linear(2, 2)), TypeError, "Linear is no backbone that is known"),
        (lambda: Features(built("vit").backbone, mean=(0, 0, 0)), ValueError, "belong together"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_courses_encoders_are_there_without_a_network_and_read_pictures_and_texts():
    assert course_encoders() == ("world-bert", "world-resnet")
    pictures, texts = load_features("world-resnet"), load_features("world-bert")
    assert pictures(torch.rand(2, 3, 32, 32)).shape == (2, 128)
    assert pictures.tokens(torch.rand(2, 3, 64, 64)).values.shape[2] == 128
    assert texts(["a red circle", "two small blue stars"]).shape == (2, 64)
    vocabulary = world.vocabulary().encode(["a red circle", "two small blue stars"], start=True, end=True)
    torch.testing.assert_close(texts(tuple(vocabulary)), texts(["a red circle", "two small blue stars"]))
    with pytest.raises(ValueError, match="text 0 has 102 pieces, and the encoder reads 64"):
        texts(["red " * 100])


def test_a_folder_is_read_by_the_same_code(tmp_path):
    encoder = load_features("world-bert")
    encoder.backbone.save_pretrained(tmp_path / "mine")
    encoder.tokenizer.save_pretrained(tmp_path / "mine")
    again = load_features(str(tmp_path / "mine"))
    torch.testing.assert_close(again(["a red circle"]), encoder(["a red circle"]))


def test_torchvision_by_name_without_weights():
    encoder = load_features("resnet18", pretrained=False, size=64).eval()
    assert encoder(torch.rand(1, 3, 40, 40)).shape == (1, 512)


@pytest.mark.parametrize(
    ("name", "near"), [("world-resnt", "world-resnet"), ("resnet-18", "resnet18"), ("./nowhere", "owner/name")]
)
def test_an_unknown_name_gets_the_near_ones(name, near):
    with pytest.raises(ValueError, match="no encoder is called") as caught:
        load_features(name)
    assert near in str(caught.value)


def test_without_a_network_the_error_says_what_there_is(monkeypatch):
    def unreachable(*arguments, **options):
        raise OSError("Name or service not known")

    monkeypatch.setattr("torchvision.models.get_model", unreachable)
    with pytest.raises(ConnectionError, match=r"resnet50 could not be fetched.*world-bert, world-resnet"):
        load_features("resnet50")
    monkeypatch.setattr("transformers.AutoModel.from_pretrained", unreachable)
    with pytest.raises(ConnectionError, match=r"google-bert/bert-base-uncased could not be fetched.*save_pretrained"):
        load_features("google-bert/bert-base-uncased")


def test_an_incomplete_folder_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(FileNotFoundError, match="is not complete"):
        load_features(tmp_path)


def test_tokens_is_a_pair():
    values, mask = Tokens(torch.zeros(1, 2, 3), torch.ones(1, 2, dtype=torch.bool))
    assert (values.shape, mask.shape) == ((1, 2, 3), (1, 2))
