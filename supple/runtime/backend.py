"""What every runtime offers: writing members as its programs, opening them, and saying what is missing for that."""

from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from supple.progress import Progress, Silent
from supple.runtime.program import Format, Program
from supple.runtime.session import Session
from supple.runtime.target import Device, Runtime, Target
from supple.space import Config

if TYPE_CHECKING:
    from torch import nn

    from supple.family import Family
    from supple.family.quantized.formats import Format as NumberFormat
    from supple.family.quantized.layers import LayerKind
    from supple.family.quantized.quantization import Quantization
    from supple.trace import Inputs, ModelInputs


class Emitter(ABC):
    """Writes the members of one family as programs for one target."""

    @abstractmethod
    def emit(self, config: Config) -> Program:
        """Return a member, with its weights and its calibrated statistics, as a program.

        Raises `SuppleError` for a config of another space, for a layer in a format that the target cannot run, and
        where the runtime has no form of the member.
        """


class Backend(ABC):
    """A runtime. Each is one file with one subclass, which `supple.runtime.runtimes` lists.

    `missing` comes first: nothing else is called on a machine or for a device where it gives a reason. `emitter` is
    called once for a family and a target, and `export` for a single module, where PyTorch is; `open` once for every
    program, where it is measured, in a process of its own, and needs no PyTorch unless that is the runtime. So a file
    of a runtime imports the runtime, and what `export` needs, late.
    """

    runtime: ClassVar[Runtime]
    format: ClassVar[Format]

    @abstractmethod
    def missing(self, device: Device) -> str | None:
        """Return why the runtime cannot be used on a device of this machine and what adds it; None where it can."""

    @abstractmethod
    def version(self) -> str:
        """Return the version of the runtime."""

    def formats(self, device: Device, kind: "LayerKind") -> "frozenset[NumberFormat]":
        """Return the number formats that layers of a kind can have on a device; by default fp32 alone.

        Those in which the runtime computes what the imitation in PyTorch does, with the integers that the format says
        and not with floats that were rounded.
        """
        from supple.family.quantized.formats import Format as NumberFormat

        return frozenset({NumberFormat.FP32})

    def rounding_wish(self, quantization: "Quantization") -> str | None:
        """Return what must be set otherwise for the runtime to round as a family does; None where it can already."""
        return None

    @abstractmethod
    def open(self, program: bytes | Path, target: Target) -> Session:
        """Load a program, from its content or its file. Raises `SuppleError` where it is none that can run there."""

    @abstractmethod
    def export(self, module: "nn.Module", inputs: "ModelInputs") -> Program:
        """Return a module, in eval mode, as a program for inputs of these shapes.

        Raises `SuppleError` where it cannot be exported, or the runtime lacks an operator of it: with its name.
        """

    def emitter(
        self, family: "Family", example_inputs: "Inputs", target: Target, progress: Progress = Silent()
    ) -> Emitter:
        """Return what writes the members of a family for a target; by default it exports each by itself.

        `example_inputs`: a batch as the model takes it; where a program is for one batch size and resolution only, the
        target's are taken. `progress` is told what makes it slow. Raises `SuppleError` where the target's resolution
        does not suit the family, and may do so where the full network has no form for this runtime.
        """
        from supple.runtime.target_inputs import inputs_for_target

        return OneByOne(self, family, inputs_for_target(family, example_inputs, target), target)


class OneByOne(Emitter):
    """Exports each member by itself."""

    def __init__(self, backend: Backend, family: "Family", inputs: "ModelInputs", target: Target) -> None:
        self._backend = backend
        self._family = family
        self._inputs = inputs
        self._target = target

    def emit(self, config: Config) -> Program:
        """Return a member as a program for these inputs, at its own resolution where it has one."""
        from supple.runtime.target_formats import check_member_formats

        check_member_formats(self._family, self._family.space.check(config), self._target)
        inputs = self._inputs.map(partial(self._family.resize, config))
        return self._backend.export(self._family.extract(config), inputs)
