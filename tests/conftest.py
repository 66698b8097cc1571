"""Settings of the whole suite."""

from functools import cache

import pytest
from hypothesis import settings
from torch.onnx._internal.exporter._registration import ONNXRegistry

# Machines are shared: an example that takes long is no failure.
settings.register_profile("supple", deadline=None)
settings.load_profile("supple")


@pytest.fixture(autouse=True, scope="session")
def translations_are_read_once():
    """Let PyTorch read its table of ONNX operators once and not for each export: a third of what a small one takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        yield
