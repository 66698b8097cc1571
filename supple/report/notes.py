"""Honest remarks that follow from the figures of a run: what holds, and what the reader should beware of."""

import math
from collections.abc import Sequence
from itertools import combinations

from supple.report.comparison import at_equal_latency, best_at_most, front_of
from supple.report.summary import DataSummary, Evaluated, ExportedMember, HypervolumeCurves, Level, Note, RunSummary
from supple.report.wording import count, listed, milliseconds, percent, percentage_points, significant, spread

_WINDOW = 0.1
"""Random members within 10 % of a latency count as equally fast."""


def derive_notes(summary: RunSummary) -> tuple[Note, ...]:
    """Return every remark about the run, those to beware of first; the run's own notes stand among them."""
    notes = [
        *speed_notes(summary.members),
        *accuracy_notes(summary.members),
        *search_notes(summary.search, summary.baseline, summary.hypervolume),
        *equal_latency_notes(summary.members, summary.search, summary.baseline),
        *parity_notes(summary.members),
        *generalisation_notes(summary.members, summary.data),
        *remeasured_notes(summary.members, summary.search),
        *summary.notes,
    ]
    return tuple(sorted(notes, key=lambda note: note.level is Level.GOOD))


def speed_notes(members: Sequence[ExportedMember]) -> list[Note]:
    """Say whether fewer MACs show as less time, pair by pair, and where the measured intervals overlap."""
    cautions = []
    for small, large in combinations(sorted(members, key=lambda member: member.macs), 2):
        if small.macs == large.macs:
            continue
        faster = small.latency_median_ms < large.latency_median_ms
        overlap = small.latency_high_ms >= large.latency_low_ms and large.latency_high_ms >= small.latency_low_ms
        if faster and not overlap:
            continue
        verdict = "and its median is lower" if faster else "but is not faster"
        cautions.append(
            f"{small.name} has fewer MACs than {large.name} ({count(small.macs)} against {count(large.macs)}) "
            f"{verdict}: {_latency(small)} against {_latency(large)}; the intervals "
            f"{'overlap' if overlap else 'do not overlap'}."
        )
    if cautions:
        return [_caution(text) for text in cautions]
    by_macs = sorted(members, key=lambda member: member.macs)
    if len({member.macs for member in members}) < 2:
        return []
    times = listed([f"{member.name} {milliseconds(member.latency_median_ms)}" for member in by_macs])
    return [_good(f"Fewer MACs show as less time: {times}; no two intervals overlap.")]


def accuracy_notes(members: Sequence[ExportedMember]) -> list[Note]:
    """Name the members that take more time than another one and yet are not more accurate on the test split."""
    return [
        _caution(
            f"{slow.name} takes more time than {fast.name} ({milliseconds(slow.latency_median_ms)} against "
            f"{milliseconds(fast.latency_median_ms)}) but is not more accurate on the test split "
            f"({percent(slow.test_accuracy_runtime)} against {percent(fast.test_accuracy_runtime)})."
        )
        for fast, slow in combinations(sorted(members, key=lambda member: member.latency_median_ms), 2)
        if fast.latency_median_ms < slow.latency_median_ms and fast.test_accuracy_runtime >= slow.test_accuracy_runtime
    ]


def search_notes(
    search: Sequence[Evaluated], baseline: Sequence[Evaluated], hypervolume: HypervolumeCurves
) -> list[Note]:
    """Say whether the search beat as many random members: by hypervolume, and by accuracy at equal latency."""
    if not search:
        return []
    if not baseline:
        return [_caution("There is no random baseline, so nothing shows that the search was better than chance.")]
    notes = []
    if len(baseline) != len(search):
        size = "smaller" if len(baseline) < len(search) else "larger"
        notes.append(
            _caution(
                f"The random baseline is {size} than the search ({len(baseline)} members against {len(search)}): "
                "hypervolumes are compared at the smaller number; the best of the larger set has an advantage."
            )
        )
    return [*notes, *_hypervolume_notes(hypervolume), *_front_notes(search, baseline)]


def equal_latency_notes(
    members: Sequence[ExportedMember], search: Sequence[Evaluated], baseline: Sequence[Evaluated]
) -> list[Note]:
    """Compare each exported member, as the search saw it, with random members that are about as fast."""
    notes = []
    for member in members:
        found = _as_searched(member, search)
        if found is None or not baseline:
            continue
        # The full and the smallest member stand in both sets: neither is its own rival.
        others = [entry for entry in baseline if entry.config != found.config]
        rivals = at_equal_latency(others, found.latency_ms, _WINDOW)
        where = f"At the latency of {member.name} ({milliseconds(found.latency_ms)} ± {100 * _WINDOW:.0f} %)"
        if rivals is None:
            notes.append(_caution(f"{where} there is no random member to compare with."))
            continue
        notes.append(
            Note(
                Level.GOOD if found.accuracy > rivals.best_accuracy else Level.CAUTION,
                f"{where} the search found {percent(found.accuracy)} validation accuracy; {rivals.count} random "
                f"{'member reaches' if rivals.count == 1 else 'members reach'} {percent(rivals.mean_accuracy)} on "
                f"average and {percent(rivals.best_accuracy)} at best.",
            )
        )
    return notes


