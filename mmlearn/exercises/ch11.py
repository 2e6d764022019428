"""Chapter 11, autoencoders: tied gradients, PCA, a convolutional autoencoder, sparsity, denoising, a detector's score and a hunt."""

import torch
import torch.nn.functional as F

from mmlearn.data.detection import auc as area
from mmlearn.ops.autoencoder_gradients import tied_autoencoder_gradients
from mmlearn.ops.denoising import mixture_posterior_mean
from mmlearn.ops.subspace import principal_axes

from .case import Case
from .exercise import Exercise
from .task import Mistake

__all__ = [
    "auc_of",
    "best_linear",
    "conv_autoencoder",
    "mixture_denoiser",
    "repaired_detector",
    "sparse_loss",
    "tied_gradients",
]


def _tied(x, w, b_z, b_x):
    return tuple(tied_autoencoder_gradients(x, w, b_z, b_x))


def _tied_solution(x, w, b_z, b_x):
    z = torch.sigmoid(x @ w.T + b_z)
    x_hat = torch.sigmoid(z @ w + b_x)
    delta_x = 2 / len(x) * (x_hat - x) * x_hat * (1 - x_hat)
    delta_z = delta_x @ w.T * z * (1 - z)
    return delta_z.T @ x + z.T @ delta_x, delta_z.sum(0), delta_x.sum(0)


def _tied_variant(
    paths=(1, 1), factor=2.0, mean=lambda x: len(x), out=lambda y: y * (1 - y), code=lambda z: z * (1 - z), sign=1, bias=torch.sum
):
    def wrong(x, w, b_z, b_x):
        z = torch.sigmoid(x @ w.T + b_z)
        x_hat = torch.sigmoid(z @ w + b_x)
        delta_x = sign * factor / mean(x) * (x_hat - x) * out(x_hat)
        delta_z = delta_x @ w.T * code(z)
        return paths[0] * delta_z.T @ x + paths[1] * z.T @ delta_x, bias(delta_z, 0), bias(delta_x, 0)

    return wrong


def _tied_cases(draw):
    half = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    yield Case(
        half, torch.ones(1, 2, dtype=torch.float64), *(torch.zeros(n, dtype=torch.float64) for n in (1, 2)), label="one example"
    )
    yield Case(draw.uniform(3, 2), draw.integers(1, 2), draw.integers(1), draw.integers(2))
    yield Case(draw.uniform(4, 3), draw.normal(3, 3), draw.normal(3), draw.normal(3), label="as many numbers in the code")
    yield Case(draw.uniform(5, 7), draw.normal(2, 7), draw.normal(2), draw.normal(7))


tied_gradients = Exercise(
    chapter="11",
    name="tied_gradients",
    title="A weight that is used twice",
    minutes=20,
    difficulty=2,
    equation="Eq. 11.5",
    oracle=_tied,
    solution=_tied_solution,
    cases=_tied_cases,
    returns=("dw", "db_z", "db_x"),
    shapes={"x": "N D", "w": "k D"},
    mistakes=[
        Mistake(_tied_variant(paths=(1, 0)), "only the encoder's share of `dw` is here; the decoder uses $W$ as well, and its gradient $Z^\\top\\delta_{\\hat x}$ is added"),
        Mistake(_tied_variant(paths=(0, 1)), "only the decoder's share of `dw` is here; the encoder uses $W$ as well, and its gradient $\\delta_z^\\top X$ is added"),
        Mistake(_tied_variant(paths=(0.5, 0.5)), "the two shares of `dw` are averaged; the chain rule adds them"),
        Mistake(_tied_variant(mean=lambda x: x.numel()), "this is the mean over all numbers, as torch's `mse_loss` has it; Eq. 11.3 adds up an example's numbers and divides by the count of examples"),
        Mistake(_tied_variant(mean=lambda x: 1), "the loss is a mean over examples: divide by $N$"),
        Mistake(_tied_variant(factor=1.0), "the factor 2 is missing: $(\\hat x - x)^2$ has the derivative $2(\\hat x - x)$"),
        Mistake(_tied_variant(out=torch.ones_like), "the output's sigmoid is forgotten: $\\delta_{\\hat x}$ has the factor $\\hat x (1 - \\hat x)$"),
        Mistake(_tied_variant(code=torch.ones_like), "the code's sigmoid is forgotten: $\\delta_z$ has the factor $z (1 - z)$"),
        Mistake(_tied_variant(sign=-1), "the sign is flipped: the difference is output minus input"),
        Mistake(_tied_variant(bias=torch.mean), "the biases' gradients are averaged once more: the $1/N$ is in the deltas already, so add up the rows"),
    ],
    hints=[
        "Forward first: $Z = \\sigma(XW^\\top + b_z)$ and $\\hat X = \\sigma(ZW + b_{\\hat x})$, with examples in rows.",
        "$\\delta_{\\hat x} = \\frac2N(\\hat X - X)\\odot\\hat X\\odot(1-\\hat X)$, then $\\delta_z = \\delta_{\\hat x}W^\\top\\odot Z\\odot(1-Z)$. The biases get the column sums.",
        "`dw = delta_z.T @ x + z.T @ delta_x`: one term for each place where $W$ is used.",
    ],
    afterword="Autograd does the same sum, without being told that the weights are tied: it adds up whatever arrives at a shared parent (Eq. 2.2).",
)  # fmt: skip


