"""How few evaluations a search needs, on published spaces, for every searcher and 20 seeds.

`--models` takes the parts by name: `macro` (NAS-Bench-Macro, whose exact front is known), `ofa` (OFA-MobileNetV3),
`predictors` (those of accuracy, on the same), `bits` (the allocator next to evolution). Finished searches are kept in
`--folder`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supple.bench import allocator, predictors
from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.kept import Kept
from supple.bench.parts import run_parts
from supple.bench.search_spaces import PublishedSearch, macro_search, ofa_search, pymoo_searched, searched
from supple.bench.timing import Spread
from supple.progress import Progress
from supple.searching.dominance import Floats

SEEDS = 20
SHARES = (0.95, 0.99)
CHECKPOINTS = (50, 100, 150, 200, 350, 540)
DEFAULT = "bayesian"
# NSGA-II at so many evaluations is what the default is to reach at so few.
_FAR, _NEAR = 540, 150

Curve = NDArray[np.float64]
Searched = Callable[[PublishedSearch, int, int], Floats]
"""Searches with a budget and a seed, and returns the losses of what was evaluated."""


@dataclass(frozen=True)
class Contestant:
    """A searcher, and how many evaluations it is given in each part; 0 leaves it out."""

    name: str
    search: Searched
    macro: int
    ofa: int

    @property
    def file_name(self) -> str:
        """The name as a part of a file's."""
        return re.sub(r"\W+", "-", self.name)


def _ours(searcher: object) -> Searched:
    return lambda published, budget, seed: searched(published, searcher, budget, seed)


# Where a proposal takes long, they are as many as show what is asked. NSGA-II has 50 members as in published searches.
CONTESTANTS = (
    Contestant("random", _ours("random"), 600, 540),
    Contestant("stratified", _ours("stratified"), 600, 0),
    Contestant("local", _ours("local"), 600, 0),
    Contestant("aging", _ours("aging"), 600, 0),
    Contestant("nsga2, 12 members", _ours("nsga2"), 600, 0),
    Contestant("nsga2", _ours({"kind": "nsga2", "population": 50}), 600, 540),
    Contestant("nsga3", _ours({"kind": "nsga3", "population": 50}), 600, 0),
    Contestant("pymoo's NSGA-II", pymoo_searched, 600, 540),
    Contestant("tpe", _ours("tpe"), 250, 0),
    Contestant("optuna_bayesian", _ours("optuna_bayesian"), 40, 0),
    Contestant("allocator", _ours("allocator"), 150, 0),
    Contestant("linas", _ours("linas"), 150, 200),
    Contestant("linas, best predictor", _ours({"kind": "linas", "predictor": "best"}), 100, 0),
    Contestant(DEFAULT, _ours("bayesian"), 100, 150),
)


def run(options: Options, progress: Progress) -> Outcome:
    """Run the chosen parts, or all; raises as `run_parts` does."""
    return run_parts(PARTS, "searcher", options, progress)


def _run_macro(options: Options, progress: Progress) -> Outcome:
    """Count evaluations until 95 % and 99 % of the exact front's hypervolume."""
    published = macro_search()
    curves = _curves("macro", published, {entry: entry.macro for entry in CONTESTANTS}, options, progress)
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    for contestant, found in curves.items():
        until = {share: [_until(curve, share) for curve in found] for share in SHARES}
        row: dict[str, Cell] = {"searcher": contestant.name, "seeds": len(found), "evaluations": contestant.macro}
        for share, counts in until.items():
            reached = [count for count in counts if count is not None]
            row[f"until_{share:.0%}"] = _middle(counts)
            row[f"reached_{share:.0%}"] = f"{len(reached)} of {len(counts)}"
        row["hypervolume_at_50_%"] = Spread.of(100 * _at(curve, 50) for curve in found)
        rows.append(row)
        if contestant.name == DEFAULT:
            far, near = (_counted(until[share], contestant.macro) for share in SHARES)
            wanted += [
                Wanted(f"{DEFAULT}, median evaluations until 95 %", float(np.median(far)), Bound.AT_MOST, 20),
                Wanted(f"{DEFAULT}, median evaluations until 99 %", float(np.median(near)), Bound.AT_MOST, 45),
                Wanted(f"{DEFAULT}, worst seed until 99 %", float(max(near)), Bound.AT_MOST, 60),
            ]
    return Outcome(tuple(rows), tuple(wanted))


