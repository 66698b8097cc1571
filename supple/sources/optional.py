"""Import the packages that models come from: each is optional, and may be broken by another one."""

import importlib
from types import ModuleType

from supple.errors import MissingExtraError, SuppleError


def import_source(package: str, purpose: str) -> ModuleType:
    """Import an optional package; its extra has the same name.

    Raises `MissingExtraError` where it is not installed, `SuppleError` where it, or what it needs, cannot be loaded.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name == package:
            raise MissingExtraError(package, package, purpose) from None
        raise load_failure(package, error) from error
    except Exception as error:  # whatever the package, or one that it imports, raises
        raise load_failure(package, error) from error


def load_failure(package: str, error: BaseException) -> SuppleError:
    """Return the error to raise where a package is there and cannot be loaded."""
    causes = list(_causes(error))
    text = " ".join(str(causes[-1]).split()) or type(causes[-1]).__name__
    if any("torchvision" in str(cause) for cause in causes):
        import torch

        return SuppleError(
            f"{package} cannot be loaded, because the installed torchvision does not fit torch {torch.__version__} "
            f"({text}): install the torchvision of the same build, from the index that torch came from."
        )
    return SuppleError(f"{package} cannot be loaded: {text}")


def _causes(error: BaseException | None) -> list[BaseException]:
    """Return the error and what it was raised from, the root last."""
    return [] if error is None else [error, *_causes(error.__cause__)]
