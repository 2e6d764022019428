import copy

import pytest
import torch

import mmlearn.ops
from mmlearn import data
from mmlearn.models import VGG, LeNet

NETWORKS = [LeNet, VGG]
SIZES = [8, 16, 28, 32]


def build(network, seed=0, **options):
    torch.manual_seed(seed)
    return network(**options)


def parameters(channels, classes, network, side):
    """The number of weights and biases, summed by hand from the architecture; ``side`` is that of the last feature map."""
    if network is LeNet:
        layers = [(25 * channels, 6), (25 * 6, 16), (16 * side**2, 120), (120, 84), (84, classes)]
    else:
        layers = [(9 * channels, 32), (9 * 32, 32), (9 * 32, 64), (9 * 64, 64), (64 * side**2, 128), (128, classes)]
    return sum(inputs * outputs + outputs for inputs, outputs in layers)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("network", NETWORKS)
def test_logits_and_parameter_count_follow_from_the_architecture(network, size):
    model = build(network, image_size=size, channels=3, classes=7)
    assert model(torch.rand(2, 3, size, size)).shape == (2, 7)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters(3, 7, network, size // 4)


@pytest.mark.parametrize("size", [8, 16, 30])
@pytest.mark.parametrize("network", NETWORKS)
def test_torch_and_the_courses_own_functions_give_the_same_outputs_and_gradients(network, size):
    images = torch.rand(3, 2, size, size, dtype=torch.float64)
    labels = torch.tensor([0, 3, 1])
    results = []
    for F in (torch.nn.functional, mmlearn.ops):
        model = build(network, image_size=size, channels=2, classes=4, F=F).double()
        inputs = images.clone().requires_grad_()
        logits = model(inputs)
        F.cross_entropy(logits, labels).backward()
        results.append([logits, inputs.grad, *(parameter.grad for parameter in model.parameters())])
    for theirs, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_same_seed_gives_the_same_weights_for_every_namespace(network):
    states = [build(network, seed, image_size=8, F=F).state_dict() for seed, F in [(0, torch.nn.functional), (0, mmlearn.ops)]]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    other = build(network, 1, image_size=8).state_dict()
    assert not any(torch.equal(states[0][name], other[name]) for name in other if name.endswith("weight"))


@pytest.mark.parametrize("network", NETWORKS)
def test_gradient_reaches_every_parameter(network):
    model = build(network, image_size=8)
    torch.nn.functional.cross_entropy(model(data.digits().train.images[:64]), data.digits().train.labels[:64]).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_stages_are_the_activations_on_the_way_by_name():
    images = torch.rand(2, 1, 28, 28)
    lenet = build(LeNet).stages(images)
    assert {name: tuple(activation.shape) for name, activation in lenet.items()} == {
        "conv1": (2, 6, 28, 28),
        "pool1": (2, 6, 14, 14),
        "conv2": (2, 16, 14, 14),
        "pool2": (2, 16, 7, 7),
        "fc1": (2, 120),
        "fc2": (2, 84),
        "logits": (2, 10),
    }
    vgg = build(VGG).stages(images)
    assert list(vgg) == ["conv1_1", "conv1_2", "pool1", "conv2_1", "conv2_2", "pool2", "fc1", "logits"]
    assert vgg["pool2"].shape == (2, 64, 7, 7)
    assert all((activation >= 0).all() for name, activation in vgg.items() if name != "logits")
    model = build(LeNet)
    assert torch.equal(model.stages(images)["logits"], model(images))


def test_two_stacked_3x3_convolutions_see_5x5_pixels():
    model = build(VGG, image_size=16, widths=(8,), depth=2).double()
    images = torch.rand(1, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    model.stages(images)["conv1_2"][0, :, 8, 8].sum().backward()
    seen = images.grad[0, 0].nonzero()
    assert seen.min(0).values.tolist() == [6, 6]
    assert seen.max(0).values.tolist() == [10, 10]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_can_be_copied_and_loaded(network):
    model = build(network, image_size=8, F=mmlearn.ops)
    images = torch.rand(2, 1, 8, 8)
    twin = copy.deepcopy(model)
    assert torch.equal(twin(images), model(images))
    other = build(network, seed=1, image_size=8)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(images), model(images))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (torch.rand(2, 28, 28), ValueError, "images.unsqueeze(1)"),
        (torch.rand(1, 28, 28), ValueError, "images.unsqueeze(0)"),
        (torch.rand(2, 28, 28, 1), ValueError, "to_float"),
        (torch.rand(2, 3, 28, 28), ValueError, "channels=3"),
        (torch.rand(2, 1, 32, 32), ValueError, "image_size=32"),
        (torch.rand(784), ValueError, "got torch.float32 (784,)"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), TypeError, "to_float"),
        (torch.rand(0, 1, 28, 28), ValueError, "empty batch"),
    ],
)
def test_wrong_images_get_told_what_is_wanted(network, images, error, says):
    with pytest.raises(error) as caught:
        build(network)(images)
    assert "images must be floats (N, 1, 28, 28)" in str(caught.value)
    assert says in str(caught.value)


def test_impossible_networks_are_refused():
    with pytest.raises(ValueError, match="at least 4"):
        LeNet(image_size=3)
    with pytest.raises(ValueError, match="at least 16 for 4 blocks; got 8"):
        VGG(image_size=8, widths=(4, 4, 4, 4))
    with pytest.raises(TypeError, match=r"math lacks conv2d, max_pool2d, linear, relu"):
        LeNet(F=__import__("math"))
