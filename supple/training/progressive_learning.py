"""Progressive learning: early stages of a run see smaller images and weaker regularisation.

Source: Tan & Le, EfficientNetV2: Smaller Models and Faster Training, 2021.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


class ProgressiveLearningConfig(BaseModel):
    """How the images' size and the regularisation grow over a run, in equal stages from the first values to full."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: int = Field(4, ge=2, description="stages of equal length; the last has full images and regularisation")
    from_scale: float = Field(0.5, gt=0, le=1, description="height and width of the first stage's images, as a share")
    divisor: int = Field(
        1, ge=1, description="heights and widths become multiples of it: a patch's size, or what strides divide by"
    )
    from_strength: float = Field(
        0.3, ge=0, le=1, description="the first stage's dropout and mixing, as a share of their full settings"
    )


@dataclass(frozen=True)
class Stage:
    """A part of a run: the images' size and the strength of regularisation, as shares of the full ones."""

    number: int
    scale: float
    strength: float


def stage_of(config: ProgressiveLearningConfig, step: int, steps: int) -> Stage:
    """Return the stage of a step, counted from 0, of a run of `steps` steps."""
    number = min(step * config.stages // steps, config.stages - 1)
    missing = 1 - number / (config.stages - 1)
    # In this form the last stage is 1 without a rounding.
    return Stage(number, scale=1 - (1 - config.from_scale) * missing, strength=1 - (1 - config.from_strength) * missing)


def all_stages(config: ProgressiveLearningConfig) -> list[Stage]:
    """Return the stages in their order."""
    return [stage_of(config, number, config.stages) for number in range(config.stages)]
