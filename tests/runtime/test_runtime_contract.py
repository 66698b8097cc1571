"""What every runtime promises: its programs are the members, and what is no program is refused."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from supple.errors import SuppleError
from supple.family import Family, convert
from supple.models import ResNet
from supple.runtime import Emitter, OnnxSession, Program, Runtime, Session, Target, backend_for, compare, export
from supple.runtime.runtimes import BACKENDS
from supple.runtime.target import PLACES
from supple.space import Config
from supple.trace import ModelInputs

HERE = [place for place, (runtime, device) in PLACES.items() if BACKENDS[runtime].missing(device) is None]

# The compiler that torch.compile calls takes minutes for a network.
every_runtime = pytest.mark.parametrize(
    "place",
    [
        pytest.param(place, marks=pytest.mark.slow if PLACES[place][0] is Runtime.TORCH_COMPILE else ())
        for place in HERE
    ],
)

IMAGES = torch.randn(24, 3, 16, 16, generator=torch.Generator().manual_seed(2))
PICTURES = torch.randn(256, 1, 6, 6, generator=torch.Generator().manual_seed(2))


@cache
def family() -> Family:
    """Return a family whose batch-norm statistics are not those of a new network, calibrated for its members."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = convert(ResNet(3, 4, 8, (8,), (2,)), IMAGES[:2])
    for config in (smallest(found), some(found)):
        found.calibrate(config, [IMAGES])
    return found


def smallest(of: Family) -> Config:
    return of.space.min()


