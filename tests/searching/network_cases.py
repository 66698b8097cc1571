"""Small networks with data, as searchers look at them."""

import copy
from collections.abc import Mapping
from functools import cache

import torch
from torch import nn

from supple import Family, convert
from supple.bench.overhead_networks import ViT
from supple.family.quantized.config import QuantizationConfig
from supple.family.quantized.quantizing import quantize
from supple.models import MobileNet, ResNet
from supple.progress import Silent
from supple.searching.counted import counted_figures
from supple.searching.networks import Networks
from supple.searching.problem import KnownFigure, Problem
from supple.searching.wishes import Constraint, Direction, Objective
from supple.training import Classification

ACCURACY = Objective("accuracy", Direction.MAXIMIZE)
MACS = Objective("macs", Direction.MINIMIZE)


def small_resnet() -> tuple[nn.Module, torch.Tensor]:
    """Return a residual network of two stages, and example inputs."""
    return ResNet(1, 4, 8, (16, 16), (2, 2)), torch.randn(2, 1, 8, 8)


def small_mobilenet() -> tuple[nn.Module, torch.Tensor]:
    """Return a network of inverted residuals with gates and kernels of 5, and example inputs."""
    return MobileNet(1, 4, 8, ((8, 2, 3, 2), (16, 2, 5, 2)), 2, 32), torch.randn(2, 1, 16, 16)


def small_vit() -> tuple[nn.Module, torch.Tensor]:
    """Return a vision transformer of two blocks, and example inputs."""
    return ViT(width=32, depth=2, num_heads=4, positions=4, in_channels=1, patch=4), torch.randn(2, 1, 8, 8)


NETWORKS = {"resnet": small_resnet, "mobilenet": small_mobilenet, "vit": small_vit}


def family_of(name: str, seed: int = 0) -> Family:
    """Return a family of one of the networks, in eval mode, with weights by the seed."""
    return copy.deepcopy(_converted(name, seed))


@cache
def _converted(name: str, seed: int) -> Family:
    torch.manual_seed(seed)
    model, inputs = NETWORKS[name]()
    return convert(model, inputs).eval()


def quantized_family(config: QuantizationConfig = QuantizationConfig()) -> Family:
    """Return the residual network's family with a dimension of precision for each layer."""
    return quantize(family_of("resnet"), config).eval()


def images(family: Family, count: int, size: int = 8, seed: int = 1) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return batches of eight images of noise, brighter by class."""
    generator = torch.Generator().manual_seed(seed)
    shape = family.structure.inputs.zeros("cpu").tensors[0].shape[1:]
    labels = torch.randint(4, (count, size), generator=generator)
    noise = torch.randn(count, size, *shape, generator=generator)
    return [(x + y.view(-1, *(1 for _ in shape)), y) for x, y in zip(noise, labels, strict=True)]


def problem_of(
    family: Family, objectives: tuple[Objective, ...] = (ACCURACY, MACS), constraints: tuple[Constraint, ...] = ()
) -> Problem:
    """Return the search of a family by accuracy and multiply-accumulates, on little data."""
    data = images(family, 8)
    networks = Networks.of(family, data[:4], data[4:], Classification(), 16)
    known = _known(family.structure.to_json(), family)
    return Problem(family.space, objectives, constraints, known, networks)


_FIGURES: dict[str, Mapping[str, KnownFigure]] = {}


def _known(structure: str, family: Family) -> Mapping[str, KnownFigure]:
    # Families of one structure have the same figures, which take seconds to work out.
    if structure not in _FIGURES:
        _FIGURES[structure] = counted_figures(family, set(), Silent())
    return _FIGURES[structure]
