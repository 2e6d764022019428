"""Chapter 06, convolutional networks: LeNet's numbers, costs, receptive fields, residual blocks, pooling, and a bug hunt."""

import torch
import torch.nn.functional as F

from mmlearn.ops.receptive_field import jumps, receptive_field

from .case import Case
from .exercise import Exercise
from .task import Mistake
from .value import ValueExercise

__all__ = [
    "ablation",
    "class_maps",
    "lenet5",
    "network_cost",
    "receptive_field_and_jump",
    "repaired_block",
    "residual_block",
    "start_as_identity",
]


lenet5 = ValueExercise(
    chapter="06",
    name="lenet5",
    title="The original LeNet-5",
    minutes=10,
    difficulty=1,
    equation="Eq. 6.1",
    oracle=(28, 14, 10, 5, 61706),
    tolerance=0.0,
    mistakes=[
        Mistake(
            lambda answer: answer[0] == 32,
            "this keeps the size as padding 2 would; the original pads nothing, so a 5×5 kernel takes 4 pixels away",
            example=(32, 16, 16, 8, 61706),
        ),
        Mistake(
            lambda answer: answer[2] == 14,
            "the second convolution is not padded either: it takes 4 pixels away, like the first",
            example=(28, 14, 14, 7, 61706),
        ),
        Mistake(
            lambda answer: answer[-1] in (60000, 60806),
            "this is the count of 1998, or near it: there the second convolution left out some pairs of maps; here each of its maps sees all six",
            example=(28, 14, 10, 5, 60000),
        ),
        Mistake(
            lambda answer: answer[-1] == 61470,
            "the biases are missing in the last number: each output channel, and each output of a linear layer, has one",
            example=(28, 14, 10, 5, 61470),
        ),
        Mistake(
            lambda answer: answer[-1] == 59706,
            "the second convolution has one kernel for each of its 16 maps; each map needs one for every input channel: $16 \\cdot (6 \\cdot 25 + 1)$",
            example=(28, 14, 10, 5, 59706),
        ),
        Mistake(
            lambda answer: answer[-1] == 2572,
            "these are the convolutions alone; the three linear layers have parameters, too",
            example=(28, 14, 10, 5, 2572),
        ),
    ],
    hints=[
        "Without padding and with stride 1, Eq. 4.3 says $H' = H - k + 1$. A 2×2 pool with stride 2 halves.",
        "Parameters: $6 \\cdot (1 \\cdot 25 + 1)$ for the first convolution, $16 \\cdot (6 \\cdot 25 + 1)$ for the second; a linear layer from $D$ to $K$ has $K (D + 1)$.",
        "The first linear layer takes $16 \\cdot 5 \\cdot 5$ numbers: $120 \\cdot 401$. Then $84 \\cdot 121$ and $10 \\cdot 85$. Add the five.",
    ],
    afterword="LeCun, Bottou, Bengio and Haffner (1998) count 60,000: the second convolution saw only some of the six maps, by a hand-made table (900 fewer), each pooled map had a weight and a bias of its own (44 more), and the last layer was not trained (850 fewer).",
)


def _cost(layers, channels, size):
    weights = flops = 0
    for outputs, kernel_size, stride, padding in layers:
        size = (size + 2 * padding - kernel_size) // stride + 1
        weights += outputs * channels * kernel_size**2
        flops += 2 * size**2 * outputs * channels * kernel_size**2
        channels = outputs
    return weights, flops


def _cost_variant(
    weight=lambda O, C, k: O * C * k * k, places=lambda before, after: after**2, factor=2, follow=True, shrink=True, sides=2
):
    def cost(layers, channels, size):
        weights = flops = 0
        for outputs, kernel_size, stride, padding in layers:
            before = size
            after = (size + sides * padding - kernel_size) // stride + 1
            weights += weight(outputs, channels, kernel_size)
            flops += factor * places(before, after) * outputs * channels * kernel_size**2
            size = after if shrink else size
            channels = outputs if follow else channels
        return weights, flops

    return cost


