"""What evaluating a population together takes, next to one member after the other: calibration and validation.

Two families, on the built-in images: the demo's network, and one of MobileNetV3's shape on the same images in three
channels of 32 x 32 pixels. Three populations of 50: random members; the last of some generations of NSGA-II by accuracy
and multiply-accumulates, whose parents a shortly trained family has measured; and neighbours, which differ from one
member in one choice each, as local searches and tables of sensitivity evaluate them. Every number and statistic is
compared with those of one by one.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.timing import Spread, one_thread, time_interleaved
from supple.data import FashionMnistConfig, load_splits
from supple.family import Family, convert
from supple.family.notes import Notes
from supple.family.sharing import SharedRuns
from supple.models import mobilenet_small, resnet_demo
from supple.progress import Progress
from supple.space import Config, Space
from supple.trace import ModelInputs
from supple.training import Classification, TrainConfig, evaluate, evaluate_together, train

BATCH_SIZE = 64
CALIBRATION_IMAGES = 1024
POPULATION = 50
GENERATIONS = 4
EVOLUTION_BATCHES = 4
ROUNDS = 3
TARGET = 2.0
TASK = Classification()

Batches = list[tuple[Tensor, Tensor]]


def _as_they_are(images: Tensor) -> Tensor:
    return images


def _in_colour(images: Tensor) -> Tensor:
    """Map images (batch, 1, 28, 28) to (batch, 3, 32, 32)."""
    return functional.pad(images, (2, 2, 2, 2)).repeat(1, 3, 1, 1)


NETWORKS: Mapping[str, tuple[Callable[[], nn.Module], Callable[[Tensor], Tensor]]] = {
    "resnet_demo": (resnet_demo, _as_they_are),
    "mobilenet_small": (mobilenet_small, _in_colour),
}


@dataclass(frozen=True)
class _Subject:
    """A family, and what its members are calibrated and validated on."""

    family: Family
    calibrating: list[Tensor]
    validating: Batches

    def one_by_one(self, configs: Sequence[Config]) -> list[float]:
        return [evaluate(self.family, config, self.validating, TASK, self.calibrating) for config in configs]

    def together(self, configs: Sequence[Config]) -> list[float]:
        return evaluate_together(self.family, configs, self.validating, TASK, self.calibrating)


def run(options: Options, progress: Progress) -> Outcome:
    """Time both ways, in turns, for each family and population."""
    rows: list[dict[str, Cell]] = []
    with one_thread():
        for network, (build, change) in NETWORKS.items():
            subject = _subject(build, change, options, progress)
            rows.extend({"network": network, **row} for row in _rows(subject, options, progress))
    wanted = [
        Wanted(f"{row['network']}, {row['population']}: times as fast", cell.median, Bound.AT_LEAST, TARGET)
        for row in rows
        if isinstance(cell := row["times_as_fast"], Spread)
    ]
    equal = Wanted("members whose results differ", sum(int(str(row["different"])) for row in rows), Bound.AT_MOST, 0)
    return Outcome(tuple(rows), (*wanted, equal))


def _subject(
    build: Callable[[], nn.Module], change: Callable[[Tensor], Tensor], options: Options, progress: Progress
) -> _Subject:
    torch.manual_seed(options.seed)
    splits = load_splits(FashionMnistConfig(), BATCH_SIZE, options.seed)
    training = [(change(images), labels) for images, labels in splits.train]
    validating = [(change(images), labels) for images, labels in splits.valid]
    family = convert(build(), change(splits.example_inputs[0]))
    if options.quick:
        training, validating = training[:2], [(images[:8], labels[:8]) for images, labels in validating[:3]]
    else:
        settings = TrainConfig(epochs=1, seed=options.seed)
        train(family, training, validating[:EVOLUTION_BATCHES], settings, progress=progress)
    calibrating = [images for images, _ in training[: CALIBRATION_IMAGES // BATCH_SIZE]]
    return _Subject(family, [images[:8] for images in calibrating] if options.quick else calibrating, validating)


def _rows(subject: _Subject, options: Options, progress: Progress) -> Iterator[dict[str, Cell]]:
    count = 4 if options.quick else POPULATION
    space, rng = subject.family.space, random.Random(options.seed)
    populations = {
        "random": _distinct(space.sample(rng) for _ in range(2 * count))[:count],
        f"generation {GENERATIONS} of NSGA-II": _evolved(subject, count, options),
        "neighbours": _neighbours(space, count, rng),
    }
    progress.start(f"Evaluating {type(subject.family.model).__name__}", len(populations), "populations")
    for name, configs in populations.items():
        tasks = {"one by one": partial(subject.one_by_one, configs), "together": partial(subject.together, configs)}
        different = _different(subject, configs)
        timings = time_interleaved(tasks, 1 if options.quick else ROUNDS, options.seed, warm_up_rounds=0)
        yield {
            "population": name,
            "members": len(configs),
            "one_by_one_ms": timings.spread("one by one"),
            "together_ms": timings.spread("together"),
            "times_as_fast": timings.ratio("one by one", "together"),
            "operators_saved": _saved(subject, configs),
            "different": different,
        }
        progress.advance()
    progress.finish()


def _different(subject: _Subject, configs: Sequence[Config]) -> int:
    """Return how many members have another number or another statistic together than one by one."""
    family = subject.family
    expected = subject.one_by_one(configs)
    statistics = dict(family.statistics)
    found = subject.together(configs)
    return sum(
        number != other
        or any(
            not torch.equal(buffer, family.statistics[config][key])
            for key, buffer in statistics.get(config, {}).items()
        )
        for config, number, other in zip(configs, expected, found, strict=True)
    )


def _saved(subject: _Subject, configs: Sequence[Config]) -> float:
    """Return the share of the operators of a pass that do not run, because another member's serve."""
    runs = SharedRuns(subject.family.activate, _plainly, configs)
    with torch.inference_mode():
        for _ in runs.run([(None, ModelInputs.of(subject.validating[0][0]))]):
            pass
    shared, alone = runs.operators
    return 1 - shared / alone


