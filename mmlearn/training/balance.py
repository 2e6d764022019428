"""Keep one modality from winning: OGM-GE slows the faster one, gradient blending weighs unimodal heads.

Both work with ``mmlearn.training.fit`` as it is. The model: ``MultimodalModel(encoders, Sum(dims, classes))``.

    with OGMGE(model.encoders, model.fusion.project, alpha=0.5) as ogm:
        fit(model, train, epochs=10, loss=ogm.loss, optimizer=torch.optim.SGD, lr=0.1)

    found = estimate_blend({"image": …, "text": …, "joint": model}, train, validation, epochs=5)
    headed = UnimodalHeads(model, classes)  # of mmlearn.models.unimodal_heads
    fit(headed, train, epochs=10, loss=headed.blended(found.weights))
"""

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F

from mmlearn.ops.arguments import require
from mmlearn.training.evaluate import evaluate
from mmlearn.training.fit import fit


def additive_gradients(features, weights, bias, labels):
    """∂L/∂W_u = (1/N) Σ_n (p_n − y_n) f_nuᵀ and ∂L/∂f_nu = W_uᵀ (p_n − y_n)/N: one residual serves all modalities — Eq. 19.1.

    L is the cross-entropy of z = Σ_u W_u f_u + b, a mean over N examples; p = softmax(z), y the label as a one-hot row.
    features: modality → (N, D_u)   weights: modality → (K, D_u)   bias: (K,)   labels: (N,) int64
    returns: residual p − y (N, K), and two dicts, modality → gradient: by the weights (K, D_u), by the features (N, D_u)
    """
    N = len(labels)
    logits = bias + sum(features[name] @ weights[name].T for name in features)  # (N, K)
    residual = logits.softmax(1) - F.one_hot(labels, len(bias)).to(logits)  # (N, K)
    by_weights = {name: residual.T @ features[name] / N for name in features}
    by_features = {name: residual @ weights[name] / N for name in features}
    return residual, by_weights, by_features


def score_ratio(shares, labels):
    """ρ_u = Σ_n s_nu / mean of Σ_n s_nv over the other modalities v, s_nu = softmax(z_nu)_{y_n} — Eq. 19.3 (Peng et al. 2022).

    How much more often a modality's own share of the logits names the label than the others' do. The paper has two modalities,
    whose ratios are each other's inverse; the mean over the others is our reading for more.
    shares: modality → (N, K), its share of the logits   labels: (N,) int64   returns: modality → float
    A modality that says the same of every example, as one that is absent from the whole batch does, is left out: it gets the
    ratio 1 and counts for nobody else's. Raises ValueError for fewer than two modalities.
    """
    require(len(shares) > 1, "shares", ", ".join(map(repr, shares)) or "no modality", "two modalities or more")
    says = {name: bool((logits != logits[:1]).any()) for name, logits in shares.items()}
    sums = {name: logits.softmax(1).gather(1, labels[:, None]).sum().item() for name, logits in shares.items() if says[name]}
    ratios = dict.fromkeys(shares, 1.0)
    for name, score in sums.items():
        others = [other for key, other in sums.items() if key != name]
        if others:
            ratios[name] = score * len(others) / max(sum(others), 1e-12)
    return ratios


def ogm_coefficient(ratio, alpha):
    """k = 1 − tanh(α ρ) where ρ > 1, else 1: the factor of a modality's gradient — Eq. 19.4 (Peng et al. 2022).

    >>> round(ogm_coefficient(2.0, alpha=0.5), 4), ogm_coefficient(0.5, alpha=0.5)
    (0.2384, 1.0)
    """
    return 1 - torch.tanh(torch.tensor(alpha * ratio, dtype=torch.float64)).item() if ratio > 1 else 1.0


