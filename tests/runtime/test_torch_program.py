"""Tests of PyTorch programs as files: nothing in one can run code, and all that is damaged is refused."""

import json

import pytest
import safetensors.torch
import torch
from torch import nn

from supple.errors import SuppleError
from supple.runtime.torch_export import exported_program
from supple.runtime.torch_program import read, written
from supple.trace import ModelInputs

CPU = torch.device("cpu")


class Scaled(nn.Module):
    """Has constants of every kind: sizes, a data type, a number that is not finite, a tied weight, text."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x):
        whole = nn.functional.gelu(self.second(self.first(x)), approximate="tanh")
        masked = whole.masked_fill(whole < 0, float("-inf")).softmax(1)
        return (masked.to(torch.float64) + torch.arange(4, dtype=torch.float64)).float(), x.split(2, 1)[1]


def program_with(**changes):
    """Return the content of a program whose only node is changed."""
    node = {"name": "y", "operator": "aten.relu.default", "args": [{"value": "x"}], "kwargs": {}, **changes}
    graph = {
        "inputs": [{"name": "x", "dtype": "float32", "shape": [2, 4]}],
        "nodes": [node],
        "outputs": [{"value": "y"}],
    }
    return safetensors.torch.save({"w": torch.zeros(1)}, {"supple_program": json.dumps(graph)})


def test_a_program_computes_what_the_module_does_to_the_bit():
    x = torch.randn(3, 4)
    net = Scaled().eval()
    program = read(written(exported_program(net, ModelInputs.of(x))), CPU, "The model")
    with torch.no_grad():
        for expected, actual in zip(net(x), program.module(x), strict=True):
            torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)
    assert [(entry.shape, entry.dtype.name) for entry in program.inputs] == [((3, 4), "float32")]


def test_a_program_made_by_hand_runs():
    x = torch.tensor([[-1.0, 0.0, 1.0, 2.0]] * 2)
    assert torch.equal(read(program_with(), CPU, "The model").module(x)[0], x.relu())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operator": "torch.os.system", "args": ["true"]}, 'hold no operator "torch.os.system"'),
        ({"operator": "aten.from_file.default", "args": ["/etc/passwd"]}, 'hold no operator "aten.from_file.default"'),
        ({"operator": "aten._sparse_coo_tensor_unsafe.default"}, "hold no operator"),
        ({"operator": "aten.__class__.mro"}, "hold no operator"),
        ({"operator": "aten.no_such_thing.default"}, 'has no operator "aten.no_such_thing.default"'),
        ({"operator": "aten.relu.default\nimport os"}, "hold no operator"),
        ({"kwargs": {"a=print('here'), b": 1}}, "has no argument"),
        ({"args": [{"dtype": "os"}]}, '"os" is no dtype'),
        ({"args": [{"value": "nowhere"}]}, "nowhere"),
        ({"args": [{"code": "1"}]}, 'unknown kind "code"'),
    ],
)
def test_a_hostile_program_is_refused(change, message):
    with pytest.raises(SuppleError, match=r"The model is no PyTorch program that supple wrote: .*") as told:
        read(program_with(**change), CPU, "The model")
    assert message in str(told.value)


def test_names_in_a_file_never_become_code():
    content = program_with(name="y\nimport os")
    with pytest.raises(SuppleError, match="is no PyTorch program"):
        read(content, CPU, "The model")


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, b"\x02\0\0\0\0\0\0\0{}", safetensors.torch.save({"w": CPU and torch.ones(2)})]
)
def test_a_file_without_a_program_is_refused(content):
    with pytest.raises(SuppleError, match="The model"):
        read(content, CPU, "The model")


def test_an_operator_of_a_users_own_is_named():
    @torch.library.custom_op("supple_tests::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @twice.register_fake
    def _(x):
        return torch.empty_like(x)

    class Net(nn.Module):
        def forward(self, x):
            return twice(x)

    with pytest.raises(SuppleError, match=r'"aten" only, not "supple_tests.twice.default"'):
        written(exported_program(Net(), ModelInputs.of(torch.ones(2))))


def test_a_module_that_cannot_be_exported_is_named():
    class Net(nn.Module):
        def forward(self, x):
            raise ValueError("not today")

    with pytest.raises(SuppleError, match=r"Net cannot be exported with inputs of shape \[2\]: ValueError: not today"):
        exported_program(Net(), ModelInputs.of(torch.ones(2)))
