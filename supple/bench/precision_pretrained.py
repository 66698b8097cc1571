"""EfficientNet-Lite0 with its ImageNet weights: allocated precision next to int8 everywhere, by us and by others.

Outputs are compared with full precision on crops of labelled photographs. Others are ONNX Runtime's static quantizer
and NNCF's, with its bias correction, and NNCF's automatic choice: it takes layers back into full precision until the
accuracy is within a bound. Ours are int8 everywhere, with bias correction too; allocations by block, at sizes and at
latencies; and the contract of `allocate_precision`: the fastest that loses no more than half a point of predictions.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.imagenet import efficientnet_lite0, photographs
from supple.bench.precision_files import Subject, installed_nncf, latencies, number, weight_bytes
from supple.bench.precision_judge import TARGETS
from supple.bench.timing import one_thread
from supple.cost import LatencyMeter, MeasurementStore, open_device
from supple.family import Family, QuantizationConfig, convert, quantize
from supple.family.quantized.config import Per, RangeMethod
from supple.precision import RoundingConfig, improve_rounding
from supple.precision.rounding.config import RoundingMethod
from supple.progress import Progress, Silent
from supple.runtime import OnnxSession, Program, backend_for, parse_target
from supple.runtime.backend import Emitter
from supple.runtime.onnx_emitter import onnx_program
from supple.searching.allocator import (
    ContractConfig,
    CostsOf,
    allocate_precision,
    allocation_front,
    measure_costs,
    measure_sensitivity,
)
from supple.searching.allocator.precision_costs import precision_costs
from supple.searching.corners import bits_alone, in_fewest_bits
from supple.space import Config
from supple.trace import ModelInputs

_CROPS = 5
_CALIBRATION_CROPS = 2
_DROP = 0.005
_SECONDS_PER_CHOICE = 1.5


def run(options: Options, progress: Progress) -> Outcome:
    """Make the files, and compare them. Raises `SuppleError` where a package with weights or photographs is missing."""
    with one_thread():
        network = _Network(options)
        files: dict[str, bytes] = {"full precision": network.exported()}
        files |= {f"ours, {name}": network.emit(config) for name, config in network.choices(progress).items()}
        files["ours, int8 everywhere, corrected"] = network.corrected(network.all_int8)
        files |= dict(_of_others(network, files["full precision"], options))
        times = latencies(files, options.quick)
    rows: list[dict[str, Cell]] = []
    for name, content in files.items():
        row = {"network": "EfficientNet-Lite0", "file": name, **network.subject.row(content)}
        rows.append(row | {f"latency_ms, {target}": times[target][name] for target in TARGETS})
    return Outcome(tuple(rows), tuple(_wanted(rows)))


class _Network:
    """The pretrained network as a family of precisions alone."""

    def __init__(self, options: Options) -> None:
        photos = photographs()
        crops = 1 if options.quick else _CROPS
        images = photos.crops(crops, options.seed)
        self.calibration = photos.crops(1 if options.quick else _CALIBRATION_CROPS, options.seed + 1)
        model = efficientnet_lite0()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shapes = convert(model, images[0][:2], freeze=["*.depth"], prove=False)
        self.family: Family = quantize(shapes, QuantizationConfig(per=Per.BLOCK, ranges=RangeMethod.MSE)).eval()
        full = self.family.space.max()
        self.all_int8 = in_fewest_bits(self.family.space, full)
        self.family.calibrate(self.all_int8, self.calibration)
        with torch.inference_mode():
            exact = torch.cat([self.family(batch, config=full) for batch in images]).double().numpy()
        labels = np.tile(photos.labels.numpy(), crops)
        self.subject = Subject([(batch,) for batch in images], exact, labels)
        self._said = [torch.from_numpy(part) for part in np.split(exact.argmax(-1), crops)]
        self._images = images
        self._quick = options.quick
        target = parse_target(TARGETS[0])
        self._emitter = _Remembering(backend_for(target).emitter(self.family, images[0][:2], target, Silent()))

    def emit(self, config: Config) -> bytes:
        """Return a member's file."""
        return self._emitter.emit(config).content

    def exported(self) -> bytes:
        """Return the full network's file in full precision as others are to get it: exported by itself."""
        return self._written(self.family.extract(self.family.space.max()))

    def corrected(self, config: Config) -> bytes:
        """Return a member's file whose biases take off what rounding adds to the means of channels."""
        exact = self.family.extract(self.family.full_precision(config))
        member = improve_rounding(
            self.family.extract(config), exact, self.calibration, RoundingConfig(RoundingMethod.BIAS_CORRECTION)
        )
        return self._written(member)

    def _written(self, member: nn.Module) -> bytes:
        return onnx_program(member, ModelInputs.of(self._images[0][:2])).content

    def choices(self, progress: Progress) -> dict[str, Config]:
        """Return int8 everywhere, and allocations: the least error at sizes and at latencies."""
        bits = bits_alone(self.family.space)
        found = {"int8 everywhere": self.all_int8}
        errors = measure_sensitivity(bits, self._error, progress)
        sizes = measure_costs(bits, "bytes", lambda config: weight_bytes(self.family, self._whole(config)), progress)
        small = sizes.of(bits.min())
        front = allocation_front(errors, sizes)
        for share in (1.1, 1.25):
            found[f"at {share:g} times the size of int8"] = self._whole(front.within(share * small).config)
        for target in TARGETS:
            with MeasurementStore.opened(None) as store, open_device(parse_target(target)) as device:
                seconds = 0.1 if self._quick else _SECONDS_PER_CHOICE
                meter = LatencyMeter(self._emitter, self.family.space.max(), device, store, seconds)
                measure = partial(self._milliseconds, meter)
                times = precision_costs(bits, "latency ms", measure)
                found[f"contract on {target}"] = self._kept(target, measure)
            fastest = allocation_front(errors, times)
            found[f"fastest on {target}"] = self._whole(fastest[0].config)
            halfway = (fastest.costs[0] + times.base) / 2
            found[f"half of that saving on {target}"] = self._whole(fastest.within(halfway).config)
        return found

    def _whole(self, config: Mapping[str, int]) -> Config:
        return self.family.space.config(dict(config))

    def _error(self, config: Config) -> float:
        """Return the mean squared difference of the outputs from full precision on the calibration images."""
        exact, found = (self._outputs(one) for one in (self.family.space.max(), self._whole(config)))
        return float((exact - found).square().mean())

    def _milliseconds(self, meter: LatencyMeter, configs: Sequence[Config]) -> list[float]:
        # All in the same rounds: what each choice changes is small next to what the machine does.
        return [latency.median_ms for latency in meter.measure_together([self._whole(config) for config in configs])]

    def _kept(self, target: str, measure: CostsOf) -> Config:
        """Return the fastest member that says what full precision says of nearly all images."""
        unlabelled = [(images, torch.zeros(len(images), dtype=torch.int64)) for images in self.calibration]
        said = list(zip(self._images, self._said, strict=True))
        contract = ContractConfig(_DROP, target=target)
        return allocate_precision(self.family, unlabelled, said, contract, costs_of=measure).config

    def _outputs(self, config: Config) -> torch.Tensor:
        with torch.inference_mode():
            return torch.cat([self.family(batch, config=config) for batch in self.calibration])