def some(of: Family) -> Config:
    """Return a member that is neither the full nor the smallest."""
    return of.space.config({d.name: d.values[len(d.values) // 2] for d in of.space.dimensions})


def target_of(place: str, batch: int = 8, resolution: int | None = None) -> Target:
    runtime, device = PLACES[place]
    return Target(runtime, device, threads=1, batch=batch, resolution=resolution)


@cache
def emitter(target: Target) -> Emitter:
    return backend_for(target).emitter(family(), IMAGES[:2], target)


@cache
def emitted(target: Target, config: Config) -> Program:
    return emitter(target).emit(config)


def opened(target: Target, config: Config) -> Session:
    return backend_for(target).open(emitted(target, config).content, target)


def test_there_are_runtimes_to_test():
    assert {"onnxruntime:cpu", "torch:cpu"} <= set(HERE)


@every_runtime
@pytest.mark.parametrize("batch", [1, 8])
def test_a_program_computes_what_the_member_does(place, batch):
    target, config = target_of(place, batch), some(family())
    # Not a whole number of batches: the last one is filled up.
    parity = compare(family().extract(config), opened(target, config), IMAGES[:19])
    assert parity.agrees, parity
    assert (parity.images, parity.top1_agreement) == (19, 1.0)


@every_runtime
def test_the_smallest_member_has_a_program_too(place):
    target, config = target_of(place), smallest(family())
    assert compare(family().extract(config), opened(target, config), IMAGES[:4]).agrees


@every_runtime
def test_a_program_is_opened_from_its_file(place, tmp_path):
    target, config = target_of(place), smallest(family())
    program = emitted(target, config)
    path = tmp_path / f"member.{program.format}"
    path.write_bytes(program.content)
    images = IMAGES[:8].numpy()
    np.testing.assert_array_equal(
        backend_for(target).open(path, target).run(images), opened(target, config).run(images)
    )


@every_runtime
def test_a_member_always_gives_the_same_program(place):
    target, config = target_of(place), smallest(family())
    assert (
        backend_for(target).emitter(family(), IMAGES[:2], target).emit(config).digest == emitted(target, config).digest
    )
    assert emitted(target, config).format is backend_for(target).format


@every_runtime
def test_a_prepared_call_computes_what_run_does(place):
    session = opened(target_of(place), smallest(family()))
    images = IMAGES[2:10].numpy()
    expected = session.run(images)
    call = session.prepared(images)
    # Another call in between must not take its inputs.
    session.run(IMAGES[4:12].numpy())
    np.testing.assert_array_equal(_first(call()), expected)


@every_runtime
def test_a_prepared_call_keeps_its_inputs(place):
    session = opened(target_of(place), smallest(family()))
    images = IMAGES[2:10].numpy()
    expected = session.run(images)
    call = session.prepared(images.copy())
    # Whoever takes freed memory writes into it.
    others = [np.full_like(images, np.nan) for _ in range(64)]
    np.testing.assert_array_equal(_first(call()), expected)
    assert len(others) == 64


def _first(output):
    return np.asarray(output[0] if isinstance(output, list | tuple) else output)


@every_runtime
def test_a_prepared_call_keeps_its_program(place):
    target = target_of(place)
    images = IMAGES[:8].numpy()
    # A content of its own, which nothing else keeps.
    content = bytes(bytearray(emitted(target, some(family())).content))
    call = backend_for(target).open(content, target).prepared(images)
    first = _first(call()).copy()
    size = len(content)
    del content
    # Whoever takes freed memory writes into it.
    others = [b"\xff" * size for _ in range(64)]
    for _ in range(5):
        assert np.array_equal(_first(call()), first)
    assert len(others) == 64


@every_runtime
def test_random_inputs_fit(place):
    target = target_of(place)
    session = opened(target, smallest(family()))
    (array,) = session.random_inputs(target.batch)
    assert (array.shape, array.dtype) == ((8, 3, 16, 16), np.float32)
    assert session.run(array).shape == (8, 4)


@every_runtime
def test_a_resolution_is_that_of_the_program(place):
    target, config = target_of(place, resolution=24), smallest(family())
    session = opened(target, config)
    assert session.random_inputs(8)[0].shape == (8, 3, 24, 24)
    images = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(5))
    assert compare(family().extract(config), session, images).agrees


@every_runtime
def test_inputs_that_do_not_fit_are_named(place):
    session = opened(target_of(place), smallest(family()))
    with pytest.raises(SuppleError, match=r"float32 \[8, 3, 9, 16\]"):
        session.run(np.zeros((8, 3, 9, 16), np.float32))
    with pytest.raises(SuppleError, match=r"float64 \[8, 3, 16, 16\]"):
        session.run(np.zeros((8, 3, 16, 16), np.float64))
    with pytest.raises(SuppleError, match=r"takes 1 inputs \(.+\), not 2"):
        session.prepared(IMAGES[:8].numpy(), IMAGES[:8].numpy())


@every_runtime
@pytest.mark.parametrize("damage", ["cut off", "nothing", "something else"])
def test_a_damaged_program_is_refused(place, damage, tmp_path):
    target = target_of(place)
    content = emitted(target, smallest(family())).content
    damaged = {"cut off": content[: len(content) // 2], "nothing": b"", "something else": b"\x08\x0a damaged"}[damage]
    with pytest.raises(SuppleError, match="The model "):
        backend_for(target).open(damaged, target)
    path = tmp_path / "member.bin"
    path.write_bytes(damaged)
    with pytest.raises(SuppleError, match=r"member\.bin"):
        backend_for(target).open(path, target)


@every_runtime
def test_a_file_that_is_not_there_is_named(place, tmp_path):
    with pytest.raises(SuppleError, match=r"no_such\.file"):
        backend_for(target_of(place)).open(tmp_path / "no_such.file", target_of(place))


@every_runtime
def test_a_config_of_another_space_is_refused(place):
    other = convert(nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2)), torch.randn(2, 4))
    with pytest.raises(SuppleError):
        emitter(target_of(place)).emit(other.space.max())


@every_runtime
def test_named_inputs_in_any_order_reach_their_places(place):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 32), nn.Linear(32, 4)

        def forward(self, x: torch.Tensor, *, y: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"sum": self.second(self.first(x).relu()) + y}

    torch.manual_seed(1)
    inputs = {"y": torch.randn(2, 4), "x": torch.randn(2, 4)}
    named, target = convert(Named(), inputs), target_of(place)
    program = backend_for(target).emitter(named, ModelInputs.of(inputs), target).emit(named.space.max())
    session = backend_for(target).open(program.content, target)
    assert compare(named.extract(named.space.max()), session, inputs).agrees


class Net(nn.Module):
    """A convolution and a head. `lie` changes what an exporter sees of it, not what it computes."""

    def __init__(self, lie: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.Conv2d(1, 8, 3)
        self.head = nn.Linear(8, 5)
        self.lie = lie

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.head(torch.relu(self.conv(x)).mean((2, 3)))
        return logits + self.lie if torch.compiler.is_exporting() else logits


def test_an_export_agrees_on_256_images(tmp_path: Path):
    path = tmp_path / "net.onnx"
    assert export(Net(), PICTURES[:2], path, check_inputs=PICTURES).agrees
    parity = compare(Net(), OnnxSession(path), PICTURES)
    assert parity.agrees
    assert (parity.images, parity.top1_agreement) == (256, 1.0)


def test_a_seeded_wrong_export_fails_and_leaves_nothing(tmp_path):
    with pytest.raises(SuppleError, match=r"The export of Net is wrong: on 256 inputs its outputs differ"):
        export(Net(lie=0.01), PICTURES[:2], tmp_path / "net.onnx", check_inputs=PICTURES)
    assert list(tmp_path.iterdir()) == []
