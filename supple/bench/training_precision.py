"""What training in bf16 is worth on this CPU: a sandwich step in bf16 next to the same step in fp32.

The rule of `supple.training.precision` rests on it. `ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16` (or AVX512_CORE, or AVX2)
before the command takes instructions away, and shows an earlier CPU.
"""

import random
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.overhead_networks import NETWORKS, Network
from supple.bench.timing import one_thread, time_interleaved
from supple.errors import SuppleError
from supple.family import Family, convert
from supple.progress import Progress
from supple.space import Config
from supple.training.placement import in_fast_order
from supple.training.precision import FabricPrecision, Precision, choose_precision

_CLASSES = 10
_RANDOM_MEMBERS = 2


def run(options: Options, progress: Progress) -> Outcome:
    """Time steps of the largest, of the smallest and of sandwiched members of four networks in both precisions."""
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    rounds = 2 if options.quick else 10
    chosen = {name: _network(name) for name in options.models or NETWORKS}
    progress.start("Networks in two precisions", len(chosen), "networks")
    with one_thread():
        for name, network in chosen.items():
            torch.manual_seed(options.seed)
            inputs = network.draw(4 if options.quick else network.batch_size)
            family = convert(network.build(), inputs[:2]).train()
            auto = choose_precision(Precision.AUTO, torch.device("cpu"), family.model).precision
            with in_fast_order(family.model):
                for members, configs in _steps(family, random.Random(options.seed)).items():
                    tasks = {
                        "fp32": _step(family, configs, inputs, in_bf16=False),
                        "bf16": _step(family, configs, inputs, in_bf16=True),
                    }
                    timings = time_interleaved(tasks, rounds, options.seed)
                    ratio = timings.ratio("bf16", "fp32")
                    times = {f"{task}_ms": timings.spread(task) for task in tasks}
                    rows.append({"network": name, "members": members, **times, "ratio": ratio, "auto": auto.value})
            # The last row is the sandwich's.
            of_auto = ratio.median if auto is FabricPrecision.BF16 else 1 / ratio.median
            wanted.append(Wanted(f"{name}: a step in auto's precision, next to the other", of_auto, Bound.AT_MOST, 1.0))
            progress.advance()
    progress.finish()
    return Outcome(tuple(rows), tuple(wanted))


def _network(name: str) -> Network:
    if name not in NETWORKS:
        raise SuppleError(f'There is no network "{name}"; there are {", ".join(NETWORKS)}.')
    return NETWORKS[name]


def _steps(family: Family, rng: random.Random) -> dict[str, list[Config]]:
    """Return the members that train in each kind of step, the sandwich last."""
    largest, smallest = family.space.max(), family.space.min()
    drawn = [family.space.sample(rng) for _ in range(_RANDOM_MEMBERS)]
    return {"max": [largest], "min": [smallest], "sandwich": [largest, smallest, *drawn]}


def _step(family: Family, configs: Sequence[Config], inputs: torch.Tensor, in_bf16: bool) -> Callable[[], None]:
    labels = torch.arange(len(inputs)) % _CLASSES
    optimizer = torch.optim.AdamW(family.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        for config in configs:
            with family.activate(config) as member:
                with torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
                    logits = member(inputs)
                torch.autograd.backward(functional.cross_entropy(logits.float(), labels))
        optimizer.step()

    return step
