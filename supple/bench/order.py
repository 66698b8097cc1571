"""What an order of importance is worth: members of trained networks, with and without it, before any more training.

Every dimension but the depths is at 75 % or 50 %, and each member's batch norm is calibrated. The networks: the one of
the demo, trained here on the built-in images, and EfficientNet-Lite0 with ImageNet weights, where its packages are
installed. Twenty photographs say little by their accuracy; the divergence from the full network says more.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.imagenet import efficientnet_lite0, photographs
from supple.bench.timing import Spread, one_thread
from supple.data import FashionMnistConfig, load_splits
from supple.errors import SuppleError
from supple.family import Family, ImportanceMethod, OrderConfig, convert, order
from supple.models import resnet_demo
from supple.progress import Progress
from supple.space import Config, Dimension, Kind, Space

WIDTHS = (0.75, 0.5)
UNORDERED = "none"
# Three networks from three seeds: one alone may be lucky.
TRAINED_NETWORKS = 3
EPOCHS = 3
BATCH_SIZE = 64
LEARNING_RATE = 3e-3
BATCHES = 16

Data = Sequence[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Subject:
    """A trained network's family, the data that order it, the inputs that calibrate it, and the data that test it."""

    family: Family
    ordering: Data
    calibrating: Sequence[torch.Tensor]
    testing: Data


def run(options: Options, progress: Progress) -> Outcome:
    """Compare the members of unordered and ordered networks, by every method."""
    rows: list[dict[str, Cell]] = []
    with one_thread():
        found = [
            dict(_measured(_trained_here(options, options.seed + number), progress, "resnet_demo"))
            for number in range(1 if options.quick else TRAINED_NETWORKS)
        ]
        rows.extend(_rows("resnet_demo", found))
        try:
            # A quick run shows the form, which the first network does.
            subject = None if options.quick else _pretrained(options.seed)
        except SuppleError as error:
            rows.append({"network": "tf_efficientnet_lite0", "order": f"left out: {error}"})
        else:
            if subject is not None:
                rows.extend(
                    _rows("tf_efficientnet_lite0", [dict(_measured(subject, progress, "tf_efficientnet_lite0"))])
                )
    return Outcome(tuple(rows), tuple(_wanted(rows)))


def _rows(network: str, found: Sequence[Mapping[tuple[str, float], Mapping[str, float]]]) -> Iterator[dict[str, Cell]]:
    """Yield a row for each order and width, with the spread over networks where there are several."""
    for key in found[0]:
        cells: dict[str, Cell] = {}
        for column in found[0][key]:
            spread = Spread.of(measures[key][column] for measures in found)
            cells[column] = spread if len(found) > 1 else spread.median
        yield {"network": network, "order": key[0], "width": f"{key[1]:.0%}", **cells}


def _wanted(rows: Sequence[Mapping[str, Cell]]) -> Iterator[Wanted]:
    """Yield, for each network and width: how far the default order is from the full network, next to no order."""
    method = OrderConfig().method
    distances = {
        (row["network"], row["width"], row["order"]): cell.median if isinstance(cell, Spread) else float(cell)
        for row in rows
        if (cell := row.get("divergence_from_full")) is not None
    }
    for (network, width, name), unordered in distances.items():
        if name == UNORDERED and unordered > 0:
            ratio = distances[network, width, str(method)] / unordered
            yield Wanted(f"{network} at {width}: divergence, {method} order to none", ratio, Bound.AT_MOST, 1.0)


def _measured(
    subject: Subject, progress: Progress, network: str
) -> Iterator[tuple[tuple[str, float], dict[str, float]]]:
    """Yield the measures of the members of one network, by order and width."""
    expected = _logits(subject.family, subject.family.space.max(), subject.testing)
    labels = torch.cat([labels for _, labels in subject.testing])
    full = {"parameters_share": 1.0, **_compared(expected, expected, labels)}
    yield (UNORDERED, 1.0), full
    methods: list[ImportanceMethod | None] = [None, *ImportanceMethod]
    progress.start(f"Members of {network}", len(methods) * len(WIDTHS), "members")
    for method in methods:
        family = copy.deepcopy(subject.family)
        if method is not None:
            family = order(family, OrderConfig(method, by_depth=False), subject.ordering)
        for width in WIDTHS:
            config = narrowed(family.space, width)
            family.calibrate(config, subject.calibrating)
            logits = _logits(family, config, subject.testing)
            measures = {"parameters_share": _share(family, config), **_compared(logits, expected, labels)}
            yield (UNORDERED if method is None else str(method), width), measures
            progress.advance()
    progress.finish()


def narrowed(space: Space, share: float) -> Config:
    """Return the config in which everything but the depths has the value nearest to a share of its largest."""
    return space.config(
        {
            entry.name: _nearest(entry, share * entry.largest)
            for entry in space.dimensions
            if entry.kind in (Kind.WIDTH, Kind.HIDDEN, Kind.HEADS, Kind.EMBED)
        }
    )


def _nearest(dimension: Dimension, size: float) -> int:
    return min(dimension.values, key=lambda value: abs(value - size))


def _share(family: Family, config: Config) -> float:
    return family.count_parameters(config) / family.count_parameters(family.space.max())


def _logits(family: Family, config: Config, data: Data) -> torch.Tensor:
    with torch.no_grad(), family.activate(config) as member:
        return torch.cat([member(inputs) for inputs, _ in data])


def _compared(logits: torch.Tensor, expected: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    best = logits.topk(5).indices == labels[:, None]
    divergence = functional.kl_div(
        logits.log_softmax(1), expected.log_softmax(1), reduction="batchmean", log_target=True
    )
    return {
        "top1": float(best[:, 0].double().mean()),
        "top5": float(best.any(1).double().mean()),
        "cross_entropy": float(functional.cross_entropy(logits, labels)),
        "divergence_from_full": float(divergence),
    }


def _trained_here(options: Options, seed: int) -> Subject:
    torch.manual_seed(seed)
    splits = load_splits(FashionMnistConfig(), BATCH_SIZE, seed)
    train = list(splits.train)[: 4 if options.quick else None]
    model = resnet_demo().train()
    steps = (1 if options.quick else EPOCHS) * len(train)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for step in range(steps):
        _step(model, optimizer, *train[step % len(train)])
        schedule.step()
    return Subject(
        convert(model.eval(), splits.example_inputs).eval(),
        train[:BATCHES],
        [inputs for inputs, _ in train[-BATCHES:]],
        list(splits.test)[: 2 if options.quick else None],
    )


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: torch.Tensor, labels: torch.Tensor) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(functional.cross_entropy(model(inputs), labels))
    optimizer.step()


def _pretrained(seed: int) -> Subject:
    model, shown = efficientnet_lite0(), photographs()
    # The shapes of a graph do not depend on the size of the images: small ones convert faster.
    family = convert(model, shown.images[:2, :, ::2, ::2]).eval()
    ordering, calibrating = shown.crops(4, seed), shown.crops(8, seed + 1)
    return Subject(family, [(crops, shown.labels) for crops in ordering], calibrating, [(shown.images, shown.labels)])
