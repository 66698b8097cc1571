"""Evaluates members of a quantized family by accuracy and one cost, latency in a runtime or file size; each once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from supple.bench.form import Options
from supple.cost import LatencyMeter, MeasurementStore, open_device
from supple.data import Splits
from supple.family import Family
from supple.progress import Silent
from supple.runtime import backend_for, parse_target
from supple.runtime.backend import Emitter
from supple.searching.counted import counted_figures
from supple.searching.evaluation import Evaluation
from supple.searching.problem import KnownFigure
from supple.searching.wishes import on_target
from supple.space import Config
from supple.training import Classification, calibration_inputs, evaluate_together

TARGETS = ("onnxruntime:cpu?threads=1", "openvino:cpu?threads=1")
LATENCIES = tuple(on_target("latency_ms", str(parse_target(target))) for target in TARGETS)
ACCURACY = "accuracy"
FILE_BYTES = "file_bytes"
_TASK = Classification()
_CALIBRATION_IMAGES = 512
_SECONDS = 0.4


@dataclass
class Judge:
    """Knows every figure that was measured, whichever search asked for it first."""

    family: Family
    splits: Splits
    emitter: Emitter
    meters: Mapping[str, LatencyMeter]
    known: Mapping[str, KnownFigure]
    _calibration: Sequence[Any]
    _accuracies: dict[Config, float] = field(default_factory=dict)
    _costs: dict[tuple[Config, str], float] = field(default_factory=dict)

    def __call__(self, configs: Sequence[Config], cost: str) -> list[Evaluation]:
        """Return the accuracies of members on the validation images, and one cost of each."""
        new = [config for config in dict.fromkeys(configs) if config not in self._accuracies]
        found = evaluate_together(self.family, new, self.splits.valid, _TASK, self._calibration) if new else []
        self._accuracies |= dict(zip(new, found, strict=True))
        return [
            Evaluation(config, {ACCURACY: self._accuracies[config], cost: self._cost(config, cost)})
            for config in configs
        ]

    def _cost(self, config: Config, cost: str) -> float:
        if (config, cost) not in self._costs:
            self._costs[config, cost] = (
                float(len(self.emitter.emit(config).content))
                if cost == FILE_BYTES
                else self.meters[cost].measure(config).median_ms
            )
        return self._costs[config, cost]

    def tested(self, configs: Sequence[Config]) -> list[float]:
        """Return the accuracies of members on the test images."""
        return evaluate_together(self.family, configs, self.splits.test, _TASK, self._calibration)


@contextmanager
def opened_judge(family: Family, splits: Splits, options: Options) -> Iterator[Judge]:
    """Open what measures; with a folder, measured latencies are kept there."""
    path = None if options.folder is None else options.folder / "latencies.sqlite"
    examples = (splits.example_inputs[0][:2],)
    with ExitStack() as stack:
        store = stack.enter_context(MeasurementStore.opened(path))
        meters = {}
        for name, address in zip(LATENCIES, TARGETS, strict=True):
            target = parse_target(address)
            emitter = backend_for(target).emitter(family, examples, target, Silent())
            device = stack.enter_context(open_device(target))
            seconds = 0.05 if options.quick else _SECONDS
            meters[name] = LatencyMeter(emitter, family.space.max(), device, store, seconds)
        images = 64 if options.quick else _CALIBRATION_IMAGES
        known = counted_figures(family, set(), Silent())
        yield Judge(family, splits, emitter, meters, known, calibration_inputs(splits.train, images, _TASK))
