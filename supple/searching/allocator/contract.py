"""The contract on precision: a loss that is allowed in, and the fastest precision of each layer out.

Tables of harm and of cost say what to try, exactly; each try is evaluated on validation data, and the loss that is
asked of the tables moves until the fastest config is found that really keeps the tolerance. Beside it, the most harmful
choices are taken back to full precision, and the whole that is measured to cost less goes on: single further choices
are tried, as far as the evaluations go. Source of the bisection within a range of accuracy that the user sets: Schaefer
et al., Augmenting Hessians with Inter-Layer Dependencies for Mixed-Precision Post-Training Quantization, 2023.
"""

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from supple.errors import SuppleError
from supple.family import Family
from supple.family.quantized.formats import FULL_BITS
from supple.precision import Sensitivity, layer_sensitivity
from supple.precision.choices import quantization_of, shape_of
from supple.runtime import check_formats, parse_target
from supple.searching.allocator.contract_config import ContractConfig, ContractCost
from supple.searching.allocator.contract_costs import latency_on, weights_bytes_of
from supple.searching.allocator.kept_contract import PrecisionAllocation
from supple.searching.allocator.measuring import Measured
from supple.searching.allocator.precision_costs import (
    CostsOf,
    all_in_bits,
    all_paying,
    cost_table_within,
    only_what_pays,
    precision_costs,
)
from supple.searching.allocator.sensitivity import sensitivity_table
from supple.searching.allocator.table import CostTable, SensitivityTable
from supple.searching.allocator.tolerance import EVALUATIONS, within_tolerance
from supple.space import Config, Space
from supple.training import Classification, evaluate
from supple.training.task import Task

# One in so many evaluations looks for choices to take back.
_SHARE_TAKING_BACK = 3
# Metrics are quotients: a loss of exactly the tolerance must not count as more.
_ROUNDING = 1e-9


def allocate_precision(
    family: Family,
    train: Iterable[Any],
    valid: Iterable[Any],
    contract: ContractConfig = ContractConfig(),
    task: Task = Classification(),
    config: Config | None = None,
    costs_of: CostsOf | None = None,
) -> PrecisionAllocation:
    """Return the fastest precision of each layer whose metric on `valid` is within the tolerance of full precision's.

    `train` and `valid`: batches of the task; sensitivity, and calibration where there was none, see only the first of
    `train`. `config` says for which shape (default: the full network). `costs_of` measures the cost of several configs
    of the family in place of the target. Choices that cost no less than fp32 are never chosen. Raises `SuppleError` as
    `layer_sensitivity` does, for a format that the target cannot run, and where the metric in full precision is not
    finite.
    """
    shape = shape_of(family, config)
    if costs_of is None and contract.cost is ContractCost.LATENCY:
        check_formats(family, parse_target(contract.target))
    sensitivity = layer_sensitivity(family, train, contract.sensitivity, task, shape)
    with ExitStack() as stack:
        measure = costs_of
        if measure is None:
            measure = (
                weights_bytes_of(family)
                if contract.cost is ContractCost.WEIGHTS
                else latency_on(family, shape, train, contract, task, stack)
            )
        return _Contract(family, shape, valid, contract, task, measure, sensitivity).kept()


