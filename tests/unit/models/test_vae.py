import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from mmlearn.models.vae import VAE, Elbo, Gaussian, active_units, log_likelihood, traversals


def build(**options):
    torch.manual_seed(0)
    model = VAE(**{"image_size": 8, "channels": 2, "code": 3, "widths": (4, 5), "hidden": 9, **options}).double()
    torch.nn.init.normal_(model.fc.weight)  # far from the prior
    return model


def images(n=4):
    return torch.rand(n, 2, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


NOISE = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_bernoulli_elbo_is_the_sum_by_torch_distributions(F):
    model, x = build(F=F), images().round()
    mean, log_var = model.encode(x)
    posterior = Normal(mean, log_var.exp().sqrt())
    z = mean + posterior.scale * NOISE
    expected = Bernoulli(logits=model.decoder(z)).log_prob(x).sum((1, 2, 3))
    divergence = kl_divergence(posterior, Normal(torch.zeros_like(mean), 1.0)).sum(1)
    found = model(x, NOISE)
    torch.testing.assert_close(found.log_likelihood, expected, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(found.kl, divergence, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(found.elbo, expected - divergence, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(found.loss(beta=4), -(expected - 4 * divergence).mean(), atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(model.decode(z), Bernoulli(logits=model.decoder(z)).mean)


def test_the_gaussian_elbo_is_the_sum_by_torch_distributions(F):
    model, x = build(F=F, likelihood="gaussian", std=0.3), images()
    z = model.encode(x).sample(NOISE)
    expected = Normal(model.decode(z), 0.3).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(model(x, NOISE).log_likelihood, expected, atol=1e-10, rtol=1e-10)


def test_the_elbo_is_below_the_evidence_and_reaches_it_with_the_true_posterior():
    """p(x|z) = N(z, 1) and p(z) = N(0, 1): then p(x) = N(0, 2), and the posterior is N(x/2, 1/2)."""
    x = torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None]
    evidence = Normal(torch.zeros(1, dtype=torch.float64), 2**0.5).log_prob(x)[:, 0]
    noise = torch.randn(4000, 5, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gaps = []
    for variance in (0.5, 0.2, 1.0):
        q = Gaussian((x / 2).expand(4000, 5, 1), torch.full_like(noise, variance).log())
        z, every = q.sample(noise).flatten(0, 1), x.expand(4000, 5, 1).flatten(0, 1)  # (20000, 1)
        likelihood = log_likelihood(torch.nn.functional, z, every, "gaussian").view(4000, 5).mean(0)
        kl = kl_divergence(Normal(x / 2, variance**0.5), Normal(torch.zeros_like(x), 1.0))[:, 0]
        gaps.append((evidence - Elbo(likelihood, kl).elbo).mean().item())
    exact, narrow, wide = gaps
    assert abs(exact) < 0.03
    assert narrow > 0.1
    assert wide > 0.1


def test_noise_decides_the_draw_and_gradients_pass_through_it():
    model, x = build(), images()
    torch.testing.assert_close(model(x, NOISE).elbo, model(x, NOISE).elbo, atol=0, rtol=0)
    assert not torch.equal(model(x).elbo, model(x).elbo)
    gaussian = Gaussian(torch.zeros(2, 1, requires_grad=True), torch.zeros(2, 1, requires_grad=True))
    gaussian.sample(torch.tensor([[2.0], [-4.0]])).sum().backward()
    assert gaussian.mean.grad.tolist() == [[1], [1]]
    assert gaussian.log_var.grad.tolist() == [[1], [-2]]


def test_a_new_network_starts_near_the_prior():
    torch.manual_seed(0)
    model = VAE(image_size=8, code=4)
    assert model(torch.rand(5, 1, 8, 8)).kl.max() < 0.1


def test_the_importance_weights_by_torch_distributions():
    model, x = build(), images().round()
    torch.manual_seed(7)
    found = model.log_weights(x, draws=3)
    torch.manual_seed(7)
    mean, log_var = model.encode(x)
    posterior, prior = Normal(mean, (log_var / 2).exp()), Normal(torch.zeros_like(mean), 1.0)
    for column in found.T:
        z = mean + posterior.scale * torch.randn_like(mean)
        joint = Bernoulli(logits=model.decoder(z)).log_prob(x).sum((1, 2, 3)) + prior.log_prob(z).sum(1)
        torch.testing.assert_close(column, joint - posterior.log_prob(z).sum(1), atol=1e-10, rtol=1e-10)
    assert found.shape == (4, 3)


def test_a_unit_is_active_where_its_mean_varies_over_the_examples():
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(500, 3, generator=generator) * torch.tensor([0.05, 0.2, 1.0]) + torch.tensor([5.0, 0.0, 0.0])
    assert active_units(means).tolist() == [False, True, True]
    assert active_units(means, threshold=0.5).tolist() == [False, False, True]


def test_samples_come_from_the_prior_and_a_generator_repeats_them():
    model = build()
    again = [model.sample(3, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*again)
    noise = torch.randn(3, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert torch.equal(again[0], model.decode(noise))
    assert again[0].shape == (3, 2, 8, 8)
    assert torch.equal(model.reconstruct(images()), model.decode(model.encode(images()).mean))


def test_a_traversal_moves_one_number_of_the_code():
    model, z = build(), torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    codes = traversals(z, [-3.0, 0.0, 3.0])
    for d in range(3):
        for m, value in enumerate([-3.0, 0.0, 3.0]):
            expected = z.clone()
            expected[d] = value
            assert torch.equal(codes[d, m], expected)
    pictures = model.traverse(z, torch.tensor([-3.0, 0.0, 3.0]))
    assert pictures.shape == (3, 3, 2, 8, 8)
    torch.testing.assert_close(pictures[1, 2], model.decode(torch.tensor([[0.5, 3.0, 2.0]], dtype=torch.float64))[0])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: build(likelihood="bernouli"), "'bernoulli' or 'gaussian'; got 'bernouli'"),
        (lambda: build(code=0), "code: expected a whole number ≥ 1; got 0"),
        (lambda: build(std=0), "std: expected a number > 0"),
        (lambda: build(image_size=10), "a multiple of 4"),
        (lambda: build()(torch.rand(2, 3, 8, 8)), "channels=3"),
        (lambda: build()(images(), NOISE[:2]), "noise"),
        (lambda: build().traverse(torch.zeros(1, 3), [0.0]), r"\(3,\): one code"),
        (lambda: build().decode(torch.zeros(2, 4)), r"z: expected \(N, 3\)"),
        (lambda: build().log_weights(images(), 0), "draws: expected a whole number ≥ 1; got 0"),
        (lambda: active_units(torch.zeros(1, 3)), r"\(N, D\) with N ≥ 2 examples"),
        (lambda: build().sample(0), "n: expected a whole number ≥ 1; got 0"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
