"""A whole run as one file: which model, which data, and how to train, search and export."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from supple.data import DataConfig
from supple.family import ImportanceMethod, OrderConfig
from supple.runs.config_file import to_yaml
from supple.runs.quantizing import QuantizeConfig
from supple.searching import SearchConfig
from supple.training import TrainConfig


class ModelConfig(BaseModel):
    """The user's model: a function or class that returns it, by import path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    function: str = Field(description='where the model comes from, as "package.module:function"')
    arguments: dict[str, JsonValue] = Field(default={}, description="its keyword arguments")


class ConvertConfig(BaseModel):
    """What of the model is elastic, and how: the options of `supple.convert`. Patterns name dimensions or modules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: dict[str, list[int | float]] = Field(
        default={}, description='values by pattern, as sizes or shares: {"blocks.*.mlp": [0.5, 0.75, 1.0]}'
    )
    freeze: list[str] = Field(default=[], description='patterns of what stays as it is: ["head*"]')
    ties: dict[str, str | list[str]] = Field(
        default={}, description='what becomes one, by its new name: {"stage1.hidden": "layer1.*.hidden"}'
    )
    resolutions: list[int] = Field(default=[], description="heights that images may have, if not one only")
    kernel_transform: bool = Field(default=False, description="learn how smaller kernels follow from larger ones")
    prove: bool = Field(default=True, description="try every dimension by a run, and freeze what fails")


class OrderingConfig(BaseModel):
    """Whether the family is ordered before it is trained, and how: the options of `supple.order`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Annotated[ImportanceMethod | None, BeforeValidator(lambda value: None if value == "none" else value)] = (
        Field(default=None, description="what makes channels, heads and blocks important; none moves no weight")
    )
    keep: tuple[str, ...] = Field(default=(), description='patterns of dimensions whose order stays: ["stem.*"]')
    batches: int = Field(default=16, ge=1, description="training batches that are looked at")
    by_depth: bool = Field(default=True, description="drop the least important block first, not the last one")
    blocks: dict[str, tuple[str, ...]] = Field(
        default={}, description="paths of the blocks of a depth dimension, the one that is kept longest first"
    )

    def to_order(self) -> OrderConfig | None:
        """Return the config of `supple.order`, or None where there is nothing to order."""
        return OrderConfig(**self.model_dump()) if self.method is not None or self.blocks else None


class ExportConfig(BaseModel):
    """How the chosen members are exported and judged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parity_images: int = Field(
        default=256, ge=1, description="validation images on which an exported file must agree with its member"
    )
    latency_seconds: float = Field(default=6.0, gt=0, description="longest time of the closing latency comparison")


class RunConfig(BaseModel):
    """A run: `supple run` reads it from a YAML file. `seed` also seeds what has no seed of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(default="A family of networks", description="heading of the report")
    seed: int = Field(default=0, ge=0, description="seed of the weights, the data split, training and search")
    threads: int | None = Field(default=None, ge=1, description="CPU threads for training; all usable cores if not set")
    model: ModelConfig
    data: DataConfig
    convert: ConvertConfig = ConvertConfig()
    order: OrderingConfig = OrderingConfig()
    quantize: QuantizeConfig | None = Field(
        default=None, description="precisions that layers may have beside fp32; none if not set"
    )
    train: TrainConfig = TrainConfig()
    search: SearchConfig = SearchConfig()
    export: ExportConfig = ExportConfig()

    @model_validator(mode="before")
    @classmethod
    def _hand_down_the_seed(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "seed" not in content:
            return content
        stages = {
            name: {"seed": content["seed"], **stage}
            for name in ("train", "search")
            if isinstance(stage := content.get(name, {}), dict)
        }
        return {**content, **stages}

    def to_yaml(self) -> str:
        """Return the resolved config as YAML, every setting in it; a section of some kind names its kind first."""
        return to_yaml(_kinds_first(json.loads(self.model_dump_json())))


def _kinds_first(section: dict[str, Any]) -> dict[str, Any]:
    kind = {"kind": section["kind"]} if "kind" in section else {}
    return kind | {name: _kinds_first(value) if isinstance(value, dict) else value for name, value in section.items()}
