"""Which data a run reads: one pydantic model per kind of source, told apart by `kind`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class DataKind(StrEnum):
    """Where the examples come from."""

    FASHION_MNIST = "fashion-mnist"
    IDX = "idx"
    FOLDER = "folder"
    PYTHON = "python"


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ImageSource(_Source):
    """What all sources of stored images share."""

    valid_fraction: float = Field(
        default=0.15, gt=0, lt=1, description="share of the training images that is cut off for validation"
    )
    flip: bool = Field(default=False, description="mirror training images left to right at random")


class FashionMnistConfig(_ImageSource):
    """Fashion-MNIST: the shipped subset, or the full set where the folder of its four IDX files is given."""

    kind: Literal[DataKind.FASHION_MNIST] = DataKind.FASHION_MNIST
    path: Path | None = Field(default=None, description="folder with the full set's IDX files, plain or .gz")


class IdxConfig(_ImageSource):
    """A folder of IDX files, named as MNIST names them: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, ..."""

    kind: Literal[DataKind.IDX] = DataKind.IDX
    path: Path
    test_fraction: float = Field(
        default=0.15, gt=0, lt=1, description="share of all images that is cut off for testing if no test files exist"
    )


class FolderConfig(_ImageSource):
    """A folder of PNG and JPEG images: one subfolder per class, optionally within `train`, `valid` and `test`."""

    kind: Literal[DataKind.FOLDER] = DataKind.FOLDER
    path: Path
    image_size: int | None = Field(
        default=None, ge=1, le=4096, description="pixels: scale and crop every image to a square of this side"
    )
    test_fraction: float = Field(
        default=0.15, gt=0, lt=1, description="share of all images that is cut off for testing if no `test` exists"
    )


class PythonConfig(_Source):
    """A function of the user's that returns `(train, valid, test)` PyTorch data loaders, or a `Splits`.

    The loaders keep their own batch size. The class names are read from the training loader's `dataset.classes`;
    where it has none, `classes` says how many there are, and without it the labels are read through once.
    """

    kind: Literal[DataKind.PYTHON] = DataKind.PYTHON
    function: str = Field(description='import path, "package.module:function"')
    arguments: dict[str, JsonValue] = Field(default_factory=dict, description="keyword arguments of the function")
    classes: int | None = Field(default=None, ge=2, description="number of classes, if the data set does not name them")


DataConfig = Annotated[FashionMnistConfig | IdxConfig | FolderConfig | PythonConfig, Field(discriminator="kind")]
