"""Everything that a report shows, as plain frozen data that goes to JSON and back."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from supple.errors import SuppleError
from supple.searching.wishes import Constraint, Objective, total_excess
from supple.space import Dimension

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Fact = str | int | float | bool | None | list[str]
"""One thing known about the machine or the versions."""


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
class PrecisionChoice:
    """The layers whose format one dimension chooses, by module path, and the format that each of its values means."""

    dimension: str
    layers: tuple[str, ...]
    formats: tuple[str, ...]


@dataclass(frozen=True)
class SpaceSummary:
    """The space of a family: its dimensions, its size, what stayed as it was, and the precision of its layers."""

    dimensions: tuple[Dimension, ...]
    members_count: int
    smallest_parameters: int
    largest_parameters: int
    smallest_macs: int
    largest_macs: int
    frozen: tuple[Frozen, ...] = ()
    precisions: tuple[PrecisionChoice, ...] = ()


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
    """One member that was evaluated: its figures by full name, such as "accuracy" or "latency_ms on TARGET".

    Quality is that on the validation split. `spreads` holds the low and the high latency in ms on each target where
    that was measured (`SearchSummary.latency_spread` says what they are).
    """

    config: dict[str, int]
    figures: dict[str, float]
    spreads: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class SeedSummary:
    """The distinct members that the search with one seed evaluated, in order, and its random ones.

    `remarks` are what the searcher has to tell of itself, such as how well its predictor predicts.
    """

    seed: int
    searched: tuple[Evaluated, ...]
    baseline: tuple[Evaluated, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchSummary:
    """A search and the random members that it is compared with: everything here is from the validation split.

    `quality` is that one of the objectives that costs are set against; `corners` are the configs of the largest and
    the smallest member, which every search is given first. `baseline_share` is the share of each seed's budget that
    was meant for random members; `latency_spread` says what the low and high latencies are, such as "25th to 75th
    percentile"; `warm_start` names the earlier study whose best members were given too, if one was.
    """

    searcher: str
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    quality: Objective
    seeds: tuple[SeedSummary, ...]
    baseline_share: float
    latency_spread: str
    corners: tuple[dict[str, int], ...] = ()
    warm_start: str | None = None

    @property
    def searched(self) -> tuple[Evaluated, ...]:
        """The distinct members that the searches of all seeds evaluated, in order."""
        return _distinct(entry for seed in self.seeds for entry in seed.searched)

    @property
    def baseline(self) -> tuple[Evaluated, ...]:
        """The distinct random members of all seeds, in order."""
        return _distinct(entry for seed in self.seeds for entry in seed.baseline)

    def keeps_constraints(self, member: Evaluated) -> bool:
        """Say whether a member keeps all constraints."""
        return total_excess(self.constraints, member.figures) == 0

    def is_corner(self, member: Evaluated) -> bool:
        """Say whether a member is the largest or the smallest one, which no search has to find."""
        return member.config in self.corners


def _distinct(members: Iterable[Evaluated]) -> tuple[Evaluated, ...]:
    return tuple({tuple(entry.config.items()): entry for entry in members}.values())


@dataclass(frozen=True)
class Parity:
    """How far an exported file's outputs are from the PyTorch member's, on the same images.

    `top1_agreement` is the share (0 to 1) of images with the same predicted class. The export agrees if
    `max_absolute_difference` is at most `tolerance`. The export of a member whose activations are rounded agrees if
    `signal_to_noise_db`, of the outputs over the differences (None where there are none), is at least
    `least_signal_to_noise_db`, and as many classes are the same as `least_top1_agreement` says; the latter two are None
    for others.
    """

    max_absolute_difference: float
    max_relative_difference: float
    tolerance: float
    images: int
    top1_agreement: float
    signal_to_noise_db: float | None = None
    least_signal_to_noise_db: float | None = None
    least_top1_agreement: float | None = None

    @property
    def is_rounded(self) -> bool:
        """Whether the member's activations are rounded, so that its file is judged by signal and noise."""
        return self.least_signal_to_noise_db is not None

    @property
    def agrees(self) -> bool:
        """Whether the outputs agree as far as they must."""
        if self.least_signal_to_noise_db is None:
            return self.max_absolute_difference <= self.tolerance
        is_clear = self.signal_to_noise_db is None or self.signal_to_noise_db >= self.least_signal_to_noise_db
        return is_clear and self.top1_agreement >= (self.least_top1_agreement or 0.0)


