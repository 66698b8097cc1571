"""The machine and the package versions that a number was obtained with."""

import hashlib
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from supple.errors import SuppleError

# The instruction sets that decide how fast a network runs, by the names that Linux gives them.
_X86 = (
    "sse4_2", "avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "avx_vnni", "avx_vnni_int8", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16",
)  # fmt: skip
# On ARM the kernel's names are not the ones that people use.
_ARM = {
    "neon": "neon",
    "asimd": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "bf16": "bf16",
    "i8mm": "i8mm",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
    "sme2": "sme2",
    # The same by the names of macOS.
    "FEAT_FP16": "fp16",
    "FEAT_DotProd": "dotprod",
    "FEAT_BF16": "bf16",
    "FEAT_I8MM": "i8mm",
    "FEAT_SME": "sme",
    "FEAT_SME2": "sme2",
}
_PACKAGES = (
    "supple", "torch", "numpy", "scipy", "scikit-learn", "optuna", "lightning-fabric", "pydantic", "safetensors",
    "plotly", "onnx", "onnxscript", "onnxruntime", "onnxruntime-gpu", "openvino", "executorch", "torchao", "timm",
    "transformers", "torchvision",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """A machine as this process may use it: a container's limits count."""

    cpu: str
    architecture: str
    isa: tuple[str, ...]
    physical_cores: int
    logical_cores: int
    memory_bytes: int
    os: str
    python: str
    gpus: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """A hash of what decides how fast programs run here; updates of the system do not change it."""
        parts = (self.cpu, self.architecture, self.isa, self.physical_cores, self.logical_cores, self.gpus)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def to_json(self) -> dict[str, str | int | list[str]]:
        """Return the description as plain JSON content."""
        facts: dict[str, str | int | list[str]] = asdict(self)
        return facts | {"isa": list(self.isa), "gpus": list(self.gpus)}

    @classmethod
    def from_json(cls, content: object) -> "Machine":
        """Read what `to_json` wrote, from wherever it came. Raises `SuppleError` where it is anything else."""
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_json(json.dumps(content), strict=True)
        except (ValidationError, TypeError, ValueError, RecursionError):
            raise SuppleError("This is no description of a machine.") from None

    def summary(self) -> str:
        """Return the description in one line, for the foot of a table."""
        cores = f"{self.physical_cores} cores, {self.logical_cores} threads"
        sets = f" ({' '.join(self.isa)})" if self.isa else ""
        return f"{self.cpu}{sets}, {cores}, {self.memory_bytes / 2**30:.1f} GiB, {self.os}, Python {self.python}"


def describe_machine() -> Machine:
    """Describe this machine. What the system does not tell is given as the next best thing, never as an error."""
    describe = _describe_mac if platform.system() == "Darwin" else _describe_linux
    cpu, flags, physical, logical, memory = describe()
    return Machine(
        cpu=cpu or platform.processor() or platform.machine(),
        architecture=platform.machine(),
        isa=_known_sets(flags),
        physical_cores=max(1, min(physical or logical, logical)),
        logical_cores=logical,
        memory_bytes=memory,
        os=_operating_system(),
        python=platform.python_version(),
        gpus=_nvidia_gpus(),
    )


def package_versions() -> dict[str, str]:
    """Return the version of each installed package that can change a result, supple's own first."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


_Facts = tuple[str, set[str], int, int, int]  # CPU, flags, physical cores, logical cores, memory in bytes; 0: unknown.


def _describe_linux(root: Path = Path("/")) -> _Facts:
    usable = _usable_cpus()
    cpu, flags = parse_cpuinfo(_text(root / "proc/cpuinfo"))
    topology = root / "sys/devices/system/cpu"
    cores = {
        (
            _text(topology / f"cpu{number}/topology/physical_package_id"),
            _text(topology / f"cpu{number}/topology/core_id"),
        )
        for number in usable
    }
    limit = _cpu_limit(root)
    memory = [int(word) * 1024 for word in _text(root / "proc/meminfo").split()[1:2]]
    memory += [int(word) for word in _text(root / "sys/fs/cgroup/memory.max").split() if word.isdecimal()]
    return (
        cpu or _text(root / "proc/device-tree/model").strip("\0\n"),
        flags,
        0 if cores == {("", "")} else len(cores),
        max(1, min(len(usable), limit or len(usable))),
        min(memory, default=0),
    )


def _nvidia_gpus(root: Path = Path("/")) -> tuple[str, ...]:
    """Return the names of the graphics processors that the driver tells of."""
    files = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    entries = (line.partition(":") for file in files for line in _text(file).splitlines())
    return tuple(value.strip() for name, _, value in entries if name.strip() == "Model")


def _cpu_limit(root: Path) -> int:
    """Return how many whole CPUs the container's quota gives, rounded up; 0 where there is no quota."""
    words = _text(root / "sys/fs/cgroup/cpu.max").split()
    if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
        return math.ceil(int(words[0]) / int(words[1]))
    return 0


def _describe_mac() -> _Facts:
    lines = _run("sysctl", "machdep.cpu", "hw.physicalcpu", "hw.logicalcpu", "hw.memsize", "hw.optional").splitlines()
    facts = dict(line.split(": ", 1) for line in lines if ": " in line)
    arm = {name.rpartition(".")[2] for name, value in facts.items() if value == "1"} | {"neon"}
    intel = {flag.lower().replace(".", "_") for flag in facts.get("machdep.cpu.features", "").split()}
    intel |= {flag.lower() for flag in facts.get("machdep.cpu.leaf7_features", "").split()}
    return (
        facts.get("machdep.cpu.brand_string", ""),
        arm if platform.machine() == "arm64" else intel,
        int(facts.get("hw.physicalcpu", 0)),
        int(facts.get("hw.logicalcpu", 0)) or len(_usable_cpus()),
        int(facts.get("hw.memsize", 0)),
    )


def parse_cpuinfo(text: str) -> tuple[str, set[str]]:
    """Return the model name and the flags of the first CPU in the text of Linux's `/proc/cpuinfo`."""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    model = facts.get("model name", "")
    if not model and "CPU part" in facts:
        model = f"ARM implementer {facts.get('CPU implementer', '?')} part {facts['CPU part']}"
    return model, set(f"{facts.get('flags', '')} {facts.get('Features', '')}".split())


def _known_sets(flags: set[str]) -> tuple[str, ...]:
    """Return the instruction sets that matter, each once, in a fixed order."""
    return tuple(
        dict.fromkeys([*(flag for flag in _X86 if flag in flags), *(_ARM[flag] for flag in _ARM if flag in flags)])
    )


def _usable_cpus() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _operating_system() -> str:
    if platform.system() != "Linux":
        return platform.platform()
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = "Linux"
    return f"{name}, kernel {platform.release()}"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
