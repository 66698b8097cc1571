"""The public API of supple and nothing else; each name is imported when it is first used.

So `import supple` and `supple --help` stay fast: they load neither torch nor any runtime.
"""

import os
from typing import TYPE_CHECKING

from supple.lazy import lazy_names

if TYPE_CHECKING:
    from supple.cost import measure
    from supple.errors import SuppleError
    from supple.family import Family, ImportanceMethod, OrderConfig, QuantizationConfig, convert, load, order, quantize
    from supple.report import write_report
    from supple.runtime import export
    from supple.searching import SearchConfig, search
    from supple.space import Config, Dimension, Kind, Space
    from supple.trace import Choice
    from supple.training import TrainConfig, train

# ONNX Runtime reports its use to its makers from the moment that it is imported, unless this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0.dev0"

__all__ = [
    "Choice",
    "Config",
    "Dimension",
    "Family",
    "ImportanceMethod",
    "Kind",
    "OrderConfig",
    "QuantizationConfig",
    "SearchConfig",
    "Space",
    "SuppleError",
    "TrainConfig",
    "convert",
    "export",
    "load",
    "measure",
    "order",
    "quantize",
    "search",
    "train",
    "write_report",
]

_HOMES = {
    "Choice": "supple.trace",
    "Config": "supple.space",
    "Dimension": "supple.space",
    "Family": "supple.family",
    "ImportanceMethod": "supple.family",
    "Kind": "supple.space",
    "OrderConfig": "supple.family",
    "QuantizationConfig": "supple.family",
    "SearchConfig": "supple.searching",
    "Space": "supple.space",
    "SuppleError": "supple.errors",
    "TrainConfig": "supple.training",
    "convert": "supple.family",
    "export": "supple.runtime",
    "load": "supple.family",
    "measure": "supple.cost",
    "order": "supple.family",
    "quantize": "supple.family",
    "search": "supple.searching",
    "train": "supple.training",
    "write_report": "supple.report",
}


if not TYPE_CHECKING:  # A type checker that saw this function would let every misspelt name pass.
    __getattr__ = lazy_names(__name__, _HOMES, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
