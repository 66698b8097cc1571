"""The stage of a run that several processes share: the family is made by the main one, and trained by all."""

from collections.abc import Callable

import torch
from torch import nn

from supple.data import Splits, load_splits
from supple.errors import SuppleError
from supple.family import Family, convert, load, order, save
from supple.family.quantized.quantization import Quantization
from supple.importing import call_object
from supple.progress import Progress
from supple.runs.config import ModelConfig, RunConfig
from supple.runs.directory import RunDirectory
from supple.runs.quantizing import quantized_for_training
from supple.storage import is_sealed, write_atomically
from supple.trace import Structure
from supple.training import History, train
from supple.training.batches import batches_of_epoch
from supple.training.processes import device_type, started_processes


def build_model(config: ModelConfig, seed: int) -> nn.Module:
    """Return the user's model, freshly initialised by the seed. Raises `SuppleError` where there is none."""
    torch.manual_seed(seed)
    model = call_object(config.function, config.arguments)
    if not isinstance(model, nn.Module):
        raise SuppleError(f'"{config.function}" returned {type(model).__name__}, not a torch.nn.Module.')
    return model


def trained_family(
    config: RunConfig,
    directory: RunDirectory,
    splits: Splits,
    progress: Progress,
    before_training: Callable[[Family], None] = lambda _: None,
) -> tuple[Family, History]:
    """Return the trained family: loaded where an earlier process finished it, else trained. For the main process.

    `before_training` is called with the family that is to be trained, and may raise `SuppleError`.
    """
    model = build_model(config.model, config.seed)
    if directory.is_trained():
        dismiss_helpers(config)
        return load(directory.family, model), History.from_json(directory.history.read_text(encoding="utf-8"))
    with started_processes(device_type(config.train.accelerator)) as processes:
        family = _untrained_family(model, config, directory, splits, progress)
        before_training(family)
        quantization = family.quantization
        processes.told_by_main([family.structure.to_json(), quantization and quantization.to_json()])
        history = train(family, splits.train, splits.valid, config.train, folder=directory.training, progress=progress)
    save(family, directory.family)
    write_atomically(directory.history, history.to_json())
    return family, history


def family_of_run(run: RunDirectory, config: RunConfig) -> Family:
    """Return the trained family of a run. Raises `SuppleError` where a file is damaged, or the model is another one."""
    return load(run.family, build_model(config.model, config.seed))


def dismiss_helpers(config: RunConfig) -> None:
    """Let the other processes, where there are any, know that there is nothing to train."""
    with started_processes(device_type(config.train.accelerator)) as processes:
        processes.told_by_main(None)


def help_to_train(config: RunConfig) -> None:
    """Do what is left to a process that is not the main one: train the family of which the main one tells."""
    with started_processes(device_type(config.train.accelerator)) as processes:
        told = processes.told_by_main()
        if told is None:
            return
        structure = Structure.from_json(told[0])
        quantization = None if told[1] is None else Quantization.from_json(told[1], structure.space)
        splits = load_splits(config.data, config.train.batch_size, config.seed)
        model = build_model(config.model, config.seed)
        family = Family(model, structure, config.convert.kernel_transform, quantization)
        train(family, splits.train, splits.valid, config.train)


def _untrained_family(
    model: nn.Module, config: RunConfig, directory: RunDirectory, splits: Splits, progress: Progress
) -> Family:
    """Return the converted family, ordered and quantized where the config asks for it.

    An ordered family is loaded where an earlier process made it: its checkpoints belong to that very order.
    """
    wanted = config.order.to_order()
    if wanted is not None and is_sealed(directory.ordered_family):
        return quantized_for_training(load(directory.ordered_family, model), config.quantize)
    family = convert(model, splits.example_inputs, **config.convert.model_dump())
    space = family.space
    progress.say(
        f"{type(model).__name__}: a family of {space.count():,} members, from "
        f"{family.count_parameters(space.min()):,} to {family.count_parameters(space.max()):,} parameters"
    )
    if wanted is not None:
        family = order(family, wanted, batches_of_epoch(splits.train, config.seed, epoch=0))
        save(family, directory.ordered_family)
    return quantized_for_training(family, config.quantize)