class _Contract:
    """One contract being kept: evaluations are counted, and none is made twice."""

    def __init__(
        self,
        family: Family,
        shape: Config,
        valid: Iterable[Any],
        contract: ContractConfig,
        task: Task,
        costs_of: CostsOf,
        sensitivity: Sensitivity,
    ) -> None:
        self._family = family
        self._shape = shape
        self._valid = valid
        self._contract = contract
        self._task = task
        self._costs_of = costs_of
        self._sensitivity = sensitivity
        self._sign = -1.0 if task.higher_is_better else 1.0
        self._allowed = contract.tolerance + _ROUNDING
        self._losses: dict[Config, float] = {}
        self._full_loss = self._evaluated(shape)
        if not math.isfinite(self._full_loss):
            raise SuppleError(
                f"The {task.metric} in full precision is {self._sign * self._full_loss}: there is nothing to lose."
            )

    def kept(self) -> PrecisionAllocation:
        """Return the allocation that keeps the contract."""
        costs = precision_costs(self._sensitivity.space, self._contract.cost.value, self._measured)
        space = only_what_pays(costs)
        if space != costs.space and space.count() > 1:
            costs = self._as_a_whole(costs, _cheapest(cost_table_within(costs, space)))
            space = only_what_pays(costs)
        left_out = tuple(
            (entry.name, bits)
            for entry in costs.space.dimensions
            for bits in entry.values
            if bits not in space[entry.name].values
        )
        if space.count() == 1:
            return self._full(f"no choice of precision has less {self._contract.cost} than fp32", costs.base, left_out)
        chosen = self._allocated(cost_table_within(costs, space))
        if chosen == space.max():
            name = self._task.metric
            return self._full(
                f"nothing that was tried keeps the {name} within {self._contract.tolerance:g} of "
                f"{self._sign * self._full_loss:.4f}",
                costs.base,
                left_out,
            )
        # Tables are sums; what counts is the config itself, next to the one in full precision.
        full_cost, chosen_cost = self._measured([self._sensitivity.space.max(), chosen])
        if not chosen_cost < full_cost:
            return self._full(
                f"what keeps the {self._task.metric} has a {self._contract.cost} of {chosen_cost:.4g}, and full "
                f"precision {full_cost:.4g}",
                full_cost,
                left_out,
            )
        return self._result(self._in_family(chosen), chosen_cost, full_cost, left_out, None)

    def _as_a_whole(self, costs: CostTable, cheapest: Config) -> CostTable:
        """Return the costs in which everything pays, where everything in few bits costs less than the table's cheapest.

        One layer of many changes less than a measurement varies by, and what seems not to pay is chance then.
        """
        wholes = list(all_in_bits(costs.space).values())
        full, partly, *found = self._measured([costs.space.max(), cheapest, *wholes])
        cost = min(found)
        return all_paying(costs, wholes[found.index(cost)], full - cost) if cost < min(full, partly) else costs

    def _allocated(self, cost: CostTable) -> Config:
        space, cheapest = cost.space, _cheapest(cost)
        # What is cheapest is tried first: it often keeps the tolerance, and else tells the unit of the table.
        increase = self._loss_of(cheapest) - self._full_loss
        if increase <= self._allowed:
            return cheapest
        table = _in_unit_of_metric(self._sensitivity, space, cheapest, self._full_loss, increase)
        kept = [self._taken_back(table, cheapest)]
        if self._left > 0:
            found = within_tolerance(table, cost, self._allowed, self._loss_of, min(EVALUATIONS, self._left))
            kept.append(found.allocation.config)
        wholes = list(dict.fromkeys(config for config in kept if config != space.max()))
        chosen = wholes[0] if wholes else space.max()
        if len(wholes) > 1:
            # Tables are sums: layers that are spread over a network may cost more than they say, few exceptions less.
            costs = self._measured(wholes)
            chosen = wholes[costs.index(min(costs))]
        return self._improved(cost, chosen)

    def _taken_back(self, table: SensitivityTable, cheapest: Config) -> Config:
        """Return what is cheapest but for the fewest choices that are taken back to full precision, the worst first.

        Their number is doubled until the tolerance is kept, and halved in then. Full precision where that takes too
        many evaluations. Source of taking back what harms most: NNCF's quantization with accuracy control.
        """
        lowered = [name for name, bits in cheapest.items() if bits != FULL_BITS]

        def without(names: Sequence[str]) -> Config:
            return table.space.config({**cheapest, **dict.fromkeys(names, FULL_BITS)})

        worst = sorted(lowered, key=lambda name: table.of(without([name])))
        kept = table.space.max()
        too_few, enough = 0, len(worst)
        for _ in range(min(self._contract.evaluations // _SHARE_TAKING_BACK, self._left)):
            count = max(2 * too_few, 1) if enough == len(worst) else (too_few + enough) // 2
            if not too_few < count < enough:
                break
            step = without(worst[:count])
            if self._loss_of(step) - self._full_loss <= self._allowed:
                kept, enough = step, count
            else:
                too_few = count
        return kept

    def _improved(self, cost: CostTable, chosen: Config) -> Config:
        """Return a config with further single choices that keep the tolerance, those that gain most first."""
        is_better = True
        while is_better:
            is_better = False
            steps = [
                cost.space.config({**chosen, entry.name: bits})
                for entry in cost.space.dimensions
                for bits in entry.values
                if cost.entries[entry.name][bits] < cost.entries[entry.name][chosen[entry.name]]
            ]
            for step in sorted(steps, key=cost.of):
                if self._left <= 0 and self._in_family(step) not in self._losses:
                    return chosen
                if self._loss_of(step) - self._full_loss <= self._allowed:
                    chosen, is_better = step, True
                    break
        return chosen

    @property
    def _spent(self) -> tuple[Measured, ...]:
        return tuple(
            Measured(config, self._sign * loss) for config, loss in self._losses.items() if config != self._shape
        )

    @property
    def _left(self) -> int:
        """How many evaluations there may still be."""
        return self._contract.evaluations - len(self._spent)

    def _loss_of(self, config: Config) -> float:
        return self._evaluated(self._in_family(config))

    def _evaluated(self, config: Config) -> float:
        """Return the metric as a loss; less is better."""
        if config not in self._losses:
            metric = evaluate(self._family, config, self._valid, self._task)
            self._losses[config] = self._sign * metric if math.isfinite(metric) or config == self._shape else math.inf
        return self._losses[config]

    def _in_family(self, precision: Config) -> Config:
        return self._family.space.config({**self._shape, **precision})

    def _measured(self, precisions: Sequence[Config]) -> list[float]:
        return list(map(float, self._costs_of([self._in_family(config) for config in precisions])))

    def _full(self, reason: str, cost: float, left_out: tuple[tuple[str, int], ...]) -> PrecisionAllocation:
        return self._result(self._shape, cost, cost, left_out, reason)

    def _result(
        self, config: Config, cost: float, full_cost: float, left_out: tuple[tuple[str, int], ...], reason: str | None
    ) -> PrecisionAllocation:
        choices = quantization_of(self._family).choices
        formats = {
            name: choices[name].formats[config[name]].value
            for name in self._sensitivity.harms
            if config[name] != FULL_BITS
        }
        return PrecisionAllocation(
            config,
            formats,
            self._task.metric,
            self._sign * self._losses[config],
            self._sign * self._full_loss,
            self._contract.tolerance,
            self._contract.cost.value,
            cost,
            full_cost,
            self._spent,
            left_out,
            self._sensitivity,
            reason,
        )


def _cheapest(cost: CostTable) -> Config:
    return cost.space.config({name: min(row, key=row.__getitem__) for name, row in cost.entries.items()})


def _in_unit_of_metric(
    sensitivity: Sensitivity, space: Space, cheapest: Config, full_loss: float, increase: float
) -> SensitivityTable:
    """Return the table scaled so that it tells the increase of the metric that was measured of the cheapest config.

    Harm below 0 counts as none: what seems to help is noise. Where the table tells no harm, all choices share it alike.
    """
    whole = sensitivity_table(sensitivity)
    pairs = {
        names: {
            (one, other): term
            for (one, other), term in row.items()
            if one in space[names[0]].values and other in space[names[1]].values
        }
        for names, row in whole.pairs.items()
    }
    entries = {
        entry.name: {bits: max(whole.entries[entry.name][bits], 0.0) for bits in entry.values}
        for entry in space.dimensions
    }
    table = SensitivityTable(space, entries, 0.0, pairs)
    if table.of(cheapest) <= 0:
        # Pairs that take away all harm of the whole tell nothing about its parts.
        table = SensitivityTable(space, entries)
    if table.of(cheapest) <= 0:
        entries = {entry.name: {bits: float(bits != FULL_BITS) for bits in entry.values} for entry in space.dimensions}
        table = SensitivityTable(space, entries)
    # A loss that is not finite says only that it is over the tolerance.
    factor = (increase if math.isfinite(increase) else 1.0) / table.of(cheapest)
    return SensitivityTable(
        space,
        {name: {bits: factor * harm for bits, harm in row.items()} for name, row in table.entries.items()},
        full_loss,
        {names: {bits: factor * term for bits, term in row.items()} for names, row in table.pairs.items()},
    )
