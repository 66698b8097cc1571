"""A family of syntax highlighters: the kind of each letter of Python's own source code.

Run it: python examples/token_classification.py
"""

import argparse
import inspect
import io
import keyword
import pprint
import tokenize
from types import ModuleType

import torch
from blocks import Residual
from family_training import measured, settings
from torch import nn

import supple
from supple.training import TokenClassification

LENGTH, BATCH = 64, 32
KINDS = ("space", "name", "keyword", "number", "text", "comment", "operator")
_TOKENS = {
    tokenize.NUMBER: "number",
    tokenize.STRING: "text",
    tokenize.COMMENT: "comment",
    tokenize.OP: "operator",
}


class Highlighter(nn.Module):
    """Residual blocks of convolutions along the text."""

    def __init__(self, letters: int, width: int = 48) -> None:
        super().__init__()
        self.embed = nn.Embedding(letters, width)
        self.blocks = nn.Sequential(*(Residual(self._body(width)) for _ in range(3)))
        self.head = nn.Linear(width, len(KINDS))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Map letters (batch, tokens) to logits (batch, tokens, kinds)."""
        return self.head(self.blocks(self.embed(ids).transpose(1, 2)).transpose(1, 2))

    def _body(self, width: int) -> nn.Sequential:
        first = (nn.Conv1d(width, width, 5, padding=2, bias=False), nn.BatchNorm1d(width), nn.ReLU())
        return nn.Sequential(*first, nn.Conv1d(width, width, 5, padding=2, bias=False), nn.BatchNorm1d(width))


def kinds(source: str) -> list[int]:
    """Return the kind of each letter, as Python's own tokenizer tells."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = [KINDS.index("space")] * len(source)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = _TOKENS.get(token.type)
        if token.type == tokenize.NAME:
            kind = "keyword" if keyword.iskeyword(token.string) else "name"
        if kind is not None:
            first, last = (starts[line - 1] + column for line, column in (token.start, token.end))
            found[first:last] = [KINDS.index(kind)] * (last - first)
    return found


def batches(module: ModuleType) -> list:
    """Return the source of a module as batches of letters and their kinds, each (batch, LENGTH)."""
    source = inspect.getsource(module)
    # Letters outside ASCII are rare: one id for all of them.
    ids = torch.tensor([min(ord(letter), 128) for letter in source])
    labels = torch.tensor(kinds(source))
    count = len(ids) // LENGTH * LENGTH
    return [
        {"ids": x, "labels": y}
        for x, y in zip(
            ids[:count].view(-1, LENGTH).split(BATCH), labels[:count].view(-1, LENGTH).split(BATCH), strict=True
        )
    ]


def main(epochs: int = 4) -> dict[str, float]:
    """Train a family on the source of `argparse`, and return three members' accuracy on that of `pprint`."""
    torch.manual_seed(0)
    train_data, valid_data = batches(argparse), batches(pprint)
    family = supple.convert(Highlighter(letters=129), {"ids": train_data[0]["ids"][:2]})
    task = TokenClassification()
    supple.train(family, train_data, valid_data, settings(epochs, learning_rate=1e-2), task=task)
    return measured(family, task, train_data, valid_data)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
