"""How well latencies are predicted from few measurements: on published tables of many devices, and on this machine.

`--models` takes the parts by name: `nb201`, `ofa`, `hat`, `measured`, `repeated`. All random draws come from `--seed`.
"""

from supple.bench.form import Cell, Options, Outcome, Wanted
from supple.bench.latency_measured import run_measured, run_repeated
from supple.bench.latency_nb201 import run_nb201
from supple.bench.latency_spaces import run_hat, run_ofa
from supple.bench.latency_tables import TablesMissingError
from supple.errors import SuppleError, nearest
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
    """Run the chosen parts, or all: then those whose tables are missing are left out.

    Raises `SuppleError` for a part that there is not, or a chosen one without its table.
    """
    for name in options.models:
        if name not in PARTS:
            raise SuppleError(
                f'The benchmark has no part "{name}"{nearest(name, PARTS) or "."} It has {", ".join(PARTS)}.'
            )
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    for name in options.models or (list(PARTS)[:1] if options.quick else PARTS):
        try:
            outcome = PARTS[name](options, progress)
        except TablesMissingError as error:
            if options.models:
                raise
            rows.append({"part": name, "method": f"left out: {error}"})
        else:
            rows.extend(dict(row) for row in outcome.rows)
            wanted.extend(outcome.wanted)
    return Outcome(tuple(rows), tuple(wanted))
