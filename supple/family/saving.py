"""Save a family to a folder and load it again: structure as JSON, weights as safetensors, sums over both."""

from pathlib import Path

import torch
from torch import nn

from supple.errors import SuppleError, nearest
from supple.family.family import Family
from supple.space import Config
from supple.storage import load_tensors, read_json, save_tensors, seal, verify, write_atomically, write_json
from supple.trace import Structure

ARTIFACT_KIND = "family"
STRUCTURE_FILE = "structure.json"
CALIBRATED_FILE = "calibrated.json"
STATISTICS_FILE = "statistics.safetensors"
WEIGHTS_FILE = "weights.safetensors"
MAX_STRUCTURE_BYTES = 64 * 1024 * 1024


def save(family: Family, folder: Path | str) -> None:
    """Write the family's structure, shared weights and calibrations to a folder, and seal it with SHA-256 sums.

    The model's code is not saved: `load` takes the model. Raises `SuppleError` where writing fails.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SuppleError(f'The folder "{target}" cannot be made: {error.strerror}.') from None
    write_atomically(target / STRUCTURE_FILE, family.structure.to_json())
    save_tensors(target / WEIGHTS_FILE, {key: tensor.detach() for key, tensor in _distinct(family.model).items()})
    # Statistics stand under "<number of the config>.<state-dict key>".
    write_json(target / CALIBRATED_FILE, [config.to_json() for config in family.statistics])
    save_tensors(
        target / STATISTICS_FILE,
        {
            f"{number}.{key}": tensor
            for number, statistics in enumerate(family.statistics.values())
            for key, tensor in statistics.items()
        },
    )
    seal(target, ARTIFACT_KIND, {"model": f"{type(family.model).__module__}.{type(family.model).__qualname__}"})


def load(folder: Path | str, model: nn.Module) -> Family:
    """Return the family saved in a folder, on the given model: one built as it was for `convert`, whose weights are
    replaced.

    Raises `SuppleError` where a file is damaged or missing, or the model is not the one that was saved.
    """
    manifest = verify(folder, ARTIFACT_KIND)
    path = manifest.path(STRUCTURE_FILE)
    if path.stat().st_size > MAX_STRUCTURE_BYTES:
        raise SuppleError(f'"{path}" is larger than {MAX_STRUCTURE_BYTES:,} bytes: it is no structure of a family.')
    structure = Structure.from_json(path.read_text(encoding="utf-8"))
    tensors = load_tensors(manifest.path(WEIGHTS_FILE))
    expected = _distinct(model)
    for key in tensors.keys() ^ expected.keys():
        holder, other = ("saved family", "model") if key in tensors else ("model", "saved family")
        known = expected if key in tensors else tensors
        raise SuppleError(f'The {holder} has a tensor "{key}", the {other} has none{nearest(key, known)}')
    with torch.no_grad():
        for key, tensor in tensors.items():
            if expected[key].shape != tensor.shape or expected[key].dtype != tensor.dtype:
                raise SuppleError(
                    f'Tensor "{key}" is {tensor.dtype} {list(tensor.shape)} in the saved family, but '
                    f"{expected[key].dtype} {list(expected[key].shape)} in the model."
                )
        for key, tensor in tensors.items():
            expected[key].copy_(tensor)
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    for key, axes in structure.axes.items():
        if shapes.get(key) != tuple(axis.full for axis in axes):
            raise SuppleError(f'The structure in "{folder}" does not fit tensor "{key}" of the model.')
    family = Family(model, structure)
    configs = [Config.from_json(text) for text in read_json(manifest.path(CALIBRATED_FILE))]
    for name, tensor in load_tensors(manifest.path(STATISTICS_FILE)).items():
        number, _, key = name.partition(".")
        family.statistics.setdefault(family.space.check(configs[int(number)]), {})[key] = tensor
    return family


def _distinct(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of the state dict; one that modules share stands there once, under its first key."""
    seen: set[int] = set()
    distinct: dict[str, torch.Tensor] = {}
    for key, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            distinct[key] = tensor
    return distinct
