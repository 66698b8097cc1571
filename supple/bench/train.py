"""Which scheme trains a family best: members of families on Fashion-MNIST next to the same networks trained alone.

Every training makes the same number of gradient steps by the same recipe. The figures are test accuracies of five fixed
members, the compute next to that of the five alone, and how well accuracies inside the family rank members: Kendall's
tau against their accuracies alone.
"""

from collections.abc import Iterator

from scipy.stats import kendalltau

from supple.bench.form import Cell, Options, Outcome, Wanted
from supple.bench.timing import Spread, one_thread
from supple.bench.train_curves import draw_curves
from supple.bench.train_parts import (
    NETWORKS,
    SEEDS,
    KeptTrainings,
    Setting,
    Trained,
    chosen_networks,
    fixed_members,
    load_data,
    ranked_members,
    recipe,
    train_alone,
    train_family,
)
from supple.bench.train_rows import ALONE, row_alone, row_in_family, wanted_of_default
from supple.bench.train_schemes import DEFAULT, RANKED, SAMPLERS, TEACHERS, schemes
from supple.family import convert
from supple.progress import Progress
from supple.space import Config

MEMBERS_RANKED = 20


def run(options: Options, progress: Progress) -> Outcome:
    """Train every scheme and every fixed member alone, over three seeds; with a folder, go on where it was left."""
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    with one_thread():
        for name in chosen_networks(options):
            comparison = _Comparison(name, options, progress)
            found = {str(row["scheme"]): row for row in comparison.rows()}
            rows.extend(found.values())
            wanted.extend(wanted_of_default(name, found[ALONE], found[DEFAULT]))
            if options.folder is not None:
                draw_curves(comparison.families, options.folder / f"curves-{name}.svg")
    return Outcome(tuple(rows), tuple(wanted))


class _Comparison:
    """All trainings of one network."""

    def __init__(self, network: str, options: Options, progress: Progress) -> None:
        self._network = network
        self._kept = KeptTrainings(options.folder)
        base = recipe(passes=1)
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
        yield row_alone(self._network, self.alone)
        for scheme, results in self.families.items():
            yield {
                **row_in_family(self._network, scheme, results, self.alone),
                "kendall_tau": Spread.of(
                    self._tau(result) for result in results if self._ranked.keys() <= result.accuracy.keys()
                ),
            }

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
