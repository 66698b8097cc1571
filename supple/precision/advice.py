"""Which layers to leave alone: a table sorted by harm, and a sentence that says which, why, and what it costs."""

from dataclasses import dataclass
from typing import Any

from supple.precision.sensitivity import Sensitivity
from supple.text_table import text_table

# Where those left alone did half of the harm, the rest does half of it: 3 dB, what half a bit more would bring.
_HARM_TO_AVOID = 0.5
# Harm that is spread evenly is no reason to name anybody: each who is named does three times what the others do in the
# mean.
_OUTSTANDING = 3.0
# Errors of a thousandth of the outputs' power (30 dB), or a thousandth of the loss, are less than another seed of the
# training changes.
_QUIET = 1e-3


@dataclass(frozen=True)
class AdviceRow:
    """One choice: its harm, the share that this is of the harm of all at so many bits, and the bytes that it saves."""

    dimension: str
    bits: int
    format: str
    harm: float
    share: float
    bytes_saved: int
    signal_to_noise_db: float | None


@dataclass(frozen=True)
class Verdict:
    """What to do at one number of bits: the dimensions to leave in fp32, and why."""

    bits: int
    leave: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Advice:
    """The choices, the most harmful first, and for each number of bits the verdict."""

    measure: str
    rows: tuple[AdviceRow, ...]
    verdicts: tuple[Verdict, ...]

    def __str__(self) -> str:
        has_decibels = any(row.signal_to_noise_db is not None for row in self.rows)
        header = ["layers", "format", self.measure, "share", "bytes saved", *(["dB"] if has_decibels else [])]
        lines = [
            [
                row.dimension,
                row.format,
                f"{row.harm:.3g}",
                f"{row.share:.1%}",
                f"{row.bytes_saved:,}",
                *([] if row.signal_to_noise_db is None else [f"{row.signal_to_noise_db:.1f}"]),
            ]
            for row in self.rows
        ]
        table = text_table(header, lines, right_aligned=range(2, len(header)))
        return "\n".join([*table, "", *(verdict.sentence for verdict in self.verdicts)])

    def to_json(self) -> dict[str, Any]:
        """Return rows and verdicts as JSON; a ratio without any error is None."""
        return {
            "measure": self.measure,
            "rows": [
                {
                    **vars(row),
                    "signal_to_noise_db": None
                    if row.signal_to_noise_db in (None, float("inf"))
                    else row.signal_to_noise_db,
                }
                for row in self.rows
            ],
            "verdicts": [{**vars(verdict), "leave": list(verdict.leave)} for verdict in self.verdicts],
        }


def advise(sensitivity: Sensitivity) -> Advice:
    """Return which layers to leave alone, by a table of their harm.

    Named are the fewest that together do half of the harm, if each does at least three times what the others do in the
    mean; what is spread evenly names nobody. Harm below 0 counts as none, and as a sign of how far off all figures
    are: what is no greater names nobody either. Where a measure tells of pairs, half of each
    pair is each one's.
    """
    numbers = sorted({bits for row in sensitivity.harms.values() for bits in row}, reverse=True)
    rows: list[AdviceRow] = []
    verdicts: list[Verdict] = []
    for bits in numbers:
        ranked = _ranked(sensitivity, bits)
        rows.extend(ranked)
        verdicts.append(_verdict(sensitivity, bits, ranked))
    rows.sort(key=lambda row: -row.harm)
    return Advice(sensitivity.measure.value, tuple(rows), tuple(verdicts))


def _ranked(sensitivity: Sensitivity, bits: int) -> list[AdviceRow]:
    harms = {name: sensitivity.share_of(name, bits) for name, row in sensitivity.harms.items() if bits in row}
    total = sum(max(harm, 0.0) for harm in harms.values())
    found = [
        AdviceRow(
            name,
            bits,
            sensitivity.formats[name][bits].value,
            harm,
            max(harm, 0.0) / total if total > 0 else 0.0,
            sensitivity.bytes_saved[name][bits],
            sensitivity.signal_to_noise_db(name, bits),
        )
        for name, harm in harms.items()
    ]
    return sorted(found, key=lambda row: -row.harm)


def _verdict(sensitivity: Sensitivity, bits: int, ranked: list[AdviceRow]) -> Verdict:
    beginning = f"At {bits} bits:"
    if not any(row.share for row in ranked):
        return Verdict(bits, (), f"{beginning} no choice does any harm; leave none alone.")
    if len(ranked) == 1:
        return Verdict(bits, (), f"{beginning} only {ranked[0].dimension} has that choice; compare it with its others.")
    # Errors of different layers are all but independent: their squares add up, as increases of a loss do.
    together = sum(row.harm for row in ranked)
    whole, of_what = (
        (sensitivity.base, "loss") if sensitivity.signal is None else (sensitivity.signal, "outputs' power")
    )
    if together <= _QUIET * whole:
        return Verdict(
            bits,
            (),
            f"{beginning} all choices together add {max(together, 0.0) / whole:.2%} of the {of_what}, where "
            f"{_QUIET:.1%} is nothing to mend; leave none alone.",
        )
    named = _fewest(ranked)
    # Rounding does not help: what seems to shows how far off figures are.
    doubt = max(-ranked[-1].harm, 0.0)
    if named[-1].harm <= doubt:
        return Verdict(
            bits,
            (),
            f"{beginning} {named[-1].dimension} adds {named[-1].harm:.2g}, but {ranked[-1].dimension} seems to take "
            f"away {doubt:.2g}, so that figures are that far off; take more samples, or the distortion.",
        )
    rest = ranked[len(named) :]
    if not rest or named[-1].harm * len(rest) < _OUTSTANDING * sum(max(row.harm, 0.0) for row in rest):
        first = ranked[0]
        return Verdict(
            bits,
            (),
            f"{beginning} no few layers do most of the harm (the most harmful, {first.dimension}, {first.share:.0%} of "
            "it); leave none alone, or take a finer format for all.",
        )
    saved = sum(row.bytes_saved for row in ranked)
    kept = sum(row.bytes_saved for row in named) / saved if saved else 0.0
    avoided = sum(row.share for row in named)
    names = ", ".join(row.dimension for row in named)
    does = "it does" if len(named) == 1 else "they do"
    return Verdict(
        bits,
        tuple(row.dimension for row in named),
        f"{beginning} leave {names} in fp32: {does} {avoided:.0%} of the harm, and {kept:.1%} of the bytes that could "
        f"be saved are given up for that.",
    )


def _fewest(ranked: list[AdviceRow]) -> list[AdviceRow]:
    """Return the fewest, the most harmful first, that do enough of the harm."""
    avoided = 0.0
    for count, row in enumerate(ranked, start=1):
        avoided += row.share
        if avoided >= _HARM_TO_AVOID:
            return ranked[:count]
    return ranked
