"""A running average of the shared weights, which validates better than the weights of any one step.

Sources: Polyak & Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; Tarvainen & Valpola, Mean
Teachers Are Better Role Models, 2017.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from supple.training.tensors import check_same_tensors
from supple.training.whole import copy_whole, is_sharded

_UPDATES = "updates"


class WeightAverage:
    """The exponential moving average of a model's weights; it takes the memory of one more copy of them.

    Averaged are the parameters that train and all buffers of real numbers. The running statistics of batch norm among
    these belong to the weights of the same steps: those of the newest weights would not fit averaged ones, and a mean
    over as many steps is less noisy. Other buffers count or index, and stay the model's own. Weights in half precision
    are averaged in float32, where a change by a thousandth is not rounded away.

    Make it when the model is on its device. Life cycle: `update` after every step that changed the weights;
    `swapped_in` around a validation; `adopt` at the end.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Begin with the present weights; `decay` (0 to 1) is the share of the average that each step keeps."""
        self._decay = decay
        self._updates = 0
        trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        buffers = {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point()}
        self._own: dict[str, Tensor] = trained | buffers
        self._averages = {
            name: own.detach().to(torch.promote_types(own.dtype, torch.float32), copy=True)
            for name, own in self._own.items()
        }
        self._other_dtype = [name for name, own in self._own.items() if own.dtype != self._averages[name].dtype]
        same = [name for name in self._own if name not in set(self._other_dtype)]
        # One operation for all of a kind; sharded parameters and whole buffers are not of one.
        kinds = ([name for name in same if is_sharded(self._own[name]) is kind] for kind in (True, False))
        self._alike = [([self._averages[name] for name in kind], [self._own[name] for name in kind]) for kind in kinds]

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights into the average.

        The first ones count for more, min(decay, (1 + n) / (10 + n)) after n updates: the initial weights fade soon.
        """
        weight = 1 - min(self._decay, (1 + self._updates) / (10 + self._updates))
        for averages, own in self._alike:
            if averages:
                torch._foreach_lerp_(averages, own, weight)
        for name in self._other_dtype:
            average = self._averages[name]
            average.lerp_(self._own[name].to(average.dtype), weight)
        self._updates += 1

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Let the model have the averaged weights for a while; afterwards both are back, bit for bit.

        The weights are exchanged in place, one tensor after the other: no further copy, and views stay views.
        """
        rounded = {name: self._averages[name].clone() for name in self._other_dtype}
        self._exchange()
        try:
            yield
        finally:
            self._exchange()
            for name, average in rounded.items():
                self._averages[name].copy_(average)

    @torch.no_grad()
    def adopt(self) -> None:
        """Give the model the averaged weights for good."""
        for name, own in self._own.items():
            own.copy_(self._averages[name])

    def state(self) -> dict[str, Tensor]:
        """Return all that a resumed run needs, as tensors by name; they are the average's own."""
        averages = {f"average/{name}": average for name, average in self._averages.items()}
        return {**averages, _UPDATES: torch.tensor(self._updates)}

    @torch.no_grad()
    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `state` returned. Raises `SuppleError` where it is of another model."""
        check_same_tensors("The averaged weights are of another model:", tensors, self.state())
        for name, average in self._averages.items():
            copy_whole(average, tensors[f"average/{name}"])
        self._updates = int(tensors[_UPDATES])

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, own in self._own.items():
            before = own.clone()
            own.copy_(self._averages[name])
            self._averages[name].copy_(before)
