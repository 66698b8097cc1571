"""From the name of a model to a family: what `supple convert` does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from supple.errors import SuppleError
from supple.family import Family, convert, save
from supple.runs.config import ConvertConfig
from supple.sources import load_model, parse_input, random_inputs


@dataclass(frozen=True)
class ConvertRequest:
    """What is to be converted, and how.

    `inputs` are texts such as "3,224,224" or "input_ids=16:int64"; without any, those that the model's source knows.
    `weights` is a safetensors file; `pretrained` asks the source for its own weights (None: as the source usually
    does). The family is saved in `output`.
    """

    model: str
    inputs: Sequence[str] = ()
    weights: Path | None = None
    pretrained: bool | None = None
    options: ConvertConfig = field(default_factory=ConvertConfig)
    output: Path | None = None


def convert_named(request: ConvertRequest) -> Family:
    """Return the family of a named model. Raises `SuppleError` for every mistake that a user can make."""
    if request.output is not None and request.output.exists() and not request.output.is_dir():
        raise SuppleError(f'"{request.output}" is a file: --output takes a folder.')
    given = [parse_input(text) for text in request.inputs]
    named = load_model(request.model, request.pretrained, request.weights)
    specs = given or named.inputs
    if not specs:
        raise SuppleError(
            f'Nobody knows what inputs "{request.model}" takes: give the shape of each without the batch, as '
            "--input 3,224,224 or --input input_ids=16:int64."
        )
    inputs = random_inputs(named.model, specs, named.constants)
    family = convert(named.model, inputs, **request.options.model_dump())
    if request.output is not None:
        save(family, request.output)
    return family


def parse_choice(text: str) -> tuple[str, list[float]]:
    """Read "PATTERN=VALUE,VALUE,...", values as sizes or as shares. Raises `SuppleError` for any other text."""
    pattern, _, values = text.rpartition("=")
    try:
        found = [float(value) if "." in value else int(value) for value in values.split(",")]
    except ValueError:
        found = []
    if not pattern or not found:
        raise SuppleError(f'"{text}" is no choice: expected PATTERN=VALUES, as "blocks.*.mlp=0.5,0.75,1.0"')
    return pattern, found


def parse_ties(texts: Iterable[str]) -> dict[str, list[str]]:
    """Read texts "NAME=PATTERN"; a name may come with several patterns. Raises `SuppleError` for any other text."""
    ties: dict[str, list[str]] = {}
    for text in texts:
        name, _, pattern = text.partition("=")
        if not name or not pattern:
            raise SuppleError(f'"{text}" is no tie: expected NAME=PATTERN, as "stage1.hidden=layer1.*.hidden"')
        ties.setdefault(name, []).append(pattern)
    return ties
