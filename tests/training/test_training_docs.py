"""The code of the guides on tasks and distillation runs as it is written."""

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from supple.family import convert
from supple.training.classification import Classification
from supple.training.distillation import DistillationConfig
from supple.training.divergences import KullbackLeibler
from supple.training.evaluation import evaluate
from supple.training.feature_matching import FeatureMatching
from supple.training.objective import Objective
from supple.training.sampler import Draw

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def run(code: str, **names: Any) -> dict[str, Any]:
    exec(compile(code, "docs", "exec"), names)
    return names


def net(inputs: int, outputs: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, outputs))


def test_the_loop_of_ones_own_trains_all_members():
    x = torch.randn(512, 4, generator=torch.Generator().manual_seed(1))
    loader = DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=8)
    code = blocks("distillation.md")[0].replace("lr=1e-3", "lr=1e-2")
    names = run(code, model=net(4, 2), example_inputs=x[:2], loader=loader)
    family = names["family"].eval()
    for config in (family.space.max(), family.space.min()):
        assert evaluate(family, config, loader, Classification()) > 0.9


def test_features_are_named_as_written():
    code = blocks("distillation.md")[1]
    config = run(f"config = {code}", DistillationConfig=DistillationConfig)["config"]
    torch.manual_seed(0)
    stages = OrderedDict(layer1=nn.Linear(4, 32), rest=nn.Sequential(OrderedDict(conv2=nn.Linear(32, 3))))
    family = convert(nn.Sequential(stages), torch.randn(2, 4))
    with FeatureMatching(family, config.feature_modules).reading() as features:
        family(torch.randn(2, 4))
    assert set(features) == {"layer1", "rest.conv2"}


def test_a_task_of_ones_own_trains():
    task = run(blocks("tasks.md")[0])["MultiLabel"]()
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    batch = (x, (x[:, :3] > 0).float())
    family = convert(net(4, 3), x[:2])
    objective = Objective(family, task)
    optimizer = torch.optim.Adam(family.parameters(), lr=0.02)
    for _ in range(60):
        objective.begin(batch)
        optimizer.zero_grad()
        for config in (family.space.max(), family.space.min()):
            with family.activate(config) as member:
                objective.loss(Draw(config), member, batch).total.backward()
        optimizer.step()
    for config in (family.space.max(), family.space.min()):
        assert evaluate(family, config, [batch], task) > 0.9


def test_the_divergence_of_a_task_of_ones_own_is_that_of_each_label():
    task = run(blocks("tasks.md")[0])["MultiLabel"]()
    outputs, teacher = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    p, q = teacher.sigmoid(), outputs.sigmoid()
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    assert task.divergence(outputs, teacher, (None, None), KullbackLeibler()).item() == pytest.approx(expected.item())