def _best(x, k):
    mean, _, axes = principal_axes(x)
    return mean + (x - mean) @ axes[:k].T @ axes[:k]


def _best_solution(x, k):
    mean = x.mean(0)
    axes = torch.linalg.svd(x - mean, full_matrices=False).Vh[:k]  # (k, D): one axis in each row
    z = (x - mean) @ axes.T
    return mean + z @ axes


def _best_variant(centre=True, back=True, pick=lambda Vh, k: Vh[:k], scale=lambda x: torch.ones_like(x[0])):
    def wrong(x, k):
        mean = x.mean(0) if centre else torch.zeros_like(x[0])
        spread = scale(x)
        c = (x - mean) / spread
        axes = pick(torch.linalg.svd(c, full_matrices=False).Vh, k)
        return (mean if back else 0) + c @ axes.T @ axes * spread

    return wrong


def _smallest_of_eigh(x, k):
    centred = x - x.mean(0)
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, :k]
    return x.mean(0) + centred @ axes @ axes.T


def _mean_twice(x, k):
    _, _, axes = principal_axes(x)
    return x.mean(0) + x @ axes[:k].T @ axes[:k]


def _codes_instead(x, k):
    mean, _, axes = principal_axes(x)
    return (x - mean) @ axes[:k].T


def _of_the_rows(x, k):
    across = x - x.mean(1, keepdim=True)
    axes = torch.linalg.svd(across, full_matrices=False).Vh[:k]
    return x.mean(1, keepdim=True) + across @ axes.T @ axes


def _best_cases(draw):
    corner = torch.tensor([[0.0, 0.0], [2.0, 1.0], [4.0, 2.0], [2.0, 3.0]], dtype=torch.float64)
    yield Case(corner, 1, label="four points in a plane")
    yield Case(draw.normal(9, 4) * torch.tensor([4.0, 2.0, 1.0, 0.3]).double() + 5, 2, label="far from the origin")
    stretched = draw.normal(20, 5) * torch.tensor([1.0, 8.0, 3.0, 0.5, 2.0]).double()
    yield Case(stretched @ draw.normal(5, 5) + draw.normal(5), 3)
    yield Case(
        draw.normal(4, 6) * torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.5]).double() - 2, 2, label="fewer examples than features"
    )


