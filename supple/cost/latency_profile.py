"""A profile: what is known of a family's latency on one target, measured there; saved, and refused elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from supple.cost.describing import Describer
from supple.cost.device import MeasuringDevice
from supple.cost.operator_table import OperatorTable
from supple.cost.predictors import FittedTarget, LatencyPredictor, Predictions
from supple.space import Config, Space


def fitted_target(device: MeasuringDevice) -> FittedTarget:
    """Return what a profile must have been measured on to be used for this device."""
    runtime = f"{device.target.runtime} {device.runtime_version}"
    return FittedTarget(str(device.target), f"{device.machine.summary()}, {runtime}")


@dataclass(frozen=True)
class Profile:
    """Predicts what members of one family take on one target.

    The `predictor` knows the operator table, where there is one (`describe.table`), the config and analytic costs.
    `reason` says why there is no table. `reference_ms` is what the full network took: all latencies are as if it always
    did. `seconds` is how long profiling took.
    """

    describe: Describer
    predictor: LatencyPredictor
    reference_ms: float
    seconds: float
    reason: str | None = None

    @property
    def space(self) -> Space:
        """The space of the family that it is of."""
        return self.describe.space

    @property
    def table(self) -> OperatorTable | None:
        """What each operator takes, where the operators could be told."""
        return self.describe.table

    @property
    def target(self) -> FittedTarget:
        """What the profile was measured on."""
        return self.predictor.target

    def predict(self, configs: Sequence[Config], target: FittedTarget) -> Predictions:
        """Predict the latencies of members on a target, in ms, with intervals.

        Raises `SuppleError`, naming both, where the profile was made on another target or machine, or for another
        space.
        """
        return self.predictor.predict(self.describe(configs), target)