def _cost_cases(draw):
    yield Case([(2, 3, 1, 1)], 1, 8, label="one layer")
    yield Case([(4, 3, 1, 1), (5, 3, 1, 1)], 2, 8, label="two layers of one size")
    yield Case([(4, 3, 2, 1)], 2, 8, label="stride 2")
    yield Case([(8, 5, 1, 2), (16, 3, 2, 1), (16, 3, 1, 1), (6, 1, 1, 0)], 3, 28, label="four layers")


network_cost = Exercise(
    chapter="06",
    name="network_cost",
    title="What a stack of layers costs",
    minutes=15,
    difficulty=1,
    equation="Eq. 6.1",
    oracle=_cost,
    cases=_cost_cases,
    float32=False,
    returns=("weights", "FLOPs"),
    mistakes=[
        Mistake(_cost_variant(follow=False), "the channels do not follow: the next layer's input channels are this one's outputs"),
        Mistake(_cost_variant(shrink=False, places=lambda before, after: after**2), "the size does not follow: the next layer sees the smaller map"),
        Mistake(_cost_variant(places=lambda before, after: before**2), "the FLOPs count the input's pixels; a kernel works at the *output's* places"),
        Mistake(_cost_variant(factor=1), "each product comes with an addition: 2 FLOPs"),
        Mistake(_cost_variant(weight=lambda O, C, k: O * (C * k * k + 1)), "the biases are counted; this exercise asks for weights alone"),
        Mistake(_cost_variant(weight=lambda O, C, k: O * k * k), "a kernel has a slice for every input channel: $O \\cdot C \\cdot k^2$ weights"),
        Mistake(_cost_variant(sides=1), "the padding lies on both sides: $H + 2p$ pixels in a row"),
        Mistake(_cost_variant(places=lambda before, after: after), "a map has rows and columns: $H'^2$ places"),
    ],
    hints=[
        "Walk through the layers with two variables that change: the number of channels and the size of the map.",
        "In each layer: first the new size (Eq. 4.3), then weights $O \\cdot C \\cdot k^2$, then FLOPs $2 \\cdot H'^2$ times the weights.",
        "At the end of each step: `channels = outputs`.",
    ],
)  # fmt: skip


def _field(layers):
    seen, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        seen += dilation * (kernel_size - 1) * jump
        jump *= stride
    return seen, jump


def _field_oracle(layers):
    stack = [(k, s, 0, d) for k, s, d in layers]
    return receptive_field(stack), jumps(stack)[-1]


def _field_variant(grow=lambda k, d: d * (k - 1), start=1, first_stride=False, forget=False, add=False):
    def field(layers):
        seen, jump = start, 1
        for k, s, d in layers:
            if first_stride:
                jump *= s
            seen += grow(k, d) * (1 if forget else jump)
            if not first_stride:
                jump = jump + s - 1 if add else jump * s
        return seen, jump

    return field


def _field_cases(draw):
    yield Case([(3, 1, 1)], label="one layer")
    yield Case([(3, 1, 1), (3, 1, 1)], label="two layers")
    yield Case([(3, 2, 1)], label="one layer with stride")
    yield Case([(2, 2, 1), (3, 1, 1)], label="a pool, then a layer")
    yield Case([(3, 1, 2)], label="dilation")
    yield Case([(5, 1, 1), (2, 2, 1), (5, 1, 1), (2, 2, 1)], label="LeNet")
    yield Case([(7, 2, 1), (3, 2, 1), (3, 1, 2), (1, 3, 1), (3, 1, 4)], label="five layers")
    yield Case([], label="no layer")


