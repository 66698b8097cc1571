"""The events of a training run as scalars for TensorBoard (optional: the extra "tensorboard")."""

import math
from pathlib import Path

from supple.errors import MissingExtraError, SuppleError
from supple.storage.files import cause
from supple.training.log import Event


class TensorBoard:
    """Writes each figure of an event as a scalar "kind/figure", such as "step/loss_largest"; texts are left out."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        """Begin to write into a folder, for a run that stands after `step` steps: those of later ones are hidden.

        Raises `MissingExtraError` where the package is not installed, `SuppleError` where the folder cannot be written.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError("tensorboard", "tensorboard", "A log for TensorBoard") from None
        self._folder = folder
        try:
            self._writer = SummaryWriter(folder, purge_step=step + 1)
        except OSError as error:
            raise self._failure(error) from error

    def write(self, event: Event) -> None:
        """Keep the figures of an event that are finite numbers."""
        try:
            for name, value in event.figures.items():
                if value is not None and math.isfinite(value):
                    self._writer.add_scalar(f"{event.kind}/{name}", value, event.step)
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Write what waits, and end."""
        try:
            self._writer.close()
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> SuppleError:
        return SuppleError(f'Could not write into "{self._folder}": {cause(error)}.')