best_linear = Exercise(
    chapter="11",
    name="best_linear",
    title="The best linear autoencoder, without training",
    minutes=15,
    difficulty=2,
    equation="Eq. 11.6",
    oracle=_best,
    solution=_best_solution,
    cases=_best_cases,
    shapes={"x": "N D"},
    mistakes=[
        Mistake(_best_variant(centre=False), "the mean is not taken away first: these are the axes through the origin, and the first of them is spent on pointing at the mean"),
        Mistake(_best_variant(back=False), "the mean is missing at the end: the decoder's bias puts it back"),
        Mistake(_best_variant(pick=lambda Vh, k: Vh[:, :k].T), "the axes are the *rows* of `Vh`: `torch.linalg.svd` returns $V^\\top$, so take `Vh[:k]`, not its first columns"),
        Mistake(_best_variant(pick=lambda Vh, k: Vh[-k:]), "the last axes are kept, those of the *smallest* variances", "`torch.linalg.svd` sorts from large to small, `torch.linalg.eigh` from small to large."),
        Mistake(_smallest_of_eigh, "the first axes of `torch.linalg.eigh` are those of the *smallest* variances: take its last $k$ columns", "`torch.linalg.eigh` sorts from small to large, `torch.linalg.svd` from large to small."),
        Mistake(_mean_twice, "the mean is put back, though it was not taken away from what is projected: project $x - \\bar x$"),
        Mistake(_best_variant(scale=lambda x: x.std(0)), "each feature is divided by its standard deviation first: that is the best code of *standardised* data, for another loss"),
        Mistake(_of_the_rows, "the mean is that of each example over its features; what is taken away is the mean *example*, over the $N$ rows"),
        Mistake(_codes_instead, "these are the codes $z$, $k$ numbers each; return what the decoder makes of them, $\\hat x$"),
    ],
    hints=[
        "Take the mean example away, find the $k$ principal axes, project on them, and put the mean back.",
        "`torch.linalg.svd(x - mean, full_matrices=False).Vh` has the axes in its rows, largest variance first.",
        "With `axes = Vh[:k]` the code is `(x - mean) @ axes.T`, and the decoder makes `mean + z @ axes` of it.",
    ],
    afterword="Encoder $V_k^\\top$, decoder $V_k$: a linear autoencoder whose weights are tied, and which no training can improve.",
)  # fmt: skip


def _conv(images, p):
    maps = F.relu(F.conv2d(images, p["conv"], p["conv_bias"], stride=2, padding=1))
    z = F.linear(maps.flatten(1), p["code"], p["code_bias"])
    up = F.relu(F.linear(z, p["fc"], p["fc_bias"])).view(maps.shape)
    return z, torch.sigmoid(F.conv_transpose2d(up, p["up"], p["up_bias"], stride=2, padding=1))


def _conv_solution(images, p):
    maps = F.relu(F.conv2d(images, p["conv"], p["conv_bias"], stride=2, padding=1))
    z = F.linear(maps.flatten(1), p["code"], p["code_bias"])
    again = F.relu(F.linear(z, p["fc"], p["fc_bias"])).view(maps.shape)
    logits = F.conv_transpose2d(again, p["up"], p["up_bias"], stride=2, padding=1)
    return z, torch.sigmoid(logits)


def _same(t):
    return t


def _conv_variant(after_conv=F.relu, code=_same, after_fc=F.relu, out=torch.sigmoid, flat=_same, shape=_same, shown=_same):
    def wrong(images, p):
        maps = after_conv(F.conv2d(images, p["conv"], p["conv_bias"], stride=2, padding=1))
        z = code(F.linear(flat(maps).flatten(1), p["code"], p["code_bias"]))
        again = after_fc(F.linear(z, p["fc"], p["fc_bias"]))
        N, C, H, W = maps.shape
        again = again.view(maps.shape) if shape is _same else again.view(N, H, W, C).permute(0, 3, 1, 2)
        return shown(z), out(F.conv_transpose2d(again, p["up"], p["up_bias"], stride=2, padding=1))

    return wrong


def _conv_turned(images, p):
    """The decoder's kernel taken as that of a convolution on an enlarged map."""
    maps = F.relu(F.conv2d(images, p["conv"], p["conv_bias"], stride=2, padding=1))
    z = F.linear(maps.flatten(1), p["code"], p["code_bias"])
    again = F.relu(F.linear(z, p["fc"], p["fc_bias"])).view(maps.shape)
    flipped = p["up"].flip(2, 3)
    return z, torch.sigmoid(F.conv_transpose2d(again, flipped, p["up_bias"], stride=2, padding=1))


