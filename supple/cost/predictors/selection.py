"""Which form predicts best: chosen by what was measured, with some doubt where that is little."""

import numpy as np

from supple.cost.predictors.columns import Form, Scale
from supple.cost.predictors.descriptions import Array, Descriptions
from supple.cost.predictors.process import Process


def best_process(measured: Descriptions, latency_ms: Array) -> Process:
    """Return the process of the first form, unless the leave-one-out |log ratios| of another are clearly lower.

    Clearly: by more than one standard error of the mean difference (Breiman et al., Classification and Regression
    Trees, 1984). Of ten measurements alone, the best of four forms is too often the luckiest.
    """
    beside = measured.costs.shape[1] + measured.sources.shape[1] > 0
    forms = [Form(scale, features) for features in ((True, False) if beside else (True,)) for scale in Scale]
    processes = [Process.fit(form, measured, latency_ms) for form in forms]
    errors = [np.abs(np.log(process.leave_one_out() / latency_ms)) for process in processes]

    def lower_bound(position: int) -> float:
        gains = errors[0] - errors[position]
        return float(gains.mean() - gains.std(ddof=1) / np.sqrt(len(gains)))

    best = max(range(1, len(forms)), key=lower_bound)
    return processes[best if lower_bound(best) > 0 else 0]
