"""What the report says of precision: the formats of a member's layers, and whether they pay on a target."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from supple.report.summary import Evaluated, ExportedMember, Level, Note, SearchSummary, SpaceSummary
from supple.report.wording import listed, significant, spread
from supple.searching.wishes import target_of
from supple.space import Space

FULL = "fp32"


def precision_text(formats: Iterable[str]) -> str:
    """Return the formats of layers in short: "int8: 12 of 16 layers", or "fp32" where there are no others."""
    counted = Counter(formats)
    others = [f"{name}: {number}" for name, number in sorted(counted.items()) if name != FULL]
    total = counted.total()
    return f"{', '.join(others)} of {total} {'layer' if total == 1 else 'layers'}" if others else FULL


def formats_in(space: SpaceSummary, config: Mapping[str, int]) -> list[str]:
    """Return the formats of the layers that a config's precisions reach."""
    found = Space(space.dimensions)
    return [
        choice.formats[found[choice.dimension].values.index(config[choice.dimension])]
        for choice in space.precisions
        if found.is_active(choice.dimension, config)
        for _ in choice.layers
    ]


def exported_precision_notes(members: Sequence[ExportedMember], target: str) -> list[Note]:
    """Say of exported members whether their precision makes them faster than the same shape in fp32, on the target."""
    notes = []
    for member in members:
        twin = member.twin
        if twin is None:
            continue
        text = precision_text(entry.format for entry in member.precision)
        own = spread(member.latency_median_ms, member.latency_low_ms, member.latency_high_ms)
        other = spread(twin.median_ms, twin.low_ms, twin.high_ms)
        if member.latency_high_ms < twin.low_ms:
            ratio = significant(twin.median_ms / member.latency_median_ms, 2)
            notes.append(
                _good(f"{member.name} ({text}) is {ratio} times as fast as its shape in fp32: {own} against {other}.")
            )
        else:
            notes.append(
                _caution(
                    f"The precision of {member.name} ({text}) does not pay in time on {target}: it takes {own}, and "
                    f"its shape in fp32 {other}."
                )
            )
    return notes


def searched_precision_notes(search: SearchSummary, space: SpaceSummary) -> list[Note]:
    """Say for each target whether the full network is faster in the fewest bits that were searched than in fp32."""
    pair = _full_network(search, space)
    if pair is None:
        return []
    quantized, full = pair
    text = precision_text(formats_in(space, quantized.config))
    pays, does_not = [], []
    for target in quantized.spreads.keys() & full.spreads.keys():
        (low_ms, high_ms), (full_low_ms, full_high_ms) = quantized.spreads[target], full.spreads[target]
        figure = next(name for name in full.figures if name.startswith("latency_ms") and target_of(name) == target)
        own, other = quantized.figures[figure], full.figures[figure]
        told = f"{spread(own, low_ms, high_ms)} against {spread(other, full_low_ms, full_high_ms)}"
        if high_ms < full_low_ms:
            pays.append(f"on {target} ({significant(other / own, 2)} times as fast: {told})")
        else:
            does_not.append(f"on {target} ({told})")
    notes = []
    if pays:
        notes.append(_good(f"The full network with {text} is faster than in fp32 {listed(sorted(pays))}."))
    if does_not:
        notes.append(
            _caution(
                f"The full network with {text} is not faster than in fp32 {listed(sorted(does_not))}: it saves bytes."
            )
        )
    return notes


def _full_network(search: SearchSummary, space: SpaceSummary) -> tuple[Evaluated, Evaluated] | None:
    """Return the full shape in the fewest bits that were evaluated, and in fp32, if both were."""
    largest = {entry.name: entry.largest for entry in space.dimensions}
    chosen = {choice.dimension for choice in space.precisions}

    def is_full_shape(member: Evaluated) -> bool:
        return all(value == largest[name] for name, value in member.config.items() if name not in chosen)

    def bits(member: Evaluated) -> int:
        return sum(value for name, value in member.config.items() if name in chosen)

    of_full_shape = sorted(filter(is_full_shape, search.searched), key=bits)
    if not chosen or not of_full_shape or of_full_shape[-1].config != largest or len(of_full_shape) == 1:
        return None
    return of_full_shape[0], of_full_shape[-1]


def _good(text: str) -> Note:
    return Note(Level.GOOD, text)


def _caution(text: str) -> Note:
    return Note(Level.CAUTION, text)
