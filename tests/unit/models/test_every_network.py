"""What is true of every network: both namespaces agree, each parameter learns, a copy is a copy."""

import copy

import pytest
import torch

import mmlearn.ops
from mmlearn.models.autoencoder import ConvAutoencoder, DenoisingAutoencoder, DenseAutoencoder, SparseAutoencoder
from mmlearn.models.joint_vae import JointVAE
from mmlearn.models.language_model import LanguageModel
from mmlearn.models.mlp import MLP
from mmlearn.models.recurrent import TextRNN
from mmlearn.models.resnet import ResNet, ResNet18
from mmlearn.models.skip_gram import SkipGram
from mmlearn.models.text_transformer import TextTransformer
from mmlearn.models.vae import VAE
from mmlearn.models.vit import ViT

LABELS = torch.tensor([0, 2, 1])
IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 7, 4, 3, 0], [2, 8, 3, 0, 0]])
MASK = IDS != 0
NOISE = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def images(channels=2, size=8):
    return torch.rand(3, channels, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def classified(*inputs):
    return lambda model: torch.nn.functional.cross_entropy(model(*inputs), LABELS)


def rebuilt(model):
    return torch.nn.functional.mse_loss(model(images()), images())


def sparse(model):
    return rebuilt(model) + model.penalty(model.encode(images()))


def read(model):
    return torch.nn.functional.cross_entropy(model(IDS, MASK), LABELS)


MEMORY = torch.rand(3, 2, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
IMAGES = {"image_size": 8, "channels": 2, "classes": 3}
WORDS = {"vocabulary_size": 9, "classes": 3}
NETWORKS = {
    "MLP": (lambda F: MLP((128, 8, 7, 3), batch_norm=True, F=F), classified(images())),
    "MLP tanh": (lambda F: MLP((128, 8, 3), activation="tanh", F=F), classified(images())),
    "ResNet": (lambda F: ResNet(**IMAGES, depth=8, width=3, F=F), classified(images())),
    "ResNet plain": (lambda F: ResNet(**IMAGES, depth=8, width=3, residual=False, F=F), classified(images())),
    "ResNet projections": (lambda F: ResNet(**IMAGES, depth=8, width=3, shortcut="projection", F=F), classified(images())),
    "ResNet18": (lambda F: ResNet18(image_size=40, channels=2, classes=3, F=F), classified(images(size=40))),
    "RNN": (lambda F: TextRNN(**WORDS, cell="rnn", features=4, hidden=6, F=F), read),
    "LSTM": (lambda F: TextRNN(**WORDS, cell="lstm", features=4, hidden=6, bidirectional=True, layers=2, F=F), read),
    "GRU": (lambda F: TextRNN(**WORDS, cell="gru", features=4, hidden=6, bidirectional=True, pool="max", F=F), read),
    "TextTransformer": (lambda F: TextTransformer(**WORDS, length=5, features=8, heads=2, F=F), read),
    "TextTransformer post-norm": (
        lambda F: TextTransformer(
            **WORDS, features=8, heads=4, positions="sinusoidal", norm_first=False, activation="relu", pool="first", F=F
        ),
        read,
    ),
    "LanguageModel": (
        lambda F: LanguageModel(vocabulary_size=9, length=5, features=8, heads=2, F=F),
        lambda model: model.loss(IDS, MASK),
    ),
    "LanguageModel with a memory": (
        lambda F: LanguageModel(vocabulary_size=9, length=5, features=8, heads=2, cross_attention=True, norm_first=False, F=F),
        lambda model: model.loss(IDS, MASK, MEMORY.to(next(model.parameters()).dtype)),
    ),
    "ViT": (lambda F: ViT(**IMAGES, patch=4, features=8, heads=2, layers=2, F=F), classified(images())),
    "ViT mean": (lambda F: ViT(**IMAGES, patch=2, features=8, heads=1, layers=1, pool="mean", F=F), classified(images())),
    "SkipGram": (lambda F: SkipGram(9, features=4, F=F), lambda model: model(IDS[:, :2], IDS[:, 2:])),
    "DenseAutoencoder": (lambda F: DenseAutoencoder(128, code=4, hidden=(6,), F=F), rebuilt),
    "DenseAutoencoder linear": (lambda F: DenseAutoencoder(128, code=4, activation="linear", output="linear", F=F), rebuilt),
    "ConvAutoencoder": (lambda F: ConvAutoencoder(8, 2, code=4, widths=(3, 4), hidden=9, F=F), rebuilt),
    "DenoisingAutoencoder": (lambda F: DenoisingAutoencoder(DenseAutoencoder(128, code=4, F=F)), rebuilt),
    "SparseAutoencoder": (lambda F: SparseAutoencoder(128, code=9, F=F), sparse),
    "VAE": (
        lambda F: VAE(8, 2, code=4, widths=(3, 4), hidden=9, F=F),
        lambda model: model(images(), noise=NOISE).loss(beta=2.0),
    ),
    "VAE dense, gaussian": (
        lambda F: VAE(8, 2, code=4, widths=(), hidden=9, likelihood="gaussian", F=F),
        lambda model: model(images(), noise=NOISE).loss(),
    ),
    "JointVAE": (
        lambda F: JointVAE(9, 8, 2, code=4, widths=(3,), hidden=9, words=4, reader=5, F=F),
        lambda model: sum(
            model(*given, noise=NOISE).elbo.mean() for given in [(images(), IDS, MASK), (images(),), (None, IDS, MASK)]
        ),
    ),
}


def build(name, F=torch.nn.functional, seed=0):
    torch.manual_seed(seed)
    return NETWORKS[name][0](F).double()


@pytest.mark.parametrize("name", NETWORKS)
def test_torch_and_the_courses_own_functions_give_the_same_loss_and_gradients(name):
    results = []
    for F in (torch.nn.functional, mmlearn.ops):
        model = build(name, F)
        loss = NETWORKS[name][1](model)
        loss.backward()
        results.append({"loss": loss.detach(), **{name: parameter.grad for name, parameter in model.named_parameters()}})
    theirs, ours = results
    for part in theirs:
        torch.testing.assert_close(ours[part], theirs[part], atol=1e-10, rtol=1e-7, msg=lambda text, part=part: f"{part}: {text}")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_moves_in_a_step(name):
    model = build(name)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    NETWORKS[name][1](model).backward()
    optimiser.step()
    moved = {name: (parameter - before[name]).abs().max().item() for name, parameter in model.named_parameters()}
    assert {name: step for name, step in moved.items() if step < 1e-9} == {}  # less is rounding: no gradient came


@pytest.mark.parametrize("name", NETWORKS)
def test_a_copy_and_a_loaded_twin_compute_the_same(name):
    model, loss = build(name, mmlearn.ops).eval(), NETWORKS[name][1]
    twin, other = copy.deepcopy(model), build(name, seed=1).eval()
    assert not torch.allclose(loss(other), loss(model))
    other.load_state_dict(model.state_dict())
    assert torch.equal(loss(twin), loss(model))
    torch.testing.assert_close(loss(other), loss(model))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_seed_gives_the_same_weights_for_every_namespace(name):
    ours, theirs = build(name, mmlearn.ops).state_dict(), build(name).state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[part], theirs[part]) for part in ours)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_namespace_without_the_functions_is_refused_at_once(name):
    with pytest.raises(TypeError, match=r"F must offer .* math lacks"):
        build(name, __import__("math"))