receptive_field_and_jump = Exercise(
    chapter="06",
    name="receptive_field_and_jump",
    title="Field and jump",
    minutes=15,
    difficulty=2,
    equation="Eq. 6.3",
    oracle=_field_oracle,
    cases=_field_cases,
    float32=False,
    returns=("field", "jump"),
    solution=_field,
    mistakes=[
        Mistake(_field_variant(forget=True), "the strides below are forgotten: a pixel of this layer's input is $j_{l-1}$ pixels of the image"),
        Mistake(_field_variant(first_stride=True), "the layer's own stride is counted too early: its cells stand $j_{l-1}$ apart, the stride moves only its outputs"),
        Mistake(_field_variant(grow=lambda k, d: d * k), "a kernel of $k$ cells reaches $k - 1$ steps beyond its first one"),
        Mistake(_field_variant(grow=lambda k, d: k - 1), "the dilation is forgotten: the cells stand $d$ apart"),
        Mistake(_field_variant(grow=lambda k, d: d * k - 1), "the gap between neighbouring cells is $d$: the reach is $d(k-1)$, not $dk - 1$"),
        Mistake(_field_variant(start=0), "the recursion begins with $r_0 = 1$: a pixel sees itself"),
        Mistake(lambda layers: _field(layers)[::-1], "the two numbers are swapped: first the field, then the jump"),
        Mistake(_field_variant(add=True), "strides multiply: after two strides of 3, neighbours are 9 pixels apart"),
    ],
    hints=[
        "Two numbers go along: `seen = 1` and `jump = 1`.",
        "In each layer first `seen` grows, by $d (k-1)$ steps of the *old* jump; then the jump is multiplied by the stride.",
        "`seen += dilation * (kernel_size - 1) * jump`, then `jump *= stride`.",
    ],
    afterword="Padding does not appear: it moves the field (Eq. 6.4), it does not change its size.",
)  # fmt: skip


def _norm(x):
    return F.batch_norm(x, None, None, training=True)


def _block(x, first, second, stride=1, projection=None):
    y = F.relu(_norm(F.conv2d(x, first, stride=stride, padding=1)))
    y = _norm(F.conv2d(y, second, padding=1))
    shortcut = x if projection is None else _norm(F.conv2d(x, projection, stride=stride))
    return F.relu(y + shortcut)


def _block_solution(x, first, second, stride=1, projection=None):
    def norm(maps):
        return F.batch_norm(maps, None, None, training=True)

    y = F.relu(norm(F.conv2d(x, first, stride=stride, padding=1)))
    y = norm(F.conv2d(y, second, padding=1))
    shortcut = x if projection is None else norm(F.conv2d(x, projection, stride=stride))
    return F.relu(y + shortcut)


def _block_cases(draw):
    yield Case(draw.normal(2, 2, 3, 3), draw.normal(2, 2, 3, 3), draw.normal(2, 2, 3, 3), label="same shape")
    yield Case(
        draw.normal(2, 2, 4, 4),
        draw.normal(3, 2, 3, 3),
        draw.normal(3, 3, 3, 3),
        projection=draw.normal(3, 2, 1, 1),
        label="more channels",
    )
    yield Case(draw.normal(4, 2, 6, 5), draw.normal(3, 2, 3, 3), draw.normal(3, 3, 3, 3), stride=2, projection=draw.normal(3, 2, 1, 1), label="more channels, stride 2")  # fmt: skip


def _block_variant(
    inner=F.relu,
    outer=F.relu,
    branch=lambda y: y,
    shortcut=lambda s: s,
    after=lambda y: y,
    own=_norm,
    first_norm=_norm,
    last_norm=_norm,
):
    def block(x, first, second, stride=1, projection=None):
        y = inner(first_norm(F.conv2d(x, first, stride=stride, padding=1)))
        y = branch(last_norm(F.conv2d(y, second, padding=1)))
        way = x if projection is None else own(F.conv2d(x, projection, stride=stride))
        return after(outer(y + shortcut(way)))

    return block


def _norm_last(x, first, second, stride=1, projection=None):
    """relu(norm(conv + x)): the stream itself is normalised."""
    y = F.conv2d(F.relu(_norm(F.conv2d(x, first, stride=stride, padding=1))), second, padding=1)
    way = x if projection is None else _norm(F.conv2d(x, projection, stride=stride))
    return F.relu(_norm(y + way))


def _relu_first(x, first, second, stride=1, projection=None):
    """f with norm(relu(conv)) in place of relu(norm(conv))."""
    y = _norm(F.relu(F.conv2d(x, first, stride=stride, padding=1)))
    y = _norm(F.conv2d(y, second, padding=1))
    way = x if projection is None else _norm(F.conv2d(x, projection, stride=stride))
    return F.relu(y + way)


def _stride_second(x, first, second, stride=1, projection=None):
    """The second convolution has the stride."""
    y = F.relu(_norm(F.conv2d(x, first, padding=1)))
    y = _norm(F.conv2d(y, second, stride=stride, padding=1))
    way = x if projection is None else _norm(F.conv2d(x, projection, stride=stride))
    return F.relu(y + way)


