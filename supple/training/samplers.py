"""The catalogue of samplers: the settings of each, told apart by `kind`, and the sampler that they describe."""

from supple.training.sampler import Plan, Sampler
from supple.training.sandwich import Sandwich, SandwichConfig

SamplerChoice = SandwichConfig


def build_sampler(config: SamplerChoice, plan: Plan) -> Sampler:
    """Return the sampler that the settings describe."""
    return Sandwich(plan, config)
