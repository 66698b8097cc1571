"""Recompute the batch-norm statistics of many members at once, exactly as one by one."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import nn

from supple.family.calibration import Calibration
from supple.family.notes import Notes
from supple.family.run_recording import Recorder
from supple.family.sharing import SharedRuns
from supple.space import Config
from supple.trace import ModelInputs

Statistics = dict[str, torch.Tensor]


def statistics_together(
    activate: Callable[[Config], AbstractContextManager[nn.Module]],
    prepare: Callable[[Config, ModelInputs], ModelInputs],
    configs: Sequence[Config],
    inputs: Iterable[ModelInputs],
) -> dict[Config, Statistics]:
    """Return the normalisation buffers of members by state-dict key; those that cannot share work are left out.

    `activate` makes the module tree the member of a config, in eval mode; `prepare` makes of a batch what it takes.
    """
    calibrations: dict[Config, Calibration] = {}
    for config in configs:
        with activate(config) as member:
            calibrations[config] = Calibration(member)
    done = {config: Statistics() for config, calibration in calibrations.items() if not calibration.norms}

    def run_member(config: Config, member: nn.Module, batch: ModelInputs, notes: Notes) -> None:
        # A run that is there to be compared tries what the first one tried.
        calibration = calibrations[config] if isinstance(notes, Recorder) else Calibration(member)
        calibration.run(member, prepare(config, batch), notes)

    runs = SharedRuns(activate, run_member, [config for config in configs if config not in done])
    for run in runs.run((None, batch) for batch in inputs):
        calibrations[run.config].take(run.noted)
    shared = [config for config in configs if config not in done and config not in runs.alone]
    return done | {config: calibrations[config].statistics() for config in shared}
