"""How a search is run."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from supple.runtime.target import parse_target


class SearchConfig(BaseModel):
    """Settings of a search for the best members on one target."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = Field("onnxruntime:cpu?threads=1", description="where latency is measured: runtime:device?settings")
    evaluations: int = Field(
        48, ge=4, description="members that the search evaluates; the random baseline gets as many"
    )
    population: int = Field(12, ge=2, description="members of one generation")
    calibration_images: int = Field(1024, ge=1, description="training images that recompute batch-norm statistics")
    seconds_per_latency: float = Field(1.0, gt=0, description="longest time that measuring one member may take")
    seed: int = Field(
        0, ge=0, description="seed of the proposals; with one worker they depend on it and on the results"
    )

    @field_validator("target")
    @classmethod
    def _refuse_unknown_targets(cls, address: str) -> str:
        parse_target(address)  # now, not after hours of training
        return address
