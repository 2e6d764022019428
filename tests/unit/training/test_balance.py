"""OGM-GE and gradient blending: the formulas by hand and against autograd, and what they do inside ``fit``."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmlearn.models.fusion import Sum
from mmlearn.models.modality_dropout import WithModalityDropout
from mmlearn.models.multimodal import MultimodalModel
from mmlearn.training import fit
from mmlearn.training.balance import (
    OGMGE,
    additive_gradients,
    blending_weights,
    estimate_blend,
    gain_and_overfitting,
    ogm_coefficient,
    score_ratio,
)

K, N = 3, 12


def model_of(seed=0):
    torch.manual_seed(seed)
    return MultimodalModel({"image": nn.Linear(5, 4), "text": nn.Linear(6, 4)}, Sum({"image": 4, "text": 4}, K))


def data_of(seed=0, n=N):
    generator = torch.Generator().manual_seed(seed)
    image, text = torch.randn(n, 5, generator=generator), torch.randn(n, 6, generator=generator)
    return image, text, torch.randint(K, (n,), generator=generator)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradients_of_an_additive_model_are_autograds_and_share_one_residual(seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = {"image": 4, "text": 2, "sound": 5}
    features = {m: torch.randn(N, d, generator=generator, dtype=torch.float64).requires_grad_() for m, d in sizes.items()}
    weights = {m: torch.randn(K, d, generator=generator, dtype=torch.float64).requires_grad_() for m, d in sizes.items()}
    bias = torch.randn(K, generator=generator, dtype=torch.float64)
    labels = torch.randint(K, (N,), generator=generator)
    logits = (bias + sum(features[m] @ weights[m].T for m in sizes)).requires_grad_()
    logits.retain_grad()
    F.cross_entropy(logits, labels).backward()
    residual, by_weights, by_features = additive_gradients(features, weights, bias, labels)
    torch.testing.assert_close(residual / N, logits.grad)
    for m in sizes:
        torch.testing.assert_close(by_weights[m], weights[m].grad)
        torch.testing.assert_close(by_features[m], features[m].grad)


def test_the_ratio_by_hand():
    """Two examples; softmax of (log 3, 0) is (3/4, 1/4), of (0, log 4) is (1/5, 4/5); zeros give halves."""
    image = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]], dtype=torch.float64)
    text = torch.tensor([[0.0, 0.0], [0.0, math.log(4)]], dtype=torch.float64)
    image[1] = torch.tensor([0.0, math.log(3)])  # 3/4 for label 1
    ratios = score_ratio({"image": image, "text": text}, torch.tensor([0, 1]))
    assert ratios["image"] == pytest.approx((3 / 4 + 3 / 4) / (1 / 2 + 4 / 5))
    assert ratios["text"] == pytest.approx(1 / ratios["image"])


def test_with_three_modalities_a_ratio_is_against_the_mean_of_the_others():
    shares = {"a": torch.tensor([[0.0, 1.0], [2.0, 0.0]]), "b": torch.tensor([[1.0, 0.0], [0.0, 0.5]]), "c": torch.eye(2)}
    labels = torch.tensor([1, 0])
    sums = {name: sum(F.softmax(z[n], 0)[y].item() for n, y in enumerate(labels)) for name, z in shares.items()}
    ratios = score_ratio(shares, labels)
    assert ratios["b"] == pytest.approx(sums["b"] / ((sums["a"] + sums["c"]) / 2))


def test_a_modality_that_is_absent_from_the_whole_batch_is_left_out_of_the_comparison():
    shares = {"image": torch.randn(4, K), "text": torch.tensor([0.3, -1.0, 2.0]).expand(4, K)}
    assert score_ratio(shares, torch.zeros(4, dtype=torch.long)) == {"image": 1.0, "text": 1.0}
    three = shares | {"sound": torch.randn(4, K)}
    labels = torch.tensor([0, 1, 2, 0])
    without = {name: three[name] for name in ("image", "sound")}
    assert score_ratio(three, labels) == score_ratio(without, labels) | {"text": 1.0}


@given(ratio=st.floats(0.01, 100), alpha=st.floats(0.01, 5))
def test_the_coefficient_slows_what_leads_and_nothing_else(ratio, alpha):
    k = ogm_coefficient(ratio, alpha)
    assert k == (pytest.approx(1 - math.tanh(alpha * ratio), abs=1e-12) if ratio > 1 else 1.0)
    assert 0 <= k <= 1
    assert ogm_coefficient(1 / ratio, alpha) == 1.0 or ogm_coefficient(ratio, alpha) == 1.0


def gradients(model):
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def test_ogm_multiplies_the_encoders_gradients_by_k_and_leaves_the_rest():
    image, text, label = data_of()
    plain, slowed = model_of(), model_of()
    F.cross_entropy(plain(image, text), label).backward()
    with OGMGE(slowed.encoders, slowed.fusion.project, alpha=0.7, noise=False) as ogm:
        ogm.loss(slowed(image, text), label).backward()
    shares = {m: plain.fusion.project[m](plain.encoders[m](x)) for m, x in {"image": image, "text": text}.items()}
    expected = {m: ogm_coefficient(ratio, 0.7) for m, ratio in score_ratio(shares, label).items()}
    assert ogm.coefficients == [pytest.approx(expected)]
    assert min(expected.values()) < 1 == max(expected.values())
    before, after = gradients(plain), gradients(slowed)
    for name in before:
        k = next((expected[m] for m in expected if name.startswith(f"encoders.{m}")), 1.0)
        torch.testing.assert_close(after[name], k * before[name])


def test_one_step_of_sgd_inside_fit_is_the_papers_update():
    image, text, label = data_of()
    model = model_of()
    start = copy.deepcopy(model)
    F.cross_entropy(start(image, text), label).backward()
    with OGMGE(model.encoders, model.fusion.project, alpha=0.5, noise=False) as ogm:
        fit(model, (image, text, label), epochs=1, loss=ogm.loss, optimizer=torch.optim.SGD, lr=0.1, batch_size=N, progress=False)
    for m in ("image", "text"):
        k = ogm.coefficients[0][m]
        for new, old in zip(model.encoders[m].parameters(), start.encoders[m].parameters(), strict=True):
            torch.testing.assert_close(new, old - 0.1 * k * old.grad)


def test_the_noise_has_mean_zero_and_the_gradients_own_standard_deviation():
    image, text, label = data_of()
    drawn = []
    torch.manual_seed(0)
    model = model_of()
    with OGMGE(model.encoders, model.fusion.project, alpha=0.5) as ogm:
        for _ in range(800):
            model.zero_grad()
            ogm.loss(model(image, text), label).backward()
            drawn.append(model.encoders["text"].weight.grad.clone())
    plain = model_of()
    F.cross_entropy(plain(image, text), label).backward()
    gradient = plain.encoders["text"].weight.grad
    drawn = torch.stack(drawn)
    k = ogm.coefficients[0]["text"]
    assert (drawn.mean(0) - k * gradient).abs().max() < 5 * gradient.std() / math.sqrt(800)
    assert drawn.std(0).mean().item() == pytest.approx(gradient.std().item(), rel=0.02)


def test_the_hooks_are_gone_when_the_with_ends_and_validation_counts_no_step():
    image, text, label = data_of()
    model = model_of()
    with OGMGE(model.encoders, model.fusion.project, noise=False) as ogm:
        fit(model, (image, text, label), (image, text, label), epochs=2, loss=ogm.loss, batch_size=5, progress=False)
    assert len(ogm.coefficients) == len(ogm.ratios) == 6  # three batches, two epochs
    plain = copy.deepcopy(model)
    for each in (model, plain):
        each.zero_grad()
        F.cross_entropy(each(image, text), label).backward()
    assert all(torch.equal(gradients(model)[name], grad) for name, grad in gradients(plain).items())
    with pytest.raises(ValueError, match="inside `with OGMGE"):
        ogm.loss(model(image, text), label)


def test_adam_undoes_a_constant_factor_and_sgd_does_not():
    """Hooks with k = 1/10 on every encoder: Adam's weights stay those of k = 1 but for ε."""
    image, text, label = data_of()

    def trained(optimizer, k):
        model = model_of()
        hooks = [p.register_hook(lambda g: k * g) for p in model.encoders.parameters()]
        options = {"optimizer": optimizer, "lr": 0.01, "batch_size": N, "progress": False}
        fit(model, (image, text, label), epochs=5, **options)
        assert hooks
        return torch.cat([p.detach().flatten() for p in model.encoders.parameters()])

    def apart(optimizer):
        return (trained(optimizer, 0.1) - trained(optimizer, 1.0)).abs().max().item()

    assert apart(torch.optim.Adam) < 1e-4 < 1e-3 < apart(torch.optim.SGD)


