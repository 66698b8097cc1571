"""The verb of sensitivity: which choices of precision do how much harm, in one pass over a calibration set."""

from collections.abc import Iterable, Sequence
from typing import Any

from supple.errors import SuppleError
from supple.family import Family
from supple.family.quantized.formats import Format
from supple.precision.calibrating import calibrate_shape
from supple.precision.choices import SingleChoice, bytes_saved, shape_of, single_choices
from supple.precision.config import Measure, SensitivityConfig
from supple.precision.distortion import output_distortions
from supple.precision.loss_increase import losses
from supple.precision.second_order import SecondOrder
from supple.precision.sensitivity import PairHarms, Sensitivity
from supple.space import Config
from supple.trace import ModelInputs
from supple.training.batches import batches_of_epoch
from supple.training.classification import Classification
from supple.training.task import Task


def layer_sensitivity(
    family: Family,
    data: Iterable[Any],
    settings: SensitivityConfig = SensitivityConfig(),
    task: Task | None = Classification(),
    config: Config | None = None,
) -> Sensitivity:
    """Return how much harm each choice of precision does alone, everything else being in full precision.

    `data`: batches of the task, from the training split; or, with `task=None`, batches of inputs as the model takes
    them, for the distortion alone. `config` says of which shape (default: the full network); its precision does not
    count. Activation ranges, and the shape's batch-norm statistics, are those of an earlier `family.calibrate`, or
    else are calibrated on the same data. The family is then in eval mode. Raises `SuppleError` where the data are
    empty, do not fit the model or are not finite (with the layer), for a config of another family, a pattern that finds
    no layer, and a family without dimensions of precision.
    """
    shape = shape_of(family, config)
    choices = single_choices(family, shape, settings.layers)
    batches = _first_batches(data, settings.samples, task)
    if task is None and settings.measure.needs_labels:
        raise SuppleError(
            f'The measure "{settings.measure}" needs labelled data and a task: only "distortion" does not.'
        )
    inputs = [batch if task is None else task.inputs(batch) for batch in batches]
    family.eval()
    calibrate_shape(family, shape, inputs)
    configs = [choice.config for choice in choices]
    pairs: PairHarms = {}
    signal: float | None = None
    base = 0.0
    if settings.measure is Measure.DISTORTION:
        harms, signal = output_distortions(family, shape, configs, inputs)
    elif task is not None and settings.measure is Measure.LOSS:
        found, base = losses(family, shape, configs, batches, task)
        harms = [loss - base for loss in found]
    else:
        assert task is not None  # asked for above
        second_order = SecondOrder(family, shape, choices, batches, task)
        if settings.measure is Measure.HESSIAN:
            harms, base = second_order.trace_scores(settings.probes, settings.seed)
        else:
            harms, pairs, base = second_order.form_scores()
    return _sensitivity(family, shape, settings.measure, choices, harms, base, pairs, signal)


def _sensitivity(
    family: Family,
    shape: Config,
    measure: Measure,
    choices: Sequence[SingleChoice],
    harms: Sequence[float],
    base: float,
    pairs: PairHarms,
    signal: float | None,
) -> Sensitivity:
    member = family.borrow(shape)
    table: dict[str, dict[int, float]] = {}
    formats: dict[str, dict[int, Format]] = {}
    saved: dict[str, dict[int, int]] = {}
    for choice, harm in zip(choices, harms, strict=True):
        table.setdefault(choice.name, {})[choice.bits] = harm
        formats.setdefault(choice.name, {})[choice.bits] = choice.format
        saved.setdefault(choice.name, {})[choice.bits] = bytes_saved(family, member, choice)
    return Sensitivity(measure, shape, base, table, formats, saved, pairs, signal)


def _first_batches(data: Iterable[Any], samples: int, task: Task | None) -> list[Any]:
    """Return the first batches that hold so many samples together, or all; the same each time."""
    batches: list[Any] = []
    count = 0
    for batch in batches_of_epoch(data, seed=0, epoch=0):
        batches.append(batch)
        count += len(ModelInputs.of(batch).tensors[0]) if task is None else task.samples(batch)
        if count >= samples:
            break
    if not count:
        raise SuppleError("There are no data to measure sensitivity on: give at least one batch.")
    return batches
