"""The precision of layers in a run: the section `quantize` of its file, and the family that comes of it."""

from dataclasses import fields
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

from supple.family import Family
from supple.family.quantized.config import Per, QuantizationConfig, RangeMethod
from supple.family.quantized.quantizing import quantize


class During(StrEnum):
    """When layers have other precisions: in the search alone, or while the family is trained too."""

    SEARCH = "search"
    TRAINING = "training"


class PrecisionConfig(BaseModel):
    """Which layers may be stored and multiplied in which formats: the settings of `supple.quantize`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    formats: dict[str, list[str]] = Field(
        default={"*": ["int8"]}, description='formats beside fp32, by pattern of layers: {"*": [int8], "head": []}'
    )
    per: Per = Field(default=Per.LAYER, description="what gets a dimension of its own: each layer, block, or kind")
    groups: dict[str, str | list[str]] = Field(
        default={}, description='layers that have one dimension together, by its name: {"stage1.bits": "layer1.*"}'
    )
    per_channel: bool = Field(default=True, description="a scale for each output channel of a weight, not one for all")
    symmetric_weights: bool = Field(default=True, description="weights without a zero point")
    reduced_range: bool = Field(default=False, description="7 of 8 bits, for processors that saturate (x86, no VNNI)")
    block_size: int = Field(default=32, description="input features that share a scale where weights alone are rounded")
    symmetric_activations: bool = Field(default=False, description="activations without a zero point")
    signed_activations: bool = Field(default=False, description="activations as int8, not uint8")
    round_linear_results: bool = Field(default=False, description="round what linear layers give too, as for XNNPACK")
    ranges: RangeMethod = Field(default=RangeMethod.MINMAX, description="how the range of an activation is chosen")
    percentile: float = Field(default=99.99, description="what the range method of that name keeps, in per cent")
    range_samples: int = Field(default=512, description="samples that ranges are found on, at most")

    @model_validator(mode="after")
    def _refuse_what_cannot_be(self) -> "PrecisionConfig":
        self.to_quantization()  # now, not after hours of training
        return self

    def to_quantization(self) -> QuantizationConfig:
        """Return the config of `supple.quantize`. Raises `SuppleError` where settings contradict each other."""
        return QuantizationConfig(**{entry.name: getattr(self, entry.name) for entry in fields(QuantizationConfig)})


class QuantizeConfig(PrecisionConfig):
    """The precision of a run's family."""

    during: During = Field(
        default=During.SEARCH,
        description="search: layers are quantized after training; training: members of all precisions are trained",
    )


def quantized_for_search(family: Family, config: PrecisionConfig | None) -> Family:
    """Return the family with dimensions of precision, where they are wanted and it does not have them yet.

    Raises `SuppleError` for a pattern that finds no layer, or a format that a layer cannot have.
    """
    if config is None or family.quantization is not None:
        return family
    return quantize(family, config.to_quantization())


def quantized_for_training(family: Family, config: QuantizeConfig | None) -> Family:
    """Return the family as it is trained: with dimensions of precision where training is to see them.

    Raises `SuppleError` as `quantized_for_search` does.
    """
    return quantized_for_search(family, config) if config is not None and config.during is During.TRAINING else family
