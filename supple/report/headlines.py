"""The few numbers at the top of a report."""

from dataclasses import dataclass

from supple.report.comparison import Spread, hypervolume_curves
from supple.report.planes import allowed, planes_of
from supple.report.quantities import Quantity, quantity_in
from supple.report.summary import Evaluated, RunSummary, SearchRecord, SearchSummary, SpaceSummary
from supple.report.wording import count, duration, members_count, milliseconds, percent, percentage_points, significant


@dataclass(frozen=True)
class Headline:
    """One number with what it is and what belongs to it."""

    label: str
    value: str
    detail: str


def headlines(summary: RunSummary) -> list[Headline]:
    """Return the numbers that a reader wants first; those that the run did not measure are left out."""
    return [_family(summary.space), *_training(summary), *_members(summary), *_search(summary.search)]


def search_headlines(record: SearchRecord) -> list[Headline]:
    """Return the numbers that a reader of a search's page wants first."""
    search = record.search
    seeds = "1 seed" if len(search.seeds) == 1 else f"{len(search.seeds)} seeds"
    tried = Headline(
        "members tried", f"{len(search.searched)}", f"by {search.searcher}, and {len(search.baseline)} random; {seeds}"
    )
    return [_family(record.space), tried, *_best(search), *_search(search)]


def _best(search: SearchSummary) -> list[Headline]:
    """Return the best and the cheapest member of the first plane's front."""
    planes = planes_of(search)
    front = planes[0].front(allowed(search, search.searched)) if planes else []
    if not front:
        return []
    quality, cost = quantity_in(search, planes[0].quality.figure), quantity_in(search, planes[0].cost.figure)

    def headline(label: str, member: Evaluated, shown: Quantity, other: Quantity) -> Headline:
        detail = f"at {other.shown(member.figures[other.figure])} of {other.name}"
        return Headline(label, shown.shown(member.figures[shown.figure]), detail)

    return [
        headline(f"best {quality.name}", front[-1], quality, cost),
        headline(f"best {cost.name}", front[0], cost, quality),
    ]


def _family(space: SpaceSummary) -> Headline:
    sizes = f"{count(space.smallest_parameters)} to {count(space.largest_parameters)} parameters"
    return Headline("members", members_count(space.members_count), f"{sizes}, one set of weights")


def _training(summary: RunSummary) -> list[Headline]:
    if not summary.history:
        return []
    last = summary.history[-1]
    epochs = "epoch" if last.epoch == 1 else "epochs"
    images = f", {summary.data.train_images:,} images" if summary.data.train_images else ""
    return [Headline("training", duration(last.seconds), f"{last.epoch} {epochs}, {last.step:,} steps{images}")]


def _members(summary: RunSummary) -> list[Headline]:
    if not summary.members:
        return []
    fastest = min(summary.members, key=lambda member: member.latency_median_ms)
    best = max(summary.members, key=lambda member: member.test_accuracy_runtime)
    detail = f"{fastest.name}: {percent(fastest.test_accuracy_runtime)} test accuracy"
    if best is not fastest:
        ratio = best.latency_median_ms / fastest.latency_median_ms
        loss = percentage_points(best.test_accuracy_runtime - fastest.test_accuracy_runtime)
        detail += f"; {significant(ratio, 2)} times as fast as {best.name} for {loss} of accuracy"
    return [
        Headline(
            "most accurate export",
            percent(best.test_accuracy_runtime),
            f"{best.name}, on the test split: {milliseconds(best.latency_median_ms)}, "
            f"{count(best.parameters)} parameters",
        ),
        Headline("fastest export", milliseconds(fastest.latency_median_ms), detail),
    ]


def _search(search: SearchSummary) -> list[Headline]:
    if search.searched and not search.baseline:
        return [Headline("search over random", "unknown", "there are no random members to compare with")]
    ratios, numbers = [], []
    for curve in hypervolume_curves(search):
        searched, by_chance = curve.at_equal_number if curve.equal_number else (0.0, 0.0)
        if by_chance > 0:
            ratios.append(searched / by_chance - 1)
            numbers.append(curve.equal_number)
    if not ratios:
        return []
    gain = Spread.of(ratios)
    detail = f"hypervolume after {min(numbers)} evaluations each"
    if len(ratios) > 1:
        detail += f", median of {len(ratios)} seeds ({100 * gain.low:+.1f} to {100 * gain.high:+.1f} %)"
    return [Headline("search over random", f"{100 * gain.median:+.1f} %", detail)]
