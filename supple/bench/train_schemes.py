"""The schemes that the training benchmark compares: every sampler with its own settings, and ways to teach."""

from collections.abc import Mapping

from supple.training import (
    AttentiveConfig,
    ComplexityAwareConfig,
    DelayedConfig,
    DistillationConfig,
    DivergenceKind,
    MixNMatchConfig,
    NestedConfig,
    PathImportanceConfig,
    ProbabilityShiftConfig,
    ProgressiveConfig,
    SandwichConfig,
    TeacherKind,
    TrainConfig,
    UniformConfig,
)

DEFAULT = "sandwich"
"""The scheme that is the library's default; a test compares the two."""

RANKED = ("sandwich", "delayed", "delayed, 1 random")
"""The schemes whose ranking of members is measured with every seed; that of the others with the first."""

SAMPLERS: Mapping[str, Mapping[str, object]] = {
    "sandwich": {"sampler": SandwichConfig()},
    "sandwich, 2 random": {"sampler": SandwichConfig(random_members=2)},
    "delayed": {"sampler": DelayedConfig()},
    "delayed, 1 random": {"sampler": DelayedConfig(random_members=1)},
    "uniform": {"sampler": UniformConfig()},
    "progressive": {"sampler": ProgressiveConfig()},
    "nested": {"sampler": NestedConfig()},
    "mix'n'match": {"sampler": MixNMatchConfig()},
    "complexity-aware": {"sampler": ComplexityAwareConfig()},
    "probability shift": {"sampler": ProbabilityShiftConfig()},
    "path importance": {"sampler": PathImportanceConfig()},
    "attentive": {"sampler": AttentiveConfig()},
}
TEACHERS: Mapping[str, Mapping[str, object]] = {
    "sandwich, no teacher": {"distillation": DistillationConfig(teacher=TeacherKind.NONE)},
    "sandwich, alpha": {"distillation": DistillationConfig(divergence=DivergenceKind.ALPHA)},
    "sandwich, features": {"distillation": DistillationConfig(feature_weight=0.1)},
    "sandwich, all from the teacher": {"distillation": DistillationConfig(weight=1.0)},
}


def schemes(recipe: TrainConfig) -> dict[str, TrainConfig]:
    """Return the config of each scheme by its name."""
    return {name: recipe.model_copy(update=dict(change)) for name, change in {**SAMPLERS, **TEACHERS}.items()}
