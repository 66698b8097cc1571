"""Importance by activations: a channel matters as much as what it hands on to the layers that read it.

Source: Muralidharan et al., Compact Language Models via Pruning and Knowledge Distillation, 2024 (mean absolute
activations); weighed by the weights that read them, as Sun et al., A Simple and Effective Pruning Approach for Large
Language Models, 2023, do it: scaling a channel up and its readers down changes nothing, so it must not change a score.
"""

from collections.abc import Sequence

import torch
from torch import nn

from supple.family.importance import Batch, Importance, Loss, Scores
from supple.family.readers import Reader, find_readers, sums_along, watched_blocks, watched_inputs
from supple.trace import Structure


def by_activation(model: nn.Module, structure: Structure, batches: Sequence[Batch], loss: Loss) -> Importance:
    """Score an index by its mean absolute activation times the weights that read it.

    A block counts as much as it changes its input, relative to that input. Targets are not needed.
    """
    activations: dict[Reader, torch.Tensor] = {}
    blocks: dict[str, float] = {}

    def watch_input(reader: Reader, x: torch.Tensor) -> None:
        sizes = sums_along(x.detach().abs(), reader.input_axis).double()
        activations[reader] = activations[reader] + sizes if reader in activations else sizes

    def watch_block(path: str, x: torch.Tensor, y: torch.Tensor) -> None:
        blocks[path] = blocks.get(path, 0.0) + float((y - x).norm() / x.norm().clamp_min(torch.finfo(x.dtype).tiny))

    readers = find_readers(model, structure)
    with torch.no_grad(), watched_inputs(readers, watch_input), watched_blocks(model, structure, watch_block):
        for batch in batches:
            batch.inputs.run(model)
    scores = Scores(structure)
    for reader, sizes in activations.items():
        scores.add_shares(sizes * reader.weight_sizes, reader.axis)
    return Importance(scores.found, blocks)
