"""Evaluates members of a quantized family by accuracy, latency in each runtime, and file size; each member once."""

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
from supple.searching.wishes import Direction, Objective, on_target
from supple.space import Config
from supple.training import Classification, calibration_inputs, evaluate_together

TARGETS = ("onnxruntime:cpu?threads=1", "openvino:cpu?threads=1")
LATENCIES = tuple(on_target("latency_ms", str(parse_target(target))) for target in TARGETS)
ACCURACY = "accuracy"
FILE_BYTES = "file_bytes"
OBJECTIVES = (
    Objective(ACCURACY, Direction.MAXIMIZE),
    *(Objective(name, Direction.MINIMIZE) for name in (*LATENCIES, FILE_BYTES)),
)
_TASK = Classification()
_CALIBRATION_IMAGES = 512
_SECONDS = 0.4


@dataclass
class Judge:
    """Knows every member that was evaluated, whichever search asked for it first."""

    family: Family
    splits: Splits
    emitter: Emitter
    meters: Sequence[LatencyMeter]
    known: Mapping[str, KnownFigure]
    _calibration: Sequence[Any]
    _known: dict[Config, Evaluation] = field(default_factory=dict)

    def __call__(self, configs: Sequence[Config]) -> list[Evaluation]:
        """Return the evaluations of members, on the validation images."""
        new = [config for config in dict.fromkeys(configs) if config not in self._known]
        qualities = evaluate_together(self.family, new, self.splits.valid, _TASK, self._calibration) if new else []
        for config, quality in zip(new, qualities, strict=True):
            figures = {ACCURACY: quality, FILE_BYTES: float(len(self.emitter.emit(config).content))}
            for name, meter in zip(LATENCIES, self.meters, strict=True):
                figures[name] = meter.measure(config).median_ms
            self._known[config] = Evaluation(config, figures)
        return [self._known[config] for config in configs]

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
        meters = []
        for address in TARGETS:
            target = parse_target(address)
            emitter = backend_for(target).emitter(family, examples, target, Silent())
            device = stack.enter_context(open_device(target))
            meters.append(LatencyMeter(emitter, family.space.max(), device, store, 0.05 if options.quick else _SECONDS))
        images = 64 if options.quick else _CALIBRATION_IMAGES
        known = counted_figures(family, set(), Silent())
        yield Judge(family, splits, emitter, meters, known, calibration_inputs(splits.train, images, _TASK))
