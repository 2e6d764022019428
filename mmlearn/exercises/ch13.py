"""Chapter 13, features: hooks, a ridge probe, CKA, LoRA's size and gradient, a freeze that holds, and a bug hunt."""

from itertools import combinations

import torch
from torch import nn

from .case import Case
from .exercise import Exercise
from .task import Mistake
from .value import ValueExercise

__all__ = [
    "RepairedLoRA",
    "freeze",
    "layer_output",
    "linear_cka",
    "lora_gradients",
    "lora_numbers",
    "ridge_probe",
]


def _layer_output(model, name, x):
    kept = []
    handle = model.get_submodule(name).register_forward_hook(lambda module, inputs, output: kept.append(output.detach()))
    try:
        model(x)
    finally:
        handle.remove()
    return kept[0]


def _layer_output_variant(keep=lambda inputs, output: output.detach(), removed=True, final=False, where=lambda name: name):
    def layer_output(model, name, x):
        kept = []
        handle = model.get_submodule(where(name)).register_forward_hook(
            lambda module, inputs, output: kept.append(keep(inputs, output))
        )
        result = model(x)
        if removed:
            handle.remove()
        return result.detach() if final else kept[0]

    return layer_output


def _called_directly(model, name, x):
    return model.get_submodule(name)(x).detach()


def _look(answer, model, name, x):
    """What the answer returns, whether it drags a graph along, and the hooks that it leaves behind."""
    output = answer(model, name, x)
    drags = isinstance(output, torch.Tensor) and output.grad_fn is not None
    left = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    return (output.detach() if isinstance(output, torch.Tensor) else output), drags, left


def _small_network(draw):
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Sequential(nn.Linear(3, 3), nn.Sigmoid()), nn.Linear(3, 3)).double()
    for parameter in net.parameters():
        parameter.data = draw.normal(*parameter.shape)
    return net


def _layer_cases(draw):
    for name, label in (("0", "the first layer"), ("1", "an activation"), ("2.0", "a layer within a block"), ("2", "a block")):
        yield Case(_small_network(draw), name, draw.normal(4, 3), label=label)


layer_output = Exercise(
    chapter="13",
    name="layer_output",
    title="Read any layer",
    minutes=15,
    difficulty=2,
    oracle=_layer_output,
    cases=_layer_cases,
    call=_look,
    returns=("the layer's output", "whether it drags a graph along", "the hooks left behind"),
    float32=False,
    solution=_layer_output,
    mistakes=[
        Mistake(_layer_output_variant(keep=lambda inputs, output: output), "the output still hangs on its graph: as long as you keep it, everything that the backward pass would need stays in memory", "`output.detach()` is the number without its history."),
        Mistake(_layer_output_variant(removed=False), "the hook stays on the layer: it runs in every later forward pass, and each call of yours adds one more", "`register_forward_hook` returns a handle; `handle.remove()`."),
        Mistake(_layer_output_variant(keep=lambda inputs, output: output, removed=False), "two things are left behind: the hook stays on the layer, and the output hangs on its graph"),
        Mistake(_layer_output_variant(final=True), "this is what the whole network returns: the hook's own `output` is the layer's"),
        Mistake(_layer_output_variant(keep=lambda inputs, output: inputs[0].detach()), "this is what goes *into* the layer; a forward hook gets `(module, inputs, output)`"),
        Mistake(_called_directly, "the layer is called on `x` itself: it must see what the layers before it make of `x`"),
    ],
    hints=[
        "`model.get_submodule(name)` is the layer. Its `register_forward_hook` takes a function of `(module, inputs, output)`, called after each of its forward passes.",
        "The hook has no way to return the output to you: let it append to a list that you made outside. Then run `model(x)`.",
        "`kept = []`, `handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output.detach()))`, `model(x)`, `handle.remove()`, `return kept[0]`.",
    ],
    afterword="`mmlearn.models.hooks.hooked` does the same for many layers, and removes its hooks also where the forward pass fails.",
)  # fmt: skip


