"""Encoder → fusion → head: three slots. Any encoder for each modality, any fusion between them, any head behind it."""

from torch import nn

from mmlearn.models.fusion.interface import Fusion
from mmlearn.ops.arguments import is_whole, require


class MultimodalModel(nn.Module):
    """An encoder for each modality, a fusion of their features, and a head: inputs → encoders → fusion → head.

    encoders  modality → module: a picture, a pair of ids and mask, … → (N, D), or (N, T, D) where the fusion takes tokens. A pair
              (tokens, mask) is taken as such.
    fusion    a Fusion of the same modalities      head  a module (N, out_dim) → …; None: what the fusion says is the answer
    takes     modality → how many tensors its encoder takes, 1 unless said: {"text": 2} for (ids, mask)

    Where a modality comes in decides the name: encoders that do nothing are *early* fusion, one network after the inputs have
    met; Late without a head is *late* fusion; everything between is *intermediate*.
    Raises ValueError where encoders and fusion disagree about the modalities.
    """

    def __init__(self, encoders, fusion, head=None, takes=None):
        super().__init__()
        require(isinstance(fusion, Fusion), "fusion", type(fusion).__name__, "a Fusion such as Concat(dims, out_dim)")
        require(isinstance(encoders, dict) and encoders, "encoders", repr(encoders), "a dict, modality → module")
        expected = f"one for each of the fusion's modalities: {', '.join(map(repr, fusion.names))}"
        require(set(encoders) == set(fusion.names), "encoders", ", ".join(map(repr, encoders)), expected)
        takes = dict(takes or {})
        known = set(takes) <= set(encoders) and all(is_whole(many) and many >= 1 for many in takes.values())
        require(known, "takes", repr(takes), f"{expected}, a whole number ≥ 1")
        self.encoders = nn.ModuleDict({name: encoders[name] for name in fusion.names})
        self.fusion = fusion
        self.head = nn.Identity() if head is None else head
        self.takes = {name: takes.get(name, 1) for name in fusion.names}

    def forward(self, *inputs, present=None):
        """The head's answer.

        inputs: the tensors of all modalities one after the other, in the order of the fusion, as ``mmlearn.training.fit`` hands
            them over: image, ids, mask; or one dict: modality → tensor, or a tuple of as many as its encoder takes. A modality
            that the dict lacks, or whose value is None, is absent from every example.
        present: modality → (N,) bool, or (N, M) bool in the order of the modalities. An encoder sees only the examples that have
            its modality: what stands in place of the others reaches nothing, neither a result nor a batch's statistics.
        """
        return self.head(self.fuse(*inputs, present=present))

    def fuse(self, *inputs, present=None):
        """What the fusion makes of the inputs, (N, out_dim): the features that the head sees."""
        given = self._given(inputs)
        first = next(iter(given.values()))[0]
        flags = self.fusion.check_presence(present, given, len(first), first.device)
        features, masks = {}, {}
        for name, tensors in given.items():
            encoded = self._encode(name, tensors, flags[name])
            if encoded is not None:
                features[name], mask = encoded
                if mask is not None:
                    masks[name] = mask
        require(bool(features), "present", "no modality for any example", "one modality or more for each example")
        return self.fusion(features, present=flags, masks=masks or None)

    def _encode(self, name, tensors, has):
        """(features, mask or None) of all examples, zeros where one lacks the modality; None where all do."""
        if not has.any():
            return None
        everyone = bool(has.all())
        encoded = self.encoders[name](*(tensors if everyone else [tensor[has] for tensor in tensors]))
        parts = encoded if isinstance(encoded, tuple) else (encoded, None)
        if everyone:
            return parts
        return tuple(None if part is None else _spread(part, has) for part in parts)

    def _given(self, inputs):
        if len(inputs) == 1 and isinstance(inputs[0], dict):
            values = {name: value for name, value in inputs[0].items() if value is not None}
            self.fusion.check_names(inputs[0], "inputs")
            values = {name: value if isinstance(value, (tuple, list)) else (value,) for name, value in values.items()}
        else:
            parts = ", ".join(f"{many} of {name!r}" for name, many in self.takes.items())
            total = sum(self.takes.values())
            hint = "; say with takes how many each encoder takes, or give a dict, modality → tensor or tuple of tensors"
            require(len(inputs) == total, "inputs", f"{len(inputs)}", f"{total} tensors ({parts}){hint}")
            rest = iter(inputs)
            values = {name: tuple(next(rest) for _ in range(many)) for name, many in self.takes.items()}
        require(bool(values), "inputs", "no modality", f"one or more of {', '.join(map(repr, self.fusion.names))}")
        n = len(next(iter(values.values()))[0])
        for name, tensors in values.items():
            for tensor in tensors:
                got = f"{len(tensor)} examples"
                require(len(tensor) == n, f"inputs[{name!r}]", got, f"{n}, as many as the other modalities")
        return {name: values[name] for name in self.fusion.names if name in values}


def _spread(encoded, has):
    """Rows for the examples that have the modality → rows for all of them, zeros elsewhere."""
    spread = encoded.new_zeros(len(has), *encoded.shape[1:])
    return spread.index_put((has,), encoded)
