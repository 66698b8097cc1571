"""Importance by the first-order change of the loss when a channel or block is taken away.

Source: Molchanov et al., Importance Estimation for Neural Network Pruning, 2019.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from supple.family.importance import Batch, Importance, Loss, Scores
from supple.family.readers import Reader, find_readers, sums_along, watched_blocks, watched_inputs
from supple.trace import Structure


def by_taylor(model: nn.Module, structure: Structure, batches: Sequence[Batch], loss: Loss) -> Importance:
    """Score an index by (sum of activation x its gradient)^2, for each sample and each tensor that a layer reads.

    That sum is the gradient of a gate on the channel; where one layer alone reads the tensor, it equals the sum of
    weight x gradient over the weights that read the channel. A block is scored alike by what it adds to its input.
    """
    scores = Scores(structure)
    blocks: dict[str, float] = {}
    for batch in batches:
        gates = _Gates(model, structure, batch, loss, scores)
        for (_, name), gate in gates.of_readers.items():
            scores.add(name, gate.square().sum(0))
        for path, gate in gates.of_blocks.items():
            blocks[path] = blocks.get(path, 0.0) + float(gate.square().sum())
    return Importance(scores.found, blocks)


class _Gates:
    """The gradients of gates for each sample of one batch: (samples, indices) for a reader, (samples) for a block."""

    def __init__(self, model: nn.Module, structure: Structure, batch: Batch, loss: Loss, scores: Scores) -> None:
        self.of_readers: dict[tuple[Reader, str], torch.Tensor] = {}
        self.of_blocks: dict[str, torch.Tensor] = {}
        self._scores = scores
        self._seen: dict[int, torch.Tensor] = {}
        with _trainable(model) as parameters:
            readers = watched_inputs(find_readers(model, structure), self._watch_input)
            with readers, watched_blocks(model, structure, self._watch_block):
                value = loss(batch.inputs.run(model), batch.targets)
            # The gradients of the parameters are not wanted, but those of activations are found on the way to them.
            torch.autograd.grad(value, parameters, allow_unused=True)

    def _watch_input(self, reader: Reader, x: torch.Tensor) -> None:
        def add(gradient: torch.Tensor) -> None:
            products = sums_along(gradient * x.detach(), reader.input_axis, kept=0)
            # An input without a batch axis is one sample.
            samples = products.reshape(-1, reader.axis.full)
            for name, gate in self._scores.by_dimension(samples, reader.axis).items():
                known = self.of_readers.get((reader, name))
                self.of_readers[reader, name] = gate if known is None else known + gate

        # The gradient of a tensor is of all its uses: one that several layers read counts once.
        if x.requires_grad and id(x) not in self._seen:
            self._seen[id(x)] = x
            x.register_hook(add)  # type: ignore[no-untyped-call]

    def _watch_block(self, path: str, x: torch.Tensor, y: torch.Tensor) -> None:
        change = (y - x).detach()

        def keep(gradient: torch.Tensor) -> None:
            self.of_blocks[path] = (gradient * change).flatten(1).sum(1)

        if y.requires_grad:
            y.register_hook(keep)  # type: ignore[no-untyped-call]


@contextmanager
def _trainable(model: nn.Module) -> Iterator[list[nn.Parameter]]:
    """Let all parameters require gradients for a while."""
    parameters = [parameter for parameter in model.parameters() if parameter.is_floating_point()]
    before = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            yield parameters
    finally:
        for parameter, requires_grad in zip(parameters, before, strict=True):
            parameter.requires_grad_(requires_grad)
