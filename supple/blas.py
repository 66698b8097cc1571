"""Linear algebra on small matrices, by one thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module

from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy and SciPy multiply and solve by one thread, in a block or, as a decorator, in a function.

    Several threads wait for each other at every step. For matrices of a few hundred rows that is most of the time, and
    where another program takes a core, many times all else: 24 ms instead of 0.3 for the inverse of 16 x 16.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    # NumPy and SciPy each bring a library of their own, which is loaded with them.
    for name in ("numpy", "scipy.linalg"):
        import_module(name)
    return ThreadpoolController()
