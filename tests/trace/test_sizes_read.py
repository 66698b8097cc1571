"""Sizes that the code reads from one tensor and gives to another, as attention often does."""

import torch
from torch import nn

from supple import Family, convert
from supple.space import Kind


class Attention(nn.Module):
    """Attention whose output takes the width of its input: heads and width can shrink only together."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, dim) to the same shape."""
        batch, length, dim = x.shape
        qkv = self.qkv(x).reshape(batch, length, 3, self.num_heads, dim // self.num_heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, length, dim))  # type: ignore[no-any-return]


class Network(nn.Module):
    """Two residual blocks of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(6, 32), nn.Linear(32, 5)
        self.blocks = nn.ModuleList(Attention(32, 4) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, length, 6) to (batch, 5)."""
        x = self.embed(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x.mean(1))  # type: ignore[no-any-return]


def family() -> Family:
    torch.manual_seed(0)
    return convert(Network().eval(), torch.randn(2, 7, 6))


def test_heads_and_stream_are_one_dimension_where_the_code_says_so() -> None:
    found = family()
    assert not found.structure.frozen
    (heads,) = (entry for entry in found.space.dimensions if entry.kind is Kind.HEADS)
    assert heads.values == (1, 2, 3, 4)
    member = found.extract(found.space.config({heads.name: 3}))
    assert member.embed.out_features == 24
    assert [block.num_heads for block in member.blocks] == [3, 3]
    assert member.blocks[0].qkv.weight.shape == (72, 24)


def test_members_equal_their_extracted_networks() -> None:
    found = family()
    x = torch.randn(3, 5, 6)
    for config in (found.space.min(), found.space.max()):
        assert torch.equal(found(x, config=config), found.extract(config)(x))
