"""Evaluating members: quality on the validation split, figures on every target, and what formulas and callers tell."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from supple.cost import (
    Latency,
    LatencyMeter,
    MeasurementFailed,
    MeasurementStore,
    MeasuringDevice,
    NoCounter,
    open_device,
)
from supple.errors import SuppleError
from supple.progress import Progress
from supple.runtime import backend_for, parse_target
from supple.runtime.backend import Emitter
from supple.searching.evaluation import Evaluation, Failure, Outcome
from supple.searching.ledger import Ledger
from supple.searching.networks import Networks
from supple.searching.problem import Problem
from supple.searching.target_check import check_resolution
from supple.searching.wishes import on_target
from supple.space import Config
from supple.trace import ModelInputs

LATENCY = "latency_ms"
ENERGY = "energy_mj"
FILE = "file_bytes"
MEASURED = (LATENCY, ENERGY, FILE)
"""The figures that every target has its own of."""
EXAMPLES = 2

Qualities = Callable[[Sequence[Config]], Sequence[float | Failure]]
"""Returns the quality of each member, evaluated together, or why it has none."""

Measure = Callable[[Config], float]
"""Measures a figure of a member's; it may take time."""


@dataclass(frozen=True)
class TargetMeter:
    """Measures members on one target: latency always; `wanted` are the names of the other figures."""

    address: str
    device: MeasuringDevice
    emitter: Emitter
    latency: LatencyMeter
    wanted: frozenset[str]

    def figures(self, config: Config) -> tuple[dict[str, float], Latency]:
        """Return what was measured, by full name. Raises `MeasurementFailed` where the device cannot tell."""
        latency = self.latency.measure(config)
        found = {on_target(LATENCY, self.address): latency.median_ms}
        if FILE in self.wanted:
            found[on_target(FILE, self.address)] = float(self.latency.file_bytes(config))
        if ENERGY in self.wanted:
            energy = self.device.measure_energy([self.emitter.emit(config)])
            if isinstance(energy, NoCounter):
                raise SuppleError(f'Energy cannot be measured on "{self.address}": {energy.reason}')
            found[on_target(ENERGY, self.address)] = energy[0].median_mj
        return found, latency


def wanted_on(address: str, problem: Problem) -> frozenset[str]:
    """Return the names of the figures, besides latency, that a problem wants of a target."""
    return frozenset(name for name in (ENERGY, FILE) if on_target(name, address) in problem.figures)


@contextmanager
def opened_meters(
    networks: Networks,
    wanted: Mapping[str, frozenset[str]],
    store: MeasurementStore,
    seconds_per_latency: float,
    progress: Progress,
) -> Iterator[list[TargetMeter]]:
    """Open what measures on each target; `wanted` says of each what is measured besides latency.

    Raises `SuppleError` for a target that this machine lacks, or that measures at another resolution than the data's.
    """
    family = networks.family
    inputs = ModelInputs.of(networks.calibration[0])
    with ExitStack() as stack:
        meters = []
        for address, names in wanted.items():
            target = parse_target(address)
            check_resolution(target, inputs.tensors[0])
            examples = inputs.map(lambda tensor: tensor[:EXAMPLES])
            emitter = backend_for(target).emitter(family, examples, target, progress)
            device = stack.enter_context(open_device(target))
            latency = LatencyMeter(emitter, family.space.max(), device, store, seconds_per_latency)
            meters.append(TargetMeter(address, device, emitter, latency, names))
        yield meters


@dataclass(frozen=True)
class Judge:
    """Evaluates members, one round after another: what formulas tell, what is measured, and their quality.

    `metric` is the name of the quality; the ledger keeps it as soon as it is known, for measuring the rest takes long.
    A figure that is not finite is no figure: such a member fails, with the reason.
    """

    problem: Problem
    ledger: Ledger
    metric: str = ""
    qualities: Qualities | None = None
    measures: Mapping[str, Measure] = field(default_factory=dict)
    meters: Sequence[TargetMeter] = ()

    def __call__(self, configs: Sequence[Config]) -> Iterator[Outcome]:
        """Yield what came of each member, in their order."""
        if not configs:
            return
        known = self.problem.known_figures(self.problem.values(configs))
        qualities = self._qualities_of(configs)
        for index, config in enumerate(configs):
            figures = {name: float(column[index]) for name, column in known.items()}
            quality = qualities.get(config)
            if isinstance(quality, Failure):
                yield quality
                continue
            yield self._outcome(config, figures if quality is None else figures | {self.metric: quality})

    def _qualities_of(self, configs: Sequence[Config]) -> dict[Config, float | Failure]:
        if self.qualities is None:
            return {}
        found: dict[Config, float | Failure] = {**self.ledger.qualities(configs)}
        new = [config for config in configs if config not in found]
        if new:
            answers = dict(zip(new, self.qualities(new), strict=True))
            numbers = {config: float(answer) for config, answer in answers.items() if not isinstance(answer, Failure)}
            self.ledger.note_qualities({config: value for config, value in numbers.items() if math.isfinite(value)})
            found |= answers
        return found

    def _outcome(self, config: Config, figures: dict[str, float]) -> Outcome:
        latencies: dict[str, Latency] = {}
        try:
            for meter in self.meters:
                measured, latencies[meter.address] = meter.figures(config)
                figures |= measured
        except MeasurementFailed as error:
            return Failure(config, str(error))
        figures |= {name: float(measure(config)) for name, measure in self.measures.items()}
        if bad := [name for name, value in figures.items() if not math.isfinite(value)]:
            return Failure(config, f"Its {bad[0]} is {figures[bad[0]]}.")
        return Evaluation(config, figures, latencies)
