import pytest
import torch

from mmlearn.models.published_weights import encoder_block_from_bert, resnet18_from_torchvision, vit_from_torchvision
from mmlearn.models.resnet import ResNet18
from mmlearn.models.transformer import EncoderBlock, attention_mask
from mmlearn.models.vit import ViT


def unlike_the_start(model):
    """Random scales, biases and running estimates, so that a wrong name cannot hide behind a zero or a one."""
    torch.manual_seed(0)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.add_(0.3 * torch.rand_like(value))
    return model.eval()


def test_torchvisions_resnet18_in_our_blocks_says_the_same(F):
    from torchvision.models import resnet18

    theirs = unlike_the_start(resnet18(num_classes=7))
    own = ResNet18(image_size=64, classes=7, F=F).eval()
    own.load_state_dict(resnet18_from_torchvision(theirs.state_dict()))
    images = torch.rand(2, 3, 64, 64)
    expected = theirs.double()(images.double())
    torch.testing.assert_close(own.double()(images.double()), expected, atol=1e-10, rtol=1e-10)


def test_torchvisions_vision_transformer_in_our_blocks_says_the_same(F):
    from torchvision.models import VisionTransformer

    theirs = VisionTransformer(16, 4, num_layers=3, num_heads=4, hidden_dim=24, mlp_dim=40, num_classes=5)
    theirs = unlike_the_start(theirs).double()
    own = ViT(16, 3, 5, F=F, patch=4, features=24, heads=4, hidden=40, layers=3).double().eval()
    own.load_state_dict(vit_from_torchvision(theirs.state_dict()))
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(own(images), theirs(images), atol=1e-10, rtol=1e-10)


def test_vit_b_16_has_as_many_parameters_as_torchvisions():
    from torchvision.models import vit_b_16

    with torch.device("meta"):
        theirs = vit_b_16()
        own = ViT(224, 3, 1000, patch=16, features=768, heads=12, layers=12)
    renamed = vit_from_torchvision(theirs.state_dict())
    assert {name: value.shape for name, value in renamed.items()} == {name: v.shape for name, v in own.state_dict().items()}


def test_a_bert_layer_in_our_block_says_the_same(F):
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    config = BertConfig(hidden_size=24, num_attention_heads=3, intermediate_size=40, attn_implementation="eager")
    theirs = unlike_the_start(BertLayer(config)).double()
    own = EncoderBlock(24, 3, hidden=40, norm_first=False, eps=1e-12, F=F).double().eval()
    own.load_state_dict(encoder_block_from_bert(theirs.state_dict()))
    x = torch.randn(2, 5, 24, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    added = torch.zeros(2, 1, 1, 5, dtype=torch.float64).masked_fill(~mask[:, None, None], torch.finfo(torch.float64).min)
    expected = theirs(x, attention_mask=added)
    expected = expected if isinstance(expected, torch.Tensor) else expected[0]
    torch.testing.assert_close(own(x, attention_mask(mask, 5)), expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("convert", [resnet18_from_torchvision, vit_from_torchvision, encoder_block_from_bert])
def test_the_weights_of_another_network_are_refused(convert):
    with pytest.raises(ValueError, match=r"the state dict must be that of .*; got weight, bias"):
        convert(torch.nn.Linear(2, 2).state_dict())
    with pytest.raises(ValueError, match="got an empty one"):
        convert({})