def _added_last(x, first, second, stride=1, projection=None):
    """relu(f(x)) + x."""
    y = F.relu(_norm(F.conv2d(x, first, stride=stride, padding=1)))
    y = _norm(F.conv2d(y, second, padding=1))
    way = x if projection is None else _norm(F.conv2d(x, projection, stride=stride))
    return F.relu(y) + way


residual_block = Exercise(
    chapter="06",
    name="residual_block",
    title="A residual block",
    minutes=20,
    difficulty=2,
    equation="Eq. 6.11",
    oracle=_block,
    cases=_block_cases,
    shapes={"x": "N C H W"},
    solution=_block_solution,
    mistakes=[
        Mistake(_block_variant(shortcut=torch.zeros_like), "the shortcut is missing: this is the plain block"),
        Mistake(
            _added_last, "the last ReLU comes before the addition: $\\mathrm{relu}(f(x)) + x$ can only make the stream larger"
        ),
        Mistake(_block_variant(outer=lambda y: y), "the ReLU after the addition is missing"),
        Mistake(
            _block_variant(inner=lambda y: y), "the ReLU between the convolutions is missing: two linear layers in a row are one"
        ),
        Mistake(
            _block_variant(own=lambda y: y),
            "the projection is not normalised: beside a normalised branch it may drown it, or vanish",
        ),
        Mistake(_block_variant(last_norm=lambda y: y), "the second convolution is not normalised"),
        Mistake(_block_variant(first_norm=lambda y: y), "the first convolution is not normalised"),
        Mistake(_block_variant(branch=F.relu), "one ReLU too many: the branch may be negative when it is added"),
        Mistake(_norm_last, "the second norm comes after the addition: it divides the shortcut, too, which should stay as it is"),
        Mistake(_relu_first, "the first ReLU comes before its norm: convolution, norm, ReLU is the order"),
        Mistake(_stride_second, "the second convolution has the stride: it belongs to the first"),
    ],
    hints=[
        "Write the branch first: convolution, norm, ReLU, convolution, norm. Each 3×3 convolution has `padding=1`; only the first has the stride.",
        "The shortcut is `x` when no projection is given; otherwise the norm of `F.conv2d(x, projection, stride=stride)`.",
        "Add branch and shortcut, then the ReLU: `F.relu(y + shortcut)`.",
    ],
    afterword="The numbers are those of `BasicBlock` in `mmlearn.models.resnet`, and of torchvision's, whose batch norms have weights of their own.",
)


def _zeroed(model):
    for stage in model.blocks:
        for block in stage:
            torch.nn.init.zeros_(block.bn2.weight)
    return model


def _zero_what(change):
    def start(model):
        with torch.no_grad():
            for stage in model.blocks:
                for block in stage:
                    change(block)
        return model

    return start


def _first_of_stage(model):
    with torch.no_grad():
        for stage in model.blocks:
            stage[-1].bn2.weight.zero_()
    return model


def _all_norms(model):
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.zero_()
    return model


def _frozen(model):
    for stage in model.blocks:
        for block in stage:
            torch.nn.init.zeros_(block.bn2.weight).requires_grad_(False)
    return model


def _gammas(answer, depth, width):
    """The norms' scales after the answer has changed a fresh network in place, and what else it changed, by name."""
    from mmlearn.models.resnet import ResNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(depth)
        model = ResNet(image_size=8, depth=depth, width=width)
        before = {name: value.clone() for name, value in model.state_dict().items()}
    answer(model)
    state = model.state_dict()
    changed = sum(not torch.equal(state[name], before[name]) for name in before)
    last = torch.stack([block.bn2.weight.detach().abs().max() for stage in model.blocks for block in stage])
    others = torch.stack([block.bn1.weight.detach().abs().min() for stage in model.blocks for block in stage])
    frozen = sum(not parameter.requires_grad for parameter in model.parameters())
    return {
        "γ of each block's second norm": last,
        "γ of each block's first norm": others,
        "tensors changed": changed,
        "tensors that can no longer learn": frozen,
    }


