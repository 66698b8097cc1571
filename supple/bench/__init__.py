"""The catalogue of benchmarks: one line each. `python -m supple.bench NAME` runs one; none is imported before."""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supple.errors import SuppleError, nearest

if TYPE_CHECKING:
    from supple.bench.form import Benchmark


@dataclass(frozen=True)
class Entry:
    """Where a benchmark is (a module with `run`), what it shows in one line, and which options it takes."""

    module: str
    shows: str
    takes_models: bool = False
    takes_folders: bool = False


CATALOGUE = {
    "convert": Entry(
        "supple.bench.convert", "which models become families, how small their members get, in what time", True
    ),
    "overhead": Entry(
        "supple.bench.overhead", "what a member costs inside its family, against the same member taken out"
    ),
    "calibration": Entry(
        "supple.bench.calibration", "what calibrating a member costs, next to one pass over the images"
    ),
    "evaluation": Entry(
        "supple.bench.evaluation", "what evaluating a population together takes, next to one member after the other"
    ),
    "order": Entry("supple.bench.order", "members of trained networks with and without an order of importance"),
    "train": Entry(
        "supple.bench.train", "which scheme trains a family best, next to the same networks trained alone", True, True
    ),
    "train-longer": Entry(
        "supple.bench.train_longer", "how close members of a family come to the same networks alone in time", True, True
    ),
    "training-precision": Entry(
        "supple.bench.training_precision", "training steps in bf16 on this CPU, next to the same steps in fp32", True
    ),
    "precision": Entry(
        "supple.bench.precision", "shape and precision searched together, next to one after the other", True, True
    ),
    "rounding": Entry("supple.bench.rounding", "quantized networks with and without each way to round better", True),
    "latency": Entry(
        "supple.bench.latency", "how well latencies are predicted from few measurements, on published tables", True
    ),
    "costs": Entry("supple.bench.costs", "how many members' costs are counted per second by formulas, and how truly"),
    "targets": Entry(
        "supple.bench.targets",
        "whether cut members take the time of exported ones, and what writing a member takes",
        True,
    ),
    "allocator": Entry(
        "supple.bench.allocator", "exact allocations: their time, and bit policies next to those of evolution"
    ),
    "search": Entry(
        "supple.bench.search", "how few evaluations each searcher needs, on published tables and oracles", True, True
    ),
    "search-networks": Entry(
        "supple.bench.search_networks", "searchers that look at gradients or part of the data, next to others"
    ),
    "predictors": Entry(
        "supple.bench.predictors", "how well accuracies are predicted from few evaluations, on published tables"
    ),
    "processes": Entry("supple.bench.processes", "what two processes on CPUs pay to train together, per step"),
}


def find(name: str) -> "Benchmark":
    """Import a benchmark. Raises `SuppleError`, with the nearest name, where there is none of that name."""
    if name not in CATALOGUE:
        raise SuppleError(
            f'There is no benchmark "{name}"{nearest(name, CATALOGUE) or "."} `python -m supple.bench` lists them.'
        )
    run: Benchmark = importlib.import_module(CATALOGUE[name].module).run
    return run
