"""The receptive field of whole networks: by gradient as by formula."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from mmlearn.models import VGG, LeNet
from mmlearn.models.receptive_field import EVERYTHING_PASSES, by_gradient, deviation, extent, squared_gradient
from mmlearn.models.resnet import ResNet
from mmlearn.ops.receptive_field import effective_deviation, first_pixel, jumps, receptive_field

LENET = [(5, 1, 2), (2, 2), (5, 1, 2), (2, 2)]
VGG_SMALL = [(3, 1, 1), (3, 1, 1), (2, 2)] * 2
RESNET8 = [(3, 1, 1)] * 3 + [(3, 2, 1), (3, 1, 1)] * 2


@pytest.mark.parametrize(
    ("network", "stage", "layers"),
    [(LeNet, "pool2", LENET), (LeNet, "conv2", LENET[:3]), (VGG, "pool2", VGG_SMALL)]
    + [(partial(ResNet, depth=8, width=4, residual=residual), "block3_1", RESNET8) for residual in (True, False)],
)
def test_a_network_sees_what_the_formula_says(network, stage, layers):
    size, place = 64, 5
    model = network(image_size=size, F=EVERYTHING_PASSES)
    seen = by_gradient(lambda x: model.stages(x)[stage], torch.ones(1, 1, size, size), row=place, column=place + 1)
    r, j, a = receptive_field(layers), jumps(layers)[-1], first_pixel(layers)
    expected = [max(0, a + place * j), a + place * j + r - 1, max(0, a + (place + 1) * j), a + (place + 1) * j + r - 1]
    assert list(extent(seen)) == expected


def test_random_layers_have_the_deviation_of_the_formula():
    torch.manual_seed(0)
    weights = [torch.randn(32, 32, 3, 3) for _ in range(6)]

    def maps(x):
        for weight in weights:
            x = F.conv2d(x, weight) / 17
        return x

    layers = [(3,)] * 6
    r = receptive_field(layers)
    measured = sum(squared_gradient(maps, torch.zeros(1, 32, r, r)) for _ in range(8))
    assert deviation(measured) == pytest.approx(effective_deviation(layers), rel=0.05)


def test_a_maximum_sees_one_pixel_of_its_window_until_everything_passes():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    model = LeNet(image_size=4)
    assert extent(by_gradient(lambda x: model.F.max_pool2d(x, 2), image, 0, 0)) == (1, 1, 1, 1)
    assert extent(by_gradient(lambda x: EVERYTHING_PASSES.max_pool2d(x, 2), image, 0, 0)) == (0, 1, 0, 1)


def test_a_uniform_map_has_the_deviation_of_a_uniform_variable():
    assert deviation(torch.ones(7, 7)) == pytest.approx(((7**2 - 1) / 12) ** 0.5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="maps must return"):
        by_gradient(lambda x: x.flatten(1), torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="nothing is seen"):
        extent(torch.zeros(3, 3))
