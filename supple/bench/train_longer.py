"""What a longer training does to the gap between members of a family and the same networks trained alone.

The default scheme, and the cheapest that trains the full member all along, for as many steps as the networks alone.
"""

from functools import partial

from supple.bench.form import Cell, Options, Outcome, Wanted
from supple.bench.timing import one_thread
from supple.bench.train_parts import (
    NETWORKS,
    SEEDS,
    KeptTrainings,
    Setting,
    Trained,
    chosen_networks,
    fixed_members,
    load_data,
    recipe,
    train_alone,
    train_family,
)
from supple.bench.train_rows import row_alone, row_in_family, wanted_of_default
from supple.bench.train_schemes import DEFAULT, schemes
from supple.family import convert
from supple.progress import Progress

PASSES = 4
SCHEMES = (DEFAULT, "delayed, 1 random")


def run(options: Options, progress: Progress) -> Outcome:
    """Train the fixed members alone and families of them, over three seeds; with a folder, go on where it was left."""
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    with one_thread():
        for name in chosen_networks(options):
            found = _rows(name, options, progress)
            rows.extend(found)
            wanted.extend(wanted_of_default(name, found[0], found[1]))
    return Outcome(tuple(rows), tuple(wanted))


def _rows(name: str, options: Options, progress: Progress) -> list[dict[str, Cell]]:
    base = recipe(1 if options.quick else PASSES)
    setting = Setting(NETWORKS[name], load_data(options.data, base.batch_size, options.quick), base)
    members = fixed_members(convert(NETWORKS[name](), setting.splits.example_inputs))
    configs = {scheme: schemes(base)[scheme] for scheme in SCHEMES}
    seeds = range(options.seed, options.seed + (1 if options.quick else SEEDS))
    alone: dict[str, list[Trained]] = {member: [] for member in members}
    families: dict[str, list[Trained]] = {scheme: [] for scheme in configs}
    kept = KeptTrainings(options.folder)
    progress.start(f"Trainings of {name}", len(seeds) * (len(members) + len(configs)), "trainings")
    for seed in seeds:
        for scheme, config in configs.items():
            file = f"{name}-{PASSES}-{scheme}-{seed}"
            families[scheme].append(kept.get(file, partial(train_family, setting, config, seed, members)))
            progress.advance()
        for member, shape in members.items():
            file = f"{name}-{PASSES}-alone-{member}-{seed}"
            alone[member].append(kept.get(file, partial(train_alone, setting, shape, seed)))
            progress.advance()
    progress.finish()
    return [
        row_alone(name, alone),
        *(row_in_family(name, scheme, results, alone) for scheme, results in families.items()),
    ]
