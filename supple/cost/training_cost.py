"""What training a member costs on a device: the time of a step and the most memory that it needs.

A search that counts it finds members that are cheap to train, too (Tan & Le, EfficientNetV2: Smaller Models and Faster
Training, 2021).
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils._pytree import tree_leaves

from supple.cost.latency import DEFAULT_EFFORT, Effort, Latency, Run, time_against_reference
from supple.cost.live_memory import LiveMemory
from supple.errors import SuppleError, first_line
from supple.family import Family
from supple.family.counting import samples_of
from supple.space import Config
from supple.trace import ModelInputs
from supple.trace.modes import in_mode
from supple.training.config import Accelerator
from supple.training.optimizer import build_optimizer
from supple.training.precision import Precision, choose_precision

_LEARNING_RATE = 1e-6
_WEIGHT_DECAY = 0.01


@dataclass(frozen=True)
class TrainingCost:
    """What one training step of a member takes: its time, and the most memory at any time of it.

    The memory holds weights, gradients, the optimizer's state, activations and the batch.
    """

    step: Latency
    peak_memory_bytes: int


@dataclass(frozen=True)
class TrainingSetting:
    """How members are trained: at which batch size, on which device and in which precision, by the trainer's rules."""

    batch_size: int = 64
    accelerator: Accelerator = Accelerator.AUTO
    precision: Precision = Precision.AUTO


def measure_training(
    family: Family,
    configs: Sequence[Config],
    setting: TrainingSetting = TrainingSetting(),
    effort: Effort = DEFAULT_EFFORT,
    reference_ms: float | None = None,
) -> list[TrainingCost]:
    """Return what training each member by itself costs: forward, backward and AdamW's update on random batches.

    Members are taken out of the family, with the rounding of layers that are quantized. Their steps are timed in rounds
    with those of the full member, and all times are as if the latter took `reference_ms`, by default what it takes in
    these rounds. The loss is the mean square of the first output, whose own cost is small. On a GPU the memory is what
    PyTorch has allocated for the member; on a CPU it is what its tensors hold.

    Raises `SuppleError` where there is no such device, the shapes of the example inputs could not be written down or
    have no axis of samples, a member does not train on them, or there is not enough memory.
    """
    device = _device(setting.accelerator)
    peaks = [_peak_memory(family, config, setting, device) for config in configs]
    reference = _Trained(family, family.space.max(), setting, device)
    members = [_Trained(family, config, setting, device) for config in configs]
    steps: list[Run] = [_synchronised(member, device) for member in members]
    latencies = time_against_reference(_synchronised(reference, device), steps, effort, reference_ms)
    return [TrainingCost(step, peak) for step, peak in zip(latencies, peaks, strict=True)]


def peak_training_memory(family: Family, config: Config, setting: TrainingSetting = TrainingSetting()) -> int:
    """Return the most memory that a training step of a member needs, in bytes, as `measure_training` does."""
    return _peak_memory(family, config, setting, _device(setting.accelerator))


def _peak_memory(family: Family, config: Config, setting: TrainingSetting, device: torch.device) -> int:
    gc.collect()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        member = _Trained(family, config, setting, device)
        # The first step makes the optimizer's state.
        member.step()
        torch.cuda.reset_peak_memory_stats(device)
        member.step()
        return torch.cuda.max_memory_allocated(device) - before
    member = _Trained(family, config, setting, device)
    memory = LiveMemory([*member.model.parameters(), *member.model.buffers(), *member.inputs.tensors])
    with memory:
        member.step()
        memory.forget_peak()
        member.step()
    return memory.peak_bytes


class _Trained:
    """A member with its optimizer and a batch, ready for steps."""

    def __init__(self, family: Family, config: Config, setting: TrainingSetting, device: torch.device) -> None:
        # In training mode, layers that are quantized round over what each batch holds: there is nothing to calibrate.
        with in_mode(family.model, training=True):
            self.model: nn.Module = family.extract(config)
        choice = choose_precision(setting.precision, device, self.model)
        self.inputs = _batch(family, config, setting.batch_size).map(lambda tensor: tensor.to(device))
        self._fabric = Fabric(accelerator=device.type, devices=1, precision=choice.precision.value)
        optimizer = build_optimizer(
            self.model.to(device), _LEARNING_RATE, _WEIGHT_DECAY, scales_gradients=choice.scales_gradients
        )
        self._module, self._optimizer = self._fabric.setup(self.model, optimizer)
        self._config = config

    def step(self) -> None:
        """Train on the batch once."""
        try:
            self._optimizer.zero_grad()
            output = next(
                leaf
                for leaf in tree_leaves(self._module(*self.inputs.args, **self.inputs.kwargs))
                if isinstance(leaf, torch.Tensor) and leaf.requires_grad
            )
            self._fabric.backward(output.float().square().mean())
            self._optimizer.step()
        except Exception as error:  # whatever the user's forward raises
            raise SuppleError(
                f"{self._config!r:.200} does not train on inputs of shape {self.inputs.shapes}: {first_line(error)}"
            ) from error


def _synchronised(member: _Trained, device: torch.device) -> Callable[[], None]:
    if device.type != "cuda":
        return member.step

    def step() -> None:
        member.step()
        torch.cuda.synchronize(device)

    return step


def _device(accelerator: Accelerator) -> torch.device:
    has_gpu = torch.cuda.is_available()
    if accelerator is Accelerator.CUDA and not has_gpu:
        raise SuppleError("There is no GPU here: measure training with the accelerator cpu or auto.")
    return torch.device("cuda" if has_gpu and accelerator is not Accelerator.CPU else "cpu")


def _batch(family: Family, config: Config, batch_size: int) -> ModelInputs:
    """Return random inputs of a member: of the shapes of the example inputs, with as many samples as wanted."""
    zeros = family.example_zeros(config)
    if {len(tensor) if tensor.ndim else 0 for tensor in zeros.tensors} != {samples_of(zeros)}:
        raise SuppleError(f"Inputs of shape {zeros.shapes} do not all begin with the samples: no batch can be made.")
    if batch_size < 2:
        raise SuppleError(f"A batch to train on has two samples or more, not {batch_size}.")

    def drawn(tensor: torch.Tensor) -> torch.Tensor:
        shape = (batch_size, *tensor.shape[1:])
        return torch.randn(shape, dtype=tensor.dtype) if tensor.is_floating_point() else tensor.new_zeros(shape)

    return zeros.map(drawn)
