"""Does attention lie on a region? Its mass there, beside what an even look has and what the best look could have."""

from typing import NamedTuple

import torch

from mmlearn.ops.arguments import check_floating, require, shape


class RegionMass(NamedTuple):
    """(…,) each: the weight on the region, its share of the area (what an even look has), and the most any look can have."""

    mass: torch.Tensor
    area: torch.Tensor
    most: torch.Tensor


def region_mass(weights, share):
    """mass = Σ_j p_j c_j, c_j the share of patch j that the region covers: mean_j c_j for even p, at most max_j c_j — Eq. 17.2.

    A patch that is half on the region counts half, so no threshold is chosen, and an even look has exactly the region's area.
    weights: p (…, P), ≥ 0 and adding up to 1   share: c (…, P), from 0 to 1; both broadcast
    returns: RegionMass   Raises ValueError for shares that are none.

    >>> region_mass(torch.tensor([0.5, 0.5, 0.0, 0.0]), torch.tensor([1.0, 0.5, 0.0, 0.0]))
    RegionMass(mass=tensor(0.7500), area=tensor(0.3750), most=tensor(1.))
    """
    check_floating(weights, "weights", range(1, 9), "(…, P)")
    check_floating(share, "share", range(1, 9), "(…, P)")
    P = weights.shape[-1]
    require(P >= 1 and share.shape[-1] == P, "share", shape(share), f"(…, {P}), as weights is {tuple(weights.shape)}")
    good = bool((share >= 0).all() and (share <= 1).all())
    require(good, "share", f"{share.min():.3g} to {share.max():.3g}", "shares from 0 to 1 of each patch")
    require(bool((weights >= 0).all()), "weights", f"{weights.min():.3g}", "weights ≥ 0")
    mass = (weights * share).sum(-1)
    return RegionMass(mass, share.mean(-1).expand(mass.shape), share.amax(-1).expand(mass.shape))
