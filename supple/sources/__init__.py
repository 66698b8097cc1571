"""Models that a user names: by import path, of timm, of transformers. Nothing is unpickled, no code downloaded."""

from supple.sources.inputs import InputSpec, parse_input, random_inputs
from supple.sources.model import NamedModel
from supple.sources.naming import load_model

__all__ = ["InputSpec", "NamedModel", "load_model", "parse_input", "random_inputs"]
