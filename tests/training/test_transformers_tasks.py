"""Models and batches of transformers in the tasks on text."""

from typing import Any

import pytest
import torch
import without_torchvision  # noqa: F401 (before transformers)
from torch import nn

from supple.family import convert
from supple.training.evaluation import calibration_inputs, evaluate
from supple.training.language_modelling import LanguageModelling
from supple.training.objective import Objective
from supple.training.sampler import Draw
from supple.training.task import Task
from supple.training.token_classification import TokenClassification

transformers = pytest.importorskip("transformers")

IDS = torch.randint(0, 50, (4, 8), generator=torch.Generator().manual_seed(0))
MASK = (torch.arange(8) < torch.tensor([[8], [5], [7], [8]])).long()


def language_model() -> tuple[nn.Module, Task, Any]:
    config = transformers.GPT2Config(
        vocab_size=50, n_positions=8, n_embd=32, n_layer=2, n_head=2, resid_pdrop=0, embd_pdrop=0
    )
    labels = IDS.masked_fill(MASK == 0, -100)
    batch = transformers.BatchEncoding({"input_ids": IDS, "attention_mask": MASK, "labels": labels})
    return transformers.GPT2LMHeadModel(config), LanguageModelling(), batch


def tagger() -> tuple[nn.Module, Task, Any]:
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, num_labels=5
    )
    labels = (IDS % 5).masked_fill(MASK == 0, -100)
    batch = transformers.BatchEncoding({"input_ids": IDS, "attention_mask": MASK, "labels": labels})
    return transformers.BertForTokenClassification(config), TokenClassification(), batch


@pytest.mark.parametrize("build", [language_model, tagger])
def test_the_loss_is_that_of_the_model_itself(build):
    torch.manual_seed(0)
    model, task, batch = build()
    model.eval()
    outputs = model(**task.inputs(batch))
    task.check(outputs, batch)
    torch.testing.assert_close(task.loss(outputs, batch), model(**batch).loss)


@pytest.mark.parametrize("build", [language_model, tagger])
def test_members_learn_and_are_measured(build):
    torch.manual_seed(0)
    model, task, batch = build()
    family = convert(model, task.inputs(batch))
    smallest = family.space.min()
    inputs = calibration_inputs([batch], 4, task)
    before = evaluate(family, smallest, [batch], task, inputs)
    objective = Objective(family, task)
    optimizer = torch.optim.Adam(family.parameters(), lr=0.01)
    family.train()
    for _ in range(12):
        objective.begin(batch)
        optimizer.zero_grad()
        for config in (family.space.max(), smallest):
            with family.activate(config) as member:
                objective.loss(Draw(config), member, batch).total.backward()
        optimizer.step()
    after = evaluate(family, smallest, [batch], task, inputs)
    assert after > before if task.higher_is_better else after < 0.7 * before
