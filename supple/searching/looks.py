"""Looks at a part of the data: a guess of members' quality for a part of what an evaluation takes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from supple.searching.networks import Networks
from supple.space import Config
from supple.trace import ModelInputs
from supple.trace.modes import in_mode
from supple.training import evaluate_together


@dataclass(frozen=True)
class Part:
    """Every so many-th batch of some data, from the first or a later one on: the same batches each time."""

    stride: int
    offset: int = 0

    def of(self, batches: Iterable[Any]) -> "PartOfData":
        """Return the part of these data."""
        return PartOfData(batches, self)


class PartOfData:
    """A part of data, to be gone through again and again."""

    def __init__(self, batches: Iterable[Any], part: Part) -> None:
        self._batches = batches
        self._part = part

    def __iter__(self) -> Iterator[Any]:
        return islice(self._batches, self._part.offset, None, self._part.stride)


@dataclass(frozen=True)
class EvaluationSize:
    """How many samples run through a member that is evaluated: those of each batch that judges it, or calibrates it."""

    judging: tuple[int, ...]
    calibrating: tuple[int, ...]

    @classmethod
    def of(cls, networks: Networks) -> "EvaluationSize":
        """Count the samples; the validation data are gone through once for it."""
        with torch.random.fork_rng(devices=[]):
            judging = tuple(networks.task.samples(batch) for batch in networks.valid_data)
        return cls(judging, tuple(len(ModelInputs.of(inputs).tensors[0]) for inputs in networks.calibration))

    @property
    def samples(self) -> int:
        """All of them together."""
        return sum(self.judging) + sum(self.calibrating)

    def part(self, stride: int, number: int) -> Part:
        """Return one of the parts of so many-th batches: another for each number, as far as there are others."""
        return Part(stride, number % max(min(stride, len(self.judging)), 1))

    def share(self, part: Part) -> float:
        """Return how much of an evaluation a look at that part takes."""
        return (sum(part.of(self.judging)) + sum(_few(part).of(self.calibrating))) / self.samples


def look(networks: Networks, configs: Sequence[Config], part: Part) -> list[float]:
    """Return the metric of members on a part of the validation data, their batch norm calibrated on as small a part.

    The family's mode and its calibrations are as before.
    """
    family = networks.family
    # Members of one shape share both.
    shapes = set(map(family.full_precision, configs))
    statistics = {shape: family.statistics[shape] for shape in shapes & family.statistics.keys()}
    ranges = {shape: family.ranges[shape] for shape in shapes & family.ranges.keys()}
    with in_mode(family, training=False):
        calibration = list(_few(part).of(networks.calibration))
        found = evaluate_together(family, configs, part.of(networks.valid_data), networks.task, calibration)
    for shape in shapes:
        family.statistics.pop(shape, None)
        family.ranges.pop(shape, None)
    family.statistics.update(statistics)
    family.ranges.update(ranges)
    return found


def _few(part: Part) -> Part:
    """Return the part for calibration: batches as many apart, but the first always."""
    return Part(part.stride)
