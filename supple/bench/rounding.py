"""What better rounding is worth: quantized networks with and without each way to lessen the harm.

The largest members, every layer quantized, calibrated on a drawn subset of samples; medians and quartiles over subsets.
`snr_db` is the energy of the outputs next to that of their error, in decibels; `same` the share of test inputs on which
the member says what it says in full precision.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.parts import run_parts
from supple.bench.rounding_subjects import Subject, efficientnet, minilm, resnet, vision_transformer
from supple.bench.timing import Spread, one_thread
from supple.errors import SuppleError
from supple.family import Family, QuantizationConfig, quantize
from supple.precision import (
    EqualizationConfig,
    EqualizationMethod,
    RoundingConfig,
    RoundingMethod,
    equalize,
    improve_rounding,
)
from supple.progress import Progress
from supple.runtime.parity import decibels
from supple.searching.corners import in_fewest_bits
from supple.trace import ModelInputs

SUBSETS = 3
SAMPLES = 64
NOTHING = "none"
SETTINGS: Mapping[str, QuantizationConfig] = {
    "int8": QuantizationConfig(),
    "int8, one scale": QuantizationConfig(per_channel=False),
    "int4-weights": QuantizationConfig(formats={"*": ["int4-weights"]}),
}
PARTS: Mapping[str, Callable[[Options], Subject]] = {
    "resnet_demo": resnet,
    "vit": vision_transformer,
    "tf_efficientnet_lite0": efficientnet,
    "all-MiniLM-L6-v2": minilm,
}
Step = EqualizationConfig | RoundingConfig

_EQUALIZED = (
    EqualizationConfig(EqualizationMethod.CROSS_LAYER),
    EqualizationConfig(EqualizationMethod.ACTIVATIONS),
    EqualizationConfig(EqualizationMethod.WEIGHTS),
)
_CORRECTED = RoundingConfig(RoundingMethod.BIAS_CORRECTION)


def run(options: Options, progress: Progress) -> Outcome:
    """Compare the options on each network."""
    parts = {name: partial(_part, build) for name, build in PARTS.items()}
    with one_thread():
        return run_parts(parts, "option", options, progress)


def _part(build: Callable[[Options], Subject], options: Options, progress: Progress) -> Outcome:
    try:
        subject = build(options)
    except SuppleError as error:
        if options.models:
            raise
        return Outcome(({"option": f"left out: {error}"},), ())
    rows: list[dict[str, Cell]] = []
    wanted: list[Wanted] = []
    ways = _ways(options)
    settings = subject.settings[: 1 if options.quick else None]
    progress.start("Ways to round", len(settings) * len(ways), "ways")
    for setting in settings:
        gains: dict[str, float] = {}
        for name, steps in ways.items():
            if found := _row(subject, SETTINGS[setting], steps, options):
                rows.append({"format": setting, "option": name, **found})
                gains[name] = found["snr_db"].median
            progress.advance()
        wanted.extend(
            Wanted(f"{setting}: decibels gained by {name}", gain - gains[NOTHING], Bound.AT_LEAST, 0.0)
            for name, gain in gains.items()
            if name != NOTHING
        )
    progress.finish()
    return Outcome(tuple(rows), tuple(wanted))


def _ways(options: Options) -> dict[str, tuple[Step, ...]]:
    learned = RoundingConfig(rows=64, steps=2) if options.quick else RoundingConfig(rows=1024, steps=200, step_rows=128)
    return {
        NOTHING: (),
        "bias correction": (_CORRECTED,),
        **{f"equalized: {step.method}": (step,) for step in _EQUALIZED},
        "adaround": (learned,),
    }


def _row(
    subject: Subject, settings: QuantizationConfig, steps: tuple[Step, ...], options: Options
) -> dict[str, Spread] | None:
    """Return the measures of one way, over subsets of samples; None where it has nothing to change."""
    found = []
    for number in range(1 if options.quick else SUBSETS):
        samples = subject.subset(8 if options.quick else SAMPLES, options.seed + number)
        family = quantize(copy.deepcopy(subject.family), settings).eval()
        try:
            for step in steps:
                if isinstance(step, EqualizationConfig):
                    equalize(family, [samples], step)
        except SuppleError:
            # There are no channels that this method can scale.
            return None
        found.append(dict(_measured(subject, family, steps, samples)))
    return {column: Spread.of(measures[column] for measures in found) for column in found[0]}


def _measured(
    subject: Subject, family: Family, steps: tuple[Step, ...], samples: ModelInputs
) -> Iterator[tuple[str, float]]:
    config = in_fewest_bits(family.space, family.space.max())
    family.calibrate(config, [samples])
    member, reference = family.extract(config), family.extract(family.full_precision(config))
    for step in steps:
        if isinstance(step, RoundingConfig):
            member = improve_rounding(member, reference, [samples], step)
    expected, answers = subject.expected, subject.run(member)
    yield "snr_db", decibels(float(expected.square().sum()), float((answers - expected).square().sum()))
    said, wanted = subject.choices(answers), subject.choices(expected)
    yield "same", float((said == wanted).double().mean())
    if subject.classes is not None:
        yield "top1", float((said == subject.classes).double().mean())
        yield "top1_in_fp32", float((wanted == subject.classes).double().mean())
