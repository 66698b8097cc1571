"""Numbers rounded to what a format can hold, and back: fake quantization, differentiable by straight-through gradients.

Rounding goes to the nearest even number, as in ONNX, and gradients pass where nothing was clipped (Jacob et al.,
Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

_SMALLEST_SCALE = 1e-9
_LARGEST_FP8 = torch.finfo(torch.float8_e4m3fn).max


@dataclass(frozen=True)
class Grid:
    """The whole numbers from `low` to `high` times a scale; `zero_point` stands for 0."""

    scale: float
    zero_point: int
    low: int
    high: int

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """Return x at the nearest numbers that the grid holds."""
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, self.low, self.high)

    def integers(self, x: torch.Tensor) -> torch.Tensor:
        """Return the whole numbers that stand for x, as int32."""
        return (torch.round(x / self.scale) + self.zero_point).clamp(self.low, self.high).int()

    def numbers(self, stored: torch.Tensor) -> torch.Tensor:
        """Return what whole numbers stand for, in float32."""
        return (stored.float() - self.zero_point) * self.scale


@dataclass(frozen=True)
class ChannelGrid:
    """The whole numbers from `-high` to `high` with a scale for each index of the first axis; `scale`: (out,)."""

    scale: torch.Tensor
    high: int

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (out, ...) at the nearest numbers that the grid holds."""
        zeros = torch.zeros_like(self.scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(x, self.scale, zeros, 0, -self.high, self.high)

    def integers(self, x: torch.Tensor) -> torch.Tensor:
        """Return the whole numbers that stand for x (out, ...), as int32."""
        return torch.round(x / self.along(x)).clamp(-self.high, self.high).int()

    def numbers(self, stored: torch.Tensor) -> torch.Tensor:
        """Return what whole numbers (out, ...) stand for, in float32."""
        return stored.float() * self.along(stored)

    def along(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scales in a shape that broadcasts with x (out, ...)."""
        return _along_first(self.scale, x)


@dataclass(frozen=True)
class BlockGrid:
    """Whole numbers with a scale for each `block` neighbours along the last axis; `scale`: (..., blocks)."""

    scale: torch.Tensor
    low: int
    high: int
    block: int

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """Return x at the nearest numbers that the grid holds."""
        with torch.no_grad():
            there = self.integers(x) * self.along(x)
        return x + (there - x).detach() if x.requires_grad else there

    def integers(self, x: torch.Tensor) -> torch.Tensor:
        """Return the whole numbers that stand for x, as int32."""
        return torch.round(x / self.along(x)).clamp(self.low, self.high).int()

    def numbers(self, stored: torch.Tensor) -> torch.Tensor:
        """Return what whole numbers stand for, in float32."""
        return stored.float() * self.along(stored)

    def along(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scale of each number of x."""
        return self.scale.repeat_interleave(self.block, -1)[..., : x.shape[-1]]


@dataclass(frozen=True)
class FloatGrid:
    """What a floating-point type holds, times a scale: a number, or one per index of the first axis."""

    dtype: torch.dtype
    scale: torch.Tensor | None = None

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """Return x at the nearest numbers that the type holds."""
        with torch.no_grad():
            there = self.numbers(self.floats(x)).to(x.dtype)
        return x + (there - x).detach() if x.requires_grad else there

    def floats(self, x: torch.Tensor) -> torch.Tensor:
        """Return what stands for x in the type."""
        if self.scale is None:
            return x.to(self.dtype)
        largest = torch.finfo(self.dtype).max
        return (x / _along_first(self.scale, x)).clamp(-largest, largest).to(self.dtype)

    def numbers(self, stored: torch.Tensor) -> torch.Tensor:
        """Return what numbers of the type stand for, in float32."""
        return stored.float() if self.scale is None else stored.float() * _along_first(self.scale, stored)


@dataclass(frozen=True)
class LiveGrid:
    """A grid over what each tensor holds; `over` makes it of the least and the greatest number."""

    over: Callable[[float, float], "Grid | FloatGrid"]

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """Return x at the nearest numbers of a grid over its own range."""
        low, high = torch.aminmax(x.detach())
        return self.over(float(low), float(high)).rounded(x)


def _along_first(scale: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return scale if scale.ndim == 0 else scale.view([-1] + [1] * (x.ndim - 1))


AnyGrid = Grid | ChannelGrid | BlockGrid | FloatGrid | LiveGrid


def activation_grid(low: float, high: float, symmetric: bool, signed: bool) -> Grid:
    """Return the grid of 8 bits over a range, widened to hold 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    if symmetric:
        return Grid(max(max(-low, high) / 127, _SMALLEST_SCALE), 0, -127, 127)
    least, most = (-128, 127) if signed else (0, 255)
    scale = max((high - low) / 255, _SMALLEST_SCALE)
    return Grid(scale, min(max(least - round(low / scale), least), most), least, most)


def fp8_grid(low: float, high: float) -> FloatGrid:
    """Return float8_e4m3 scaled so that its largest number is the larger end of a range."""
    return FloatGrid(torch.float8_e4m3fn, torch.tensor(max(max(-low, high) / _LARGEST_FP8, _SMALLEST_SCALE)))


def weight_grid(weight: torch.Tensor, bits: int, per_channel: bool, symmetric: bool) -> Grid | ChannelGrid:
    """Return the grid over a weight (out, in, ...).

    Symmetric, it leaves out the lowest number, so that a weight may change its sign.
    """
    high = 2 ** (bits - 1) - 1
    weight = weight.detach()
    if per_channel:
        return ChannelGrid((weight.abs().flatten(1).amax(1) / high).clamp_min(_SMALLEST_SCALE), high)
    low, most = (float(end) for end in torch.aminmax(weight))
    if symmetric:
        return Grid(max(max(-low, most) / high, _SMALLEST_SCALE), 0, -high, high)
    low, most = min(low, 0.0), max(most, 0.0)
    scale = max((most - low) / (2 * high + 1), _SMALLEST_SCALE)
    return Grid(scale, min(max(-high - 1 - round(low / scale), -high - 1), high), -high - 1, high)


def block_grid(weight: torch.Tensor, bits: int, block: int) -> BlockGrid:
    """Return the grid over a weight (out, in) with a scale per block of input features.

    What is largest in a block becomes the lowest whole number, of which there is one more than of positive ones: the
    scale is negative where it is positive. As in ONNX Runtime's quantizer: with 4 bits, steps are an eighth smaller.
    """
    low = -(2 ** (bits - 1))
    weight = weight.detach()
    padded = torch.nn.functional.pad(weight, (0, -weight.shape[-1] % block))
    blocks = padded.view(*padded.shape[:-1], -1, block)
    largest = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True)).squeeze(-1)
    scale = largest / low
    return BlockGrid(torch.where(scale.abs() < _SMALLEST_SCALE, _SMALLEST_SCALE, scale), low, -low - 1, block)


def fp8_weight_grid(weight: torch.Tensor, per_channel: bool) -> FloatGrid:
    """Return float8_e4m3 scaled to a weight (out, in, ...)."""
    sizes = weight.detach().abs()
    largest = sizes.flatten(1).amax(1) if per_channel else sizes.amax()
    return FloatGrid(torch.float8_e4m3fn, (largest / _LARGEST_FP8).clamp_min(_SMALLEST_SCALE))
