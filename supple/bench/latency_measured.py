"""Latencies measured here: how well a profile of five minutes predicts members that it has not seen.

A MobileNetV3-like and a ViT family, each on ONNX Runtime and OpenVINO, one thread. The members held out are measured
after the profile, in a process of their own, next to the full network as the profile's were.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.overhead_networks import ViT
from supple.bench.timing import Spread
from supple.cost import Effort, Latency, open_device
from supple.cost.latency_profile import Profile
from supple.cost.predictors import Descriptions, HeldOut, LatencyPredictor
from supple.cost.profiling import profile
from supple.family import Family, convert
from supple.models import mobilenet_small
from supple.progress import Progress
from supple.runtime import BACKENDS, Target, backend_for, parse_target
from supple.space import Config

BUDGET_SECONDS = 300.0
HELD_OUT = 50
REPEATED = 10
PROCESSES = 3
WANTED_ERROR = 0.05
WANTED_TAU = 0.9
WANTED_SPREAD = 0.03
TARGETS = ("onnxruntime:cpu?threads=1", "openvino:cpu?threads=1")
EFFORT = Effort(precision=0.01, min_rounds=15, max_seconds=15.0)
AT_ONCE = 10
QUICK_SECONDS = 1.0
QUICK_MEMBERS = 3
BOTH = "table and regression"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A network, and the shape of its images."""

    name: str
    build: Callable[[], nn.Module]
    image: tuple[int, int, int] = (3, 96, 96)

    def family(self) -> Family:
        """Return the family that it becomes, with random weights."""
        torch.manual_seed(0)
        return convert(self.build().eval(), torch.randn(2, *self.image))


CASES = (
    Case("MobileNetV3-like, 96 px", mobilenet_small),
    Case("ViT, 96 px", lambda: ViT(width=192, depth=4, num_heads=3, positions=36)),
)
QUICK_CASE = Case("ViT, 8 px", lambda: ViT(width=16, depth=2, num_heads=2, positions=4, patch=4), (3, 8, 8))


def run_measured(options: Options, progress: Progress) -> Outcome:
    """Compare the table, the regression and both on members held out."""
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    for case, target in _pairs(options):
        here: dict[str, Cell] = {"part": "measured", "family": case.name, "target": target.place}
        if missing := BACKENDS[target.runtime].missing(target.device):
            rows.append({**here, "method": f"left out: {missing}"})
            continue
        family = case.family()
        found = profile(
            family, torch.randn(2, *case.image), target, QUICK_SECONDS if options.quick else BUDGET_SECONDS, progress
        )
        configs = _drawn(family, QUICK_MEMBERS if options.quick else HELD_OUT, options.seed)
        measured = found.reference_ms * _ratios(case, family, configs, target, progress)[0]
        errors = {method: HeldOut.of(predicted, measured) for method, predicted in _predictions(found, configs)}
        for method, error in errors.items():
            rows.append(
                {
                    **here,
                    "method": method,
                    "operators": 0 if found.table is None else len(found.table.measured),
                    "members": found.predictor.held_out.count,
                    "seconds": round(found.seconds),
                    "latency_ms": Spread.of(measured),
                    "median_error": error.median_error,
                    "error_of_nine_in_ten": error.error_90,
                    "kendall_tau": error.kendall_tau,
                }
            )
        what = f"{case.name}, {target.place}: {BOTH}"
        wanted.append(Wanted(f"{what}, median error", errors[BOTH].median_error, Bound.AT_MOST, WANTED_ERROR))
        wanted.append(Wanted(f"{what}, Kendall's tau", errors[BOTH].kendall_tau, Bound.AT_LEAST, WANTED_TAU))
    return Outcome(tuple(rows), tuple(wanted))


def run_repeated(options: Options, progress: Progress) -> Outcome:
    """Measure the same ten members in several processes, one after another, next to the full network each time."""
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    for case, target in _pairs(options):
        here: dict[str, Cell] = {"part": "repeated", "family": case.name, "target": target.place}
        if missing := BACKENDS[target.runtime].missing(target.device):
            rows.append({**here, "method": f"left out: {missing}"})
            continue
        family = case.family()
        configs = _drawn(family, QUICK_MEMBERS if options.quick else REPEATED, options.seed)
        ratios = _ratios(case, family, configs, target, progress, PROCESSES)
        deviations = np.abs(ratios / np.median(ratios, axis=0) - 1).max(axis=0)
        rows.append(
            {**here, "members": len(configs), "processes": PROCESSES, "largest_deviation": Spread.of(deviations)}
        )
        what = f"{case.name}, {target.place}: largest deviation of a median from that of other processes"
        wanted.append(Wanted(what, float(deviations.max()), Bound.AT_MOST, WANTED_SPREAD))
    return Outcome(tuple(rows), tuple(wanted))


def _pairs(options: Options) -> Iterator[tuple[Case, Target]]:
    targets = [parse_target(address) for address in TARGETS]
    return iter([(QUICK_CASE, targets[0])]) if options.quick else product(CASES, targets)


def _drawn(family: Family, count: int, seed: int) -> list[Config]:
    """Return random members; another generator than that of profiles draws them."""
    rng = random.Random(f"held out {seed}")
    return [family.space.sample(rng) for _ in range(count)]


def _ratios(
    case: Case, family: Family, configs: Sequence[Config], target: Target, progress: Progress, processes: int = 1
) -> Array:
    """Return what members take as shares of what the full network takes, (processes, members)."""
    emitter = backend_for(target).emitter(family, torch.randn(2, *case.image), target, progress)
    reference = emitter.emit(family.space.max())
    programs = [emitter.emit(config) for config in configs]
    progress.start(f"{case.name} on {target.place}: members", processes * len(programs), "members")
    ratios = []
    for _ in range(processes):
        latencies: list[Latency] = []
        with open_device(target) as device:
            for start in range(0, len(programs), AT_ONCE):
                some = programs[start : start + AT_ONCE]
                latencies += device.measure(reference, some, EFFORT, reference_ms=1.0)
                progress.advance(len(some))
        ratios.append([latency.median_ms for latency in latencies])
    progress.finish()
    return np.array(ratios)


def _predictions(found: Profile, configs: Sequence[Config]) -> Iterator[tuple[str, Array]]:
    """Yield what each method says of members: the table, a regression on the profile's own members, and both."""
    if found.table is not None:
        yield "table", found.table.latency_ms(configs)
    known, described = found.predictor.process, found.describe(configs)
    regression = LatencyPredictor.fit(found.target, _without_table(known.columns.reference), known.latency_ms)
    yield "regression", regression.predict(_without_table(described), found.target).latency_ms
    yield BOTH, found.predict(configs, found.target).latency_ms


def _without_table(described: Descriptions) -> Descriptions:
    """Leave the config and the multiply-accumulates, which come first."""
    return Descriptions.of(described.features, described.costs[:, :1])