def test_ogm_with_a_batch_whose_text_is_empty_trains_the_image_at_full_speed():
    image, text, label = data_of()
    model = model_of()
    present = torch.tensor([[True, False]]).expand(N, 2)
    with OGMGE(model.encoders, model.fusion.project, noise=False) as ogm:
        ogm.loss(model(image, text, present=present), label).backward()
    assert ogm.coefficients == [{"image": 1.0, "text": 1.0}]
    assert model.encoders["image"].weight.grad.abs().sum() > 0
    assert model.encoders["text"].weight.grad is None


def test_ogm_and_modality_dropout_go_together():
    image, text, label = data_of(n=40)
    model = model_of()
    with OGMGE(model.encoders, model.fusion.project) as ogm:
        history = fit(
            WithModalityDropout(model, 0.5), (image, text, label), epochs=3, loss=ogm.loss, batch_size=10, progress=False
        )
    assert len(ogm.coefficients) == 12
    assert all(math.isfinite(loss) for loss in history["train_loss"])


def test_gain_and_overfitting_by_hand():
    gain, overfitting = gain_and_overfitting(train=(1.4, 0.2), validation=(1.5, 0.7))
    assert gain == pytest.approx(0.8)
    assert overfitting == pytest.approx((0.7 - 0.2) - (1.5 - 1.4))


