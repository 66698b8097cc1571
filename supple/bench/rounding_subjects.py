"""Networks for the benchmark of rounding: two that are trained here, and two with published weights, if installed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn
from torch.nn import functional

from supple.bench.form import Options
from supple.bench.imagenet import efficientnet_lite0, photographs
from supple.bench.overhead_networks import ViT
from supple.bench.sentences import documentation_sentences, sentence_encoder, tokenized
from supple.data import FashionMnistConfig, load_splits
from supple.family import Family, convert
from supple.models import resnet_demo
from supple.trace import ModelInputs

LEARNING_RATE = 3e-3
BATCH_SIZE = 64
CROP_ROUNDS = 6
TEXTS = 256


@dataclass(frozen=True)
class Subject:
    """A family, samples to calibrate it on, inputs to test it on, and what its outputs are compared by.

    `settings` are names of quantizations to try it in. `classes` are the true ones of the test inputs, or None: then
    what counts is that a member says what the full-precision one says. `choices` maps outputs, one row for each sample,
    to what the network says.
    """

    family: Family
    samples: ModelInputs
    testing: ModelInputs
    settings: tuple[str, ...]
    classes: torch.Tensor | None = None
    choices: Callable[[torch.Tensor], torch.Tensor] = lambda answers: answers.argmax(1)

    def subset(self, count: int, seed: int) -> ModelInputs:
        """Return so many samples, drawn from this seed."""
        total = len(self.samples.tensors[0])
        chosen = torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:count]
        return self.samples.map(lambda tensor: tensor[chosen])

    @cached_property
    def expected(self) -> torch.Tensor:
        """The outputs of the full network in full precision."""
        return self.run(self.family.borrow(self.family.space.max()))

    def run(self, member: nn.Module) -> torch.Tensor:
        """Return a member's outputs on the test inputs."""
        with torch.no_grad():
            outputs: torch.Tensor = self.testing.run(member)
        return outputs


def resnet(options: Options) -> Subject:
    """Return the network of the demo, trained for an epoch on the built-in images."""
    return _trained(resnet_demo(), ("int8", "int8, one scale"), options)


def vision_transformer(options: Options) -> Subject:
    """Return a small vision transformer with norms in front, trained likewise."""
    model = ViT(width=48, depth=4, num_heads=4, positions=16, in_channels=1, patch=7)
    return _trained(model, ("int8", "int4-weights"), options)


def efficientnet(options: Options) -> Subject:
    """Return EfficientNet-Lite0 with ImageNet weights. Raises `SuppleError` where its packages are missing."""
    model, shown = efficientnet_lite0(), photographs()
    family = convert(model, shown.images[:2, :, ::2, ::2]).eval()
    crops = torch.cat(shown.crops(CROP_ROUNDS, options.seed))
    others = torch.cat([shown.images, *shown.crops(3, options.seed + 1)])
    return Subject(family, ModelInputs.of(crops), ModelInputs.of(others), ("int8", "int8, one scale"))


def minilm(options: Options) -> Subject:
    """Return all-MiniLM-L6-v2 on sentences of Python's documentation. Raises `SuppleError` where it is missing.

    It says which other sentence is nearest to each.
    """
    model, texts = sentence_encoder(), documentation_sentences()
    random.Random(options.seed).shuffle(texts)
    # Only the full member runs: no other needs a proof.
    family = convert(model, tokenized(texts[:2]), prove=False).eval()
    return Subject(
        family,
        ModelInputs.of(tokenized(texts[TEXTS:])),
        ModelInputs.of(tokenized(texts[:TEXTS])),
        ("int8", "int4-weights"),
        choices=lambda answers: (answers @ answers.T - 2 * torch.eye(len(answers))).argmax(1),
    )


def _trained(model: nn.Module, settings: tuple[str, ...], options: Options) -> Subject:
    torch.manual_seed(options.seed)
    splits = load_splits(FashionMnistConfig(), BATCH_SIZE, options.seed)
    batches = list(splits.train)[: 4 if options.quick else None]
    optimizer = torch.optim.AdamW(model.train().parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=len(batches))
    for images, labels in batches:
        optimizer.zero_grad()
        torch.autograd.backward(functional.cross_entropy(model(images), labels))
        optimizer.step()
        schedule.step()
    testing = list(splits.test)[: 1 if options.quick else None]
    return Subject(
        convert(model.eval(), splits.example_inputs).eval(),
        ModelInputs.of(torch.cat([images for images, _ in batches])),
        ModelInputs.of(torch.cat([images for images, _ in testing])),
        settings,
        torch.cat([labels for _, labels in testing]),
    )
