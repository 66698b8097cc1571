"""Spaces of the literature, written down with choices: they count what their papers count, and their members run."""

import random
from collections import Counter

import efficientnet_v2
import fbnet
import nas_bench_201
import proxyless_nas
import pytest
import torch

from supple import Family
from supple.space import Kind

SIZE = 32
# As in the papers, but with fewer layers.
STAGES = ((16, 1, 1), (24, 2, 2))


def families() -> dict[str, tuple[Family, int]]:
    """Return each family and how many members it must have."""
    return {
        "NAS-Bench-201": (nas_bench_201.family(cells=1), 5**6),
        "FBNet": (fbnet.family(STAGES, SIZE), 9 * 8 * 9),
        "ProxylessNAS": (proxyless_nas.family_of_choices(STAGES, SIZE), 7 * 6 * 7),
        # Of each layer that is there, the kernel and the expansion; the second is always there, and always expanded.
        "ProxylessNAS, shared": (proxyless_nas.family_of_sizes(STAGES, SIZE), (1 + 3 * 2) * 3 * (1 + 3 * 2)),
        # Of each stage kind and kernel; of each layer that is there, the expansion.
        "EfficientNetV2": (efficientnet_v2.family(((24, 2, 1), (48, 2, 2)), SIZE), (2 * 2 * (3 + 9)) ** 2),
    }


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[Family, int]]:
    torch.manual_seed(0)
    return families()


NAMES = ["NAS-Bench-201", "FBNet", "ProxylessNAS", "ProxylessNAS, shared", "EfficientNetV2"]


@pytest.mark.parametrize("name", NAMES)
def test_the_space_has_as_many_members_as_it_must(name: str, made: dict[str, tuple[Family, int]]) -> None:
    family, members = made[name]
    assert family.space.count() == members


@pytest.mark.parametrize("name", NAMES)
def test_random_members_equal_their_extracted_networks(name: str, made: dict[str, tuple[Family, int]]) -> None:
    family, _ = made[name]
    family.eval()
    x = torch.randn(2, 3, SIZE, SIZE)
    rng = random.Random(3)
    for config in (family.space.sample(rng) for _ in range(5)):
        assert torch.equal(family(x, config=config), family.extract(config).eval()(x))


def test_a_member_of_nas_bench_201_has_one_operation_on_each_edge(made: dict[str, tuple[Family, int]]) -> None:
    family, _ = made["NAS-Bench-201"]
    member = family.extract(family.space.config({f"edge.{name}": 4 for name in ("0_1", "0_2", "1_2")}))
    kept = Counter(len(module.options) for _, module in member.named_modules() if type(module).__name__ == "Choice")
    assert kept == {1: 3 * 6}


def test_the_shared_blocks_learn_a_transform_of_their_kernels(made: dict[str, tuple[Family, int]]) -> None:
    family, _ = made["ProxylessNAS, shared"]
    assert {entry.kind for entry in family.space.dimensions} == {Kind.OPERATOR, Kind.KERNEL, Kind.HIDDEN}
    assert family.kernel_transforms is not None
