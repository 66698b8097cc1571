"""The learnt transform of elastic kernels: the middle of a large kernel becomes a small one by a matrix of its own.

Source: Cai et al., Once-for-All: Train One Network and Specialize it for Efficient Deployment, 2020.
"""

import math
from collections.abc import Iterator, Mapping

import torch
from torch import nn

from supple.space import Space
from supple.trace import Structure


class KernelTransforms(nn.Module):
    """One matrix for each weight with an elastic kernel and each of its smaller sizes, shared by all its channels.

    The matrix of size k takes the middle of the kernel of the next larger size, itself transformed, to the kernel of
    size k: `w_k = crop(w_larger, k) M_k`, each kernel a row of its k x k numbers. At first all are identities.
    """

    def __init__(self, model: nn.Module, structure: Structure) -> None:
        super().__init__()
        self.matrices = nn.ParameterDict()
        self._dimensions: dict[str, str] = {}
        tensors = dict(model.named_parameters())
        for key, axes in structure.axes.items():
            names = {factor.dimension for axis in axes for factor in axis.segments[0] if factor.centred}
            for dimension in (name for name in names if name is not None and key in tensors):
                self._dimensions[key] = dimension
                for size in structure.space[dimension].values[:-1]:
                    kernel = [axis.size({dimension: size}) for axis in axes[2:]]
                    # In the type and place of the weight.
                    identity = torch.eye(math.prod(kernel), dtype=tensors[key].dtype, device=tensors[key].device)
                    self.matrices[_name(key, size)] = nn.Parameter(identity)

    def first_crop(self, config: Mapping[str, int], space: Space) -> dict[str, int]:
        """Return the config with each smaller kernel at the second largest size: the first that is cut out."""
        first = dict(config)
        for dimension in self._dimensions.values():
            if config[dimension] != space[dimension].largest:
                first[dimension] = space[dimension].values[-2]
        return first

    def transformed(self, key: str, part: torch.Tensor, config: Mapping[str, int], space: Space) -> torch.Tensor:
        """Return the member's part of a weight, from its part at the first crop; (out, in, *kernel)."""
        dimension = self._dimensions.get(key)
        if dimension is None or config[dimension] == space[dimension].largest:
            return part
        for size in _sizes_down_to(config[dimension], space[dimension].values):
            part = _cropped(part, size)
            part = (part.flatten(2) @ self.matrices[_name(key, size)]).view(part.shape)
        return part


def _name(key: str, size: int) -> str:
    # A parameter's name has no dots.
    return f"{key.replace('.', '/')}/{size}"


def _sizes_down_to(size: int, values: tuple[int, ...]) -> Iterator[int]:
    return (value for value in reversed(values[:-1]) if value >= size)


def _cropped(part: torch.Tensor, size: int) -> torch.Tensor:
    for axis in range(2, part.ndim):
        if part.shape[axis] > size:
            part = part.narrow(axis, (part.shape[axis] - size) // 2, size)
    return part