def _ridge_probe(x, y, penalty):
    mean_x, mean_y = x.mean(0), y.mean(0)
    xc, yc = x - mean_x, y - mean_y
    gram = xc.mT @ xc + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    weight = torch.linalg.solve(gram, xc.mT @ yc)  # (D, K)
    return weight, mean_y - mean_x @ weight


def _ridge_variant(lam=lambda penalty, x: penalty, bias=lambda mx, my, w: my - mx @ w, centre=(True, True), target=True):
    def ridge_probe(x, y, penalty):
        mx, my = x.mean(0), y.mean(0)
        xc, yc = x - mx * centre[0], y - my * centre[1]
        gram = xc.mT @ xc + lam(penalty, x) * torch.eye(x.shape[1], dtype=x.dtype)
        w = torch.linalg.solve(gram, xc.mT @ (yc if target else y))
        return w, bias(mx, my, w)

    return ridge_probe


def _constant_penalised(x, y, penalty):
    ones = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    w = torch.linalg.solve(ones.mT @ ones + penalty * torch.eye(ones.shape[1], dtype=x.dtype), ones.mT @ y)
    return w[:-1], w[-1]


def _ridge_standardised(undone, correction=0):
    def ridge_probe(x, y, penalty):
        spread = x.std(0, correction=correction)
        weight, bias = _ridge_probe((x - x.mean(0)) / spread, y, penalty)
        return (weight / spread[:, None], bias - x.mean(0) / spread @ weight) if undone else (weight, bias)

    return ridge_probe


def _ridge_cases(draw):
    yield Case(draw.integers(4, 1), draw.integers(4, 1), 1.0, label="one feature")
    yield Case(draw.normal(8, 3) + 2, draw.normal(8, 2), 0.5, label="three features, two outputs")
    yield Case(draw.normal(4, 6), draw.normal(4, 2) - 3, 2.0, label="more features than examples")


ridge_probe = Exercise(
    chapter="13",
    name="ridge_probe",
    title="A probe in closed form",
    minutes=20,
    difficulty=2,
    equation="Eq. 13.1",
    oracle=_ridge_probe,
    cases=_ridge_cases,
    returns=("weight", "bias"),
    shapes={"x": "N D", "y": "N K"},
    solution=_ridge_probe,
    mistakes=[
        Mistake(_constant_penalised, "the constant is penalised, too: a column of ones pulls the bias towards 0. Centre `x` and `y` in its place", "Then the weights do not depend on where the origin of the features or of the targets lies."),
        Mistake(_ridge_variant(centre=(False, False), bias=lambda mx, my, w: torch.zeros_like(my)), "nothing is centred and there is no bias: the fit must pass through the origin"),
        Mistake(_ridge_variant(centre=(False, True)), "`x` is not centred: subtract its mean, column by column"),
        Mistake(_ridge_variant(bias=lambda mx, my, w: my), "the bias must undo the centring of `x`, too: it is $\\bar y - \\bar x W$"),
        Mistake(_ridge_variant(bias=lambda mx, my, w: my + mx @ w), "the sign in the bias is wrong: it is $\\bar y - \\bar x W$"),
        Mistake(_ridge_variant(bias=lambda mx, my, w: torch.zeros_like(my)), "the weights are right, and the bias is missing: it is $\\bar y - \\bar x W$"),
        Mistake(_ridge_standardised(False), "the features are divided by their spread, so the weights are those of other features: here centre `x`, and leave its scale"),
        Mistake(_ridge_standardised(True), "the features are divided by their spread before the fit: then $\\lambda$ weighs each feature differently. Here centre `x`, and leave its scale"),
        Mistake(_ridge_standardised(False, 1), "the features are divided by their spread, so the weights are those of other features: here centre `x`, and leave its scale"),
        Mistake(_ridge_standardised(True, 1), "the features are divided by their spread before the fit: then $\\lambda$ weighs each feature differently. Here centre `x`, and leave its scale"),
        Mistake(_ridge_variant(lam=lambda penalty, x: penalty * len(x)), "the penalty is multiplied by $N$: the loss here is a sum of squared errors, not their mean"),
        Mistake(_ridge_variant(lam=lambda penalty, x: penalty**2), "the penalty is squared: $\\lambda I$"),
        Mistake(_ridge_variant(lam=lambda penalty, x: penalty / 2), "the penalty is halved: the 2 of both derivatives cancels"),
    ],
    hints=[
        "Subtract from `x` and from `y` their means over the examples. What is left is fitted without a bias.",
        "`torch.linalg.solve(gram, right)` solves `gram @ weight = right`. `gram` is $X^\\top X + \\lambda I$ of the centred features.",
        "A prediction is $\\bar y + (x - \\bar x) W$. What in it does not depend on $x$ is the bias.",
    ],
    afterword="Also the mean is learned from the training examples. A probe that is standardised with the test set has looked at it.",
)  # fmt: skip