@given(
    st.lists(st.tuples(st.floats(0.05, 3), st.floats(0.05, 3)), min_size=2, max_size=4),
    st.lists(st.floats(0.01, 1), min_size=4, max_size=4),
)
def test_no_other_weights_have_a_smaller_expected_overfitting_to_gain_ratio(measured, other):
    """Σ w²O² / (Σ wG)² is smallest at the weights of Eq. 19.6."""
    gain, over = ({str(k): pair[side] for k, pair in enumerate(measured)} for side in (0, 1))

    def ratio(weights):
        return sum((weights[k] * over[k]) ** 2 for k in gain) / sum(weights[k] * gain[k] for k in gain) ** 2

    best = blending_weights(gain, over)
    assert sum(best.values()) == pytest.approx(1)
    assert ratio(best) <= ratio({k: other[int(k)] for k in gain}) * (1 + 1e-9)
    assert ratio(best) == pytest.approx(1 / sum((gain[k] / over[k]) ** 2 for k in gain))


def test_what_gained_nothing_gets_no_weight_and_a_tiny_overfitting_is_capped():
    assert blending_weights({"a": -0.5, "b": 1.0}, {"a": 0.1, "b": 0.3}) == {"a": 0.0, "b": 1.0}
    weights = blending_weights({"a": 1.0, "b": 1.0}, {"a": 0.0, "b": 0.02}, least=0.01)
    assert weights["a"] == pytest.approx(0.8)
    with pytest.raises(ValueError, match="one head at least whose validation loss fell"):
        blending_weights({"a": -0.5, "b": 0.0}, {"a": 0.1, "b": 0.3})
    with pytest.raises(ValueError, match="finite numbers"):
        blending_weights({"a": float("nan")}, {"a": 0.1})
    with pytest.raises(ValueError, match="those of a"):
        blending_weights({"a": 1.0}, {"b": 0.1})


def test_the_estimate_is_that_of_the_losses_and_leaves_the_models_alone():
    image, text, _ = data_of(n=60)
    label = image[:, :K].argmax(1)
    train, validation = (image[:40], text[:40], label[:40]), (image[40:], text[40:], label[40:])
    joint = model_of()
    before = copy.deepcopy(joint.state_dict())
    options = {"lr": 0.05, "batch_size": 20, "seed": 3}
    found = estimate_blend({"joint": joint, "second": model_of(1)}, train, validation, epochs=4, **options)
    assert all(torch.equal(before[name], value) for name, value in joint.state_dict().items())
    again = model_of()

    def loss(data):
        with torch.no_grad():
            return F.cross_entropy(again(*data[:-1]), data[-1]).item()

    first = loss(train), loss(validation)
    fit(again, train, epochs=4, progress=False, **options)
    expected = gain_and_overfitting((first[0], loss(train)), (first[1], loss(validation)))
    assert (found.gain["joint"], found.overfitting["joint"]) == pytest.approx(expected, abs=1e-5)
    assert found.weights == blending_weights(found.gain, found.overfitting)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda m: OGMGE({"image": m.encoders["image"]}, {"image": m.encoders["image"]}), "two modalities or more"),
        (lambda m: OGMGE(m.encoders, {"image": m.fusion.project["image"]}), "those of image, text"),
        (lambda m: OGMGE(m.encoders, m.fusion.project, alpha=0), "alpha: expected a number above 0; got 0"),
        (lambda m: score_ratio({"image": torch.zeros(2, 2)}, torch.zeros(2, dtype=torch.long)), "two modalities or more"),
    ],
)
def test_what_cannot_be_compared_is_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build(model_of())
