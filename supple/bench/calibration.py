"""What calibrating a member costs, next to one pass of the member over the same images in eval mode.

Calibrating lays images out with their channels last; the pass is timed on images as they come, and on such as well.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import nn

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.timing import Spread, one_thread, time_interleaved
from supple.family import Family, convert
from supple.models import mobilenet_small, resnet_small
from supple.progress import Progress
from supple.space import Config

NETWORKS: Mapping[str, Callable[[], nn.Module]] = {"resnet_small": resnet_small, "mobilenet_small": mobilenet_small}
IMAGE_SHAPE = (3, 64, 64)
RANDOM_MEMBERS = 3
TARGET = 1.1


def run(options: Options, progress: Progress) -> Outcome:
    """Time random members and the smallest one of two networks, in turns."""
    rows: list[dict[str, Cell]] = []
    with one_thread():
        for name, build in NETWORKS.items():
            torch.manual_seed(options.seed)
            batches = [torch.randn(4 if options.quick else 64, *IMAGE_SHAPE) for _ in range(1 if options.quick else 4)]
            family = convert(build(), batches[0][:2]).eval()
            rows.extend({"network": name, **row} for row in _rows(family, batches, options, progress))
    wanted = [
        Wanted(
            f"{name}: ratio of the median member",
            Spread.of(
                cell.median for row in rows if row["network"] == name and isinstance(cell := row["ratio"], Spread)
            ).median,
            Bound.AT_MOST,
            TARGET,
        )
        for name in NETWORKS
    ]
    return Outcome(tuple(rows), tuple(wanted))


def _rows(
    family: Family, batches: list[torch.Tensor], options: Options, progress: Progress
) -> Iterator[dict[str, Cell]]:
    rng = random.Random(options.seed)
    members = {f"random {number}": family.space.sample(rng) for number in range(1, RANDOM_MEMBERS + 1)}
    members["min"] = family.space.min()
    progress.start(f"Calibrating {type(family.model).__name__}", len(members), "members")
    for label, config in members.items():
        tasks = {
            "calibrate": partial(family.calibrate, config, batches),
            "pass": partial(_pass, family, config, batches),
            "pass channels last": partial(
                _pass, family, config, [batch.contiguous(memory_format=torch.channels_last) for batch in batches]
            ),
        }
        timings = time_interleaved(tasks, 2 if options.quick else 15, options.seed)
        yield {
            "member": label,
            "parameters": family.count_parameters(config),
            "calibrate_ms": timings.spread("calibrate"),
            "pass_ms": timings.spread("pass"),
            "ratio": timings.ratio("calibrate", "pass"),
            "pass_channels_last_ms": timings.spread("pass channels last"),
            "ratio_channels_last": timings.ratio("calibrate", "pass channels last"),
        }
        progress.advance()
    progress.finish()


def _pass(family: Family, config: Config, batches: list[torch.Tensor]) -> None:
    with torch.no_grad(), family.activate(config) as member:
        for batch in batches:
            member(batch)
