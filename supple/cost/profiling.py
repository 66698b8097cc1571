"""Profile a family on a target: measure its operators and some of its members within a time, and fit a predictor.

A part of the time goes to the operators, each distinct shape once, in the order of their use; the rest to whole
members, chosen such that each tells most about all others. Whatever is measured runs in the same rounds as the full
network, and counts as if that always took the same time.
"""

import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TypeVar

from supple.cost.describing import Describer
from supple.cost.device import open_device
from supple.cost.elastic_units import ElasticUnits, Signature, find_elastic_units
from supple.cost.latency import Effort
from supple.cost.latency_profile import Profile, fitted_target
from supple.cost.operator_table import OperatorTable, in_order_of_use
from supple.cost.predictors import FittedTarget, LatencyPredictor, choose
from supple.cost.program_meter import ProgramMeter
from supple.cost.store import MeasurementStore
from supple.cost.unit_programs import idle_program, unit_program
from supple.errors import SuppleError
from supple.family import Family
from supple.progress import Progress, Silent
from supple.runtime import Emitter, Program, Target, backend_for, parse_target
from supple.runtime.onnx_emitter import OnnxEmitter
from supple.space import Config, Space
from supple.trace import Inputs

TABLE_SHARE = 0.4
"""The share of the time after the export that operators get at most."""
_UNITS_AT_ONCE = 32
_MEMBERS_AT_ONCE = 8
_FIRST_MEMBERS = 16
_POOL = 800
_MOST_MEMBERS = 400
_UNIT_EFFORT = Effort(precision=0.03, min_rounds=7)
_MEMBER_EFFORT = Effort(precision=0.02, min_rounds=7)
_SECONDS_PER_PROGRAM = 0.3
_FITS_TO_COME = 3
"""The last fit, on more measurements, takes longer than the one before."""

T = TypeVar("T")


def profile(
    family: Family,
    example_inputs: Inputs,
    target: str | Target = "onnxruntime:cpu?threads=1",
    budget_seconds: float = 300.0,
    progress: Progress = Silent(),
    store: MeasurementStore | None = None,
    table_share: float = TABLE_SHARE,
) -> Profile:
    """Measure what tells most about the latency of a family's members on a target, and return what predicts it.

    `budget_seconds` counts everything, the export of the full network too; what has begun is finished, and a few
    members are measured in any case. What `store` has from the same target and machine is not measured again, and what
    is measured goes there. Operators get at most `table_share` of the time after the export; without any (0.0) there is
    no table of them. Raises `SuppleError` for a family with dimensions of precision, for an unknown target, one whose
    runtime is missing, and where members cannot be written as its programs or measured on it.
    """
    if family.quantization is not None:
        raise SuppleError(
            "A profile tells layers by their shapes, not by their precision, and would be wrong for this family: "
            "profile the family that was quantized, or measure members in other precisions on the target."
        )
    place = target if isinstance(target, Target) else parse_target(target)
    if not budget_seconds > 0:
        raise SuppleError(f"A profile needs time to measure: {budget_seconds:g} s is none.")
    watch = _Watch(budget_seconds, progress)
    emitter = backend_for(place).emitter(family, example_inputs, place, progress)
    reference = emitter.emit(family.space.max())
    with open_device(place) as device, nullcontext(store) if store else MeasurementStore.opened(None) as kept:
        meter = ProgramMeter(reference, device, kept)
        table, reason = _table_or_reason(family.space, emitter, place, meter, watch, table_share)
        describe = Describer(family, table)
        predictor = _fitted(describe, emitter, fitted_target(device), meter, watch)
    progress.finish()
    assert meter.reference_ms is not None
    return Profile(describe, predictor, meter.reference_ms, watch.seconds, reason)


