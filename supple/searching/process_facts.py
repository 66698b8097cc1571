"""What the system tells of a process: when it was started, how long it has computed, and who else sees its number."""

import platform
import subprocess
from functools import cache
from pathlib import Path

_STATE, _USER_TIME, _SYSTEM_TIME, _STARTED = 0, 11, 12, 19


@cache
def this_system() -> str:
    """Return what processes have in common that see each other's numbers: one boot of one machine, one container."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    if not boot.exists():
        return f"{platform.node()} {_answer('sysctl', '-n', 'kern.boottime')}"
    return f"{boot.read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"


def started(pid: int) -> str:
    """Return when a process was started, in the system's words; "" where there is none, or one that has ended."""
    if not _has_proc():
        return _answer("ps", "-o", "lstart=", "-p", str(pid))
    fields = _fields(pid)
    return "" if not fields or fields[_STATE] in "ZX" else fields[_STARTED]


def computed(pid: int) -> str:
    """Return how long a process has computed, in the system's words; it changes while the process does anything."""
    if not _has_proc():
        return _answer("ps", "-o", "cputime=", "-p", str(pid))
    fields = _fields(pid)
    return f"{fields[_USER_TIME]} {fields[_SYSTEM_TIME]}" if fields else ""


@cache
def _has_proc() -> bool:
    return Path("/proc/self/stat").exists()


def _fields(pid: int) -> list[str]:
    try:
        # The name of the program, in parentheses, may hold anything: the rest stands behind the last of them.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _answer(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
