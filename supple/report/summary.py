"""Everything that a report shows, as plain frozen data that goes to JSON and back."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from supple.errors import SuppleError
from supple.space import Dimension

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Fact = str | int | float | bool | None | list[str]
"""One thing known about the machine or the versions."""


class Origin(StrEnum):
    """Who proposed a member that was evaluated."""

    SEARCH = "search"
    BASELINE = "baseline"


class Level(StrEnum):
    """How a note is meant: what holds, or what the reader should beware of."""

    GOOD = "good"
    CAUTION = "caution"


@dataclass(frozen=True)
class Note:
    """One honest remark about the results, in plain text."""

    level: Level
    text: str


@dataclass(frozen=True)
class DataSummary:
    """The data set and the number of images in each split; the search saw the validation split only."""

    name: str
    classes: int
    train_images: int
    validation_images: int
    test_images: int


@dataclass(frozen=True)
class Frozen:
    """A part of the model that could not become elastic, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class SpaceSummary:
    """The space of a family: its dimensions, its size, and what stayed as it was."""

    dimensions: tuple[Dimension, ...]
    members_count: int
    smallest_parameters: int
    largest_parameters: int
    smallest_macs: int
    largest_macs: int
    frozen: tuple[Frozen, ...] = ()


@dataclass(frozen=True)
class HistoryRow:
    """The training after `step` steps, in `epoch`, `seconds` after its start.

    Losses are training losses, accuracies (0 to 1) are from the validation split; None where not measured.
    """

    epoch: int
    step: int
    seconds: float
    loss_largest: float | None = None
    loss_smallest: float | None = None
    accuracy_largest: float | None = None
    accuracy_smallest: float | None = None


@dataclass(frozen=True)
class Evaluated:
    """One member that was evaluated: validation accuracy (0 to 1) against latency measured on the target.

    `latency_low_ms` and `latency_high_ms` are its spread (`RunSummary.latency_spread` says which). `on_front` says
    that no member of the same origin dominates it (`supple.report.comparison.mark_front` sets it).
    """

    config: dict[str, int]
    accuracy: float
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    parameters: int
    macs: int
    origin: Origin
    on_front: bool = False


@dataclass(frozen=True)
class HypervolumeCurves:
    """The hypervolume after each evaluation, of the search and of the random baseline, from one reference point."""

    reference_accuracy: float
    reference_latency_ms: float
    search: tuple[float, ...]
    baseline: tuple[float, ...]


@dataclass(frozen=True)
class Parity:
    """How far an exported file's outputs are from the PyTorch member's, on the same images.

    `top1_agreement` is the share (0 to 1) of images with the same predicted class. The export agrees if
    `max_absolute_difference` is at most `tolerance`.
    """

    max_absolute_difference: float
    max_relative_difference: float
    tolerance: float
    images: int
    top1_agreement: float

    @property
    def agrees(self) -> bool:
        """Whether the outputs agree within the tolerance."""
        return self.max_absolute_difference <= self.tolerance


@dataclass(frozen=True)
class ExportedMember:
    """A member that was taken out and exported: what it is, and what was measured in the runtime that ships."""

    name: str
    config: dict[str, int]
    parameters: int
    macs: int
    file_name: str
    file_bytes: int
    validation_accuracy: float
    test_accuracy_runtime: float
    latency_median_ms: float
    latency_low_ms: float
    latency_high_ms: float
    parity: Parity


@dataclass(frozen=True)
class RunSummary:
    """A whole run, as the report shows it.

    `created` is an ISO 8601 time; `target` an address such as `onnxruntime:cpu?threads=1`; `latency_spread` says what
    the low and high latencies are, such as "25th to 75th percentile"; `notes` are remarks beside those that
    `supple.report.notes` derives; `loading_code` is the Python that loads a member.
    """

    title: str
    created: str
    seed: int
    target: str
    config_yaml: str
    versions: dict[str, Fact]
    machine: dict[str, Fact]
    data: DataSummary
    space: SpaceSummary
    history: tuple[HistoryRow, ...]
    search: tuple[Evaluated, ...]
    baseline: tuple[Evaluated, ...]
    hypervolume: HypervolumeCurves
    members: tuple[ExportedMember, ...]
    latency_spread: str
    loading_code: str
    notes: tuple[Note, ...] = ()

    def to_json(self) -> str:
        """Return the summary as JSON. Raises `SuppleError` where a figure that must be known is not finite."""
        text = _adapter().dump_json(self, indent=1).decode()
        self.from_json(text)  # what cannot be read again (NaN has no form in JSON) must not be written
        return text

    @classmethod
    def from_json(cls, text: str) -> "RunSummary":
        """Read what `to_json` wrote. Raises `SuppleError`, naming the entry, where the text is anything else."""
        from pydantic import ValidationError

        try:
            return _adapter().validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the text"
            raise SuppleError(f"This is no summary of a run: {place}: {first['msg']}.") from None


@cache
def _adapter() -> "TypeAdapter[RunSummary]":
    from pydantic import TypeAdapter

    return TypeAdapter(RunSummary)
