"""The description of the machine: true for this one, and right for what other systems tell."""

import json
import os
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from supple import machine
from supple.errors import SuppleError
from supple.machine import Machine, describe_machine, package_versions, parse_cpuinfo

XEON = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8480+
flags\t\t: fpu sse4_2 avx avx2 avx512f avx512_vnni amx_int8 amx_tile
power management:

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
GRAVITON = """\
processor\t: 0
Features\t: fp asimd asimdhp asimddp i8mm bf16 sve
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""
MAC = """\
machdep.cpu.brand_string: Apple M2
hw.physicalcpu: 8
hw.logicalcpu: 8
hw.memsize: 17179869184
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_I8MM: 1
hw.optional.arm.FEAT_SME: 0
"""


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_this_machine_is_described() -> None:
    here = describe_machine()
    assert here.cpu
    assert here.architecture == platform.machine()
    assert 1 <= here.physical_cores <= here.logical_cores <= (os.cpu_count() or 1)
    assert here.memory_bytes > 2**28
    assert here.python == platform.python_version()


def test_the_description_is_json() -> None:
    content = describe_machine().to_json()
    assert json.loads(json.dumps(content)) == content


def test_a_description_is_read_back() -> None:
    here = describe_machine()
    assert Machine.from_json(json.loads(json.dumps(here.to_json()))) == here


@pytest.mark.parametrize("content", [None, [], {}, {"cpu": 3}, "text", float("nan")])
def test_what_is_no_description_is_refused(content: object) -> None:
    with pytest.raises(SuppleError, match="This is no description of a machine"):
        Machine.from_json(content)


def test_an_update_of_the_system_makes_no_other_machine() -> None:
    here = describe_machine()
    assert replace(here, os="another kernel", memory_bytes=1).identity == here.identity
    assert replace(here, physical_cores=here.physical_cores + 1).identity != here.identity
    assert replace(here, gpus=("NVIDIA H200",)).identity != here.identity


def test_graphics_processors_are_read_from_the_driver(tmp_path: Path) -> None:
    text = "Model: \t\t NVIDIA H200\nIRQ:   \t\t 16\n"
    assert machine._nvidia_gpus(system(tmp_path, {"proc/driver/nvidia/gpus/0000:01:00.0/information": text})) == (
        "NVIDIA H200",
    )
    assert machine._nvidia_gpus(tmp_path / "none") == ()


def test_the_summary_is_one_line() -> None:
    here = describe_machine()
    assert here.cpu in here.summary()
    assert "\n" not in here.summary()


@pytest.mark.parametrize(
    ("text", "model", "sets"),
    [
        (XEON, "Intel(R) Xeon(R) Platinum 8480+",
         ("sse4_2", "avx", "avx2", "avx512f", "avx512_vnni", "amx_tile", "amx_int8")),
        (GRAVITON, "ARM implementer 0x41 part 0xd40", ("neon", "fp16", "dotprod", "bf16", "i8mm", "sve")),
        ("", "", ()),
    ],
)  # fmt: skip
def test_cpus_are_read_from_what_linux_tells(text: str, model: str, sets: tuple[str, ...]) -> None:
    cpu, flags = parse_cpuinfo(text)
    assert cpu == model
    assert machine._known_sets(flags) == sets


def test_threads_of_one_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_usable_cpus", lambda: [0, 1, 2, 3])
    topology = {
        f"sys/devices/system/cpu/cpu{cpu}/topology/{name}": text
        for cpu in range(4)
        for name, text in {"physical_package_id": "0\n", "core_id": f"{cpu // 2}\n"}.items()
    }
    _, _, physical, logical, _ = machine._describe_linux(system(tmp_path, topology))
    assert (physical, logical) == (2, 4)


def test_the_limits_of_a_container_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_usable_cpus", lambda: list(range(8)))
    files = {
        "proc/meminfo": "MemTotal:       24684092 kB\nMemFree: 1 kB\n",
        "sys/fs/cgroup/memory.max": "1073741824\n",
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
    }
    _, _, _, logical, memory = machine._describe_linux(system(tmp_path, files))
    assert (logical, memory) == (2, 2**30)


def test_no_limit_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_usable_cpus", lambda: list(range(8)))
    files = {
        "proc/meminfo": "MemTotal:       1024 kB\n",
        "sys/fs/cgroup/memory.max": "max\n",
        "sys/fs/cgroup/cpu.max": "max 100000\n",
    }
    _, _, _, logical, memory = machine._describe_linux(system(tmp_path, files))
    assert (logical, memory) == (8, 2**20)


def test_a_mac_is_read_from_sysctl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_run", lambda *command: MAC)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    here = describe_machine()
    assert (here.cpu, here.physical_cores, here.logical_cores, here.memory_bytes) == ("Apple M2", 8, 8, 2**34)
    assert here.isa == ("neon", "dotprod", "i8mm")


def test_a_system_that_tells_nothing_is_described_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_text", lambda path: "")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {})
    here = describe_machine()
    assert here.isa == ()
    assert here.cpu
    assert here.physical_cores == here.logical_cores >= 1


def test_installed_packages_are_listed_with_their_versions() -> None:
    versions = package_versions()
    assert versions["torch"] == version("torch")
    assert all(versions.values())


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PACKAGES", ("torch", "no-such-package-is-installed"))
    assert package_versions().keys() == {"torch"}
