"""The fronts of a search as plain text tables, beside random members of equal cost, for a terminal or a log."""

from supple.report.comparison import gain_of
from supple.report.planes import Plane, allowed, planes_of
from supple.report.precision import formats_in, precision_text
from supple.report.quantities import Quantity, quantity_in
from supple.report.search_notes import search_notes
from supple.report.search_rows import spread_of
from supple.report.summary import Level, SearchSummary, SpaceSummary
from supple.searching.wishes import target_of
from supple.text_table import text_table

GIVEN = "(given)"
NONE = "-"


def front_tables(search: SearchSummary, space: SpaceSummary) -> str:
    """Return the front of every plane as a table of plain text, and below them the remarks that belong to them.

    `space` is the family's: where precision can be chosen, members' formats are told. The gain of a member is over the
    mean and over the best of the random members of equal cost; the largest and the smallest member were given to the
    search, and have none.
    """
    tables = [_front_table(search, plane, space) for plane in planes_of(search)]
    notes = sorted(search_notes(search), key=lambda note: note.level is Level.GOOD)
    remarks = [f"{'Holds' if note.level is Level.GOOD else 'Beware'}: {note.text}" for note in notes]
    remarks += [f"Searcher: {remark}" for seed in search.seeds for remark in seed.remarks]
    return "\n\n".join([*filter(None, tables), *(["\n".join(remarks)] if remarks else [])])


def _front_table(search: SearchSummary, plane: Plane, space: SpaceSummary) -> str:
    quality, cost = quantity_in(search, plane.quality.figure), quantity_in(search, plane.cost.figure)
    others = allowed(search, search.baseline)
    front = plane.front(allowed(search, search.searched))
    if not front:
        return ""
    counts = [name for name in ("parameters", "macs") if name in front[0].figures and name != plane.cost.figure]
    target = target_of(plane.cost.figure)
    header = [
        plane.cost.figure.partition(" on ")[0],
        *(["spread"] if spread_of(plane, front[0]) else []),
        quality.name,
        "gain over random mean",
        "over random best",
        *counts,
        *(["precision"] if space.precisions else []),
    ]
    rows = []
    for member in front:
        gain = gain_of(plane, member, others)
        over = [NONE if value is None else quality.difference(value) for value in (gain.over_mean, gain.over_best)]
        spread = spread_of(plane, member)
        rows.append(
            [
                cost.shown(member.figures[plane.cost.figure]),
                *([spread] if spread else []),
                quality.shown(member.figures[plane.quality.figure]),
                *([GIVEN, ""] if search.is_corner(member) else over),
                *(Quantity(name).shown(member.figures[name]) for name in counts),
                *([precision_text(formats_in(space, member.config))] if space.precisions else []),
            ]
        )
    title = f"Front on {target}:" if target else f"Front, {quality.name} against {cost.name}:"
    return "\n".join([title, *text_table(header, rows, range(len(header)))])
