"""Run a script beside this file as several processes."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def torchrun(count: int, *arguments: str) -> None:
    """Run a script beside this file as so many processes."""
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), *arguments],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        cwd=HERE,
        check=True,
        timeout=300,
    )
