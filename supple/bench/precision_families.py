"""Families on Fashion-MNIST whose shape and precision are searched: trained once by the library's recipe, then kept."""

import torch

from supple.bench.form import Options
from supple.bench.train_parts import FULL_SET, NETWORKS, FirstBatches
from supple.data import FashionMnistConfig, Splits, load_splits
from supple.family import Family, QuantizationConfig, convert, load, quantize, save
from supple.family.quantized.config import Per
from supple.progress import Progress
from supple.training import Precision, TrainConfig, train

PASSES = 6
_BATCH_SIZE = 64
# Differences between precisions are small: they need more images than a training validates on.
_VALID_FRACTION = 0.2


def data_of(options: Options) -> Splits:
    """Return the images that families are trained, searched and tested on: the full set where it is found."""
    full = options.data or (FULL_SET if FULL_SET.is_dir() and not options.quick else None)
    data = FashionMnistConfig(path=full, valid_fraction=_VALID_FRACTION)
    splits = load_splits(data, _BATCH_SIZE, seed=0)
    if not options.quick:
        return splits
    train_data, valid, test = (FirstBatches(part, 3) for part in (splits.train, splits.valid, splits.test))
    return Splits(train_data, valid, test, splits.classes, splits.example_inputs)


def trained_family(network: str, seed: int, splits: Splits, options: Options, progress: Progress) -> Family:
    """Return a trained family in full precision: the one that is kept in the options' folder, else a new one."""
    folder = None if options.folder is None else options.folder / f"family-{network}-{seed}"
    torch.manual_seed(seed)
    model = NETWORKS[network]()
    if folder is not None and (folder / "manifest.json").exists():
        return load(folder, model).eval()
    family = convert(model, splits.example_inputs)
    settings = TrainConfig(epochs=1 if options.quick else PASSES, precision=Precision.FP32, seed=seed)
    train(family, splits.train, splits.valid, settings, progress=progress)
    if folder is not None:
        save(family.eval(), folder)
    return family.eval()


def quantized_family(family: Family) -> Family:
    """Return the family with a choice of int8 for each block."""
    return quantize(family, QuantizationConfig(per=Per.BLOCK))
