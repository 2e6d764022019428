import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from mmlearn.models.joint_vae import CaptionDecoder, JointVAE, product_of_experts

IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0], [2, 7, 5, 3, 0]])
MASK = IDS != 0
NOISE = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def build(**options):
    torch.manual_seed(0)
    model = JointVAE(
        9, **{"image_size": 8, "channels": 2, "code": 4, "widths": (3,), "hidden": 9, "reader": 5, **options}
    ).double()
    for head in (model.image_fc, model.text_fc):
        torch.nn.init.normal_(head.weight)  # far from the prior
    return model


def images():
    return torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64).round()


def test_the_product_by_hand():
    """Variances 1 and 1/2 and the prior's 1: precisions 1 + 2 + 1 = 4, mean (1·4 + 2·(−1) + 1·0)/4."""
    means, variances = torch.tensor([[[4.0]], [[-1.0]]]), torch.tensor([[[1.0]], [[0.5]]])
    mean, log_var = product_of_experts(means, variances.log())
    torch.testing.assert_close((mean, log_var.exp()), (torch.tensor([[0.5]]), torch.tensor([[0.25]])))


def test_the_product_is_proportional_to_the_product_of_the_densities():
    generator = torch.Generator().manual_seed(0)
    means, log_vars = torch.randn(2, 3, 1, 2, generator=generator, dtype=torch.float64)
    z = torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None, None].expand(7, 1, 2)
    found = product_of_experts(means, log_vars)
    logs = Normal(torch.zeros(2, dtype=torch.float64), 1.0).log_prob(z)
    logs = logs + sum(Normal(means[m], (log_vars[m] / 2).exp()).log_prob(z) for m in range(3))
    ratio = Normal(found.mean, (found.log_var / 2).exp()).log_prob(z) - logs
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


def test_a_missing_expert_says_nothing_whatever_stands_there():
    generator = torch.Generator().manual_seed(0)
    means, log_vars = torch.randn(2, 2, 3, 4, generator=generator)
    present = torch.tensor([[True, True, False], [True, False, False]])
    spoilt = [tensor.where(present[..., None], torch.nan).requires_grad_() for tensor in (means, log_vars)]
    mean, log_var = product_of_experts(*spoilt, present)
    both, first = product_of_experts(means, log_vars), product_of_experts(means[:1], log_vars[:1])
    torch.testing.assert_close(torch.stack([mean[0], log_var[0]]), torch.stack([both.mean[0], both.log_var[0]]))
    torch.testing.assert_close(torch.stack([mean[1], log_var[1]]), torch.stack([first.mean[1], first.log_var[1]]))
    assert not mean[2].any()
    assert not log_var[2].any()  # the prior
    (mean + log_var).sum().backward()
    assert all(tensor.grad.isfinite().all() and not tensor.grad[~present].any() for tensor in spoilt)


def test_experts_without_bounds_overflow_nothing():
    mean, log_var = product_of_experts(torch.tensor([[[5.0]], [[7.0]]]), torch.tensor([[[-500.0]], [[500.0]]]))
    assert (mean.item(), log_var.item()) == (5.0, -500.0)


def test_the_elbo_is_the_sum_by_torch_distributions(F):
    model, x = build(F=F, likelihood="bernoulli"), images()
    mean, log_var = model.encode(x, IDS, MASK)
    posterior = Normal(mean, (log_var / 2).exp())
    z = mean + posterior.scale * NOISE
    image = Bernoulli(logits=model.image_decoder(z)).log_prob(x).sum((1, 2, 3))
    words = Categorical(logits=model.text_decoder(z, IDS[:, :-1])).log_prob(IDS[:, 1:])
    found = model(x, IDS, MASK, noise=NOISE)
    torch.testing.assert_close(found.image, image)
    torch.testing.assert_close(found.text, words.where(MASK[:, 1:], 0).sum(1))
    torch.testing.assert_close(found.kl, kl_divergence(posterior, Normal(torch.zeros_like(mean), 1.0)).sum(1))
    torch.testing.assert_close(found.elbo, found.image + found.text - found.kl)


def test_images_may_have_a_gaussian_likelihood(F):
    model, x = build(F=F, std=0.3), images()
    z = model.encode(x, IDS, MASK).sample(NOISE)
    torch.testing.assert_close(
        model(x, IDS, MASK, noise=NOISE).image, Normal(model.decode_images(z), 0.3).log_prob(x).sum((1, 2, 3))
    )
    assert torch.equal(model.decode_images(z), model.image_decoder(z))