def _conv_parameters(draw, channels, width, side, k):
    deep = width * side * side
    shapes = {"conv": (width, channels, 4, 4), "code": (k, deep), "fc": (deep, k), "up": (width, channels, 4, 4)}
    p = {name: 0.5 * draw.normal(*shape) for name, shape in shapes.items()}
    counts = {"conv_bias": width, "code_bias": k, "fc_bias": deep, "up_bias": channels}
    return p | {name: draw.normal(count) for name, count in counts.items()}


conv_autoencoder = Exercise(
    chapter="11",
    name="conv_autoencoder",
    title="A convolutional autoencoder",
    minutes=20,
    difficulty=2,
    oracle=_conv,
    solution=_conv_solution,
    cases=lambda draw: [
        Case(draw.uniform(1, 1, 4, 4), _conv_parameters(draw, 1, 2, 2, 1), label="one small picture"),
        Case(draw.uniform(3, 1, 8, 8), _conv_parameters(draw, 1, 3, 4, 2)),
        Case(draw.uniform(2, 3, 8, 8), _conv_parameters(draw, 3, 4, 4, 5), label="in colour"),
    ],
    returns=("z", "x_hat"),
    shapes={"images": "N C H W"},
    mistakes=[
        Mistake(_conv_variant(after_conv=_same), "the ReLU after the convolution is missing: convolution and linear layer are then one linear map"),
        Mistake(_conv_variant(after_fc=_same), "the ReLU after the decoder's linear layer is missing: the decoder is then one linear map with a sigmoid on it"),
        Mistake(_conv_variant(code=F.relu), "the code went through a ReLU: half of the plane could not be used; the code is any real numbers"),
        Mistake(_conv_variant(code=torch.sigmoid), "the code went through a sigmoid; here the code is any real numbers"),
        Mistake(_conv_variant(out=_same), "the sigmoid at the end is missing: pixels lie between 0 and 1"),
        Mistake(_conv_variant(out=F.relu), "the last activation is a ReLU; pixels between 0 and 1 want a sigmoid"),
        Mistake(_conv_variant(flat=lambda maps: maps.permute(0, 2, 3, 1)), "the maps were flattened with the channels last: `maps.flatten(1)` keeps channel, row, column"),
        Mistake(_conv_variant(shape=None), "the decoder's numbers went back as (height, width, channels): `.view(maps.shape)` has the channels first"),
        Mistake(_conv_turned, "the decoder's kernel is turned by half a circle: `conv_transpose2d` lays down footprints of the kernel as it is"),
    ],
    hints=[
        "Four layers: convolution, linear, linear, transposed convolution; ReLU after the first and the third, nothing on the code, a sigmoid at the end.",
        "`F.conv2d(images, p[\"conv\"], p[\"conv_bias\"], stride=2, padding=1)` halves; `F.conv_transpose2d(…, p[\"up\"], p[\"up_bias\"], stride=2, padding=1)` doubles.",
        "Between them: `maps.flatten(1)` to the code's linear layer, and `.view(maps.shape)` after the decoder's.",
    ],
    afterword="A kernel of 4 at a stride of 2 covers every pixel equally often, so no chequered pattern comes of it (chapter 05).",
)  # fmt: skip


def _sparse(x, x_hat, z, sparsity, weight):
    used = z.mean(0)
    divergence = sparsity * torch.log(sparsity / used) + (1 - sparsity) * torch.log((1 - sparsity) / (1 - used))
    return (x_hat - x).square().sum(1).mean() + weight * divergence.sum()


def _kl(p, q):
    return p * torch.log(p / q) + (1 - p) * torch.log((1 - p) / (1 - q))


def _sparse_variant(
    error=lambda d: d.square().sum(1).mean(), used=lambda z: z.mean(0), penalty=_kl, total=torch.sum, last=_same, weigh=True
):
    def wrong(x, x_hat, z, sparsity, weight):
        rho = torch.tensor(sparsity, dtype=z.dtype)
        return error(x_hat - x) + (weight if weigh else 1) * last(total(penalty(rho, used(z))))

    return wrong


