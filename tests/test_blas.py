"""Tests of how many threads linear algebra takes."""

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from supple.blas import one_blas_thread
from supple.searching.predictors import Ridge
from supple.searching.predictors.encoder import Encoder
from supple.space import Dimension, Kind, Space


def threads():
    return {entry["filepath"]: entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"}


def test_one_thread_multiplies_inside_and_as_many_as_before_outside():
    with threadpool_limits(2, "blas"):
        before = threads()
        with one_blas_thread():
            assert set(threads().values()) == {1}
            assert np.allclose(scipy.linalg.inv(2 * np.eye(3)), np.eye(3) / 2)
        assert threads() == before


def test_an_error_leaves_the_threads_as_they_were():
    with threadpool_limits(2, "blas"):
        before = threads()
        with pytest.raises(ZeroDivisionError), one_blas_thread():
            raise ZeroDivisionError
        assert threads() == before


def test_predictors_fit_and_predict_by_one_thread(monkeypatch):
    seen = []
    fit = Ridge._fit

    def watched(self, *arguments):
        seen.append(set(threads().values()))
        return fit(self, *arguments)

    monkeypatch.setattr(Ridge, "_fit", watched)
    space = Space([Dimension("width", Kind.WIDTH, (1, 2, 3))])
    features = Encoder(space).encode(np.array([[1], [2], [3]]), None)
    with threadpool_limits(2, "blas"):
        Ridge().fit(features, [1.0, 2.0, 3.0])
    assert seen == [{1}]
