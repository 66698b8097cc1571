"""What processes on CPUs pay to train together: to sum gradients once per step or per member, to share norms."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.processes_case import Measured, Step
from supple.bench.timing import Timings
from supple.errors import SuppleError
from supple.progress import Progress

PROCESSES = 2
BATCH_SIZES = (32, 128)
"""Samples per process."""


def run(options: Options, progress: Progress) -> Outcome:
    """Time a sandwich step of `resnet_demo` in two gloo processes of one thread, by what they exchange."""
    batch_sizes = (4,) if options.quick else BATCH_SIZES
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    progress.start("Steps of two processes", len(batch_sizes), "batch sizes")
    for batch_size in batch_sizes:
        rounds = 2 if options.quick else 15
        measured = measure("supple.bench.processes_case", [str(batch_size), str(rounds), str(options.seed)])
        timings = slowest(measured)
        batch = f"{PROCESSES} x {batch_size}"
        rows.extend(
            {
                "batch": batch,
                "step": step.value,
                "gradients_mb": measured[0].gradient_bytes[step] / 1e6,
                "step_ms": timings.spread(step),
                "least_ms": min(timings.rounds_ms[step]),
                "ratio_to_no_exchange": timings.ratio(step, Step.ALONE),
            }
            for step in Step
        )
        for other, target in ((Step.ALONE, 1.05), (Step.PER_MEMBER, 1.0)):
            ratio = timings.ratio(Step.ONCE, other).median
            wanted.append(Wanted(f"{batch}: {Step.ONCE}, next to {other}", ratio, Bound.AT_MOST, target))
        progress.advance()
    progress.finish()
    return Outcome(tuple(rows), tuple(wanted))


def measure(module: str, arguments: Sequence[str]) -> list[Measured]:
    """Run a module in all processes, its first argument a folder for `RANK.json`; return what each wrote.

    Raises `SuppleError` where one fails.
    """
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES), "-m", module)
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.run(
            [sys.executable, *launch, folder, *arguments],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode != 0:
            raise SuppleError(
                f"The processes of {module} ended with status {process.returncode}: {_reason(process.stderr)}"
            )
        texts = [(Path(folder) / f"{rank}.json").read_text() for rank in range(PROCESSES)]
    return [Measured.from_json(json.loads(text)) for text in texts]


def slowest(measured: Sequence[Measured]) -> Timings:
    """Return the times of the process that was slowest in each round: the others wait for it at the next exchange."""
    rounds: Mapping[str, tuple[float, ...]] = {
        step: tuple(map(max, zip(*(each.rounds_ms[step] for each in measured), strict=True))) for step in Step
    }
    return Timings(rounds)


def _reason(stderr: str) -> str:
    """Return the line of a traceback that says what happened, before all that torchrun adds."""
    lines = [line for line in stderr.splitlines() if "Error" in line]
    return lines[0].strip() if lines else "it said nothing"
