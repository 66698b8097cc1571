"""Multiply-accumulates of the networks whose latencies were published, by formulas of their encodings."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# NAS-Bench-201: the operation of each edge of a cell is 0 none, 1 skip, 2 conv 1x1, 3 conv 3x3, 4 average pooling.
_NB201_TAPS = np.array([0, 0, 1, 9, 0])
# OFA-MobileNetV3 of width 1.0.
_OFA_STEM = 16
_OFA_WIDTHS = (24, 40, 80, 112, 160)
_OFA_STRIDES = (2, 2, 2, 1, 2)
_OFA_SQUEEZED = (False, True, False, True, True)
_OFA_BLOCKS = 4
# HAT: the width of all queries together.
_HAT_QUERIES = 512


def nb201_macs(cells: Integers) -> Array:
    """Return the MACs of cells (cells, 6) in the network for CIFAR-10: 3 stages of 5 cells (Dong and Yang, 2020)."""
    # Each stage has twice the channels of the one before it at half the side: 32² · 16² = 16² · 32² = 8² · 64².
    in_cells = 15 * 32**2 * 16**2 * _NB201_TAPS[cells].sum(axis=1)
    stem = 32**2 * 9 * 3 * 16
    reductions = sum(side**2 * (9 * c * 2 * c + 9 * 4 * c**2 + c * 2 * c) for side, c in ((16, 16), (8, 32)))
    return np.asarray(in_cells + stem + reductions + 64 * 10, dtype=np.float64)


def ofa_costs(kernels: Integers, expands: Integers, depths: Integers, resolutions: Integers) -> Array:
    """Return MACs and the activations written, (networks, 2), of members of OFA-MobileNetV3 (Cai et al., 2020).

    `kernels` and `expands` (networks, 20) are by unit and block, `depths` (networks, 5) by unit.
    """
    side = (resolutions + 1) // 2
    macs = side**2 * _OFA_STEM * (9 * 3 + 9 + _OFA_STEM)
    written = 3 * side**2 * _OFA_STEM
    channels = _OFA_STEM
    for unit, (width, stride, squeezed) in enumerate(zip(_OFA_WIDTHS, _OFA_STRIDES, _OFA_SQUEEZED, strict=True)):
        for block in range(_OFA_BLOCKS):
            position = unit * _OFA_BLOCKS + block
            there = depths[:, unit] > block
            middle = _divisible(channels * expands[:, position])
            after = -(-side // stride) if block == 0 else side
            block_macs = (
                side**2 * channels * middle
                + after**2 * middle * (kernels[:, position] ** 2 + width)
                + (2 * middle * _divisible(middle // 4) if squeezed else 0)
            )
            macs = macs + there * block_macs
            written = written + there * (side**2 * middle + after**2 * (middle + width))
            side, channels = np.where(there, after, side), width
    macs = macs + side**2 * channels * 960 + 960 * 1280 + 1280 * 1000
    return np.stack([macs, written], axis=1).astype(np.float64)


def ofa_parameters(kernels: Integers, expands: Integers, depths: Integers) -> Integers:
    """Return the parameters (networks,) of members of OFA-MobileNetV3, encoded as in `ofa_costs`."""
    stem = _OFA_STEM * (9 * 3 + 9 + _OFA_STEM + 3 * 2)
    parameters = np.full(len(depths), stem + (_OFA_WIDTHS[-1] + 2) * 960 + 960 * 1280 + 1281 * 1000)
    channels = _OFA_STEM
    for unit, (width, squeezed) in enumerate(zip(_OFA_WIDTHS, _OFA_SQUEEZED, strict=True)):
        for block in range(_OFA_BLOCKS):
            position = unit * _OFA_BLOCKS + block
            middle = _divisible(channels * expands[:, position])
            narrow = _divisible(middle // 4)
            # Each convolution is followed by a batch norm of two numbers per channel; squeezing has biases instead.
            convolutions = middle * (channels + kernels[:, position] ** 2 + width + 2 * 2) + 2 * width
            squeezing = 2 * middle * narrow + middle + narrow if squeezed else 0
            parameters += (depths[:, unit] > block) * (convolutions + squeezing)
            channels = width
    return parameters


def hat_costs(features: Array) -> Array:
    """Return the weights that encoder and decoder multiply by, (networks, 3): both, and each, for HAT's ten features.

    (Wang et al., HAT: Hardware-Aware Transformers, 2020.) Sequences have one length: MACs are a multiple of these.
    """
    encoder_width, encoder_layers, encoder_hidden, _, width, layers, hidden, *_ = features.T
    encoder = encoder_layers * encoder_width * (4 * _HAT_QUERIES + 2 * encoder_hidden)
    decoder = layers * (width * (6 * _HAT_QUERIES + 2 * hidden) + 2 * _HAT_QUERIES * encoder_width)
    return np.stack([encoder + decoder, encoder, decoder], axis=1)


def _divisible(channels: Integers) -> Integers:
    """Return the nearest multiples of 8 that are not below nine tenths, as MobileNets round."""
    nearest = np.maximum(8, (channels + 4) // 8 * 8)
    return np.asarray(nearest + 8 * (10 * nearest < 9 * channels))
