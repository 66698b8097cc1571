"""Small models whose families are hard in one way each, and what the tests of this room say about members."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from supple import Choice, Family
from supple.models import mobilenet_small, resnet_demo, resnet_small
from supple.space import Config


class TiedLayers(nn.Module):
    """Two layers share a weight; a third layer stands in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 32)
        self.second, self.third = nn.Linear(32, 32), nn.Linear(32, 32, bias=False)
        self.third.weight = self.second.weight
        self.again = self.third
        self.last = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 12) to (batch, 5)."""
        x = self.second(self.first(x).relu()).relu()
        return self.last(self.again(self.third(x).relu()))  # type: ignore[no-any-return]


class TiedTable(nn.Module):
    """The table that reads words also writes them, as in language models."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 32)
        self.hidden, self.out = nn.Linear(32, 48), nn.Linear(48, 32)
        self.head = nn.Linear(32, 20, bias=False)
        self.head.weight = self.table.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Map words: (batch, length) to logits: (batch, length, 20)."""
        x = self.table(words)
        return self.head(x + self.out(self.hidden(x).relu()))  # type: ignore[no-any-return]


class Flattened(nn.Module):
    """Channels, flattened with their positions: an inner range that never shrinks, and (transposed) an outer one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.channels_first = nn.Linear(16 * 4 * 4, 24)
        self.channels_last = nn.Linear(4 * 4 * 16, 24)
        self.head = nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, 8, 8) to (batch, 5)."""
        x = functional.max_pool2d(self.conv(x), 2).relu()
        y = self.channels_first(x.flatten(1)) + self.channels_last(x.permute(0, 2, 3, 1).flatten(1))
        return self.head(y.relu())  # type: ignore[no-any-return]


class Concatenated(nn.Module):
    """Two branches and a single channel, concatenated: each has a prefix of its own, so the reader has gaps."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.one = nn.Conv2d(3, 16, 3), nn.Conv2d(3, 24, 3), nn.Conv2d(3, 1, 3)
        self.norm = nn.BatchNorm2d(41)
        self.depthwise = nn.Conv2d(41, 82, 3, groups=41)
        self.reader = nn.Conv2d(82, 32, 1)
        self.head = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, 8, 8) to (batch, 5)."""
        x = torch.cat([self.left(x), self.one(x), self.right(x)], 1)
        return self.head(self.reader(self.depthwise(self.norm(x).relu())).relu().mean((2, 3)))  # type: ignore[no-any-return]


class Grouped(nn.Module):
    """Groups of channels whose order a shuffle changes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 1)
        self.grouped = nn.Conv2d(32, 64, 3, groups=2)
        self.norm = nn.BatchNorm2d(64)
        self.head = nn.Conv2d(64, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, 8, 8) to (batch, 5)."""
        x = self.norm(self.grouped(self.stem(x).relu()))
        x = x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
        return self.head(x).mean((2, 3))  # type: ignore[no-any-return]


class Buffered(nn.Module):
    """Buffers of its own: one that training writes to, one that the state dict leaves out, one of no axis."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 32), nn.Linear(32, 5)
        self.norm = nn.BatchNorm1d(32, affine=False)
        self.register_buffer("average", torch.zeros(32))
        self.register_buffer("scale", torch.rand(32), persistent=False)
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 12) to (batch, 5)."""
        x = self.norm(self.first(x))
        if self.training:
            with torch.no_grad():
                self.average.lerp_(x.mean(0), 0.5)
                self.steps.add_(1)
        return self.last(x * self.scale - self.average)  # type: ignore[no-any-return]


class Dropped(nn.Module):
    """Residual blocks in a loop, with an activation that stands between them twice as the same object."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(12, 32)
        self.blocks = nn.ModuleList(Residual(32) for _ in range(3))
        activation = nn.Tanh()
        self.tail = nn.Sequential(
            nn.Linear(32, 16), activation, nn.Linear(16, 16), activation, Residual(16), Residual(16)
        )
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 12) to (batch, 5)."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.tail(x))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """x + f(x) with a hidden layer."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(features, 32), nn.Linear(32, features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, features) to the same shape."""
        return x + self.second(self.first(x).relu())  # type: ignore[no-any-return]


