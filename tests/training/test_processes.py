"""Several processes come to what one alone comes to."""

from pathlib import Path

import pytest
import torch
from process_cases import CASES, convolutional_net
from torchrun import torchrun

from supple.errors import SuppleError
from supple.storage import load_tensors
from supple.training.processes import Processes, started_processes
from supple.training.synchronised_norm import synchronised_norms


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def together(request, tmp_path_factory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("together")
    torchrun(request.param, "process_cases.py", str(folder))
    return folder, request.param


@pytest.mark.parametrize("name", CASES)
def test_several_processes_come_to_what_one_comes_to(together, name):
    folder, count = together
    expected = CASES[name](Processes())
    found = [load_tensors(folder / f"{name}-{rank}.safetensors") for rank in range(count)]
    assert expected.keys() == found[0].keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(found[0][key], tensor, atol=1e-5, rtol=1e-5)
        # And the processes to the very same, bit for bit.
        assert all(torch.equal(found[0][key], other[key]) for other in found[1:]), key


def test_a_process_that_does_something_else_is_found_out_by_all(together):
    folder, count = together
    assert {(folder / f"refusal-{rank}.txt").read_text() for rank in range(count)} == {
        "The processes have different families: every process must make the same model, data and settings."
    }


def test_norms_are_their_own_again_afterwards():
    model = convolutional_net()
    with synchronised_norms(model, two_processes()):
        assert "forward" in vars(model[1])
    assert not any("forward" in vars(module) for module in model.modules())


def test_norms_in_eval_mode_ask_no_other_process():
    model = convolutional_net().eval()
    x = torch.randn(4, 2, 6, 6)
    expected = model(x)
    with synchronised_norms(model, two_processes()):
        assert torch.equal(model(x), expected)


def two_processes() -> Processes:
    """Return processes without a group: any exchange between them would fail."""
    processes = Processes()
    processes.world = 2
    return processes


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with started_processes("cpu") as processes:
        assert (processes.rank, processes.world, processes.is_main) == (0, 1, True)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in {"WORLD_SIZE": 2, "RANK": 1, "LOCAL_RANK": 1, "MASTER_ADDR": "here", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SuppleError) as caught, started_processes("cuda"):
        pass
    assert str(caught.value) == (
        "2 processes were started on a machine with 1 GPUs: start as many as there are GPUs "
        '(torchrun --nproc-per-node 1 ...), or set accelerator to "cpu".'
    )
