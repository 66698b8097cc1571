"""How a family is trained."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from supple.training.augmentation import AugmentationConfig
from supple.training.distillation import DistillationConfig
from supple.training.precision import Precision
from supple.training.progressive_learning import ProgressiveLearningConfig
from supple.training.samplers import SamplerChoice
from supple.training.sandwich import SandwichConfig
from supple.training.schedule import Schedule


class Accelerator(StrEnum):
    """Where the training runs; `auto` takes a GPU where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Sharding(StrEnum):
    """What of a family is spread over the processes that train it together."""

    NONE = "none"
    FULL = "full"


# They decide where and how fast a run goes, not what it learns.
_NOT_DECISIVE = {"accelerator", "sharding", "checkpoint_seconds", "keep_checkpoints", "log_seconds", "tensorboard"}


class TrainConfig(BaseModel):
    """Settings of one training run of a family."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(7, ge=1, description="passes over the training data")
    batch_size: int = Field(64, ge=2, description="samples of one batch; loaders of your own keep theirs")
    accumulated_batches: int = Field(1, ge=1, description="batches whose gradients are added up for one step")
    sampler: SamplerChoice = Field(SandwichConfig(), description="which members train at each step")
    distillation: DistillationConfig = Field(DistillationConfig(), description="what members learn from a teacher")
    optimizer: str = Field("torch.optim:AdamW", description="import path of any optimizer of PyTorch's kind")
    optimizer_arguments: dict[str, JsonValue] = Field(
        {}, description="what it is given besides the learning rate and the weight decay"
    )
    learning_rate: float = Field(2e-3, gt=0, description="highest learning rate, reached after the warm-up")
    warmup_share: float = Field(
        0.1, ge=0, lt=1, description="share of all steps in which the learning rate rises from 0 to its highest"
    )
    schedule: Schedule = Field(Schedule.COSINE, description="the way of the learning rate after the warm-up")
    learning_rate_floor: float = Field(
        0.0, ge=0, le=1, description="share of the highest learning rate below which it does not fall"
    )
    weight_decay: float = Field(0.05, ge=0, description="the optimizer's weight decay; norms and biases are left alone")
    clip_norm: float = Field(1.0, gt=0, description="longest gradient of a step; a longer one is shortened to it")
    average_decay: float = Field(
        0.0, ge=0, lt=1, description="share of the averaged weights that each step keeps, as 0.999; 0 averages nothing"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each label that is spread over all classes, in classification"
    )
    augmentation: AugmentationConfig = Field(AugmentationConfig(), description="mixup and cutmix")
    progressive_learning: ProgressiveLearningConfig | None = Field(
        None, description="images and regularisation that grow over the run; left out where not set"
    )
    precision: Precision = Field(Precision.AUTO, description="what activations are computed in")
    skipped_steps_limit: int = Field(
        10, ge=1, description="steps in a row that may be skipped because a loss is not finite, before training stops"
    )
    calibration_images: int = Field(
        512, ge=2, description="training samples that recompute batch-norm statistics before a member is validated"
    )
    accelerator: Accelerator = Field(Accelerator.AUTO, description="where to train")
    sharding: Sharding = Field(
        Sharding.NONE,
        description="full: spread weights, gradients and optimizer over several processes, for models that do not fit "
        "one GPU; slower",
    )
    synchronise_norms: bool = Field(
        True,
        description="batch norm over the whole batch of all processes; false is faster, each sees its share",
    )
    checkpoint_seconds: float = Field(
        15.0,
        ge=0,
        description="time between checkpoints, one more comes after each epoch; with 0 training waits for one per step",
    )
    keep_checkpoints: int = Field(2, ge=1, description="how many of the newest checkpoints are kept")
    log_seconds: float = Field(1.0, ge=0, description="least time between two lines on steps in training.jsonl")
    tensorboard: bool = Field(False, description="write the same figures for TensorBoard too")
    seed: int = Field(0, ge=0, description="seed of the members drawn, of dropout, and of loaders without set_epoch")

    def decisive(self) -> dict[str, object]:
        """Return the settings that decide what is learned: a run can be resumed only with the same ones."""
        return self.model_dump(mode="json", exclude=_NOT_DECISIVE)
