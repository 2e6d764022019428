"""What is true of every fusion: absent is absent, whatever stands there; examples do not mix; each parameter learns.

A new operator is one line in FUSIONS: how it is built from ``dims`` and ``out_dim``.
"""

import copy
from functools import partial
from itertools import combinations

import pytest
import torch

from mmlearn.models.fusion.attention import CoAttention, CrossAttention, GatedCrossAttention, QueryPooling
from mmlearn.models.fusion.bilinear import Bilinear, LowRank, Multiplicative, TensorFusion
from mmlearn.models.fusion.compact import CompactBilinear
from mmlearn.models.fusion.gates import FiLM, Gated
from mmlearn.models.fusion.late import Late, ProductOfExperts
from mmlearn.models.fusion.simple import Concat, Hadamard, Mean, Sum, WeightedMean

FUSIONS = {
    "Concat": Concat,
    "Sum": Sum,
    "Mean": Mean,
    "WeightedMean": WeightedMean,
    "Hadamard": Hadamard,
    "Gated": Gated,
    "FiLM": FiLM,
    "Late": Late,
    "Late, probabilities": lambda dims, out_dim: Late(dims, out_dim, average="probabilities"),
    "ProductOfExperts": ProductOfExperts,
    "Bilinear": Bilinear,
    "TensorFusion": TensorFusion,
    "LowRank": LowRank,
    "Multiplicative": Multiplicative,
    "CompactBilinear": CompactBilinear,
    "CrossAttention": partial(CrossAttention, features=8),
    "CrossAttention, with feed-forward": partial(CrossAttention, query="image", features=8, hidden=8),
    "CrossAttention, without LayerNorm": partial(CrossAttention, features=8, norm=False),
    "CoAttention": partial(CoAttention, features=8),
    "CoAttention, with feed-forward": partial(CoAttention, features=8, hidden=8),
    "QueryPooling": partial(QueryPooling, features=8),
    "QueryPooling, with feed-forward": partial(QueryPooling, features=8, queries=2, hidden=8),
    "GatedCrossAttention": partial(GatedCrossAttention, features=8),
    "GatedCrossAttention, without feed-forward": partial(GatedCrossAttention, features=8, hidden=0),
}
SIZES = {"image": 5, "text": 3, "sound": 4}
OUT, N, T = 6, 8, 4
NOTHING = float("nan")


def some_dims(name):
    """Three modalities, or as many as the operator takes."""
    for many in (3, 2):
        dims = dict(list(SIZES.items())[:many])
        try:
            FUSIONS[name](dims, OUT)
        except ValueError:
            continue
        return dims
    return {"image": 5}


def build(name, dims=None, seed=0, dtype=torch.float64):
    """The operator with random weights everywhere, so that nothing hides behind weights that begin at 0."""
    torch.manual_seed(seed)
    fusion = FUSIONS[name](dims or some_dims(name), OUT).to(dtype)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return fusion.eval()


