"""The precision to train in: what the device computes fast, chosen for the user.

On a CPU bf16 pays only with AMX (Intel, from Sapphire Rapids on), and neither for grouped convolutions nor for tiny
models: the measurements are in docs/benchmarks.md. Weights, sums over the batch and the optimizer stay in float32
(Micikevicius et al., Mixed Precision Training, 2018).
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from supple.machine import describe_machine

if TYPE_CHECKING:  # The settings are read without torch.
    import torch
    from torch import nn

# By the names of supple.machine: with any of them a CPU multiplies bf16 numbers; with AMX it does so fast.
_CPU_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_CPU_FAST_BF16 = "amx_bf16"
# Parameters from which on products take longer than turning their factors into bf16: smaller models may take twice as
# long in it.
_LARGE = 300_000


class Precision(StrEnum):
    """What activations and their gradients are computed in; `auto` takes the fastest that is safe on the device."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class FabricPrecision(StrEnum):
    """Lightning Fabric's names."""

    FP32 = "32-true"
    BF16 = "bf16-mixed"
    FP16 = "16-mixed"


@dataclass(frozen=True)
class PrecisionChoice:
    """What is used, and a line that says why where it is not what the user asked for."""

    precision: FabricPrecision
    warning: str | None = None

    @property
    def scales_gradients(self) -> bool:
        """Whether gradients are scaled, because the smallest would be zero in float16."""
        return self.precision is FabricPrecision.FP16


def choose_precision(wanted: Precision, device: "torch.device", model: "nn.Module") -> PrecisionChoice:
    """Return the precision to train a model in on a device."""
    import torch
    from torch.nn.modules.conv import _ConvNd

    if device.type == "cuda":
        return precision_on_gpu(wanted, torch.cuda.is_bf16_supported(including_emulation=False))
    is_grouped = any(isinstance(module, _ConvNd) and module.groups > 1 for module in model.modules())
    is_large = sum(parameter.numel() for parameter in model.parameters()) >= _LARGE
    return precision_on_cpu(wanted, describe_machine().isa, is_large and not is_grouped)


def precision_on_gpu(wanted: Precision, has_bf16: bool) -> PrecisionChoice:
    """Return the precision on a GPU that has bf16 units or has not."""
    match wanted:
        case Precision.FP32:
            return PrecisionChoice(FabricPrecision.FP32)
        case Precision.BF16 if not has_bf16:
            return PrecisionChoice(
                FabricPrecision.FP16,
                "This GPU has no bf16 units: training in fp16 instead of bf16. Set precision to auto or fp16 to "
                "silence this.",
            )
        case Precision.FP16:
            return PrecisionChoice(FabricPrecision.FP16)
        case _:
            return PrecisionChoice(FabricPrecision.BF16 if has_bf16 else FabricPrecision.FP16)


def precision_on_cpu(wanted: Precision, isa: Collection[str], gains: bool) -> PrecisionChoice:
    """Return the precision on a CPU with these instruction sets, by the names of `supple.machine`.

    `gains` says whether the model is one that AMX makes faster.
    """
    match wanted:
        case Precision.BF16 if _CPU_BF16.isdisjoint(isa):
            return PrecisionChoice(
                FabricPrecision.FP32,
                "This CPU has no bf16 instructions, and would train many times slower in bf16: training in fp32. Set "
                "precision to auto or fp32 to silence this.",
            )
        case Precision.BF16:
            return PrecisionChoice(FabricPrecision.BF16)
        case Precision.FP16:
            return PrecisionChoice(
                FabricPrecision.FP32,
                "fp16 is for GPUs: training in fp32 on this CPU. Set precision to auto or fp32 to silence this.",
            )
        case Precision.AUTO if _CPU_FAST_BF16 in isa and gains:
            return PrecisionChoice(FabricPrecision.BF16)
        case _:
            return PrecisionChoice(FabricPrecision.FP32)
