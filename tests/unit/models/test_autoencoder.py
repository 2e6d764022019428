import math

import pytest
import torch

from mmlearn.models.autoencoder import (
    ConvAutoencoder,
    DenoisingAutoencoder,
    DenseAutoencoder,
    SparseAutoencoder,
    corrupt,
    reconstruction_error,
    reconstruction_loss,
    sparsity_gradient,
    sparsity_penalty,
)


def test_one_layer_each_way_is_the_equation(F):
    torch.manual_seed(0)
    model, x = DenseAutoencoder(6, 2, F=F), torch.rand(4, 6)
    (into,), (out,) = model.encoder, model.decoder
    z = torch.sigmoid(x @ into.weight.T + into.bias)
    torch.testing.assert_close(model.encode(x), z)
    torch.testing.assert_close(model(x), torch.sigmoid(z @ out.weight.T + out.bias))


def test_hidden_layers_mirror_each_other_and_images_keep_their_shape():
    model = DenseAutoencoder(48, code=2, hidden=(9, 5), activation="relu")
    assert [tuple(layer.weight.shape) for layer in model.encoder] == [(9, 48), (5, 9), (2, 5)]
    assert [tuple(layer.weight.shape) for layer in model.decoder] == [(5, 2), (9, 5), (48, 9)]
    assert model(torch.rand(2, 3, 4, 4)).shape == (2, 3, 4, 4)


def test_a_linear_autoencoder_with_the_principal_axes_is_the_projection_on_them():
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x - x.mean(0)
    axes = torch.linalg.svd(x, full_matrices=False).Vh[:2]
    model = DenseAutoencoder(6, 2, activation="linear", output="linear").double()
    model.encoder[0].weight.data, model.decoder[0].weight.data = axes, axes.T.contiguous()
    torch.testing.assert_close(model(x), x @ axes.T @ axes)
    error = reconstruction_error(model, x)
    torch.testing.assert_close(error.mean() * 6, torch.linalg.svdvals(x)[2:].square().sum() / 50)  # Eckart and Young
    for parameter in model.parameters():
        parameter.grad = None
    torch.nn.functional.mse_loss(model(x), x).backward()
    assert max(parameter.grad.abs().max() for parameter in model.parameters()) < 1e-12  # nowhere to go: a minimum


def test_a_convolutional_one_codes_images_and_gives_values_between_zero_and_one(F):
    model, images = ConvAutoencoder(16, 3, code=5, F=F), torch.rand(2, 3, 16, 16)
    z = model.encode(images)
    assert z.shape == (2, 5)
    decoded = model.decode(10 * z)
    assert decoded.shape == images.shape
    assert 0 < decoded.min() < decoded.max() < 1
    assert torch.equal(model(images), model.decode(z))


def test_noise_is_put_on_in_training_alone():
    model, x = DenoisingAutoencoder(DenseAutoencoder(8, 3), std=0.5), torch.rand(4, 8)
    assert not torch.equal(model(x), model(x))
    assert torch.equal(model.eval()(x), model.autoencoder(x))
    assert torch.equal(model.decode(model.encode(x)), model(x))


def test_corruption_has_the_spread_and_the_share_that_are_asked_for():
    x = torch.full((200, 500), 3.0)
    noisy = corrupt(x, std=0.2, generator=torch.Generator().manual_seed(0))
    assert abs(noisy.mean() - 3) < 0.01
    assert abs(noisy.std() - 0.2) < 0.01
    spoilt = corrupt(x, dropped=0.3, generator=torch.Generator().manual_seed(0))
    assert spoilt.unique().tolist() == [0, 3]
    assert abs((spoilt == 0).float().mean() - 0.3) < 0.01
    assert corrupt(x) is x
    assert torch.equal(
        corrupt(x, 0.1, 0.1, torch.Generator().manual_seed(7)), corrupt(x, 0.1, 0.1, torch.Generator().manual_seed(7))
    )


