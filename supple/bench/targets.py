"""Whether a cut member takes the time of an exported one, and how long each runtime takes to write a member."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import torch

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.overhead_networks import NETWORKS
from supple.bench.timing import Spread, one_thread
from supple.cost.device import open_device
from supple.cost.latency import Effort, Latency
from supple.errors import SuppleError, nearest
from supple.family import Family, convert
from supple.progress import Progress
from supple.runtime import BACKENDS, Format, Program, Runtime, Target, parse_target
from supple.runtime.target_inputs import inputs_for_target
from supple.space import Config
from supple.trace import ModelInputs

NAMES = ("resnet_demo", "mobilenet_small", "vit")
PLACES = ("onnxruntime:cpu", "openvino:cpu", "executorch:xnnpack", "torch:cpu")
LARGEST_RATIO = 1.03

Made = TypeVar("Made")


def run(options: Options, progress: Progress) -> Outcome:
    """Write members for every runtime that is here; measure cut ones next to exported ones, in interleaved rounds.

    Raises `SuppleError` for a model that it does not know.
    """
    rows: list[dict[str, Cell]] = []
    for name in options.models:
        if name not in NETWORKS:
            raise SuppleError(f'There is no network "{name}" ({", ".join(NETWORKS)}){nearest(name, NETWORKS)}')
    names, places = (NAMES[:1], PLACES[:1]) if options.quick else (options.models or NAMES, PLACES)
    targets = targets_here(places)
    progress.start("Writing and measuring members", len(names) * len(targets), "pairs")
    with one_thread():
        for name in names:
            torch.manual_seed(options.seed)
            inputs = ModelInputs.of(NETWORKS[name].draw(2))
            family = convert(NETWORKS[name].build().eval(), inputs)
            for target in targets:
                rows.extend({"network": name, **row} for row in _rows(family, inputs, target, options))
                progress.advance()
    progress.finish()
    ratios = [ratio for row in rows if isinstance(ratio := row.get("ratio"), float)]
    median = Spread.of(ratios).median
    return Outcome(tuple(rows), (Wanted("cut over exported, median of members", median, Bound.AT_MOST, LARGEST_RATIO),))


def targets_here(addresses: Iterable[str]) -> list[Target]:
    """Return those of some targets that this machine has."""
    targets = map(parse_target, addresses)
    return [target for target in targets if BACKENDS[target.runtime].missing(target.device) is None]


def _rows(family: Family, inputs: ModelInputs, target: Target, options: Options) -> Iterator[dict[str, Cell]]:
    backend = BACKENDS[target.runtime]
    emitter, template_seconds = _timed(partial(backend.emitter, family, inputs, target))
    fitting = inputs_for_target(family, inputs, target)
    for label, config in _members(family, options).items():
        exported, export_seconds = _timed(partial(_exported, family, config, fitting, target.runtime))
        row: dict[str, Cell] = {"target": target.place, "member": label, "export_seconds": export_seconds}
        if backend.format is Format.ONNX:
            cut, cut_seconds = _timed(partial(emitter.emit, config))
            effort = Effort(max_seconds=0.5 if options.quick else 20.0, seed=options.seed)
            with open_device(target) as device:
                (latency,) = device.measure(exported, [cut], effort)
            row |= {"template_seconds": template_seconds, "cut_seconds": cut_seconds, **_latency_cells(latency)}
        yield row


def _latency_cells(latency: Latency) -> Mapping[str, Cell]:
    exported_ms = latency.reference_ms or latency.median_ms
    return {
        "exported_ms": exported_ms,
        "cut_ms": Spread(latency.median_ms, latency.lower_quartile_ms, latency.upper_quartile_ms),
        "ratio": latency.median_ms / exported_ms,
        "ratio_interval": f"{latency.low_ms / exported_ms:.3f} to {latency.high_ms / exported_ms:.3f}",
    }


def _members(family: Family, options: Options) -> Mapping[str, Config]:
    members = {"smallest": family.space.min()}
    if not options.quick:
        members |= {"random": family.space.sample(random.Random(options.seed)), "full": family.space.max()}
    return members


def _exported(family: Family, config: Config, inputs: ModelInputs, runtime: Runtime) -> Program:
    return BACKENDS[runtime].export(family.extract(config), inputs)


def _timed(work: Callable[[], Made]) -> tuple[Made, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start