start_as_identity = Exercise(
    chapter="06",
    name="start_as_identity",
    title="Start as a shallow network",
    minutes=10,
    difficulty=1,
    oracle=_zeroed,
    cases=lambda draw: [Case(8, 4, label="one block in each stage"), Case(14, 4, label="two blocks in each stage")],
    call=lambda start_as_identity, depth, width: _gammas(start_as_identity, depth, width),
    float32=False,
    mistakes=[
        Mistake(
            _zero_what(lambda block: block.conv2.weight.zero_()),
            "the convolution is set to zero: its norm then divides by almost nothing, and the gradient that comes back is hundreds of times too large",
            "Norm and convolution are different places to write a 0: behind the norm nothing is divided.",
        ),
        Mistake(_zero_what(lambda block: block.bn1.weight.zero_()), "this is the *first* norm of each block: the branch is silent, but for ever: all that comes after it is 0, so no weight in it gets a gradient"),
        Mistake(
            _zero_what(lambda block: (block.bn1.weight.zero_(), block.bn2.weight.zero_())),
            "both norms of each block are silent: then the second one's input is 0, and not even its $\\gamma$ gets a gradient: the branch never wakes up",
        ),
        Mistake(_frozen, "$\\gamma$ is zero, and no longer trained: it must start there, not stay there"),
        Mistake(_first_of_stage, "only the last block of each stage is changed: every block has a branch"),
        Mistake(_all_norms, "all norms are silent now, the first layer's as well: nothing passes, and nothing can be learned"),
        Mistake(lambda model: model, "nothing has changed: the norm's scale $\\gamma$ is its `weight` (its `bias` is 0 from the start), and it must be set in place"),
    ],
    hints=[
        "The branch ends in the norm `block.bn2`. Its output is $\\gamma \\hat x + \\beta$, and $\\beta$ starts at 0.",
        "`model.blocks` holds the stages, and each stage its blocks: two loops.",
        "`torch.nn.init.zeros_(block.bn2.weight)` sets $\\gamma$ to zero in place.",
    ],
    afterword="The gradient of $\\gamma$ itself is not zero, so each branch wakes up in the first steps.",
)  # fmt: skip


def _maps(maps, weight, bias):
    scores = torch.einsum("nchw,kc->nkhw", maps, weight)
    return scores.mean((2, 3)) + bias, scores


class_maps = Exercise(
    chapter="06",
    name="class_maps",
    title="Pool the features, or the answers?",
    minutes=15,
    difficulty=2,
    equation="Eq. 6.14",
    oracle=_maps,
    cases=lambda draw: [
        Case(draw.integers(1, 2, 2, 2), draw.integers(3, 2), draw.integers(3)),
        Case(draw.integers(2, 2, 2, 3), draw.integers(3, 2), draw.integers(3)),
        Case(draw.normal(3, 4, 5, 6), draw.normal(2, 4), draw.normal(2)),
    ],
    returns=("logits", "scores"),
    shapes={"maps": "N C H W", "weight": "K C"},
    mistakes=[
        Mistake(
            lambda maps, weight, bias: (torch.einsum("nchw,kc->nkhw", maps, weight).sum((2, 3)) + bias, torch.einsum("nchw,kc->nkhw", maps, weight)),
            "the places are added up: global average pooling takes their mean",
        ),
        Mistake(
            lambda maps, weight, bias: (torch.einsum("nchw,kc->nkhw", maps, weight).amax((2, 3)) + bias, torch.einsum("nchw,kc->nkhw", maps, weight)),
            "the largest place alone counts here: that is global *max* pooling",
        ),
        Mistake(
            lambda maps, weight, bias: (_maps(maps, weight, bias)[1].softmax(1).mean((2, 3)) + bias, _maps(maps, weight, bias)[1].softmax(1)),
            "a softmax at every place: it is not linear, so its mean is not what the mean of the maps would give",
        ),
        Mistake(
            lambda maps, weight, bias: (_maps(maps, weight, 0 * bias)[0], _maps(maps, weight, bias)[1]),
            "the bias is missing in the logits",
        ),
        Mistake(
            lambda maps, weight, bias: (_maps(maps, weight, bias)[0], _maps(maps, weight, bias)[1] + bias[:, None, None]),
            "the bias is in the scores: they should show what each place contributes",
        ),
        Mistake(
            lambda maps, weight, bias: (_maps(maps, weight, bias)[0], _maps(maps, weight, bias)[1] / (maps.shape[2] * maps.shape[3])),
            "the scores are divided by the number of places; the mean does that when it makes logits of them",
        ),
        Mistake(
            lambda maps, weight, bias: (_maps(maps, weight, bias)[0], _maps(maps, weight, bias)[1].relu()),
            "the scores are cut off at 0: a place may speak against a class",
        ),
    ],
    hints=[
        "At one place the maps are a vector of $C$ numbers. The linear layer would make $K$ scores of it.",
        'All places at once: `torch.einsum("nchw,kc->nkhw", maps, weight)`. It is a 1×1 convolution.',
        "The mean of the scores over height and width, plus the bias, are the logits.",
    ],
    afterword="Averaging and a linear layer are both linear, so they may change places. The scores are the *class activation maps* of Zhou et al. (2016); chapter 28 makes use of them.",
)  # fmt: skip


