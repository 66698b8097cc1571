"""Benchmarks of several parts, which `--models` names: all of them run, or those that are chosen."""

from collections.abc import Mapping

from supple.bench.form import Benchmark, Cell, Options, Outcome, Wanted
from supple.bench.latency_tables import TablesMissingError
from supple.errors import SuppleError, nearest
from supple.progress import Progress


def run_parts(parts: Mapping[str, Benchmark], missing_in: str, options: Options, progress: Progress) -> Outcome:
    """Run the chosen parts, or all (a quick run: the first); then those whose tables are missing are left out.

    Each row says its part; `missing_in` is the column that says why a part was left out. Raises `SuppleError` for a
    part that there is not, or a chosen one without its table.
    """
    for name in options.models:
        if name not in parts:
            raise SuppleError(
                f'The benchmark has no part "{name}"{nearest(name, parts) or "."} It has {", ".join(parts)}.'
            )
    rows: list[Mapping[str, Cell]] = []
    wanted: list[Wanted] = []
    for name in options.models or (list(parts)[:1] if options.quick else parts):
        try:
            outcome = parts[name](options, progress)
        except TablesMissingError as error:
            if options.models:
                raise
            rows.append({"part": name, missing_in: f"left out: {error}"})
        else:
            rows.extend({"part": name, **row} for row in outcome.rows)
            wanted.extend(outcome.wanted)
    return Outcome(tuple(rows), tuple(wanted))
