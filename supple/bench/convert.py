"""Which models convert: each in a process of its own with a limit of time, so that none takes the others down.

The targets are those of the project: all convert, proved; attention has heads; the smallest member by default has at
most 15 % of the parameters; half of the conversions take less than 20 s, and less than three times the model's memory.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from supple.bench.conversion_case import ConversionCase
from supple.bench.conversion_models import NAMES, WITH_HEADS
from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.progress import Progress
from supple.space import Kind

LIMIT_SECONDS = 120
LARGEST_SMALLEST_PERCENT = 15
USUAL_PARAMETERS = range(5_000_000, 30_000_001)
MOST_REASONS = 2
QUICK = ("graph_network",)


def run(options: Options, progress: Progress) -> Outcome:
    """Convert `options.models`, or all that the benchmark knows, and compare members with their extracted networks."""
    names = options.models or (QUICK if options.quick else NAMES)
    progress.start("Conversions", len(names), "models")
    cases: dict[str, ConversionCase | str] = {}
    for name in names:
        command = [sys.executable, "-m", "supple.bench.conversion_case", name, str(options.seed)]
        cases[name] = convert_in_process(command)
        progress.advance(1, model=name)
    progress.finish()
    return Outcome(*rows_and_targets(cases))


def rows_and_targets(
    cases: Mapping[str, ConversionCase | str],
) -> tuple[tuple[Mapping[str, Cell], ...], tuple[Wanted, ...]]:
    """Return a row for each model, a `ConversionCase` or the reason why there is none, and what was wanted of all."""
    return tuple(_row(name, case) for name, case in cases.items()), tuple(_wanted(cases))


def convert_in_process(command: Sequence[str], limit_seconds: float = LIMIT_SECONDS) -> ConversionCase | str:
    """Run the command of one case; return what it says, or why it says nothing."""
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=limit_seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"not done after {limit_seconds:g} s"
    lines = process.stdout.strip().splitlines()
    if process.returncode != 0 or not lines:
        errors = process.stderr.strip().splitlines()
        return f"its process ended with status {process.returncode}: {errors[-1] if errors else 'it said nothing'}"
    content = json.loads(lines[-1])
    return ConversionCase(**content["case"]) if "case" in content else str(content["error"])


def _row(name: str, case: ConversionCase | str) -> dict[str, Cell]:
    if isinstance(case, str):
        return {"model": name, "converts": "no", "notes": case}
    return {
        "model": name,
        "converts": "yes",
        "equal": "yes" if case.equal else "no",
        "dimensions": ", ".join(f"{case.kinds[kind]} {kind}" for kind in Kind if kind in case.kinds),
        "parameters": case.parameters,
        "smallest_%": _smallest_percent(case),
        "seconds": case.seconds,
        "memory_over_model": case.memory_mb / case.model_mb,
        "notes": "; ".join(_notes(name, case)),
    }


def _smallest_percent(case: ConversionCase) -> float:
    return 100 * case.smallest / case.parameters


def _notes(name: str, case: ConversionCase) -> list[str]:
    """Say why a family is less than was hoped for."""
    notes = []
    if _smallest_percent(case) > LARGEST_SMALLEST_PERCENT:
        notes.append(f"of the smallest member, {case.remainder}")
    if name in WITH_HEADS and not _has_heads(case):
        notes.append("no heads")
    reasons = sorted(case.frozen.items(), key=lambda entry: -entry[1])[:MOST_REASONS] if notes else []
    return [*notes, *(f"{count} frozen: {reason}" for reason, count in reasons)]


def _has_heads(case: ConversionCase) -> bool:
    return Kind.HEADS in case.kinds


def _wanted(cases: Mapping[str, ConversionCase | str]) -> Iterator[Wanted]:
    converted = {name: case for name, case in cases.items() if isinstance(case, ConversionCase)}
    found = converted.values()
    yield _all_of("models that convert", len(found), len(cases))
    yield _all_of("models whose members are equal", sum(case.equal for case in found), len(cases))
    if with_heads := WITH_HEADS & cases.keys():
        have_heads = sum(_has_heads(case) for name, case in converted.items() if name in with_heads)
        yield _all_of("models with attention that have heads", have_heads, len(with_heads))
    small = sum(_smallest_percent(case) <= LARGEST_SMALLEST_PERCENT for case in found)
    yield _all_of(f"smallest members of at most {LARGEST_SMALLEST_PERCENT} %", small, len(cases))
    # Below, the fixed costs of any conversion tell more than the model does.
    usual = [case for case in found if case.parameters in USUAL_PARAMETERS]
    if usual:
        seconds = statistics.median(case.seconds for case in usual)
        memory = statistics.median(case.memory_mb / case.model_mb for case in usual)
        yield Wanted("median seconds of models of 5 to 30 M parameters", seconds, Bound.AT_MOST, 20)
        yield Wanted("median memory over the model's, of the same", memory, Bound.AT_MOST, 3)


def _all_of(what: str, count: int, total: int) -> Wanted:
    return Wanted(what, count, Bound.AT_LEAST, total)
