"""Data sets: the built-in one and the user's own, as training, validation and test batches."""

from typing import TYPE_CHECKING, Any

from supple.data.config import DataConfig, DataKind, FashionMnistConfig, FolderConfig, IdxConfig, PythonConfig
from supple.data.splits import Batches, Splits

if TYPE_CHECKING:
    from supple.data.batches import ImageBatches
    from supple.data.loading import load_splits

__all__ = [
    "Batches",
    "DataConfig",
    "DataKind",
    "FashionMnistConfig",
    "FolderConfig",
    "IdxConfig",
    "ImageBatches",
    "PythonConfig",
    "Splits",
    "load_splits",
]


if not TYPE_CHECKING:  # A config is read and checked without torch, so what needs torch is imported when it is used.

    def __getattr__(name: str) -> Any:
        """Import a name that needs torch."""
        if name == "ImageBatches":
            from supple.data.batches import ImageBatches

            return ImageBatches
        if name == "load_splits":
            from supple.data.loading import load_splits

            return load_splits
        raise AttributeError(f'module "supple.data" has no attribute "{name}"')
