"""The rows of the report's tables: exported members side by side, and the dimensions of the space."""

from collections.abc import Sequence
from dataclasses import dataclass

from supple.report.precision import precision_text
from supple.report.quantities import Quantity
from supple.report.summary import ExportedMember, RunSummary, SpaceSummary
from supple.report.wording import count, file_size, milliseconds, percent, significant
from supple.space import Space


@dataclass(frozen=True)
class Cell:
    """One figure, what belongs to it in small print, and whether the reader should beware of it."""

    value: str
    detail: str = ""
    bad: bool = False


@dataclass(frozen=True)
class MemberRow:
    """One property of all exported members."""

    label: str
    cells: tuple[Cell, ...]
    detail: str = ""
    strong: bool = False


@dataclass(frozen=True)
class DimensionRow:
    """One dimension and its value in each exported member."""

    name: str
    kind: str
    values: str
    chosen: tuple[str, ...]


def member_rows(summary: RunSummary) -> list[MemberRow]:
    """Return the properties of the exported members, one row each."""
    members = summary.members
    return [
        MemberRow(
            "Test accuracy",
            tuple(Cell(percent(m.test_accuracy_runtime)) for m in members),
            "in the runtime, read once",
            True,
        ),
        MemberRow(
            "Latency",
            tuple(
                Cell(
                    milliseconds(m.latency_median_ms),
                    f"{significant(m.latency_low_ms)} to {significant(m.latency_high_ms)}",
                )
                for m in members
            ),
            f"median; {summary.search.latency_spread}",
            True,
        ),
        MemberRow(
            "Validation accuracy", tuple(Cell(percent(m.validation_accuracy)) for m in members), "as the search saw it"
        ),
        *_constraint_rows(summary),
        MemberRow("Parameters", tuple(Cell(count(m.parameters)) for m in members)),
        MemberRow("MACs", tuple(Cell(count(m.macs)) for m in members)),
        *_precision_rows(members),
        MemberRow("File", tuple(Cell(file_size(m.file_bytes), m.file_name) for m in members)),
        MemberRow("Largest difference from PyTorch", tuple(_parity_cell(m) for m in members), "of any output"),
        MemberRow(
            "Same class as PyTorch",
            tuple(
                Cell(
                    percent(m.parity.top1_agreement),
                    f"of {m.parity.images} images",
                    m.parity.top1_agreement < (m.parity.least_top1_agreement or 1),
                )
                for m in members
            ),
        ),
    ]


def _precision_rows(members: Sequence[ExportedMember]) -> list[MemberRow]:
    """Return the formats of the members' layers, and the latency of the same shapes in fp32, if there are others."""
    if not any(member.precision for member in members):
        return []
    precisions = tuple(Cell(precision_text(entry.format for entry in member.precision)) for member in members)
    rows = [MemberRow("Precision", precisions, "of the layers that can be quantized")]
    if any(member.twin for member in members):
        twins = (member.twin for member in members)
        cells = (
            Cell("–")  # noqa: RUF001 - a dash, not a minus
            if twin is None
            else Cell(milliseconds(twin.median_ms), f"{significant(twin.low_ms)} to {significant(twin.high_ms)}")
            for twin in twins
        )
        rows.append(MemberRow("Latency of the same shape in fp32", tuple(cells), "measured side by side"))
    return rows


def _constraint_rows(summary: RunSummary) -> list[MemberRow]:
    """Say of each constraint whether the exported members kept it when the search evaluated them."""
    found = {tuple(entry.config.items()): entry for entry in summary.search.searched}
    rows = []
    for constraint in summary.search.constraints:
        quantity = Quantity(constraint.figure)
        cells = []
        for member in summary.members:
            entry = found.get(tuple(member.config.items()))
            if entry is None:
                cells.append(Cell("not searched"))
                continue
            value = entry.figures[constraint.figure]
            breaks = constraint.excess(value) > 0
            cells.append(Cell(quantity.shown(value), "breaks it" if breaks else "keeps it", breaks))
        rows.append(MemberRow(str(constraint), tuple(cells), "as the search measured it"))
    return rows


def _parity_cell(member: ExportedMember) -> Cell:
    parity = member.parity
    if parity.is_rounded:
        noise = "none" if parity.signal_to_noise_db is None else f"{parity.signal_to_noise_db:.1f} dB below"
        detail = f"at least {parity.least_signal_to_noise_db:.1f} dB, for rounded members"
        return Cell(noise, detail, not parity.agrees)
    verdict = "within" if parity.agrees else "beyond"
    return Cell(
        f"{parity.max_absolute_difference:.1e}",
        f"{verdict} {parity.tolerance:.1e}; relative {parity.max_relative_difference:.1e}",
        not parity.agrees,
    )


def dimension_rows(space: SpaceSummary, members: Sequence[ExportedMember]) -> list[DimensionRow]:
    """Return the dimensions; a dash stands where a member drops the block that a dimension belongs to."""
    found = Space(space.dimensions)
    return [
        DimensionRow(
            dimension.name,
            dimension.kind.value,
            ", ".join(str(value) for value in dimension.values),
            tuple(_chosen(found, dimension.name, member.config) for member in members),
        )
        for dimension in found.dimensions
    ]


def _chosen(space: Space, name: str, config: dict[str, int]) -> str:
    return str(config[name]) if space.is_active(name, config) else "–"  # noqa: RUF001 - a dash, not a minus
