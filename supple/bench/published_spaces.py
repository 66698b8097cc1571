"""Published networks as spaces: what a search would learn of each member, known before it starts.

Once-for-all's MobileNetV3 of width 1.0 (Cai et al., Once-for-All: Train One Network and Specialize it for Efficient
Deployment, 2020) at 224 pixels: 2 * 10^19 members, of which 2,162 were evaluated on ImageNet (IntelLabs, DyNAS-T), and
an oracle for all the others. NAS-Bench-Macro (Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree
Search, 2021): 6,561 members, each trained on CIFAR-10 three times.

Arrays of configs are as in `supple.cost.config_arrays`: the values, (configs, dimensions).
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supple.bench.latency_costs import Array, Integers, ofa_costs, ofa_parameters
from supple.bench.latency_tables import FOLDER, TablesMissingError
from supple.cost.config_arrays import configs_of, positions_of, values_of
from supple.space import Condition, Config, Dimension, Kind, Space

RESOLUTION = 224

_UNITS, _BLOCKS = 5, 4
_KERNELS, _EXPANDS, _DEPTHS = (3, 5, 7), (3, 4, 6), (2, 3, 4)
_RESOLUTIONS = range(112, 225, 16)
_OPTIONS = 3
_MACRO_BLOCKS = 8


@dataclass(frozen=True)
class PublishedTable:
    """Distinct members of a space and what is known of each: arrays of (members,), values (members, dimensions).

    `top1_percent` is the mean of several evaluations where there are several; `macs` and `parameters` are free.
    """

    space: Space
    values: Integers
    top1_percent: Array
    macs: Integers
    parameters: Integers

    def __len__(self) -> int:
        return len(self.values)

    @property
    def free(self) -> Array:
        """What is known of members without evaluating them, (members, 2): the logarithms of MACs and parameters."""
        return np.log(np.stack([self.macs, self.parameters], axis=1))

    @cached_property
    def configs(self) -> tuple[Config, ...]:
        """The configs of the members, in their order."""
        return tuple(configs_of(self.space, self.values))

    @cached_property
    def rows(self) -> Mapping[Config, int]:
        """The position of each member."""
        return {config: row for row, config in enumerate(self.configs)}


@dataclass(frozen=True)
class OfaOracle:
    """Predicts the top-1 accuracy of every member: once-for-all's own predictor, 5.9 points above ImageNet's.

    `layers` are the weights and biases of a network with rectified linear units between them.
    """

    space: Space
    layers: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]

    def __call__(self, config: Config) -> float:
        """Return the top-1 accuracy of one member in percent. Raises `SuppleError` for a config of another space."""
        return float(self.top1_percent(values_of(self.space, [config]))[0])

    def top1_percent(self, values: NDArray[Any]) -> Array:
        """Return the top-1 accuracies (configs,) in percent. Raises `SuppleError` for values that are not the space's.

        A member's is the same, bit for bit, whatever others are asked for beside it only where their number is the
        same: a product of matrices adds up in an order that depends on their sizes.
        """
        hidden = _one_hot(self.space, values)
        for number, (weight, bias) in enumerate(self.layers):
            hidden = (np.maximum(hidden, 0) if number else hidden) @ weight.T + bias
        return 100.0 * hidden[:, 0].astype(np.float64)


def ofa_space() -> Space:
    """Return the space of OFA-MobileNetV3: 5 units of 2 to 4 blocks, each with a kernel size and an expansion."""
    dimensions = []
    for unit in range(_UNITS):
        depth = f"unit{unit}.depth"
        dimensions.append(Dimension(depth, Kind.DEPTH, _DEPTHS))
        for block in range(_BLOCKS):
            there = (Condition(depth, at_least=block + 1),) if block >= min(_DEPTHS) else ()
            name = f"unit{unit}.block{block}"
            dimensions.append(Dimension(f"{name}.kernel", Kind.KERNEL, _KERNELS, there))
            dimensions.append(Dimension(f"{name}.expand", Kind.HIDDEN, _EXPANDS, there))
    return Space(dimensions)


def ofa_table(folder: Path = FOLDER) -> PublishedTable:
    """Return the members that were evaluated on ImageNet. Raises `TablesMissingError` where the table is absent."""
    rows = _rows(folder / "ofa_mbv3_imagenet.csv")
    kernels, expands, depths = (
        np.array([[int(number) for number in row[name].split()] for row in rows])
        for name in ("kernel_sizes", "expand_ratios", "depths")
    )
    space = ofa_space()
    values = np.concatenate(
        [
            depths[:, :, None],
            np.stack([kernels, expands], axis=2).reshape(len(rows), _UNITS, 2 * _BLOCKS),
        ],
        axis=2,
    ).reshape(len(rows), len(space))
    return _distinct(space, values, [float(row["top1_percent"]) for row in rows], rows)


def ofa_free_costs(values: NDArray[Any]) -> Integers:
    """Return the MACs of one image of 224 pixels and the parameters of members of `ofa_space`, (configs, 2): exact."""
    kernels, expands, depths = _shape(values)
    macs = ofa_costs(kernels, expands, depths, np.full(len(depths), RESOLUTION))[:, 0]
    return np.stack([macs.astype(np.int64), ofa_parameters(kernels, expands, depths)], axis=1)


def ofa_oracle(folder: Path = FOLDER) -> OfaOracle:
    """Return the oracle of `ofa_space`. Raises `TablesMissingError` where its weights are absent."""
    path = folder / "ofa_mbv3_accuracy_predictor.npz"
    if not path.exists():
        raise TablesMissingError(path)
    with np.load(path, allow_pickle=False) as content:
        layers = [(content[f"{number}.weight"], content[f"{number}.bias"]) for number in (0, 2, 4, 6)]
    return OfaOracle(ofa_space(), layers)


def macro_space() -> Space:
    """Return the space of NAS-Bench-Macro: one of three options for each of 8 blocks.

    Option 0 is the largest, as in every family: kernel 5 and expansion 6. Option 1 has kernel 3 and expansion 3; option
    2 is the identity.
    """
    return Space(Dimension(f"block{block}", Kind.OPERATOR, (2, 1, 0)) for block in range(_MACRO_BLOCKS))


def macro_table(folder: Path = FOLDER) -> PublishedTable:
    """Return all members of `macro_space`, trained on CIFAR-10: means of three seeds.

    Raises `TablesMissingError` where the table is absent.
    """
    rows = _rows(folder / "nasbench_macro_cifar10.csv")
    values = np.array([[_OPTIONS - 1 - int(digit) for digit in row["blocks"]] for row in rows])
    accuracies = [sum(float(row[f"acc_seed{seed}"]) for seed in range(3)) / 3 for row in rows]
    return _distinct(macro_space(), values, accuracies, rows)


def _distinct(
    space: Space, values: Integers, top1_percent: Iterable[float], rows: Sequence[Mapping[str, str]]
) -> PublishedTable:
    """Return a table of distinct members in the order in which they come first, with means of their accuracies."""
    proper = values_of(space, configs_of(space, values))
    _, first, member = np.unique(proper, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    accuracies = np.bincount(member, weights=np.asarray(list(top1_percent))) / np.bincount(member)
    chosen = first[order]
    macs, parameters = (np.array([int(rows[row][name]) for row in chosen]) for name in ("macs", "params"))
    return PublishedTable(space, proper[chosen], accuracies[order], macs, parameters)


def _shape(values: NDArray[Any]) -> tuple[Integers, Integers, Integers]:
    """Return kernel sizes and expansions (configs, 20), and depths (configs, 5), of values of `ofa_space`."""
    units = np.asarray(values, np.int64).reshape(-1, _UNITS, 1 + 2 * _BLOCKS)
    blocks = units[:, :, 1:].reshape(len(units), _UNITS * _BLOCKS, 2)
    return blocks[:, :, 0], blocks[:, :, 1], units[:, :, 0]


def _one_hot(space: Space, values: NDArray[Any]) -> NDArray[np.float32]:
    """Return what the oracle reads: kernels, then expansions of the blocks that are there, then the resolution."""
    kernels, expands, _ = _shape(np.stack(positions_of(space, values), axis=1))
    depths = _shape(values)[2]
    there = (np.arange(_BLOCKS) < depths[:, :, None]).reshape(len(depths), -1, 1)
    columns = [(choice[:, :, None] == np.arange(3)) & there for choice in (kernels, expands)]
    resolution = np.tile(np.equal(_RESOLUTIONS, RESOLUTION), (len(depths), 1))
    flat = [column.reshape(len(depths), -1) for column in columns]
    return np.concatenate([*flat, resolution], axis=1).astype(np.float32)


def _rows(path: Path) -> list[Mapping[str, str]]:
    if not path.exists():
        raise TablesMissingError(path)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