sparse_loss = Exercise(
    chapter="11",
    name="sparse_loss",
    title="The sparse loss",
    minutes=15,
    difficulty=2,
    equation="Eq. 11.10",
    oracle=_sparse,
    cases=lambda draw: [
        Case(draw.uniform(1, 2), draw.uniform(1, 2), draw.uniform(1, 1, low=0.2, high=0.8), 0.25, 1.0, label="one example, a code of one number"),
        Case(draw.uniform(3, 2), draw.uniform(3, 2), draw.uniform(3, 4, low=0.1, high=0.9), 0.125, 0.5),
        Case(draw.uniform(6, 5), draw.uniform(6, 5), draw.uniform(6, 8, low=0.05, high=0.95), 0.0625, 3.0),
        Case(draw.uniform(4, 3), draw.uniform(4, 3), draw.uniform(4, 2, low=0.1, high=0.9), 0.25, 0.0, label="weight 0"),
    ],
    shapes={"x": "N D", "x_hat": "N D", "z": "N k"},
    mistakes=[
        Mistake(_sparse_variant(penalty=lambda p, q: _kl(q, p)), "the divergence is turned round: it is $\\mathrm{KL}(\\rho\\,\\|\\,\\hat\\rho)$, with $\\rho$ in front of the logarithm"),
        Mistake(_sparse_variant(used=lambda z: z.mean(1)), "the mean is taken over the numbers of a code; $\\hat\\rho_j$ is the mean of number $j$ over the *batch*"),
        Mistake(_sparse_variant(used=_same, last=lambda t: t), "the divergence is added up over every example: first the mean over the batch, then the divergence", "One example may use a number fully; only the average is to be small."),
        Mistake(_sparse_variant(penalty=lambda p, q: p * torch.log(p / q)), "half of the divergence is missing: $(1-\\rho)\\log\\frac{1-\\rho}{1-\\hat\\rho}$; without it, using a number *more* is rewarded"),
        Mistake(_sparse_variant(total=torch.mean), "the divergence is averaged over the code; Eq. 11.10 adds it up"),
        Mistake(_sparse_variant(penalty=lambda p, q: _kl(p, q) / torch.log(torch.tensor(2.0, dtype=q.dtype))), "the logarithm is that to base 2; here it is the natural one"),
        Mistake(_sparse_variant(error=lambda d: d.square().mean()), "the squared error is a mean over all numbers; Eq. 11.3 adds up an example's numbers and takes the mean over examples"),
        Mistake(_sparse_variant(error=lambda d: d.square().sum()), "the squared error is added up over the examples, too; Eq. 11.3 takes the mean over them"),
        Mistake(_sparse_variant(weigh=False), "the penalty is not multiplied by its weight"),
    ],
    hints=[
        "Two terms: Eq. 11.3, and the weight times the sum over the code of a divergence between two coins.",
        "`used = z.mean(0)` is $\\hat\\rho$: one number for each place of the code.",
        "`sparsity * torch.log(sparsity / used) + (1 - sparsity) * torch.log((1 - sparsity) / (1 - used))`, added up, times `weight`.",
    ],
    afterword="The penalty needs a batch: with a single example every number would have to be $\\rho$ for it, and nothing could be told apart.",
)  # fmt: skip


def _mixture(noisy, weights, means, variance, std):
    variances = torch.full_like(weights, variance)
    return mixture_posterior_mean(noisy, weights, means, variances, std)


def _mixture_solution(noisy, weights, means, variance, std):
    total = variance + std**2
    away = (noisy[:, None] - means).square().sum(2)  # (N, M)
    share = torch.softmax(weights.log() - away / (2 * total), dim=1)
    shrunk = means + variance / total * (noisy[:, None] - means)  # (N, M, D)
    return (share[..., None] * shrunk).sum(1)


