"""Integer attributes of PyTorch's own modules that repeat the size of a parameter's axis.

Most are there to be read by people and exporters (`in_features`); a few steer the forward pass (`groups`,
`normalized_shape`). Both follow the member's shape, so that an extracted network describes itself truly.
"""

from collections.abc import Iterator, Mapping

from torch import nn
from torch.nn.modules.conv import _ConvNd

from supple.trace.structure import Attribute, Axis


def module_attributes(model: nn.Module, axes: Mapping[str, tuple[Axis, ...]]) -> Iterator[Attribute]:
    """Yield the attributes of all modules of the tree that repeat the size of a parameter's axis."""
    for path, module in model.named_modules():

        def axis(tensor: str, position: int, path: str = path) -> Axis | None:
            key = f"{path}.{tensor}" if path else tensor
            return axes[key][position] if key in axes else None

        found: list[tuple[str, Axis | None]] = []
        if isinstance(module, _ConvNd):
            channels = ("in_channels", "out_channels") if module.transposed else ("out_channels", "in_channels")
            found = [(channels[0], axis("weight", 0))]
            found += [(channels[1], axis("weight", 1))] if module.groups == 1 else []
        elif isinstance(module, nn.Linear):
            found = [("out_features", axis("weight", 0)), ("in_features", axis("weight", 1))]
        elif isinstance(module, nn.Embedding):
            found = [("num_embeddings", axis("weight", 0)), ("embedding_dim", axis("weight", 1))]
        for name, bound in found:
            if bound is not None and bound.dimensions:
                yield Attribute(path, name, bound)
