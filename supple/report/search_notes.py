"""Honest remarks about a search: whether it beat random members, at what cost, and which constraints were kept."""

from collections.abc import Sequence
from statistics import median

from supple.report.comparison import (
    WINDOW,
    HypervolumeCurves,
    SeedGain,
    Spread,
    gain_of,
    hypervolume_curves,
    seed_gains,
)
from supple.report.planes import Plane, allowed, planes_of
from supple.report.quantities import Quantity, quantity_in
from supple.report.summary import ExportedMember, Level, Note, SearchSummary
from supple.report.wording import percent

NO_BASELINE = (
    "There is no random baseline: nothing here shows that the search was better than chance. Search again with "
    "baseline_share at its default (0.25) before you rely on it."
)
_FEW = 5
_WINDOW = f"{100 * WINDOW:.0f} %"


def search_notes(search: SearchSummary) -> list[Note]:
    """Return every remark about a search itself."""
    if not search.searched:
        return []
    notes = [*constraint_notes(search), *warm_start_notes(search)]
    if not search.baseline:
        return [Note(Level.CAUTION, NO_BASELINE), *notes]
    if len(search.baseline) < _FEW:
        notes.append(
            _caution(
                f"The search is compared with {_members(len(search.baseline), 'random ')} only: too few to tell chance "
                "from skill. A larger budget brings more."
            )
        )
    return [
        *notes,
        *hypervolume_notes(hypervolume_curves(search)),
        *(note for plane in planes_of(search) for note in gain_notes(search, plane)),
    ]


def constraint_notes(search: SearchSummary) -> list[Note]:
    """Say which constraints no evaluated member keeps; that all are kept by those of the front needs no word."""
    if not search.constraints or allowed(search, search.searched):
        return []
    for entry in search.constraints:
        values = [member.figures[entry.figure] for member in search.searched]
        if all(entry.excess(value) > 0 for value in values):
            nearest = Quantity(entry.figure).shown(min(values, key=entry.excess))
            return [_caution(f'No evaluated member keeps "{entry}": the nearest has {nearest}. The front is empty.')]
    together = " and ".join(f'"{entry}"' for entry in search.constraints)
    return [_caution(f"No evaluated member keeps {together} together. The front is empty.")]


def warm_start_notes(search: SearchSummary) -> list[Note]:
    """Say that the search had a start which the random members did not have."""
    if search.warm_start is None:
        return []
    return [
        _caution(
            f'The search was given the best members of the study "{search.warm_start}"; the random members were not. '
            "Its gain over them is in part that study's."
        )
    ]


def hypervolume_notes(curves: Sequence[HypervolumeCurves]) -> list[Note]:
    """Say whether the search dominates more than random members after as many evaluations."""
    known = [curve for curve in curves if curve.equal_number]
    if not known:
        return []
    number = min(curve.equal_number for curve in known)
    pairs = [(curve.search[number - 1], curve.random[number - 1]) for curve in known]
    searched, by_chance = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    figures = f"{percent(searched)} against {percent(by_chance)} after {number} evaluations each"
    if len(pairs) > 1:
        won = sum(one > other for one, other in pairs)
        figures += f" (medians; ahead with {won} of {len(pairs)} seeds)"
    if searched <= by_chance:
        return [_caution(f"The search did not beat random members by hypervolume: {figures}.")]
    more = f", {percent(searched / by_chance - 1)} more" if by_chance > 0 else ""
    return [_good(f"The search beat random members by hypervolume: {figures}{more}.")]


def gain_notes(search: SearchSummary, plane: Plane) -> list[Note]:
    """Say how much better the front is than random members that cost the same, seed by seed where there are several."""
    quality, cost = quantity_in(search, plane.quality.figure), quantity_in(search, plane.cost.figure)
    found = seed_gains(search, plane)
    if not found:
        return [_caution(f"At equal {cost.name} there is no random member to compare the search's front with.")]
    compared, won = sum(entry.compared for entry in found), sum(entry.won for entry in found)
    over_mean = [entry.over_mean for entry in found if entry.over_mean is not None]
    parts = [
        f"{_spread(quality, over_mean)} over the mean of the random members within {_WINDOW}" if over_mean else "",
        f"{_spread(quality, [entry.over_best for entry in found])} over the best random one that costs no more",
    ]
    text = (
        f"At equal {cost.name} the search's front gains in {quality.name} {' and '.join(filter(None, parts))}"
        f"{_over_seeds(found)}; {won} of {compared} members beat that best one."
    )
    beaten = median(entry.over_best for entry in found) > 0 and 2 * won > compared
    return [_good(text) if beaten else _caution(text)]


def exported_gain_notes(members: Sequence[ExportedMember], search: SearchSummary) -> list[Note]:
    """Compare each exported member that the search found by itself with random members that cost as much."""
    planes = planes_of(search)
    if not planes or not search.baseline:
        return []
    plane = planes[0]
    quality, cost = quantity_in(search, plane.quality.figure), quantity_in(search, plane.cost.figure)
    others = allowed(search, search.baseline)
    found = {tuple(entry.config.items()): entry for entry in search.searched}
    notes = []
    for member in members:
        entry = found.get(tuple(member.config.items()))
        if entry is None or search.is_corner(entry):
            continue
        gain = gain_of(plane, entry, others)
        where = f"At the {cost.name} of {member.name} ({cost.shown(entry.figures[cost.figure])} ± {_WINDOW})"
        if gain.rivals.best is None or gain.over_best is None:
            notes.append(_caution(f"{where} there is no random member to compare with."))
            continue
        mean = ""
        if gain.rivals.mean is not None:
            near, reach = _members(gain.rivals.count, "random "), "reaches" if gain.rivals.count == 1 else "reach"
            mean = f"{near} {reach} {quality.shown(gain.rivals.mean)} on average, and "
        notes.append(
            Note(
                Level.GOOD if gain.over_best > 0 else Level.CAUTION,
                f"{where} the search found {quality.shown(entry.figures[quality.figure])} validation {quality.name}; "
                f"{mean}the best random one that costs no more reaches {quality.shown(gain.rivals.best)}.",
            )
        )
    return notes


def _spread(quality: Quantity, values: Sequence[float]) -> str:
    spread = Spread.of(values)
    if len(values) == 1:
        return quality.difference(spread.median)
    return (
        f"{quality.difference(spread.median)} ({quality.difference(spread.low)} to {quality.difference(spread.high)})"
    )


def _over_seeds(found: Sequence[SeedGain]) -> str:
    return "" if len(found) == 1 else f" (mean of each front; median and range of {len(found)} seeds)"


def _members(number: int, kind: str = "") -> str:
    return f"{number} {kind}member" if number == 1 else f"{number} {kind}members"


def _good(text: str) -> Note:
    return Note(Level.GOOD, text)


def _caution(text: str) -> Note:
    return Note(Level.CAUTION, text)