def _mixture_variant(
    total=lambda v, s: v + s**2,
    prior=torch.log,
    keep=lambda v, s: v / (v + s**2),
    share=lambda logs: torch.softmax(logs, 1),
    half=2,
    away=lambda d: d.square().sum(2),
):
    def wrong(noisy, weights, means, variance, std):
        r = share(prior(weights) - away(noisy[:, None] - means) / (half * total(variance, std)))
        shrunk = means + keep(variance, std) * (noisy[:, None] - means)
        return (r[..., None] * shrunk).sum(1)

    return wrong


def _hard(logs):
    return F.one_hot(logs.argmax(1), logs.shape[1]).to(logs.dtype)


def _mixture_case(draw, N, M, D, variance, std, label=""):
    weights = draw.uniform(M, low=0.2, high=1.0)
    return Case(draw.normal(N, D), weights / weights.sum(), 1.5 * draw.normal(M, D), variance, std, label=label)


def _mixture_cases(draw):
    even = torch.full((2,), 0.5, dtype=torch.float64)
    points = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    yield Case(torch.tensor([[0.5], [0.75], [2.0]]).double(), even, points, 0.25, 0.5, label="two Gaussians on a line")
    yield Case(torch.tensor([[0.5], [0.75], [2.0]]).double(), even, points, 0.0, 0.5, label="two points")
    yield _mixture_case(draw, 3, 1, 2, 1.0, 2.0, "one Gaussian")
    yield _mixture_case(draw, 4, 3, 2, 0.3, 0.6)
    yield _mixture_case(draw, 5, 4, 3, 0.5, 1.4)


mixture_denoiser = Exercise(
    chapter="11",
    name="mixture_denoiser",
    title="The best denoiser of a mixture",
    minutes=25,
    difficulty=3,
    equation="Eq. 11.14",
    oracle=_mixture,
    solution=_mixture_solution,
    cases=_mixture_cases,
    shapes={"noisy": "N D", "means": "M D"},
    mistakes=[
        Mistake(_mixture_variant(total=lambda v, s: s**2 if v == 0 else v), "the shares $r_m$ are those of clean data, $\\mathcal N(\\mu_m, v)$; the noisy data are spread by $v + \\tau^2$"),
        Mistake(_mixture_variant(total=lambda v, s: s**2), "the shares $r_m$ use the noise alone; the noisy data are spread by $v + \\tau^2$"),
        Mistake(_mixture_variant(total=lambda v, s: v + s), "$\\tau$ is added where $\\tau^2$ belongs: variances add, not standard deviations"),
        Mistake(_mixture_variant(prior=torch.zeros_like), "the weights $\\pi_m$ are forgotten: a rare Gaussian needs more evidence"),
        Mistake(_mixture_variant(prior=_same), "the weights enter the exponent as they are; it is their logarithm that is added there"),
        Mistake(_mixture_variant(keep=lambda v, s: 0.0), "each Gaussian answers with its mean alone; within it, $\\frac{v}{v+\\tau^2}$ of the way to $\\tilde x$ is to be believed"),
        Mistake(_mixture_variant(keep=lambda v, s: s**2 / (v + s**2)), "the shrinkage is turned round: the more noise, the *less* of $\\tilde x$ is believed"),
        Mistake(_mixture_variant(share=_hard), "the most probable Gaussian takes it all; the mean squared error wants the *average* over all of them"),
        Mistake(_mixture_variant(share=lambda logs: torch.softmax(logs, 0)), "the softmax runs over the examples; for each example the shares of the Gaussians add up to 1"),
        Mistake(_mixture_variant(total=lambda v, s: s**2, keep=lambda v, s: 0.0), "the variance $v$ is left out: this is Eq. 11.12, for points; a Gaussian is spread by $v + \\tau^2$, and within it a part of $\\tilde x$ is believed"),
        Mistake(_mixture_variant(away=lambda d: d.norm(dim=2)), "the distance in the exponent is not squared (`torch.cdist` and `norm` give the distance itself)"),
        Mistake(_mixture_variant(half=1), "the 2 in $\\exp(-\\|\\tilde x - \\mu\\|^2 / 2(v + \\tau^2))$ is missing"),
    ],
    hints=[
        "Two steps: which Gaussian did $\\tilde x$ come from (shares $r_m$, which add up to 1), and what would each of them answer?",
        "The shares: a softmax over $\\log\\pi_m - \\|\\tilde x-\\mu_m\\|^2/2(v+\\tau^2)$. Each answers $\\mu_m + \\frac{v}{v+\\tau^2}(\\tilde x - \\mu_m)$.",
        "`noisy[:, None] - means` has the shape (N, M, D). Weight the answers with `share[..., None]` and add up over dimension 1.",
    ],
    afterword="With variance 0 this is a softmax over distances that picks among stored examples. Chapter 10's attention has the same form.",
)  # fmt: skip


