"""From a trained run to the harm that precision does its layers: what `supple sensitivity` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from supple.data import load_splits
from supple.errors import SuppleError
from supple.family import Family
from supple.machine import describe_machine
from supple.precision import Advice, Measure, Sensitivity, SensitivityConfig, advise, layer_sensitivity
from supple.precision.config import parse_measure
from supple.runs.config import RunConfig
from supple.runs.config_file import read_config_file, validate
from supple.runs.quantizing import PrecisionConfig, quantized_for_search
from supple.runs.searching import find_run
from supple.runs.training import family_of_run
from supple.space import Config


@dataclass(frozen=True)
class SensitivityRequest:
    """Whose layers are asked about, and how.

    `run` is the folder of a run whose family is trained, or its name below `runs/`; `measure`, `samples` and `layers`
    are as in `SensitivityConfig`. `config` is the file of a member's
    config (None: the full network), whose shape counts. `formats` are those that every layer may have, where the run's
    own family has none.
    """

    run: str
    measure: str = Measure.DISTORTION.value
    samples: int = 512
    layers: Sequence[str] = ("*",)
    formats: Sequence[str] = ()
    config: Path | None = None


def sensitivity_named(request: SensitivityRequest) -> tuple[Sensitivity, Advice]:
    """Return how much harm each choice of precision does in a run's member, and which layers to leave alone.

    Only training data is read. Raises `SuppleError` for every mistake that a user can make.
    """
    settings = SensitivityConfig(parse_measure(request.measure), request.samples, request.layers)
    run = find_run(request.run)
    run_config = validate(RunConfig, read_config_file(run.config), f'"{run.config}"')
    torch.set_num_threads(run_config.threads or describe_machine().logical_cores)
    trained = family_of_run(run, run_config)
    if request.formats and (trained.quantization is not None or run_config.quantize is not None):
        raise SuppleError("The family of this run has formats of its own: leave --format out.")
    given = PrecisionConfig(formats={"*": list(request.formats)}) if request.formats else PrecisionConfig()
    family = quantized_for_search(trained, run_config.quantize or given)
    config = None if request.config is None else _config_in(family, trained, request.config)
    splits = load_splits(run_config.data, run_config.train.batch_size, run_config.seed)
    found = layer_sensitivity(family, splits.train, settings, config=config)
    return found, advise(found)


def sensitivity_json(found: Sensitivity, advice: Advice) -> dict[str, Any]:
    """Return the table and the advice as one object of JSON."""
    return {"sensitivity": found.to_json(), "advice": advice.to_json()}


def _config_in(family: Family, trained: Family, path: Path) -> Config:
    """Return a config from a file as one of the quantized family; that of the family that was trained fits too."""
    if not path.is_file():
        raise SuppleError(f'There is no file "{path}".')
    config = Config.from_json(path.read_text(encoding="utf-8"))
    if config.space == trained.space.digest:
        return family.space.config(dict(trained.space.check(config)))
    return family.space.check(config)
