"""Train families: the trainer, its settings, and the catalogue of samplers."""

import importlib
from typing import TYPE_CHECKING, Any

from supple.training.config import Accelerator, TrainConfig
from supple.training.history import EpochRow, History
from supple.training.sampler import Draw, Plan, Sampler, StepReport
from supple.training.samplers import SamplerChoice, build_sampler
from supple.training.sandwich import Sandwich, SandwichConfig

if TYPE_CHECKING:
    from supple.training.distillation import InPlaceDistillation
    from supple.training.evaluation import accuracy, calibration_inputs
    from supple.training.trainer import train

__all__ = [
    "Accelerator",
    "Draw",
    "EpochRow",
    "History",
    "InPlaceDistillation",
    "Plan",
    "Sampler",
    "SamplerChoice",
    "Sandwich",
    "SandwichConfig",
    "StepReport",
    "TrainConfig",
    "accuracy",
    "build_sampler",
    "calibration_inputs",
    "train",
]

# A config is read and checked without torch, so what needs torch is imported when it is used.
_NEED_TORCH = {
    "InPlaceDistillation": "distillation",
    "accuracy": "evaluation",
    "calibration_inputs": "evaluation",
    "train": "trainer",
}


if not TYPE_CHECKING:  # A type checker that saw this function would let every misspelt name pass.

    def __getattr__(name: str) -> Any:
        """Import a name that needs torch."""
        if name not in _NEED_TORCH:
            raise AttributeError(f'module "supple.training" has no attribute "{name}"')
        return getattr(importlib.import_module(f"supple.training.{_NEED_TORCH[name]}"), name)
