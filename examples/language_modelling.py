"""A family of language models, letter by letter, on the help pages that Python ships.

Run it: python examples/language_modelling.py
"""

from pydoc_data.topics import topics

import torch
from family_training import measured, settings
from torch import nn
from torch.nn import functional

import supple
from supple.training import LanguageModelling

LENGTH, BATCH = 64, 32


class Block(nn.Module):
    """Attention and a feed-forward network, each on what is normalised and added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_size = heads, width // heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, tokens, width) to the same shape."""
        batch, tokens, _ = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, self.head_size)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        heads = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(heads.transpose(1, 2).reshape(batch, tokens, self.heads * self.head_size))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """A small transformer."""

    def __init__(self, vocabulary: int, width: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(0.02 * torch.randn(LENGTH, width))
        self.blocks = nn.Sequential(*(Block(width, heads=4) for _ in range(3)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Map token ids (batch, tokens) to logits (batch, tokens, vocabulary)."""
        return self.head(self.norm(self.blocks(self.embed(ids) + self.positions)))


def batches(pages: int) -> tuple[list, list, int]:
    """Return training and validation batches of (letters, letters), each (batch, LENGTH), and the number of letters."""
    text = "".join(topics[name] for name in sorted(topics)[:pages])
    letters = {letter: index for index, letter in enumerate(sorted(set(text)))}
    ids = torch.tensor([letters[letter] for letter in text])
    rows = ids[: len(ids) // (LENGTH * BATCH) * LENGTH * BATCH].view(-1, LENGTH)
    # The last tenth of the text is kept for validation; the rest is shuffled.
    split = len(rows) // (10 * BATCH) * BATCH
    learned = rows[:-split][torch.randperm(len(rows) - split, generator=torch.Generator().manual_seed(0))]
    return [(x, x) for x in learned.split(BATCH)], [(x, x) for x in rows[-split:].split(BATCH)], len(letters)


def main(pages: int = 40, epochs: int = 2) -> dict[str, float]:
    """Train a family, and return the perplexity of three members."""
    torch.manual_seed(0)
    train_data, valid_data, letters = batches(pages)
    family = supple.convert(Transformer(letters), train_data[0][0][:2])
    task = LanguageModelling()  # the labels are the letters themselves: each is predicted from those before it
    supple.train(family, train_data, valid_data, settings(epochs, learning_rate=1e-2), task=task)
    return measured(family, task, train_data, valid_data)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
