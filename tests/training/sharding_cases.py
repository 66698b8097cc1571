"""Training steps of a family that is sharded over processes, or whole in one, to be compared."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from process_cases import Results, small_family
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn import functional

from supple.family import Family, convert
from supple.storage import save_tensors
from supple.training.averaging import WeightAverage
from supple.training.processes import Processes, started_processes
from supple.training.sharding import sharded
from supple.training.shares import share_of
from supple.training.synchronised_norm import synchronised_norms
from supple.training.whole import copy_whole, whole

SAMPLES = 7


class Reader(nn.Module):
    """Tokens, residual blocks with norms and a recurrent layer, and a head that is the embedding again."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 16)
        self.blocks = nn.ModuleList([ReaderBlock() for _ in range(4)])
        self.memory = nn.GRU(16, 16, batch_first=True)
        self.head = nn.Linear(16, 11)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.memory(x)[0])


class ReaderBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.rise = nn.Linear(16, 48)
        self.fall = nn.Linear(48, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fall(functional.gelu(self.rise(self.norm(x))))


def reader_family() -> Family:
    torch.manual_seed(0)
    return convert(Reader(), torch.randint(11, (2, 5)))


def images() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(SAMPLES, 1, 6, 6, generator=generator), torch.randint(0, 3, (SAMPLES,), generator=generator)


def texts() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 11, (SAMPLES, 6), generator=generator)
    return tokens[:, :5], tokens[:, 1:]


CASES = {"images": (small_family, images), "texts": (reader_family, texts)}


@contextlib.contextmanager
def placed(family: Family, processes: Processes) -> Iterator[Family]:
    if processes.world == 1:
        yield family
    else:
        with sharded(family, processes) as copied:
            yield copied


def train(name: str, processes: Processes) -> Results:
    """Return losses, gradients, weights and optimizer of two steps; "bytes" is what of them this process keeps."""
    make, draw = CASES[name]
    family = make()
    results: Results = {}
    space = family.space
    inputs, labels = share_of(draw(), processes.rank, processes.world)
    with placed(family, processes) as copied:
        parameters = dict(copied.named_parameters())
        # The gradient of a bias before batch norm is zero but for rounding, which must not be blown up.
        optimizer = torch.optim.AdamW(parameters.values(), lr=0.01, eps=1e-3)
        average = WeightAverage(copied.model, decay=0.5)
        copied.train()
        for step, members in enumerate(([space.max(), space.min()], [space.min()])):
            optimizer.zero_grad()
            for number, config in enumerate(members):
                with synchronised_norms(copied.model, processes), copied.activate(config) as member:
                    loss = functional.cross_entropy(member(inputs).flatten(0, -2), labels.flatten())
                loss = loss * (len(labels) / SAMPLES)
                loss.backward()
                processes.sum_(total := loss.detach().clone())
                results[f"loss/{step}/{number}"] = total
            for key, parameter in parameters.items():
                if parameter.grad is not None:
                    results[f"gradient/{step}/{key}"] = whole(parameter.grad).clone()
            optimizer.step()
            average.update()
        kept = [
            *parameters.values(),
            *(state[name] for state in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")),
        ]
        local = [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in kept]
        results["bytes"] = torch.tensor(sum(tensor.nbytes for tensor in local))
        results |= {key: whole(tensor).clone() for key, tensor in average.state().items()}
        copied.eval()
        with torch.no_grad(), copied.activate(space.min()) as member:
            results["output"] = member(draw()[0])
        # A run without a backward pass leaves them sharded too.
        assert all(parameter is parameters[key] for key, parameter in copied.named_parameters())
        # Whole tensors go in and come out again.
        for parameter in parameters.values():
            copy_whole(parameter, before := whole(parameter).clone())
            assert torch.equal(whole(parameter), before)
    results |= {f"weight/{key}": tensor.detach() for key, tensor in family.named_parameters()}
    # The family is the user's own again: whole, and its members can be taken out.
    results["extracted"] = family.eval().extract(space.min())(draw()[0]).detach()
    return results


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with started_processes("cpu") as processes:
        for name in CASES:
            save_tensors(folder / f"{name}-{processes.rank}.safetensors", train(name, processes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
