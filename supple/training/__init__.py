"""Train families: the trainer, its settings, and the catalogues of samplers and tasks."""

import importlib
from typing import TYPE_CHECKING, Any

from supple.training.attentive import Attentive, AttentiveConfig
from supple.training.augmentation import AugmentationConfig
from supple.training.complexity_aware import ComplexityAware, ComplexityAwareConfig
from supple.training.config import Accelerator, Sharding, TrainConfig
from supple.training.delayed import Delayed, DelayedConfig
from supple.training.distillation import DistillationConfig, DivergenceKind, TeacherKind
from supple.training.history import EpochRow, History
from supple.training.launch import Launch
from supple.training.mix_n_match import MixNMatch, MixNMatchConfig
from supple.training.nested import Nested, NestedConfig
from supple.training.path_importance import PathImportance, PathImportanceConfig
from supple.training.precision import Precision
from supple.training.probability_shift import ProbabilityShift, ProbabilityShiftConfig
from supple.training.progressive import PhaseConfig, Progressive, ProgressiveConfig
from supple.training.progressive_learning import ProgressiveLearningConfig
from supple.training.sampler import Draw, Plan, Sampler, SamplerConfig, StepReport
from supple.training.samplers import SamplerChoice, build_sampler
from supple.training.sandwich import Sandwich, SandwichConfig
from supple.training.schedule import Schedule
from supple.training.uniform import Uniform, UniformConfig

if TYPE_CHECKING:
    from supple.training.classification import Classification
    from supple.training.evaluating_together import evaluate_together
    from supple.training.evaluation import accuracy, calibration_inputs, evaluate
    from supple.training.language_modelling import LanguageModelling
    from supple.training.objective import MemberLoss, Objective
    from supple.training.regression import Regression
    from supple.training.segmentation import Segmentation
    from supple.training.task import Score, Task
    from supple.training.token_classification import TokenClassification
    from supple.training.trainer import train

__all__ = [
    "Accelerator",
    "Attentive",
    "AttentiveConfig",
    "AugmentationConfig",
    "Classification",
    "ComplexityAware",
    "ComplexityAwareConfig",
    "Delayed",
    "DelayedConfig",
    "DistillationConfig",
    "DivergenceKind",
    "Draw",
    "EpochRow",
    "History",
    "LanguageModelling",
    "Launch",
    "MemberLoss",
    "MixNMatch",
    "MixNMatchConfig",
    "Nested",
    "NestedConfig",
    "Objective",
    "PathImportance",
    "PathImportanceConfig",
    "PhaseConfig",
    "Plan",
    "Precision",
    "ProbabilityShift",
    "ProbabilityShiftConfig",
    "Progressive",
    "ProgressiveConfig",
    "ProgressiveLearningConfig",
    "Regression",
    "Sampler",
    "SamplerChoice",
    "SamplerConfig",
    "Sandwich",
    "SandwichConfig",
    "Schedule",
    "Score",
    "Segmentation",
    "Sharding",
    "StepReport",
    "Task",
    "TeacherKind",
    "TokenClassification",
    "TrainConfig",
    "Uniform",
    "UniformConfig",
    "accuracy",
    "build_sampler",
    "calibration_inputs",
    "evaluate",
    "evaluate_together",
    "train",
]

# A config is read and checked without torch, so what needs torch is imported when it is used.
_NEED_TORCH = {
    "Classification": "classification",
    "LanguageModelling": "language_modelling",
    "MemberLoss": "objective",
    "Objective": "objective",
    "Regression": "regression",
    "Score": "task",
    "Segmentation": "segmentation",
    "Task": "task",
    "TokenClassification": "token_classification",
    "accuracy": "evaluation",
    "calibration_inputs": "evaluation",
    "evaluate": "evaluation",
    "evaluate_together": "evaluating_together",
    "train": "trainer",
}


if not TYPE_CHECKING:  # A type checker that saw this function would let every misspelt name pass.

    def __getattr__(name: str) -> Any:
        """Import a name that needs torch."""
        if name not in _NEED_TORCH:
            raise AttributeError(f'module "supple.training" has no attribute "{name}"')
        return getattr(importlib.import_module(f"supple.training.{_NEED_TORCH[name]}"), name)
