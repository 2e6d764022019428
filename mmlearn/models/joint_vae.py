"""A VAE of images and captions together, one code for both: either is drawn from the other (MVAE, Wu & Goodman 2018)."""

from typing import NamedTuple

import torch
from torch import nn

from mmlearn.data.text import END, SPECIAL, START, UNKNOWN
from mmlearn.models.conv_coder import ImageDecoder, ImageEncoder
from mmlearn.models.interface import functions
from mmlearn.models.language_model import draw
from mmlearn.models.padding import check_tokens, lengths_of
from mmlearn.models.recurrent import recurrence_of, run_recurrence
from mmlearn.models.vae import Gaussian, check_likelihood, draw_prior, gaussian_head, log_likelihood, to_gaussian
from mmlearn.ops.arguments import check_whole, require
from mmlearn.ops.divergence import gaussian_kl


class JointElbo(NamedTuple):
    """log p(image, caption) ≥ image + text − kl, in nats, one number for each example: (N,) each; 0 for what is missing."""

    image: torch.Tensor
    text: torch.Tensor
    kl: torch.Tensor

    @property
    def elbo(self):
        """E[log p(image|z) + log p(caption|z)] − KL(q‖p), the mean taken at one draw of z — Eq. 12.16 (Wu & Goodman 2018)."""
        return self.image + self.text - self.kl


def product_of_experts(means, log_vars, present=None):
    """N(μ, σ²) ∝ N(0, 1) · ∏_m N(μ_m, σ_m²): 1/σ² = 1 + Σ 1/σ_m², μ = σ² Σ μ_m/σ_m² — Eq. 12.15 (Hinton 2002; Wu & Goodman 2018).

    The expert N(0, 1) is the prior: where no other is present, the product is the prior.
    means, log_vars: (M, N, D) of M experts   present: (M, N) bool, False where an expert has nothing to say; None: all are
    returns: Gaussian of (N, D) each

    >>> product_of_experts(torch.tensor([[[4.0]]]), torch.tensor([[[0.0]]]))  # halfway to the prior
    Gaussian(mean=tensor([[2.]]), log_var=tensor([[-0.6931]]))
    """
    require(means.ndim == 3, "means", f"shape {tuple(means.shape)}", "(M, N, D)")
    require(log_vars.shape == means.shape, "log_vars", f"shape {tuple(log_vars.shape)}", f"{tuple(means.shape)}, as means")
    precisions = -log_vars  # log 1/σ_m²
    if present is not None:
        fits = present.dtype == torch.bool and present.shape == means.shape[:2]
        expected = f"bool {tuple(means.shape[:2])}: an expert a row, an example a column"
        require(fits, "present", f"{present.dtype} of shape {tuple(present.shape)}", expected)
        means = means.where(present[..., None], 0)  # what is missing may be anything, NaN too
        precisions = precisions.where(present[..., None], -torch.inf)
    prior = torch.zeros_like(precisions[:1])  # log 1
    log_precisions = torch.cat([prior, precisions])  # (1 + M, N, D)
    shares = torch.softmax(log_precisions, 0)[1:]  # σ²/σ_m², no power overflows
    return Gaussian((shares * means).sum(0), -torch.logsumexp(log_precisions, 0))


class CaptionEncoder(nn.Module):
    """embedding – bidirectional GRU – its two last states.   ids, mask (N, T) → (N, 2·hidden); zeros for padding alone"""

    def __init__(self, vocabulary_size, features=32, hidden=64, F=torch.nn.functional):
        super().__init__()
        self.F, self.recurrence = functions(F, "embedding"), recurrence_of(F, "gru")
        self.words = nn.Embedding(vocabulary_size, features)
        self.layer = nn.GRU(features, hidden, batch_first=True, bidirectional=True)

    def forward(self, ids, mask):
        x = self.F.embedding(ids, self.words.weight)  # (N, T, D)
        if self.recurrence is None and mask.all():  # nothing to pack away
            _, last = self.layer(x)  # (2, N, hidden)
        else:
            _, last = run_recurrence(self.recurrence, self.layer, x, lengths_of(mask))  # (2, N, hidden)
        return torch.cat(list(last), 1)  # (N, 2·hidden)


