"""The layers that a width couples are those of Torch-Pruning's groups, on networks that it handles.

Source: Fang et al., DepGraph: Towards Any Structural Pruning, 2023.
"""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from supple.models import mobilenet_small, resnet_small
from supple.trace import ModelInputs, trace

torch_pruning = pytest.importorskip("torch_pruning")

Group = frozenset[tuple[str, str]]


class Dense(nn.Module):
    """Each layer reads all before it, as in DenseNet."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 16, 3, padding=1))
            for width in (32, 48, 64)
        )
        self.norm, self.head = nn.BatchNorm2d(80), nn.Linear(80, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.head(self.norm(x).relu().mean((2, 3)))  # type: ignore[no-any-return]


class UNet(nn.Module):
    """Down, up again, and the skip between."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.middle = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 32, 3, 2, 1)
        self.up, self.join = nn.ConvTranspose2d(32, 24, 2, 2), nn.Conv2d(40, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.down(x).relu()
        x = self.up(self.middle(skip).relu()).relu()
        return self.head(self.join(torch.cat([x, skip], 1)).relu())  # type: ignore[no-any-return]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": resnet_small,
    "mobilenet": mobilenet_small,
    "dense": Dense,
    "u-net": UNet,
}


def our_groups(model: nn.Module, x: torch.Tensor) -> set[Group]:
    structure = trace(model, ModelInputs.of(x))
    groups: dict[str, set[tuple[str, str]]] = {}
    for path, module in model.named_modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            continue
        sides = ("in", "out") if isinstance(module, nn.ConvTranspose2d) else ("out", "in")
        for side, axis in zip(sides, structure.axes[f"{path}.weight"], strict=False):
            for dimension in axis.dimensions:
                groups.setdefault(dimension, set()).add((path, side))
    return {frozenset(group) for group in groups.values()}


def their_groups(model: nn.Module, x: torch.Tensor) -> set[Group]:
    graph = torch_pruning.DependencyGraph().build_dependency(model, x)
    names = {module: path for path, module in model.named_modules()}
    found: set[Group] = set()
    for group in graph.get_all_groups(root_module_types=[nn.Conv2d, nn.ConvTranspose2d, nn.Linear]):
        found.add(
            frozenset(
                (names[item.dep.target.module], "out" if graph.is_out_channel_pruning_fn(item.dep.handler) else "in")
                for item in group
                if isinstance(item.dep.target.module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
            )
        )
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NETWORKS)
def test_our_widths_couple_what_torch_pruning_couples(name: str) -> None:
    model, x = NETWORKS[name]().eval(), torch.randn(2, 3, 32, 32)
    # The outputs of the model are a group for it, and fixed for us.
    (output,) = (path for path, module in list(model.named_modules())[-1:])
    theirs = {group for group in their_groups(model, x) if group != {(output, "out")}}
    assert theirs
    assert our_groups(model, x) == theirs
