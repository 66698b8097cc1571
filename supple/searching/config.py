"""How a search is run."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from supple.runtime.target import parse_target
from supple.searching.searchers import SearcherChoice
from supple.searching.searchers.bayesian import BayesianConfig
from supple.searching.wishes import parse_constraint, parse_objective


def _one_as_several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_one_as_several)]
"""One text, or several."""


def _listed(value: Any) -> Any:
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
"""Words, or one text with commas between them."""

# They decide how long a search goes on, and how fast, not what it proposes next.
_NOT_DECISIVE = {"budget", "patience", "seeds", "workers"}


class SearchConfig(BaseModel):
    """Settings of a search for the best members."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    targets: Texts = Field(
        ("onnxruntime:cpu?threads=1",),
        description="where latency is measured: runtime:device?settings; the first is where members are shipped",
    )
    objectives: Texts = Field(
        (), description="what is to be good, as accuracy or macs; none: the task's metric, and latency on every target"
    )
    constraints: Texts = Field(
        (), description='what members must keep, as "latency_ms <= 5 on onnxruntime:cpu" or "parameters <= 1e6"'
    )
    dimensions: Words | None = Field(
        None,
        description="what is searched: shape (all dimensions but bits), bits, another kind, or patterns of dimension "
        "names; the others stay at their largest value; all if not set",
    )
    budget: int = Field(64, ge=4, description="members that are evaluated in all, those of the baseline included")
    searcher: SearcherChoice = Field(BayesianConfig(), description="how the next member is chosen")
    allocated: int = Field(
        0, ge=0, description="members that the allocator proposes first, after measuring every choice alone"
    )
    baseline_share: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="share of the budget for random members that cost as much; 0 leaves results without comparison",
    )
    together: int | None = Field(
        None, ge=1, description="members proposed before the first of them is evaluated; the searcher's own if not set"
    )
    workers: int = Field(1, ge=1, description="processes that evaluate members; results are the same with any number")
    seed: int = Field(0, ge=0, description="seed of the proposals, which depend on it and on the results alone")
    seeds: int = Field(1, ge=1, description="searches, each with a seed and the whole budget of its own")
    patience: int | None = Field(
        None, ge=1, description="evaluations without a larger front after which the search ends; never if not set"
    )
    warm_start: Path | str | None = Field(
        None, description="the study of an earlier search, a file or a URL, whose best members come first"
    )
    calibration_images: int = Field(1024, ge=1, description="training images that recompute batch-norm statistics")
    seconds_per_latency: float = Field(1.0, gt=0, description="longest time that measuring one member may take")

    @field_validator("targets")
    @classmethod
    def _refuse_unknown_targets(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        if not addresses:
            raise ValueError("name at least one target, as onnxruntime:cpu")
        for address in addresses:
            parse_target(address)  # now, not after hours of training
        return addresses

    @field_validator("objectives")
    @classmethod
    def _refuse_what_is_no_objective(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            parse_objective(text)
        return texts

    @field_validator("constraints")
    @classmethod
    def _refuse_what_is_no_constraint(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            parse_constraint(text)
        return texts

    def settings(self) -> str:
        """Return those settings that a study is bound to: with others its history would be another."""
        # Studies of before there was a choice of dimensions searched all of them.
        not_decisive = _NOT_DECISIVE if self.dimensions is not None else {*_NOT_DECISIVE, "dimensions"}
        return self.model_dump_json(exclude=not_decisive)
