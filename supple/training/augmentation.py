"""Settings of mixup and cutmix; `supple.training.mixing` does it."""

from pydantic import BaseModel, ConfigDict, Field


class AugmentationConfig(BaseModel):
    """How the images of a batch are mixed with each other; with both alphas 0, the default, they are not.

    Sources: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018; Yun et al., CutMix, 2019.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mixup_alpha: float = Field(
        0.0, ge=0, description="mixup: shares are drawn from Beta(alpha, alpha), 0.1 to 0.8 is usual; 0 leaves it out"
    )
    cutmix_alpha: float = Field(0.0, ge=0, description="the same for cutmix, where 1 is usual; 0 leaves it out")
    probability: float = Field(1.0, ge=0, le=1, description="share of the batches that are mixed at all")
    cutmix_probability: float = Field(
        0.5, ge=0, le=1, description="share of the mixed batches that get cutmix, where both are on; the rest get mixup"
    )

    @property
    def mixes(self) -> bool:
        """Whether any batch is mixed."""
        return self.probability > 0 and (self.mixup_alpha > 0 or self.cutmix_alpha > 0)
