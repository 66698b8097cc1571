"""From a data config to training, validation and test batches."""

from pathlib import Path

from supple.data.batches import ImageBatches
from supple.data.config import DataConfig, FashionMnistConfig, FolderConfig, IdxConfig, PythonConfig
from supple.data.fashion_mnist import CLASSES, SHIPPED_FOLDER
from supple.data.idx_folder import read_idx_folder
from supple.data.image_folder import read_image_folder
from supple.data.labelled import ImageSource, LabelledImages, channel_statistics, cut
from supple.data.loaders import load_python
from supple.data.splits import Splits
from supple.errors import SuppleError


def load_splits(config: DataConfig, batch_size: int, seed: int) -> Splits:
    """Load the data that the config names.

    Parts that the source lacks are cut from the training images, class by class, by the seed; test images are never
    used for another part. All images are normalised with the mean and standard deviation of the training images.
    Training batches are shuffled and all of full size (unless there is only one). Raises SuppleError for data that
    are missing, damaged or unfit.
    """
    if isinstance(config, PythonConfig):
        return load_python(config, seed)
    source, folder = _read(config)
    _check_classes(source, folder)
    train, valid, test = source.train, source.valid, source.test
    if test is None:
        if isinstance(config, FashionMnistConfig):
            raise SuppleError(f'"{folder}" has no test images: expected t10k-images-idx3-ubyte, plain or .gz')
        train, test = cut(train, config.test_fraction, seed, source.classes, "test")
    if valid is None:
        train, valid = cut(train, config.valid_fraction, seed, source.classes, "valid")
    mean, std = channel_statistics(train.images)

    def evaluated(part: LabelledImages) -> ImageBatches:
        return ImageBatches(part.images, part.labels, batch_size, mean=mean, std=std)

    train_batches = ImageBatches(
        train.images,
        train.labels,
        batch_size,
        shuffle=True,
        seed=seed,
        mean=mean,
        std=std,
        flip=config.flip,
        drop_last=len(train) >= batch_size,
    )
    example = train_batches.normalise(train.images[:2])
    return Splits(train_batches, evaluated(valid), evaluated(test), source.classes, (example,))


def _read(config: FashionMnistConfig | IdxConfig | FolderConfig) -> tuple[ImageSource, Path]:
    folder = SHIPPED_FOLDER if config.path is None else config.path.expanduser()
    if isinstance(config, FolderConfig):
        return read_image_folder(folder, config.image_size), folder
    return read_idx_folder(folder, CLASSES if isinstance(config, FashionMnistConfig) else None), folder


def _check_classes(source: ImageSource, folder: Path) -> None:
    labels = set(source.train.labels.tolist())
    if len(labels) < 2:
        raise SuppleError(
            f'The data folder "{folder}" holds only one class, "{source.classes[labels.pop()]}": '
            "expected at least two to tell apart"
        )