class _Watch:
    """The time that a profile has, shown as it passes."""

    def __init__(self, budget_seconds: float, progress: Progress) -> None:
        self._start = time.monotonic()
        self._budget = budget_seconds
        self._progress = progress
        self._shown = 0
        progress.start("Profile", math.ceil(budget_seconds), "seconds")

    @property
    def seconds(self) -> float:
        """The seconds that have passed."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """The seconds that are left, negative when the time is over."""
        return self._budget - self.seconds

    def show(self, **figures: float) -> None:
        """Show how much time has passed, and what was measured in it."""
        passed = min(int(self.seconds), math.ceil(self._budget)) - self._shown
        self._shown += passed
        self._progress.advance(passed, **figures)

    def say(self, line: str) -> None:
        """Show one line of text."""
        self._progress.say(line)


def _table_or_reason(
    space: Space, emitter: Emitter, target: Target, meter: ProgramMeter, watch: _Watch, share: float
) -> tuple[OperatorTable | None, str | None]:
    """Measure operators for a share of the time; return None and the reason where they cannot be told."""
    if share == 0:
        return None, "operators were given no time"
    if not isinstance(emitter, OnnxEmitter):
        return None, f"operators are told in ONNX models only, and {target.runtime} takes others"
    try:
        units = find_elastic_units(emitter.template, target.batch)
        return _table(space, units, meter, watch, share), None
    except SuppleError as error:
        reason = str(error).rstrip(".")
        watch.say(f"No table of operators ({reason}): only whole members are measured.")
        return None, reason


def _table(space: Space, units: ElasticUnits, meter: ProgramMeter, watch: _Watch, share: float) -> OperatorTable:
    (idle_ms,) = _medians(meter, [idle_program()], _UNIT_EFFORT)
    measured: dict[Signature, float] = {}
    end = (1 - share) * watch.left
    for part in _parts(in_order_of_use(units, space), _UNITS_AT_ONCE):
        # Without one of each form there is no table.
        if watch.left < end and len({entry.form for entry in measured}) == len(units.forms):
            break
        programs = [unit_program(units.forms[entry.form], entry.numbers) for entry in part]
        found = _medians(meter, programs, _UNIT_EFFORT)
        measured |= {entry: latency_ms - idle_ms for entry, latency_ms in zip(part, found, strict=True)}
        watch.show(operators=len(measured))
    return OperatorTable(units, measured, idle_ms)


def _fitted(
    describe: Describer, emitter: Emitter, target: FittedTarget, meter: ProgramMeter, watch: _Watch
) -> LatencyPredictor:
    """Measure members for the rest of the time, those that tell most about the others, and fit a predictor to them."""
    pool = _pool(describe.space)
    described = describe(pool)
    most = min(_MOST_MEMBERS, len(pool))
    measured: dict[int, float] = {}
    predictor, fitting_seconds = None, 0.0
    while True:
        free = [row for row in range(len(pool)) if row not in measured]
        # What is chosen together does not know each other's latencies; so each time as many as are known already.
        count = min(max(len(measured), _FIRST_MEMBERS), most - len(measured))
        chosen = [free[row] for row in choose(described.take(free), count, predictor)]
        for part in _parts(chosen, _MEMBERS_AT_ONCE):
            if predictor is not None and watch.left < _FITS_TO_COME * fitting_seconds:
                break
            found = _medians(meter, [emitter.emit(pool[row]) for row in part], _MEMBER_EFFORT)
            measured |= dict(zip(part, found, strict=True))
            watch.show(members=len(measured))
        start = watch.seconds
        predictor = LatencyPredictor.fit(target, described.take(list(measured)), list(measured.values()))
        fitting_seconds = watch.seconds - start
        if len(measured) >= most or watch.left < _FITS_TO_COME * fitting_seconds:
            return predictor


def _medians(meter: ProgramMeter, programs: Sequence[Program], effort: Effort) -> list[float]:
    return [latency.median_ms for latency in meter.measure(programs, effort, _SECONDS_PER_PROGRAM)]


def _parts(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def _pool(space: Space) -> list[Config]:
    """Return members to choose from: random ones, and those at the ends."""
    rng = random.Random(0)
    return list(dict.fromkeys([space.max(), space.min(), *(space.sample(rng) for _ in range(_POOL))]))
