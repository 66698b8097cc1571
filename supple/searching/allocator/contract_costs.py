"""The costs that a contract on precision can be about: bytes of weights, and latency measured on a target."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from supple.cost import AnalyticCosts, LatencyMeter, MeasurementStore, open_device
from supple.family import Family
from supple.runtime import backend_for, parse_target
from supple.searching.allocator.contract_config import ContractConfig
from supple.searching.allocator.precision_costs import CostsOf
from supple.space import Config
from supple.trace import ModelInputs
from supple.training import calibration_inputs
from supple.training.task import Task

_EXAMPLES = 2


def weights_bytes_of(family: Family) -> CostsOf:
    """Return what counts the bytes of members' weights, by formulas."""
    costs = AnalyticCosts(family)
    return lambda configs: [float(costs.weights_bytes(config)[0]) for config in configs]


def latency_on(
    family: Family, shape: Config, train: Iterable[Any], contract: ContractConfig, task: Task, stack: ExitStack
) -> CostsOf:
    """Return what measures members on the target, in rounds with the shape in full precision."""
    target = parse_target(contract.target)
    examples = ModelInputs.of(calibration_inputs(train, _EXAMPLES, task)[0]).map(lambda tensor: tensor[:_EXAMPLES])
    emitter = backend_for(target).emitter(family, examples, target)
    device = stack.enter_context(open_device(target))
    store = stack.enter_context(MeasurementStore.opened(None))
    meter = LatencyMeter(emitter, shape, device, store, contract.seconds_per_member)
    return lambda configs: [latency.median_ms for latency in meter.measure_together(configs)]
