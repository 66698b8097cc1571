"""The catalogue of samplers: the settings of each, told apart by `kind`, and the sampler that they describe."""

from typing import Annotated, assert_never

from pydantic import Field

from supple.training.attentive import Attentive, AttentiveConfig
from supple.training.complexity_aware import ComplexityAware, ComplexityAwareConfig
from supple.training.delayed import Delayed, DelayedConfig
from supple.training.mix_n_match import MixNMatch, MixNMatchConfig
from supple.training.nested import Nested, NestedConfig
from supple.training.path_importance import PathImportance, PathImportanceConfig
from supple.training.probability_shift import ProbabilityShift, ProbabilityShiftConfig
from supple.training.progressive import Progressive, ProgressiveConfig
from supple.training.sampler import Plan, Sampler
from supple.training.sandwich import Sandwich, SandwichConfig
from supple.training.uniform import Uniform, UniformConfig

SamplerChoice = Annotated[
    AttentiveConfig
    | ComplexityAwareConfig
    | DelayedConfig
    | MixNMatchConfig
    | NestedConfig
    | PathImportanceConfig
    | ProbabilityShiftConfig
    | ProgressiveConfig
    | SandwichConfig
    | UniformConfig,
    Field(discriminator="kind"),
]


def build_sampler(config: SamplerChoice, plan: Plan) -> Sampler:
    """Return the sampler that the settings describe."""
    sampler: Sampler
    match config:
        case AttentiveConfig():
            sampler = Attentive(plan, config)
        case ComplexityAwareConfig():
            sampler = ComplexityAware(plan, config)
        case DelayedConfig():
            sampler = Delayed(plan, config)
        case MixNMatchConfig():
            sampler = MixNMatch(plan, config)
        case NestedConfig():
            sampler = Nested(plan, config)
        case PathImportanceConfig():
            sampler = PathImportance(plan, config)
        case ProbabilityShiftConfig():
            sampler = ProbabilityShift(plan, config)
        case ProgressiveConfig():
            sampler = Progressive(plan, config)
        case SandwichConfig():
            sampler = Sandwich(plan, config)
        case UniformConfig():
            sampler = Uniform(plan, config)
        case _:
            assert_never(config)
    return sampler
