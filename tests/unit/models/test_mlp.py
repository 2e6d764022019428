import pytest
import torch
from torch import nn

from mmlearn.models.initialisation import he_normal
from mmlearn.models.mlp import ACTIVATIONS, MLP

LAYERS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_it_is_a_sequence_of_torchs_layers(F, activation, batch_norm):
    torch.manual_seed(0)
    model = MLP((5, 7, 6, 3), activation, batch_norm, F=F).double()
    parts = []
    for n, layer in enumerate(model.layers):
        parts += [layer] if n == 2 else [layer, *([model.norms[n]] if batch_norm else []), LAYERS[activation]()]
    x = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(model(x), nn.Sequential(*parts)(x))


def test_images_are_flattened_and_stages_named():
    model = MLP((12, 5, 4, 2))
    stages = model.stages(torch.rand(3, 3, 2, 2))
    assert {name: tuple(value.shape) for name, value in stages.items()} == {"layer1": (3, 5), "layer2": (3, 4), "logits": (3, 2)}
    assert sum(parameter.numel() for parameter in model.parameters()) == 12 * 5 + 5 + 5 * 4 + 4 + 4 * 2 + 2


def test_relu_layers_start_as_he_normal_and_tanh_layers_as_glorot():
    torch.manual_seed(0)
    relu = MLP((300, 500, 10))
    assert abs(relu.layers[0].weight.var() * 300 / 2 - 1) < 0.03
    assert abs(MLP((300, 500, 10), "tanh").layers[0].weight.var() * (300 + 500) / 2 - 1) < 0.03
    torch.manual_seed(1)
    expected = he_normal(nn.Linear(300, 500))
    torch.manual_seed(1)
    assert torch.equal(MLP((300, 500)).layers[0].weight, expected.weight)


def test_dropout_acts_in_training_alone():
    torch.manual_seed(0)
    model = MLP((8, 64, 2), dropout=0.5)
    x = torch.rand(3, 8)
    assert not torch.equal(model(x), model(x))
    assert torch.equal(model.eval()(x), model(x))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: MLP((8,)), ValueError, "at least two"),
        (lambda: MLP((8, 0, 2)), ValueError, "whole number ≥ 1; got 0"),
        (lambda: MLP((8, 2), activation="rellu"), ValueError, "'relu' or .*; got 'rellu'"),
        (lambda: MLP((8, 2))(torch.rand(3, 9)), ValueError, r"got torch.float32 \(3, 9\): build the network with sizes=\(9, …\)"),
        (lambda: MLP((8, 2))(torch.rand(8)), ValueError, r"one example becomes a batch with x\[None\]"),
        (lambda: MLP((8, 2))(torch.zeros(3, 8, dtype=torch.uint8)), TypeError, "to_float"),
        (lambda: MLP((8, 2))(torch.zeros(0, 8)), ValueError, "empty batch"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()