def parity_notes(members: Sequence[ExportedMember]) -> list[Note]:
    """Say whether every exported file gives the outputs of its PyTorch member."""
    failed = [
        _caution(
            f"{member.file_name} does not agree with PyTorch: the outputs differ by up to "
            f"{member.parity.max_absolute_difference:.1e} (tolerance {member.parity.tolerance:.1e}) on "
            f"{member.parity.images} images. Do not use it."
        )
        for member in members
        if not member.parity.agrees
    ]
    changed = [
        _caution(
            f"{member.file_name} predicts another class than PyTorch for "
            f"{percent(1 - member.parity.top1_agreement)} of {member.parity.images} images."
        )
        for member in members
        if member.parity.top1_agreement < 1
    ]
    if failed or changed or not members:
        return [*failed, *changed]
    worst = max(members, key=lambda member: member.parity.max_absolute_difference).parity
    return [
        _good(
            f"Every exported file agrees with its PyTorch member on {min(m.parity.images for m in members)} images: "
            f"largest difference {worst.max_absolute_difference:.1e} (tolerance {worst.tolerance:.1e}), same classes."
        )
    ]


def generalisation_notes(members: Sequence[ExportedMember], data: DataSummary) -> list[Note]:
    """Compare validation with test accuracy: a gap of over two standard errors is more than sampling explains."""
    if not members or not data.validation_images or not data.test_images:
        return []
    cautions = []
    for member in members:
        gap = member.validation_accuracy - member.test_accuracy_runtime
        noise = 2 * _standard_error(member, data)
        if abs(gap) > noise:
            cautions.append(
                _caution(
                    f"{member.name} is {percentage_points(gap)} {'less' if gap > 0 else 'more'} accurate on the test "
                    f"split than on the validation split ({percent(member.test_accuracy_runtime)} against "
                    f"{percent(member.validation_accuracy)}); sampling explains about {percentage_points(noise)}."
                )
            )
    if cautions:
        return cautions
    widest = max(members, key=lambda member: abs(member.validation_accuracy - member.test_accuracy_runtime))
    gap = widest.validation_accuracy - widest.test_accuracy_runtime
    return [
        _good(
            f"Test and validation accuracy agree within sampling error: the widest gap is {percentage_points(gap)}, "
            f"of {widest.name} (two standard errors are {percentage_points(2 * _standard_error(widest, data))})."
        )
    ]


def remeasured_notes(members: Sequence[ExportedMember], search: Sequence[Evaluated]) -> list[Note]:
    """Name the members whose latency in the exported file is clearly not what the search measured."""
    notes = []
    for member in members:
        found = _as_searched(member, search)
        if found is None:
            continue
        apart = found.latency_high_ms < member.latency_low_ms or member.latency_high_ms < found.latency_low_ms
        change = member.latency_median_ms / found.latency_ms - 1
        if apart and abs(change) > _WINDOW:
            notes.append(
                _caution(
                    f"{member.name} takes {100 * abs(change):.0f} % {'more' if change > 0 else 'less'} time as an "
                    f"exported file than the search measured: {_latency(member)} against "
                    f"{spread(found.latency_ms, found.latency_low_ms, found.latency_high_ms)}."
                )
            )
    return notes


def _hypervolume_notes(curves: HypervolumeCurves) -> list[Note]:
    number = min(len(curves.search), len(curves.baseline))
    if not number:
        return []
    searched, by_chance = curves.search[number - 1], curves.baseline[number - 1]
    figures = f"{significant(searched)} against {significant(by_chance)} after {number} evaluations each"
    if searched <= by_chance:
        return [_caution(f"The search did not beat random members by hypervolume: {figures}.")]
    gain = f", {percent(searched / by_chance - 1)} more" if by_chance > 0 else ""
    return [_good(f"The search beat random members by hypervolume: {figures}{gain}.")]


def _front_notes(search: Sequence[Evaluated], baseline: Sequence[Evaluated]) -> list[Note]:
    """At each latency of the search's front, compare with the best random member that is at least as fast."""
    front = front_of(search)
    gains = []
    for member in front:
        rival = best_at_most(baseline, member.latency_ms)
        gains.append(member.accuracy - rival.accuracy if rival is not None else math.inf)
    won = sum(gain > 0 for gain in gains)
    unrivalled = sum(math.isinf(gain) for gain in gains)
    known = [gain for gain in gains if math.isfinite(gain)]
    details = []
    if unrivalled:
        details.append(f"{unrivalled} {'is' if unrivalled == 1 else 'are'} faster than every random member")
    if known:
        details.append(f"the differences go from {100 * min(known):+.2f} to {100 * max(known):+.2f} points")
    text = (
        f"At equal latency, {won} of the {len(front)} members on the search's front are more accurate than the best "
        f"random member ({'; '.join(details)})."
    )
    if not front:
        return []
    return [_good(text) if 2 * won > len(front) else _caution(text)]


def _as_searched(member: ExportedMember, search: Sequence[Evaluated]) -> Evaluated | None:
    return next((evaluated for evaluated in search if evaluated.config == member.config), None)


def _standard_error(member: ExportedMember, data: DataSummary) -> float:
    # Of the difference of two binomial shares: sqrt(p (1 - p) (1 / n + 1 / m)), with p pooled over both splits.
    n, m = data.validation_images, data.test_images
    pooled = (member.validation_accuracy * n + member.test_accuracy_runtime * m) / (n + m)
    return math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))


def _latency(member: ExportedMember) -> str:
    return spread(member.latency_median_ms, member.latency_low_ms, member.latency_high_ms)


def _good(text: str) -> Note:
    return Note(Level.GOOD, text)


def _caution(text: str) -> Note:
    return Note(Level.CAUTION, text)
