"""The allocator: splits budgets over the dimensions of a space, exactly, from tables of what choices cost and lose.

`allocate_precision` keeps a contract on a quantized family: a loss that is allowed in, the fastest precision out.
Measure a table of sensitivities and one of costs (`measure_sensitivity`, `measure_costs`), or make them; then
`allocate` answers one set of budgets, `allocation_front` all of one cost, `within_tolerance` a tolerance of the loss.
"""

from supple.searching.allocator.additivity import Additivity, Agreement, check_additivity
from supple.searching.allocator.allocate import (
    Allocation,
    AllocationFront,
    allocate,
    allocation_front,
    cheapest,
    sweep_budgets,
)
from supple.searching.allocator.contract import allocate_precision
from supple.searching.allocator.contract_config import ContractConfig, ContractCost
from supple.searching.allocator.kept_contract import PrecisionAllocation
from supple.searching.allocator.measuring import (
    Measured,
    measure_costs,
    measure_jointly,
    measure_pairs,
    measure_sensitivity,
)
from supple.searching.allocator.precision_costs import CostsOf, precision_costs
from supple.searching.allocator.sensitivity import sensitivity_table
from supple.searching.allocator.table import Budget, CostTable, SensitivityTable, Table
from supple.searching.allocator.tolerance import Confirmed, within_tolerance

__all__ = [
    "Additivity",
    "Agreement",
    "Allocation",
    "AllocationFront",
    "Budget",
    "Confirmed",
    "ContractConfig",
    "ContractCost",
    "CostTable",
    "CostsOf",
    "Measured",
    "PrecisionAllocation",
    "SensitivityTable",
    "Table",
    "allocate",
    "allocate_precision",
    "allocation_front",
    "cheapest",
    "check_additivity",
    "measure_costs",
    "measure_jointly",
    "measure_pairs",
    "measure_sensitivity",
    "precision_costs",
    "sensitivity_table",
    "sweep_budgets",
    "within_tolerance",
]
