"""Evaluating members again and again on the same data: what is calibrated for one, others of its shape have as well."""

from collections.abc import Iterable, Sequence
from typing import Any

from supple.family import Family
from supple.space import Config
from supple.trace import Inputs
from supple.training.evaluating_together import evaluate_together
from supple.training.task import Task


class Evaluator:
    """Returns the metric of members, as `evaluate_together` does, and remembers which shapes it has calibrated.

    The data, the calibration inputs and the family's weights must stay the same. Members of one shape differ in the
    precision of their layers alone, and share batch-norm statistics and the ranges of activations.
    """

    def __init__(self, family: Family, data: Iterable[Any], task: Task, calibration_inputs: Sequence[Inputs]) -> None:
        self._family = family
        self._data = data
        self._task = task
        self._calibration_inputs = calibration_inputs
        # The very objects that the family got: where it has others by now, somebody else has calibrated it.
        self._made: dict[Config, tuple[object, object]] = {}

    def __call__(self, configs: Sequence[Config]) -> list[float]:
        """Return the metric of members, in their order. Raises `SuppleError` as `evaluate_together` does."""
        found = evaluate_together(
            self._family, configs, self._data, self._task, self._calibration_inputs, self._is_calibrated
        )
        for shape in map(self._family.full_precision, configs):
            self._made[shape] = self._calibration_of(shape)
        return found

    def _is_calibrated(self, config: Config) -> bool:
        shape, quantization = self._family.full_precision(config), self._family.quantization
        if shape not in self._made:
            return False
        made, held = self._made[shape], self._calibration_of(shape)
        if made[0] is not held[0] or made[1] is not held[1]:
            return False
        return quantization is None or not quantization.needs_ranges(config) or made[1] is not None

    def _calibration_of(self, shape: Config) -> tuple[object, object]:
        return self._family.statistics.get(shape), self._family.ranges.get(shape)