def _plainly(config: Config, member: nn.Module, batch: ModelInputs, notes: Notes) -> Any:
    return batch.run(member)


def _neighbours(space: Space, count: int, rng: random.Random) -> list[Config]:
    """Return the largest member, and others that differ from it in one choice."""
    largest = space.max()
    others = [space.config({**largest, entry.name: value}) for entry in space.dimensions for value in entry.values[:-1]]
    return [largest, *rng.sample(others, count - 1)]


def _evolved(subject: _Subject, count: int, options: Options) -> list[Config]:
    """Return the last generation of NSGA-II, by accuracy on a few batches and multiply-accumulates."""
    import optuna

    family, space = subject.family, subject.family.space
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.NSGAIISampler(population_size=count, seed=options.seed)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    indices: dict[str, optuna.distributions.BaseDistribution] = {
        entry.name: optuna.distributions.IntDistribution(0, len(entry.values) - 1) for entry in space.dimensions
    }
    generation: list[Config] = []
    for _ in range(GENERATIONS):
        generation = []
        trials = [study.ask(indices) for _ in range(count)]
        for trial in trials:
            values = {entry.name: entry.values[trial.params[entry.name]] for entry in space.dimensions}
            generation.append(space.config(values))
        data = subject.validating[:EVOLUTION_BATCHES]
        accuracies = evaluate_together(family, generation, data, TASK, subject.calibrating[:EVOLUTION_BATCHES])
        for trial, config, accuracy in zip(trials, generation, accuracies, strict=True):
            study.tell(trial, [accuracy, float(family.count_macs(config))])
    return _distinct(generation)


def _distinct(configs: Iterator[Config] | Sequence[Config]) -> list[Config]:
    return list(dict.fromkeys(configs))