class Kernels(nn.Module):
    """Kernels that shrink: square ones, long ones, strided and depthwise ones, and one that pads by name."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 7, 2, padding=3), nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 5, padding=2, groups=16)
        self.rows, self.columns = nn.Conv2d(16, 16, (1, 7), padding=(0, 3)), nn.Conv2d(16, 16, (7, 1), padding="same")
        self.patches, self.head = nn.Conv2d(16, 16, 5), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 3, 16, 16) to (batch, 5)."""
        x = self.depthwise(self.norm(self.stem(x)).relu())
        return self.head(self.patches(self.columns(self.rows(x)).relu()).mean((2, 3)))  # type: ignore[no-any-return]


class Choices(nn.Module):
    """Choices of blocks that differ inside, of one that does nothing, of one inside another, and of a whole layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(12, 16)
        inner = nn.Sequential(Choice(nn.Linear(16, 24), nn.Linear(16, 24, bias=False)), nn.ReLU(), nn.Linear(24, 16))
        self.blocks = nn.Sequential(
            Choice(Residual(16), nn.Linear(16, 16), nn.Identity()), Choice(inner, nn.Linear(16, 16)), Residual(16)
        )
        self.norm, self.head = Choice(nn.BatchNorm1d(16), nn.LayerNorm(16)), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, 12) to (batch, 5)."""
        return self.head(self.norm(self.blocks(self.stem(x))))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Case:
    """A model, and how its inputs are made."""

    model: Callable[[], nn.Module]
    shape: tuple[int, ...]
    words: int = 0

    def inputs(self, batch: int = 4, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Return a batch of random inputs."""
        if self.words:
            return torch.randint(self.words, (batch, *self.shape))
        return torch.randn(batch, *self.shape, dtype=dtype)


REFERENCE = {
    "resnet_demo": Case(resnet_demo, (1, 28, 28)),
    "resnet_small": Case(resnet_small, (3, 16, 16)),
    "mobilenet_small": Case(mobilenet_small, (3, 32, 32)),
}
HARD = {
    "tied layers": Case(TiedLayers, (12,)),
    "tied table": Case(TiedTable, (6,), words=20),
    "flattened": Case(Flattened, (3, 8, 8)),
    "concatenated": Case(Concatenated, (3, 8, 8)),
    "grouped": Case(Grouped, (3, 8, 8)),
    "buffered": Case(Buffered, (12,)),
    "dropped": Case(Dropped, (12,)),
    "kernels": Case(Kernels, (3, 16, 16)),
    "choices": Case(Choices, (12,)),
}
CASES = REFERENCE | HARD


def whole_of(family: Family, key: str, part: torch.Tensor, config: Config) -> torch.Tensor:
    """Return a zero tensor of full size that holds the part at the member's indices."""
    axes = family.structure.axes[key]
    whole = torch.zeros([axis.full for axis in axes], dtype=part.dtype)
    kept = [torch.arange(axis.full)[axis.indices(config)] for axis in axes]
    whole[torch.meshgrid(*kept, indexing="ij")] = part
    return whole


def snapshot(model: nn.Module) -> dict[str, object]:
    """Return all that an activation could leave behind: which tensor, child and attribute stands where, and values."""
    found: dict[str, object] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        found[f"{path}:children"] = {name: id(child) for name, child in module._modules.items()}
        tensors = {**module._parameters, **module._buffers}
        found[f"{path}:tensors"] = {name: id(tensor) for name, tensor in tensors.items()}
        found[f"{path}:values"] = {
            name: tensor.detach().numpy().tobytes() for name, tensor in tensors.items() if tensor is not None
        }
        plain = {name: value for name, value in vars(module).items() if isinstance(value, bool | int | float | tuple)}
        found[f"{path}:attributes"] = plain
    return found
