import pytest
import torch

from mmlearn.models.resnet import BasicBlock, ResNet, ResNet18, identity_with_zeros


def build(make, seed=0):
    torch.manual_seed(seed)
    return make().double()


def grown(model):
    """With running estimates and scales that are not those of the start."""
    for name, value in [*model.named_buffers(), *model.named_parameters()]:
        if value.is_floating_point():
            value.data.add_(torch.rand_like(value) if "bn" in name or "downsample.1" in name else 0)
    return model


@pytest.mark.parametrize(("inputs", "width", "stride"), [(4, 4, 1), (4, 8, 2), (4, 8, 1), (4, 4, 2)])
@pytest.mark.parametrize("training", [True, False])
def test_a_block_with_projections_is_torchvisions(F, inputs, width, stride, training):
    from torchvision.models.resnet import BasicBlock as Theirs
    from torchvision.models.resnet import conv1x1

    own = grown(build(lambda: BasicBlock(inputs, width, stride, shortcut="projection", F=F)))
    down = None
    if own.downsample is not None:
        down = torch.nn.Sequential(conv1x1(inputs, width, stride), torch.nn.BatchNorm2d(width))
    theirs = Theirs(inputs, width, stride, down).double()
    theirs.load_state_dict(own.state_dict())
    x = torch.randn(3, inputs, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(own.train(training)(x), theirs.train(training)(x), atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(own.state_dict(), theirs.state_dict())  # the running estimates, too


def test_identity_with_zeros_by_hand():
    x = torch.arange(18.0).view(1, 2, 3, 3)
    found = identity_with_zeros(x, 3, stride=2)
    assert found.tolist() == [[[[0, 2], [6, 8]], [[9, 11], [15, 17]], [[0, 0], [0, 0]]]]
    assert identity_with_zeros(x, 2, stride=1) is not None
    assert torch.equal(identity_with_zeros(x, 2, stride=1), x)


def test_a_residual_block_whose_layers_say_nothing_is_the_identity_and_a_plain_one_is_dead():
    x = torch.rand(2, 4, 5, 5)
    for residual, expected in [(True, x), (False, torch.zeros_like(x))]:
        block = BasicBlock(4, 4, residual=residual)
        torch.nn.init.zeros_(block.bn2.weight)
        assert torch.equal(block(x), expected)


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_depth_counts_the_layers_with_weights_and_parameters_follow_from_the_architecture(depth):
    n, w = (depth - 2) // 6, 8
    residual, plain = (ResNet(depth=depth, width=w, channels=3, classes=7, residual=value) for value in (True, False))
    layers = [m for m in residual.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == depth
    convolutions = [(3, w)] + [(w, w)] * 2 * n
    for width in (2 * w, 4 * w):
        convolutions += [(width // 2, width)] + [(width, width)] * (2 * n - 1)
    expected = sum(9 * c * d + 2 * d for c, d in convolutions) + 4 * w * 7 + 7
    counts = [sum(parameter.numel() for parameter in model.parameters()) for model in (residual, plain)]
    assert counts == [expected, expected]


def test_the_paper_s_twenty_layers_have_a_quarter_of_a_million_parameters():
    """Table 6 of the paper says 0.27 million for ResNet-20 on CIFAR-10."""
    model = ResNet(image_size=32, channels=3, depth=20)
    assert round(sum(parameter.numel() for parameter in model.parameters()) / 1e6, 2) == 0.27


def test_plain_and_residual_networks_start_with_the_same_weights():
    residual, plain = (build(lambda value=value: ResNet(image_size=8, residual=value)).state_dict() for value in (True, False))
    assert all(torch.equal(residual[name], plain[name]) for name in residual)
    assert list(residual) == list(plain)


def test_convolutions_start_with_the_variance_that_keeps_the_gradients_size():
    torch.manual_seed(0)
    conv = ResNet(depth=8, width=32, image_size=8).blocks[2][0].conv1
    assert conv.in_channels != conv.out_channels
    assert abs(conv.weight.var() * 9 * conv.out_channels - 2) < 0.05


def test_stages_halve_the_side_and_double_the_channels():
    model = ResNet(image_size=28, depth=14, width=4)
    shapes = {name: tuple(value.shape[1:]) for name, value in model.stages(torch.rand(2, 1, 28, 28)).items()}
    assert shapes == {
        "conv1": (4, 28, 28),
        "block1_1": (4, 28, 28),
        "block1_2": (4, 28, 28),
        "block2_1": (8, 14, 14),
        "block2_2": (8, 14, 14),
        "block3_1": (16, 7, 7),
        "block3_2": (16, 7, 7),
        "pool": (16,),
        "logits": (10,),
    }


def test_the_gradient_of_a_deep_plain_network_explodes_on_its_way_back_and_that_of_a_residual_one_does_not():
    """Batch norm lets the gradient grow from layer to layer, here about 2000-fold; with the sum it grows about tenfold."""
    first = {}
    for residual in (True, False):
        model = build(lambda value=residual: ResNet(image_size=8, depth=56, width=4, residual=value))
        images = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        torch.nn.functional.cross_entropy(model(images), torch.arange(16) % 10).backward()
        first[residual] = model.conv1.weight.grad.norm() / model.blocks[2][-1].conv2.weight.grad.norm()
    assert first[True] < 30
    assert first[False] > 500


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ResNet(depth=18), "depth: expected 6n \\+ 2.*20 is near; got 18"),
        (lambda: ResNet(depth=2), "≥ 8; got 2"),
        (lambda: BasicBlock(4, 8, shortcut="zero"), "'zeros' or 'projection'; got 'zero'"),
        (lambda: BasicBlock(8, 4), "at least the 8 channels of the input, or shortcut='projection'; got 4"),
        (lambda: ResNet(image_size=8)(torch.rand(2, 3, 8, 8)), "channels=3"),
        (lambda: ResNet18(image_size=64)(torch.rand(2, 3, 32, 32)), "image_size=32"),
        (lambda: ResNet()(torch.rand(0, 1, 28, 28)), "empty batch"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