class _Remembering(Emitter):
    """Writes each member once, though it is measured in several runtimes: they open the same files."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._written: dict[Config, Program] = {}

    def emit(self, config: Config) -> Program:
        """Return a member as a program."""
        if config not in self._written:
            self._written[config] = self._emitter.emit(config)
        return self._written[config]


def _of_others(network: _Network, full: bytes, options: Options) -> Iterator[tuple[str, bytes]]:
    """Yield what other tools make of the file in full precision, by name."""
    model = onnx.load_from_string(full)
    name = model.graph.input[0].name
    samples = [{name: image.numpy()} for batch in network.calibration for image in batch[:, None]]
    yield "ONNX Runtime, int8 everywhere", _by_onnxruntime(full, samples)
    nncf = installed_nncf()
    if nncf is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count = 8 if options.quick else len(samples)
        made = nncf.quantize(model, nncf.Dataset(samples), subset_size=count)
        yield "NNCF, int8 everywhere", made.SerializeToString()
        if not options.quick:
            yield "NNCF, automatic", _by_nncf_itself(nncf, network, model, samples)


def _by_onnxruntime(full: bytes, samples: list[dict[str, Any]]) -> bytes:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Hands the samples over one by one."""

        def __init__(self) -> None:
            self._left = iter(samples)

        def get_next(self) -> dict[str, Any] | None:
            """Return the next sample, None after the last."""
            return next(self._left, None)

    with TemporaryDirectory() as folder:
        source, prepared, made = (Path(folder) / f"{stage}.onnx" for stage in ("source", "prepared", "made"))
        source.write_bytes(full)
        # As its documentation asks: batch norm becomes part of the convolutions.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(made),
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        return made.read_bytes()


def _by_nncf_itself(nncf: Any, network: _Network, model: onnx.ModelProto, samples: list[dict[str, Any]]) -> bytes:
    """Return what NNCF makes so that at most half a point of predictions changes."""
    subject = network.subject
    name = model.graph.input[0].name
    classes = np.split(subject.exact.argmax(-1), len(subject.batches))
    validation = [(batch[0].numpy(), said) for batch, said in zip(subject.batches, classes, strict=True)]

    def same_class(candidate: onnx.ModelProto, items: Iterable[tuple[Any, Any]]) -> float:
        session = OnnxSession(candidate.SerializeToString(), 1)
        return float(np.mean([session.run(images).argmax(-1) == said for images, said in items]))

    made = nncf.quantize_with_accuracy_control(
        model,
        nncf.Dataset(samples),
        nncf.Dataset(validation, lambda item: {name: item[0]}),
        validation_fn=same_class,
        max_drop=_DROP,
    )
    content: bytes = made.SerializeToString()
    return content


def _wanted(rows: list[dict[str, Cell]]) -> Iterator[Wanted]:
    """Want, of our files that are no slower or no larger than each of the others', one that errs no more."""
    ours = [row for row in rows if str(row["file"]).startswith("ours")]
    costs = ["file_kb", *(f"latency_ms, {target}" for target in TARGETS)]
    for other in rows:
        if str(other["file"]).startswith(("ONNX Runtime", "NNCF")):
            for cost in costs:
                limit = 1.02 * number(other[cost])
                best = max(
                    (number(row["signal_to_noise_db"]) for row in ours if number(row[cost]) <= limit), default=-np.inf
                )
                yield Wanted(
                    f"dB of ours less those of {other['file']}, at its {cost}",
                    best - number(other["signal_to_noise_db"]),
                    Bound.AT_LEAST,
                    0.0,
                )
