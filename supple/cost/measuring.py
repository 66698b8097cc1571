"""Measure programs' files on a target."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from supple.cost.device import open_device
from supple.cost.energy import Energy, NoCounter
from supple.cost.latency import DEFAULT_EFFORT, Effort, Latency
from supple.errors import SuppleError
from supple.runtime.program import Format, Program
from supple.runtime.target import Target, parse_target

Files = Sequence[Path | str] | Mapping[str, Path | str]
"""Files of programs, under their paths or under names."""


def measure(
    files: Files,
    target: str | Target = "onnxruntime:cpu?threads=1",
    effort: Effort = DEFAULT_EFFORT,
) -> dict[str, Latency]:
    """Measure how long the models in exported files take for one batch on a target, in interleaved rounds.

    `files`: paths, or paths by name; the result has the same names, or the paths as text. They run in a process of
    their own, or on the worker that the target names, on random inputs of the model's own shape. Keep the machine
    quiet. Raises `SuppleError` for a file that is not there or cannot be run, an unknown target, one that this machine
    lacks, or no file at all.
    """
    programs = _programs(files)
    with open_device(target if isinstance(target, Target) else parse_target(target)) as device:
        return dict(zip(programs, device.measure(None, list(programs.values()), effort), strict=True))


def measure_energy(files: Files, target: str | Target = "onnxruntime:cpu?threads=1") -> dict[str, Energy] | NoCounter:
    """Measure the energy that the models in exported files take for one batch on a target.

    `files`: as for `measure`. Returns why there is none where the target's machine offers no counter; raises as
    `measure` does. Some seconds for each file.
    """
    programs = _programs(files)
    with open_device(target if isinstance(target, Target) else parse_target(target)) as device:
        found = device.measure_energy(list(programs.values()))
    return found if isinstance(found, NoCounter) else dict(zip(programs, found, strict=True))


def _programs(files: Files) -> dict[str, Program]:
    if isinstance(files, str | Path):
        raise SuppleError(f'supple.measure takes a list of files, or files by name: ["{files}"] for a single one.')
    named = files if isinstance(files, Mapping) else {str(file): file for file in files}
    return {name: read_program(Path(file)) for name, file in named.items()}


def read_program(file: Path) -> Program:
    """Return the program in a file. Raises `SuppleError` where there is none, or its name ends in no known form."""
    forms = {f".{form}": form for form in Format}
    if file.suffix not in forms:
        raise SuppleError(f'"{file}" is no program that supple measures: its name should end in {" or ".join(forms)}.')
    if not file.is_file():
        raise SuppleError(f'There is no file "{file}".')
    return Program(file.read_bytes(), forms[file.suffix])
