"""Which scheme trains a family best: members of families on Fashion-MNIST next to the same networks trained alone.

Every training makes the same number of gradient steps by the same recipe. The figures are test accuracies of five fixed
members, the compute next to that of the five alone, and how well accuracies inside the family rank members: Kendall's
tau against their accuracies alone.
"""

from collections.abc import Iterator, Mapping
from statistics import mean

from scipy.stats import kendalltau
from torch import nn

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.overhead_networks import ViT
from supple.bench.timing import Spread, one_thread
from supple.bench.train_curves import draw_curves
from supple.bench.train_parts import (
    Kept,
    Setting,
    Trained,
    fixed_members,
    load_data,
    ranked_members,
    recipe,
    train_alone,
    train_family,
)
from supple.bench.train_schemes import DEFAULT, RANKED, SAMPLERS, TEACHERS, schemes
from supple.errors import SuppleError, nearest
from supple.family import convert
from supple.models import ResNet
from supple.progress import Progress
from supple.space import Config

ALONE = "alone, five times"
SEEDS = 3
MEMBERS_RANKED = 20
# Random numbers alone make an accuracy on the 10,000 test images differ by this much, in points.
_WANTED_GAP = 0.3


def _cnn() -> nn.Module:
    return ResNet(1, 10, 8, (12, 24, 48), (2, 2, 2))


def _vit() -> nn.Module:
    return ViT(width=48, depth=4, num_heads=4, positions=16, in_channels=1, patch=7)


NETWORKS = {"cnn": _cnn, "vit": _vit}


def run(options: Options, progress: Progress) -> Outcome:
    """Train every scheme and every fixed member alone, over three seeds; with a folder, go on where it was left."""
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    with one_thread():
        for name in options.models or NETWORKS:
            if name not in NETWORKS:
                raise SuppleError(f'The benchmark has no network "{name}"{nearest(name, NETWORKS)}')
            comparison = _Comparison(name, options, progress)
            found = {str(row["scheme"]): row for row in comparison.rows()}
            rows.extend(found.values())
            wanted.extend(comparison.wanted(found[ALONE], found[DEFAULT]))
            if options.folder is not None:
                draw_curves(comparison.families, options.folder / f"curves-{name}.svg")
    return Outcome(tuple(rows), tuple(wanted))


class _Comparison:
    """All trainings of one network."""

    def __init__(self, network: str, options: Options, progress: Progress) -> None:
        self._network = network
        self._kept = Kept(options.folder)
        base = recipe()
        self._setting = Setting(NETWORKS[network], load_data(options.data, base.batch_size, options.quick), base)
        family = convert(NETWORKS[network](), self._setting.splits.example_inputs)
        self._members = fixed_members(family)
        self._ranked = ranked_members(family, 3 if options.quick else MEMBERS_RANKED)
        self._seeds = range(options.seed, options.seed + (1 if options.quick else SEEDS))
        self._schemes = schemes(base)
        if options.quick:
            self._schemes = {name: self._schemes[name] for name in (DEFAULT, "uniform")}
        trainings = len(self._seeds) * (len(self._schemes) + len(self._members)) + len(self._ranked)
        progress.start(f"Trainings of {network}", trainings, "trainings")
        self.alone: dict[str, list[Trained]] = {}
        self.families: dict[str, list[Trained]] = {}
        for seed in self._seeds:
            for member, config in self._members.items():
                self.alone.setdefault(member, []).append(self._alone(member, config, seed))
                progress.advance()
        for chosen in (SAMPLERS, TEACHERS):
            for seed in self._seeds:
                for scheme in [name for name in self._schemes if name in chosen]:
                    self.families.setdefault(scheme, []).append(self._family(scheme, seed))
                    progress.advance()
        first = self._seeds[0]
        self._ranked_alone: list[float] = []
        for member, config in self._ranked.items():
            self._ranked_alone.append(self._alone(member, config, first).accuracy["alone"])
            progress.advance()
        progress.finish()

    def rows(self) -> Iterator[dict[str, Cell]]:
        """Yield a row for the networks alone, and one for each scheme."""
        alone = [[trained.accuracy["alone"] for trained in column] for column in zip(*self.alone.values(), strict=True)]
        compute_alone = sum(results[0].macs for results in self.alone.values())
        yield {
            "network": self._network,
            "scheme": ALONE,
            "mean_%": _percent(map(mean, alone)),
            "worst_%": _percent(map(min, alone)),
            "full_%": _percent(result.accuracy["alone"] for result in self.alone["full"]),
            "compute": 1.0,
            "seconds": Spread.of(
                sum(result.seconds for result in column) for column in zip(*self.alone.values(), strict=True)
            ),
        }
        for scheme, results in self.families.items():
            five = [[result.accuracy[member] for member in self._members] for result in results]
            yield {
                "network": self._network,
                "scheme": scheme,
                "mean_%": _percent(map(mean, five)),
                "worst_%": _percent(map(min, five)),
                "full_%": _percent(result.accuracy["full"] for result in results),
                "gap_to_alone_points": Spread.of(
                    100 * (mean(one) - mean(other)) for one, other in zip(alone, five, strict=True)
                ),
                "compute": results[0].macs / compute_alone,
                "kendall_tau": Spread.of(
                    self._tau(result) for result in results if self._ranked.keys() <= result.accuracy.keys()
                ),
                "seconds": Spread.of(result.seconds for result in results),
            }

    def wanted(self, alone: Mapping[str, Cell], default: Mapping[str, Cell]) -> Iterator[Wanted]:
        """Yield what the default should reach, from its row and that of the networks alone."""
        gap, full, full_alone = default["gap_to_alone_points"], default["full_%"], alone["full_%"]
        compute = default["compute"]
        assert isinstance(gap, Spread)
        assert isinstance(full, Spread)
        assert isinstance(full_alone, Spread)
        assert isinstance(compute, float)
        yield Wanted(
            f"{self._network}: mean accuracy alone minus that in the default's family, points",
            gap.median,
            Bound.AT_MOST,
            _WANTED_GAP,
        )
        yield Wanted(
            f"{self._network}: the full network in the default's family minus alone, points",
            full.median - full_alone.median,
            Bound.AT_LEAST,
            0,
        )
        yield Wanted(f"{self._network}: compute of the default, next to the five alone", compute, Bound.AT_MOST, 0.5)

    def _tau(self, result: Trained) -> float:
        return float(kendalltau([result.accuracy[name] for name in self._ranked], self._ranked_alone).statistic)

    def _alone(self, member: str, config: Config, seed: int) -> Trained:
        name = f"{self._network}-alone-{member}-{seed}"
        return self._kept.get(name, lambda: train_alone(self._setting, config, seed))

    def _family(self, scheme: str, seed: int) -> Trained:
        name = f"{self._network}-{scheme}-{seed}"
        ranked = self._ranked if scheme in RANKED or seed == self._seeds[0] else {}
        config, members = self._schemes[scheme], {**self._members, **ranked}
        return self._kept.get(name, lambda: train_family(self._setting, config, seed, members))


def _percent(shares: Iterator[float]) -> Spread:
    return Spread.of(100 * share for share in shares)
