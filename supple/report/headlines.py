"""The few numbers at the top of a report."""

from dataclasses import dataclass

from supple.report.summary import RunSummary
from supple.report.wording import count, duration, members_count, milliseconds, percent, percentage_points, significant


@dataclass(frozen=True)
class Headline:
    """One number with what it is and what belongs to it."""

    label: str
    value: str
    detail: str


def headlines(summary: RunSummary) -> list[Headline]:
    """Return the numbers that a reader wants first; those that the run did not measure are left out."""
    return [_family(summary), *_training(summary), *_members(summary), *_search(summary)]


def _family(summary: RunSummary) -> Headline:
    space = summary.space
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


def _search(summary: RunSummary) -> list[Headline]:
    curves = summary.hypervolume
    number = min(len(curves.search), len(curves.baseline))
    if not number or curves.baseline[number - 1] <= 0:
        return []
    gain = curves.search[number - 1] / curves.baseline[number - 1] - 1
    detail = f"hypervolume after {number} evaluations each"
    return [Headline("search over random", f"{100 * gain:+.1f} %", detail)]