def test_the_sparsity_penalty_is_the_divergence_of_bernoulli_distributions():
    z = torch.tensor([[0.1, 0.6], [0.3, 0.8]], dtype=torch.float64)
    bernoulli = torch.distributions.Bernoulli
    expected = torch.distributions.kl_divergence(bernoulli(torch.tensor(0.05).double()), bernoulli(z.mean(0))).sum()
    torch.testing.assert_close(sparsity_penalty(z, 0.05), expected)
    assert sparsity_penalty(torch.zeros(3, 2)).isfinite()
    assert sparsity_penalty(torch.ones(3, 2)).isfinite()
    model = SparseAutoencoder(4, 9, sparsity=0.2)
    z = model.encode(torch.rand(5, 4))
    assert torch.equal(model.penalty(z), sparsity_penalty(z, 0.2))


def test_the_gradient_of_the_penalty_is_autograds():
    z = torch.rand(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (expected,) = torch.autograd.grad(sparsity_penalty(z, 0.1), z)
    torch.testing.assert_close(sparsity_gradient(z.detach(), 0.1), expected)


def test_the_reconstruction_loss_adds_up_an_examples_numbers_and_is_the_error_times_their_count():
    model, x = DenseAutoencoder(8, 2), torch.rand(3, 2, 4)
    loss = reconstruction_loss(model(x), x)
    torch.testing.assert_close(loss, torch.nn.functional.mse_loss(model(x), x, reduction="sum") / 3)
    torch.testing.assert_close(loss, 8 * reconstruction_error(model, x).mean())


def test_a_few_steps_on_the_penalty_bring_the_mean_code_towards_the_sparsity():
    torch.manual_seed(0)
    model, x = SparseAutoencoder(8, 20, sparsity=0.1), torch.rand(64, 8)
    optimiser, before = torch.optim.SGD(model.parameters(), lr=0.5), model.encode(x).mean().item()
    for _ in range(20):
        optimiser.zero_grad()
        model.penalty(model.encode(x)).backward()
        optimiser.step()
    assert abs(model.encode(x).mean() - 0.1) < 0.05 < abs(before - 0.1)


def test_the_reconstruction_error_is_one_number_for_each_example():
    model, x = DenseAutoencoder(8, 2), torch.rand(3, 2, 4)
    expected = [torch.nn.functional.mse_loss(model(x)[n], x[n]).item() for n in range(3)]
    found = reconstruction_error(model, x)
    assert not found.requires_grad
    assert found.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: DenseAutoencoder(8, 0), "whole number ≥ 1; got 0"),
        (lambda: DenseAutoencoder(8, 2, activation="sigmiod"), "'sigmoid' or .*; got 'sigmiod'"),
        (lambda: DenseAutoencoder(8, 2)(torch.rand(3, 9)), r"x: expected \(N, 8\); got shape \(3, 9\)"),
        (lambda: DenseAutoencoder(8, 2).decode(torch.rand(3, 3)), r"z: expected \(N, 2\)"),
        (lambda: ConvAutoencoder(image_size=10), "a multiple of 4 for 2 halvings; 8 is near"),
        (lambda: corrupt(torch.rand(3), std=-1), "std: expected a number ≥ 0; got -1"),
        (lambda: DenoisingAutoencoder(DenseAutoencoder(8, 2), dropped=1.5), "a share from 0 to 1; got 1.5"),
        (lambda: SparseAutoencoder(8, 2, sparsity=0), "between 0 and 1; got 0"),
        (lambda: reconstruction_loss(torch.rand(3, 2), torch.rand(3)), r"output: expected target's shape \(3,\)"),
        (lambda: sparsity_gradient(torch.rand(3, 2), 1.0), "between 0 and 1; got 1.0"),
        (lambda: sparsity_penalty(torch.tensor([[-1.0, math.pi]])), "as a sigmoid gives them; got -1 to 3.14"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
