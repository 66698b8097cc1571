"""Save a family to a folder and load it again: structure as JSON, weights as safetensors, sums over both."""

from itertools import chain
from pathlib import Path

import torch
from torch import nn

from supple.errors import SuppleError, nearest
from supple.family.family import Family
from supple.family.kernel_transform import KernelTransforms
from supple.family.quantized.quantization import Quantization
from supple.family.quantized.ranges import Ranges, ranges_from_tensors, ranges_to_tensors
from supple.space import Config, Kind
from supple.storage import Manifest, load_tensors, read_json, save_tensors, seal, verify, write_atomically, write_json
from supple.trace import Attribute, Structure

ARTIFACT_KIND = "family"
STRUCTURE_FILE = "structure.json"
CALIBRATED_FILE = "calibrated.json"
QUANTIZATION_FILE = "quantization.json"
RANGED_FILE = "ranged.json"
RANGES_FILE = "ranges.safetensors"
STATISTICS_FILE = "statistics.safetensors"
TRANSFORMS_FILE = "kernel_transforms.safetensors"
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
    with family.whole() as model:
        save_tensors(target / WEIGHTS_FILE, {key: tensor.detach() for key, tensor in _distinct(model).items()})
    # What an earlier family left there would be sealed too.
    for name in (TRANSFORMS_FILE, QUANTIZATION_FILE, RANGED_FILE, RANGES_FILE):
        (target / name).unlink(missing_ok=True)
    if family.quantization is not None:
        write_atomically(target / QUANTIZATION_FILE, family.quantization.to_json())
        _save_ranges(family, target)
    if family.kernel_transforms is not None:
        save_tensors(target / TRANSFORMS_FILE, family.kernel_transforms.state_dict())
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
    # What is no UTF-8 is no JSON either, and from_json says so.
    structure = Structure.from_json(path.read_text(encoding="utf-8", errors="replace"))
    tensors = load_tensors(manifest.path(WEIGHTS_FILE))
    expected = _distinct(model)
    for key in sorted(tensors.keys() ^ expected.keys()):
        holder, other = ("saved family", "model") if key in tensors else ("model", "saved family")
        known = expected if key in tensors else tensors
        raise SuppleError(f'The {holder} has a tensor "{key}", the {other} has none{nearest(key, known)}')
    for key, tensor in tensors.items():
        if expected[key].shape != tensor.shape or expected[key].dtype != tensor.dtype:
            raise SuppleError(
                f'Tensor "{key}" is {tensor.dtype} {list(tensor.shape)} in the saved family, but '
                f"{expected[key].dtype} {list(expected[key].shape)} in the model."
            )
    if not _fits(structure, model):
        raise SuppleError(f'The structure in "{folder}" does not fit the model: it was made of another one.')
    statistics = _load_statistics(manifest, structure)
    with torch.no_grad():
        for key, tensor in tensors.items():
            expected[key].copy_(tensor)
    quantization = _load_quantization(manifest, structure)
    ranges = {} if quantization is None else _load_ranges(manifest, structure, quantization)
    family = Family(model, structure, TRANSFORMS_FILE in manifest.files, quantization)
    if family.kernel_transforms is not None:
        _load_transforms(family.kernel_transforms, manifest)
    family.statistics.update(statistics)
    family.ranges.update(ranges)
    return family


def _save_ranges(family: Family, target: Path) -> None:
    write_json(target / RANGED_FILE, [config.to_json() for config in family.ranges])
    # Ranges stand under "<number of the config>.<module path>".
    save_tensors(
        target / RANGES_FILE,
        {
            f"{number}.{path}": tensor
            for number, ranges in enumerate(family.ranges.values())
            for path, tensor in ranges_to_tensors(ranges).items()
        },
    )


def _load_quantization(manifest: Manifest, structure: Structure) -> Quantization | None:
    has_bits = any(entry.kind is Kind.BITS for entry in structure.space.dimensions)
    if has_bits != (QUANTIZATION_FILE in manifest.files):
        raise SuppleError(f'The family\'s space and its file "{QUANTIZATION_FILE}" do not belong together.')
    if not has_bits:
        return None
    text = manifest.path(QUANTIZATION_FILE).read_text(encoding="utf-8", errors="replace")
    return Quantization.from_json(text, structure.space)


def _load_ranges(manifest: Manifest, structure: Structure, quantization: Quantization) -> dict[Config, Ranges]:
    path = manifest.path(RANGES_FILE)
    configs = _configs(manifest.path(RANGED_FILE), structure)
    known = {layer.path for layer in quantization.layers}
    found: dict[Config, dict[str, torch.Tensor]] = {config: {} for config in configs}
    for name, tensor in load_tensors(path).items():
        number, _, layer = name.partition(".")
        if not (number.isdecimal() and int(number) < len(configs)) or layer not in known:
            raise SuppleError(f'Tensor "{name}" in "{path}" holds the ranges of no layer.')
        found[configs[int(number)]][layer] = tensor
    return {config: ranges_from_tensors(tensors) for config, tensors in found.items()}


def _configs(path: Path, structure: Structure) -> list[Config]:
    texts = read_json(path)
    if not isinstance(texts, list):
        raise SuppleError(f'"{path}" is no list of configs.')
    return [structure.space.check(Config.from_json(text)) for text in texts]


def _load_transforms(transforms: KernelTransforms, manifest: Manifest) -> None:
    tensors = load_tensors(manifest.path(TRANSFORMS_FILE))
    try:
        transforms.load_state_dict(tensors)
    except RuntimeError:  # a missing matrix, one too many, or one of another size
        raise SuppleError(f'"{manifest.path(TRANSFORMS_FILE)}" holds matrices of other kernels.') from None


def _fits(structure: Structure, model: nn.Module) -> bool:
    tensors = chain(model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False))
    modules = dict(model.named_modules())
    full = structure.space.max()
    sizes = {key: tuple(axis.full for axis in axes) for key, axes in structure.axes.items()}
    return (
        sizes == {key: tuple(tensor.shape) for key, tensor in tensors}
        and all(block.path in modules for block in structure.blocks)
        and all(_attribute(modules.get(entry.module), entry) == entry.value(full) for entry in structure.attributes)
    )


def _attribute(module: nn.Module | None, entry: Attribute) -> object:
    value = None if module is None else vars(module).get(entry.name)
    if entry.position is None:
        return value
    return value[entry.position] if isinstance(value, tuple) and entry.position < len(value) else None


def _load_statistics(manifest: Manifest, structure: Structure) -> dict[Config, dict[str, torch.Tensor]]:
    path = manifest.path(STATISTICS_FILE)
    configs = _configs(manifest.path(CALIBRATED_FILE), structure)
    statistics: dict[Config, dict[str, torch.Tensor]] = {config: {} for config in configs}
    for name, tensor in load_tensors(path).items():
        number, _, key = name.partition(".")
        config = configs[int(number)] if number.isdecimal() and int(number) < len(configs) else None
        if config is None or key not in structure.axes or structure.shape(key, config) != tuple(tensor.shape):
            raise SuppleError(f'Tensor "{name}" in "{path}" belongs to no calibrated member.')
        statistics[config][key] = tensor
    return statistics


def _distinct(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of the state dict; one that modules share stands there once, under its first key."""
    seen: set[int] = set()
    distinct: dict[str, torch.Tensor] = {}
    for key, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            distinct[key] = tensor
    return distinct