def _auc(normal, anomalous):
    return area(normal, anomalous)


def _auc_solution(normal, anomalous):
    larger = (anomalous[:, None] > normal).double()  # (M, N): every pair
    equal = (anomalous[:, None] == normal).double()
    return (larger + equal / 2).mean().item()


def _pairs(compare):
    return lambda normal, anomalous: compare(anomalous[:, None], normal).double().mean().item()


def _reversed_auc(normal, anomalous):
    return area(anomalous, normal)


def _at_the_median(normal, anomalous):
    limit = torch.cat([normal, anomalous]).median()
    right = (normal < limit).double().sum() + (anomalous >= limit).double().sum()
    return (right / (len(normal) + len(anomalous))).item()


def _one_beside_the_other(normal, anomalous):
    n = min(len(normal), len(anomalous))
    a, b = anomalous[:n], normal[:n]
    return ((a > b).double() + (a == b).double() / 2).mean().item()


def _beyond_the_largest(normal, anomalous):
    return (anomalous > normal.max()).double().mean().item()


def _call_auc(answer, normal, anomalous):
    """A 0-dimensional tensor will do, too."""
    found = answer(normal, anomalous)
    return found.item() if isinstance(found, torch.Tensor) and found.numel() == 1 else found


auc_of = Exercise(
    chapter="11",
    name="auc_of",
    title="The area under the ROC curve",
    minutes=10,
    difficulty=1,
    equation="Eq. 11.17",
    oracle=_auc,
    solution=_auc_solution,
    call=_call_auc,
    cases=lambda draw: [
        Case(torch.tensor([1.0, 2.0]).double(), torch.tensor([2.0, 3.0, 0.0]).double(), label="with one tie"),
        Case(draw.distinct(5), draw.distinct(4) + 0.5, label="no ties"),
        Case(draw.integers(7), draw.integers(6) + 1, label="many ties"),
        Case(draw.normal(30), draw.normal(11) + 1),
        Case(torch.zeros(3).double(), torch.zeros(4).double(), label="a score that says nothing"),
    ],
    float32=False,
    shapes={"normal": "N", "anomalous": "M"},
    mistakes=[
        Mistake(_pairs(torch.gt), "ties count as lost; a tie is half a win"),
        Mistake(_pairs(torch.ge), "ties count as won; a tie is half a win"),
        Mistake(_reversed_auc, "it is turned round: count the pairs in which the *anomaly* has the larger score"),
        Mistake(_one_beside_the_other, "each anomaly meets one normal example only; compare *every* anomaly with *every* normal example"),
        Mistake(_at_the_median, "this is the accuracy at one threshold; the area needs no threshold"),
        Mistake(_beyond_the_largest, "this is the share of anomalies above *all* normal scores: the found ones without a single false alarm"),
    ],
    hints=[
        "Imagine one anomaly and one normal example, drawn at random. How often does the anomaly score higher?",
        "`anomalous[:, None] > normal` compares every pair at once, (M, N).",
        "Pairs that are won count 1, equal ones ½: `(larger.double() + equal.double() / 2).mean()`.",
    ],
    afterword="It is the statistic of Mann and Whitney's test (1947), divided by the number of pairs.",
)  # fmt: skip