def _linear_cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return (y.mT @ x).square().sum() / ((x.mT @ x).norm() * (y.mT @ y).norm())


def _cka_variant(centre=True, across=lambda x, y: (y.mT @ x).square().sum(), within=lambda x: (x.mT @ x).norm()):
    def linear_cka(x, y):
        if centre:
            x, y = x - x.mean(0), y - y.mean(0)
        return across(x, y) / (within(x) * within(y))

    return linear_cka


def _cka_rows_centred(x, y):
    return _cka_variant(centre=False)(x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True))


def _cka_prepared(of_x, of_y):
    plain = _cka_variant(centre=False)
    return lambda x, y: plain(of_x(x), of_y(y))


def _cka_root(x, y):
    return _linear_cka(x, y).sqrt()


def _centred(x):
    return x - x.mean(0)


def _scaled(x):
    return _centred(x) / x.std(0)


def _cka_cases(draw):
    yield Case(draw.integers(4, 2) + 3, draw.integers(4, 3) + 2, label="four examples")
    yield Case(draw.normal(10, 3) + 1, draw.normal(10, 5), label="three features and five")
    x = draw.normal(9, 4)
    yield Case(x + 2, x @ draw.normal(4, 4) + draw.normal(9, 4), label="features that are related")


linear_cka = Exercise(
    chapter="13",
    name="linear_cka",
    title="How alike are two layers?",
    minutes=15,
    difficulty=2,
    equation="Eq. 13.4",
    oracle=_linear_cka,
    cases=_cka_cases,
    shapes={"x": "N P", "y": "N Q"},
    solution=_linear_cka,
    mistakes=[
        Mistake(_cka_variant(centre=False), "the features are not centred: a constant shift of all of them would change the answer"),
        Mistake(_cka_rows_centred, "each *example* is centred (`dim=1`); subtract the mean of each feature over the examples, `mean(0)`"),
        Mistake(_cka_prepared(_centred, lambda y: y), "`x` is centred and `y` is not: the line below holds $Y^\\top Y$"),
        Mistake(_cka_prepared(lambda x: x, _centred), "`y` is centred and `x` is not: the line below holds $X^\\top X$"),
        Mistake(_cka_prepared(_scaled, _scaled), "each feature is divided by its spread: that stretches the axes, which Eq. 13.4 does not undo. Only centre"),
        Mistake(_cka_root, "this is the root of the answer: Eq. 13.4 is a cosine already"),
        Mistake(_cka_variant(across=lambda x, y: (y.mT @ x).norm()), "the norm above is not squared: $\\|Y^\\top X\\|_F^2$"),
        Mistake(_cka_variant(within=lambda x: x.square().sum()), "below the line stands $\\|X^\\top X\\|_F$, and this is $\\|X\\|_F^2$, the trace of $X^\\top X$", "That is the RV coefficient's cousin without its norm: two equal layers would not score 1."),
        Mistake(_cka_variant(within=lambda x: (x.mT @ x).square().sum()), "the norms below the line are squared; only the one above is"),
        Mistake(_cka_variant(within=lambda x: torch.ones((), dtype=x.dtype)), "this is the covariance part alone: divide by $\\|X^\\top X\\|_F\\,\\|Y^\\top Y\\|_F$, else the size of the features decides"),
        Mistake(_cka_variant(within=lambda x: torch.linalg.matrix_norm(x.mT @ x, ord=2)), "this is the spectral norm; Frobenius' is the root of the sum of all squares, torch's plain `norm()`"),
    ],
    hints=[
        "Centre both: `x - x.mean(0)`.",
        "`y.mT @ x` is $(Q, P)$: all products of a feature of one with a feature of the other, summed over the examples.",
        "`.square().sum()` above the line; `(x.mT @ x).norm()` times `(y.mT @ y).norm()` below it.",
    ],
    afterword="With $N$ below the number of features, $XX^\\top$ and $YY^\\top$, $(N, N)$, give the same number for less: $\\|Y^\\top X\\|_F^2$ is the sum of all entries of $XX^\\top \\odot YY^\\top$.",
)  # fmt: skip