@dataclass(frozen=True)
class LayerPrecision:
    """A layer of a member, by its module path, and the format that it is stored and multiplied in."""

    layer: str
    format: str


@dataclass(frozen=True)
class TwinLatency:
    """The latency of a member of the same shape whose layers are all in 32 bits, measured side by side with it."""

    median_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class ExportedMember:
    """A member that was taken out and exported: what it is, and what was measured in the runtime that ships.

    `test_accuracy_runtime` is the one figure of a run that comes from the test split. `precision` lists the layers
    whose format could be chosen; `twin` is there for members that have one in another format than fp32.
    """

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
    precision: tuple[LayerPrecision, ...] = ()
    twin: TwinLatency | None = None


@dataclass(frozen=True)
class RunSummary:
    """A whole run, as the report shows it.

    `created` is an ISO 8601 time; `targets` are addresses such as `onnxruntime:cpu?threads=1`, the first of which is
    the one that ships; `machines` are those that measured, by a name for each; `notes` are remarks beside those that
    `supple.report.notes` derives; `loading_code` is the Python that loads a member.
    """

    title: str
    created: str
    seed: int
    targets: tuple[str, ...]
    config_yaml: str
    versions: dict[str, Fact]
    machines: dict[str, dict[str, Fact]]
    data: DataSummary
    space: SpaceSummary
    history: tuple[HistoryRow, ...]
    search: SearchSummary
    members: tuple[ExportedMember, ...]
    loading_code: str
    notes: tuple[Note, ...] = ()

    def to_json(self) -> str:
        """Return the summary as JSON. Raises `SuppleError` where a figure that must be known is not finite."""
        return _to_json(_run_adapter(), self, "a run")

    @classmethod
    def from_json(cls, text: str) -> "RunSummary":
        """Read what `to_json` wrote. Raises `SuppleError`, naming the entry, where the text is anything else."""
        return _from_json(_run_adapter(), text, "a run")


@dataclass(frozen=True)
class SearchRecord:
    """A search of a trained family by itself, as its page shows it; the names are as in `RunSummary`."""

    title: str
    created: str
    seed: int
    targets: tuple[str, ...]
    config_yaml: str
    versions: dict[str, Fact]
    machines: dict[str, dict[str, Fact]]
    data: DataSummary
    space: SpaceSummary
    search: SearchSummary
    notes: tuple[Note, ...] = ()

    def to_json(self) -> str:
        """Return the record as JSON. Raises `SuppleError` as `RunSummary.to_json` does."""
        return _to_json(_search_adapter(), self, "a search")

    @classmethod
    def from_json(cls, text: str) -> "SearchRecord":
        """Read what `to_json` wrote. Raises `SuppleError`, naming the entry, where the text is anything else."""
        return _from_json(_search_adapter(), text, "a search")


Summary = TypeVar("Summary")


def _to_json(adapter: "TypeAdapter[Summary]", summary: Summary, what: str) -> str:
    text = adapter.dump_json(summary, indent=1).decode()
    _from_json(adapter, text, what)  # what cannot be read again (NaN has no form in JSON) must not be written
    return text


def _from_json(adapter: "TypeAdapter[Summary]", text: str, what: str) -> Summary:
    from pydantic import ValidationError

    try:
        return adapter.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the text"
        raise SuppleError(f"This is no summary of {what}: {place}: {first['msg']}.") from None


@cache
def _run_adapter() -> "TypeAdapter[RunSummary]":
    from pydantic import TypeAdapter

    return TypeAdapter(RunSummary)


@cache
def _search_adapter() -> "TypeAdapter[SearchRecord]":
    from pydantic import TypeAdapter

    return TypeAdapter(SearchRecord)