def _run_ofa(options: Options, progress: Progress) -> Outcome:
    """Compare hypervolumes at given numbers of evaluations."""
    published = ofa_search()
    curves = _curves("ofa", published, {entry: entry.ofa for entry in CONTESTANTS}, options, progress)
    rows: list[dict[str, Cell]] = []
    medians: dict[str, dict[int, float]] = {}
    for contestant, found in curves.items():
        row: dict[str, Cell] = {"searcher": contestant.name, "seeds": len(found)}
        for checkpoint in CHECKPOINTS:
            if checkpoint <= len(found[0]):
                row[f"hypervolume_at_{checkpoint}"] = Spread.of(_at(curve, checkpoint) for curve in found)
                medians.setdefault(contestant.name, {})[checkpoint] = float(
                    np.median([_at(curve, checkpoint) for curve in found])
                )
        rows.append(row)
    wanted = []
    if not options.quick:
        lead = medians[DEFAULT][_NEAR] / medians["nsga2"][_FAR]
        wanted.append(Wanted(f"{DEFAULT} at {_NEAR} over nsga2 at {_FAR}, hypervolume", lead, Bound.AT_LEAST, 1.0))
    return Outcome(tuple(rows), tuple(wanted))


PARTS: Mapping[str, Callable[[Options, Progress], Outcome]] = {
    "macro": _run_macro,
    "ofa": _run_ofa,
    "predictors": predictors.run,
    "bits": allocator.run_bits,
}


def _curves(
    part: str, published: PublishedSearch, budgets: Mapping[Contestant, int], options: Options, progress: Progress
) -> dict[Contestant, list[Curve]]:
    """Return the hypervolume after each evaluation, of every searcher and seed; seeds of all searchers in turn."""
    chosen = {entry: min(budget, 12) if options.quick else budget for entry, budget in budgets.items() if budget}
    if options.quick:
        chosen = {entry: budget for entry, budget in chosen.items() if entry.name in ("random", "nsga2", DEFAULT)}
    seeds = range(options.seed, options.seed + (2 if options.quick else SEEDS))
    kept = Kept(options.folder)
    found: dict[Contestant, list[Curve]] = {}
    progress.start(f"searches on {part}", len(seeds) * len(chosen), "searches")
    for seed in seeds:
        for contestant, budget in chosen.items():
            try:
                losses = kept.get(
                    f"{part}-{contestant.file_name}-{seed}",
                    lambda: contestant.search(published, budget, seed).tolist(),  # noqa: B023 - called at once
                )
            except ImportError:
                progress.say(f"{contestant.name} is left out: it is not installed.")
                continue
            found.setdefault(contestant, []).append(published.curve(np.array(losses)))
            progress.advance(1, searcher=contestant.name)
    progress.finish()
    return found


def _until(curve: Curve, share: float) -> int | None:
    return int(np.argmax(curve >= share)) + 1 if curve[-1] >= share else None


def _at(curve: Curve, evaluations: int) -> float:
    return float(curve[min(evaluations, len(curve)) - 1])


def _counted(counts: Sequence[int | None], budget: int) -> list[float]:
    """Return the counts, those that never came as more than the budget."""
    return [float("inf") if count is None else float(count) for count in counts] if budget else []


def _middle(counts: Sequence[int | None]) -> Cell:
    """Return the median with its quartiles; never is later than any number."""
    ordered = sorted(float("inf") if count is None else float(count) for count in counts)
    # Between two ranks the later one counts: a mean with "never" would be none.
    picked = [ordered[min(len(ordered) - 1, int(np.ceil(share * (len(ordered) - 1))))] for share in (0.25, 0.5, 0.75)]
    low, middle, high = ("never" if value == float("inf") else f"{value:.0f}" for value in picked)
    return f"{middle} ({low} to {high})"
