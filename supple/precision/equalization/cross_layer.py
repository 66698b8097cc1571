"""Cross-layer equalization: the weights that give a channel and those that read it get the same range.

Source: Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction, 2019, equation 11. Behind
a batch norm, the weights that give a channel are those that the norm makes of them.
"""

import copy
from collections.abc import Sequence

import torch
from torch import nn

from supple.precision.equalization.links import Link
from supple.precision.equalization.scaling import column_sizes, row_sizes, scale

_ROUNDS = 20
# Where no factor changes a range by more, ranges are equal.
_SETTLED = 1e-2


def layer_factors(model: nn.Module, links: Sequence[Link]) -> dict[Link, torch.Tensor]:
    """Return the factors of links, found by scaling them again and again while layers in two of them are not settled.

    The weights are as before when this returns.
    """
    paths = {path for link in links for path in (link.giver, *link.readers)}
    before = {path: copy.deepcopy(model.get_submodule(path).state_dict()) for path in paths}
    found = {link: torch.ones_like(column_sizes(model, link)) for link in links}
    try:
        for _ in range(_ROUNDS):
            largest = 0.0
            for link in links:
                given, read = row_sizes(model, link), column_sizes(model, link)
                # s = sqrt(r1 r2) / r2; a channel that nothing gives, or nobody reads, stays.
                factors = torch.where((given > 0) & (read > 0), (given / read).sqrt(), 1.0)
                scale(model, link, factors)
                found[link] = found[link] * factors
                largest = max(largest, float(factors.log().abs().max()))
            if largest < _SETTLED:
                break
    finally:
        for path, state in before.items():
            model.get_submodule(path).load_state_dict(state)
    return found