lora_numbers = ValueExercise(
    chapter="13",
    name="lora_numbers",
    title="How many numbers does LoRA train?",
    minutes=5,
    difficulty=1,
    equation="Eq. 13.7",
    oracle=294_912,
    solution="lora_numbers = 12 * 2 * (8 * 768 + 768 * 8)  # blocks, matrices in each, A and B",
    tolerance=1e-9,
    mistakes=[
        Mistake(147_456, "half of it: each of the 12 blocks has *two* matrices with LoRA, and each has *both* factors, $A$ and $B$"),
        Mistake(24_576, "this is one block; there are 12"),
        Mistake(12_288, "this is one matrix of one block"),
        Mistake(14_155_776, "this counts the frozen matrices $W$ themselves; trained are their factors $A$ and $B$"),
        Mistake(589_824, "twice too many: LoRA is on queries and values alone, and a pair of factors has $2 \\cdot 8 \\cdot 768$ numbers"),
    ],
    hints=[
        "$A$ is $(r, D)$ and $B$ is $(D, r)$ for a square matrix $W$ of size $(D, D)$.",
        "One matrix: $2\\,r\\,D$. Each block has two of them.",
        "$12 \\cdot 2 \\cdot 2 \\cdot 8 \\cdot 768$.",
    ],
    afterword="Of the 85 million weights of those 12 blocks that is a third of a percent. A stored task takes a megabyte in place of hundreds.",
)  # fmt: skip


def _lora_gradients(grad_weight, a, b, alpha):
    scale = alpha / len(a)
    return scale * b.mT @ grad_weight, scale * grad_weight @ a.mT


def _gradients_variant(
    scale=lambda alpha, r, width: alpha / r, first=lambda g, a, b: b.mT @ g, second=lambda g, a, b: g @ a.mT, turned=False
):
    def lora_gradients(grad_weight, a, b, alpha):
        s = scale(alpha, *a.shape)
        pair = s * first(grad_weight, a, b), s * second(grad_weight, a, b)
        return pair[::-1] if turned else pair

    return lora_gradients


def _gradient_cases(draw):
    yield Case(draw.integers(2, 2), draw.integers(1, 2), draw.integers(2, 1), 3.0, label="rank 1")
    yield Case(draw.normal(5, 4), draw.normal(2, 4), draw.normal(5, 2), 6.0, label="rank 2")
    yield Case(draw.normal(4, 4), draw.normal(3, 4), torch.zeros(4, 3, dtype=torch.float64), 1.0, label="at the start, B = 0")


