"""Measure exported files on a target."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from supple.cost.latency import DEFAULT_EFFORT, Effort, Latency, time_interleaved
from supple.errors import SuppleError
from supple.runtime import OnnxSession, Target, parse_target


def measure(
    files: Sequence[Path | str] | Mapping[str, Path | str],
    target: str | Target = "onnxruntime:cpu?threads=1",
    effort: Effort = DEFAULT_EFFORT,
) -> dict[str, Latency]:
    """Measure how long the models in ONNX files take for one batch on a target, in interleaved rounds.

    `files`: paths, or paths by name; the result has the same names, or the paths as text. Inputs are random numbers of
    the model's own shape. Keep the machine quiet, and let PyTorch compute nothing in this process meanwhile: threads
    that have just worked keep their cores busy for some milliseconds. Raises `SuppleError` for a file that cannot be
    run, an unknown target, or no file at all.
    """
    if isinstance(files, str | Path):
        raise SuppleError(f'supple.measure takes a list of files, or files by name: ["{files}"] for a single one.')
    place = target if isinstance(target, Target) else parse_target(target)
    named = files if isinstance(files, Mapping) else {str(file): file for file in files}
    runs = []
    for file in named.values():
        session = OnnxSession(Path(file), place.threads)
        runs.append(session.prepared(*session.random_inputs(place.batch)))
    return dict(zip(named, time_interleaved(runs, effort), strict=True))
