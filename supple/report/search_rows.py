"""The rows of the tables about a search: gain over random members at equal cost, its fronts, and its constraints."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from supple.report.comparison import Gain, gains
from supple.report.planes import Plane, allowed
from supple.report.precision import formats_in, precision_text
from supple.report.quantities import Quantity
from supple.report.summary import Evaluated, SearchSummary, SpaceSummary
from supple.report.wording import significant
from supple.searching.wishes import target_of

MOST_GAIN_ROWS = 8

NOTHING = "none"


@dataclass(frozen=True)
class GainRow:
    """One member of a front beside the random members at its cost."""

    cost: str
    quality: str
    rivals: str
    mean: str
    over_mean: str
    best: str
    over_best: str
    loses: bool


@dataclass(frozen=True)
class FrontRow:
    """One member of a front: its cost, what belongs to it, its quality, its other figures, and its config."""

    cost: str
    spread: str
    quality: str
    others: tuple[str, ...]
    config: dict[str, int]


@dataclass(frozen=True)
class ConstraintRow:
    """One constraint, and how many of the members that were tried keep it."""

    constraint: str
    searched: str
    random: str


def gain_rows(search: SearchSummary, plane: Plane) -> list[GainRow]:
    """Return the gain at some costs from the cheapest of the front to the dearest."""
    return [_gain_row(plane, gain) for gain in _spread_out(gains(search, plane, search.searched, search.baseline))]


def _gain_row(plane: Plane, gain: Gain) -> GainRow:
    quality = Quantity(plane.quality.figure)

    def shown(value: float | None) -> str:
        return NOTHING if value is None else quality.shown(value)

    def over(value: float | None) -> str:
        return "" if value is None else quality.difference(value)

    return GainRow(
        cost=Quantity(plane.cost.figure).shown(gain.member.figures[plane.cost.figure]),
        quality=shown(gain.member.figures[plane.quality.figure]),
        rivals=str(gain.rivals.count),
        mean=shown(gain.rivals.mean),
        over_mean=over(gain.over_mean),
        best=shown(gain.rivals.best),
        over_best=over(gain.over_best),
        loses=gain.over_best is not None and gain.over_best <= 0,
    )


def _spread_out(entries: Sequence[Gain]) -> Sequence[Gain]:
    """Return at most so many of the entries, the first and the last among them."""
    if len(entries) <= MOST_GAIN_ROWS:
        return entries
    steps = (len(entries) - 1) / (MOST_GAIN_ROWS - 1)
    return [entries[round(number * steps)] for number in range(MOST_GAIN_ROWS)]


def other_figures(search: SearchSummary, plane: Plane) -> list[str]:
    """Return the figures, by full name, that a front's table shows beside those of its plane."""
    shown = {plane.cost.figure, plane.quality.figure}
    known = search.searched[0].figures if search.searched else {}
    return [figure for figure in known if figure not in shown]


def front_rows(search: SearchSummary, plane: Plane) -> list[FrontRow]:
    """Return the members of the search's front in a plane, the cheapest first."""
    others = other_figures(search, plane)
    return [_front_row(plane, member, others) for member in plane.front(allowed(search, search.searched))]


def _front_row(plane: Plane, member: Evaluated, others: Sequence[str]) -> FrontRow:
    return FrontRow(
        cost=Quantity(plane.cost.figure).shown(member.figures[plane.cost.figure]),
        spread=spread_of(plane, member),
        quality=Quantity(plane.quality.figure).shown(member.figures[plane.quality.figure]),
        others=tuple(Quantity(figure).shown(member.figures[figure]) for figure in others),
        config=member.config,
    )


def spread_of(plane: Plane, member: Evaluated) -> str:
    """Return the low and the high latency that were measured, where the plane's cost is a latency; else nothing."""
    spread = member.spreads.get(target_of(plane.cost.figure) or "")
    is_latency = plane.cost.figure.startswith("latency_ms on ")
    return f"{significant(spread[0])} to {significant(spread[1])}" if spread and is_latency else ""


def with_precision(row: FrontRow, space: SpaceSummary) -> FrontRow:
    """Return the row with the formats of the member's layers as its last figure, where they can be chosen."""
    if not space.precisions:
        return row
    return replace(row, others=(*row.others, precision_text(formats_in(space, row.config))))


def constraint_rows(search: SearchSummary) -> list[ConstraintRow]:
    """Return how many of the tried members keep each constraint, and how many keep all where there are several."""
    tried = (search.searched, search.baseline)

    def counts(keep: Sequence[Sequence[bool]]) -> tuple[str, str]:
        searched, random = (f"{sum(entries)} of {len(entries)}" for entries in keep)
        return searched, random

    rows = [
        ConstraintRow(
            str(entry),
            *counts([[entry.excess(member.figures[entry.figure]) == 0 for member in members] for members in tried]),
        )
        for entry in search.constraints
    ]
    if len(rows) > 1:
        every = counts([[search.keeps_constraints(member) for member in members] for members in tried])
        rows.append(ConstraintRow("all of them", *every))
    return rows
