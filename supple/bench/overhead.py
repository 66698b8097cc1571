"""What a member costs inside its family: training steps, activating and taking out, next to the member taken out.

The targets are what the same measurement of once-for-all's hand-written elastic layers gave (Cai et al., Once-for-All,
2020): 1.02 to 1.07 for a step (here 1.03 is wanted), 0.21 ms for activating, 37 ms for taking out. A whole step of the
trainer may cost 1.05 times the sum of its members' own.
"""

import random
from collections.abc import Iterator
from functools import partial

import torch
from torch.nn import functional

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.overhead_networks import NETWORKS
from supple.bench.sandwich_step import SANDWICH, sandwich_rows
from supple.bench.timing import Spread, Timings, one_thread, time_interleaved
from supple.family import Family, convert
from supple.progress import Progress
from supple.space import Config

RANDOM_MEMBERS = 5
QUICK = ("mobilenet_small",)


def run(options: Options, progress: Progress) -> Outcome:
    """Compare the largest, the smallest and random members of four networks with the same members taken out."""
    names = QUICK if options.quick else tuple(NETWORKS)
    rounds = 2 if options.quick else 20
    rows: list[dict[str, Cell]] = []
    sandwiches: list[dict[str, Cell]] = []
    with one_thread():
        for name in names:
            network = NETWORKS[name]
            torch.manual_seed(options.seed)
            inputs = network.draw(4 if options.quick else network.batch_size)
            family = convert(network.build(), inputs[:2])
            rows.extend({"network": name, **row} for row in _rows(family, inputs, rounds, options.seed, progress))
            found = sandwich_rows(family, inputs, rounds, options.seed)
            sandwiches.extend({"network": name, **row} for row in found)
    ratios = [
        Wanted(
            f"{name}: ratio of the median member", Spread.of(_medians(rows, name, "ratio")).median, Bound.AT_MOST, 1.03
        )
        for name in names
    ]
    visits = [
        Wanted(
            f"mobilenet_small: {column} of the slowest member",
            max(_medians(rows, "mobilenet_small", column)),
            Bound.AT_MOST,
            target,
        )
        for column, target in (("activate_ms", 1.0), ("extract_ms", 40.0))
    ]
    steps = [
        Wanted(f"{row['network']}: ratio of the {row['member']}", row["ratio"].median, Bound.AT_MOST, 1.05)
        for row in sandwiches
        if row["member"] == SANDWICH and isinstance(row["ratio"], Spread)
    ]
    return Outcome((*rows, *sandwiches), (*ratios, *steps, *visits))


def _rows(
    family: Family, inputs: torch.Tensor, rounds: int, seed: int, progress: Progress
) -> Iterator[dict[str, Cell]]:
    members = _members(family, random.Random(seed))
    family.train()
    # Each time after another member, so that nothing is left over from the last time.
    activations = time_interleaved(
        {label: partial(_activate, family, config) for label, config in members.items()}, rounds, seed
    )
    extractions = time_interleaved(
        {label: partial(family.extract, config) for label, config in members.items()}, rounds, seed
    )
    progress.start(f"Training steps of {type(family.model).__name__}", len(members), "members")
    for label, config in members.items():
        steps = _time_steps(family, config, inputs, rounds, seed)
        yield {
            "parameter_tensors": len(list(family.parameters())),
            "member": label,
            "parameters": family.count_parameters(config),
            "inside_ms": steps.spread("inside"),
            "extracted_ms": steps.spread("extracted"),
            "ratio": steps.ratio("inside", "extracted"),
            "activate_ms": activations.spread(label),
            "extract_ms": extractions.spread(label),
            "materialized_bytes": _materialized_bytes(family, config),
        }
        progress.advance()
    progress.finish()


def _members(family: Family, rng: random.Random) -> dict[str, Config]:
    drawn = {f"random {number}": family.space.sample(rng) for number in range(1, RANDOM_MEMBERS + 1)}
    return {"max": family.space.max(), **drawn, "min": family.space.min()}


def _materialized_bytes(family: Family, config: Config) -> int:
    """Return the memory that a member's parameters take beside the shared ones."""
    shared = {parameter.untyped_storage().data_ptr() for parameter in family.parameters()}
    keys = {key for key, _ in family.model.named_parameters(remove_duplicate=False)}
    member = family.materialize(config)
    storages = [tensor.untyped_storage() for key, tensor in member.items() if key in keys]
    return sum({part.data_ptr(): part.nbytes() for part in storages if part.data_ptr() not in shared}.values())


def _activate(family: Family, config: Config) -> None:
    with family.activate(config):
        pass


def _time_steps(family: Family, config: Config, inputs: torch.Tensor, rounds: int, seed: int) -> Timings:
    """Time zeroing the gradients, forward and backward; no optimizer, whose work is the same for all members."""
    labels = torch.arange(len(inputs)) % 10
    extracted = family.extract(config).train()

    def step_inside() -> None:
        family.zero_grad()
        with family.activate(config) as member:
            torch.autograd.backward(functional.cross_entropy(member(inputs), labels))

    def step_extracted() -> None:
        extracted.zero_grad()
        torch.autograd.backward(functional.cross_entropy(extracted(inputs), labels))

    return time_interleaved({"inside": step_inside, "extracted": step_extracted}, rounds, seed, warm_up_rounds=2)


def _medians(rows: list[dict[str, Cell]], network: str, column: str) -> list[float]:
    cells = [row[column] for row in rows if row["network"] == network]
    return [cell.median for cell in cells if isinstance(cell, Spread)]
