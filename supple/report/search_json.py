"""What a search found as one object of JSON, for programs: fronts beside random members, and the remarks."""

from typing import Any

from supple.report.comparison import gain_of, hypervolume_curves
from supple.report.notes import derive_search_notes
from supple.report.planes import Plane, allowed, planes_of
from supple.report.summary import Evaluated, SearchRecord, SearchSummary


def search_json(record: SearchRecord) -> dict[str, Any]:
    """Return the fronts by the full name of their cost, the hypervolumes seed by seed, and all remarks."""
    search = record.search
    return {
        "quality": search.quality.figure,
        "objectives": [str(entry) for entry in search.objectives],
        "constraints": [str(entry) for entry in search.constraints],
        "searched": len(search.searched),
        "random": len(search.baseline),
        "fronts": {plane.cost.figure: _front(search, plane) for plane in planes_of(search)},
        "hypervolumes": [
            {"seed": curves.seed, "search": curves.search, "random": curves.random}
            for curves in hypervolume_curves(search)
        ],
        "notes": [{"level": note.level.value, "text": note.text} for note in derive_search_notes(record)],
    }


def _front(search: SearchSummary, plane: Plane) -> list[dict[str, Any]]:
    others = allowed(search, search.baseline)
    return [_member(search, plane, member, others) for member in plane.front(allowed(search, search.searched))]


def _member(search: SearchSummary, plane: Plane, member: Evaluated, others: list[Evaluated]) -> dict[str, Any]:
    gain = gain_of(plane, member, others)
    return {
        "config": member.config,
        "figures": member.figures,
        "was_given": search.is_corner(member),
        "gain_over_random_mean": gain.over_mean,
        "gain_over_random_best": gain.over_best,
    }