def some_inputs(fusion, n=N, seed=1, dtype=torch.float64, tokens=False):
    """Features of every modality; with ``tokens``, a sequence of them."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n, T) if tokens else (n,)
    return {name: torch.randn(*shape, d, generator=generator, dtype=torch.float64).to(dtype) for name, d in fusion.dims.items()}


def some_presence(fusion, n=N):
    """Every pattern of presence but the empty one, over and over."""
    M = len(fusion.names)
    patterns = [[bool(number >> m & 1) for m in range(M)] for number in range(1, 2**M)]
    return torch.tensor([patterns[i % len(patterns)] for i in range(n)])  # (N, M)


def filled(inputs, present, value):
    """The inputs with ``value`` where a modality is absent."""
    return {
        name: x.where(present[:, m].view(-1, *[1] * (x.ndim - 1)), value).clone() for m, (name, x) in enumerate(inputs.items())
    }


def forms(fusion):
    """Vectors, and tokens where the operator takes them."""
    return (False, True) if fusion.takes_tokens else (False,)


every = pytest.mark.parametrize("name", FUSIONS)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 2, N])
def test_the_result_has_the_promised_shape_and_dtype(name, dtype, n):
    fusion = build(name, dtype=dtype)
    for tokens in forms(fusion):
        fused = fusion(some_inputs(fusion, n, dtype=dtype, tokens=tokens))
        assert fused.shape == (n, OUT)
        assert fused.dtype == dtype
        assert fused.isfinite().all()


@every
def test_what_stands_at_an_absent_modality_never_matters(name):
    fusion = build(name)
    present = some_presence(fusion)
    for tokens in forms(fusion):
        inputs = some_inputs(fusion, tokens=tokens)
        expected = fusion(filled(inputs, present, 0.0), present=present)
        assert expected.isfinite().all()
        for value in (NOTHING, float("inf"), 1e30):
            assert torch.equal(fusion(filled(inputs, present, value), present=present), expected)


@every
def test_nan_at_an_absent_modality_reaches_no_gradient(name):
    fusion = build(name)
    present = some_presence(fusion)
    for tokens in forms(fusion):
        inputs = {key: x.requires_grad_() for key, x in filled(some_inputs(fusion, tokens=tokens), present, NOTHING).items()}
        fusion.zero_grad()
        fusion(inputs, present=present).square().sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in fusion.parameters())
        for m, x in enumerate(inputs.values()):
            assert x.grad.isfinite().all()
            assert (x.grad[~present[:, m]] == 0).all()


@every
def test_absent_by_flag_by_none_and_by_missing_key_are_the_same(name):
    fusion = build(name)
    M = len(fusion.names)
    subsets = [subset for k in range(1, M + 1) for subset in combinations(range(M), k)]
    for tokens in forms(fusion):
        inputs = some_inputs(fusion, tokens=tokens)
        for subset in subsets:
            flags = torch.tensor([m in subset for m in range(M)]).expand(N, M)
            kept = {key: inputs[key] for m, key in enumerate(fusion.names) if m in subset}
            as_dict = {key: flags[:, m] for m, key in enumerate(fusion.names)}
            lacking = fusion(kept)
            for other in (
                fusion(inputs, present=flags),
                fusion(inputs, present=as_dict),
                fusion(dict.fromkeys(fusion.names) | kept),
                fusion(dict(reversed(kept.items()))),
            ):
                torch.testing.assert_close(other, lacking, atol=1e-12, rtol=1e-12)


@every
def test_examples_do_not_mix(name):
    fusion = build(name)
    present = some_presence(fusion)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(2))
    for tokens in forms(fusion):
        inputs = some_inputs(fusion, tokens=tokens)
        together = fusion(inputs, present=present)
        shuffled = fusion({key: x[order] for key, x in inputs.items()}, present=present[order])
        alone = [fusion({key: x[[i]] for key, x in inputs.items()}, present=present[[i]]) for i in range(N)]
        torch.testing.assert_close(shuffled, together[order], atol=1e-12, rtol=1e-12)
        torch.testing.assert_close(torch.cat(alone), together, atol=1e-12, rtol=1e-12)


@every
def test_every_modality_that_is_present_is_heard(name):
    fusion = build(name)
    for tokens in forms(fusion):
        inputs = {key: x.requires_grad_() for key, x in some_inputs(fusion, tokens=tokens).items()}
        weights = torch.randn(N, OUT, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        (fusion(inputs) * weights).sum().backward()
        assert {key for key, x in inputs.items() if (x.grad.flatten(1).abs().amax(1) > 1e-9).all()} == set(fusion.names)


def train(fusion, present=None, steps=5):
    """A few steps of gradient descent towards random targets, from the operator's own initial weights."""
    target = torch.randn(N, OUT, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    optimiser = torch.optim.SGD(fusion.parameters(), lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        (fusion(some_inputs(fusion), present=present) - target).square().mean().backward()
        optimiser.step()


@every
def test_every_parameter_moves_in_training(name):
    torch.manual_seed(0)
    fusion = FUSIONS[name](some_dims(name), OUT).double()
    before = {part: parameter.detach().clone() for part, parameter in fusion.named_parameters()}
    train(fusion)
    moved = {part: (parameter - before[part]).abs().max().item() for part, parameter in fusion.named_parameters()}
    assert moved
    assert {part: step for part, step in moved.items() if step < 1e-9} == {}  # less is rounding: no gradient came


@every
def test_no_tensor_that_learns_hides_from_the_optimiser(name):
    """A plain list of tensors is not registered: no optimiser would see it."""
    fusion = build(name)
    registered = {id(parameter) for parameter in fusion.parameters()}

    def hidden(value):
        if isinstance(value, torch.Tensor):
            return value.requires_grad and id(value) not in registered
        if isinstance(value, torch.nn.Module):
            return id(value) not in {id(module) for module in fusion.modules()}
        values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple, set)) else ()
        return any(hidden(one) for one in values)

    own = {"_parameters", "_buffers", "_modules"}
    for module in fusion.modules():
        assert [key for key, value in vars(module).items() if key not in own and hidden(value)] == []