lora_gradients = Exercise(
    chapter="13",
    name="lora_gradients",
    title="LoRA, backwards",
    minutes=15,
    difficulty=2,
    equation="Eq. 13.8",
    oracle=_lora_gradients,
    cases=_gradient_cases,
    returns=("∂L/∂A", "∂L/∂B"),
    shapes={"grad_weight": "out in", "a": "r in", "b": "out r"},
    solution=_lora_gradients,
    mistakes=[
        Mistake(_gradients_variant(scale=lambda alpha, r, width: 1), "the factor $\\alpha/r$ is missing: the change of the weight is $(\\alpha/r)\\,BA$"),
        Mistake(_gradients_variant(scale=lambda alpha, r, width: alpha), "the factor is $\\alpha$ alone; it is $\\alpha/r$, and $r$ is the number of rows of `a`"),
        Mistake(_gradients_variant(scale=lambda alpha, r, width: alpha * r), "the factor is $\\alpha r$; it is $\\alpha/r$"),
        Mistake(_gradients_variant(scale=lambda alpha, r, width: r / alpha), "the factor is upside down: $\\alpha/r$"),
        Mistake(_gradients_variant(scale=lambda alpha, r, width: alpha / width), "the factor is divided by the columns of `a`; $r$ is the number of its rows, `len(a)`"),
        Mistake(_gradients_variant(turned=True), "both are right and in the other order: first $\\partial L/\\partial A$, $(r, \\text{in})$, then $\\partial L/\\partial B$"),
        Mistake(_gradients_variant(first=lambda g, a, b: a @ g.mT @ g), "$\\partial L/\\partial A$ is made with `a` itself: what stands beside $A$ in the product $BA$ is $B$"),
        Mistake(_gradients_variant(second=lambda g, a, b: g @ g.mT @ b), "$\\partial L/\\partial B$ is made with `b` itself: what stands beside $B$ in the product $BA$ is $A$"),
    ],
    hints=[
        "$W' = W + (\\alpha/r) BA$. The frozen $W$ has no part in it. For a product $M = BA$ the rule of chapter 02 is $\\partial L/\\partial A = B^\\top\\,\\partial L/\\partial M$.",
        "The shapes leave one choice: $(r, \\text{in})$ from $(\\text{out}, r)$ and $(\\text{out}, \\text{in})$.",
        "`scale = alpha / len(a)`; `scale * b.mT @ grad_weight` and `scale * grad_weight @ a.mT`.",
    ],
    afterword="At the start $B = 0$: $A$ has no gradient, and $B$ has one. With both at zero neither has, for ever.",
)  # fmt: skip


def _freeze(network):
    network.requires_grad_(False)
    network.eval()
    network.train = lambda mode=True: network  # whoever calls train() on what is around it
    return network


def _only_gradients(network):
    return network.requires_grad_(False)


def _only_eval(network):
    return network.eval()


def _undone(network):
    return network.requires_grad_(False).eval()


def _held_but_trained(network):
    network.eval()
    network.train = lambda mode=True: network
    return network


def _norms(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]


def _no_momentum(network):
    for layer in _norms(network.requires_grad_(False)):
        layer.momentum = 0.0
    return network


def _untracked(network):
    for layer in _norms(network.requires_grad_(False)):
        layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
    return network


def _train_around(answer, network, pictures):
    """A pass just after freezing and two in a network that is in train mode: what moved, and what is said of a picture."""
    mean, variance = _norms(network)[0].running_mean.clone(), _norms(network)[0].running_var.clone()
    held = answer(network)
    held = network if held is None else held
    first = held(pictures).detach()
    whole = nn.Sequential(held, nn.Flatten()).train()
    output = whole(pictures)
    whole(3 * pictures)
    norms = _norms(held)
    layer = norms[0] if norms else None
    after = (mean, variance) if layer is None or layer.running_mean is None else (layer.running_mean, layer.running_var)
    later = whole.eval()(pictures).detach()
    learns = sum(parameter.requires_grad for parameter in held.parameters())
    return first, after[0].clone(), after[1].clone(), output.detach(), later, learns


