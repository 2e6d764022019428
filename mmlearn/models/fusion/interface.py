"""What every fusion agrees on: which modalities it takes, in which shapes, and what happens to one that is absent.

    fusion = Op(dims={"image": 64, "text": 32}, out_dim=128)
    fused = fusion({"image": image, "text": text}, present=present)        (N, out_dim)

Absent values never reach the result, whatever stands there, NaN included; what an operator does without them is in its docstring.
"""

import difflib

import torch
from torch import nn

from mmlearn.data.missing import fill_absent
from mmlearn.ops.arguments import check_whole, require


class Fusion(nn.Module):
    """Features of several modalities become one.   {name: (N, dims[name])} → (N, out_dim)

    dims     modality → number of features; their order is the order of the modalities everywhere
    A subclass says in ``fuse`` how; where it takes tokens it sets ``takes_tokens``.
    """

    takes_tokens = False  # whether a modality may come as a sequence of tokens, (N, T, dims[name])
    fewest, most = 1, None  # how many modalities it can take

    def __init__(self, dims, out_dim):
        super().__init__()
        require(
            isinstance(dims, dict) and dims, "dims", repr(dims), "a dict, modality → number of features, such as {'image': 64}"
        )
        for name, features in dims.items():
            check_whole(features, f"dims[{name!r}]")
        check_whole(out_dim, "out_dim")
        few, many = len(dims) < self.fewest, self.most is not None and len(dims) > self.most
        wanted = f"{self.fewest} modalities" if self.most == self.fewest else f"{self.fewest} modalities or more"
        require(not few and not many, "dims", f"{len(dims)}: {', '.join(dims)}", f"{wanted} for {type(self).__name__}")
        self.dims, self.out_dim = dict(dims), out_dim

    @property
    def names(self):
        """The modalities, in order."""
        return tuple(self.dims)

    def forward(self, inputs, present=None, masks=None):
        """Fuse a batch.

        inputs: modality → (N, dims[modality]), or (N, T, dims[modality]) for an operator that takes tokens. A modality that the
            dict lacks, or whose value is None, is absent from every example.
        present: modality → (N,) bool, as ``mmlearn.data.missing.presence`` returns it, or (N, M) bool in the order of ``dims``;
            what it does not name is present wherever it was given
        masks: modality → (N, T) bool, True at the tokens that count; for operators that take tokens
        returns: (N, out_dim)
        Raises ValueError for unknown modalities, shapes that do not fit, and an example that has no modality at all.
        """
        features, present, masks = self.prepare(inputs, present, masks)
        if self.takes_tokens:
            return self.fuse(features, present, masks)
        return self.fuse(features, present)

    def fuse(self, features, present):
        """features: modality → (N, dims[modality]), zeros where absent; present: modality → (N,) bool.   → (N, out_dim)"""
        raise NotImplementedError(f"{type(self).__name__} must say in fuse(features, present) how it fuses")

    def prepare(self, inputs, present=None, masks=None):
        """Check what came, and put zeros where a modality is absent.   → features, present, masks: each a dict over all names

        With ``takes_tokens`` features are (N, T, dims[name]) and masks (N, T), False at every token of an absent modality; a
        modality given as (N, dims[name]) is one token, and one that is absent from the whole batch is one masked token.
        """
        given = self._given(inputs)
        first = next(iter(given.values()))
        n = len(first)
        require(n > 0, "inputs", "an empty batch", "one example or more")
        for name, tensor in given.items():
            require(len(tensor) == n, f"inputs[{name!r}]", f"{len(tensor)} examples", f"{n}, as many as the other modalities")
        present = self.check_presence(present, given, n, first.device)
        features = {name: fill_absent(given[name], present[name]) for name in given}
        for name in self.names:
            if name not in features:
                features[name] = first.new_zeros((n, 1, self.dims[name]) if self.takes_tokens else (n, self.dims[name]))
        features = {name: features[name] for name in self.names}
        if not self.takes_tokens:
            require(not masks, "masks", "masks", f"none: {type(self).__name__} takes one vector for each modality, not tokens")
            _check_anything(present)
            return features, present, {}
        features = {name: x[:, None] if x.ndim == 2 else x for name, x in features.items()}
        masks = self._masks(masks, features, present)
        present = {name: mask.any(1) for name, mask in masks.items()}  # padding alone is no modality
        _check_anything(present)
        return {name: x.where(masks[name][..., None], 0) for name, x in features.items()}, present, masks

    def check_names(self, names, argument):
        """Raises ValueError, with the nearest name that there is, where one is not a modality's."""
        unknown = [name for name in names if name not in self.dims]
        near = difflib.get_close_matches(str(unknown[0]), self.names, 1) if unknown else []
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        require(
            not unknown, argument, ", ".join(map(repr, unknown)), f"modalities out of {', '.join(map(repr, self.names))}{hint}"
        )

    def _given(self, inputs):
        require(isinstance(inputs, dict), "inputs", type(inputs).__name__, "a dict, modality → features")
        self.check_names(inputs, "inputs")
        given = {name: inputs[name] for name in self.names if inputs.get(name) is not None}
        require(bool(given), "inputs", "no modality", f"one or more of {', '.join(map(repr, self.names))}")
        for name, tensor in given.items():
            features, shape = self.dims[name], tuple(tensor.shape)
            forms = {2: f"(N, {features})", 3: f"(N, T, {features})"}
            allowed = forms if self.takes_tokens else {2: forms[2]}
            fits = tensor.ndim in allowed and shape[-1] == features and tensor.is_floating_point()
            advice = (
                "" if self.takes_tokens or tensor.ndim != 3 else ": pool the tokens first, or take an operator with attention"
            )
            require(
                fits, f"inputs[{name!r}]", f"{tensor.dtype} of shape {shape}", f"floats {' or '.join(allowed.values())}{advice}"
            )
        return given

    def check_presence(self, present, given, n, device):
        """Who has what, modality → (N,) bool over all names; False for what is not in ``given``.

        present: as in ``forward``   given: the names that came at all   n: how many examples
        """
        if isinstance(present, torch.Tensor):
            shape = (n, len(self.dims))
            fits = present.dtype == torch.bool and tuple(present.shape) == shape
            expected = f"bool {shape}: an example a row, {', '.join(self.names)} in this order"
            require(fits, "present", f"{present.dtype} of shape {tuple(present.shape)}", expected)
            present = dict(zip(self.names, present.unbind(1), strict=True))
        flags = dict(present or {})
        self.check_names(flags, "present")
        for name in self.names:
            flag = flags.get(name)
            if flag is None:
                flag = torch.ones(n, dtype=torch.bool, device=device)
            fits = flag.dtype == torch.bool and tuple(flag.shape) == (n,)
            require(fits, f"present[{name!r}]", f"{flag.dtype} of shape {tuple(flag.shape)}", f"bool ({n},)")
            flags[name] = flag.to(device) if name in given else torch.zeros(n, dtype=torch.bool, device=device)
        return {name: flags[name] for name in self.names}

    def _masks(self, masks, features, present):
        masks = dict(masks or {})
        self.check_names(masks, "masks")
        checked = {}
        for name, x in features.items():
            mask = masks.get(name)
            if mask is None:
                mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
            fits = mask.dtype == torch.bool and mask.shape == x.shape[:2]
            require(fits, f"masks[{name!r}]", f"{mask.dtype} of shape {tuple(mask.shape)}", f"bool {tuple(x.shape[:2])}")
            checked[name] = mask.to(x.device) & present[name][:, None]
        return checked


def _check_anything(present):
    alone = (~torch.stack(list(present.values())).any(0)).nonzero().flatten().tolist()
    require(
        not alone, "present", f"nothing for example {', '.join(map(str, alone[:5]))}", "one modality or more for each example"
    )