ablation = ValueExercise(
    chapter="06",
    name="ablation",
    title="Read an ablation",
    minutes=15,
    difficulty=2,
    oracle=(True, False, False, True, False),
    mistakes=[
        Mistake(
            lambda answer: answer[1] is True and answer[4] is False,
            "look at B again: the seeds of the two rows overlap, and one seed in three even says the opposite",
            example=(True, True, False, True, False),
        ),
        Mistake(
            lambda answer: answer[2] is True,
            "look at C again: two things were taken away at once in that row, so nobody knows which of them it was",
            example=(True, False, True, True, False),
        ),
        Mistake(
            lambda answer: answer[4] is True and answer[1] is False,
            "look at E again: the table's rows are of one depth; it cannot speak about another",
            example=(True, False, False, True, True),
        ),
        Mistake(
            lambda answer: answer[0] is False and answer[3] is True,
            "look at A again: which is the worst seed of the full network, and which the best one without shortcuts?",
            example=(False, False, False, True, False),
        ),
        Mistake(
            lambda answer: answer[3] is False and answer[0] is True,
            "look at D again: a claim about *not seeing* a difference in these runs is weaker than a claim that there is none",
            example=(True, False, False, False, False),
        ),
        Mistake(
            lambda answer: answer[1] is True and answer[4] is True,
            "B and E: one compares rows whose seeds overlap, the other speaks about a depth that nobody trained",
            example=(True, True, False, True, True),
        ),
    ],
    hints=[
        "For each statement find the two rows that it compares. Do they differ in exactly one thing? Do their seeds overlap?",
        "A statement about something that no row varies is not supported, however plausible it is.",
        "“These runs do not show a difference” can be true where “there is no difference” is not supported.",
    ],
    afterword="Three seeds against three separate completely by chance in one of ten cases, in one of twenty if the direction was named before. A small effect needs more seeds; comparing the rows seed by seed helps only if the seeds have something in common, such as the same batches.",
)


def _normalised(x, p, number, training):
    name = f"bn{number}"
    stats = p[f"{name}.mean"], p[f"{name}.var"]
    if training:
        return F.batch_norm(x, None, None, p[f"{name}.weight"], p[f"{name}.bias"], True)
    return F.batch_norm(x, *stats, p[f"{name}.weight"], p[f"{name}.bias"], False)


def _published(x, p, stride=1, training=False, silent=True, early=True, batch=True):
    """The published block with some of its three errors left in."""
    use_batch = training or batch
    y = F.relu(_normalised(F.conv2d(x, p["conv1"], stride=stride, padding=1), p, 1, use_batch))
    y = _normalised(F.conv2d(y, p["conv2"], padding=1), p, 2, use_batch)
    if "projection" in p and not silent:
        x = F.conv2d(x, p["projection"], stride=stride)
    elif x.shape != y.shape:
        return F.relu(y)
    return F.relu(y) + x if early else F.relu(y + x)


def _repaired(x, p, stride=1, training=False):
    return _published(x, p, stride, training, silent=False, early=False, batch=False)


