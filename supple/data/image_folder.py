"""A folder of PNG and JPEG images, one subfolder per class, as an image source: every image is decoded once."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from supple.data.labelled import ImageSource, LabelledImages, check_memory, list_folder
from supple.errors import SuppleError, nearest

_SPLITS = ("train", "valid", "test")
_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class _File:
    path: Path
    label: int


def read_image_folder(folder: Path, image_size: int | None = None) -> ImageSource:
    """Read `folder/CLASS/*.png|jpg`, or `folder/train/CLASS/...` with optional `valid` and `test` beside `train`.

    The classes are the training subfolders in alphabetical order. The images become grayscale if all of them are,
    RGB otherwise (transparency is dropped, the orientation that a camera noted is applied). With `image_size` each
    image is scaled and cropped at its centre to a square of that side; without, all must have one size. Raises
    SuppleError for folders without classes or images, unreadable images and sizes that differ.
    """
    parts = _list_splits(folder)
    classes = tuple(part.name for part in _class_folders(parts["train"]))
    files = {split: _list_files(part, classes) for split, part in parts.items()}
    # All splits are decoded together, so that one colour image anywhere makes all of them RGB.
    images = _decode([file.path for split in files.values() for file in split], folder, image_size)
    labelled: dict[str, LabelledImages] = {}
    for split, listed in files.items():
        first = sum(len(earlier) for earlier in labelled.values())
        labels = torch.tensor([file.label for file in listed], dtype=torch.int64)
        labelled[split] = LabelledImages(images[first : first + len(listed)], labels)
    return ImageSource(labelled["train"], labelled.get("valid"), labelled.get("test"), classes)


def _list_splits(folder: Path) -> dict[str, Path]:
    subfolders = {entry.name: entry for entry in list_folder(folder) if entry.is_dir()}
    train = subfolders.get("train")
    if train is None or not any(entry.is_dir() for entry in list_folder(train)):
        return {"train": folder}
    unknown = [name for name in subfolders if name not in _SPLITS]
    if unknown:
        raise SuppleError(
            f'"{folder}" has a "train" folder of classes, and beside it "{unknown[0]}": expected only train, valid '
            f"and test{nearest(unknown[0], _SPLITS)}"
        )
    return {split: subfolders[split] for split in _SPLITS if split in subfolders}


def _class_folders(folder: Path) -> list[Path]:
    found = [entry for entry in list_folder(folder) if entry.is_dir()]
    if not found:
        raise SuppleError(f'The data folder "{folder}" has no subfolders: expected one for each class, with its images')
    return found


def _list_files(folder: Path, classes: tuple[str, ...]) -> list[_File]:
    files = []
    for part in _class_folders(folder):
        if part.name not in classes:
            raise SuppleError(f'"{part}" is a class that the training images do not have{nearest(part.name, classes)}')
        images = [entry for entry in list_folder(part) if entry.suffix.lower() in _SUFFIXES]
        if not images:
            raise SuppleError(f'The class folder "{part}" holds no images: expected {", ".join(_SUFFIXES)} files')
        files += [_File(path, classes.index(part.name)) for path in images]
    return files


def _decode(paths: list[Path], folder: Path, image_size: int | None) -> Tensor:
    images = torch.empty(0)
    for index, path in enumerate(paths):
        pixels = _decode_one(path, image_size)
        if index == 0:
            check_memory((len(paths), *pixels.shape), f'The data folder "{folder}"')
            images = torch.empty((len(paths), *pixels.shape), dtype=torch.uint8)
        if pixels.shape[1:] != images.shape[2:]:
            raise SuppleError(
                f'The images differ in size: "{paths[0]}" is {images.shape[3]} x {images.shape[2]} pixels, "{path}" is '
                f"{pixels.shape[2]} x {pixels.shape[1]}; set image_size to bring all to one size"
            )
        if pixels.shape[0] > images.shape[1]:
            check_memory((len(paths), *pixels.shape), f'The data folder "{folder}"')
            images = images.expand(-1, pixels.shape[0], -1, -1).contiguous()
        images[index] = pixels
    return images


def _decode_one(path: Path, image_size: int | None) -> Tensor:
    if not path.is_file():  # A pipe would never end; a link may lead nowhere.
        raise SuppleError(f'Cannot read the image "{path}": it is no file, or a broken link; mend or remove it')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as opened:
                image = _gray_or_rgb(ImageOps.exif_transpose(opened))
        if image_size is not None:
            image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(image))
    except Exception as error:  # Decoders that are fed damaged files raise errors of many types.
        unknown = isinstance(error, UnidentifiedImageError)
        cause = "it is no PNG or JPEG image" if unknown else " ".join(str(error).split()) or type(error).__name__
        raise SuppleError(f'Cannot read the image "{path}": {cause}; mend or remove it') from error
    return pixels.unsqueeze(0) if pixels.dim() == 2 else pixels.permute(2, 0, 1)


def _gray_or_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits per pixel; Pillow's own conversion to 8 would clip them.
        return Image.fromarray((np.asarray(image.convert("I")) >> 8).astype(np.uint8))
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    if image.mode == "P":
        image = image.convert("RGBA")  # Going by way of RGBA spares a warning about transparent palettes.
    return image.convert("RGB")
