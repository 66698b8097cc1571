"""Where a runtime lacks something that the full network needs: what, in which member, and which choices avoid it."""

from collections.abc import Iterator
from dataclasses import dataclass

from supple.errors import SuppleError
from supple.family import Family
from supple.progress import Progress, Silent
from supple.runtime.backend import Backend, OneByOne
from supple.runtime.runtimes import backend_for
from supple.runtime.target import Target
from supple.runtime.target_inputs import inputs_for_target
from supple.space import Config, Kind, Space
from supple.trace import Inputs

# These choose what stands in a member; the others only how large it is, for which the smallest value is enough.
_CHOICES_OF_FORM = (Kind.OPERATOR, Kind.KERNEL, Kind.RESOLUTION, Kind.DEPTH)


@dataclass(frozen=True)
class Lack:
    """Why a member cannot run on a target, and the single choices, (dimension, value), with which it can.

    `smallest_runs` says whether the smallest member, which takes all choices together, can run.
    """

    member: Config
    reason: str
    avoided_by: tuple[tuple[str, int], ...]
    smallest_runs: bool

    def __str__(self) -> str:
        if self.avoided_by:
            choices = ", ".join(f"{name}={value}" for name, value in self.avoided_by)
            way_out = f"Any of these choices avoids it: {choices}."
        elif self.smallest_runs:
            way_out = "No single choice avoids it, but the smallest member runs."
        else:
            way_out = "No choice was found that avoids it: take another target, or change the model."
        return f"The full network cannot run there: {self.reason} {way_out}"


def find_lack(family: Family, example_inputs: Inputs, target: Target, progress: Progress = Silent()) -> Lack | None:
    """Return what keeps the full network from running on a target; None where it runs.

    Tries the full network, the smallest one, and members that differ from the full one in a single dimension: an export
    each, in this process. Raises `SuppleError` where the target cannot be used at all.
    """
    backend = backend_for(target)
    emitter = OneByOne(backend, family, inputs_for_target(family, example_inputs, target), target)
    reason = _obstacle(backend, emitter, family.space.max(), target)
    if reason is None:
        return None
    tried = dict(_single_choices(family.space))
    progress.start("Finding choices that the runtime can run", len(tried), "members")
    avoided = []
    for choice, config in tried.items():
        if _obstacle(backend, emitter, config, target) is None:
            avoided.append(choice)
        progress.advance()
    progress.finish()
    smallest_runs = _obstacle(backend, emitter, family.space.min(), target) is None
    return Lack(family.space.max(), reason, tuple(avoided), smallest_runs)


def _obstacle(backend: Backend, emitter: OneByOne, config: Config, target: Target) -> str | None:
    try:
        session = backend.open(emitter.emit(config).content, target)
        session.run(*session.random_inputs(target.batch))
    except SuppleError as error:
        return str(error)
    return None


def _single_choices(space: Space) -> Iterator[tuple[tuple[str, int], Config]]:
    full = space.max()
    for dimension in sorted(space.dimensions, key=lambda entry: entry.kind not in _CHOICES_OF_FORM):
        if dimension.name not in full:
            continue
        others = [value for value in dimension.values if value != full[dimension.name]]
        for value in others if dimension.kind in _CHOICES_OF_FORM else others[:1]:
            yield (dimension.name, value), space.config({dimension.name: value})