def three_noises(seed=3):
    return torch.randn(3, 3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_loss_is_the_sum_of_three_elbos(F):
    model, x, noise = build(F=F), images(), three_noises()
    found = model.loss(x, IDS, MASK, beta=0.5, text_weight=2.0, noise=noise)
    both, image, text = model(x, IDS, MASK, noise=noise[0]), model(x, noise=noise[1]), model(None, IDS, MASK, noise=noise[2])
    expected = -both.image - 2 * both.text + both.kl / 2 - image.image + image.kl / 2 - 2 * text.text + text.kl / 2
    torch.testing.assert_close(found, expected.mean())
    everything = torch.ones(2, 3).bool()
    torch.testing.assert_close(model.loss(x, IDS, MASK, everything, beta=0.5, text_weight=2.0, noise=noise), found)


def test_with_cross_each_expert_alone_explains_the_other_modality_too(F):
    """By torch.distributions: what the code of the image says of the caption, and that of the caption of the image."""
    model, x, noise = build(F=F, std=0.3), images(), three_noises()
    without = model.loss(x, IDS, MASK, text_weight=2.0, noise=noise)
    of_image, of_text = model.encode(x).sample(noise[1]), model.encode(ids=IDS, mask=MASK).sample(noise[2])
    words = Categorical(logits=model.text_decoder(of_image, IDS[:, :-1])).log_prob(IDS[:, 1:]).where(MASK[:, 1:], 0).sum(1)
    pixels = Normal(model.decode_images(of_text), 0.3).log_prob(x).sum((1, 2, 3))
    found = model.loss(x, IDS, MASK, text_weight=2.0, cross=0.25, noise=noise)
    torch.testing.assert_close(found, without - 0.25 * (2 * words + pixels).mean())


def test_examples_that_lack_a_modality_count_for_what_they_have():
    model, x, noise = build(), images(), three_noises()
    present = torch.tensor([[True, False, False], [False, True, False]])
    spoilt = x.where(present[0][:, None, None, None], torch.nan)
    image = [model(x[:1], noise=noise[n, :1]).elbo for n in (0, 1)]
    text = [model(None, IDS[1:2], MASK[1:2], noise=noise[n, 1:2]).elbo for n in (0, 2)]
    for cross in (0.0, 0.5):  # there is nothing to explain across
        found = model.loss(spoilt, IDS, MASK, present, cross=cross, noise=noise)
        torch.testing.assert_close(found, -torch.cat(image + text).sum() / 3)


def test_captions_without_padding_are_read_the_same_alone_and_beside_longer_ones(F):
    model = build(F=F)
    whole = model.encode(ids=IDS[:1], mask=MASK[:1])
    torch.testing.assert_close(model.encode(ids=IDS, mask=MASK).mean[:1], whole.mean)
    state = model.text_decoder.first_state(NOISE)
    logits, last = model.text_decoder.step(NOISE, IDS, state)
    first, between = model.text_decoder.step(NOISE, IDS[:, :2], state)
    torch.testing.assert_close(torch.cat([first, model.text_decoder.step(NOISE, IDS[:, 2:], between)[0]], 1), logits)
    assert last.shape == state.shape


def test_what_is_missing_has_no_influence_and_no_gradient(F):
    model, x = build(F=F), images()
    present = torch.tensor([[True, False, True], [True, True, False]])
    spoilt = x.where(present[0][:, None, None, None], torch.nan)
    found = model(spoilt, IDS, MASK, present, NOISE)
    both, text, image = model(x, IDS, MASK, noise=NOISE), model(None, IDS, MASK, noise=NOISE), model(x, noise=NOISE)
    expected = torch.stack([torch.stack([one.elbo[n], one.kl[n]]) for n, one in enumerate((both, text, image))])
    torch.testing.assert_close(torch.stack([found.elbo, found.kl], 1), expected)
    assert found.image[1] == 0
    assert found.text[2] == 0
    found.elbo.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_without_anything_the_code_is_the_priors():
    model, mask = build(), MASK.clone()
    mask[1] = False
    mean, log_var = model.encode(ids=IDS, mask=mask)  # a caption of padding alone is missing
    assert not mean[1].any()
    assert not log_var[1].any()
    assert mean[[0, 2]].abs().min() > 0
    assert model(None, IDS, mask, noise=NOISE).elbo[1] == 0
    whole = model.encode(images(), IDS, mask, torch.ones(2, 3, dtype=torch.bool))
    torch.testing.assert_close(whole.mean[1], model.encode(images()).mean[1])
    nothing = model(images(), IDS, MASK, torch.zeros(2, 3, dtype=torch.bool), NOISE)
    assert not torch.stack(nothing).any()


def test_padding_changes_nothing(F):
    model, x = build(F=F), images()
    found = model(x, IDS, MASK, noise=NOISE).elbo
    torch.testing.assert_close(model(x, IDS.where(MASK, 4), MASK, noise=NOISE).elbo, found)
    torch.testing.assert_close(model(x[1:2], IDS[1:2, :3], noise=NOISE[1:2]).elbo, found[1:2])


def test_a_caption_is_written_word_by_word_as_the_decoder_reads_it(F):
    model = build(F=F)
    z = 3 * NOISE
    written = model.decode_captions(z, length=7)
    assert written.shape == (3, 7)
    for n, row in enumerate(written.tolist()):
        read = torch.tensor([[2, *row[:-1]]])
        likeliest = model.text_decoder(z[n : n + 1], read)[0].argmax(1).tolist()
        length = row.index(3) + 1 if 3 in row else 7
        assert row[:length] == likeliest[:length]
        assert not any(row[length:])


def test_an_image_from_a_caption_and_a_caption_from_an_image():
    model, x = build(), images()
    assert torch.equal(model.images_from(IDS, MASK), model.decode_images(model.encode(ids=IDS, mask=MASK).mean))
    drawn = model.images_from(IDS, MASK, noise=NOISE)
    assert torch.equal(drawn, model.decode_images(model.encode(ids=IDS, mask=MASK).sample(NOISE)))
    assert 0 < build(likelihood="bernoulli").images_from(IDS, MASK).min() < 1
    assert torch.equal(model.captions_from(x, 6), model.decode_captions(model.encode(x).mean, 6))
    pictures, captions = model.sample(4, length=6, generator=torch.Generator().manual_seed(0))
    assert pictures.shape == (4, 2, 8, 8)
    assert captions.shape == (4, 6)


def test_words_are_forgotten_in_training_alone():
    torch.manual_seed(0)
    decoder, z = CaptionDecoder(9, 4, forget=1.0).double(), NOISE
    unknown = torch.ones_like(IDS)
    forgot = decoder(z, IDS)
    decoder.eval()
    torch.testing.assert_close(forgot, decoder(z, unknown))
    assert not torch.allclose(decoder(z, IDS), forgot)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: build().encode(), r"call sample\(n\)"),
        (lambda: build()(images()[:2], IDS, MASK), "got 2 images and 3 captions"),
        (lambda: build()(images(), present=torch.ones(2, 3).bool()), "only one modality"),
        (lambda: build()(images(), IDS, MASK, torch.ones(3, 2).bool()), r"bool \(2, 3\): images, captions; got .*\(3, 2\)"),
        (lambda: build()(images(), IDS[:, :1]), "T ≥ 2"),
        (lambda: build()(images(), IDS + 5), "from 0 to 8"),
        (lambda: build().loss(images(), None), "loss: expected images and ids"),
        (lambda: build().loss(images(), IDS, MASK, cross=-1), "cross: expected a number ≥ 0; got -1"),
        (lambda: build(forget=2), "a share from 0 to 1; got 2"),
        (lambda: build(likelihood="normal"), "'bernoulli' or 'gaussian'; got 'normal'"),
        (lambda: build(image_size=9), "a multiple of 2"),
        (lambda: JointVAE(2), "vocabulary_size: expected at least 4"),
        (lambda: build().decode_captions(NOISE, length=0), "length"),
        (lambda: product_of_experts(torch.zeros(2, 3), torch.zeros(2, 3)), r"\(M, N, D\)"),
        (lambda: product_of_experts(torch.zeros(2, 3, 4), torch.zeros(2, 3, 1)), "as means"),
        (lambda: product_of_experts(*torch.zeros(2, 2, 3, 4), torch.ones(3, 2).bool()), "an expert a row"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
