"""What the training benchmarks say of networks trained alone and in families: rows, and what is wanted of them."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean

from supple.bench.form import Bound, Cell, Wanted
from supple.bench.timing import Spread
from supple.bench.train_parts import Trained

ALONE = "alone, five times"
# Random numbers alone make an accuracy on the 10,000 test images differ by this much, in points.
_WANTED_GAP = 0.3


def row_alone(network: str, alone: Mapping[str, Sequence[Trained]]) -> dict[str, Cell]:
    """Return the row of the fixed members that were trained alone; `alone` has the trainings of all seeds by member."""
    accuracies = _by_seed(alone)
    return {
        "network": network,
        "scheme": ALONE,
        "mean_%": _percent(map(mean, accuracies)),
        "worst_%": _percent(map(min, accuracies)),
        "full_%": _percent(result.accuracy["alone"] for result in alone["full"]),
        "compute": 1.0,
        "seconds": Spread.of(sum(result.seconds for result in column) for column in zip(*alone.values(), strict=True)),
    }


def row_in_family(
    network: str, scheme: str, results: Sequence[Trained], alone: Mapping[str, Sequence[Trained]]
) -> dict[str, Cell]:
    """Return the row of the same members in families that were trained under a scheme, one for each seed."""
    five = [[result.accuracy[member] for member in alone] for result in results]
    return {
        "network": network,
        "scheme": scheme,
        "mean_%": _percent(map(mean, five)),
        "worst_%": _percent(map(min, five)),
        "full_%": _percent(result.accuracy["full"] for result in results),
        "gap_to_alone_points": Spread.of(
            100 * (mean(one) - mean(other)) for one, other in zip(_by_seed(alone), five, strict=True)
        ),
        "compute": results[0].macs / sum(column[0].macs for column in alone.values()),
        "seconds": Spread.of(result.seconds for result in results),
    }


def wanted_of_default(network: str, alone: Mapping[str, Cell], default: Mapping[str, Cell]) -> Iterator[Wanted]:
    """Yield what the default should reach, from its row and that of the networks alone."""
    gap, full, full_alone = default["gap_to_alone_points"], default["full_%"], alone["full_%"]
    compute = default["compute"]
    assert isinstance(gap, Spread)
    assert isinstance(full, Spread)
    assert isinstance(full_alone, Spread)
    assert isinstance(compute, float)
    yield Wanted(
        f"{network}: mean accuracy alone minus that in the default's family, points",
        gap.median,
        Bound.AT_MOST,
        _WANTED_GAP,
    )
    yield Wanted(
        f"{network}: the full network in the default's family minus alone, points",
        full.median - full_alone.median,
        Bound.AT_LEAST,
        0,
    )
    yield Wanted(f"{network}: compute of the default, next to the five alone", compute, Bound.AT_MOST, 0.5)


def _by_seed(alone: Mapping[str, Sequence[Trained]]) -> list[list[float]]:
    return [[trained.accuracy["alone"] for trained in column] for column in zip(*alone.values(), strict=True)]


def _percent(shares: Iterator[float]) -> Spread:
    return Spread.of(100 * share for share in shares)