class CaptionDecoder(nn.Module):
    """A GRU that writes a caption word by word; the code is its first state and stands beside each word that it reads.

    z (N, code), ids (N, T) → logits (N, T, V) of the words that follow
    forget: the share of the words read that become <unk> while training, so that the code is needed (Bowman et al. 2016)
    """

    def __init__(self, vocabulary_size, code, features=32, hidden=64, forget=0.0, F=torch.nn.functional):
        super().__init__()
        require(0 <= forget <= 1, "forget", forget, "a share from 0 to 1")
        self.F, self.recurrence, self.forget = functions(F, "embedding", "linear", "tanh"), recurrence_of(F, "gru"), forget
        self.words = nn.Embedding(vocabulary_size, features)
        self.begin = nn.Linear(code, hidden)
        self.layer = nn.GRU(features + code, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, vocabulary_size)

    def forward(self, z, ids):
        return self.step(z, ids, self.first_state(z))[0]

    def first_state(self, z):
        return self.F.tanh(self.F.linear(z, self.begin.weight, self.begin.bias))[None]  # (1, N, hidden)

    def step(self, z, ids, state):
        """Some words on from a state (1, N, hidden): logits (N, T, V), and the state behind them."""
        if self.training and self.forget > 0:
            ids = ids.masked_fill(torch.rand(ids.shape, device=ids.device) < self.forget, SPECIAL.index(UNKNOWN))
        words = self.F.embedding(ids, self.words.weight)  # (N, T, D)
        x = torch.cat([words, z[:, None].expand(-1, ids.shape[1], -1)], 2)  # (N, T, D + code)
        if self.recurrence is None:
            x, state = self.layer(x, state)  # (N, T, hidden); padding behind a caption is read, and its answers are not counted
        else:
            lengths = torch.full((len(ids),), ids.shape[1], device=ids.device)
            x, state = run_recurrence(self.recurrence, self.layer, x, lengths, state)  # (N, T, hidden)
        return self.F.linear(x, self.fc.weight, self.fc.bias), state  # (N, T, V)