def _freeze_cases(draw):
    for label, count in (("four pictures", 4), ("two pictures", 2)):
        network = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU()).double()
        network[0].weight.data, network[0].bias.data = draw.normal(2, 1, 2, 2), draw.normal(2)
        network[1].running_mean.copy_(draw.normal(2)), network[1].running_var.copy_(draw.uniform(2, low=0.5, high=2))
        yield Case(network, draw.normal(count, 1, 3, 3) + 1, label=label)


freeze = Exercise(
    chapter="13",
    name="freeze",
    title="A freeze that holds",
    minutes=20,
    difficulty=2,
    equation="Eq. 13.9",
    oracle=_freeze,
    cases=_freeze_cases,
    call=_train_around,
    returns=("the output just after freezing", "the running mean in the end", "the running variance in the end", "the output in training", "the output in eval mode", "the parameters that still learn"),
    float32=False,
    solution=_freeze,
    mistakes=[
        Mistake(_only_gradients, "the weights are frozen, and the running statistics move with every batch: `requires_grad` says nothing about them", "What moves them is train mode. And somebody will call `train()` on the network around yours."),
        Mistake(_undone, "`eval()` is right when you call it. Then the network around it is put into train mode, and `train()` goes down into yours and undoes it"),
        Mistake(_only_eval, "`eval()` gives the weights no rest, and the next `train()` undoes it: both are missing, `requires_grad_(False)` and an eval mode that stays"),
        Mistake(_held_but_trained, "the statistics hold, and the weights do not: their gradients are still computed. `requires_grad_(False)`"),
        Mistake(_no_momentum, "the statistics hold, but in train mode BatchNorm does not use them: each picture is normalised with its batch, so its features depend on its neighbours"),
        Mistake(_untracked, "without running statistics BatchNorm normalises with those of the batch, always: each picture's features depend on its neighbours"),
    ],
    hints=[
        "Two different things must stop: gradients (`requires_grad_(False)`) and train mode (`eval()`).",
        "`whole.train()` calls `child.train(mode)` of every child. What if your network's own `train` did nothing?",
        "After `network.eval()`: `network.train = lambda mode=True: network`.",
    ],
    afterword="`mmlearn.models.freeze.frozen` does this for every layer inside, too, and survives copying and saving; `moving_statistics` finds the trap in a network of yours.",
)  # fmt: skip


def _hunted(factor_zero=False, scale=lambda alpha, r: alpha / r, trained=False, twice=False, idle=False, start=0.0):
    class LoRA(nn.Module):
        def __init__(self, weight, a, alpha):
            super().__init__()
            self.weight = nn.Parameter(weight.clone(), requires_grad=trained)
            self.a = nn.Parameter(torch.zeros_like(a) if factor_zero else a.clone())
            self.b = nn.Parameter(weight.new_full((len(weight), len(a)), start))
            self.scale, self.merged = scale(alpha, len(a)), False

        def change(self):
            return self.scale * self.b @ self.a

        def forward(self, x):
            return x @ (self.weight if self.merged else self.weight + self.change()).mT

        def merge(self):
            if not idle:
                self.weight.data += self.change().detach()
                self.merged = not twice

    return LoRA


class _RepairedLoRA(nn.Module):
    def __init__(self, weight, a, alpha):
        super().__init__()
        self.weight = nn.Parameter(weight.clone(), requires_grad=False)
        self.a = nn.Parameter(a.clone())
        self.b = nn.Parameter(weight.new_zeros(len(weight), len(a)))
        self.scale, self.merged = alpha / len(a), False

    def change(self):
        return self.scale * self.b @ self.a

    def forward(self, x):
        return x @ (self.weight if self.merged else self.weight + self.change()).mT

    def merge(self):
        self.weight.data += self.change().detach()
        self.merged = True


