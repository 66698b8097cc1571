"""What several processes do, and one alone, to be compared: run by torchrun, with a folder to write results into."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import SmallNet, image_batches
from torch import Tensor, nn
from torch.nn import functional

from supple.errors import SuppleError
from supple.family import Family, convert
from supple.space import Config
from supple.storage import save_tensors
from supple.training import Precision, TokenClassification, TrainConfig, train
from supple.training.classification import Classification
from supple.training.evaluation import evaluate
from supple.training.gradient_sync import sum_gradients
from supple.training.processes import Processes, started_processes
from supple.training.shares import share_of
from supple.training.synchronised_norm import average_statistics, synchronised_norms

Results = dict[str, Tensor]


class NormThenReLU(nn.BatchNorm2d):
    """A norm that does more than its class says, as those of timm."""

    def forward(self, x: Tensor) -> Tensor:
        normalised = functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps
        )
        return torch.relu(normalised)


def convolutional_net() -> nn.Module:
    """Return a network with norms of all kinds."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3),
        NormThenReLU(6),
        nn.Conv2d(6, 4, 3),
        nn.BatchNorm2d(4, momentum=None),
        nn.ReLU(),
        nn.Conv2d(4, 4, 1),
        nn.BatchNorm2d(4, affine=False, eps=0.1),
        nn.Flatten(),
        nn.Linear(16, 8),
        nn.BatchNorm1d(8, track_running_stats=False),
        nn.Linear(8, 3),
    )


def random_batch(samples: int, *shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(samples)
    return 3 + 2 * torch.randn(samples, *shape, generator=generator), torch.randint(
        0, 3, (samples,), generator=generator
    )


def step_of_norms(processes: Processes) -> Results:
    """Two steps of a plain network, of unequal shares: gradients and running statistics."""
    model = convolutional_net()
    for samples in (8, 7):
        batch = random_batch(samples, 2, 6, 6)
        inputs, labels = share_of(batch, processes.rank, processes.world)
        model.zero_grad()
        with synchronised_norms(model, processes):
            loss = functional.cross_entropy(model(inputs), labels)
        (loss * (len(labels) / samples)).backward()
        sum_gradients(list(model.parameters()), processes)
    return gradients(model) | {f"buffer/{name}": tensor for name, tensor in model.named_buffers()}


def small_family() -> Family:
    torch.manual_seed(0)
    model = SmallNet()
    model.dropout.p = 0.0
    return convert(model, torch.randn(2, 1, 6, 6))


def sandwich_step(processes: Processes, family: Family, members: list[Config], samples: int) -> Results:
    """Return the gradients of a step in which the first member teaches the others."""
    family.train()
    inputs, labels = share_of(random_batch(samples, 1, 6, 6), processes.rank, processes.world)
    teacher = None
    with synchronised_norms(family.model, processes):
        for config in members:
            with family.activate(config) as member:
                logits = member(inputs)
            if teacher is None:
                loss = functional.cross_entropy(logits, labels)
                teacher = functional.softmax(logits.detach(), dim=1)
            else:
                loss = functional.cross_entropy(logits, teacher)
            (loss * (len(labels) / samples)).backward()
    sum_gradients(list(family.parameters()), processes)
    return gradients(family) | {f"buffer/{name}": tensor for name, tensor in family.named_buffers()}


def whole_sandwich(processes: Processes) -> Results:
    family = small_family()
    return sandwich_step(processes, family, [family.space.max(), family.space.min()], 9)


def a_member_without_a_block(processes: Processes) -> Results:
    family = small_family()
    return sandwich_step(processes, family, [family.space.min()], 8)


def an_expert_of_one_process(processes: Processes) -> Results:
    """Parameters that one sample uses each, and one that none uses."""
    weights = nn.ParameterList([torch.ones(2), torch.ones(3), torch.ones(2, 2), torch.ones(1)])
    for number in share_of(torch.arange(3), processes.rank, processes.world).tolist():
        (weights[number].sum() * (number + 1)).backward()
    sum_gradients(list(weights), processes)
    return gradients(weights)


def labels_of_few_samples(processes: Processes) -> Results:
    """A step of training in which one sample has all its labels, another one, and the rest none."""
    tokens = torch.randint(0, 7, (6, 5), generator=torch.Generator().manual_seed(1))
    labels = torch.full_like(tokens, -100)
    labels[0], labels[2, 0] = tokens[0], tokens[2, 0]
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh())
    family = convert(nn.Sequential(nn.Embedding(7, 8), body, nn.Linear(16, 7)), tokens[:2])
    config = TrainConfig(
        epochs=1,
        optimizer="torch.optim:SGD",
        learning_rate=0.5,
        warmup_share=0,
        weight_decay=0,
        precision=Precision.FP32,
    )
    history = train(family, [(tokens, labels)], [(tokens, tokens)], config, task=TokenClassification())
    losses = [history.rows[0].loss_largest, history.rows[0].loss_smallest]
    return {"losses": torch.tensor(losses), **family.state_dict()}


def norms_of_shares(processes: Processes) -> Results:
    """The running statistics that norms have after each saw the share of its process."""
    norm = nn.Sequential(nn.BatchNorm1d(3, momentum=None))
    if processes.world == 1:  # The mean over the shares of as many processes is that over all: 6 samples.
        norm(random_batch(6, 3)[0])
        return {"running_mean": norm[0].running_mean}
    norm(share_of(random_batch(6, 3), processes.rank, processes.world)[0])
    average_statistics(norm, processes)
    return {"running_mean": norm[0].running_mean}


def validation(processes: Processes) -> Results:
    """The accuracy on three batches, and on one, which only one process measures."""
    family = small_family()
    found = [
        evaluate(family, family.space.max(), image_batches(count, 2, batch_size=15), Classification(), None, processes)
        for count in (40, 15)
    ]
    return {"accuracies": torch.tensor(found, dtype=torch.double)}


def gradients(model: nn.Module) -> Results:
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def exchanges(processes: Processes) -> Results:
    """Everything that processes tell each other; alone, what the main process of several would get."""
    told = processes.told_by_main({"step": 7, "text": "ä"} if processes.is_main else None)
    mine = torch.full((2, 3), float(processes.rank)).t()
    processes.take_from_main([mine])
    processes.check_alike("digest", "families")
    # As scores of batches, of which the last process has none.
    has_some = processes.is_main or processes.rank < processes.world - 1
    own = torch.tensor([6.0, 12.0]) / max(1, processes.world - 1)
    total = processes.sum_of(own if has_some else None)
    assert total is not None
    assert processes.sum_of(None) is None
    return {"told": torch.tensor(list(repr(told).encode())), "taken": mine.clone(), "total": total}


CASES: dict[str, Callable[[Processes], Results]] = {
    case.__name__: case
    for case in (
        step_of_norms,
        whole_sandwich,
        a_member_without_a_block,
        an_expert_of_one_process,
        labels_of_few_samples,
        norms_of_shares,
        validation,
        exchanges,
    )
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with started_processes("cpu") as processes:
        for name, case in CASES.items():
            results = case(processes)
            save_tensors(folder / f"{name}-{processes.rank}.safetensors", results)
        with pytest.raises(SuppleError) as refusal:
            processes.check_alike(f"digest {processes.rank}", "families")
        (folder / f"refusal-{processes.rank}.txt").write_text(str(refusal.value))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
