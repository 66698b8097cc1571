"""From a mapping to a model: each mistake is one line that names the key, what was given and what was expected."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from supple.errors import SuppleError
from supple.runs.validation import validate


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Kind(StrEnum):
    FOLDER = "folder"
    IDX = "idx"


class FolderConfig(Strict):
    kind: Literal[Kind.FOLDER]
    path: Path = Field(description="folder with one subfolder per class")
    folder: int = 1


class IdxConfig(Strict):
    kind: Literal[Kind.IDX]
    path: Path
    fraction: float = Field(0.1, gt=0, lt=1)


Data = Annotated[FolderConfig | IdxConfig, Field(discriminator="kind")]


class TrainConfig(Strict):
    epochs: int = Field(3, ge=1)
    lr: float = 0.1
    schedule: Literal["cosine", "linear"] = "cosine"
    precision: Kind = Kind.IDX


class Left(Strict):
    left: int


class Right(Strict):
    right: int


class RunConfig(Strict):
    seed: int = 0
    data: Data | None = None
    train: TrainConfig = TrainConfig()
    sources: list[Data] = []
    named: dict[str, TrainConfig] = {}
    pair: tuple[int, TrainConfig] | None = None
    size: int | list[int] = 1
    side: Left | Right | None = None
    arguments: dict[str, JsonValue] = {}
    device: str = Field("cpu", alias="device-name")

    @field_validator("seed")
    @classmethod
    def _no_seven(cls, seed: int) -> int:
        if seed == 7:
            raise ValueError("seven is taken")
        return seed

    @model_validator(mode="after")
    def _no_eight(self) -> "RunConfig":
        if self.seed == 8:
            raise ValueError("eight goes with nothing")
        return self


def test_a_right_mapping_becomes_the_model() -> None:
    mapping = {"seed": 3, "data": {"kind": "folder", "path": "x"}, "train": {"lr": "1e-3"}, "device-name": "gpu"}
    config = validate(RunConfig, mapping, "run.yaml")
    assert config.data == FolderConfig(kind=Kind.FOLDER, path=Path("x"))
    assert (config.seed, config.train.lr, config.device) == (3, 0.001, "gpu")


KINDS = '"folder" or "idx"'
MISTAKES: list[tuple[dict[str, Any], str]] = [
    # Unknown keys.
    ({"sed": 1}, 'unknown key "sed"; did you mean "seed"?'),
    ({"train": {"epoch": 3}}, 'unknown key "train.epoch"; did you mean "train.epochs"?'),
    ({"device-nam": "x"}, 'unknown key "device-nam"; did you mean "device-name"?'),
    ({"epochs": 3}, 'unknown key "epochs"; did you mean "train.epochs"?'),
    ({"fraction": 3}, 'unknown key "fraction"; did you mean "data.fraction"?'),
    ({"train": {"zzz": 3}}, 'unknown key "train.zzz"; expected "epochs", "lr", "schedule" or "precision".'),
    ({"data": {"kind": "idx", "path": "x", "fracton": 1}}, 'unknown key "data.fracton"; did you mean "data.fraction"?'),
    ({"sources": [{"kind": "folder", "path": "x"}, {"kind": "folder", "path": "x", "foldr": 1}]},
     'unknown key "sources.1.foldr"; did you mean "sources.1.folder"?'),
    ({"named": {"a": {"epoch": 1}}}, 'unknown key "named.a.epoch"; did you mean "named.a.epochs"?'),
    ({"pair": [1, {"epoch": 1}]}, 'unknown key "pair.1.epoch"; did you mean "pair.1.epochs"?'),
    ({"data": {"kind": "folder", "pth": "x"}},
     'unknown key "data.pth"; did you mean "data.path"? (1 more mistake after this one.)'),
    ({"side": {"up": 1}}, 'unknown key "side.up"; expected "left". (2 more mistakes after this one.)'),
    ({"x" * 100_000: 1}, f'unknown key "{"x" * 80}"; expected "seed", "data", "train", "sources", "named", "pair", '
     '"size", "side", "arguments" or "device-name".'),
    # Missing keys.
    ({"data": {"kind": "idx"}}, '"data.path" is missing.'),
    ({"data": {"kind": "folder"}}, '"data.path" is missing: folder with one subfolder per class.'),
    ({"data": {"path": "x"}}, f'"data.kind" is missing; expected {KINDS}.'),
    # Wrong choices.
    ({"data": {"kind": "foldr", "path": "x"}},
     f'"data.kind": expected {KINDS}, but this is the text "foldr"; did you mean "folder"?'),
    ({"sources": [{"kind": "zzz"}]}, f'"sources.0.kind": expected {KINDS}, but this is the text "zzz".'),
    ({"train": {"schedule": "cosin"}}, '"train.schedule": expected "cosine" or "linear", but this is the text '
     '"cosin"; did you mean "cosine"?'),
    ({"train": {"precision": 3}}, f'"train.precision": expected {KINDS}, but this is 3.'),
    # Wrong values.
    ({"seed": "many"}, '"seed": expected a valid integer, but this is the text "many".'),
    ({"seed": None}, '"seed": expected a valid integer, but this is nothing.'),
    ({"seed": 1.5}, '"seed": expected a valid integer, but this is 1.5.'),
    ({"train": {"epochs": 0}}, '"train.epochs": expected a value greater than or equal to 1, but this is 0.'),
    ({"train": 3}, '"train": expected a mapping of keys to values, but this is 3.'),
    ({"data": ["x"]}, '"data": expected a mapping of keys to values, but this is a list.'),
    ({"data": {"kind": "idx", "path": 3}}, '"data.path": expected a path, but this is 3.'),
    ({"data": {"kind": "folder", "path": "x", "folder": "x"}},
     '"data.folder": expected a valid integer, but this is the text "x".'),
    ({"sources": {}}, '"sources": expected a valid list, but this is a mapping.'),
    ({"size": "x"}, '"size": expected a valid integer or a valid list, but this is the text "x".'),
    ({"side": {"left": "x"}},
     '"side.left": expected a valid integer, but this is the text "x". (1 more mistake after this one.)'),
    ({"arguments": {"a": {1, 2}}}, '"arguments.a": input was not a valid JSON value, but this is {1, 2}.'),
    # What validators say.
    ({"seed": 7}, '"seed": seven is taken'),
    ({"seed": 8}, "eight goes with nothing"),
    # Several at once.
    ({"seed": "x", "train": {"lr": "y", "epochs": "z"}},
     '"seed": expected a valid integer, but this is the text "x". (2 more mistakes after this one.)'),
]  # fmt: skip


@pytest.mark.parametrize(("mapping", "message"), MISTAKES, ids=[str(mapping)[:50] for mapping, _ in MISTAKES])
def test_a_mistake_is_one_line_that_names_the_key(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(SuppleError) as caught:
        validate(RunConfig, mapping, "run.yaml")
    assert str(caught.value) == f"run.yaml: {message}"


class Tree(Strict):
    leaf: int = 0
    below: "Tree | None" = None


def test_a_model_inside_itself_is_checked_at_every_level() -> None:
    with pytest.raises(SuppleError) as caught:
        validate(Tree, {"below": {"below": {"leav": 1}}}, "tree")
    assert str(caught.value) == 'tree: unknown key "below.below.leav"; did you mean "below.below.leaf"?'


def test_an_error_of_supple_from_a_validator_passes_through() -> None:
    class Picky(Strict):
        name: str

        @field_validator("name")
        @classmethod
        def _never(cls, name: str) -> str:
            raise SuppleError(f'"{name}" will not do')

    with pytest.raises(SuppleError, match=r'^"x" will not do$'):
        validate(Picky, {"name": "x"}, "run.yaml")
