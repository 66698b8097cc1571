"""What compiled code prints goes to the standard error: HiGHS leaves lines of its developers on the standard output."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STDOUT, _STDERR = 1, 2


@contextmanager
def output_to_stderr() -> Iterator[None]:
    """Let descriptor 1 be descriptor 2 for a while: who reads a result as JSON finds no other lines in it."""
    c_library = ctypes.CDLL(None)
    sys.stdout.flush()
    # C has a buffer of its own: it is emptied before the change and before the way back.
    c_library.fflush(None)
    kept = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    try:
        yield
    finally:
        c_library.fflush(None)
        os.dup2(kept, _STDOUT)
        os.close(kept)
