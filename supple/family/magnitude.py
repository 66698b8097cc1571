"""Importance by the size of weights: a channel matters as much as the weights that read it are large.

Source: Cai et al., Once-for-All, 2020, which sorts channels by the L1 norm of the next layer's weights.
"""

from collections.abc import Sequence

import torch
from torch import nn

from supple.family.activation import Place, parameter_places
from supple.family.importance import Batch, Importance, Loss, Scores
from supple.family.readers import find_readers, sums_along
from supple.trace import Structure


def by_magnitude(model: nn.Module, structure: Structure, batches: Sequence[Batch], loss: Loss) -> Importance:
    """Score indices by the weights that read them, blocks by the mean size of their weights. Takes no data."""
    scores = Scores(structure)
    for reader in find_readers(model, structure):
        scores.add_shares(reader.weight_sizes, reader.axis)
    places = _matrices(model)
    blocks: dict[str, float] = {}
    for block in structure.blocks:
        weights = [place.tensor for place in places if place.key.startswith(f"{block.path}.")]
        if weights:
            sizes = torch.stack([weight.detach().abs().double().mean() for weight in weights])
            blocks[block.path] = float(sizes.mean())
    return Importance(scores.found, blocks)


def by_all_weights(model: nn.Module, structure: Structure) -> Importance:
    """Score indices by all weights that they index, which is all that is known where no reader is found."""
    scores = Scores(structure)
    for place in _matrices(model):
        for position, axis in enumerate(structure.axes[place.key]):
            scores.add_shares(sums_along(place.tensor.detach().abs().double(), position), axis)
    return Importance(scores.found, {})


def _matrices(model: nn.Module) -> list[Place]:
    """Return the places of weights, once each: biases and scales are of another nature than what they go with."""
    distinct = {id(place.tensor): place for place in parameter_places(model)}
    return [place for place in distinct.values() if place.tensor.dim() > 1 and place.tensor.is_floating_point()]
