"""Bit policies of MobileNetV2 as a test for allocation: measured latencies of layers, and a stated model of the loss.

The latencies are the table of Wang et al., HAQ: Hardware-Aware Automated Quantization, 2019: each of the 53 layers by
the bits of its weights and of its inputs. The loss is a model, no accuracy: quantizing to b bits makes noise of energy
4^-b, weighed by the layer's share of all weights, and of all activations. `correlation` is that of the noises of
neighbouring layers: with it, losses of single layers do not add up.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray

from supple.bench.latency_tables import FOLDER, TablesMissingError
from supple.errors import SuppleError
from supple.searching.allocator import CostTable, SensitivityTable
from supple.space import Config, Dimension, Kind, Space

TABLE = FOLDER / "haq_mobilenetv2_bits_latency.npy"
BITS = tuple(range(2, 9))

_FEWEST, _MOST = BITS[0], BITS[-1]
_LAYERS = 53
# Expansion, channels, blocks and stride of each stage: Sandler et al., MobileNetV2, 2018, table 2.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

Floats = NDArray[numpy.float64]
Policy = NDArray[numpy.int64]
"""The bits of each layer: (layers, 2), those of its weights and those of its inputs."""


@dataclass(frozen=True)
class BitProblem:
    """Latencies (layers, weight bits - 1, input bits - 1), and the shares of weights and activations: (layers, 2)."""

    latency: Floats
    shares: Floats
    correlation: float

    def latency_of(self, policy: Policy) -> float:
        """Return the latency of a policy, in the unit of the table."""
        return float(self.latency[numpy.arange(len(policy)), policy[:, 0] - 1, policy[:, 1] - 1].sum())

    def loss_of(self, policy: Policy) -> float:
        """Return the loss of a policy by the model."""
        noise = (self.shares * 4.0**-policy).sum(axis=1)
        return float(noise.sum() + 2 * self.correlation * numpy.sqrt(noise[:-1] * noise[1:]).sum())

    @property
    def full(self) -> Policy:
        """All layers at eight bits."""
        return numpy.full((len(self.latency), 2), _MOST)

    @property
    def evaluations_of_table(self) -> int:
        """How many policies measure all single sensitivities: the full one, and each layer's each other bits."""
        return 1 + len(self.latency) * 2 * (len(BITS) - 1)


def load_problem(correlation: float, path: Path = TABLE) -> BitProblem:
    """Read the table. Raises `TablesMissingError` where it is absent, `SuppleError` where it is another one."""
    if not path.exists():
        raise TablesMissingError(path)
    try:
        latency = numpy.load(path, allow_pickle=False)
    except (OSError, ValueError):
        raise SuppleError(
            f'The table of layer latencies is unreadable: put HAQ\'s "{path.name}", an array of NumPy, at '
            f'"{path.resolve()}".'
        ) from None
    if latency.shape != (_LAYERS, 8, 8):
        raise SuppleError(f'"{path}" holds an array of {latency.shape}, not {(_LAYERS, 8, 8)}.')
    sizes = numpy.array(_layer_sizes(), dtype=float)
    return BitProblem(latency.astype(float), sizes / sizes.sum(axis=0), correlation)


def _layer_sizes() -> list[tuple[int, int]]:
    """Return the number of weights and of inputs of each layer of MobileNetV2 at 224 pixels."""
    sizes = [(3 * 32 * 9, 3 * 224**2)]
    channels, side = 32, 112
    for expansion, out_channels, blocks, first_stride in _STAGES:
        for block in range(blocks):
            hidden = channels * expansion
            if expansion > 1:
                sizes.append((channels * hidden, channels * side**2))
            sizes.append((hidden * 9, hidden * side**2))
            side //= first_stride if block == 0 else 1
            sizes.append((hidden * out_channels, hidden * side**2))
            channels = out_channels
    return [*sizes, (channels * 1280, channels * side**2), (1280 * 1000, 1280)]


def space_of(problem: BitProblem) -> Space:
    """Return the space of policies: one dimension per layer, its values both bits as two digits, such as 48."""
    values = tuple(10 * weights + inputs for weights in BITS for inputs in BITS)
    return Space(Dimension(f"layer{number:02}", Kind.BITS, values) for number in range(len(problem.latency)))


def policy_of(config: Config) -> Policy:
    """Return the bits that a config of `space_of` stands for."""
    return numpy.array([divmod(value, 10) for _, value in sorted(config.items())])


def tables_of(problem: BitProblem, space: Space) -> tuple[SensitivityTable, CostTable]:
    """Return the sensitivities, measured one layer's weights or inputs at a time, and the latencies."""
    full, base = problem.full, problem.loss_of(problem.full)
    losses: dict[str, dict[int, float]] = {}
    latencies: dict[str, dict[int, float]] = {}
    for layer, dimension in enumerate(space.dimensions):
        single = numpy.zeros((2, _MOST + 1))
        for part in range(2):
            for bits in BITS[:-1]:
                policy = full.copy()
                policy[layer, part] = bits
                single[part, bits] = problem.loss_of(policy) - base
        bits_of = {value: divmod(value, 10) for value in dimension.values}
        losses[dimension.name] = {
            value: float(single[0, weights] + single[1, inputs]) for value, (weights, inputs) in bits_of.items()
        }
        latencies[dimension.name] = {
            value: float(problem.latency[layer, weights - 1, inputs - 1])
            for value, (weights, inputs) in bits_of.items()
        }
    return SensitivityTable(space, losses, base), CostTable(space, latencies, name="latency")
