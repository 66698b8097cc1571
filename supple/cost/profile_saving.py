"""Save a profile to a folder and load it again: JSON and safetensors, with sums over both, and never for another space.

What has been measured stands beside the folder (`measurements_of`), whether the profile is finished or not: one that
was interrupted, or that gets more time, measures nothing twice.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from supple.cost.describing import Describer
from supple.cost.elastic_units import ElasticUnit, ElasticUnits, Signature
from supple.cost.latency_profile import Profile
from supple.cost.operator_table import OperatorTable
from supple.cost.predictors import load as load_predictor
from supple.cost.predictors import save as save_predictor
from supple.cost.store import MeasurementStore
from supple.cost.units import Form, UnitKind
from supple.errors import SuppleError
from supple.family import Family
from supple.runtime.onnx_sizes import Size
from supple.space import Space
from supple.storage import RunLock, is_sealed, read_json, seal, verify, write_json
from supple.storage.arrays import load_arrays, save_arrays
from supple.storage.artifact import MANIFEST_NAME

ARTIFACT_KIND = "profile"
PROFILE_FILE = "profile.json"
OPERATORS_FILE = "operators.safetensors"
PREDICTOR_FOLDER = "predictor"
MEASUREMENTS_ENDING = "-measurements.sqlite"


def save_profile(profile: Profile, folder: Path | str) -> None:
    """Write a profile to a folder and seal it with SHA-256 sums.

    Raises `SuppleError` where writing fails, and where the folder holds a profile of another space or target.
    """
    root = Path(folder)
    check_free(root, profile.space, profile.target.address)
    # A profile that is written half is none, rather than a damaged one.
    (root / MANIFEST_NAME).unlink(missing_ok=True)
    table = profile.table
    save_predictor(profile.predictor, root / PREDICTOR_FOLDER)
    write_json(
        root / PROFILE_FILE,
        {
            "reference_ms": profile.reference_ms,
            "seconds": profile.seconds,
            "reason": profile.reason,
            "units": None if table is None else _units_to_json(table.units),
            "idle_ms": None if table is None else table.idle_ms,
        },
    )
    save_arrays(root / OPERATORS_FILE, {} if table is None else _measured_arrays(table))
    seal(root, ARTIFACT_KIND, {"space": profile.space.digest, "target": profile.target.address})


def load_profile(folder: Path | str, family: Family) -> Profile:
    """Return the profile saved in a folder, of this family.

    Raises `SuppleError` where a file is missing, damaged or of another kind, and, naming both, where the profile is of
    another space.
    """
    manifest = verify(folder, ARTIFACT_KIND)
    if manifest.extra.get("space") != family.space.digest:
        raise SuppleError(
            f'The profile in "{folder}" is of space {manifest.extra.get("space")}, not of this family\'s, '
            f"{family.space.digest}."
        )
    content = read_json(manifest.path(PROFILE_FILE))
    arrays = load_arrays(manifest.path(OPERATORS_FILE))
    predictor = load_predictor(Path(folder) / PREDICTOR_FOLDER)
    try:
        table = None
        if content["units"] is not None:
            units = _units_from_json(content["units"], family.space)
            table = OperatorTable(units, _measured_from(arrays, units), float(content["idle_ms"]))
        return Profile(
            Describer(family, table),
            predictor,
            float(content["reference_ms"]),
            float(content["seconds"]),
            content["reason"],
        )
    except (SuppleError, KeyError, TypeError, ValueError) as error:
        raise SuppleError(f'"{folder}" holds no profile that this version of supple reads: {error}.') from None


def check_free(folder: Path, space: Space, target: str) -> None:
    """Raise `SuppleError` where a folder holds a profile of another space or target."""
    if not is_sealed(folder):
        return
    extra = verify(folder, ARTIFACT_KIND).extra
    if (extra.get("space"), extra.get("target")) != (space.digest, target):
        raise SuppleError(
            f'"{folder}" holds the profile of space {extra.get("space")} on "{extra.get("target")}", not of '
            f'{space.digest} on "{target}": choose another folder.'
        )


@contextmanager
def measurements_of(folder: Path) -> Iterator[MeasurementStore]:
    """Open the measurements of the profile in a folder, which is made, and held for this process alone.

    Raises `SuppleError` where that fails, or where another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SuppleError(f'The folder "{folder}" cannot be made: {error.strerror}.') from None
    path = folder.with_name(f"{folder.name}{MEASUREMENTS_ENDING}")
    with RunLock(folder), MeasurementStore.opened(path) as store:
        yield store


