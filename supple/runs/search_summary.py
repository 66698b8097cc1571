"""Gather what a search found into the plain data that reports show."""

from collections.abc import Sequence

from supple.cost import LATENCY_SPREAD
from supple.family import Family
from supple.report import Evaluated, Frozen, Level, Note, PrecisionChoice, SearchSummary, SeedSummary, SpaceSummary
from supple.report.summary import Fact
from supple.searching import Evaluation, Failure, SearchConfig, SearchResult
from supple.searching.choosing import quality_of
from supple.searching.corners import corners_of
from supple.storage.places import Place


def summarise_search(config: SearchConfig, found: SearchResult) -> SearchSummary:
    """Return the summary of a search."""
    problem = found.problem
    return SearchSummary(
        searcher=config.searcher.kind,
        objectives=problem.objectives,
        constraints=problem.constraints,
        quality=quality_of(problem),
        seeds=tuple(
            SeedSummary(
                run.seed, tuple(map(_evaluated, run.searched)), tuple(map(_evaluated, run.baseline)), run.remarks
            )
            for run in found.runs
        ),
        baseline_share=config.baseline_share,
        latency_spread=LATENCY_SPREAD,
        corners=tuple(map(dict, corners_of(problem.space))),
        # A URL without its password.
        warm_start=None if config.warm_start is None else str(Place.of(config.warm_start)),
    )


def failure_notes(failed: Sequence[Failure]) -> tuple[Note, ...]:
    """Say how many members could not be measured, if any, and why the first of them could not."""
    if not failed:
        return ()
    members = "A member" if len(failed) == 1 else f"{len(failed)} members"
    text = f"{members} could not be measured, and neither search nor baseline counts them. {failed[0].reason}"
    return (Note(Level.CAUTION, text),)


def machines_of(found: SearchResult, this_one: dict[str, Fact]) -> dict[str, dict[str, Fact]]:
    """Return the machines that figures were measured on, by a name for each; this one where nothing was measured."""
    if len(found.machines) > 1:
        return {f"Machine of {target}": {**machine.to_json()} for target, machine in found.machines.items()}
    measured = [machine.to_json() for machine in found.machines.values()]
    return {"Machine": {**measured[0]} if measured else this_one}


def summarise_space(family: Family) -> SpaceSummary:
    """Return the summary of a family's space."""
    space = family.space
    return SpaceSummary(
        dimensions=space.dimensions,
        members_count=space.count(),
        smallest_parameters=family.count_parameters(space.min()),
        largest_parameters=family.count_parameters(space.max()),
        smallest_macs=family.count_macs(space.min()),
        largest_macs=family.count_macs(space.max()),
        frozen=tuple(Frozen(entry.what, entry.reason) for entry in family.structure.frozen),
        precisions=_precisions(family),
    )


def _precisions(family: Family) -> tuple[PrecisionChoice, ...]:
    if family.quantization is None:
        return ()
    return tuple(
        PrecisionChoice(
            name,
            tuple(layer.path for layer in choice.layers),
            tuple(choice.formats[value].value for value in family.space[name].values),
        )
        for name, choice in family.quantization.choices.items()
    )


def _evaluated(entry: Evaluation) -> Evaluated:
    return Evaluated(
        config=dict(entry.config),
        figures=dict(entry.figures),
        spreads={target: (latency.low_ms, latency.high_ms) for target, latency in entry.latencies.items()},
    )
