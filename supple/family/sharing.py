"""Run many members on the same batches: what several of them compute alike is computed once, exactly as one would.

A run of each member on the first batch of some form is recorded as a program of operators (`run_recording`); the
programs of all members together are a graph in which equal operators on equal operands are one node
(`operator_graph`), and all batches of that form go through the graph. Members that share their choices in early layers
share these layers' work.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import nn
from torch.utils._pytree import tree_flatten

from supple.errors import first_line
from supple.family.activation import buffer_places, parameter_places
from supple.family.notes import Note, Notes
from supple.family.operator_graph import OperatorGraph, Schedule
from supple.family.run_recording import Program, Recorder, ResultChanged, Results, same
from supple.space import Config
from supple.trace import ModelInputs

RunMember = Callable[[Config, nn.Module, ModelInputs, Notes], Any]


# The results of so many batches may be in memory at once. Each operator runs on all of them in turn: oneDNN makes its
# kernels for each shape, and keeps fewer of them than a population has shapes.
_BYTES_AT_ONCE = 2**30

Batch = TypeVar("Batch")


class Run(NamedTuple, Generic[Batch]):
    """What came of one member on one batch: its outputs, and what was noted meanwhile."""

    config: Config
    outputs: Any
    noted: Sequence[Note]
    batch: Batch


@dataclass
class _Form:
    """What is known of the batches of one form: shapes, strides, types, arguments that are no tensors."""

    programs: Mapping[Config, Program]
    order: tuple[Config, ...]
    schedule: Schedule
    batches_at_once: int
    batches: int = 0


class SharedRuns:
    """Runs members on batches.

    `activate` makes the module tree the member of a config. `run_member` runs it on a batch, whatever it does to the
    batch before, and returns the outputs; what it wants to have kept it gives to `note`, and what it computes in hooks
    of its own it runs by `call`. `alone` are the members that must be run one by one instead, and why their runs could
    not be repeated: what was yielded for them is not to be used.
    """

    def __init__(
        self,
        activate: Callable[[Config], AbstractContextManager[nn.Module]],
        run_member: RunMember,
        configs: Sequence[Config],
    ) -> None:
        self._activate = activate
        self._run_member = run_member
        self._configs = configs
        self._forms: dict[Hashable, _Form] = {}
        self._checked: set[Hashable] = set()
        self.alone: dict[Config, str] = {}

    def run(self, batches: Iterable[tuple[Batch, ModelInputs]]) -> Iterator[Run[Batch]]:
        """Yield the runs of all members that can share: for each member in the order of the batches, else in any.

        Each batch comes with the inputs of it. Outputs must not be changed.
        """
        together: list[tuple[Batch, ModelInputs]] = []
        form: _Form | None = None
        for batch, inputs in batches:
            key = _form_of(inputs)
            if key is None:
                self.alone.update(dict.fromkeys(self._configs, "an argument of the model cannot be compared"))
                return
            if key not in self._forms:
                self._forms[key] = self._recorded(inputs)
            if form is not None and (form is not self._forms[key] or len(together) == form.batches_at_once):
                yield from self._runs(form, together)
                together.clear()
            form = self._forms[key]
            together.append((batch, inputs))
        if form is not None:
            yield from self._runs(form, together)

    def _runs(self, form: _Form, batches: Sequence[tuple[Batch, ModelInputs]]) -> Iterator[Run[Batch]]:
        values = [form.schedule.start(inputs.tensors) for _, inputs in batches]
        for position, config in enumerate(form.order):
            program = form.programs[config]
            try:
                form.schedule.run(position, values)
            except Exception as error:  # what was constant in the first run is not in this one
                self.alone[config] = first_line(error)
            for number, ((batch, inputs), made) in enumerate(zip(batches, values, strict=True)):
                if config in self.alone:
                    break
                run = Run(config, program.outputs(made), program.notes(made), batch)
                if self._is_known(form, program, form.batches + number) or self._is_right(run, inputs):
                    self._checked.add(program.functions)
                    yield run
                else:
                    self.alone[config] = "its operators, run again, do not give what the member gives"
            form.schedule.forget(position, values)
        form.batches += len(batches)

    @property
    def operators(self) -> tuple[int, int]:
        """How many operators run for a batch of each form, and how many would if every member ran by itself."""
        shared = alone = 0
        for form in self._forms.values():
            shared += len({node for program in form.programs.values() for node in program.nodes})
            alone += sum(len(program.nodes) for program in form.programs.values())
        return shared, alone

    def _recorded(self, inputs: ModelInputs) -> _Form:
        graph = OperatorGraph(len(inputs.tensors))
        programs: dict[Config, Program] = {}
        results: Results | None = Results()
        for config in self._configs:
            if config in self.alone:
                continue
            try:
                try:
                    programs[config] = self._program(graph, config, inputs, results)
                except ResultChanged:
                    results = None
                    programs[config] = self._program(graph, config, inputs, None)
            except Exception as error:  # whatever the user's forward raises; run by itself, the member raises it again
                self.alone[config] = first_line(error)
            if results is not None:
                results.next_run()
        # Members that part late follow each other.
        order = tuple(sorted(programs, key=lambda config: programs[config].nodes))
        schedule = Schedule(graph, [(programs[config].nodes, programs[config].wanted) for config in order])
        largest = max((program.result_bytes for program in programs.values()), default=1)
        return _Form(programs, order, schedule, max(1, _BYTES_AT_ONCE // max(1, largest)))

    def _program(self, graph: OperatorGraph, config: Config, inputs: ModelInputs, results: Results | None) -> Program:
        with self._activate(config) as member:
            parameters, buffers = parameter_places(member), buffer_places(member)
            recorder = Recorder(
                graph,
                (place.tensor for place in parameters),
                (place.tensor for place in buffers),
                inputs.tensors,
                results,
            )
            # Here operators that are made of others reach the recorder whole; elsewhere PyTorch takes some apart
            # before, and in another way while something records. What they return is not used: run again, they run as
            # ever.
            with torch.inference_mode(), recorder:
                outputs = self._run_member(config, member, inputs, recorder)
            return recorder.program(outputs, config)

    def _is_known(self, form: _Form, program: Program, number: int) -> bool:
        """Say whether a run is known to be right: one of the same kinds of operators was, twice if that matters."""
        is_in_doubt = program.has_constants or program is form.programs[form.order[0]]
        return program.functions in self._checked and not (number == 1 and is_in_doubt)

    def _is_right(self, run: Run[Any], inputs: ModelInputs) -> bool:
        """Compare a run with an ordinary run of the member."""
        notes = Notes()
        with self._activate(run.config) as member:
            outputs = self._run_member(run.config, member, inputs, notes)
        return same((outputs, notes.noted), (run.outputs, run.noted))


def _form_of(batch: ModelInputs) -> Hashable:
    """Return what batches have in common that the same programs can run; None where that cannot be compared."""
    leaves, form = tree_flatten((batch.args, dict(batch.kwargs)))
    found: list[Hashable] = [str(form)]
    places: dict[int, int] = {}
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            # One tensor in two places is one operand.
            place = places.setdefault(id(leaf), len(places))
            found.append((place, leaf.shape, leaf.stride(), leaf.dtype, leaf.device, leaf.requires_grad))
        elif leaf is None or isinstance(leaf, bool | int | float | str):
            found.append((type(leaf), leaf))
        else:
            return None
    return tuple(found)