def _units_to_json(units: ElasticUnits) -> dict[str, Any]:
    return {
        "forms": [
            {"kind": form.kind.value, "graph": base64.b64encode(form.graph).decode("ascii")} for form in units.forms
        ],
        "units": [
            {
                "name": unit.name,
                "form": unit.form,
                "numbers": [_number_to_json(number) for number in unit.numbers],
                "presence": [[depth, sorted(values)] for depth, values in unit.presence],
            }
            for unit in units.units
        ],
    }


def _units_from_json(content: Any, space: Space) -> ElasticUnits:
    forms = [
        Form(UnitKind(entry["kind"]), base64.b64decode(entry["graph"], validate=True)) for entry in content["forms"]
    ]
    units = [
        ElasticUnit(
            str(entry["name"]),
            _whole(entry["form"]),
            tuple(map(_number_from_json, entry["numbers"])),
            tuple((str(depth), frozenset(map(_whole, values))) for depth, values in entry["presence"]),
        )
        for entry in content["units"]
    ]
    for unit in units:
        names = (*unit.dimensions, *(depth for depth, _ in unit.presence))
        if not 0 <= unit.form < len(forms) or any(name not in space for name in names):
            raise ValueError(f'the operator "{unit.name}" has a form or follows dimensions that there are not')
    return ElasticUnits(space, forms, units)


def _number_to_json(number: int | Size) -> object:
    if isinstance(number, int):
        return number
    terms = [[coefficient, list(names)] for coefficient, names in number.terms]
    return {"terms": terms, "offset": number.offset, "scale": number.scale}


def _number_from_json(content: Any) -> int | Size:
    if isinstance(content, int):
        return _whole(content)
    terms = tuple((_whole(coefficient), tuple(map(str, names))) for coefficient, names in content["terms"])
    scale = _whole(content["scale"])
    if scale < 1:
        raise ValueError(f"a size has the scale {scale}")
    return Size(terms, _whole(content["offset"]), scale)


def _whole(content: Any) -> int:
    if type(content) is not int:
        raise ValueError(f"{content!r:.40} is no whole number")
    return content


def _measured_arrays(table: OperatorTable) -> dict[str, Any]:
    """Return the numbers and the times of the operators measured, form by form."""
    arrays: dict[str, Any] = {}
    for form in range(len(table.units.forms)):
        entries = [(entry.numbers, ms) for entry, ms in table.measured.items() if entry.form == form]
        arrays[f"{form}.numbers"] = np.array([numbers for numbers, _ in entries], np.int64)
        arrays[f"{form}.ms"] = np.array([ms for _, ms in entries], np.float64)
    return arrays


def _measured_from(arrays: dict[str, Any], units: ElasticUnits) -> dict[Signature, float]:
    measured: dict[Signature, float] = {}
    for form in range(len(units.forms)):
        numbers, times = arrays[f"{form}.numbers"], arrays[f"{form}.ms"]
        expected = {len(unit.numbers) for unit in units.units if unit.form == form}
        if numbers.dtype != np.int64 or times.dtype != np.float64 or not np.isfinite(times).all():
            raise ValueError("the times of operators are no numbers")
        if times.ndim != 1 or numbers.ndim != 2 or expected != {numbers.shape[1]}:
            raise ValueError("operators have other numbers than their form")
        for row, ms in zip(numbers.tolist(), times.tolist(), strict=True):
            measured[Signature(form, tuple(row))] = ms
    return measured
