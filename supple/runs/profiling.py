"""From the name of a model, a saved family or a run to a profile on a target: what `supple profile` does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from supple.cost.latency_profile import Profile
from supple.cost.profile_saving import check_free, measurements_of, save_profile
from supple.cost.profiling import profile
from supple.errors import SuppleError
from supple.family import Family, load
from supple.progress import Progress, Silent
from supple.runs.config import RunConfig
from supple.runs.config_file import read_config_file, validate
from supple.runs.converting import ConvertRequest, convert_named
from supple.runs.directory import RunDirectory
from supple.runs.training import family_of_run
from supple.runtime import parse_target
from supple.sources import load_model

PROFILES_FOLDER = Path("profiles")

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class ProfileRequest:
    """What is to be profiled, and where: the family that `model` becomes, that of a folder, or that of a run.

    A folder holds a family without its code: `model` is the one that it was converted from. `inputs`, `weights` and
    `pretrained` are as in `ConvertRequest`; `budget` is a time as "90s", "5m" or "1h". The profile is saved in `output`
    (None: in a folder below `profiles/`, named after the target).
    """

    target: str
    model: str | None = None
    family: Path | None = None
    run: Path | None = None
    inputs: Sequence[str] = ()
    weights: Path | None = None
    pretrained: bool | None = None
    budget: str = "5m"
    output: Path | None = None


def profile_named(request: ProfileRequest, progress: Progress = Silent()) -> tuple[Profile, Path]:
    """Profile a family, save what was found, and return it with its folder.

    What has been measured is kept at once: the same request again goes on from there. Raises
    `SuppleError` for every mistake that a user can make.
    """
    target = parse_target(request.target)
    seconds = parse_time(request.budget)
    folder = request.output or PROFILES_FOLDER / f"{target.runtime}-{target.device}"
    family = _family(request)
    check_free(folder, family.space, str(target))
    inputs = family.example_zeros(family.space.max())
    torch.set_num_threads(1)
    with measurements_of(folder) as store:
        found = profile(family, inputs, target, seconds, progress, store)
        save_profile(found, folder)
    return found, folder


def profile_told(profile: Profile, folder: Path) -> str:
    """Return what to tell the user about a profile: where it holds, what it knows, and how well it predicts."""
    held_out, table = profile.predictor.held_out, profile.table
    operators = f"no operators ({profile.reason})" if table is None else f"{len(table.measured):,} operators"
    return "\n".join(
        [
            f"Target: {profile.target}",
            f"Measured: {operators}, {held_out.count:,} members, in {profile.seconds:.0f} s",
            f"Error on members held out: {held_out.median_error:.1%} in the median, "
            f"{held_out.error_90:.1%} for nine in ten; rank correlation (Kendall) {held_out.kendall_tau:.3f}",
            f"Profile: {folder.absolute()}",
        ]
    )


def parse_time(text: str) -> float:
    """Read a time as "90s", "5m", "1h" or a number of seconds. Raises `SuppleError` for any other text."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smh]?)", text, re.ASCII)
    if match is None or float(match[1]) == 0:
        raise SuppleError(f'"{text}" is no time: expected a number with s, m or h, as 90s, 5m or 1h.')
    return float(match[1]) * _UNITS[match[2]]


def _family(request: ProfileRequest) -> Family:
    if request.run is not None:
        if request.model is not None or request.family is not None:
            raise SuppleError("A run holds its model and its family: give --run alone, or --model.")
        return _family_of_run(RunDirectory(request.run))
    if request.model is None:
        raise SuppleError(
            "Nothing to profile was named: give --model MODEL, --model with --family FOLDER, or --run RUN."
        )
    if request.family is None:
        return convert_named(ConvertRequest(request.model, request.inputs, request.weights, request.pretrained))
    if request.inputs or request.weights is not None or request.pretrained is not None:
        raise SuppleError("A saved family has its inputs and weights: leave --input, --weights and --pretrained out.")
    return load(request.family, load_model(request.model, pretrained=False).model)


def _family_of_run(run: RunDirectory) -> Family:
    if not run.config.exists() or not run.is_trained():
        raise SuppleError(f'"{run.path}" holds no trained family: give the folder of a run that is trained.')
    config = validate(RunConfig, read_config_file(run.config), f'"{run.config}"')
    return family_of_run(run, config)
