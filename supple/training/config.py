"""How a family is trained."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from supple.training.samplers import SamplerChoice
from supple.training.sandwich import SandwichConfig


class Accelerator(StrEnum):
    """Where the training runs; `auto` takes a GPU where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class TrainConfig(BaseModel):
    """Settings of one training run of a family."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(7, ge=1, description="passes over the training data")
    batch_size: int = Field(64, ge=2, description="samples of one step; loaders of your own keep theirs")
    learning_rate: float = Field(2e-3, gt=0, description="highest learning rate, reached after the warm-up")
    warmup_share: float = Field(
        0.1, ge=0, lt=1, description="share of all steps in which the learning rate rises from 0 to its highest"
    )
    weight_decay: float = Field(0.05, ge=0, description="AdamW's weight decay; norms and biases are left alone")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of each label that is spread over all classes")
    sampler: SamplerChoice = Field(SandwichConfig(), description="which members train at each step")
    distillation_weight: float = Field(
        1.0, ge=0, le=1, description="how much the other members learn from the largest; the rest is from the labels"
    )
    distillation_temperature: float = Field(
        1.0, gt=0, description="softens what the other members learn from the largest; 1 leaves it as it is"
    )
    clip_norm: float = Field(1.0, gt=0, description="longest gradient of a step; a longer one is shortened to it")
    skipped_steps_limit: int = Field(
        10, ge=1, description="steps in a row that may be skipped because a loss is not finite, before training stops"
    )
    calibration_images: int = Field(
        512, ge=2, description="training samples that recompute batch-norm statistics before a member is validated"
    )
    accelerator: Accelerator = Field(Accelerator.AUTO, description="where to train")
    checkpoint_seconds: float = Field(
        15.0, ge=0, description="time between checkpoints; there is one at the end of each epoch besides"
    )
    keep_checkpoints: int = Field(2, ge=1, description="how many of the newest checkpoints are kept")
    seed: int = Field(0, ge=0, description="seed of the members drawn, of dropout, and of loaders without set_epoch")

    def decisive(self) -> dict[str, object]:
        """Return the settings that decide what is learned: a run can be resumed only with the same ones."""
        return self.model_dump(mode="json", exclude={"accelerator", "checkpoint_seconds", "keep_checkpoints"})
