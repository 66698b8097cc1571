"""A family of regressors: how far diabetes has gone a year later, from ten measurements (442 patients).

Source of the data, which scikit-learn ships: Efron et al., Least Angle Regression, 2004. Run it:
python examples/regression.py
"""

import torch
from family_training import measured, settings
from sklearn.datasets import load_diabetes
from torch import nn

import supple
from supple.training import Regression

BATCH = 32


class Block(nn.Module):
    """Two layers whose result is added to what came in."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x: (batch, width) to the same shape."""
        return x + self.down(torch.relu(self.up(self.norm(x))))


def network(inputs: int, width: int = 32, blocks: int = 3) -> nn.Sequential:
    """Return a network of residual blocks with one output."""
    stages = nn.Sequential(*(Block(width, 2 * width) for _ in range(blocks)))
    return nn.Sequential(nn.Linear(inputs, width), stages, nn.LayerNorm(width), nn.Linear(width, 1))


def batches() -> tuple[list, list]:
    """Return training and validation batches of (measurements, progression), the latter in standard deviations."""
    data = load_diabetes()
    x, y = torch.from_numpy(data.data).float(), torch.from_numpy(data.target).float()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = x[order] / x.std(), (y[order] - y.mean()) / y.std()
    first, last = ((x[part], y[part]) for part in (slice(0, 320), slice(320, None)))
    return [list(zip(*(side.split(BATCH) for side in half), strict=True)) for half in (first, last)]


def main(epochs: int = 30) -> dict[str, float]:
    """Train a family, and return three members' error; to always say the mean has an error of about 1.

    There are so few patients that the smallest member may well be the best.
    """
    torch.manual_seed(0)
    train_data, valid_data = batches()
    family = supple.convert(network(inputs=10), train_data[0][0])
    task = Regression()
    supple.train(family, train_data, valid_data, settings(epochs, learning_rate=1e-3), task=task)
    return measured(family, task, train_data, valid_data)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
