"""How well latencies are predicted from few measurements: on published tables of many devices, and on this machine.

`--models` takes the parts by name: `nb201`, `ofa`, `hat`, `measured`, `repeated`. All random draws come from `--seed`.
"""

from supple.bench.form import Options, Outcome
from supple.bench.latency_measured import run_measured, run_repeated
from supple.bench.latency_nb201 import run_nb201
from supple.bench.latency_spaces import run_hat, run_ofa
from supple.bench.parts import run_parts
from supple.progress import Progress

# A quick run shows the form with the first of them.
PARTS = {
    "nb201": run_nb201,
    "ofa": run_ofa,
    "hat": run_hat,
    "measured": run_measured,
    "repeated": run_repeated,
}


def run(options: Options, progress: Progress) -> Outcome:
    """Run the chosen parts, or all; raises as `run_parts` does."""
    return run_parts(PARTS, "method", options, progress)