@every
def test_training_goes_on_where_a_modality_never_comes(name):
    fusion = build(name)
    M = len(fusion.names)
    for absent in range(M if M > 1 else 0):
        train(fusion, present=torch.tensor([m != absent for m in range(M)]).expand(N, M), steps=2)
    assert all(parameter.isfinite().all() for parameter in fusion.parameters())


@every
def test_a_copy_and_a_loaded_twin_compute_the_same(name):
    fusion, other = build(name), build(name, seed=1)
    twin, inputs = copy.deepcopy(fusion), some_inputs(fusion)
    assert not torch.allclose(other(inputs), fusion(inputs))
    other.load_state_dict(fusion.state_dict())
    assert torch.equal(twin(inputs), fusion(inputs))
    assert torch.equal(other(inputs), fusion(inputs))


@every
def test_padding_counts_for_nothing(name):
    fusion = build(name)
    if not fusion.takes_tokens:
        with pytest.raises(ValueError, match="masks"):
            fusion(some_inputs(fusion), masks={"image": torch.ones(N, 1, dtype=torch.bool)})
        return
    inputs = some_inputs(fusion, tokens=True)
    lengths = 1 + torch.arange(N) % T
    mask = torch.arange(T) < lengths[:, None]  # (N, T)
    masks = dict.fromkeys(fusion.names, mask)
    expected = fusion({key: x.where(mask[..., None], 0) for key, x in inputs.items()}, masks=masks)
    padded = {key: x.where(mask[..., None], NOTHING) for key, x in inputs.items()}
    assert torch.equal(fusion(padded, masks=masks), expected)
    for n in range(N):  # nothing is there beyond the last token
        short = fusion({key: x[[n], : lengths[n]] for key, x in inputs.items()})
        torch.testing.assert_close(short, expected[[n]], atol=1e-12, rtol=1e-12)


@every
def test_padding_alone_is_an_absent_modality(name):
    fusion = build(name)
    if not fusion.takes_tokens or len(fusion.names) < 2:
        return
    inputs, first = some_inputs(fusion, tokens=True), fusion.names[0]
    masked = fusion(inputs, masks={first: torch.zeros(N, T, dtype=torch.bool)})
    lacking = fusion({key: x for key, x in inputs.items() if key != first})
    torch.testing.assert_close(masked, lacking, atol=1e-12, rtol=1e-12)


@every
def test_a_vector_is_one_token(name):
    fusion = build(name)
    if fusion.takes_tokens:
        inputs = some_inputs(fusion)
        torch.testing.assert_close(fusion({key: x[:, None] for key, x in inputs.items()}), fusion(inputs))


@every
def test_what_does_not_fit_is_refused(name):
    fusion = build(name)
    inputs = some_inputs(fusion)
    with pytest.raises(ValueError, match=r"did you mean 'image'\?"):
        fusion(inputs | {"imge": inputs["image"]})
    with pytest.raises(ValueError, match=r"inputs\['image'\]: expected floats \(N, 5\).*got .*\(8, 4\)"):
        fusion(inputs | {"image": inputs["image"][:, :4]})
    if len(fusion.names) > 1:
        with pytest.raises(ValueError, match="as many as the other modalities"):
            fusion(inputs | {"image": inputs["image"][:3]})
    nothing = torch.ones(N, len(fusion.names), dtype=torch.bool)
    nothing[[2, 5]] = False
    with pytest.raises(ValueError, match="nothing for example 2, 5"):
        fusion(inputs, present=nothing)
    with pytest.raises(ValueError, match="no modality"):
        fusion({})
    with pytest.raises(ValueError, match="out_dim"):
        FUSIONS[name](fusion.dims, 0)