def _use(LoRA, weight, a, alpha, x):
    """Three steps of gradient descent on a small loss, then merge: the outputs on the way, and whether the change was stored."""
    layer = LoRA(weight, a, alpha)
    first = layer(x).detach()
    learned = [parameter for parameter in layer.parameters() if parameter.requires_grad]
    for _ in range(3 if learned else 0):
        gradients = torch.autograd.grad((layer(x) - 1).square().mean(), learned, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(learned, gradients, strict=True):
                parameter -= 0.1 * (torch.zeros_like(parameter) if gradient is None else gradient)
    trained = layer(x).detach()
    moved = layer(torch.eye(weight.shape[1], dtype=weight.dtype)).detach().mT  # (out, in), the weight with its change
    layer.merge()
    kept = [*layer.parameters(), *layer.buffers(), *(part for part in vars(layer).values() if isinstance(part, torch.Tensor))]
    stored = any(part.shape == moved.shape and torch.allclose(part.detach(), moved) for part in kept)
    return first, trained, layer(x).detach(), stored


def _lora_cases(draw):
    yield Case(draw.integers(2, 3), draw.integers(2, 3, low=1), 1.0, draw.integers(4, 3), label="rank 2")
    yield Case(draw.normal(4, 5), draw.normal(3, 5), 6.0, draw.normal(6, 5), label="rank 3")


_BUGS = {
    "both factors start at zero, so that neither ever gets a gradient": {"factor_zero": True},
    "the change is multiplied by $\\alpha$ and not divided by $r$": {"scale": lambda alpha, r: alpha},
    "the frozen weight is trained, too": {"trained": True},
    "after `merge` the change is added twice: it is in the weight, and `forward` adds it again": {"twice": True},
}


_ZERO = next(iter(_BUGS))


def _left():
    """A Mistake for each set of bugs that is told from the others. Behind factors that never move, two of them cannot be seen."""
    for count in range(1, len(_BUGS) + 1):
        for bugs in combinations(_BUGS, count):
            seen = [bug for bug in bugs if "trained" in _BUGS[bug] or bug == _ZERO]
            if _ZERO in bugs and len(seen) < len(bugs):
                continue
            options = {name: value for bug in bugs for name, value in _BUGS[bug].items()}
            behind = "What else is wrong shows only when they move." if _ZERO in bugs else ""
            yield Mistake(_hunted(**options), "; ".join(bugs), behind)


RepairedLoRA = Exercise(
    chapter="13",
    name="RepairedLoRA",
    title="A hunt: four bugs in one layer",
    minutes=30,
    difficulty=3,
    equation="Eq. 13.7",
    oracle=_RepairedLoRA,
    cases=_lora_cases,
    call=_use,
    returns=("the output at first", "the output after three steps", "the output after `merge`", "whether the stored weight has the change in it"),
    float32=False,
    solution=_RepairedLoRA,
    mistakes=[
        *_left(),
        Mistake(_hunted(idle=True), "`merge` leaves the weight as it was: the output is right, and $B A$ is still computed beside it at every call"),
        Mistake(_hunted(start=1.0), "$B$ does not start at zero: at first the layer must answer as it did without LoRA"),
        Mistake(_hunted(factor_zero=True, start=1.0), "$A$ starts at zero in place of $B$: the first answer is right, but take $A$ as it is given, and let $B$ start at zero"),
        Mistake(_hunted(scale=lambda alpha, r: alpha * r), "the change is multiplied by $r$; it is divided by it: $\\alpha/r$"),
    ],
    hints=[
        "Look at what moves: print all gradients after one backward pass. Which should be there, and which are zero although they should not be?",
        "Compare with Eq. 13.7: what is frozen, what starts at zero, what is the factor in front?",
        "Merge, and call the layer again: the output must not change. Where is the change now, and who adds it?",
    ],
    afterword="None of the four raises an error. The first looks like a learning rate that is too small, the last is found months later, by whoever deploys the model.",
)  # fmt: skip
