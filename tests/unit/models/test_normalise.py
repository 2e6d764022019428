import pytest
import torch
from torch import nn

from mmlearn.models.normalise import Normalise


def images(n=8, seed=0):
    return torch.rand(n, 3, 6, 5, generator=torch.Generator().manual_seed(seed)) * torch.tensor([0.2, 1, 3]).view(3, 1, 1) + 0.3


def test_the_training_data_come_out_with_mean_zero_and_spread_one():
    layer = Normalise.fit(images(), dims=(0, 2, 3))
    z = layer(images())
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3), correction=0), torch.ones(3))
    torch.testing.assert_close(layer.inverse(z), images())
    assert torch.equal(layer(images()[1]), z[1])


def test_statistics_travel_with_the_model_and_are_never_trained():
    model = nn.Sequential(Normalise.fit(images(), dims=(0, 2, 3)), nn.Flatten(), nn.Linear(90, 2))
    other = nn.Sequential(Normalise(torch.zeros(3, 1, 1), torch.ones(3, 1, 1)), nn.Flatten(), nn.Linear(90, 2))
    assert not torch.allclose(model(images()), other(images()))
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(images()), other(images()))
    assert [name for name, _ in model.named_parameters()] == ["2.weight", "2.bias"]
    assert model.double()[0].mean.dtype == torch.float64


def test_test_data_do_not_change_the_statistics():
    layer = Normalise.fit(images(), dims=(0, 2, 3)).train()
    before = layer.mean.clone()
    layer(images(seed=1) + 5)
    assert torch.equal(layer.mean, before)


def test_padding_stays_zero():
    sequences = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0)) + 10
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    layer = Normalise.fit(sequences * mask[..., None], dims=(0, 1), mask=mask)
    z = layer(sequences * mask[..., None], mask)
    assert z[1, 2:].abs().max() == 0
    torch.testing.assert_close(z[mask].mean(0), torch.zeros(3), atol=1e-5, rtol=0)


def test_the_buffers_are_copies():
    mean = torch.zeros(3)
    layer = Normalise(mean, torch.ones(3))
    mean += 1
    assert layer.mean.sum() == 0


def test_gradients_pass_through_scaled():
    layer = Normalise(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 4.0]))
    x = torch.zeros(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [[2, 0.25]]


@pytest.mark.parametrize(
    ("build", "error", "says"),
    [
        (lambda: Normalise(torch.zeros(3), torch.ones(2)), ValueError, r"one shape; got torch.float32 \(3,\) and .* \(2,\)"),
        (lambda: Normalise(torch.zeros(2), torch.tensor([1.0, -1.0])), ValueError, "std not negative"),
        (lambda: Normalise(torch.tensor([float("nan")]), torch.ones(1)), ValueError, "must be finite"),
        (
            lambda: Normalise(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))(torch.zeros(2, 1, 4, 4)),
            ValueError,
            r"end in \(3, 1, 1\)",
        ),
        (lambda: Normalise(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))(torch.zeros(4)), ValueError, r"got \(4,\)"),
        (
            lambda: Normalise(torch.zeros(3), torch.ones(3)).inverse(torch.zeros(2, 4)),
            ValueError,
            r"z must end in \(3,\).*got \(2, 4\)",
        ),
        (lambda: Normalise(torch.zeros(3), torch.ones(3))(torch.zeros(2, 3, dtype=torch.uint8)), TypeError, "got torch.uint8"),
    ],
)
def test_what_does_not_fit_is_refused(build, error, says):
    with pytest.raises(error, match=says):
        build()
