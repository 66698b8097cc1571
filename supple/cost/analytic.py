"""Costs of a family's members without running them: by formulas of the config, for millions of configs."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supple.cost.config_arrays import positions_of, values_of
from supple.cost.graph import FamilyGraph, Node
from supple.cost.peak_memory import PeakMemory
from supple.cost.roofline import Roofline
from supple.cost.sizes import Values, product_at
from supple.cost.tables import CONFIGS_AT_ONCE, Formula, Tables, Term
from supple.cost.weights import parameter_terms, weight_file_terms
from supple.errors import SuppleError
from supple.family import Family
from supple.space import Config, Kind
from supple.trace import Block

Configs = Config | NDArray[Any]
Costs = NDArray[np.int64]


class AnalyticCosts:
    """What members take, for one sample at their own resolution, counted from shapes.

    Of the figures, `weights_bytes` alone depends on the precision of layers; traffic and activations are those of
    float32.

    Every method takes one config, or the values of many in an array (configs, dimensions), the dimensions in the order
    of the space (`supple.cost.config_arrays`); it returns one number per config, (configs,), or (1,) for one config.
    Dimensions that have no effect in a member may have any value. Raises `SuppleError` for what a dimension lacks.

    The family runs a few dozen members once, without computing their products, to find the formulas and to check them
    (seconds): a family whose members follow none is refused with `SuppleError`.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self._space = family.space
        self._graph = FamilyGraph(family)
        self._parameters = Tables(self._space, parameter_terms(family))
        self._macs = Tables(self._space, self._terms(_macs))
        self._traffic = Tables(self._space, self._terms(_traffic))

    def parameters(self, configs: Configs) -> Costs:
        """Return the numbers of parameters; one that modules share counts once, as in `Family.count_parameters`."""
        return self._looked_up(self._parameters, configs).astype(np.int64)

    def macs(self, configs: Configs) -> Costs:
        """Return the multiply-accumulates, as `Family.count_macs` counts them on a batch of one."""
        return self._looked_up(self._macs, configs).astype(np.int64)

    def weights_bytes(self, configs: Configs, bits: int | Mapping[str, int] | None = None) -> Costs:
        """Return the bytes of the weights in a file: parameters in their precision, and buffers as they are.

        Without `bits`, weights have the precision that the config gives their layers, with the scales that belong to
        it (float32 for each output channel, or for each block of input features), and other parameters 32 bits.
        `bits`: one number for all parameters, or numbers by state-dict key; those that it leaves out have 32, and there
        are no scales. A parameter fills whole bytes. A tensor that modules share is there once, under its first key.
        What a file holds besides, such as zero points and the graph, is not counted. Raises `SuppleError` for a key
        that is no parameter, or for other bits than 1 to 64.
        """
        if bits is None:
            return self._looked_up(self._weights_bytes, configs).astype(np.int64)
        return self._looked_up(Tables(self._space, weight_file_terms(self.family, bits)), configs).astype(np.int64)

    def traffic_bytes(self, configs: Configs) -> Costs:
        """Return the bytes that operators read and write: what they take, their weights, and what they make.

        Views move nothing. Batch norm, activation functions and whatever else works on one activation, element by
        element, is part of the operator before it, as in most runtimes, and moves nothing either. What is computed
        from weights alone is computed beforehand.
        """
        return self._looked_up(self._traffic, configs).astype(np.int64)

    def roofline_ms(self, configs: Configs, device: Roofline) -> NDArray[np.float64]:
        """Return the milliseconds that members take at best on a device: the sum of what their operators take.

        Raises `SuppleError` for members with layers in another precision than 32 bits: a roofline is that of float32.
        """
        self._refuse_other_precisions(configs)
        return self._looked_up(Tables(self._space, self._terms(partial(_milliseconds, device=device))), configs)

    def peak_activation_bytes(self, configs: Configs) -> Costs:
        """Return the most memory that activations fill at any time, in the best order of the operators.

        Inputs count while they are needed, outputs until the end; weights do not count. Operators that work element by
        element write where an operand lay that nobody else needs. The order is the best of all for chains, and for
        graphs whose branches are not too many (`peak_memory_is_exact` says so). Raises `SuppleError` where a member
        that was run needs another amount than the formulas say.
        """
        return self._peak(positions_of(self._space, self._values(configs)), len(self._values(configs)))

    def peak_memory_is_exact(self, config: Config) -> bool:
        """Say whether the order of `peak_activation_bytes` is surely the best, not only a good one."""
        return self._peak.is_exact(self._space.check(config))

    def _refuse_other_precisions(self, configs: Configs) -> None:
        values = self._values(configs)
        for column, entry in enumerate(self._space.dimensions):
            if entry.kind is Kind.BITS and (values[:, column] != entry.largest).any():
                raise SuppleError(
                    f'A roofline tells what members take in float32, and here "{entry.name}" has other bits: measure '
                    "such members on a target."
                )

    @cached_property
    def _weights_bytes(self) -> Tables:
        return Tables(self._space, weight_file_terms(self.family, None))

    @cached_property
    def _peak(self) -> PeakMemory:
        peak = PeakMemory(self._graph)
        peak.check()
        return peak

    def _values(self, configs: Configs) -> NDArray[Any]:
        return values_of(self._space, [configs]) if isinstance(configs, Config) else np.asarray(configs)

    def _looked_up(self, tables: Tables, configs: Configs) -> NDArray[np.float64]:
        values = self._values(configs)
        parts = np.split(values, range(CONFIGS_AT_ONCE, len(values), CONFIGS_AT_ONCE))
        return np.concatenate([tables(positions_of(self._space, part), len(part)) for part in parts])

    def _terms(self, cost: Callable[[Node, Values], NDArray[Any]]) -> Iterator[Term]:
        for node in self._graph.nodes:
            if node.operator.adds_option is None:
                blocks = [block for path in node.blocks for block in self._graph.blocks[path]]
                names = {name for sizes in node.sizes for size in sizes for name in size.dimensions}
                names |= {block.dimension for block in blocks}
                yield Term(frozenset(names), _where_present(blocks, partial(cost, node)))


def _where_present(blocks: list[Block], formula: Formula) -> Formula:
    def found(values: Values) -> NDArray[Any]:
        total = formula(values)
        for block in blocks:
            value = values[block.dimension]
            total = total * (value >= block.at_least)
            if block.at_most is not None:
                total = total * (value <= block.at_most)
        return total

    return found


def _macs(node: Node, values: Values) -> NDArray[Any]:
    return sum((product_at(term, values) for term in node.terms), np.zeros(()))


def _traffic(node: Node, values: Values) -> NDArray[Any]:
    if node.is_fused or not node.operator.reads:
        return np.zeros(())
    written = sum((product_at(piece.sizes, values) * piece.itemsize for piece in node.writes), np.zeros(()))
    if node.operator.copies:
        return 2 * written
    taken = (product_at(piece.sizes, values) * piece.itemsize for piece in (*node.reads, *node.weights))
    return sum(taken, written)


def _milliseconds(node: Node, values: Values, device: Roofline) -> NDArray[Any]:
    return 1000 * np.maximum(
        _macs(node, values) / device.macs_per_second, _traffic(node, values) / device.bytes_per_second
    )
