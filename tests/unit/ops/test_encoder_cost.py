"""What a block stores and does is what torch's block stores, and what its matrix products need."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmlearn.models.transformer import EncoderBlock
from mmlearn.ops.encoder_cost import encoder_block_cost


@pytest.mark.parametrize(("T", "D", "hidden"), [(1, 4, 4), (5, 8, None), (9, 12, 20)])
def test_parameters_are_torchs_and_products_are_counted(T, D, hidden):
    parameters, products = encoder_block_cost(T, D, hidden)
    torchs = nn.TransformerEncoderLayer(D, 2, hidden or 4 * D)
    assert parameters == sum(p.numel() for p in torchs.parameters())
    block = EncoderBlock(D, 2, hidden=hidden)
    with FlopCounterMode(display=False) as counter, nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
        block(torch.randn(1, T, D))
    assert counter.get_total_flops() == 2 * products  # a product and an addition


@pytest.mark.parametrize(("arguments", "words"), [((0, 4), "tokens"), ((3, 0), "features"), ((3, 4, 0), "hidden")])
def test_what_makes_no_sense_is_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        encoder_block_cost(*arguments)
