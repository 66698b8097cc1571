"""A small project of a user's own, and the command run on it as a process."""

import os
import subprocess
import sys

import pytest
from runs_project import REPOSITORY, supple_here, write_project


@pytest.fixture
def project(tmp_path):
    """Return a folder with `small_project.py`, `config.yaml` and 300 images of three classes."""
    return write_project(tmp_path)


@pytest.fixture
def start(project):
    """Return a function that starts `supple` with arguments in the project's folder, and gives the process.

    With `together=2` that process is torchrun, which starts two.
    """
    processes = []

    def begin(*arguments, together=1, **options):
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(together), "-m"]
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *(launcher if together > 1 else []), "supple", *arguments],
            cwd=project,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONPATH": f"{project}{os.pathsep}{REPOSITORY}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            # torchrun ends the processes that it started, if it is asked to end and not killed.
            process.terminate() if "torch.distributed.run" in process.args else process.kill()
        process.communicate()


@pytest.fixture
def supple(project, start):
    """Return a function that runs `supple` with arguments and gives (exit status, stdout, stderr).

    It runs in this process, which has loaded all it needs; with options of `start`, in processes of its own.
    """

    def run(*arguments, **options):
        if not options:
            result = supple_here(project, *arguments)
            return result.exit_code, result.stdout, result.stderr
        process = start(*arguments, **options)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output, errors

    return run