class JointVAE(nn.Module):
    """q(z|image, caption) is the product of what the image says, what the caption says, and the prior.

    images (N, channels, image_size, image_size) float in [0, 1], or None
    ids, mask (N, T), T ≥ 2: captions encoded with start=True, end=True, or None → JointElbo of (N,) pieces

    code: D, the numbers of z   widths, hidden: of the image's networks, as in ``ImageEncoder``
    words, reader: features of a word, and the state of the caption's networks   forget: as in ``CaptionDecoder``
    likelihood, std: of the images, as in ``VAE``   F: the functional namespace, as in ``TextRNN``

    >>> model = JointVAE(vocabulary_size=20, image_size=8, channels=3, code=4)
    >>> ids, mask = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]]), torch.tensor([[True] * 4, [True, True, True, False]])
    >>> model(torch.rand(2, 3, 8, 8), ids, mask).elbo.shape
    torch.Size([2])
    >>> model.images_from(ids, mask).shape, model.captions_from(torch.rand(2, 3, 8, 8), length=6).shape
    (torch.Size([2, 3, 8, 8]), torch.Size([2, 6]))
    """

    def __init__(
        self,
        vocabulary_size,
        image_size=32,
        channels=3,
        code=16,
        widths=(16, 32),
        hidden=128,
        words=32,
        reader=64,
        forget=0.0,
        likelihood="gaussian",
        std=0.1,
        F=torch.nn.functional,
    ):
        super().__init__()
        check_likelihood(likelihood, std)
        require(vocabulary_size >= len(SPECIAL), "vocabulary_size", vocabulary_size, f"at least {len(SPECIAL)}: {SPECIAL}")
        check_whole(code, "code")
        self.vocabulary_size, self.code, self.likelihood, self.std = vocabulary_size, code, likelihood, std
        self.F = functions(F, "linear", "sigmoid", "binary_cross_entropy_with_logits", "mse_loss", "cross_entropy")
        self.image_encoder = ImageEncoder(image_size, channels, widths, hidden, F)
        self.image_fc = gaussian_head(hidden, code)
        self.text_encoder = CaptionEncoder(vocabulary_size, words, reader, F)
        self.text_fc = gaussian_head(2 * reader, code)
        self.image_decoder = ImageDecoder(image_size, channels, code, widths, hidden, F)
        self.text_decoder = CaptionDecoder(vocabulary_size, code, words, reader, forget, F)

    def encode(self, images=None, ids=None, mask=None, present=None):
        """q(z|what is there): Gaussian of (N, D) each. A modality that is None is missing from all examples.

        present: (2, N) bool, the image's row and the caption's, False where an example lacks it; needs both to be given. What
        stands in the place of a missing image has no influence. A caption of padding alone is missing, too.
        """
        return self._encode(*self._given(images, ids, mask, present))

    def forward(self, images=None, ids=None, mask=None, present=None, noise=None):
        """The pieces of the ELBO of what is there, at one draw of z. noise: (N, D) standard normal, or None to draw it."""
        images, ids, mask, present = self._given(images, ids, mask, present)
        posterior = self._encode(images, ids, mask, present)
        z = posterior.sample(noise)
        image = text = z.new_zeros(len(z))  # (N,)
        if images is not None:
            image = log_likelihood(self.F, self.image_decoder(z), images, self.likelihood, self.std)
            image = image.where(present[0], 0)
        if ids is not None:
            text = self._caption_log_likelihood(z, ids, mask).where(present[-1], 0)
        return JointElbo(image, text, gaussian_kl(*posterior))

    def loss(self, images, ids, mask=None, present=None, beta=1.0, text_weight=1.0, cross=0.0, noise=None):
        """Σ_A (β·KL(q_A‖p) − E_A[log p(what A saw|z) + γ·log p(the rest|z)]) — Eq. 12.17 (Wu & Goodman 2018).

        A: image and caption, the image alone, the caption alone. q_A is the product of the experts in A and the prior, E_A the
        mean over its draws, here one; the loss is the mean over the examples, (). With γ = 0 each term bounds the
        log-probability of what A saw. With γ = 1 each bounds that of image and caption together, since any q may be used for
        that, also one that saw half of it (Sutter, Daunhawer & Vogt 2021).

        beta: weight of each kl   text_weight: of the caption's likelihood, whose few words weigh little beside hundreds of pixels
        cross: γ ≥ 0. An example that lacks a modality counts for the other one alone   noise: (3, N, D), or None to draw it
        """
        images, ids, mask, present = self._given(images, ids, mask, present)
        require(len(present) == 2, "loss", "one modality alone", "images and ids; for one alone minimise −model(images).elbo")
        require(cross >= 0, "cross", cross, "a number ≥ 0")
        asked = torch.tensor([[True, True], [True, False], [False, True]], device=present.device)  # (A, M): 3 ways to ask 2
        seen = asked[:, :, None] & present  # (A, M, N)
        means, log_vars = (each.repeat(1, 3, 1) for each in self._experts(images, ids, mask))  # (M, 3N, D)
        posterior = product_of_experts(means, log_vars, seen.transpose(0, 1).flatten(1))  # (3N, D)
        z = posterior.sample(None if noise is None else noise.flatten(0, 1)).unflatten(0, (3, -1))  # (A, N, D)
        weight = torch.where(seen, 1.0, cross * present.all(0)).to(z.dtype)  # (A, M, N)
        by_image, by_text = (asked | (cross > 0)).T  # (A,): those whose code is to explain it
        R, Q = int(by_image.sum()), int(by_text.sum())
        decoded = self.image_decoder(z[by_image].flatten(0, 1))  # (R·N, C, S, S)
        image = log_likelihood(self.F, decoded, images.repeat(R, 1, 1, 1), self.likelihood, self.std)  # (R·N,)
        text = self._caption_log_likelihood(z[by_text].flatten(0, 1), ids.repeat(Q, 1), mask.repeat(Q, 1))  # (Q·N,)
        explained = (weight[by_image, 0].flatten() * image).sum() + text_weight * (weight[by_text, 1].flatten() * text).sum()
        return (beta * gaussian_kl(*posterior).sum() - explained) / len(ids)

    def images_from(self, ids, mask=None, noise=None):
        """Images of captions: (N, T) → (N, C, S, S), of the mean code, or with ``noise`` (N, D) of a draw."""
        return self.decode_images(_code(self.encode(ids=ids, mask=mask), noise))

    def captions_from(self, images, length=32, noise=None, temperature=0.0, generator=None):
        """Captions of images: (N, C, S, S) → ids (N, length), to be read by ``vocabulary.decode``; as in ``decode_captions``."""
        return self.decode_captions(_code(self.encode(images), noise), length, temperature, generator)

    def sample(self, n, length=32, temperature=0.0, generator=None):
        """n codes from the prior, as images (n, C, S, S) and captions (n, length)."""
        z = draw_prior(self, n, generator)
        return self.decode_images(z), self.decode_captions(z, length, temperature, generator)

    def decode_images(self, z):
        """The mean image of each code: z (N, D) → (N, C, S, S), in (0, 1) for 'bernoulli'."""
        decoded = self.image_decoder(z)
        return self.F.sigmoid(decoded) if self.likelihood == "bernoulli" else decoded

    @torch.no_grad()
    def decode_captions(self, z, length=32, temperature=0.0, generator=None):
        """z (N, D) → ids (N, length), 0 behind the end. temperature: 0 takes the likeliest word each time, 1 draws."""
        check_whole(length, "length")
        start, end = SPECIAL.index(START), SPECIAL.index(END)
        word, state, written = torch.full((len(z),), start, device=z.device), self.text_decoder.first_state(z), []
        over = torch.zeros_like(word, dtype=torch.bool)  # (N,)
        for _ in range(length):
            logits, state = self.text_decoder.step(z, word[:, None], state)  # (N, 1, V)
            word = draw(logits[:, 0], temperature, generator=generator).where(~over, 0)  # (N,)
            written.append(word)
            over = over | (word == end)
        return torch.stack(written, 1)  # (N, length)

    def _caption_log_likelihood(self, z, ids, mask):
        require(ids.shape[1] >= 2, "ids", f"shape {tuple(ids.shape)}", "(N, T) with T ≥ 2: encode with start=True, end=True")
        logits = self.text_decoder(z, ids[:, :-1])  # (N, T−1, V)
        each = self.F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].long().flatten(), reduction="none")  # (N·(T−1),)
        return -each.unflatten(0, (len(ids), -1)).where(mask[:, 1:], 0).sum(1)  # (N,)

    def _encode(self, images, ids, mask, present):
        return product_of_experts(*self._experts(images, ids, mask), present)

    def _experts(self, images, ids, mask):
        """(means, log_vars) of those that are given, the image's first: (M, N, D) each."""
        experts = []
        if images is not None:
            experts.append(to_gaussian(self.F, self.image_fc, self.image_encoder(images)))
        if ids is not None:
            experts.append(to_gaussian(self.F, self.text_fc, self.text_encoder(ids, mask)))
        return tuple(torch.stack(each) for each in zip(*experts, strict=True))  # (M, N, D)

    def _given(self, images, ids, mask, present):
        """The arguments, checked: a mask wherever there are ids, present (M, N) for those M that are given, missing images 0."""
        if images is None and ids is None:
            raise ValueError("give images, ids or both; without either the code is the prior's: call sample(n)")
        if images is not None and ids is not None and len(images) != len(ids):
            raise ValueError(f"images and ids must belong together; got {len(images)} images and {len(ids)} captions")
        if present is not None:
            if images is None or ids is None:
                raise ValueError("present says which examples lack one of two; got only one modality: leave present out")
            good = present.dtype == torch.bool and tuple(present.shape) == (2, len(ids))
            got, expected = f"{present.dtype} of shape {tuple(present.shape)}", f"bool (2, {len(ids)}): images, captions"
            require(good, "present", got, expected)
        rows = []
        if images is not None:
            rows.append(torch.ones(len(images), dtype=torch.bool, device=images.device) if present is None else present[0])
            images = images if present is None else images.where(present[0][:, None, None, None], 0)  # 0·NaN would spread
        if ids is not None:
            mask = check_tokens(ids, mask, self.vocabulary_size)
            rows.append(mask.any(1) if present is None else present[1] & mask.any(1))
        return images, ids, mask, torch.stack(rows)  # (M, N)


def _code(posterior, noise):
    return posterior.mean if noise is None else posterior.sample(noise)
