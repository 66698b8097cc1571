"""Each process's share of a batch."""

from collections import UserDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch

from supple.errors import SuppleError
from supple.training.shares import share_of


def test_the_shares_make_up_the_batch():
    batch = {"images": torch.arange(14).view(7, 2), "other": (torch.arange(7), [torch.tensor(5.0)]), "name": "seven"}
    shares = [share_of(batch, rank, 3) for rank in range(3)]
    assert [share["other"][0].tolist() for share in shares] == [[0, 3, 6], [1, 4], [2, 5]]
    assert shares[1]["images"].tolist() == [[2, 3], [8, 9]]
    assert all(share["other"][1][0] == 5 and share["name"] == "seven" for share in shares)


@dataclass(frozen=True)
class Labels:
    first: torch.Tensor
    share: float


class Pair(NamedTuple):
    inputs: torch.Tensor
    labels: Labels


class Encoding(UserDict[str, torch.Tensor]):
    """As those of transformers."""


def test_collections_keep_their_classes():
    share = share_of([Pair(torch.arange(4), Labels(torch.arange(4, 8), 0.5)), Encoding(ids=torch.arange(4))], 1, 2)
    assert isinstance(share[0], Pair)
    assert share[0].inputs.tolist() == [1, 3]
    assert share[0].labels.first.tolist() == [5, 7]
    assert share[0].labels.share == 0.5
    assert isinstance(share[1], Encoding)
    assert share[1]["ids"].tolist() == [1, 3]


def test_what_may_hide_tensors_is_refused():
    with pytest.raises(SuppleError) as caught:
        share_of((torch.zeros(4), {1, 2}), 0, 2)
    assert str(caught.value) == (
        "A batch holds an object of type set, which cannot be shared among processes: give tensors, in tuples, lists, "
        "mappings or dataclasses."
    )


def test_alone_the_batch_is_as_it_was():
    batch = (torch.arange(3), torch.arange(5))
    assert share_of(batch, 0, 1) is batch


def test_fewer_samples_than_processes_are_refused():
    with pytest.raises(SuppleError) as caught:
        share_of((torch.zeros(2, 3), torch.zeros(2)), 0, 4)
    assert str(caught.value) == (
        "A batch of 2 samples cannot be shared among 4 processes: leave the last, smaller batch out (drop_last), take "
        "larger batches, or fewer processes."
    )


@pytest.mark.parametrize(("batch", "found"), [((torch.zeros(4), torch.zeros(3)), "3, 4"), ("text", "none")])
def test_a_batch_of_different_sizes_is_refused(batch, found):
    with pytest.raises(SuppleError) as caught:
        share_of(batch, 0, 2)
    assert str(caught.value) == (
        "A batch can be shared among 2 processes where the first axis of all its tensors is that of the samples; "
        f"their sizes are {found}."
    )