class OGMGE:
    """On-the-fly gradient modulation with generalisation enhancement (Peng, Wei, Deng, Wang & Hu 2022), during a ``with``.

    encoders  modality → its encoder, whose gradients are multiplied by k_u of Eq. 19.4; a dict or nn.ModuleDict
    shares    modality → the module whose output is that modality's share of the logits, (N, K): its part of the last linear
              layer, such as ``model.fusion.project`` of a Sum
    alpha     how strongly a ratio above 1 slows   noise: GE, adds normal noise with each gradient's own standard deviation
    base      the loss to train with: base(outputs, target) → mean over the batch

    Give ``loss`` to ``fit``; it reads the shares of the same forward pass, and hooks on the encoders' parameters then change the
    gradients, before ``fit`` clips them. Both k and the noise are in proportion to the gradient, so that mixed precision's scale
    does no harm. ``ratios`` and ``coefficients`` hold a dict for each training step. An optimiser that divides by the gradient's
    size, as Adam does, undoes a constant k. When the ``with`` ends all hooks are gone.
    """

    def __init__(self, encoders, shares, *, alpha=0.5, noise=True, base=F.cross_entropy):
        require(len(encoders) > 1, "encoders", ", ".join(encoders) or "none", "two modalities or more")
        require(set(encoders) == set(shares), "shares", ", ".join(shares), f"those of {', '.join(encoders)}")
        require(alpha > 0, "alpha", repr(alpha), "a number above 0")
        self.encoders, self.shares = dict(encoders.items()), dict(shares.items())
        self.alpha, self.noise, self.base = alpha, noise, base
        self.ratios, self.coefficients = [], []
        self._seen, self._hooks, self._now = {}, [], dict.fromkeys(encoders, 1.0)

    def __enter__(self):
        for name, module in self.shares.items():
            self._hooks.append(module.register_forward_hook(self._catch(name)))
        for name, encoder in self.encoders.items():
            for parameter in encoder.parameters():
                if parameter.requires_grad:
                    self._hooks.append(parameter.register_hook(self._change(name)))
        return self

    def __exit__(self, *_):
        while self._hooks:
            self._hooks.pop().remove()

    def loss(self, outputs, target):
        """``base(outputs, target)``; in training it also sets the factors for the backward pass that follows."""
        if torch.is_grad_enabled():
            missing = [name for name in self.shares if name not in self._seen]
            require(self._hooks and not missing, "loss", "no forward pass", "the model to run first, inside `with OGMGE(…)`")
            ratios = score_ratio(self._seen, target)
            self._now = {name: ogm_coefficient(ratio, self.alpha) for name, ratio in ratios.items()}
            self.ratios.append(ratios)
            self.coefficients.append(self._now)
            self._seen = {}
        return self.base(outputs, target)

    def _catch(self, name):
        def hook(module, args, output):
            if torch.is_grad_enabled():
                self._seen[name] = output.detach()

        return hook

    def _change(self, name):
        def hook(gradient):
            changed = self._now[name] * gradient
            if self.noise and gradient.numel() > 1:
                changed = changed + gradient.std() * torch.randn_like(gradient)
            return changed

        return hook


class Estimate(NamedTuple):
    """What gradient blending measures of each head, name → nats: gain G, overfitting O, and the weights that follow."""

    gain: dict
    overfitting: dict
    weights: dict


def gain_and_overfitting(train, validation):
    """G = L^V_0 − L^V_1, O = (L^V_1 − L^T_1) − (L^V_0 − L^T_0), losses before (0) and after (1) — Eq. 19.5 (Wang et al. 2020).

    train, validation: (before, after), losses on the training and the validation examples. G is what was learnt that holds
    elsewhere; O the *gain* in overfitting: how much the gap between the two has widened, not the gap nor a loss.

    >>> gain_and_overfitting(train=(1.5, 0.25), validation=(1.75, 0.75))
    (1.0, 0.25)
    """
    (train_before, train_after), (validation_before, validation_after) = train, validation
    gain = validation_before - validation_after
    return gain, (validation_after - train_after) - (validation_before - train_before)


def blending_weights(gain, overfitting, *, least=0.01):
    """λ_h = (G_h / O_h²) / Σ_j (G_j / O_j²) — Eq. 19.6 (Wang, Tran & Feiszli 2020).

    gain, overfitting: head → nats (see ``gain_and_overfitting``); their order of magnitude matters, since O is squared
    least: an |O| below it counts as it. Measured on finite data, O can come out as 0, and its square stands below the line.
    A head that gained nothing, G ≤ 0, gets weight 0. Raises ValueError where no head gained, or a number is not finite.

    >>> blending_weights({"image": 1.0, "text": 1.0}, {"image": 0.25, "text": 0.25})
    {'image': 0.5, 'text': 0.5}
    """
    require(set(gain) == set(overfitting) and gain, "overfitting", ", ".join(overfitting), f"those of {', '.join(gain)}")
    numbers = torch.tensor([*gain.values(), *overfitting.values()], dtype=torch.float64)
    require(bool(numbers.isfinite().all()), "gain, overfitting", [*gain.values(), *overfitting.values()], "finite numbers")
    raw = {name: max(gain[name], 0.0) / max(abs(overfitting[name]), least) ** 2 for name in gain}
    total = sum(raw.values())
    listed = ", ".join(f"{name} {value:.3g}" for name, value in gain.items())
    require(total > 0, "gain", listed, "one head at least whose validation loss fell: train longer, or look at the data")
    return {name: value / total for name, value in raw.items()}


def estimate_blend(models, train, validation, *, epochs, loss=F.cross_entropy, **options):
    """Train a copy of each model for ``epochs`` and say from its losses how it should weigh: an Estimate (offline G-B).

    models: head → model: one that sees a single modality for each of the unimodal heads, and "joint". All take the inputs of
    ``train``. options: further arguments of ``fit``. The models themselves stay as they are.
    """
    gain, overfitting = {}, {}
    for name, model in models.items():
        model = copy.deepcopy(model)
        before = [evaluate(model, data, loss=loss)["loss"] for data in (train, validation)]
        fit(model, train, epochs=epochs, loss=loss, progress=False, **options)
        after = [evaluate(model, data, loss=loss)["loss"] for data in (train, validation)]
        gain[name], overfitting[name] = gain_and_overfitting((before[0], after[0]), (before[1], after[1]))
    return Estimate(gain, overfitting, blending_weights(gain, overfitting))
