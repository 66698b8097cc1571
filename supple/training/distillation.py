"""Settings of distillation: from whom members learn beside the data, by which divergence, and how much."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TeacherKind(StrEnum):
    """Who teaches: the full member of the same step, or nobody. A module of your own takes the full member's place."""

    IN_PLACE = "in-place"
    NONE = "none"


class DivergenceKind(StrEnum):
    """How the difference from a teacher is measured: Kullback-Leibler, or AlphaNet's adaptive alpha-divergence."""

    KL = "kl"
    ALPHA = "alpha"


class DistillationConfig(BaseModel):
    """Settings of what members learn from a teacher.

    In place (Yu & Huang, Universally Slimmable Networks and Improved Training Techniques, 2019), the full member of the
    step teaches the others; in a step without it, they learn from the data alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: TeacherKind = Field(TeacherKind.IN_PLACE, description="who teaches: the full member, or nobody")
    weight: float = Field(0.5, ge=0, le=1, description="the teacher's share in the loss of all but the full member")
    full_weight: float = Field(
        0.5, ge=0, le=1, description="the share of a teacher of your own in the loss of the full member"
    )
    divergence: DivergenceKind = Field(DivergenceKind.KL, description="how far outputs are from the teacher's")
    temperature: float = Field(1.0, gt=0, description="softens what the teacher says; 1 leaves it as it is")
    alpha_min: float = Field(-1.0, description="alpha that punishes members too sure of themselves (alpha only)")
    alpha_max: float = Field(1.0, description="alpha that punishes members too unsure (alpha only)")
    alpha_clip: float = Field(5.0, gt=1, description="largest importance ratio (alpha only)")
    feature_weight: float = Field(
        0.0, ge=0, description="weight of the difference from the full member's features; 0 leaves them alone"
    )
    feature_modules: tuple[str, ...] = Field(
        (), description="modules whose features are compared, by pattern; none: the stages, and the classifier's input"
    )

    @model_validator(mode="after")
    def _alphas_make_sense(self) -> Self:
        if self.alpha_min >= self.alpha_max:
            raise ValueError(f"alpha_min ({self.alpha_min:g}) must be less than alpha_max ({self.alpha_max:g})")
        if 0 in (self.alpha_min, self.alpha_max):
            raise ValueError("alpha_min and alpha_max must not be 0, where the divergence is not defined")
        return self

    @model_validator(mode="after")
    def _features_have_a_teacher(self) -> Self:
        if self.feature_weight > 0 and self.teacher is TeacherKind.NONE:
            raise ValueError(
                f"feature_weight is {self.feature_weight:g}, but teacher is none: features are the full member's"
            )
        return self
