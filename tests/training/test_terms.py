"""Where labels are missing, several batches of a step count for as much as they have labels."""

import pytest
import torch
from torch import Tensor, nn

from supple.family import Family, convert
from supple.training import (
    DistillationConfig,
    LanguageModelling,
    Precision,
    Schedule,
    TeacherKind,
    TokenClassification,
    TrainConfig,
    train,
)

CONFIG = TrainConfig(
    epochs=1,
    optimizer="torch.optim:SGD",
    learning_rate=0.5,
    warmup_share=0,
    schedule=Schedule.CONSTANT,
    weight_decay=0,
    clip_norm=100,
    precision=Precision.FP32,
)
TOKENS = torch.randint(0, 7, (6, 5), generator=torch.Generator().manual_seed(1))


def tagger() -> Family:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh())
    return convert(nn.Sequential(nn.Embedding(7, 8), body, nn.Linear(16, 7)), TOKENS[:2])


def trained(batches: list[tuple[Tensor, Tensor]], config: TrainConfig, task) -> dict[str, Tensor]:
    family = tagger()
    train(family, batches, batches, config, task=task)
    return family.model.state_dict()


@pytest.mark.parametrize("task", [TokenClassification(), LanguageModelling()], ids=str)
@pytest.mark.parametrize("teacher", list(TeacherKind))
@pytest.mark.parametrize("labelled", [[5, 3, 1, 5, 4, 2], [5, 1, 0, 0, 3, 3]], ids=["unequal", "none in a batch"])
def test_accumulated_batches_come_to_what_one_big_batch_comes_to(task, teacher, labelled):
    labels = TOKENS.masked_fill(torch.arange(5) >= torch.tensor(labelled)[:, None], -100)
    config = CONFIG.model_copy(update={"distillation": DistillationConfig(teacher=teacher)})
    whole = trained([(TOKENS, labels)], config, task)
    parts = list(zip(TOKENS.split(2), labels.split(2), strict=True))
    found = trained(parts, config.model_copy(update={"accumulated_batches": 3}), task)
    before = tagger().model.state_dict()
    for name, tensor in whole.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=0)
        assert not torch.allclose(tensor, before[name], atol=1e-4)


def test_a_step_without_any_label_changes_nothing():
    nothing = (TOKENS, torch.full_like(TOKENS, -100))
    family = tagger()
    before = {name: tensor.clone() for name, tensor in family.model.state_dict().items()}
    train(family, [nothing], [(TOKENS, TOKENS)], CONFIG, task=TokenClassification())
    assert all(torch.equal(tensor, before[name]) for name, tensor in family.model.state_dict().items())
