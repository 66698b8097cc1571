"""all-MiniLM-L6-v2 with weights in 4 and 8 bits: allocated by layer, next to what other tools make of it.

Only the weights of linear layers are rounded; embeddings stay in float32 everywhere. Others are ONNX Runtime's dynamic
int8 and its int4 (MatMulNBits), and NNCF's compressed weights: int8, int4, and half of the layers each by its own
measure of sensitivity.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import torch

from supple.bench.form import Bound, Cell, Options, Outcome, Wanted
from supple.bench.precision_files import Subject, installed_nncf, latencies, number, weight_bytes
from supple.bench.precision_judge import TARGETS
from supple.bench.sentences import documentation_sentences, sentence_encoder, tokenized
from supple.bench.timing import one_thread
from supple.family import QuantizationConfig, convert, quantize
from supple.progress import Progress, Silent
from supple.runtime import backend_for, parse_target
from supple.searching.allocator.allocate import allocation_front
from supple.searching.allocator.measuring import measure_costs, measure_sensitivity
from supple.searching.corners import bits_alone
from supple.space import Config

_SENTENCES = 256
_LOOKED_AT = 48
_SHARES = (0.25, 0.5, 0.75)
_BLOCK = 32
_OURS = "ours"

Batch = tuple[torch.Tensor, torch.Tensor]


def run(options: Options, progress: Progress) -> Outcome:
    """Make the files, and compare them. Raises `SuppleError` where the package with the weights is missing."""
    count = 16 if options.quick else _SENTENCES
    sentences = documentation_sentences()
    tokens, mask = tokenized(sentences[:: len(sentences) // count][:count])
    batches = [(tokens[start : start + 32], mask[start : start + 32]) for start in range(0, count, 32)]
    with one_thread():
        model = sentence_encoder()
        with torch.inference_mode():
            exact = torch.cat([model(*batch) for batch in batches]).double().numpy()
        subject = Subject(batches, exact)
        looked_at = tokenized(sentences[1 :: len(sentences) // _LOOKED_AT][: 8 if options.quick else _LOOKED_AT])
        files = dict(_ours(model, looked_at, progress))
        files |= dict(_of_others(files["full precision"]))
        times = latencies(files, options.quick)
    rows: list[dict[str, Cell]] = []
    for name, content in files.items():
        row: dict[str, Cell] = {"network": "all-MiniLM-L6-v2", "file": name, **subject.row(content)}
        del row["same_class_%"]
        rows.append(row | {f"latency_ms, {target}": times[target].get(name, "") for target in TARGETS})
    return Outcome(tuple(rows), tuple(_wanted(rows)))


def _ours(model: torch.nn.Module, looked_at: Batch, progress: Progress) -> Iterator[tuple[str, bytes]]:
    """Yield the file in full precision, those of one format everywhere, and allocations between both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = convert(model, tuple(tensor[:2] for tensor in looked_at), prove=False)
    formats = {"*": ("int4-weights", "int8-weights")}
    family = quantize(shapes, QuantizationConfig(formats=formats, block_size=_BLOCK)).eval()
    target = parse_target(TARGETS[0])
    emitter = backend_for(target).emitter(family, tuple(tensor[:2] for tensor in looked_at), target, Silent())
    bits = bits_alone(family.space)
    full = family.space.max()

    def outputs(config: Config) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = family(*looked_at, config=family.space.config(dict(config)))
        return found

    def file_of(config: Config) -> bytes:
        return emitter.emit(family.space.config(dict(config))).content

    exact = outputs(full)
    yield "full precision", emitter.emit(full).content
    int4, int8 = (bits.config(dict.fromkeys((entry.name for entry in bits.dimensions), number)) for number in (4, 8))
    yield f"{_OURS}, int8 weights everywhere", file_of(int8)
    yield f"{_OURS}, int4 weights everywhere", file_of(int4)
    errors = measure_sensitivity(bits, lambda config: float((outputs(config) - exact).square().mean()), progress)
    sizes = measure_costs(
        bits, "bytes", lambda config: weight_bytes(family, family.space.config(dict(config))), progress
    )
    front = allocation_front(errors, sizes)
    low, high = sizes.of(int4), sizes.of(int8)
    for share in (*_SHARES, 1.0):
        yield (
            f"{_OURS}, at {share:.0%} of the way from int4 to int8",
            file_of(front.within(low + share * (high - low)).config),
        )


def _of_others(full: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what other tools make of the file in full precision, by name."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    with TemporaryDirectory() as folder:
        source, made = Path(folder) / "source.onnx", Path(folder) / "made.onnx"
        source.write_bytes(full)
        quantize_dynamic(
            str(source),
            str(made),
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        yield "ONNX Runtime, dynamic int8", made.read_bytes()
    quantizer = MatMulNBitsQuantizer(
        onnx.load_from_string(full), block_size=_BLOCK, is_symmetric=True, accuracy_level=1
    )
    quantizer.process()
    yield "ONNX Runtime, int4 weights", quantizer.model.model.SerializeToString()
    nncf = installed_nncf()
    if nncf is None:
        return
    embeddings = nncf.IgnoredScope(types=["Gather"])
    for name, mode, ratio in (("int8", "INT8_SYM", None), ("int4", "INT4_SYM", 1.0), ("half int4", "INT4_SYM", 0.5)):
        settings = {} if ratio is None else {"ratio": ratio, "group_size": _BLOCK, "all_layers": True}
        compressed = nncf.compress_weights(
            onnx.load_from_string(full), mode=nncf.CompressWeightsMode[mode], ignored_scope=embeddings, **settings
        )
        yield f"NNCF, {name} weights", compressed.SerializeToString()


def _wanted(rows: list[dict[str, Cell]]) -> Iterator[Wanted]:
    """Want, of our files that are no larger than each of the others', one that errs no more."""
    for other in rows:
        if not str(other["file"]).startswith(("ONNX Runtime", "NNCF")):
            continue
        fitting = [
            row
            for row in rows
            if str(row["file"]).startswith(_OURS) and number(row["file_kb"]) <= 1.01 * number(other["file_kb"])
        ]
        best = max((number(row["signal_to_noise_db"]) for row in fitting), default=float("-inf"))
        lead = best - number(other["signal_to_noise_db"])
        yield Wanted(f"dB of ours less those of {other['file']}, at its size", lead, Bound.AT_LEAST, 0.0)
