"""The precision chosen for a device."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from supple.machine import describe_machine
from supple.training.precision import (
    FabricPrecision,
    Precision,
    PrecisionChoice,
    choose_precision,
    precision_on_cpu,
    precision_on_gpu,
)

AVX2 = ("sse4_2", "avx", "avx2")
AVX512_BF16 = (*AVX2, "avx512f", "avx512_bf16")
AMX = (*AVX512_BF16, "amx_tile", "amx_bf16")
ARM = ("neon", "bf16")


@pytest.mark.parametrize(
    ("wanted", "isa", "gains", "expected"),
    [
        (Precision.AUTO, AMX, True, FabricPrecision.BF16),
        (Precision.AUTO, AMX, False, FabricPrecision.FP32),
        (Precision.AUTO, AVX512_BF16, True, FabricPrecision.FP32),
        (Precision.AUTO, ARM, True, FabricPrecision.FP32),
        (Precision.AUTO, AVX2, True, FabricPrecision.FP32),
        (Precision.FP32, AMX, True, FabricPrecision.FP32),
        (Precision.BF16, AMX, False, FabricPrecision.BF16),
        (Precision.BF16, AVX512_BF16, True, FabricPrecision.BF16),
        (Precision.BF16, ARM, True, FabricPrecision.BF16),
    ],
)
def test_on_a_cpu(wanted, isa, gains, expected):
    assert precision_on_cpu(wanted, isa, gains) == PrecisionChoice(expected)


@pytest.mark.parametrize("isa", [AVX2, (), ("neon", "fp16", "dotprod")])
def test_a_cpu_without_bf16_never_gets_it_and_says_so(isa):
    choice = precision_on_cpu(Precision.BF16, isa, True)
    assert choice.precision is FabricPrecision.FP32
    assert choice.warning.startswith("This CPU has no bf16 instructions, and would train many times slower in bf16")
    assert choice.warning.endswith("Set precision to auto or fp32 to silence this.")


def test_a_cpu_never_gets_fp16_and_says_so():
    choice = precision_on_cpu(Precision.FP16, AMX, True)
    assert choice.precision is FabricPrecision.FP32
    assert choice.warning.startswith("fp16 is for GPUs: training in fp32 on this CPU.")


@pytest.mark.parametrize(
    ("wanted", "has_bf16", "expected"),
    [
        (Precision.AUTO, True, FabricPrecision.BF16),
        (Precision.AUTO, False, FabricPrecision.FP16),
        (Precision.FP32, True, FabricPrecision.FP32),
        (Precision.BF16, True, FabricPrecision.BF16),
        (Precision.FP16, True, FabricPrecision.FP16),
    ],
)
def test_on_a_gpu(wanted, has_bf16, expected):
    assert precision_on_gpu(wanted, has_bf16) == PrecisionChoice(expected)


def test_a_gpu_without_bf16_gets_fp16_and_says_so():
    choice = precision_on_gpu(Precision.BF16, has_bf16=False)
    assert choice.precision is FabricPrecision.FP16
    assert choice.warning.startswith("This GPU has no bf16 units: training in fp16 instead of bf16.")


def test_only_fp16_scales_gradients():
    assert [choice.scales_gradients for choice in map(PrecisionChoice, FabricPrecision)] == [False, False, True]


def test_what_gains_nothing_is_seen_in_the_model():
    plain = nn.Sequential(nn.Conv2d(200, 200, 3))
    grouped, small = nn.Sequential(*plain, nn.Conv2d(4, 4, 1, groups=4)), nn.Sequential(nn.Conv2d(4, 4, 1))
    cpu = torch.device("cpu")
    has_amx = "amx_bf16" in describe_machine().isa
    expected = FabricPrecision.BF16 if has_amx else FabricPrecision.FP32
    assert choose_precision(Precision.AUTO, cpu, plain).precision is expected
    assert choose_precision(Precision.AUTO, cpu, grouped).precision is FabricPrecision.FP32
    assert choose_precision(Precision.AUTO, cpu, small).precision is FabricPrecision.FP32


@pytest.mark.parametrize("precision", [FabricPrecision.FP32, FabricPrecision.BF16])  # it knows FP16 on GPUs alone
def test_fabric_knows_the_names(precision):
    model = Fabric(accelerator="cpu", devices=1, precision=precision).setup(nn.Linear(2, 2))
    assert model(torch.ones(1, 2)).dtype == torch.float32