def _detector(train, held_out, test, k, share, apart=False, columns=False, own=False, limit="held_out", turned=False):
    """The detector with some of its three errors left in."""
    means = [part.mean(0) if apart else train.mean(0) for part in (train, held_out, test)]
    parts = [part - mean for part, mean in zip((train, held_out, test), means, strict=True)]
    Vh = torch.linalg.svd(parts[0], full_matrices=False).Vh
    axes = Vh[:, :k] if columns else Vh[:k].T  # (D, k)
    of_train, of_held_out, of_test = ((part - part @ axes @ axes.T).square().sum(1) for part in parts)
    chosen = of_test if own else {"held_out": of_held_out, "train": of_train}[limit]
    return of_test, of_test > chosen.quantile(share if turned else 1 - share)


def _repaired(train, held_out, test, k, share):
    return _detector(train, held_out, test, k, share)


def _repaired_solution(train, held_out, test, k, share):
    mean = train.mean(0)  # one mean for all, learned from the training part
    axes = torch.linalg.svd(train - mean, full_matrices=False).Vh[:k].T  # (D, k): rows of Vh are axes

    def errors(part):
        centred = part - mean
        return (centred - centred @ axes @ axes.T).square().sum(1)

    scores = errors(test)
    limit = errors(held_out).quantile(1 - share)  # of pictures that are known to be normal
    return scores, scores > limit


def _left(**errors):
    return lambda train, held_out, test, k, share: _detector(train, held_out, test, k, share, **errors)


def _detector_case(draw, D, k, share, label=""):
    mix = draw.normal(D, D) * torch.linspace(3, 0.2, D, dtype=torch.float64)[:, None]
    train, held_out = draw.normal(4 * D, D) @ mix + 2, draw.normal(3 * D, D) @ mix + 2
    test = torch.cat([draw.normal(D, D) @ mix + 2, 3 * draw.normal(2 * D, D) + 1])
    return Case(train, held_out, test, k, share, label=label)


def _detector_cases(draw):
    yield _detector_case(draw, 3, 1, 0.2)
    yield _detector_case(draw, 4, 2, 0.25)
    yield _detector_case(draw, 6, 2, 0.1)


_APART = "each part still loses its own mean, so a picture's score depends on its company: the mean, too, is learned from `train` alone"
_COLUMNS = "the axes are still the first *columns* of `Vh`; they are its rows"
_OWN = "the limit still comes from the scores that are to be judged: then the same share is reported, however many are anomalies"

repaired_detector = Exercise(
    chapter="11",
    name="repaired_detector",
    title="Repair it",
    minutes=20,
    difficulty=3,
    oracle=_repaired,
    solution=_repaired_solution,
    cases=_detector_cases,
    float32=False,
    returns=("scores", "reported"),
    shapes={"train": "N D"},
    mistakes=[
        Mistake(_left(apart=True), f"two errors found, one left: {_APART}"),
        Mistake(_left(columns=True), f"two errors found, one left: {_COLUMNS}"),
        Mistake(_left(own=True), f"two errors found, one left: {_OWN}"),
        Mistake(_left(apart=True, columns=True), "one error found, the limit's; two are left, one in the means and one in the axes"),
        Mistake(_left(apart=True, own=True), "one error found, the axes'; two are left, one in the means and one in the limit"),
        Mistake(_left(columns=True, own=True), "one error found, the means'; two are left, one in the axes and one in the limit"),
        Mistake(_left(apart=True, columns=True, own=True), "all three errors are still in it"),
        Mistake(_left(turned=True), "the limit is the quantile of `share`: nearly all normal pictures lie above it; about `share` of them are to lie above, so take the quantile of `1 - share`"),
        Mistake(_left(limit="train"), "the limit comes from the training pictures: the axes were fitted to them, so their errors are too small and the false alarms too many; `held_out` is there for that"),
    ],
    hints=[
        "Ask the three questions of `interview`. Each finds one error: in the means, in the axes, in the limit.",
        "What is learned comes from `train` (mean and axes) or from `held_out` (the limit). Nothing is learned from `test`.",
        "`mean = train.mean(0)` for all three parts; `Vh[:k].T` in place of `Vh[:, :k]`; the quantile of the errors of `held_out`.",
    ],
    afterword="All three run, and on a test with few anomalies all three together still find nearly every one. That is why they are published.",
)  # fmt: skip