def _repaired_solution(x, p, stride=1, training=False):
    def norm(maps, name):
        scale, shift = p[f"{name}.weight"], p[f"{name}.bias"]
        if training:
            return F.batch_norm(maps, None, None, scale, shift, training=True)
        return F.batch_norm(maps, p[f"{name}.mean"], p[f"{name}.var"], scale, shift)

    y = F.relu(norm(F.conv2d(x, p["conv1"], stride=stride, padding=1), "bn1"))
    y = norm(F.conv2d(y, p["conv2"], padding=1), "bn2")
    shortcut = F.conv2d(x, p["projection"], stride=stride) if "projection" in p else x
    return F.relu(y + shortcut)


def _parameters(draw, inputs, width, projection):
    p = {"conv1": draw.normal(width, inputs, 3, 3), "conv2": draw.normal(width, width, 3, 3)}
    for name in ("bn1", "bn2"):
        p[f"{name}.weight"], p[f"{name}.bias"] = draw.normal(width), draw.normal(width)
        p[f"{name}.mean"], p[f"{name}.var"] = draw.normal(width), 4 * draw.uniform(width) + 0.5
    if projection:
        p["projection"] = draw.normal(width, inputs, 1, 1)
    return p


def _repair_cases(draw):
    yield Case(draw.normal(2, 2, 4, 4), _parameters(draw, 2, 2, False), training=True, label="same shape, training")
    yield Case(
        draw.normal(2, 2, 4, 4),
        _parameters(draw, 2, 3, True),
        stride=2,
        training=True,
        label="stride 2 with a projection, training",
    )
    yield Case(draw.normal(2, 2, 4, 4), _parameters(draw, 2, 2, False), label="same shape, testing")
    yield Case(draw.normal(1, 2, 5, 6), _parameters(draw, 2, 3, True), stride=2, label="one image, stride 2, testing")


def _left(**errors):
    given = {"silent": False, "early": False, "batch": False} | errors
    return lambda x, p, stride=1, training=False: _published(x, p, stride, training, **given)


_SILENT = "where the shape changes, the shortcut still disappears without a word: use the projection"
_EARLY = "the ReLU still comes before the addition"
_BATCH = "when testing, the norms still use the batch's own statistics: an answer then depends on the other images of its batch"

repaired_block = Exercise(
    chapter="06",
    name="repaired_block",
    title="Repair it",
    minutes=20,
    difficulty=3,
    oracle=_repaired,
    cases=_repair_cases,
    shapes={"x": "N C H W"},
    solution=_repaired_solution,
    mistakes=[
        Mistake(_left(silent=True), f"two errors found, one left: {_SILENT}"),
        Mistake(_left(early=True), f"two errors found, one left: {_EARLY}"),
        Mistake(_left(batch=True), f"two errors found, one left: {_BATCH}"),
        Mistake(_left(silent=True, early=True), "one error found, the norms'; two are left, both about the addition"),
        Mistake(
            _left(silent=True, batch=True), "one error found, the ReLU's; two are left, one in the shortcut and one in the norms"
        ),
        Mistake(
            _left(early=True, batch=True),
            "one error found, the shortcut's; two are left, one at the addition and one in the norms",
        ),
        Mistake(_left(silent=True, early=True, batch=True), "all three errors are still in it"),
        Mistake(
            lambda x, p, stride=1, training=False: _repaired(x, p, stride, training=False),
            "when training, the norms use the kept statistics: there they should use the batch's",
        ),
        Mistake(
            lambda x, p, stride=1, training=False: _repaired(x, p, stride, training=not training),
            "training and testing are swapped in the norms: the batch's statistics belong to training, the kept ones to testing",
        ),
    ],
    hints=[
        "Ask the block three questions, as `interview` does: what if the branch is silent (γ of the second norm 0)? What if the shape changes? What if an image comes with other company?",
        "With a silent branch the block should be `relu(shortcut)`. And `training=False` must reach the norms: there, give `F.batch_norm` the kept mean and variance.",
        '`shortcut = F.conv2d(x, p["projection"], stride=stride) if "projection" in p else x`, and at the end `F.relu(y + shortcut)`.',
    ],
    afterword="None of the three stops a network from learning something. That is how such errors survive.",
)
