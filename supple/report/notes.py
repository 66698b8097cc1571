"""Honest remarks that follow from the figures of a run: what holds, and what the reader should beware of."""

import math
from collections.abc import Sequence
from itertools import combinations

from supple.report.comparison import WINDOW
from supple.report.precision import exported_precision_notes, searched_precision_notes
from supple.report.search_notes import exported_gain_notes, search_notes
from supple.report.summary import (
    DataSummary,
    Evaluated,
    ExportedMember,
    Level,
    Note,
    RunSummary,
    SearchRecord,
    SearchSummary,
)
from supple.report.wording import count, listed, milliseconds, percent, percentage_points, spread
from supple.searching.wishes import Constraint


def derive_notes(summary: RunSummary) -> tuple[Note, ...]:
    """Return every remark about the run, those to beware of first; the run's own notes stand among them."""
    notes = [
        *speed_notes(summary.members),
        *accuracy_notes(summary.members),
        *search_notes(summary.search),
        *searched_precision_notes(summary.search, summary.space),
        *exported_precision_notes(summary.members, summary.targets[0]),
        *exported_gain_notes(summary.members, summary.search),
        *broken_constraint_notes(summary.members, summary.search),
        *parity_notes(summary.members),
        *generalisation_notes(summary.members, summary.data),
        *remeasured_notes(summary.members, summary.search, summary.targets[0]),
        *summary.notes,
    ]
    return _cautions_first(notes)


def derive_search_notes(record: SearchRecord) -> tuple[Note, ...]:
    """Return every remark about a search by itself, those to beware of first."""
    precision = searched_precision_notes(record.search, record.space)
    return _cautions_first([*search_notes(record.search), *precision, *record.notes])


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


def parity_notes(members: Sequence[ExportedMember]) -> list[Note]:
    """Say whether every exported file gives the outputs of its PyTorch member."""
    rounded = [_rounded_parity_note(member) for member in members if member.parity.is_rounded]
    exact = [member for member in members if not member.parity.is_rounded]
    failed = [
        _caution(
            f"{member.file_name} does not agree with PyTorch: the outputs differ by up to "
            f"{member.parity.max_absolute_difference:.1e} (tolerance {member.parity.tolerance:.1e}) on "
            f"{member.parity.images} images. Do not use it."
        )
        for member in exact
        if not member.parity.agrees
    ]
    changed = [
        _caution(
            f"{member.file_name} predicts another class than PyTorch for "
            f"{percent(1 - member.parity.top1_agreement)} of {member.parity.images} images."
        )
        for member in exact
        if member.parity.top1_agreement < 1
    ]
    if failed or changed or not exact:
        return [*failed, *changed, *rounded]
    worst = max(exact, key=lambda member: member.parity.max_absolute_difference).parity
    which = "Every exported file in fp32" if rounded else "Every exported file"
    return [
        *rounded,
        _good(
            f"{which} agrees with its PyTorch member on {min(m.parity.images for m in exact)} images: "
            f"largest difference {worst.max_absolute_difference:.1e} (tolerance {worst.tolerance:.1e}), same classes."
        ),
    ]


def _rounded_parity_note(member: ExportedMember) -> Note:
    parity = member.parity
    noise = "no differences" if parity.signal_to_noise_db is None else f"{parity.signal_to_noise_db:.1f} dB"
    figures = (
        f"signal over differences {noise} (at least {parity.least_signal_to_noise_db:.1f} dB), the same class for "
        f"{percent(parity.top1_agreement)} of {parity.images} images"
    )
    if parity.agrees:
        return _good(f"{member.file_name} agrees with its PyTorch member as closely as its rounding does: {figures}.")
    return _caution(f"{member.file_name} does not agree with PyTorch: {figures}. Do not use it.")


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


def broken_constraint_notes(members: Sequence[ExportedMember], search: SearchSummary) -> list[Note]:
    """Name the exported members that break a constraint: the full network is exported in any case, for comparison."""
    notes = []
    for member in members:
        found = _as_searched(member, search)
        if found is None:
            continue
        broken = [entry for entry in search.constraints if entry.excess(found.figures[entry.figure]) > 0]
        if broken:
            notes.append(_caution(f"{member.name} breaks {_quoted(broken)}. It is exported for comparison only."))
    if search.constraints and members and not notes:
        notes.append(_good(f"Every exported member keeps {_quoted(search.constraints)}."))
    return notes


def remeasured_notes(members: Sequence[ExportedMember], search: SearchSummary, shipped: str) -> list[Note]:
    """Name the members whose latency in the exported file is clearly not what the search measured on that target."""
    notes = []
    for member in members:
        found = _as_searched(member, search)
        if found is None or shipped not in found.spreads:
            continue
        low_ms, high_ms = found.spreads[shipped]
        latency_ms = found.figures[f"latency_ms on {shipped}"]
        apart = high_ms < member.latency_low_ms or member.latency_high_ms < low_ms
        change = member.latency_median_ms / latency_ms - 1
        if apart and abs(change) > WINDOW:
            notes.append(
                _caution(
                    f"{member.name} takes {100 * abs(change):.0f} % {'more' if change > 0 else 'less'} time as an "
                    f"exported file than the search measured: {_latency(member)} against "
                    f"{spread(latency_ms, low_ms, high_ms)}."
                )
            )
    return notes


def _quoted(constraints: Sequence[Constraint]) -> str:
    return listed([f'"{entry}"' for entry in constraints])


def _cautions_first(notes: Sequence[Note]) -> tuple[Note, ...]:
    return tuple(sorted(notes, key=lambda note: note.level is Level.GOOD))


def _as_searched(member: ExportedMember, search: SearchSummary) -> Evaluated | None:
    return next((evaluated for evaluated in search.searched if evaluated.config == member.config), None)


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
