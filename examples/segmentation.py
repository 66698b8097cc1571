"""A family of segmentation networks: which pixels of a noisy picture belong to which handwritten digit.

The pictures are made of the digits that scikit-learn ships (Alpaydin & Kaynak, 1998). Run it:
python examples/segmentation.py
"""

import torch
from blocks import Residual, conv_norm
from family_training import measured, settings
from sklearn.datasets import load_digits
from torch import nn

import supple
from supple.training import Segmentation

BATCH, SIDE, DIGITS = 32, 24, 3


def pictures(count: int, images: torch.Tensor, digits: torch.Tensor, seed: int) -> list:
    """Return batches of pictures (batch, 1, SIDE, SIDE) with two digits each, and the class of each pixel.

    Class 0 is the background; what lies at a digit's edge has no label (255).
    """
    generator = torch.Generator().manual_seed(seed)
    x = 0.3 * torch.rand(count, 1, SIDE, SIDE, generator=generator)
    labels = torch.zeros(count, SIDE, SIDE, dtype=torch.int64)
    for half in range(2):  # one digit on the left, one on the right
        chosen = torch.randint(len(images), (count,), generator=generator)
        tops, lefts = (torch.randint(high, (count,), generator=generator) for high in (SIDE - 8, SIDE // 2 - 8))
        for row, (pick, top, left) in enumerate(zip(chosen.tolist(), tops.tolist(), lefts.tolist(), strict=True)):
            place = (slice(top, top + 8), slice(left + half * SIDE // 2, left + half * SIDE // 2 + 8))
            x[row, 0][place] += images[pick]
            pixels = labels[row][place]
            pixels[images[pick] > 0.1] = 255
            pixels[images[pick] > 0.4] = 1 + digits[pick]
    return list(zip(x.split(BATCH), labels.split(BATCH), strict=True))


def network(width: int = 24) -> nn.Sequential:
    """Return a network that looks at a quarter of the pixels; its logits are interpolated to the picture's size."""
    blocks = (
        Residual(nn.Sequential(*conv_norm(width, 2 * width, 3), nn.ReLU(), *conv_norm(2 * width, width, 3)))
        for _ in range(3)
    )
    stem = nn.Sequential(*conv_norm(1, width, 5, stride=2), nn.ReLU())
    return nn.Sequential(stem, nn.Sequential(*blocks), nn.Conv2d(width, 1 + DIGITS, 1))


def main(epochs: int = 4, count: int = 1024) -> dict[str, float]:
    """Train a family, and return three members' mean intersection over union."""
    torch.manual_seed(0)
    data = load_digits()
    kept = data.target < DIGITS
    images, digits = torch.from_numpy(data.images[kept]).float() / 16, torch.from_numpy(data.target[kept])
    split = len(images) * 3 // 4
    train_data = pictures(count, images[:split], digits[:split], seed=1)
    valid_data = pictures(count // 4, images[split:], digits[split:], seed=2)
    family = supple.convert(network(), train_data[0][0][:2])
    task = Segmentation()
    supple.train(family, train_data, valid_data, settings(epochs, learning_rate=1e-2), task=task)
    return measured(family, task, train_data, valid_data)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
